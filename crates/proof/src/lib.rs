//! What can be proved about the catalog: digests of its state and of its history.
//!
//! What is absent: the meaning of what is hashed. Elements and changes come as bytes
//! (`crates/fold`), and leaves of records are made where records are (`crates/event`).
//!
//! Invariant: the state digest depends on the elements alone, not on the order or the batches in
//! which they came and went.
//! Invariant: the history digest depends on every change of every record, in their order, and not
//! on the batches in which they were folded.

mod history;
mod state;

pub use history::{HistoryDigest, Link};
pub use state::{ElementHash, StateDigest};
