//! Being told when files change.
//!
//! Invariant: this only makes the connector look earlier than it would anyway. What is not told,
//! for want of a watch or because it was lost, is found at the next look.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RemoveKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use parking_lot::RwLock;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::roots::here_if_empty;
use crate::walk::has_extension;

/// How long nothing has to change before it is looked what did.
const QUIET: Duration = Duration::from_millis(200);

/// How long a change waits at the most.
const LATE_MAX: Duration = Duration::from_secs(2);

/// What is to be watched, without symbolic links.
#[derive(Debug, Default)]
pub(crate) struct Points {
    folders: BTreeSet<PathBuf>,
    /// Files of any name that matter.
    named: HashSet<PathBuf>,
    /// Where paths of folders lead, for this round.
    real: HashMap<PathBuf, Option<PathBuf>>,
}

impl Points {
    /// Watches folders for files with one of the extensions, and for folders.
    pub(crate) fn folders(&mut self, folders: impl IntoIterator<Item = PathBuf>) {
        self.folders.extend(folders);
    }

    /// Watches for a file, which need not exist, nor its folder.
    pub(crate) fn file(&mut self, path: &Path) {
        let mut child = path;
        for folder in path.ancestors().skip(1) {
            if let Some(real) = self.real(folder) {
                let name: OsString = child
                    .components()
                    .next_back()
                    .map_or(OsString::new(), |part| part.as_os_str().into());
                self.named.insert(real.join(name));
                self.folders.insert(real);
                break;
            }
            child = folder;
        }
        // What a link leads to lies elsewhere.
        if fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink())
            && let Ok(real) = fs::canonicalize(path)
        {
            self.folders.extend(real.parent().map(Path::to_owned));
            self.named.insert(real);
        }
    }

    fn real(&mut self, folder: &Path) -> Option<PathBuf> {
        let real = self.real.entry(folder.to_owned());
        real.or_insert_with(|| fs::canonicalize(here_if_empty(folder)).ok()).clone()
    }
}

/// Tells that something may have changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signal(Arc<Notify>);

impl Signal {
    pub(crate) fn raise(&self) {
        self.0.notify_one();
    }

    /// Waits until something may have changed.
    pub(crate) async fn raised(&self) {
        self.0.notified().await;
    }

    /// Waits until nothing changes for a moment, but not for long.
    pub(crate) async fn settled(&self) {
        let latest = Instant::now() + LATE_MAX;
        loop {
            let quiet = latest.min(Instant::now() + QUIET);
            tokio::select! {
                () = sleep_until(quiet) => return,
                () = self.raised() => {}
            }
        }
    }
}

/// Watches folders.
pub(crate) struct Watch {
    watcher: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
    named: Arc<RwLock<HashSet<PathBuf>>>,
    has_failed: bool,
}

impl Watch {
    pub(crate) fn new(signal: Signal) -> Self {
        let named = Arc::new(RwLock::new(HashSet::new()));
        let matters = Arc::clone(&named);
        let watcher = notify::recommended_watcher(move |told: notify::Result<Event>| {
            // What went wrong may be that something was lost.
            if told.is_ok_and(|event| !is_relevant(&event, &matters.read())) {
                return;
            }
            signal.raise();
        });
        if let Err(error) = &watcher {
            tracing::warn!(%error, "changes of files are not told; they are found by polling");
        }
        let has_failed = watcher.is_err();
        Self { watcher: watcher.ok(), folders: BTreeSet::new(), named, has_failed }
    }

