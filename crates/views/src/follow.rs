//! What records did to entities: for histories and for those who follow.
//!
//! The relations that an entity shows because of another's document follow from the other's
//! versions before and after the record, so that nothing is kept for them beside the documents.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use event::{Offset, SourceName};
use fold::{Activity, Aspect, Change, EntityId, Key, RelationId, Subject, Version};

use crate::entity::Relation;
use crate::keys::{KeyBytes, KeyReader, Table, subject_key};
use crate::{CatalogChange, Changed, Error, Reader};

/// How many versions are read together.
const AT_ONCE: usize = 256;

/// A relation with its other end, by numbers.
type End = (RelationId, EntityId);

/// In what way a record concerns an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Concern {
    /// It made a version of it.
    Version,
    /// It changed relations that the entity shows because of others.
    Relations,
    /// It says what a source observes of it.
    Aspect,
    /// It tells of something that happened to it.
    Activity,
}

/// What a record did to an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// The entity.
    pub entity: EntityId,
    /// In what way.
    pub concern: Concern,
    /// Relations that it shows since then, and did not before, with the other end.
    pub added: Vec<(RelationId, EntityId)>,
    /// Relations that it showed before.
    pub removed: Vec<(RelationId, EntityId)>,
}

/// An aspect as a record left it: its name, where it comes from, and what is observed.
#[derive(Clone, Debug)]
pub struct AspectRow {
    /// The aspect's name.
    pub name: Box<str>,
    /// The source.
    pub source: SourceName,
    /// What it says; an empty value ends it.
    pub aspect: Arc<Aspect>,
}

/// Something that happened, and the record that tells of it.
#[derive(Clone, Debug)]
pub struct ActivityRow {
    /// The record.
    pub offset: Offset,
    /// What happened.
    pub activity: Arc<Activity>,
}

impl Touch {
    fn new(entity: EntityId, concern: Concern) -> Self {
        Self { entity, concern, added: Vec::new(), removed: Vec::new() }
    }
}

