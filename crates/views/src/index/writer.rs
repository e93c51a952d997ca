//! Changing the index: what a batch does to the sets.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use event::Offset;
use fold::{Edge, EntityId, RelationId, Version};

use super::hot::HotSets;
use super::hot_log::{HotLog, Place, read_hot_log_row, read_hot_row};
use super::names::{AnyName, Name, Names};
use super::set_key::{PathId, SetKey, SetName};
use super::{Hot, IndexStats, SharedPaths, aside};
use crate::Error;
use crate::keys::{KeyBytes, Table, edge_key, edge_log_key};
use crate::pending::Rows;
use crate::store::{OwnedSnapshot, Store};

/// A set becomes hot at this many members. See the table of measurements in the README.
const HOT_MIN: usize = 32;

/// How often a cold set was added to is counted by its hash in so many counters; two sets that
/// share one are looked at a little too early.
const SIGHTINGS: usize = 1 << 22;

/// Targets of relations that were written lately and need not be written again.
const RECENT_TARGETS_MAX: usize = 1 << 16;

/// Paths that stand for "has a relation of this sort at all"; no path of a document begins so.
pub(crate) const RELATION_PREFIX: &str = "\u{1}";

/// The writer's side of the index. When a batch can't be written, the writer is of no use any
/// more: what it set aside for the batch has not happened.
pub(crate) struct IndexWriter {
    hot: HotSets,
    paths: SharedPaths,
    sightings: Vec<u8>,
    recent_targets: HashSet<(RelationId, EntityId)>,
    /// The paths that say that an entity has a relation of a sort at all.
    relation_paths: HashMap<RelationId, PathId>,
    /// Names of the sets of two documents, for the sake of their memory.
    names: [Names; 2],
    log: HotLog,
    batch: Batch,
    /// The last record of the batch before, if there was one since the start.
    published: Option<Offset>,
    /// After how many changes a set is put aside, at the least.
    aside_min: u64,
}

/// What the batch has done so far.
#[derive(Default)]
struct Batch {
    /// Cold sets that were added to often.
    suspects: BTreeSet<SetKey>,
    life: Vec<(Offset, EntityId, bool)>,
    /// Paths that have no number yet but in this batch, in the order of their numbers.
    paths: Vec<String>,
    path_numbers: HashMap<String, PathId>,
    /// Its last record.
    last: Offset,
}

impl IndexWriter {
    /// Loads the hot sets: their chunks as of the last checkpoint, and what was logged since.
    pub(crate) fn load(
        snapshot: &OwnedSnapshot,
        paths: SharedPaths,
        aside_min: u64,
    ) -> Result<Self, Error> {
        let mut writer = Self {
            hot: HotSets::default(),
            paths,
            sightings: vec![0; SIGHTINGS],
            recent_targets: HashSet::new(),
            relation_paths: HashMap::new(),
            names: Default::default(),
            log: HotLog::default(),
            batch: Batch::default(),
            published: None,
            aside_min,
        };
        let damaged = || Error::Damaged { table: "Hot" };
        snapshot.prefix(Table::Hot, &KeyBytes::new(Table::Hot)).each(|key, row| {
            let (set, chunk, bitmap) = read_hot_row(key, row).ok_or_else(damaged)?;
            writer.hot.load_chunk(set, chunk, bitmap);
            Ok(true)
        })?;
        let damaged = || Error::Damaged { table: "HotLog" };
        snapshot.prefix(Table::HotLog, &KeyBytes::new(Table::HotLog)).each(|key, row| {
            let (place, changes) = read_hot_log_row(key, row).ok_or_else(damaged)?;
            changes.into_iter().for_each(|change| writer.hot.load_change(change));
            writer.log.add(place, row.len());
            Ok(true)
        })?;
        Ok(writer)
    }

    /// The hot sets as they are now.
    pub(crate) fn hot(&self) -> Hot {
        self.hot.published().clone()
    }

    pub(crate) fn paths(&self) -> &SharedPaths {
        &self.paths
    }

