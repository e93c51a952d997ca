//! The contract between a connector and the catalog, for whoever writes a connector.
//!
//! A connector reads one source and emits what it finds: whole scopes as [`Snapshot`]s, from which
//! the catalog finds out by itself what is new, what changed and what is gone; or single changes,
//! aspects and activities ([`Said`]).
//! A scope is what the source lists in one piece: a catalog file, a repository, a namespace.
//!
//! ```no_run
//! # async fn read(emitter: connector::Emitter) -> Result<(), Box<dyn std::error::Error>> {
//! use event::vocabulary::ScopeName;
//!
//! let mut snapshot = emitter.snapshot(ScopeName::new("mine/here/all")?).await?;
//! let document = serde_json::json!({"kind": "Component"});
//! snapshot.seen(connector::Found::new(document)).await?;
//! let outcome = snapshot.end().await?;
//! println!("{} of {} changed", outcome.changed, outcome.seen);
//! # Ok(()) }
//! ```
//!
//! What is absent: the log, what is known of a scope, validation, clocks and ids. They stand in
//! `crates/ingest`, on the other side of the channel.
//!
//! Invariant: a snapshot that is dropped before its end withdraws nothing.
//! Invariant: emitting waits while the catalog is behind; nothing is ever dropped for speed.

mod budget;
#[cfg(feature = "conformance")]
pub mod conformance;
mod documents;
mod emission;
mod said;
mod voice;
mod words;

pub use budget::Budget;
pub use documents::{Pages, Place, Problem, documents};
pub use emission::{
    Approve, Broken, Emission, EmitError, Emitter, Found, Outcome, Refused, Snapshot, SnapshotItem,
    SnapshotRequest, Start, Status, Target, channel,
};
pub use said::{Activity, Observation, Said, Whom};
pub use voice::Voice;
pub use words::{NotAnId, SHOWN_MAX, check_id, shown};