impl Reader {
    /// Records that changed anything, after one, with what they changed: whole records, and no
    /// more of them once there are so many changes.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn changed_records(
        &self,
        after: Option<Offset>,
        enough: usize,
    ) -> Result<Vec<(Offset, Vec<CatalogChange>)>, Error> {
        let mut records: Vec<(Offset, Vec<CatalogChange>)> = Vec::new();
        let mut count = 0;
        self.each_change(after, |change| {
            match records.last_mut() {
                Some((offset, changes)) if *offset == change.offset => changes.push(change),
                _ if count >= enough => return ControlFlow::Break(()),
                _ => records.push((change.offset, vec![change])),
            }
            count += 1;
            ControlFlow::Continue(())
        })?;
        Ok(records)
    }

    /// What one record changed.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn changes_of(&self, offset: Offset) -> Result<Vec<CatalogChange>, Error> {
        let after = offset.checked_sub(1);
        let mut changes = Vec::new();
        self.each_change(after, |change| {
            if change.offset != offset {
                return ControlFlow::Break(());
            }
            changes.push(change);
            ControlFlow::Continue(())
        })?;
        Ok(changes)
    }

    /// What a record did, entity by entity in the order of their numbers, from what it changed.
    ///
    /// # Errors
    /// When it can't be read, or the record is not folded yet.
    pub fn touched(&self, offset: Offset, changes: &[CatalogChange]) -> Result<Vec<Touch>, Error> {
        let mut touched: BTreeMap<EntityId, Touch> = BTreeMap::new();
        let mut own = BTreeSet::new();
        for (entity, what) in changes.iter().filter_map(|c| Some((c.entity?, c.what))) {
            let concern = match what {
                Changed::Aspect => Concern::Aspect,
                Changed::Activity => Concern::Activity,
                Changed::Created
                | Changed::Updated
                | Changed::Withdrawn
                | Changed::Restored
                | Changed::Status
                | Changed::Erased => {
                    own.insert(entity);
                    Concern::Version
                }
            };
            touched.entry(entity).or_insert_with(|| Touch::new(entity, concern));
        }
        let after = self.at(offset)?;
        let before = offset.checked_sub(1).map(|offset| self.at(offset)).transpose()?;
        let mut pairs = BTreeSet::new();
        let own: Vec<EntityId> = own.into_iter().collect();
        for ids in own.chunks(AT_ONCE) {
            let versions_after = after.versions(ids)?;
            let versions_before = match &before {
                Some(before) => before.versions(ids)?,
                None => vec![None; ids.len()],
            };
            for ((id, before), after) in ids.iter().zip(versions_before).zip(versions_after) {
                let (before, after) = (ends(before.as_deref()), ends(after.as_deref()));
                for (relation, target) in before.symmetric_difference(&after) {
                    // Both ends may assert the same; it is looked at once.
                    pairs.insert(canonical(*id, *relation, *target));
                }
            }
        }
        for (holder, relation, target) in pairs {
            let was = before.as_ref().map(|before| before.shows(holder, relation, target));
            let was = was.transpose()?.unwrap_or(false);
            let is = after.shows(holder, relation, target)?;
            if was == is {
                continue;
            }
            for (one, relation, other) in
                BTreeSet::from([(holder, relation, target), (target, relation.inverse(), holder)])
            {
                let touch =
                    touched.entry(one).or_insert_with(|| Touch::new(one, Concern::Relations));
                let ends = if is { &mut touch.added } else { &mut touch.removed };
                ends.push((relation, other));
            }
        }
        Ok(touched.into_values().collect())
    }

    /// Whether one entity shows a relation to another, whichever of the two asserts it.
    fn shows(&self, one: EntityId, relation: RelationId, other: EntityId) -> Result<bool, Error> {
        let versions = self.versions(&[one, other])?;
        let asserts = |at: usize, end: End| {
            let version = versions.get(at).and_then(Option::as_deref);
            version.is_some_and(|version| {
                version.edges.iter().any(|edge| (edge.relation, edge.target) == end)
            })
        };
        Ok(asserts(0, (relation, other)) || asserts(1, (relation.inverse(), one)))
    }

    /// Relations by their names.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn named(&self, ends: &[(RelationId, EntityId)]) -> Result<Vec<Relation>, Error> {
        let ids: Vec<EntityId> = ends.iter().map(|(_, id)| *id).collect();
        let names = self.references(&ids)?;
        let mut relations = Vec::with_capacity(ends.len());
        for ((relation, _), target) in ends.iter().zip(names) {
            let kind = self.policy().relations.name(*relation).unwrap_or_default().into();
            let target = target.ok_or(Error::Damaged { table: "Name" })?;
            relations.push(Relation { kind, target });
        }
        relations.sort_unstable();
        relations.dedup();
        Ok(relations)
    }

    /// Whether at most so many rows have to be looked at to tell the relations that others assert
    /// of an entity.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn has_few_relations(&self, id: EntityId, most: usize) -> Result<bool, Error> {
        let mut rows = 0;
        for table in [Table::Edge, Table::EdgeLog] {
            let prefix = KeyBytes::new(table).entity(id);
            self.snapshot().prefix(table, &prefix).each(|_, _| {
                rows += 1;
                Ok(rows <= most)
            })?;
        }
        Ok(rows <= most)
    }

    /// The last records, at most so many and before one, at which a relation began or ended that
    /// others assert of an entity; newest first.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn relation_records(
        &self,
        id: EntityId,
        before: Option<Offset>,
        most: usize,
    ) -> Result<Vec<Offset>, Error> {
        let damaged = || Error::Damaged { table: "Edge" };
        let from_of = |row: &[u8]| row.try_into().map(Offset::from_be_bytes).map_err(|_| damaged());
        let before = self.before(before);
        let mut newest = BTreeSet::new();
        let mut offer = |offset: Offset| {
            if offset < before {
                newest.insert(offset);
                if newest.len() > most {
                    newest.pop_first();
                }
            }
        };
        let prefix = KeyBytes::new(Table::Edge).entity(id);
        self.snapshot().prefix(Table::Edge, &prefix).each(|_, row| {
            offer(from_of(row)?);
            Ok(true)
        })?;
        let prefix = KeyBytes::new(Table::EdgeLog).entity(id);
        self.snapshot().prefix(Table::EdgeLog, &prefix).each(|key, row| {
            let mut key = KeyReader::new(Table::EdgeLog, key).ok_or_else(damaged)?;
            let parts = (key.entity(), key.relation(), key.newest());
            let (_, _, Some(offset)) = parts else { return Err(damaged()) };
            let (there, from) = row.split_first().ok_or_else(damaged)?;
            offer(offset);
            if *there == 0 {
                offer(from_of(from)?);
            }
            Ok(true)
        })?;
        Ok(newest.into_iter().rev().collect())
    }

    /// The first offset that is not asked about.
    fn before(&self, before: Option<Offset>) -> Offset {
        let end = self.position().offset.saturating_add(1);
        before.map_or(end, |before| before.min(end))
    }

    /// What sources observed of an entity, newest first: at most so many, before a record and
    /// after another, of one name or of all.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn aspects(
        &self,
        id: EntityId,
        (after, before): (Option<Offset>, Option<Offset>),
        name: Option<&str>,
        most: usize,
    ) -> Result<Vec<AspectRow>, Error> {
        let mut newest = Newest::new(most, self.before(before));
        newest.after = after;
        for table in [Table::Aspect, Table::AspectHistory] {
            let prefix = KeyBytes::new(table).entity(id);
            let prefix = name.map_or_else(|| prefix.clone(), |name| prefix.clone().text(name));
            self.snapshot().prefix(table, &prefix).each(|key, row| {
                let row = read_aspect(table, id, key, row)?;
                newest.offer(row.aspect.offset, row);
                Ok(true)
            })?;
        }
        Ok(newest.take().into_iter().map(|(_, row)| row).collect())
    }

    /// What happened to an entity, or to whatever carries an annotation, newest first: at most so
    /// many, before a record and after another, of one kind or of all.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn activities(
        &self,
        subjects: &[Subject],
        (after, before): (Option<Offset>, Option<Offset>),
        kind: Option<&str>,
        most: usize,
    ) -> Result<Vec<ActivityRow>, Error> {
        let damaged = || Error::Damaged { table: "Activity" };
        let before = self.before(before);
        let mut newest = Newest::new(most, before);
        for subject in subjects {
            let prefix = subject_key(subject);
            let Some(last) = before.checked_sub(1) else { continue };
            let first = prefix.clone().newest(last);
            let mut taken = 0;
            self.snapshot().range(Table::Activity, &first.0, &prefix.end()).each(|key, row| {
                let offset = key.last_chunk::<8>().map(|at| !u64::from_be_bytes(*at));
                let offset = offset.ok_or_else(damaged)?;
                if after.is_some_and(|after| offset <= after) || taken >= most {
                    return Ok(false);
                }
                let row = Bytes::copy_from_slice(row);
                let key = Key::Activity((subject.clone(), offset));
                if let Change::Activity(_, Some(activity)) = Change::read(key, Some(&row))?
                    && kind.is_none_or(|kind| *activity.activity == *kind)
                {
                    taken += 1;
                    newest.offer(offset, ActivityRow { offset, activity });
                }
                Ok(true)
            })?;
        }
        let mut rows: Vec<ActivityRow> = newest.take().into_iter().map(|(_, row)| row).collect();
        rows.dedup_by_key(|row| row.offset);
        Ok(rows)
    }
}

