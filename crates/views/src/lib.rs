//! The views: the catalog as tables in RocksDB, current and as of any moment.
//!
//! [`Views`] has one writer, [`Commit`], which takes the changes that the fold gives and writes
//! them with all that follows from them (history, relations, indexes) and the applied position,
//! as one batch. Readers take a [`Reader`]: everything that one reader sees is of one position.
//!
//! What is absent: what a change means (`crates/fold`), the log, and HTTP.
//!
//! Invariant: tables, indexes, digests and the applied position change together or not at all.
//! Invariant: a reader sees exactly the state after the record at its position, counts included.
//! Invariant: what was folded in steps becomes visible when the last one is done.
//! Invariant: the log's Merkle tree has one leaf for each record that is done, and its tiles grow
//! in the same batch as the rest.
//! Invariant: indexes can be told from the tables alone; rebuilt ones equal kept ones.

mod agreement;
mod applied;
mod attested;
mod changes;
mod check;
mod columns;
mod commit;
mod entity;
mod erased;
mod error;
mod follow;
mod history;
mod index;
mod keys;
mod locations;
mod pending;
mod query;
mod reader;
mod rows;
mod said;
mod scopes;
mod store;
mod tree;
mod views;

pub use applied::Applied;
pub use attested::{Attestation, Dispute, Identity};
pub use changes::{CatalogChange, Changed};
pub use check::check_row;
pub use commit::Commit;
pub use entity::{Relation, Served};
pub use erased::ErasedRow;
pub use error::Error;
pub use follow::{ActivityRow, AspectRow, Concern, Touch};
pub use history::{HistoryEntry, HistoryKind, HistoryPage};
pub use index::IndexStats;
pub use locations::LocationRow;
pub use query::{Condition, Facet, Filter, Like, Page, Query, Row, Sort, Start};
pub use reader::Reader;
pub use scopes::{RefusalRow, ScopeRow, WantedRow};
pub use tree::{Done, PublishedDigests};
pub use views::{Lists, Options, Stats, Views};
