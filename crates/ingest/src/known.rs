//! The port through which ingest sees what is known: the views, or a model of them in tests.

use std::time::Duration;

use event::vocabulary::ScopeName;
use event::{Offset, RecordId, Seal, SourceName, Timestamp};
use model::reference::EntityRef;
use uuid::Uuid;

/// What ingest has to know of the catalog.
pub trait Known: Send + Sync {
    /// The last record that was folded.
    fn applied(&self) -> Option<Offset>;

    /// Waits until a record is folded; `false` when the time is over.
    ///
    /// # Errors
    /// When folding has stopped.
    fn wait(&self, offset: Offset, at_most: Duration) -> Result<bool, KnownError>;

    /// The log's effective time.
    fn clock(&self) -> Option<Timestamp>;

    /// A scope.
    ///
    /// # Errors
    /// When it can't be read.
    fn scope(&self, name: &ScopeName) -> Result<Option<KnownScope>, KnownError>;

    /// For each reference, the seal of what the scope last said of it, if it said anything.
    ///
    /// # Errors
    /// When they can't be read.
    fn seals(
        &self,
        name: &ScopeName,
        references: &[EntityRef],
    ) -> Result<Vec<Option<Seal>>, KnownError>;

    /// The seal of the fingerprint of an item of the scope that was refused and has no reference.
    ///
    /// # Errors
    /// When it can't be read.
    fn item(&self, name: &ScopeName, item: &str) -> Result<Option<Seal>, KnownError>;

    /// Hands out every reference that the scope speaks of.
    ///
    /// # Errors
    /// When they can't be read.
    fn each_reference(
        &self,
        name: &ScopeName,
        visit: &mut dyn FnMut(EntityRef),
    ) -> Result<(), KnownError>;

    /// Hands out every item of the scope that was refused and has no reference.
    ///
    /// # Errors
    /// When they can't be read.
    fn each_item(&self, name: &ScopeName, visit: &mut dyn FnMut(&str)) -> Result<(), KnownError>;

    /// The scopes whose names begin so and that are not retired.
    ///
    /// # Errors
    /// When they can't be read.
    fn scopes(&self, prefix: &str) -> Result<Vec<(ScopeName, KnownScope)>, KnownError>;

    /// What a source observes of an entity under a name, as JSON; empty where that ended.
    ///
    /// # Errors
    /// When it can't be read.
    fn aspect(
        &self,
        source: &SourceName,
        entity: &EntityRef,
        aspect: &str,
    ) -> Result<Option<String>, KnownError>;

    /// What a source observes, by entity and aspect, as far as it has not ended.
    ///
    /// # Errors
    /// When it can't be read.
    fn observed(&self, source: &SourceName) -> Result<Vec<(EntityRef, Box<str>)>, KnownError>;

    /// Whether a source has told an activity.
    ///
    /// # Errors
    /// When it can't be read.
    fn happened(&self, source: &SourceName, key: &str) -> Result<bool, KnownError>;

    /// A source.
    ///
    /// # Errors
    /// When it can't be read.
    fn source(&self, name: &SourceName) -> Result<Option<KnownSource>, KnownError>;
}

/// What is known of a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownScope {
    /// Its version.
    pub version: RecordId,
    /// How many references it speaks of.
    pub claims: u64,
    /// How many withdrawals a person let pass.
    pub approved: Option<u64>,
    /// When it was last looked at, whole, and by which snapshot.
    pub verified: Option<(Timestamp, Uuid)>,
    /// How many withdrawals are held.
    pub held: Option<u64>,
    /// Whether it was retired and not heard of since.
    pub retired: bool,
}

/// A scope of which nothing is known.
impl Default for KnownScope {
    fn default() -> Self {
        Self {
            version: RecordId::NONE,
            claims: 0,
            approved: None,
            verified: None,
            held: None,
            retired: false,
        }
    }
}

/// What is known of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownSource {
    /// Its epoch.
    pub epoch: u64,
    /// How far it has read.
    pub cursor: Option<String>,
}

/// Why something known could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KnownError(pub String);
