//! What can go wrong with a backup.

use std::path::{Path, PathBuf};

/// What can go wrong with a backup.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder can't be used.
    #[error("{} can't {step}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What was being done.
        step: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A database can't be taken or put back.
    #[error("the backups of a database in {} can't {step}", .path.display())]
    Database {
        /// Its folder.
        path: PathBuf,
        /// What was being done.
        step: &'static str,
        /// What the storage said.
        #[source]
        source: rocksdb::Error,
    },
    /// A backup's manifest can't be read.
    #[error("the backup {} can't be read", .path.display())]
    Manifest {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// A later version of Annals wrote it.
    #[error(
        "the backup {} was written by a later version of Annals (form {form}; this one reads up to \
         {})", .path.display(), crate::FORM
    )]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its form.
        form: u32,
    },
}

impl Error {
    pub(crate) fn io(step: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, step, source }
    }

    pub(crate) fn database(step: &'static str, path: &Path) -> impl FnOnce(rocksdb::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Database { path, step, source }
    }
}
