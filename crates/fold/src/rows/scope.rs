//! Scopes and sources, and what was refused in them.

use event::vocabulary::{ConnectorState, Fault};
use event::{Offset, RecordId, Seal, SourceName, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Cause;
use crate::ids::{EntityId, ScopeId};

/// What is known of a scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Its number.
    pub id: ScopeId,
    /// The source that spoke of it last.
    pub source: SourceName,
    /// The last record that was taken for it.
    pub version: RecordId,
    /// How many references it speaks of.
    pub claims: u64,
    /// The snapshot that is being taken in.
    pub snapshot: Option<Uuid>,
    /// When it was last looked at, whole.
    pub verified: Option<Verified>,
    /// A withdrawal that a person let pass.
    pub approval: Option<Approval>,
    /// What its connector says of it.
    pub condition: Option<Condition>,
    /// Whether it was retired and not heard of since.
    pub retired: bool,
    /// How many records were refused since they were compared with an older version.
    pub stale: u64,
    /// The last time that somebody wanted it read again.
    pub refresh: Option<Offset>,
}

/// That a scope was looked at, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// The record that says so.
    pub offset: Offset,
    /// When it was appended.
    pub recorded: Timestamp,
    /// The snapshot.
    pub snapshot: Uuid,
    /// How many documents it held.
    pub seen: u64,
    /// How many of them were refused.
    pub refused: u64,
    /// The digest of what was not refused.
    pub digest: Box<str>,
}

/// A withdrawal that a person let pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The record that says so.
    pub offset: Offset,
    /// How many entities may go at the most.
    pub at_most: u64,
}

/// What a connector says of itself or of a scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// What it is.
    pub state: ConnectorState,
    /// Why.
    pub why: Option<Box<str>>,
    /// How many withdrawals are held.
    pub withdrawals: Option<u64>,
    /// Since when.
    pub recorded: Timestamp,
}

/// What is known of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its life.
    pub epoch: u64,
    /// The sequence number that comes next.
    pub next: u64,
    /// Records that were dropped since they had been there before.
    pub duplicates: u64,
    /// Records that were dropped since they came from an older life.
    pub fenced: u64,
    /// Sequence numbers that never came.
    pub missing: u64,
    /// The last record that was taken.
    pub last: Offset,
    /// When that was appended.
    pub recorded: Timestamp,
    /// The node that it lives on.
    pub node: Option<Box<str>>,
    /// How far it has read.
    pub cursor: Option<Box<str>>,
    /// What it says of itself.
    pub condition: Option<Condition>,
}

/// What was refused in a scope, by the entity's number or by the item's own name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Item {
    /// A document that gave its reference.
    Entity(EntityId),
    /// One that did not, or a target that could not be read.
    Unnamed(Box<str>),
}

/// A refusal that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The record that said so.
    pub offset: Offset,
    /// The seal of the fingerprint of what was refused and why.
    pub fingerprint: Seal,
    /// What is wrong.
    pub fault: Fault,
    /// The entity that shows it as its status, where that is another than the item.
    pub about: Option<EntityId>,
    /// Where it came from.
    pub cause: Cause,
}
