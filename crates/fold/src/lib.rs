//! The fold: what a record does to the catalog, as a pure function.
//!
//! [`prepare`] reads a record without any state. [`fold`] takes what is known, as a [`Prior`],
//! and one prepared record, and gives the [`Change`]s of rows that follow, or the [`Need`]s:
//! rows that it has to see first. Whoever calls fetches those and asks again. So what the fold
//! needs can't differ from what it reads, and reads come before, effects after, nothing between.
//!
//! What is absent: IO, clocks, randomness, async, floats, the order of hash maps; bytes of keys
//! (`crates/views`), and indexes, which follow from the rows.
//!
//! Invariant: the same log gives the same rows, whatever node folds it, in whatever batches.
//! Invariant: a record that was seen before, or comes from a fenced epoch, changes nothing but the
//! counts of its source, whatever its type; neither does it stop a node.
//! Invariant: of a record that was erased counts what its residue keeps, and nothing else.
//! Invariant: rules that were ever in force stay here; a new rule is a new version (`v1`, …),
//! in force from the log's `fold.adopted` on.

mod act;
mod document;
mod element;
mod ids;
mod needs;
mod plant;
mod prepare;
mod prior;
mod relations;
mod rows;
#[cfg(feature = "plant")]
mod tomorrow;
mod v1;
mod why;

use event::{CODEC_VERSION, HASH_SUITE};

pub use act::{Act, Newer};
pub use document::uid_of;
pub use element::{Element, element_of, is_element};
pub use ids::{EntityId, RelationId, ScopeId};
pub use needs::{Need, first_needs, second_needs};
pub use prepare::{Document, Prepared, Stamp, Under, prepare};
pub use prior::{Change, Key, Page, Prior};
pub use relations::{Direction, RelationNames};
pub use rows::{
    Activity, Approval, Aspect, Cause, ChangeKind, Claim, Condition, Counters, Edge, EntityFault,
    Item, Location, LogInfo, Policy, Quarantined, Refusal, RowError, Rules, Scope, Source,
    Standing, Subject, Verified, Version, Wanted, Wanter,
};

pub use v1::Admission;
pub use why::Why;

/// The latest version of the rules.
pub const RULES_VERSION: u32 = 1;

/// The latest version of the rules that this program knows. A build for tests may be told to know
/// one more, so that an upgrade can be played.
#[must_use]
pub fn rules_known() -> u32 {
    RULES_VERSION + u32::from(plant::planted("rules-of-tomorrow"))
}

/// What became of a record, or of one step of a record that touches very many rows.
#[derive(Debug)]
pub enum Folded {
    /// What it changes, in order. With `next`, the record is not done: fold it again from there
    /// once the changes are applied.
    Changes {
        /// The changes.
        changes: Vec<Change>,
        /// Where the next step goes on.
        next: Option<Step>,
    },
    /// Rows that have to be there first.
    Needs(Vec<Need>),
    /// The fold can't go on without disagreeing with nodes that know more.
    Halt(Halt),
}

/// Why a node has to stop at a record.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// The record came later than this program.
    #[error(transparent)]
    Newer(Newer),
    /// The log is written in a way that came later than this program.
    #[error(
        "the log was made with codec {codec} and the hash functions `{hashes}`, and this version \
         of Annals knows codecs up to {CODEC_VERSION} and `{HASH_SUITE}`"
    )]
    Suite {
        /// The codec.
        codec: u8,
        /// The hash functions.
        hashes: String,
    },
    /// The rules that the log adopts came later than this program.
    #[error(
        "the log adopts version {version} of the fold's rules, and this version of Annals knows up \
         to {RULES_VERSION}"
    )]
    Rules {
        /// The version.
        version: u32,
    },
    /// The first record is not `log.created`.
    #[error("this is not a log of Annals: its first record is not a `dev.annals.log.created.v1`")]
    NotALog,
}

/// Where the next step of a record goes on: after this entity, then after this item.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Step {
    /// How many steps were done.
    pub done: u32,
    /// The last row of its scope that was handled.
    pub after: Option<Item>,
}

/// Folds a record, or its next step.
#[must_use]
pub fn fold(prior: &Prior, record: &Prepared, step: Option<&Step>) -> Folded {
    match prior.rules().version {
        // Version 0 stands before any was adopted; the first is in force from the beginning.
        0 | 1 => v1::fold(prior, record, step),
        #[cfg(feature = "plant")]
        version if version > RULES_VERSION && version <= rules_known() => {
            tomorrow::fold(prior, record, step)
        }
        version => Folded::Halt(Halt::Rules { version }),
    }
}
