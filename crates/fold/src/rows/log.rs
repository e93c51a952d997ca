//! The log itself: what it is, the rules and the policy in force, and what could not be folded.

use bytes::Bytes;
use event::vocabulary::Orphans;
use event::{LogId, Offset, SourceName};
use model::kinds::Kinds;
use serde::{Deserialize, Serialize};

use super::{Row, RowError, read, write};
use crate::relations::RelationNames;
use crate::why::Why;

/// What the log's first record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogInfo {
    /// The log's id.
    pub id: LogId,
    /// The name in its checkpoints.
    pub origin: Box<str>,
    /// The codec when it was made.
    pub codec: u8,
    /// Its hash functions.
    pub hashes: Box<str>,
    /// The identity key that it began with, where it had one.
    pub key: Option<Box<str>>,
}

/// Which rules are in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Their version; 0 before any was adopted.
    pub version: u32,
    /// The record that adopted them.
    pub at: Offset,
}

/// The numbers that come next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// The next entity's.
    pub entities: u32,
    /// The next scope's.
    pub scopes: u32,
}

/// The policy in force.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The record that set it; 0 before any did.
    pub at: Offset,
    /// What happens to an entity that nothing shows any more.
    pub orphans: Orphans,
    /// The user's own kinds, as JSON.
    pub custom: Box<str>,
    /// All relations that were ever known.
    pub relations: RelationNames,
    /// The kinds, ready for use.
    pub kinds: Kinds,
}

impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.orphans, &self.custom, &self.relations)
            == (other.at, other.orphans, &other.custom, &other.relations)
    }
}

impl Row for Policy {
    const TABLE: &'static str = "Policy";

    fn encode(&self, out: &mut Vec<u8>) {
        write(&(self.at, self.orphans, &self.custom, &self.relations), out);
    }

    fn decode(bytes: &Bytes) -> Result<Self, RowError> {
        let malformed = || RowError::Malformed { table: Self::TABLE };
        let (row, rest) = read::<(Offset, Orphans, Box<str>, RelationNames)>(bytes, Self::TABLE)?;
        let (at, orphans, custom, relations) = row;
        let kinds = if custom.is_empty() {
            Vec::new()
        } else {
            serde_json::from_str(&custom).map_err(|_| malformed())?
        };
        if !rest.is_empty() {
            return Err(malformed());
        }
        Ok(Self { at, orphans, custom, relations, kinds: Kinds::recorded(kinds) })
    }
}

/// What stands in the log and could not be folded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Why.
    pub why: Why,
    /// How many bytes of data it has.
    pub bytes: u64,
    /// Its source and type, where it is a record.
    pub record: Option<(SourceName, Box<str>)>,
}