    /// Watches these from now on. Returns whether any of them is new: what happened in it before
    /// was not told. With `again`, folders are watched anew, in case they were exchanged.
    pub(crate) fn set(&mut self, points: Points, again: bool) -> bool {
        let Some(watcher) = &mut self.watcher else { return false };
        *self.named.write() = points.named;
        for gone in self.folders.difference(&points.folders) {
            // It may be gone itself.
            let _ = watcher.unwatch(gone);
        }
        self.folders.retain(|folder| points.folders.contains(folder));
        let mut grew = false;
        for folder in points.folders {
            let is_new = !self.folders.contains(&folder);
            if !is_new && !again {
                continue;
            }
            match watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    grew |= is_new;
                    self.folders.insert(folder);
                }
                Err(error) => {
                    self.folders.remove(&folder);
                    if !self.has_failed {
                        tracing::warn!(folder = %folder.display(), %error, "a folder can't be watched; changes in it are found by polling");
                    }
                    self.has_failed = true;
                    if matches!(error.kind, notify::ErrorKind::MaxFilesWatch) {
                        // The others would fail alike.
                        break;
                    }
                }
            }
        }
        grew
    }
}

/// Whether an event may be about a file that is wanted.
fn is_relevant(event: &Event, named: &HashSet<PathBuf>) -> bool {
    if event.need_rescan() {
        return true;
    }
    let matters = |path: &PathBuf| has_extension(path) || named.contains(path);
    match event.kind {
        // Reading is an event, too, and this program reads.
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => event.paths.iter().any(matters),
        EventKind::Access(_) => false,
        EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_))
        | EventKind::Create(CreateKind::File)
        | EventKind::Remove(RemoveKind::File) => event.paths.iter().any(matters),
        // Folders, and whatever may be one: links that are exchanged by renaming.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{DataChange, Flag, MetadataKind, RenameMode};

    use super::*;

    #[test]
    fn only_what_may_be_wanted_is_relevant() {
        let named = HashSet::from([PathBuf::from("/a/README.md")]);
        let data = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        for (kind, path, expected) in [
            (EventKind::Access(AccessKind::Open(AccessMode::Any)), "/a/x.yaml", false),
            (EventKind::Access(AccessKind::Close(AccessMode::Read)), "/a/x.yaml", false),
            (EventKind::Access(AccessKind::Close(AccessMode::Write)), "/a/x.yaml", true),
            (EventKind::Access(AccessKind::Close(AccessMode::Write)), "/a/x.log", false),
            (data, "/a/x.ndjson", true),
            (data, "/a/README.md", true),
            (data, "/a/x.log", false),
            (EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)), "/a/x.log", false),
            (EventKind::Modify(ModifyKind::Name(RenameMode::To)), "/a/..data", true),
            (EventKind::Create(CreateKind::File), "/a/.x.swp", false),
            (EventKind::Create(CreateKind::Folder), "/a/new", true),
            (EventKind::Remove(RemoveKind::File), "/a/x.json", true),
            (EventKind::Remove(RemoveKind::Other), "/a", true),
        ] {
            let event = Event::new(kind).add_path(path.into());
            assert_eq!(is_relevant(&event, &named), expected, "{event:?}");
        }
        assert!(is_relevant(&Event::new(EventKind::Other).set_flag(Flag::Rescan), &named));
    }

    #[test]
    fn a_file_is_watched_through_the_nearest_folder_there_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let real = fs::canonicalize(folder.path()).expect("a path");
        fs::create_dir_all(real.join("a/b")).expect("a folder");
        fs::write(real.join("a/b/x"), "").expect("a file");
        std::os::unix::fs::symlink("b/x", real.join("a/link")).expect("a link");
        for (path, folders, named) in [
            ("a/x.yaml", vec!["a"], vec!["a/x.yaml"]),
            ("a/none/deep/x.yaml", vec!["a"], vec!["a/none"]),
            ("a/link", vec!["a", "a/b"], vec!["a/link", "a/b/x"]),
            ("a/b/../x.yaml", vec!["a"], vec!["a/x.yaml"]),
        ] {
            let mut points = Points::default();
            points.file(&real.join(path));
            let folders = folders.into_iter().map(|path| real.join(path)).collect();
            let named = named.into_iter().map(|path| real.join(path)).collect();
            assert_eq!((points.folders, points.named), (folders, named), "{path}");
        }
    }
}
