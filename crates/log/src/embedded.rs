//! The embedded log: a RocksDB of its own in a folder.
//!
//! ```text
//! key                        value
//! 0x00 "format"              4 bytes big-endian, 1
//! 0x01 offset (8 bytes BE)   a frame (see frame.rs)
//! ```
//! Appends that wait at the same time are written as one batch and made durable by one sync: the
//! first to come writes for all (the group's leader), the others wait for it. Offsets are given
//! under the same lock in which a group is formed, so that the write-ahead log holds them in their
//! order, and a tail torn off by a crash is always a tail.
//!
//! Beside the tables the folder holds `DURABLE` (see watermark.rs): up to where appends were
//! acknowledged. A crash tears off only what never was; where records below the watermark are
//! missing, the log is damaged and is not opened, instead of going on shorter than it was.

mod erase;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use backup::Making;
use bytes::Bytes;
use event::{Content, Entry, Offset};
use parking_lot::{Condvar, Mutex};
use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, DBRecoveryMode, Direction, ErrorKind,
    IteratorMode, Options, ReadOptions, WriteBatch,
};

use crate::frame::checked_frame;
use crate::plant::planted;
use crate::watermark::Watermark;
use crate::{Budget, Error, Log, read_frame};

/// The format that this program writes, and the latest that it reads.
const FORMAT: u32 = 1;
const FORMAT_KEY: &[u8] = b"\x00format";
const ENTRIES: u8 = 1;

/// What a row takes in a batch beside its value, in bytes, at the most.
const ROW_BYTES: usize = 24;

/// How the embedded log uses memory.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedOptions {
    /// For recently appended records that are not yet in a table file.
    pub write_buffer_bytes: usize,
    /// For blocks that were read.
    pub cache_bytes: usize,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self { write_buffer_bytes: 32 * 1024 * 1024, cache_bytes: 16 * 1024 * 1024 }
    }
}

/// A log in a folder on this machine.
pub struct EmbeddedLog {
    db: DB,
    path: PathBuf,
    watermark: Watermark,
    state: Mutex<State>,
    /// Something became durable, or nothing will any more.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The offset of the next record to be appended.
    next: Offset,
    /// Everything below it is durable.
    durable: Offset,
    /// Frames that wait for the next group, in the order of their offsets, up to `next`.
    pending: Vec<Bytes>,
    /// Whether a leader is writing.
    writing: bool,
    /// Whether a write failed; then nothing more can be promised.
    failed: bool,
}

impl EmbeddedLog {
    /// Opens the log in a folder, and makes both where there is none.
    ///
    /// # Errors
    /// When the folder is in use, was written by a later version, is damaged, or can't be used.
    pub fn open(path: &Path, options: EmbeddedOptions) -> Result<Self, Error> {
        let db = open_database(path, options)?;
        let watermark = Watermark::open(path).map_err(|source| Error::Storage {
            step: "open its watermark",
            path: path.to_owned(),
            source: source.into(),
        })?;
        let durable = find_end(&db, path)?;
        check_end(durable, watermark.read())?;
        let log = Self {
            db,
            path: path.to_owned(),
            watermark,
            state: Mutex::new(State { next: durable, durable, ..State::default() }),
            changed: Condvar::new(),
        };
        log.check_format()?;
        Ok(log)
    }

    fn check_format(&self) -> Result<(), Error> {
        let stored = self.db.get(FORMAT_KEY).map_err(|source| self.storage("be read", source))?;
        let Some(stored) = stored else {
            return self
                .db
                .put(FORMAT_KEY, FORMAT.to_be_bytes())
                .and_then(|()| self.db.flush_wal(true))
                .map_err(|source| self.storage("be written", source));
        };
        let found = stored.as_slice().try_into().map_or(u32::MAX, u32::from_be_bytes);
        if found > FORMAT {
            return Err(Error::Newer { path: self.path.clone(), found, known: FORMAT });
        }
        Ok(())
    }