    pub(crate) fn stats(&self) -> IndexStats {
        IndexStats {
            hot_sets: self.hot.published().len() as u64,
            paths: self.paths.read().len() as u64,
            log_bytes: self.log.bytes(),
        }
    }

    /// Takes in that an entity has a new version.
    pub(crate) fn entity(
        &mut self,
        rows: &mut Rows,
        offset: Offset,
        id: EntityId,
        before: Option<&Version>,
        after: &Version,
    ) {
        let listed = after.is_listed();
        if before.is_some_and(Version::is_listed) != listed {
            self.batch.life.push((offset, id, listed));
            let alive = self.hot.make(&SetKey::alive().0);
            self.hot.change(alive, id, listed);
            self.hot.logged(alive);
        }
        self.edges(rows, offset, id, before, after);
        let [mut old, mut new] = std::mem::take(&mut self.names);
        match before {
            None => {
                self.sets_of(rows, id, after, &mut new);
                new.all().for_each(|name| self.add(rows, name, id));
            }
            Some(before) if before.document != after.document => {
                self.sets_of(rows, id, before, &mut old);
                self.sets_of(rows, id, after, &mut new);
                old.sort();
                new.sort();
                for name in old.without(&new) {
                    self.log_term(rows, offset, name, id, false);
                    self.remove(rows, name, id);
                }
                for name in new.without(&old) {
                    self.log_term(rows, offset, name, id, true);
                    self.add(rows, name, id);
                }
            }
            Some(_) => {}
        }
        self.names = [old, new];
    }

    /// The sets of terms that a version's document is in.
    fn sets_of(&mut self, rows: &mut Rows, id: EntityId, version: &Version, names: &mut Names) {
        names.clear();
        for term in version.terms().iter() {
            let path = self.path(rows, term.path);
            names.add(path, &term, id);
        }
    }

    /// The number of a path, given now if it has none.
    fn path(&mut self, rows: &mut Rows, path: &str) -> PathId {
        if let Some(id) = self.paths.read().get(path) {
            return id;
        }
        if let Some(id) = self.batch.path_numbers.get(path) {
            return *id;
        }
        // Readers learn of a path when the batch is there; until then its number is set aside.
        let next = self.paths.read().len() + self.batch.paths.len();
        let id = PathId(u32::try_from(next).unwrap_or(u32::MAX));
        self.batch.paths.push(path.to_owned());
        self.batch.path_numbers.insert(path.to_owned(), id);
        rows.put(Table::Path, KeyBytes::new(Table::Path).text(path), id.0.to_be_bytes());
        id
    }

    /// The relations that a version asserts, where they differ from those of the one before.
    fn edges(
        &mut self,
        rows: &mut Rows,
        offset: Offset,
        id: EntityId,
        before: Option<&Version>,
        after: &Version,
    ) {
        let logged = before.is_some();
        let old: &[Edge] = before.map_or(&[], |version| &version.edges);
        let new = &after.edges;
        for edge in old.iter().filter(|edge| !holds(new, edge)) {
            rows.delete(Table::Edge, edge_key(edge.target, edge.relation, id));
            let log = edge_log_key(edge.target, edge.relation, offset, id);
            rows.put(Table::EdgeLog, log, edge_log_row(false, edge.from));
            self.relation(edge, id, false, true);
        }
        for edge in new.iter().filter(|edge| !holds(old, edge)) {
            let key = edge_key(edge.target, edge.relation, id);
            rows.put(Table::Edge, key, edge.from.to_be_bytes());
            if logged {
                let log = edge_log_key(edge.target, edge.relation, offset, id);
                rows.put(Table::EdgeLog, log, edge_log_row(true, edge.from));
            }
            self.relation(edge, id, true, logged);
            self.target(rows, edge);
        }
        self.relation_kinds(rows, offset, id, old, new, logged);
    }

    fn relation(&mut self, edge: &Edge, id: EntityId, there: bool, logged: bool) {
        let set = SetKey::relation_name(edge.relation, edge.target);
        match self.hot.find(&set) {
            Some(slot) => {
                self.hot.change(slot, id, there);
                if logged {
                    self.hot.logged(slot);
                }
            }
            None if there => self.sighted(&set),
            None => {}
        }
    }

