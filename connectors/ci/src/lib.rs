//! The CI connector: GitHub, GitLab, Jenkins, Tekton, and whoever sends CDEvents deliver what
//! happened, and it becomes activities, all in the vocabulary of CDEvents. Since deliveries get lost,
//! the first three can be asked, too.
//!
//! [`Receiver::take`] takes one delivery: it is checked, understood ([`map`], which is pure) and
//! appended before it is answered. An activity finds its entity by the annotation that Backstage's
//! plugins use, now or as soon as there is one. [`run`] asks, again and again.
//!
//! What is absent: taking HTTP, and people: who did it stands in no activity.
//!
//! Invariant: nothing of a delivery is read before its signature or token is found right; that is
//! compared in constant time.
//! Invariant: the same thing told twice is one activity, whoever repeats it.
//! Invariant: variables, parameters and logs of runs, which may hold secrets, are not taken.

mod config;
pub mod map;
mod poll;
mod projects;
mod receiver;
mod seen;
mod verify;

pub use config::{Config, From};
pub use poll::{check, run};
pub use projects::Projects;
pub use receiver::{Delivery, Receiver, Refused, Taken, delivery_of};

/// Why a configuration can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An id that is no name.
    #[error(transparent)]
    Id(#[from] connector::NotAnId),
    /// Neither is anything delivered to it, nor does it ask.
    #[error("the ci connector `{id}` needs a `secret`, or `poll`, or both")]
    Nothing {
        /// The connector's id.
        id: String,
    },
    /// Something in `poll` that is wrong.
    #[error("the ci connector `{id}`: {why}")]
    Poll {
        /// The connector's id.
        id: String,
        /// What is wrong.
        why: String,
    },
    /// A secret that can be guessed.
    #[error("the ci connector `{id}`: its `secret` must have at least 16 characters")]
    Secret {
        /// The connector's id.
        id: String,
    },
    /// A way to find entities that is none.
    #[error(
        "the ci connector `{id}`: `annotation` is for CDEvents and Tekton, `by` for CDEvents; an annotation's key has 1 to 1024 bytes"
    )]
    Annotation {
        /// The connector's id.
        id: String,
    },
}