    /// Writes a group and makes it durable.
    fn write(&self, first: Offset, frames: &[Bytes]) -> Result<(), Error> {
        // A batch that grows is copied, and what it leaves behind has to be given back.
        let bytes: usize = frames.iter().map(|frame| frame.len() + ROW_BYTES).sum();
        let mut batch = WriteBatch::with_capacity_bytes(bytes + ROW_BYTES);
        for (offset, frame) in (first..).zip(frames) {
            let offset = if planted("log-swaps-writes") { offset ^ 1 } else { offset };
            batch.put(key(offset), frame);
        }
        // The write-ahead log is flushed by hand: until then the group is in this process's memory
        // only, and `flush_wal(true)` both writes and syncs it.
        self.db.write(batch).map_err(|source| self.storage("be written", source))?;
        if planted("log-skips-sync") {
            return Ok(());
        }
        self.db.flush_wal(true).map_err(|source| self.storage("be synced", source))
    }

    /// Takes the log into a backup, while it goes on.
    ///
    /// # Errors
    /// When it can't be read or written there.
    pub fn back_up(&self, name: &str, making: &mut Making<'_>) -> Result<(), Error> {
        self.db.flush_wal(true).map_err(|source| self.storage("be synced", source))?;
        making.database(name, &self.db).map_err(|source| Error::Storage {
            step: "be backed up",
            path: self.path.clone(),
            source: source.into(),
        })
    }

    fn storage(&self, step: &'static str, source: rocksdb::Error) -> Error {
        storage_error(step, &self.path, source)
    }

    /// Writes what waits, as the leader of its group, and tells the others.
    fn lead(&self, state: &mut parking_lot::MutexGuard<'_, State>) -> Result<(), Error> {
        let frames = std::mem::take(&mut state.pending);
        let first = state.durable;
        state.writing = true;
        let written = parking_lot::MutexGuard::unlocked(state, || self.write(first, &frames));
        state.writing = false;
        match &written {
            Ok(()) => {
                state.durable += frames.len() as Offset;
                self.watermark.write(state.durable);
            }
            Err(_) => state.failed = true,
        }
        self.changed.notify_all();
        written
    }
}

impl Log for EmbeddedLog {
    fn append(&self, contents: &[Content]) -> Result<Offset, Error> {
        let frames = contents.iter().map(checked_frame).collect::<Result<Vec<Bytes>, Error>>()?;
        let mut state = self.state.lock();
        let first = state.next;
        let end = first + frames.len() as Offset;
        state.next = end;
        state.pending.extend(frames);
        while state.durable < end {
            if state.failed {
                return Err(Error::Closed { path: self.path.clone() });
            }
            if state.writing {
                self.changed.wait(&mut state);
            } else {
                self.lead(&mut state)?;
            }
        }
        Ok(first)
    }

    fn end(&self) -> Result<Offset, Error> {
        Ok(self.state.lock().durable)
    }

    fn read(&self, from: Offset, budget: Budget) -> Result<Vec<Entry>, Error> {
        let end = self.end()?;
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(key(end));
        let mode = IteratorMode::From(&key(from), Direction::Forward);
        let mut entries = Vec::new();
        let mut bytes = 0;
        for (offset, item) in (from..end).zip(self.db.iterator_opt(mode, options)) {
            let (found, frame) = item.map_err(|source| self.storage("be read", source))?;
            if offset_of(&found) != Some(offset) {
                return Err(Error::Damaged { offset, what: "it is missing".into() });
            }
            bytes += frame.len();
            let content = read_frame(&Bytes::from(frame)).map_err(|error| {
                if error.is_newer() {
                    return Error::NewerRecord { offset };
                }
                Error::Damaged { offset, what: error.to_string() }
            })?;
            entries.push(Entry { offset, content });
            if entries.len() >= budget.entries || bytes >= budget.bytes {
                break;
            }
        }
        if entries.is_empty() && from < end {
            return Err(Error::Damaged { offset: from, what: "it is missing".into() });
        }
        Ok(entries)
    }

    fn wait(&self, beyond: Offset, at_most: Duration) -> Result<Offset, Error> {
        let deadline = Instant::now() + at_most;
        let mut state = self.state.lock();
        while state.durable <= beyond && !state.failed {
            if self.changed.wait_until(&mut state, deadline).timed_out() {
                break;
            }
        }
        Ok(state.durable)
    }
}