    /// That something relates so to a target at all.
    fn target(&mut self, rows: &mut Rows, edge: &Edge) {
        if self.recent_targets.len() >= RECENT_TARGETS_MAX {
            self.recent_targets.clear();
        }
        if self.recent_targets.insert((edge.relation, edge.target)) {
            let key = KeyBytes::new(Table::EdgeTarget).relation(edge.relation).entity(edge.target);
            rows.put(Table::EdgeTarget, key, []);
        }
    }

    /// That an entity relates so to anything at all.
    fn relation_kinds(
        &mut self,
        rows: &mut Rows,
        offset: Offset,
        id: EntityId,
        old: &[Edge],
        new: &[Edge],
        logged: bool,
    ) {
        let other =
            |edges: &[Edge], at: usize| at == 0 || edges[at - 1].relation != edges[at].relation;
        let has = |edges: &[Edge], relation| edges.iter().any(|edge| edge.relation == relation);
        // Edges are sorted by their relation.
        for (edges, others, there) in [(old, new, false), (new, old, true)] {
            for at in (0..edges.len()).filter(|at| other(edges, *at)) {
                let relation = edges[at].relation;
                if !has(others, relation) {
                    self.relation_kind(rows, offset, id, relation, there, logged);
                }
            }
        }
    }

    fn relation_kind(
        &mut self,
        rows: &mut Rows,
        offset: Offset,
        id: EntityId,
        relation: RelationId,
        there: bool,
        logged: bool,
    ) {
        let path = match self.relation_paths.get(&relation) {
            Some(path) => *path,
            None => {
                let path = self.path(rows, &format!("{RELATION_PREFIX}{}", relation.0));
                self.relation_paths.insert(relation, path);
                path
            }
        };
        let name = AnyName::new(path, id);
        if logged {
            self.log_term(rows, offset, name.name(), id, there);
        }
        if there {
            self.add(rows, name.name(), id);
        } else {
            self.remove(rows, name.name(), id);
        }
    }

    /// Logs that an entity that was there before came into a set, or went.
    fn log_term(
        &mut self,
        rows: &mut Rows,
        offset: Offset,
        name: Name<'_>,
        id: EntityId,
        there: bool,
    ) {
        if let Some(SetName::Term(path, form)) = SetName::read(name.set()) {
            let key = KeyBytes::new(Table::TermLog).u32(path.0).newest(offset).entity(id).raw(form);
            rows.put(Table::TermLog, key, [u8::from(there)]);
        }
        let key = KeyBytes::new(Table::SetLog).raw(name.set()).newest(offset).entity(id);
        rows.put(Table::SetLog, key, [u8::from(there)]);
        if let Some(slot) = self.hot.find(name.set()) {
            self.hot.logged(slot);
        }
    }

    fn add(&mut self, rows: &mut Rows, name: Name<'_>, id: EntityId) {
        match self.hot.find(name.set()) {
            Some(slot) => self.hot.change(slot, id, true),
            None => {
                rows.put(Table::Cold, name.cold_key(), []);
                self.sighted(name.set());
            }
        }
    }

    fn remove(&mut self, rows: &mut Rows, name: Name<'_>, id: EntityId) {
        match self.hot.find(name.set()) {
            Some(slot) => self.hot.change(slot, id, false),
            None => rows.delete(Table::Cold, name.cold_key()),
        }
    }

    /// Counts that a cold set was added to.
    fn sighted(&mut self, set: &[u8]) {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(set);
        let counter = &mut self.sightings[hash as usize % SIGHTINGS];
        *counter = counter.saturating_add(1);
        if usize::from(*counter) >= HOT_MIN {
            self.batch.suspects.insert(SetKey(set.into()));
        }
    }

