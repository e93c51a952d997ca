//! What can go wrong.

use std::path::PathBuf;

/// Why a search could not be answered, or an index not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no index to answer from.
    #[error("the search index is being built; GET /readyz says how far it is")]
    NotReady,
    /// A file of the index can't be used.
    #[error("the search index in {} can't {step}", path.display())]
    Index {
        /// The folder.
        path: PathBuf,
        /// What it could not do.
        step: &'static str,
        /// Why.
        source: tantivy::TantivyError,
    },
    /// A file or folder can't be used.
    #[error("{} can't {step}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What it could not do.
        step: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// An answer could not be found.
    #[error("the search index can't be read")]
    Read(#[from] tantivy::TantivyError),
    /// A row of the index is not what was written.
    #[error("the search index is damaged: {0}")]
    Damaged(&'static str),
    /// The views could not be read.
    #[error("what changed can't be read from the views")]
    Views(#[from] views::Error),
}
