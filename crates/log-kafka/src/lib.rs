//! The log on Apache Kafka: one topic with one partition, read in order and never forgotten.
//!
//! [`KafkaLog`] is a [`log::Log`]. A thread follows the topic's end and keeps what came last in
//! memory, from where whoever follows the log reads; what is older is read from the brokers. Each
//! message is a record in CloudEvents' binary mode (see [`event::write_message`]); whatever else
//! anyone produces to the topic reads as bytes that are no record. [`Lease`] says which of many
//! nodes runs the connectors. An [`Outlet`] is a topic beside the log, which that node writes for
//! others to read.
//!
//! What is absent: what records mean; transactions, commits of offsets, and more than a partition.
//!
//! Invariant: this is the only crate that links librdkafka.
//! Invariant: a topic that would forget, or that holds another log than the one that was read
//! before, is not read on.
//! Invariant: brokers that are away cost waiting, and nothing else.

mod append;
mod client;
mod cursor;
mod error;
mod follow;
mod kafka_log;
mod lease;
mod options;
mod outlet;
mod tail;
mod topic;

pub use error::OpenError;
pub use kafka_log::KafkaLog;
pub use lease::Lease;
pub use options::{Form, Options, OptionsError};
pub use outlet::{Breaker, Outgoing, Outlet, OutletError, Standing};
