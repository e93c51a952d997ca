//! The files connector: catalog files, folders and globs, watched, and what Location entities in
//! them want read.
//!
//! [`run`] keeps a catalog in step with the files: each file is a scope, `files/<id>/<path>`, and is
//! emitted whole when it changes. [`read`] reads the same files once, for the command line.
//!
//! What is absent: reading URLs, validation (a document is handed on as it is), what the catalog
//! knows, and the decision what a snapshot withdraws; they stand in other connectors and in
//! `crates/ingest`.
//!
//! Invariant: on the word of a document no file is read that lies outside of the configured
//! folders, with symbolic links resolved.
//! Invariant: a source that can't be read is not a source that is gone: its scopes are not retired.
//! Invariant: every document of a file becomes one item, read or broken; nothing is lost silently
//! but files of a folder in which nothing speaks of a catalog.
//! Invariant: the same files give the same snapshots.

mod config;
mod documents;
mod emit;
mod memory;
mod name;
mod open;
mod plan;
pub mod read;
mod recognise;
mod resolve;
mod roots;
mod run;
mod site;
mod targets;
mod walk;
mod watch;
mod words;

use std::path::PathBuf;

pub use config::Config;
pub use run::run;

/// Why the connector, or reading, can't begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An id that is no name.
    #[error(transparent)]
    Id(#[from] connector::NotAnId),
    /// No path, or an empty one.
    #[error("the files connector `{id}` needs at least one path, and none that is empty")]
    Paths {
        /// The connector's id.
        id: String,
    },
    /// A time between two looks that is none.
    #[error("the files connector `{id}`: `poll_seconds` is {seconds}, and has to be 1 to {max}")]
    Poll {
        /// The connector's id.
        id: String,
        /// What is configured.
        seconds: u64,
        /// The most.
        max: u64,
    },
    /// A path that names nothing.
    #[error("{path} {problem}")]
    Path {
        /// The path, as it was given.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A defect of this program: a thread that listed files broke off.
    #[error("listing the files of {paths:?} broke off")]
    Broke {
        /// The configured paths.
        paths: Vec<PathBuf>,
    },
}