/// Opens the database; one whose tail was torn by a crash is opened without that tail, unless
/// something that was acknowledged would be lost with it.
fn open_database(path: &Path, options: EmbeddedOptions) -> Result<DB, Error> {
    let fault = |source| storage_error("be opened", path, source);
    let mut strict = db_options(options);
    strict.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    let torn = match DB::open(&strict, path) {
        Ok(db) => return Ok(db),
        Err(error) if error.kind() == ErrorKind::Corruption => error,
        Err(error) => return Err(fault(error)),
    };
    // The tail holds what is not a record, zeros for instance. Look, without changing anything,
    // how far the log can be read.
    let mut lenient = db_options(options);
    lenient.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    let Ok(readable) = DB::open_for_read_only(&lenient, path, false) else {
        return Err(fault(torn));
    };
    let acknowledged = Watermark::open(path).map_or(0, |watermark| watermark.read());
    check_end(find_end(&readable, path)?, acknowledged)?;
    drop(readable);
    DB::open(&lenient, path).map_err(fault)
}

fn find_end(db: &DB, path: &Path) -> Result<Offset, Error> {
    let last = db.iterator(IteratorMode::From(&key(Offset::MAX), Direction::Reverse)).next();
    match last {
        None => Ok(0),
        Some(Err(source)) => Err(storage_error("be read", path, source)),
        Some(Ok((last, _))) => Ok(offset_of(&last).map_or(0, |offset| offset + 1)),
    }
}

fn check_end(found: Offset, acknowledged: Offset) -> Result<(), Error> {
    if found < acknowledged {
        let lost = acknowledged - found;
        let what = format!("{lost} acknowledged records from there on can't be read");
        return Err(Error::Damaged { offset: found, what });
    }
    Ok(())
}

fn key(offset: Offset) -> [u8; 9] {
    let mut key = [ENTRIES; 9];
    key[1..].copy_from_slice(&offset.to_be_bytes());
    key
}

fn offset_of(key: &[u8]) -> Option<Offset> {
    match key.split_first() {
        Some((&ENTRIES, rest)) => rest.try_into().ok().map(Offset::from_be_bytes),
        _ => None,
    }
}

fn db_options(options: EmbeddedOptions) -> Options {
    let mut db = Options::default();
    db.create_if_missing(true);
    db.set_manual_wal_flush(true);
    db.set_write_buffer_size(options.write_buffer_bytes);
    db.set_max_background_jobs(2);
    db.set_keep_log_file_num(3);
    db.set_max_open_files(256);
    // Records are read in their order and compress together; files never overlap, so compaction
    // only moves them and what the flush wrote is what stays.
    db.set_compression_type(DBCompressionType::Zstd);
    db.set_compression_options(-14, 1, 0, 0);
    let mut table = BlockBasedOptions::default();
    table.set_block_size(32 * 1024);
    table.set_block_cache(&Cache::new_lru_cache(options.cache_bytes));
    table.set_format_version(6);
    db.set_block_based_table_factory(&table);
    db
}

fn storage_error(step: &'static str, path: &Path, source: rocksdb::Error) -> Error {
    let text = source.to_string();
    let path = path.to_owned();
    if text.contains("No space left") {
        return Error::DiskFull { path };
    }
    if text.contains("lock hold by current process") || text.contains("/LOCK: Resource") {
        return Error::Locked { path };
    }
    Error::Storage { step, path, source: Box::new(source) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_offsets_do() {
        let offsets = [0, 1, 255, 256, 65_535, 1 << 40, Offset::MAX];
        for pair in offsets.windows(2) {
            assert!(key(pair[0]) < key(pair[1]));
            assert!(FORMAT_KEY < &key(pair[0])[..]);
        }
        for offset in offsets {
            assert_eq!(offset_of(&key(offset)), Some(offset));
        }
        assert_eq!(offset_of(FORMAT_KEY), None);
    }
}
