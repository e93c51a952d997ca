//! Events about entities.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::vocabulary::limits;
use crate::vocabulary::raw_object;
use crate::vocabulary::scope::ScopeName;

/// That a record belongs to a snapshot of its scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotMark {
    /// The snapshot's id.
    pub id: Uuid,
    /// On the snapshot's first record: the version of the scope that it was compared with, which
    /// is the id of the last record that the fold took for the scope; all zeros where there was
    /// none. The fold refuses a snapshot that was compared with another version than the one it
    /// holds. It is an id and no offset, so that a scope's records can be carried into another log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<Uuid>,
}

/// An entity's document as a scope shows it: resolved and valid. The record's subject is its
/// canonical reference.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntitySeen<'a> {
    /// Which scope shows it.
    pub scope: ScopeName,
    /// The snapshot that the record belongs to; absent for a change that was pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotMark>,
    /// The document, as it is kept.
    #[serde(borrow, deserialize_with = "raw_object")]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub entity: &'a RawValue,
}

impl PartialEq for EntitySeen<'_> {
    fn eq(&self, other: &Self) -> bool {
        (&self.scope, self.snapshot, self.entity.get())
            == (&other.scope, other.snapshot, other.entity.get())
    }
}

/// A scope shows an entity no more. The record's subject is its reference, or the event names the
/// item that never had one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntityGone {
    /// Which scope.
    pub scope: ScopeName,
    /// The snapshot that the record belongs to; absent for a change that was pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotMark>,
    /// The refused item that is gone, where it never had a reference.
    #[serde(
        default,
        deserialize_with = "limits::key_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^\u0000]*$"))]
    pub item: Option<String>,
}

/// A document could not be read, or is not valid. The last good one stays and shows the fault as
/// its status. The record's subject is the entity's reference, where the document gave one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntityRefused {
    /// Which scope.
    pub scope: ScopeName,
    /// The snapshot that the record belongs to; absent for a change that was pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotMark>,
    /// The item's name in its scope, where it has no reference: a file and the document's number
    /// in it, or a target.
    #[serde(
        default,
        deserialize_with = "limits::key_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^\u0000]*$"))]
    pub item: Option<String>,
    /// Whether the item is a target without which the entity that wants it, the record's subject,
    /// is not shown: where nothing of the scope was ever read, it is not listed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
    /// BLAKE3 of what was refused and why, lower-case hexadecimal, so that the same fault is
    /// appended once.
    #[serde(deserialize_with = "limits::key")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^\u0000]*$"))]
    pub fingerprint: String,
    /// What is wrong with it.
    pub error: Fault,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// A fault, as Backstage serializes errors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The error's class: `InputError`, `NotFoundError`, `ConflictError`.
    #[serde(deserialize_with = "limits::name")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^\u0000]*$"))]
    pub name: Cow<'static, str>,
    /// What is wrong, in one sentence or two.
    #[serde(deserialize_with = "limits::words")]
    #[schemars(length(max = 16384), regex(pattern = r"^[^\u0000]*$"))]
    pub message: String,
}

/// A person removed an entity, which is the record's subject. All that claimed it lose their
/// claim; a scan that finds it again brings it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntityRemoved {
    /// Why, in words.
    #[serde(
        default,
        deserialize_with = "limits::words_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(max = 16384), regex(pattern = r"^[^\u0000]*$"))]
    pub why: Option<String>,
}
