//! The log: one totally ordered sequence of records, the only truth there is.
//!
//! [`Log`] states what every log promises; [`EmbeddedLog`] keeps it in a folder on this machine,
//! [`MemoryLog`] in memory, and `crates/log-kafka` on Apache Kafka. All of them pass one suite
//! ([`conformance`]).
//!
//! What is absent: what records mean. A log neither reads their data nor orders them by it.
//!
//! Invariant: offsets begin at 0 and have no gaps.
//! Invariant: what `append` returned for is durable, and is read at the same offset ever after.
//! Invariant: what is read is durable; a record is never served and then lost.

mod embedded;
mod frame;
mod memory;
mod plant;
mod watermark;

#[cfg(feature = "conformance")]
pub mod conformance;

use std::path::PathBuf;
use std::time::Duration;

use event::{Content, Entry, Offset, PartError};

pub use embedded::{EmbeddedLog, EmbeddedOptions};
pub use frame::{FrameError, read_frame, write_frame};
pub use memory::MemoryLog;
pub use watermark::{read_watermark, write_watermark};

/// A log.
///
/// Laws, each with its test in [`conformance`]:
/// 1. Offsets are given in the order of appending, from 0, without gaps; one append's records
///    stand in their order, and together as long as no other process appends. (A log that several
///    processes share may put their records between.)
/// 2. `append` returns when its records are durable. When it fails, the first few of its records
///    may stand in the log, or all, or none, but never one without those before it; and so they may
///    be appended again, where whoever reads them drops doubles by their numbers.
/// 3. `read` gives exactly what was appended, byte for byte, bytes that are no record included,
///    and nothing that is not durable.
/// 4. What was read at an offset is read there again, also after a crash and a restart.
/// 5. `end` never goes back, and everything below it can be read.
/// 6. `wait` returns as soon as there is something beyond, or when its time is over.
/// 7. A record that could not be read again, since an attribute is not of its form
///    ([`event::Record::check`]), is not taken.
pub trait Log: Send + Sync {
    /// Appends all of `contents`, in their order, and returns the offset of the first once all
    /// are durable. Where another process's records stand between them, that offset is counted
    /// back from the last one, so that `contents[i]` stands at `offset + i` or before. Nothing is
    /// appended when there is nothing to append, or when something is too large or not a record of
    /// its form.
    ///
    /// # Errors
    /// When the log can't promise that the records are durable.
    fn append(&self, contents: &[Content]) -> Result<Offset, Error>;

    /// The offset after the last durable record.
    ///
    /// # Errors
    /// When the log can't be reached.
    fn end(&self) -> Result<Offset, Error>;

    /// The entries from an offset on, at least one where there is one, and not more than the
    /// budget holds.
    ///
    /// # Errors
    /// When the log can't be read, or is damaged there.
    fn read(&self, from: Offset, budget: Budget) -> Result<Vec<Entry>, Error>;

    /// Waits until `end()` is beyond an offset (greater than it), at most so long, and returns
    /// `end()`.
    ///
    /// # Errors
    /// When the log can't be reached.
    fn wait(&self, beyond: Offset, at_most: Duration) -> Result<Offset, Error>;

    /// Why appends have to wait now, in words, where the log is away.
    fn why_away(&self) -> Option<String> {
        None
    }

    /// Gives up whatever waits for a log that is away, and takes no more appends: those that are
    /// under way fail as if they had been interrupted.
    fn close(&self) {}
}

/// Whether every log takes this content.
///
/// # Errors
/// When it is too large, or is not a record of its form.
pub fn check(content: &Content) -> Result<(), Error> {
    frame::checked_frame(content).map(drop)
}

/// How much one read may return.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// At most so many entries.
    pub entries: usize,
    /// No further entry once so many bytes of data are reached.
    pub bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { entries: 4096, bytes: 16 * 1024 * 1024 }
    }
}

/// What can go wrong with a log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process has the folder open.
    #[error("the log in {} is in use by another process", .path.display())]
    Locked {
        /// The log's folder.
        path: PathBuf,
    },
    /// The folder was written by a later version of Annals.
    #[error(
        "the log in {} was written by a later version of Annals (format {found}; this one reads up \
         to {known})",
        .path.display()
    )]
    Newer {
        /// The log's folder.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The latest format that this program knows.
        known: u32,
    },
    /// A record was written by a later version of Annals.
    #[error("the record at offset {offset} was written by a later version of Annals")]
    NewerRecord {
        /// Where.
        offset: Offset,
    },
    /// What stands in the log is not what was written there.
    #[error("the log is damaged at offset {offset}: {what}")]
    Damaged {
        /// Where.
        offset: Offset,
        /// In what way.
        what: String,
    },
    /// A record has more bytes than a log takes.
    #[error("a record of {bytes} bytes is larger than the {limit} that a log takes")]
    TooLarge {
        /// The encoded record's size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A record has an attribute that could not be read again.
    #[error("a record can't be appended")]
    Unfit(#[from] PartError),
    /// What was to take a record's place is not what is left of it.
    #[error("what is to be left of the record at offset {offset} is not of that record")]
    NotLeft {
        /// Where.
        offset: Offset,
    },
    /// There is no room left on the disk.
    #[error("the disk that holds {} is full", .path.display())]
    DiskFull {
        /// The log's folder.
        path: PathBuf,
    },
    /// The storage failed.
    #[error("the log in {} could not {step}", .path.display())]
    Storage {
        /// What was being done.
        step: &'static str,
        /// The log's folder.
        path: PathBuf,
        /// What the storage said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A log elsewhere can't be reached, or refuses.
    #[error("the log {log} could not {step}")]
    Away {
        /// Where it is.
        log: String,
        /// What was being done.
        step: &'static str,
        /// What it said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An append was broken off; the same may be appended again.
    #[error("an append to the log {log} was interrupted: {why}")]
    Interrupted {
        /// Where it is.
        log: String,
        /// By what.
        why: String,
    },
    /// The log is not the one any more that was read.
    #[error("the log {log} is not the one that was read before: {what}")]
    Exchanged {
        /// Where it is.
        log: String,
        /// How it differs.
        what: String,
    },
    /// The log was closed; nothing is appended or read any more.
    #[error("the log {log} is closed")]
    Ended {
        /// Where it is.
        log: String,
    },
    /// An earlier append failed, and nothing can be promised until the log is opened again.
    #[error("an earlier append to the log in {} failed; it takes none until it is opened again", .path.display())]
    Closed {
        /// The log's folder.
        path: PathBuf,
    },
}

impl Error {
    /// Whether the same records may be appended again, and that may go well.
    #[must_use]
    pub const fn is_worth_another_try(&self) -> bool {
        matches!(self, Self::Interrupted { .. })
    }
}
