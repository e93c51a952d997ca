//! What is known about entities beside their documents, and which targets are wanted.

use event::{Offset, Salt};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Cause, EntityRefRow};
use crate::ids::EntityId;

/// What a source observes of an entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aspect {
    /// The record that said so last.
    pub offset: Offset,
    /// The salt of that record.
    pub salt: Salt,
    /// The entity.
    pub about: EntityRefRow,
    /// Where it came from.
    pub cause: Cause,
    /// What is observed, as JSON; empty for one that ended.
    pub value: Box<str>,
}

/// What an activity is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// An entity.
    Entity(EntityId),
    /// Whatever entity carries this annotation, with this value.
    Annotation(Box<str>, Box<str>),
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// What.
    pub activity: Box<str>,
    /// The source's own id of it.
    pub key: Box<str>,
    /// Where it came from.
    pub cause: Cause,
    /// What is known of it, as JSON.
    pub value: Box<str>,
}

/// A registered location.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// The record that said so last.
    pub offset: Offset,
    /// The salt of that record.
    pub salt: Salt,
    /// The name of the Location entity that came with it, which it keeps.
    pub name: Box<str>,
    /// `url` or `file`.
    pub kind: Box<str>,
    /// What is to be read.
    pub target: Box<str>,
    /// Where it came from.
    pub cause: Cause,
}

/// Who wants a target to be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Wanter {
    /// A Location entity.
    Entity(EntityId),
    /// A registered location.
    Location(Uuid),
}

/// That somebody wants a target to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Whether it is no fault when there is nothing.
    pub optional: bool,
}
