//! The GitHub connector: reads catalog files in the repositories of organizations and users, and
//! the teams and people of organizations, on github.com or an Enterprise Server.
//!
//! [`run`] keeps a catalog in step: it lists repositories with GraphQL, a hundred a query, and reads
//! the files of those that changed, of many repositories a query. A repository is a scope,
//! `github/<id>/<owner>/<name>`, emitted whole. [`Receiver`] takes what GitHub delivers, so that
//! changes show at once; everything is looked at again now and then, since deliveries get lost.
//!
//! What is absent: what deliveries tell as activities (`connectors/ci` has it), validation, and the
//! decision what a snapshot withdraws.
//!
//! Invariant: nothing is withdrawn for an error, for an answer in part, for a limit, or since the
//! credentials lost a right: only what a whole list of an owner's repositories does not name any
//! more, or is left out by what is configured, is retired.
//! Invariant: a repository whose commit was read is not read again, but once a day.
//! Invariant: in memory are some MiB of files, of however many repositories and however large they
//! are, and a few words for each other file and repository.
//! Invariant: tokens, keys and secrets stand in no record, log line or error.

mod answer;
mod batch;
mod check;
mod config;
mod forge;
mod gitea;
mod listing;
pub mod map;
mod memory;
mod organization;
mod pattern;
mod place;
mod query;
mod read;
mod receiver;
mod retire;
mod run;
mod scan;
mod serve;
mod show;

pub use check::check;
pub use config::{Config, Gitea};
pub use receiver::{Receiver, Refreshes, Requests, receiver};
pub use run::run;

/// Why a configuration can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An id that is no name.
    #[error(transparent)]
    Id(#[from] connector::NotAnId),
    /// Something else that is wrong.
    #[error("the connector `{id}`: {why}")]
    Wrong {
        /// The connector's id.
        id: String,
        /// What is wrong, and what would be right.
        why: String,
    },
}
