//! The closed vocabulary: every type of event that a log can hold, and its data.
//!
//! A type is `dev.annals.<subject>.<verb>.v1`. Its data is a JSON object whose schema stands in
//! `schemas/`. Neither a field nor a value of an enumeration is ever added to a version, since an
//! older program would not know it: an event that says more is of the next version. The kinds of a
//! policy may say more; a program that does not know what they say stops there.
//! What an event is about, where that is an entity, stands in the record's `subject` as the
//! entity's canonical reference.

mod activity;
mod aspect;
mod connector;
mod entity;
mod limits;
mod location;
mod log;
mod scope;

use serde::Deserialize;

pub use activity::{About, ActivityRecorded};
pub use aspect::{AspectEnded, AspectObserved};
pub use connector::{ConnectorChanged, ConnectorState, CursorReached, EpochBegun};
pub use entity::{EntityGone, EntityRefused, EntityRemoved, EntitySeen, Fault, SnapshotMark};
pub use limits::{KEY_BYTES_MAX, WORDS_BYTES_MAX, is_key};
pub use location::{LocationRegistered, LocationRemoved, LocationUpdated, RefreshAsked};
pub use log::{
    ErasedRecord, FoldAdopted, KeyRotated, LogAttested, LogCreated, LogErased, Orphans, PolicySet,
};
pub use scope::{NameError, ScopeName, ScopeRetired, ScopeVerified, WithdrawalApproved};

use crate::cloudevent::TYPE_PREFIX;
use crate::record::Record;

macro_rules! vocabulary {
    (
        $($(#[$doc:meta])* $variant:ident $(<$life:lifetime>)? = $code:literal, $text:literal,)*
    ) => {
        /// A type of the vocabulary.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$doc])* $variant = $code,)*
        }

        /// The data of one event.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Event<'a> {
            $($(#[$doc])* $variant($variant $(<$life>)?),)*
        }

        impl Kind {
            /// Every type, in the order in which they are listed here.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The CloudEvents `type`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The type's number, for places where its name is too long; never given again.
            #[must_use]
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// The type of that number.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }

            /// The type of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)* _ => None }
            }

            /// The JSON Schema of the type's data.
            #[must_use]
            pub fn schema(self) -> schemars::Schema {
                #[expect(clippy::extra_unused_lifetimes, reason = "some types of the list borrow")]
                fn of<'a>(kind: Kind) -> schemars::Schema {
                    match kind { $(Kind::$variant => schemars::schema_for!($variant $(<$life>)?),)* }
                }
                of(self)
            }

            fn read(self, data: &[u8]) -> Result<Event<'_>, serde_json::Error> {
                match self {
                    $(Self::$variant => serde_json::from_slice(data).map(Event::$variant),)*
                }
            }
        }

        impl Event<'_> {
            /// Its type.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$variant(_) => Kind::$variant,)* }
            }

            /// Its data as the bytes that go into a record.
            #[must_use]
            pub fn to_data(&self) -> bytes::Bytes {
                let written = match self { $(Self::$variant(data) => serde_json::to_vec(data),)* };
                // The types hold nothing that JSON can't: string keys, no floats of their own.
                written.unwrap_or_default().into()
            }
        }
    };
}

vocabulary! {
    /// The first record of a log.
    LogCreated = 1, "dev.annals.log.created.v1",
    /// The log's identity key was exchanged.
    KeyRotated = 2, "dev.annals.key.rotated.v1",
    /// What the configuration says about folding.
    PolicySet = 3, "dev.annals.policy.set.v1",
    /// A version of the fold's rules is in force from here on.
    FoldAdopted = 4, "dev.annals.fold.adopted.v1",
    /// A signed statement about the log and the catalog at an offset.
    LogAttested = 5, "dev.annals.log.attested.v1",
    /// Records were erased.
    LogErased = 6, "dev.annals.log.erased.v1",
    /// A scope was looked at, whole.
    ScopeVerified = 16, "dev.annals.scope.verified.v1",
    /// A scope is no more; all that it claimed is gone.
    ScopeRetired = 17, "dev.annals.scope.retired.v1",
    /// A person let a held withdrawal pass.
    WithdrawalApproved = 18, "dev.annals.withdrawal.approved.v1",
    /// An entity's document, resolved, as a scope shows it.
    EntitySeen<'a> = 32, "dev.annals.entity.seen.v1",
    /// A scope shows an entity no more.
    EntityGone = 33, "dev.annals.entity.gone.v1",
    /// A document could not be read or is not valid.
    EntityRefused = 34, "dev.annals.entity.refused.v1",
    /// A person removed an entity.
    EntityRemoved = 35, "dev.annals.entity.removed.v1",
    /// What a source observes of an entity.
    AspectObserved<'a> = 48, "dev.annals.aspect.observed.v1",
    /// A source observes it no more.
    AspectEnded = 49, "dev.annals.aspect.ended.v1",
    /// Something happened, in the terms of CDEvents.
    ActivityRecorded<'a> = 64, "dev.annals.activity.recorded.v1",
    /// A location was registered.
    LocationRegistered = 80, "dev.annals.location.registered.v1",
    /// A registered location was given another target.
    LocationUpdated = 81, "dev.annals.location.updated.v1",
    /// A registered location was removed.
    LocationRemoved = 82, "dev.annals.location.removed.v1",
    /// Somebody wants a target read again, now.
    RefreshAsked = 83, "dev.annals.refresh.asked.v1",
    /// A source begins a new life; lower epochs are fenced off.
    EpochBegun = 96, "dev.annals.epoch.begun.v1",
    /// A connector works, is stale, fails, or holds something back.
    ConnectorChanged = 97, "dev.annals.connector.changed.v1",
    /// How far a connector has read.
    CursorReached = 98, "dev.annals.cursor.reached.v1",
}

/// Why a record is not an event that this program can fold.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It is one of ours, of a type or version that came later. Passing over it would make this
    /// node disagree with those that know it, so the node stops.
    #[error("the log holds an event of type `{name}`, which this version of Annals does not know")]
    Newer {
        /// The type.
        name: String,
    },
    /// It is not one of ours.
    #[error("`{name}` is not a type of event that belongs here")]
    Foreign {
        /// The type.
        name: String,
    },
    /// Its data is not of its type.
    #[error("the data of a `{name}` is not of its type")]
    Data {
        /// The type.
        name: &'static str,
        /// What was wrong.
        source: serde_json::Error,
    },
    /// It was erased.
    #[error("the record was erased")]
    Erased,
}

impl<'a> Event<'a> {
    /// The event that a record holds.
    ///
    /// # Errors
    /// When it holds none that this program knows.
    pub fn of(record: &'a Record) -> Result<Self, Unfit> {
        // What was erased is nothing any more, whatever it was.
        let open = record.open().ok_or(Unfit::Erased)?;
        let name = &*record.kind;
        let Some(kind) = Kind::from_name(name) else {
            let name = name.to_owned();
            let ours = name.starts_with(TYPE_PREFIX);
            return Err(if ours { Unfit::Newer { name } } else { Unfit::Foreign { name } });
        };
        kind.read(&open.data).map_err(|source| Unfit::Data { name: kind.as_str(), source })
    }
}

/// Reads raw JSON that must be an object, and keeps it as it is written.
fn raw_object<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<&'de serde_json::value::RawValue, D::Error> {
    let raw = <&serde_json::value::RawValue>::deserialize(deserializer)?;
    if raw.get().starts_with('{') {
        Ok(raw)
    } else {
        Err(serde::de::Error::custom("an object is expected"))
    }
}
