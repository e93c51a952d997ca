//! What stands in the log: records, positions, the vocabulary and their codecs.
//!
//! A [`Record`] is a [CloudEvent 1.0](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md).
//! Its attributes say where it came from and when; its data is one [`Event`] of a closed,
//! versioned vocabulary, as JSON bytes that are written once and carried verbatim ever after.
//! A [`Position`] names a place in one log.
//!
//! What is absent: no clock, no randomness, no IO. Whoever makes a record stamps it
//! (`crates/ingest`); whoever keeps it decides where (`crates/log`).
//!
//! Invariant: encoding then decoding gives an equal record, and the same bytes of data.
//! Invariant: the leaf of a record is the same before and after its erasure.
//! Invariant: an event type never changes its meaning or its fields; it gets a successor `.v2`.

mod cloudevent;
mod codec;
mod leaf;
mod message;
mod position;
mod record;
mod residue;
mod seal;
mod time;
pub mod vocabulary;

pub use cloudevent::{Line, LineError, TYPE_PREFIX, read_line, write_line};
pub use codec::{CODEC_VERSION, CodecError, decode, encode};
pub use leaf::{Commitment, HASH_SUITE, Leaf, commit, leaf_of_record, leaf_of_unreadable};
pub use message::{Message, RawMessage, no_message, read_message, write_message};
pub use position::{LogId, Offset, Position, PositionError};
pub use record::{
    ATTRIBUTE_BYTES_MAX, Body, Content, Entry, Erased, NUMBER_MAX, Open, PartError,
    RECORD_BYTES_MAX, Record, RecordId, Salt, SourceName,
};
pub use residue::{Left, Part, Residue, ResidueError};
pub use seal::Seal;
pub use time::{Timestamp, TimestampError};
pub use vocabulary::{Event, Kind, Unfit};
