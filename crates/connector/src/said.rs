//! What a connector says beside snapshots: single changes, aspects, activities.

use event::Timestamp;
use event::vocabulary::{About, ScopeName};
use model::reference::EntityRef;
use serde_json::{Map, Value};

use crate::Found;

/// One thing that is said by itself.
#[derive(Clone, Debug)]
pub enum Said {
    /// An entity of a scope is so now.
    Seen(ScopeName, Found),
    /// A scope shows an entity no more.
    Gone(ScopeName, EntityRef),
    /// Something is observed of an entity, or no more.
    Observed(Observation),
    /// Something happened.
    Happened(Activity),
}

/// What is observed of an entity: one value for each entity, aspect and source.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The entity.
    pub entity: EntityRef,
    /// The aspect's name: `kubernetes/prod`.
    pub aspect: String,
    /// What is observed, significant fields only; absent where it is observed no more.
    pub value: Option<Map<String, Value>>,
    /// Where in the source it stands.
    pub pointer: Option<String>,
    /// When it came to be so, where the source knows that.
    pub time: Option<Timestamp>,
}

/// Something that happened, in the terms of CDEvents.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    /// What: a CDEvents type without its version, `dev.cdevents.service.deployed`.
    pub activity: String,
    /// The source's own id of it; the same one twice is one activity.
    pub key: String,
    /// To whom it happened.
    pub whom: Whom,
    /// What is known of it.
    pub value: Map<String, Value>,
    /// Where in the source it stands: the delivery, the run.
    pub pointer: Option<String>,
    /// When it happened, where the source knows that.
    pub time: Option<Timestamp>,
}

/// To whom an activity happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// This entity.
    Entity(EntityRef),
    /// Whichever entity carries this annotation, now or later.
    Annotated(About),
}
