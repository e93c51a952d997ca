//! What can go wrong with the views.

use std::path::PathBuf;

use fold::RowError;

/// What can go wrong with the views.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process has the folder open.
    #[error("the views in {} are in use by another process", .path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The folder was written by a later version of Annals.
    #[error("the views in {} were written by a later version of Annals", .path.display())]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The latest format that this program knows.
        known: u32,
    },
    /// The folder was written by an earlier version of Annals, which kept less.
    #[error(
        "the views in {} were written by an earlier version of Annals: `annals serve` makes them \
         anew from the log",
        .path.display()
    )]
    Older {
        /// The folder.
        path: PathBuf,
    },
    /// There is no room left on the disk.
    #[error("the disk that holds {} is full", .path.display())]
    DiskFull {
        /// The folder.
        path: PathBuf,
    },
    /// The storage failed.
    #[error("the views in {} could not {step}", .path.display())]
    Storage {
        /// What was being done.
        step: &'static str,
        /// The folder.
        path: PathBuf,
        /// What the storage said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A row was written by a later version of Annals.
    #[error("the views were written by a later version of Annals")]
    NewerRow(#[source] RowError),
    /// A row is not what was written there.
    #[error("the views are damaged")]
    Row(#[source] RowError),
    /// A row of an index or of the views' own tables is not what was written there.
    #[error("the views are damaged: a row of `{table}` can't be read")]
    Damaged {
        /// Which table.
        table: &'static str,
    },
    /// A moment that the views can't answer for.
    #[error("offset {offset} is beyond what is folded")]
    Future {
        /// The offset.
        offset: event::Offset,
    },
}

impl From<RowError> for Error {
    fn from(error: RowError) -> Self {
        match error {
            RowError::Newer { .. } => Self::NewerRow(error),
            RowError::Malformed { .. } => Self::Row(error),
        }
    }
}
