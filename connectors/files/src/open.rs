//! Opening a file that somebody else may have put there.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use event::vocabulary::Fault;

use crate::words;

/// How long after a change another one may still leave the same times, on file systems that
/// count in less than seconds, and on those that do not.
const TICK: Duration = Duration::from_millis(100);
const TICK_COARSE: Duration = Duration::from_secs(3);

/// What tells one content of a file from another without reading it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp {
    modified: (i64, i64),
    changed: (i64, i64),
    size: u64,
    inode: (u64, u64),
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            size: metadata.size(),
            inode: (metadata.dev(), metadata.ino()),
        }
    }

    /// The stamp of what a path leads to, if there is something.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        path.metadata().ok().map(|metadata| Self::of(&metadata))
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Whether a file could change once more and keep its stamp.
    pub(crate) fn is_young(&self, now: SystemTime) -> bool {
        let (seconds, nanos) = self.changed;
        let since = u64::try_from(seconds).unwrap_or(0);
        let changed = UNIX_EPOCH + Duration::new(since, u32::try_from(nanos).unwrap_or(0));
        let tick = if nanos == 0 { TICK_COARSE } else { TICK };
        // A change in the future is one by a clock that nothing can be told from.
        now.duration_since(changed).is_ok_and(|passed| passed < tick)
    }
}

/// Why a file was not opened.
#[derive(Debug)]
pub(crate) enum Unopened {
    Io(io::Error),
    /// It is no file, but this.
    Other(&'static str),
}

impl Unopened {
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// The class of error that Backstage has for it.
    pub(crate) fn class(&self) -> &'static str {
        match self {
            Self::Io(error) => words::class_of(error),
            Self::Other(_) => "InputError",
        }
    }

    pub(crate) fn fault(&self, name: &str) -> Fault {
        let message = match self {
            Self::Io(error) => format!("{name} {}", words::of_io(error)),
            Self::Other(what) => format!("{name} is {what}, and no file that can be read"),
        };
        words::fault(self.class(), message)
    }
}

/// Opens a file by its path without symbolic links. It never waits, as opening a pipe would, and
/// opens nothing but files.
pub(crate) fn open(real: &Path) -> Result<(File, Stamp), Unopened> {
    refuse_others(&std::fs::symlink_metadata(real).map_err(Unopened::Io)?)?;
    let mut options = OpenOptions::new();
    // What was put in the file's place since it was looked at is not waited for, nor followed.
    options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
    let file = options.open(real).map_err(Unopened::Io)?;
    let metadata = file.metadata().map_err(Unopened::Io)?;
    refuse_others(&metadata)?;
    Ok((file, Stamp::of(&metadata)))
}

fn refuse_others(metadata: &Metadata) -> Result<(), Unopened> {
    let kind = metadata.file_type();
    let what = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_dir() => "a folder",
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () if kind.is_symlink() => "a link",
        () => "a device",
    };
    Err(Unopened::Other(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_are_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "a").expect("a file");
        std::fs::create_dir(at("folder")).expect("a folder");
        std::os::unix::fs::symlink("file", at("link")).expect("a link");
        let made = std::process::Command::new("mkfifo").arg(at("pipe")).status();
        assert!(made.expect("mkfifo").success());
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("a socket");
        for (path, expected) in [
            (at("file"), "opened"),
            (at("none"), "x does not exist"),
            (at("folder"), "x is a folder, and no file that can be read"),
            (at("link"), "x is a link, and no file that can be read"),
            (at("pipe"), "x is a pipe, and no file that can be read"),
            (at("socket"), "x is a socket, and no file that can be read"),
            ("/dev/null".into(), "x is a device, and no file that can be read"),
        ] {
            let found = match open(&path) {
                Ok(_) => "opened".to_owned(),
                Err(why) => why.fault("x").message,
            };
            assert_eq!(found, expected, "{}", path.display());
        }
    }

    #[test]
    fn a_stamp_is_young_for_a_moment() {
        let stamp = |changed| Stamp { modified: (0, 0), changed, size: 0, inode: (0, 0) };
        let now = UNIX_EPOCH + Duration::from_secs(100);
        for (changed, expected) in [
            ((99, 950_000_000), true),
            ((99, 800_000_000), false),
            ((98, 0), true),
            ((90, 0), false),
            ((200, 5), false),
        ] {
            assert_eq!(stamp(changed).is_young(now), expected, "{changed:?}");
        }
    }
}
