//! The one loop: read the log, fetch what the fold needs, fold, commit.
//!
//! [`Processor::run`] follows the log until it is told to stop; [`Processor::catch_up`] goes to the
//! log's end and returns, for replays. One thread reads and prepares records ahead, one folds and
//! commits. [`Progress`] tells others how far it is.
//!
//! What is absent: what a record means, and what is written where.
//!
//! Invariant: a record is folded once, after all before it.
//! Invariant: only durable records are folded, and the log that is followed is the one that the
//! views were made of: its id and the hash of the last record folded are compared at the start.
//! Invariant: statements about the log are judged by what is folded before them, and change nothing
//! but what is served to auditors.

mod attest;
mod batch;
mod metrics;
mod progress;
mod run;

pub use metrics::Metrics;
pub use progress::{Progress, Stopped};
pub use run::{Error, Processor};
