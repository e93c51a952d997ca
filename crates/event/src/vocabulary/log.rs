//! Events about the log itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::position::{LogId, Offset};
use crate::vocabulary::limits;

/// The first record of a log. A later one of the kind is ignored, so that two nodes that both
/// found the log empty agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogCreated {
    /// The log's id, part of every position.
    pub log: LogId,
    /// The first line of the log's checkpoints (C2SP tlog-checkpoint): a name without spaces
    /// that is the log's own in the world, `catalog.example.org`.
    pub origin: String,
    /// The record codec in use when the log was made.
    pub codec: u8,
    /// The hash functions of leaves and digests.
    pub hashes: String,
    /// The log's public identity key as a signed-note verifier key, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// The identity key was exchanged; the statement is signed by the key that was valid before. The
/// fold takes nobody's word for that: it changes nothing, and whoever proves something with the
/// key checks the signature first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRotated {
    /// The new verifier key (signed-note).
    pub key: String,
    /// The old key's signature over the new verifier key, in base64; absent for the first key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// What the configuration says about folding, so that a replay needs no configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicySet {
    /// The user's own entity kinds.
    pub kinds: Vec<Value>,
    /// What happens to an entity that nothing emits any more.
    pub orphans: Orphans,
}

/// What happens to an entity that nothing emits any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Orphans {
    /// It is withdrawn.
    #[default]
    Withdraw,
    /// It stays, with the annotation `backstage.io/orphan: 'true'`.
    Keep,
}

/// A version of the fold's rules, in force from this record on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FoldAdopted {
    /// The version of the rules.
    pub version: u32,
}

/// A signed statement about the log up to an offset and the catalog folded from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogAttested {
    /// The last record that the statement speaks of.
    pub offset: Offset,
    /// The version of the fold's rules there.
    pub fold: u32,
    /// The root hash of the Merkle tree over the records up to it, lower-case hexadecimal.
    pub root: String,
    /// The state digest there, lower-case hexadecimal.
    pub digest: String,
    /// The history digest there, lower-case hexadecimal.
    pub history: String,
    /// The checkpoint as a signed note.
    pub checkpoint: String,
}

/// Of these records something was erased: subject, author, pointer or data, and their salts. What
/// is left of each stands in the log as its residue. From here on every replay
/// agrees; digests that were signed between an erased record and this one can be reached no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogErased {
    /// The records, by ascending offset.
    pub records: Vec<ErasedRecord>,
    /// Why, in words that name no one.
    #[serde(deserialize_with = "limits::words")]
    #[schemars(length(max = 16384), regex(pattern = r"^[^\u0000]*$"))]
    pub why: String,
}

/// One record of which something was erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErasedRecord {
    /// Where it stands.
    pub offset: Offset,
    /// The SHA-256 of its residue, lower-case hexadecimal.
    pub residue: String,
}
