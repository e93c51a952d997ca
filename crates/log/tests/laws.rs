//! Both logs keep the laws; planted faults are found; damage is told from a torn tail.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use log::conformance::{Bench, check_all, read_all, record};
use log::{EmbeddedLog, EmbeddedOptions, Error, Log, MemoryLog};

struct InMemory;

impl Bench for InMemory {
    fn create(&self) -> Arc<dyn Log> {
        Arc::new(MemoryLog::new())
    }

    fn crash(&self, _: Arc<dyn Log>) -> Option<Arc<dyn Log>> {
        None
    }
}

/// Embedded logs in folders; a crash copies the files as they are while the log is still open,
/// so that what only this process's memory holds is lost.
struct Embedded {
    root: tempfile::TempDir,
    count: std::sync::atomic::AtomicUsize,
}

impl Embedded {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap(), count: 0.into() }
    }

    fn folder(&self, number: usize) -> PathBuf {
        self.root.path().join(number.to_string())
    }

    fn next(&self) -> (usize, PathBuf) {
        let number = self.count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        (number, self.folder(number))
    }
}

fn open(path: &Path) -> Result<EmbeddedLog, Error> {
    EmbeddedLog::open(path, EmbeddedOptions::default())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        if file.file_name() != "LOCK" {
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

impl Bench for Embedded {
    fn create(&self) -> Arc<dyn Log> {
        Arc::new(open(&self.next().1).unwrap())
    }

    fn crash(&self, log: Arc<dyn Log>) -> Option<Arc<dyn Log>> {
        let (number, folder) = self.next();
        copy(&self.folder(number - 1), &folder);
        drop(log);
        Some(Arc::new(open(&folder).unwrap()))
    }
}

#[test]
fn the_memory_log_keeps_the_laws() {
    check_all(&InMemory);
}

#[test]
fn the_embedded_log_keeps_the_laws() {
    check_all(&Embedded::new());
}

/// Runs the test above in a process of its own with a fault planted, and wants it to fail.
#[test]
fn planted_faults_are_found() {
    for (fault, law) in [
        ("log-skips-sync", "what was acknowledged survives a crash"),
        ("log-swaps-writes", "offsets begin at 0"),
    ] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["the_embedded_log_keeps_the_laws", "--exact", "--nocapture"])
            .env("ANNALS_PLANT", fault)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "the suite did not find {fault}");
        let last = said.lines().rfind(|line| line.starts_with("law: ")).unwrap_or_default();
        assert!(last.contains(law), "{fault} was found by: {last}\n{said}");
    }
}

/// A log as a crash leaves it: `records` records in its write-ahead log, of which the last 10
/// were not yet acknowledged. Gives the write-ahead log's path.
fn crashed(folder: &Path, records: u64) -> PathBuf {
    let log = open(folder).unwrap();
    let mut acknowledged = Vec::new();
    for number in 0..records {
        if number == records - 10 {
            acknowledged = fs::read(folder.join("DURABLE")).unwrap();
        }
        log.append(&[record(number)]).unwrap();
    }
    let kept = folder.with_extension("crashed");
    copy(folder, &kept);
    fs::write(kept.join("DURABLE"), acknowledged).unwrap();
    let wal = fs::read_dir(&kept).unwrap().map(|file| file.unwrap().path());
    let wal = wal.filter(|path| path.extension().is_some_and(|end| end == "log"));
    wal.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap()
}

/// Opens a copy of a crashed log whose write-ahead log was changed.
fn reopened(
    wal: &Path,
    to: &Path,
    change: impl FnOnce(&mut Vec<u8>),
) -> Result<EmbeddedLog, Error> {
    copy(wal.parent().unwrap(), to);
    let mut bytes = fs::read(wal).unwrap();
    change(&mut bytes);
    fs::write(to.join(wal.file_name().unwrap()), bytes).unwrap();
    open(to)
}

#[test]
fn a_torn_tail_is_cut_and_the_log_goes_on() {
    let root = tempfile::tempdir().unwrap();
    let wal = crashed(&root.path().join("a"), 50);
    let expected: Vec<_> = (0..50).map(record).collect();
    // (bytes taken off the end, bytes at the end that are zeros then, zeros added)
    for case in
        [(1, 0, 0), (7, 0, 0), (8, 0, 0), (500, 0, 0), (0, 30, 0), (0, 600, 40_000), (90, 80, 9)]
    {
        let (cut, zeroed, added) = case;
        let log = reopened(&wal, &root.path().join(format!("{case:?}")), |bytes| {
            let length = bytes.len() - cut;
            bytes.truncate(length - zeroed);
            bytes.resize(length + added, 0);
        });
        let log = log.unwrap_or_else(|error| panic!("{case:?}: {error:?}"));
        let left = read_all(&log);
        assert!((40..50).contains(&left.len()), "{case:?}: {} records are left", left.len());
        assert_eq!(left, expected[..left.len()], "{case:?}");
        assert_eq!(log.append(&[record(99)]).unwrap(), left.len() as u64);
        assert_eq!(read_all(&log).last(), Some(&record(99)));
    }
}

#[test]
fn a_log_that_lost_what_it_acknowledged_is_not_opened_and_not_changed() {
    let root = tempfile::tempdir().unwrap();
    let wal = crashed(&root.path().join("a"), 50);
    let length = fs::metadata(&wal).unwrap().len() as usize;
    let cut = reopened(&wal, &root.path().join("cut"), |bytes| bytes.truncate(length / 2));
    assert!(matches!(cut.err(), Some(Error::Damaged { .. })));
    for at in (100..length * 3 / 4).step_by(length / 20) {
        let folder = root.path().join(format!("at{at}"));
        let result = reopened(&wal, &folder, |bytes| bytes[at] ^= 0x10);
        assert!(matches!(result.err(), Some(Error::Damaged { .. })), "byte {at} of {length}");
        let again = open(&folder).err();
        assert!(matches!(again, Some(Error::Damaged { .. })), "the first try changed the files");
    }
}

#[test]
fn a_folder_in_use_or_of_a_later_version_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("log");
    let held = open(&path).unwrap();
    assert!(matches!(open(&path), Err(Error::Locked { .. })));
    drop(held);
    let raw = rocksdb::DB::open_default(&path).unwrap();
    raw.put(b"\x00format", 2_u32.to_be_bytes()).unwrap();
    drop(raw);
    assert!(matches!(open(&path), Err(Error::Newer { found: 2, known: 1, .. })));
}