    /// Ends a batch: looks at the sets that may have become hot, and writes what makes the hot
    /// ones durable. Nothing that readers see has changed yet.
    pub(crate) fn finish(
        &mut self,
        store: &Store,
        rows: &mut Rows,
        last: Place,
    ) -> Result<(), Error> {
        // Looked at before any is changed: the rows are sorted once for all of them.
        let mut promoted = Vec::new();
        for set in std::mem::take(&mut self.batch.suspects) {
            let members = self.members(store, rows, &set)?;
            if members.len() >= HOT_MIN {
                promoted.push((set, members));
            } else {
                aside::cold(store, rows, (&set, &members), last.0, self.aside_min)?;
            }
        }
        for (set, members) in promoted {
            self.promote(rows, &set, members);
        }
        if !self.batch.life.is_empty() {
            let life = postcard::to_allocvec(&self.batch.life).unwrap_or_default();
            rows.put(
                Table::LifeLog,
                KeyBytes::new(Table::LifeLog).newest(last.0).u32(!last.1),
                life,
            );
        }
        if let Some(published) = self.published {
            aside::hot(store, rows, &mut self.hot, published, self.aside_min)?;
        }
        self.batch.last = last.0;
        self.log.checkpoint(&mut self.hot, rows, last);
        let changes = self.hot.changes();
        if !changes.is_empty() {
            let row = postcard::to_allocvec(&changes).unwrap_or_default();
            self.log.add(last, row.len());
            rows.put(Table::HotLog, KeyBytes::new(Table::HotLog).u64(last.0).u32(last.1), row);
        }
        Ok(())
    }

    /// The batch is written: the sets change.
    pub(crate) fn publish(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        let mut paths = self.paths.write();
        for path in &batch.paths {
            paths.add(path);
        }
        drop(paths);
        self.hot.publish();
        self.published = Some(batch.last);
    }

    /// The members of a cold set, with what the batch does to them.
    fn members(
        &mut self,
        store: &Store,
        rows: &mut Rows,
        set: &SetKey,
    ) -> Result<BTreeSet<EntityId>, Error> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(&set.0[..]);
        self.sightings[hash as usize % SIGHTINGS] = 0;
        let snapshot = store.snapshot();
        let (table, prefix) = match set.read() {
            Some(SetName::Relation(relation, target)) => {
                (Table::Edge, KeyBytes::new(Table::Edge).entity(target).relation(relation))
            }
            _ => (Table::Cold, KeyBytes::new(Table::Cold).raw(&set.0)),
        };
        let member = |key: &[u8]| last_id(key, prefix.0.len());
        let mut members: BTreeSet<EntityId> = BTreeSet::new();
        snapshot.prefix(table, &prefix).each(|key, _| {
            members.extend(member(key));
            Ok(true)
        })?;
        rows.each_pending(table, &prefix, |key, there| match member(key) {
            Some(id) if there => {
                members.insert(id);
            }
            Some(id) => {
                members.remove(&id);
            }
            None => {}
        });
        Ok(members)
    }

    /// Makes a set hot.
    fn promote(&mut self, rows: &mut Rows, set: &SetKey, members: BTreeSet<EntityId>) {
        if !matches!(set.read(), Some(SetName::Relation(..))) {
            for id in &members {
                rows.delete(Table::Cold, cold_key(set, *id));
            }
        }
        let slot = self.hot.make(&set.0);
        members.into_iter().for_each(|id| self.hot.change(slot, id, true));
    }
}

/// Whether the same relation is among those of a version, which are sorted so.
fn holds(edges: &[Edge], edge: &Edge) -> bool {
    let key = |edge: &Edge| (edge.relation, edge.target);
    edges.binary_search_by_key(&key(edge), key).is_ok()
}

/// Where one member of a cold set stands.
pub(crate) fn cold_key(set: &SetKey, id: EntityId) -> KeyBytes {
    KeyBytes::new(Table::Cold).raw(&set.0).entity(id)
}

/// The entity at the end of a key that has this prefix and nothing else before it.
fn last_id(key: &[u8], prefix: usize) -> Option<EntityId> {
    let id: [u8; 4] = key.get(prefix..)?.try_into().ok()?;
    Some(EntityId(u32::from_be_bytes(id)))
}

fn edge_log_row(there: bool, from: Offset) -> Vec<u8> {
    let mut row = vec![u8::from(there)];
    row.extend_from_slice(&from.to_be_bytes());
    row
}
