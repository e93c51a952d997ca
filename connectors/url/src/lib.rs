//! The url connector: reads what Location entities and registered locations name by URL.
//!
//! [`run`] keeps a catalog in step with the targets that are wanted: each is a scope,
//! `url/locations/<URL>`, read now and again and when somebody asks for it. [`Reader`] reads one
//! target at once, for a dry run.
//!
//! What is absent: which targets are wanted (the fold keeps them), validation, credentials (the
//! connectors of git forges have them), and the decision what a snapshot withdraws.
//!
//! Invariant: no host is asked that the configuration does not allow, by no redirect and no
//! placeholder either; and none under a private address, unless it is allowed with its port.
//! Invariant: a target that can't be read is not one that is gone: its scope is not retired.
//! Invariant: whatever a host answers, reading ends, within bounds of time and size.

mod address;
mod allow;
mod config;
mod fetch;
mod read;
mod run;
mod schedule;
mod words;

pub use config::Config;
pub use read::{Read, Reader};
pub use run::{SCOPES, SOURCE, once, run};
pub use schedule::scope_of;

/// Why a configuration can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A host that is none.
    #[error(
        "`{text}` names no host; it may be `example.com`, `*.example.com`, or with a port, \
         `127.0.0.1:8080`, by which http and private addresses are allowed, too"
    )]
    Host {
        /// What is configured.
        text: String,
    },
    /// A time between two looks that is none.
    #[error("`poll_seconds` is {seconds}, and has to be {min} to {max}")]
    Poll {
        /// What is configured.
        seconds: u64,
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
}
