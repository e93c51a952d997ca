//! What is known of the state before a record: rows that were read, and what the batch has
//! changed in them since.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use event::vocabulary::ScopeName;
use event::{Offset, SourceName, Timestamp};
use model::reference::EntityRef;
use uuid::Uuid;

use crate::ids::{EntityId, ScopeId};
use crate::needs::Need;
use crate::rows::{
    Activity, Aspect, Claim, Counters, Item, Location, LogInfo, Policy, Quarantined, Refusal, Row,
    RowError, Rules, Scope, Source, Standing, Subject, Version, Wanted, Wanter,
};

macro_rules! tables {
    ($($(#[$doc:meta])* $field:ident: $map:ident, $table:ident($key:ty) => $row:ty;)*) => {
        /// Where a row stands: its table and its key there.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Key {
            $($(#[$doc])* $table($key),)*
        }

        /// A row as a record leaves it; `None` takes it away.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Change {
            $($(#[$doc])* $table($key, Option<$row>),)*
        }

        /// What is known of the state, and what the batch has changed in it since.
        ///
        /// A row that is not known has to be loaded before it can be asked for. Rows that the
        /// batch changed are never overwritten by what is loaded later.
        #[derive(Debug, Default)]
        pub struct Prior {
            $($field: $map<$key, Option<$row>>,)*
            claims_read: HashMap<ScopeId, ReadUpTo<EntityId>>,
            standing_read: HashMap<EntityId, ReadUpTo<(Offset, ScopeId)>>,
            items_read: HashMap<ScopeId, ReadUpTo<Item>>,
            /// Entities and scopes from here on were named by the batch itself.
            fresh: Counters,
        }

        impl Change {
            /// Which row it is.
            #[must_use]
            pub fn key(&self) -> Key {
                match self { $(Self::$table(key, _) => Key::$table(key.clone()),)* }
            }

            /// The row's bytes; `None` where it is taken away.
            #[must_use]
            pub fn row(&self) -> Option<Vec<u8>> {
                match self {
                    $(Self::$table(_, row) => {
                        let row = row.as_ref()?;
                        let mut out = Vec::with_capacity(row.size_hint());
                        row.encode(&mut out);
                        Some(out)
                    })*
                }
            }

            /// A row as it was read: what stands at a key.
            ///
            /// # Errors
            /// When the bytes are not a row of the key's table.
            pub fn read(key: Key, bytes: Option<&Bytes>) -> Result<Self, RowError> {
                Ok(match key {
                    $(Key::$table(key) => {
                        Self::$table(key, bytes.map(<$row as Row>::decode).transpose()?)
                    })*
                })
            }
        }

        impl Prior {
            /// Takes in a row that was read, unless the batch has changed it.
            pub fn load(&mut self, row: Change) {
                match row {
                    $(Change::$table(key, row) => { self.$field.entry(key).or_insert(row); })*
                }
            }

            /// Applies a change and gives what stood there before. Of a row that is an element of
            /// the state that has to be known; rules that write one read it first.
            pub fn apply(&mut self, change: Change) -> Change {
                match change {
                    $(Change::$table(key, row) => {
                        let before = self.$field.insert(key.clone(), row);
                        Change::$table(key, before.flatten())
                    })*
                }
            }

            /// Whether it is known what stands at a key.
            #[must_use]
            pub fn knows(&self, key: &Key) -> bool {
                self.is_fresh(key) || match key {
                    $(Key::$table(key) => self.$field.contains_key(key),)*
                }
            }
        }
    };
}

tables! {
    /// What the log's first record says.
    log: HashMap, Log(()) => Arc<LogInfo>;
    /// Which rules are in force.
    rules: HashMap, Rules(()) => Rules;
    /// The policy in force.
    policy: HashMap, Policy(()) => Arc<Policy>;
    /// The numbers that come next.
    counters: HashMap, Counters(()) => Counters;
    /// The effective time: the latest time at which a record was appended so far.
    clock: HashMap, Clock(()) => Timestamp;
    /// The last record appended at or before an effective time.
    times: HashMap, Time(Timestamp) => Offset;
    /// An entity's number.
    refs: HashMap, Ref(EntityRef) => EntityId;
    /// An entity's reference.
    names: HashMap, Name(EntityId) => EntityRef;
    /// An entity's number, by its uid.
    uids: HashMap, Uid(Uuid) => EntityId;
    /// An entity's current version.
    entities: HashMap, Entity(EntityId) => Arc<Version>;
    /// A scope.
    scopes: HashMap, Scope(ScopeName) => Arc<Scope>;
    /// A scope's name.
    scope_names: HashMap, ScopeName(ScopeId) => ScopeName;
    /// A source.
    sources: HashMap, Source(SourceName) => Arc<Source>;
    /// What a scope says of an entity.
    claims: BTreeMap, Claim((ScopeId, EntityId)) => Claim;
    /// A claim that waits, by the record that began it.
    standing: BTreeMap, Standing((EntityId, Offset, ScopeId)) => Arc<Standing>;
    /// A refusal that stands in a scope.
    refusals: BTreeMap, Refusal((ScopeId, Item)) => Arc<Refusal>;
    /// What a source observes of an entity.
    aspects: HashMap, Aspect((EntityId, Box<str>, SourceName)) => Arc<Aspect>;
    /// Something that happened, by what it is about and its record.
    activities: HashMap, Activity((Subject, Offset)) => Arc<Activity>;
    /// The record of an activity, by its source and the source's own id of it.
    activity_keys: HashMap, ActivityKey((SourceName, Box<str>)) => Offset;
    /// A registered location.
    locations: HashMap, Location(Uuid) => Arc<Location>;
    /// That somebody wants a target to be read.
    wanted: HashMap, Wanted((Box<str>, Wanter)) => Wanted;
    /// When somebody last wanted a target read again.
    refreshes: HashMap, Refresh(Box<str>) => Offset;
    /// A record that could not be folded.
    quarantine: HashMap, Quarantine(Offset) => Arc<Quarantined>;
}

/// How far a range of rows was read.
#[derive(Debug)]
struct ReadUpTo<K> {
    last: Option<K>,
    complete: bool,
}

impl<K> Default for ReadUpTo<K> {
    fn default() -> Self {
        Self { last: None, complete: false }
    }
}

impl<K: Ord> ReadUpTo<K> {
    fn covers(&self, key: &K) -> bool {
        self.complete || self.last.as_ref().is_some_and(|last| key <= last)
    }
}

/// A page of a range that was read, in order.
#[derive(Debug)]
pub struct Page<K, V> {
    /// The rows.
    pub rows: Vec<(K, V)>,
    /// Whether no rows follow.
    pub complete: bool,
}

/// The single rows, which are always known.
impl Prior {
    /// What is known before a batch begins: the single rows.
    #[must_use]
    pub fn new(single: impl IntoIterator<Item = Change>) -> Self {
        let mut prior = Self::default();
        single.into_iter().for_each(|row| prior.load(row));
        prior.fresh = prior.counters();
        prior
    }

    /// Forgets everything but the single rows, for the next batch.
    #[must_use]
    pub fn next_batch(self) -> Self {
        let Self { log, rules, policy, counters, clock, .. } = self;
        let mut prior = Self { log, rules, policy, counters, clock, ..Self::default() };
        prior.fresh = prior.counters();
        prior
    }

    /// The keys of the single rows.
    pub const SINGLE: [Key; 5] =
        [Key::Log(()), Key::Rules(()), Key::Policy(()), Key::Counters(()), Key::Clock(())];

    /// What the log's first record says, once there is one.
    #[must_use]
    pub fn log(&self) -> Option<&Arc<LogInfo>> {
        self.log.get(&())?.as_ref()
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> Rules {
        self.rules.get(&()).copied().flatten().unwrap_or_default()
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.get(&()).cloned().flatten().unwrap_or_default()
    }

    /// The numbers that come next.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters.get(&()).copied().flatten().unwrap_or_default()
    }

    /// The effective time.
    #[must_use]
    pub fn clock(&self) -> Option<Timestamp> {
        self.clock.get(&()).copied().flatten()
    }

    /// Whether a key is of an entity or scope that the batch itself named, so that nothing of it
    /// can stand anywhere else.
    fn is_fresh(&self, key: &Key) -> bool {
        match key {
            Key::Entity(id) | Key::Name(id) => id.0 >= self.fresh.entities,
            Key::Claim((scope, id)) => id.0 >= self.fresh.entities || scope.0 >= self.fresh.scopes,
            Key::Refusal((scope, item)) => {
                scope.0 >= self.fresh.scopes
                    || matches!(item, Item::Entity(id) if id.0 >= self.fresh.entities)
            }
            Key::Standing((id, ..)) | Key::Aspect((id, ..)) => id.0 >= self.fresh.entities,
            _ => false,
        }
    }
}

macro_rules! lookups {
    ($($(#[$doc:meta])* $name:ident in $field:ident, $table:ident($key:ty) => $row:ty;)*) => { $(
        $(#[$doc])*
        pub(crate) fn $name(&self, key: &$key) -> Result<Option<&$row>, Need> {
            match self.$field.get(key) {
                Some(row) => Ok(row.as_ref()),
                None => {
                    let key = Key::$table(key.clone());
                    if self.is_fresh(&key) { Ok(None) } else { Err(Need::Row(key)) }
                }
            }
        }
    )* };
}

/// Rows by their keys; one that is not known yet is a need.
impl Prior {
    lookups! {
        entity_id in refs, Ref(EntityRef) => EntityId;
        entity in entities, Entity(EntityId) => Arc<Version>;
        scope in scopes, Scope(ScopeName) => Arc<Scope>;
        source in sources, Source(SourceName) => Arc<Source>;
        claim in claims, Claim((ScopeId, EntityId)) => Claim;
        standing in standing, Standing((EntityId, Offset, ScopeId)) => Arc<Standing>;
        refusal in refusals, Refusal((ScopeId, Item)) => Arc<Refusal>;
        aspect in aspects, Aspect((EntityId, Box<str>, SourceName)) => Arc<Aspect>;
        activity_key in activity_keys, ActivityKey((SourceName, Box<str>)) => Offset;
        location in locations, Location(Uuid) => Arc<Location>;
        reference in names, Name(EntityId) => EntityRef;
        scope_name in scope_names, ScopeName(ScopeId) => ScopeName;
    }

    /// An entity's number, if the reference is known to have one.
    pub(crate) fn known_id(&self, reference: &EntityRef) -> Option<EntityId> {
        self.refs.get(reference).copied().flatten()
    }

    /// A scope, if it is known to be there.
    pub(crate) fn known_scope(&self, name: &ScopeName) -> Option<&Arc<Scope>> {
        self.scopes.get(name)?.as_ref()
    }

    /// The next claim of a scope, by the number of the entity.
    pub(crate) fn claim_after(
        &self,
        scope: ScopeId,
        after: Option<EntityId>,
    ) -> Result<Option<(EntityId, Claim)>, Need> {
        let from =
            after.map_or(Bound::Included((scope, EntityId(0))), |id| Bound::Excluded((scope, id)));
        let rows = self.claims.range((from, Bound::Included((scope, EntityId(u32::MAX)))));
        let next = rows.filter_map(|((_, id), row)| row.map(|row| (*id, row))).next();
        let fresh = scope.0 >= self.fresh.scopes;
        let read = self.claims_read.get(&scope);
        covered(next, |(id, _)| *id, read, fresh).map_err(|after| Need::Claims { scope, after })
    }

    /// The oldest claim that waits for an entity, after one that was seen.
    pub(crate) fn standing_after(
        &self,
        entity: EntityId,
        after: Option<(Offset, ScopeId)>,
    ) -> Result<Option<(Offset, ScopeId, Arc<Standing>)>, Need> {
        let from = after.map_or(Bound::Included((entity, 0, ScopeId(0))), |(since, scope)| {
            Bound::Excluded((entity, since, scope))
        });
        let last = (entity, Offset::MAX, ScopeId(u32::MAX));
        let rows = self.standing.range((from, Bound::Included(last)));
        let next = rows
            .filter_map(|((_, since, scope), row)| row.clone().map(|row| (*since, *scope, row)))
            .next();
        let fresh = entity.0 >= self.fresh.entities;
        let read = self.standing_read.get(&entity);
        covered(next, |(since, scope, _)| (*since, *scope), read, fresh)
            .map_err(|after| Need::Standing { entity, after })
    }

    /// The next refusal of a scope whose item has no reference.
    pub(crate) fn unnamed_after(
        &self,
        scope: ScopeId,
        after: Option<&Item>,
    ) -> Result<Option<(Item, Arc<Refusal>)>, Need> {
        let from = match after {
            Some(item) => Bound::Excluded((scope, item.clone())),
            None => Bound::Included((scope, Item::Unnamed("".into()))),
        };
        // The last number of all is never given to a scope.
        let beyond = (ScopeId(scope.0.saturating_add(1)), Item::Entity(EntityId(0)));
        let rows = self.refusals.range((from, Bound::Excluded(beyond)));
        let next =
            rows.filter_map(|((_, item), row)| row.clone().map(|row| (item.clone(), row))).next();
        let fresh = scope.0 >= self.fresh.scopes;
        let read = self.items_read.get(&scope);
        covered(next, |(item, _)| item.clone(), read, fresh)
            .map_err(|after| Need::Unnamed { scope, after })
    }

    /// Takes in a page of a scope's claims, which was asked for as [`Need::Claims`].
    pub fn load_claims(&mut self, scope: ScopeId, page: Page<EntityId, Claim>) {
        extend(self.claims_read.entry(scope).or_default(), &page, |id| *id);
        for (id, row) in page.rows {
            self.claims.entry((scope, id)).or_insert(Some(row));
        }
    }

    /// Takes in a page of an entity's waiting claims, which was asked for as [`Need::Standing`].
    pub fn load_standing(
        &mut self,
        entity: EntityId,
        page: Page<(Offset, ScopeId), Arc<Standing>>,
    ) {
        extend(self.standing_read.entry(entity).or_default(), &page, |key| *key);
        for ((since, scope), row) in page.rows {
            self.standing.entry((entity, since, scope)).or_insert(Some(row));
        }
    }

    /// Takes in a page of a scope's unnamed refusals, which was asked for as [`Need::Unnamed`].
    pub fn load_unnamed(&mut self, scope: ScopeId, page: Page<Item, Arc<Refusal>>) {
        extend(self.items_read.entry(scope).or_default(), &page, Clone::clone);
        for (item, row) in page.rows {
            self.refusals.entry((scope, item)).or_insert(Some(row));
        }
    }
}

/// The next row of a range, if everything up to it was read; else from where to read on.
fn covered<T, K: Ord + Clone>(
    next: Option<T>,
    key: impl Fn(&T) -> K,
    read: Option<&ReadUpTo<K>>,
    fresh: bool,
) -> Result<Option<T>, Option<K>> {
    let complete = fresh || read.is_some_and(|read| read.complete);
    match next {
        Some(row) if complete || read.is_some_and(|read| read.covers(&key(&row))) => Ok(Some(row)),
        None if complete => Ok(None),
        _ => Err(read.and_then(|read| read.last.clone())),
    }
}

fn extend<K, V>(read: &mut ReadUpTo<K>, page: &Page<K, V>, clone: impl Fn(&K) -> K) {
    if let Some((last, _)) = page.rows.last() {
        read.last = Some(clone(last));
    }
    read.complete |= page.complete;
}