fn read_aspect(table: Table, id: EntityId, key: &[u8], row: &[u8]) -> Result<AspectRow, Error> {
    let damaged = || Error::Damaged { table: "Aspect" };
    let mut key = KeyReader::new(table, key).ok_or_else(damaged)?;
    let (Some(_), Some(name), Some(source)) = (key.entity(), key.text(), key.text()) else {
        return Err(damaged());
    };
    let (name, source): (Box<str>, _) =
        (name.into(), SourceName::new(&source).map_err(|_| damaged())?);
    let row = Bytes::copy_from_slice(row);
    let key = Key::Aspect((id, name.clone(), source.clone()));
    match Change::read(key, Some(&row))? {
        Change::Aspect(_, Some(aspect)) => Ok(AspectRow { name, source, aspect }),
        _ => Err(damaged()),
    }
}

fn ends(version: Option<&Version>) -> BTreeSet<End> {
    version.into_iter().flat_map(|v| &v.edges).map(|edge| (edge.relation, edge.target)).collect()
}

/// A relation between two, told from the one of its ends that has the smaller number.
fn canonical(
    one: EntityId,
    relation: RelationId,
    other: EntityId,
) -> (EntityId, RelationId, EntityId) {
    let inverse = (other, relation.inverse(), one);
    (one, relation, other).min(inverse)
}

/// The newest of many, in memory that does not grow with how many there are.
struct Newest<T> {
    most: usize,
    before: Offset,
    after: Option<Offset>,
    found: Vec<(Offset, T)>,
}

impl<T> Newest<T> {
    fn new(most: usize, before: Offset) -> Self {
        Self { most, before, after: None, found: Vec::new() }
    }

    fn offer(&mut self, offset: Offset, row: T) {
        if offset >= self.before || self.after.is_some_and(|after| offset <= after) {
            return;
        }
        self.found.push((offset, row));
        if self.found.len() >= self.most.saturating_mul(2).max(1024) {
            self.shrink();
        }
    }

    /// Of one record there may be several, of which none is cut off.
    fn shrink(&mut self) {
        self.found.sort_by_key(|(offset, _)| std::cmp::Reverse(*offset));
        if let Some((last, _)) = self.found.get(self.most.saturating_sub(1)) {
            let last = *last;
            let keep = self.found.partition_point(|(offset, _)| *offset >= last);
            self.found.truncate(keep);
        }
    }

    fn take(mut self) -> Vec<(Offset, T)> {
        self.shrink();
        self.found
    }
}
