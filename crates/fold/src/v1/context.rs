//! What the rules of all kinds share: naming, scopes and their snapshots, the clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use event::vocabulary::{Fault, ScopeName, SnapshotMark};
use event::{Offset, RecordId, Seal, Timestamp};
use model::reference::EntityRef;

use crate::ids::{EntityId, ScopeId};
use crate::needs::Needs;
use crate::prepare::{Prepared, Stamp, Under};
use crate::prior::{Change, Prior};
use crate::rows::{Cause, Counters, EntityFault, Policy, Scope, Source, Version};

/// One record's fold: what is known, and the changes so far.
///
/// Changes are not visible in `prior` until the record is done; what a record may read back of
/// itself (names that it gave, versions, its source) is kept here.
pub(super) struct Context<'a> {
    pub(super) prior: &'a Prior,
    record: &'a Prepared,
    under: &'a Under,
    changes: Vec<Change>,
    counters: Counters,
    named: BTreeMap<EntityRef, EntityId>,
    versions: BTreeMap<EntityId, Arc<Version>>,
    source: Option<Source>,
    full: bool,
}

impl<'a> Context<'a> {
    pub(super) fn new(prior: &'a Prior, record: &'a Prepared, under: &'a Under) -> Self {
        Self {
            prior,
            record,
            under,
            changes: Vec::with_capacity(16),
            counters: prior.counters(),
            named: BTreeMap::new(),
            versions: BTreeMap::new(),
            source: None,
            full: false,
        }
    }

    /// Whether there was no number left for what the record names. Its changes are worth nothing
    /// then.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// The number after one that is given; the last of all is never given.
    fn next_number(&mut self, number: u32) -> u32 {
        let next = number.checked_add(1);
        self.full |= next.is_none();
        next.unwrap_or(number)
    }

    /// The changes, with those rows that were collected until the end.
    pub(super) fn into_changes(mut self) -> Vec<Change> {
        if let (Some(source), Ok(stamp)) = (self.source, &self.record.stamp) {
            self.changes.push(Change::Source(stamp.source.clone(), Some(Arc::new(source))));
        }
        if self.counters != self.prior.counters() {
            self.changes.push(Change::Counters((), Some(self.counters)));
        }
        self.changes
    }

    pub(super) fn put(&mut self, change: Change) {
        self.changes.push(change);
    }

    pub(super) fn offset(&self) -> Offset {
        self.record.offset
    }

    pub(super) fn policy(&self) -> &'a Policy {
        &self.under.policy
    }

    /// The record's attributes. Only rules of records ask, and every record has them.
    pub(super) fn stamp(&self) -> &'a Stamp {
        match &self.record.stamp {
            Ok(stamp) => stamp,
            Err(_) => unreachable!("what is no record is quarantined before any rule sees it"),
        }
    }

    pub(super) fn cause(&self, scope: Option<ScopeId>) -> Cause {
        self.stamp().cause(scope)
    }

    /// The seal of a content that this record brings.
    pub(super) fn seal(&self, content: &[u8; 32]) -> Seal {
        Seal::new(self.stamp().salt, content)
    }

    /// A fault that this record tells of.
    pub(super) fn fault(&self, scope: ScopeId, item: Option<&str>, fault: &Fault) -> EntityFault {
        let (item, salt) = (item.map(Into::into), self.stamp().salt);
        EntityFault { scope, item, fault: fault.clone(), salt }
    }

    /// The row of the record's source, to be changed; `None` before it was admitted.
    pub(super) fn source(&mut self) -> &mut Option<Source> {
        &mut self.source
    }

    /// Effective time never goes back, whatever the clocks of the nodes that append say.
    pub(super) fn advance_clock(&mut self, recorded: Timestamp) {
        let before = self.prior.clock();
        let now = before.map_or(recorded, |before| before.max(recorded));
        if before != Some(now) {
            self.put(Change::Clock((), Some(now)));
        }
        self.put(Change::Time(now, Some(self.offset())));
    }

    /// The number of a reference, given now if it was never mentioned before.
    pub(super) fn name(&mut self, reference: &EntityRef) -> Result<EntityId, Needs> {
        if let Some(id) = self.find(reference)? {
            return Ok(id);
        }
        let id = EntityId(self.counters.entities);
        self.counters.entities = self.next_number(id.0);
        self.named.insert(reference.clone(), id);
        self.put(Change::Ref(reference.clone(), Some(id)));
        self.put(Change::Name(id, Some(reference.clone())));
        Ok(id)
    }

    /// The number of a reference, if it was ever mentioned.
    pub(super) fn find(&self, reference: &EntityRef) -> Result<Option<EntityId>, Needs> {
        if let Some(id) = self.named.get(reference) {
            return Ok(Some(*id));
        }
        Ok(self.prior.entity_id(reference)?.copied())
    }

    /// The reference of a number.
    pub(super) fn reference(&self, id: EntityId) -> Result<Option<EntityRef>, Needs> {
        if let Some((reference, _)) = self.named.iter().find(|(_, named)| **named == id) {
            return Ok(Some(reference.clone()));
        }
        Ok(self.prior.reference(&id)?.cloned())
    }

    /// Whether this record itself named the entity, so that no row of it can exist.
    pub(super) fn is_new(&self, id: EntityId) -> bool {
        id.0 >= self.prior.counters().entities
    }

    /// An entity's current version, live or not.
    pub(super) fn version(&self, id: EntityId) -> Result<Option<Arc<Version>>, Needs> {
        match self.versions.get(&id) {
            Some(version) => Ok(Some(Arc::clone(version))),
            None if self.is_new(id) => Ok(None),
            None => Ok(self.prior.entity(&id)?.cloned()),
        }
    }

    pub(super) fn put_version(&mut self, id: EntityId, version: Version) {
        let version = Arc::new(version);
        self.versions.insert(id, Arc::clone(&version));
        self.put(Change::Entity(id, Some(version)));
    }

    /// A scope that a record speaks of, made now if it was never named before, unless the record
    /// belongs to a snapshot that was compared with another version of the scope than this one;
    /// such a record changes nothing, and whoever sent it compares again.
    pub(super) fn enter(
        &mut self,
        name: &ScopeName,
        snapshot: Option<SnapshotMark>,
    ) -> Result<Option<Scope>, Needs> {
        let known = self.prior.scope(name)?.map(|scope| Scope::clone(scope));
        let version = known.as_ref().map_or(RecordId::NONE, |scope| scope.version);
        let open = known.as_ref().and_then(|scope| scope.snapshot);
        let taken =
            snapshot.is_none_or(|mark| open == Some(mark.id) || mark.compared == Some(version.0));
        let mut scope = match known {
            Some(scope) => scope,
            None => self.make_scope(name),
        };
        if !taken {
            scope.stale = scope.stale.saturating_add(1);
            self.put(Change::Scope(name.clone(), Some(Arc::new(scope))));
            return Ok(None);
        }
        if let Some(mark) = snapshot {
            scope.snapshot = Some(mark.id);
        }
        scope.version = self.stamp().id;
        scope.source = self.stamp().source.clone();
        scope.retired = false;
        Ok(Some(scope))
    }

    fn make_scope(&mut self, name: &ScopeName) -> Scope {
        let id = ScopeId(self.counters.scopes);
        self.counters.scopes = self.next_number(id.0);
        self.put(Change::ScopeName(id, Some(name.clone())));
        Scope {
            id,
            source: self.stamp().source.clone(),
            version: RecordId::NONE,
            claims: 0,
            snapshot: None,
            verified: None,
            approval: None,
            condition: None,
            retired: false,
            stale: 0,
            refresh: None,
        }
    }

    /// Puts back a scope that was entered.
    pub(super) fn leave(&mut self, name: &ScopeName, scope: Scope) {
        self.put(Change::Scope(name.clone(), Some(Arc::new(scope))));
    }
}
