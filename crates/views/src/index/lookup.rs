//! Reading the index, as it is or as it was.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use event::Offset;
use fold::{EntityId, RelationId};

use super::idset::IdSet;
use super::set_key::{Form, PathId, SetKey, form_len};
use super::{Hot, SharedPaths};
use crate::Error;
use crate::keys::{KeyBytes, KeyReader, Table};
use crate::store::{OwnedSnapshot, Range};

/// The index at one moment.
pub(crate) struct Lookup<'a> {
    snapshot: &'a OwnedSnapshot,
    hot: &'a Hot,
    paths: &'a SharedPaths,
    /// The last record of the moment that is asked about; absent for the snapshot's own.
    at: Option<Offset>,
    undone: RefCell<HashMap<PathId, Rc<Undone>>>,
}

/// What has to be undone in the sets of a path to come to an earlier moment: for each form, the
/// members whose last word since then has to be taken back, and whether they were there before.
type Undone = BTreeMap<Box<[u8]>, WasThere>;

/// Whether entities were members before.
type WasThere = BTreeMap<EntityId, bool>;

/// A value of a path, with those that have it.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) form: Form,
    pub(crate) members: IdSet,
}

impl<'a> Lookup<'a> {
    pub(crate) fn new(
        snapshot: &'a OwnedSnapshot,
        hot: &'a Hot,
        paths: &'a SharedPaths,
        at: Option<Offset>,
    ) -> Self {
        Self { snapshot, hot, paths, at, undone: RefCell::default() }
    }

    pub(crate) fn path(&self, path: &str) -> Option<PathId> {
        self.paths.read().get(path)
    }

    /// Those that exist.
    pub(crate) fn alive(&self) -> Result<IdSet, Error> {
        let mut alive = self.hot.get(&SetKey::alive()).cloned().unwrap_or_default();
        let Some(at) = self.at else { return Ok(alive) };
        let damaged = || Error::Damaged { table: "LifeLog" };
        self.snapshot.prefix(Table::LifeLog, &KeyBytes::new(Table::LifeLog)).each(|key, row| {
            let mut key = KeyReader::new(Table::LifeLog, key).ok_or_else(damaged)?;
            if key.newest().ok_or_else(damaged)? <= at {
                return Ok(false);
            }
            let changes = read_life_row(row).ok_or_else(damaged)?;
            for (_, id, there) in changes.into_iter().rev().filter(|(offset, ..)| *offset > at) {
                if there {
                    alive.remove(id);
                } else {
                    alive.insert(id);
                }
            }
            Ok(true)
        })?;
        Ok(alive)
    }

    /// The members of a set of terms.
    pub(crate) fn members(&self, set: &SetKey) -> Result<IdSet, Error> {
        let mut members = match self.hot.get(set) {
            Some(members) => members.clone(),
            None => self.cold(Table::Cold, &KeyBytes::new(Table::Cold).raw(&set.0))?,
        };
        if let Some(super::SetName::Term(path, form)) = set.read()
            && let Some(changes) = self.undone(path)?.get(form)
        {
            undo(&mut members, changes);
        }
        Ok(members)
    }

    /// Those whose path has a value, in whatever case and form it is written.
    pub(crate) fn with_value(
        &self,
        path: PathId,
        lower: &str,
        items_only: bool,
    ) -> Result<IdSet, Error> {
        let mut all = IdSet::default();
        let mut values = self.values(path, Some(lower), false)?;
        while let Some(value) = values.next_value()? {
            if value.form.lower != lower {
                break;
            }
            if !items_only || value.form.array_item {
                all.add_all(&value.members);
            }
        }
        Ok(all)
    }

    /// Those whose path has a value that begins so.
    pub(crate) fn with_prefix(&self, path: PathId, lower: &str) -> Result<IdSet, Error> {
        let mut all = IdSet::default();
        let mut values = self.values(path, Some(lower), false)?;
        while let Some(value) = values.next_value()? {
            if !value.form.lower.starts_with(lower) {
                break;
            }
            all.add_all(&value.members);
        }
        Ok(all)
    }

    /// Those whose path has a value that passes; every value of the path is looked at.
    pub(crate) fn with_matching(
        &self,
        path: PathId,
        passes: &dyn Fn(&str) -> bool,
    ) -> Result<IdSet, Error> {
        let mut all = IdSet::default();
        let mut values = self.values(path, None, false)?;
        while let Some(value) = values.next_value()? {
            if passes(&value.form.lower) {
                all.add_all(&value.members);
            }
        }
        Ok(all)
    }

    /// Those whose documents relate so to a target, whether or not they exist.
    pub(crate) fn related(&self, relation: RelationId, target: EntityId) -> Result<IdSet, Error> {
        let mut members = match self.hot.get(&SetKey::relation(relation, target)) {
            Some(members) => members.clone(),
            None => {
                let prefix = KeyBytes::new(Table::Edge).entity(target).relation(relation);
                self.cold(Table::Edge, &prefix)?
            }
        };
        let Some(at) = self.at else {
            return Ok(members);
        };
        let prefix = KeyBytes::new(Table::EdgeLog).entity(target).relation(relation);
        let damaged = || Error::Damaged { table: "EdgeLog" };
        self.snapshot.prefix(Table::EdgeLog, &prefix).each(|key, row| {
            let mut rest = KeyReader::new(Table::EdgeLog, key).ok_or_else(damaged)?;
            let parts = (rest.entity(), rest.relation(), rest.newest(), rest.entity());
            let (.., Some(offset), Some(holder)) = parts else {
                return Err(damaged());
            };
            if offset <= at {
                return Ok(false);
            }
            if row.first() == Some(&1) {
                members.remove(holder);
            } else {
                members.insert(holder);
            }
            Ok(true)
        })?;
        Ok(members)
    }

    /// Entities that something was ever related to so.
    pub(crate) fn targets(&self, relation: RelationId) -> Result<Vec<EntityId>, Error> {
        let prefix = KeyBytes::new(Table::EdgeTarget).relation(relation);
        let mut targets = Vec::new();
        self.snapshot.prefix(Table::EdgeTarget, &prefix).each(|key, _| {
            targets.extend(last_id(key));
            Ok(true)
        })?;
        Ok(targets)
    }

    /// The values of a path, in order, from one on (or, backwards, from the last that is not
    /// beyond it).
    pub(crate) fn values(
        &self,
        path: PathId,
        from: Option<&str>,
        back: bool,
    ) -> Result<Values<'a>, Error> {
        let all = SetKey::values(path);
        let end = KeyBytes(all.clone()).end();
        let (low, high) = match (from, back) {
            (None, _) => (all.clone(), end),
            (Some(from), false) => (SetKey::value(path, from), end),
            (Some(from), true) => (all.clone(), KeyBytes(SetKey::value(path, from)).end()),
        };
        let cold_low = KeyBytes::new(Table::Cold).raw(&low).0;
        let cold_high = KeyBytes::new(Table::Cold).raw(&high).0;
        let cold = if back {
            self.snapshot.range_back(Table::Cold, &cold_low, &cold_high)
        } else {
            self.snapshot.range(Table::Cold, &cold_low, &cold_high)
        };
        let bounds = SetKey(low.clone().into())..SetKey(high.clone().into());
        let hot = self.hot.range(bounds);
        let hot: Box<dyn Iterator<Item = (&SetKey, &IdSet)>> =
            if back { Box::new(hot.rev()) } else { Box::new(hot) };
        let skip = all.len() - 1;
        let undone = self.undone(path)?;
        let in_range = |form: &[u8]| {
            let key = [&all[..skip], form].concat();
            key >= low && key < high
        };
        let mut pending: Vec<(Box<[u8]>, WasThere)> = undone
            .iter()
            .filter(|(form, _)| in_range(form))
            .map(|(form, changes)| (form.clone(), changes.clone()))
            .collect();
        // Taken from the end, so the one that comes first stands last.
        if !back {
            pending.reverse();
        }
        Ok(Values { hot: hot.peekable(), cold, undone: pending, skip, back })
    }

    fn cold(&self, table: Table, prefix: &KeyBytes) -> Result<IdSet, Error> {
        let mut members = IdSet::default();
        let length = prefix.0.len() + 4;
        self.snapshot.prefix(table, prefix).each(|key, _| {
            if key.len() == length
                && let Some(id) = last_id(key)
            {
                members.insert(id);
            }
            Ok(true)
        })?;
        Ok(members)
    }

    /// What has to be undone in the sets of a path.
    fn undone(&self, path: PathId) -> Result<Rc<Undone>, Error> {
        if let Some(known) = self.undone.borrow().get(&path) {
            return Ok(Rc::clone(known));
        }
        let mut undone = Undone::new();
        if let Some(at) = self.at {
            let damaged = || Error::Damaged { table: "TermLog" };
            let prefix = KeyBytes::new(Table::TermLog).u32(path.0);
            self.snapshot.prefix(Table::TermLog, &prefix).each(|key, row| {
                let mut rest = KeyReader::new(Table::TermLog, key).ok_or_else(damaged)?;
                let parts = (rest.u32(), rest.newest(), rest.entity());
                let (_, Some(offset), Some(id)) = parts else {
                    return Err(damaged());
                };
                if offset <= at {
                    return Ok(false);
                }
                // Newest first: the oldest change since then has the last word.
                let was_there = row.first() != Some(&1);
                undone.entry(rest.rest().into()).or_default().insert(id, was_there);
                Ok(true)
            })?;
        }
        let undone = Rc::new(undone);
        self.undone.borrow_mut().insert(path, Rc::clone(&undone));
        Ok(undone)
    }
}

/// The values of a path, in order: those of hot sets, of keys on disk, and those that only an
/// earlier moment knows, merged.
pub(crate) struct Values<'a> {
    hot: std::iter::Peekable<Box<dyn Iterator<Item = (&'a SetKey, &'a IdSet)> + 'a>>,
    cold: Range<'a>,
    undone: Vec<(Box<[u8]>, WasThere)>,
    /// How many bytes of a set's name stand before the form.
    skip: usize,
    back: bool,
}

impl Values<'_> {
    /// The value that comes next; forms of one value come one after the other.
    pub(crate) fn next_value(&mut self) -> Result<Option<Value>, Error> {
        while let Some(form) = self.next_form()? {
            let mut members = IdSet::default();
            if let Some((_, set)) = self.hot.next_if(|(key, _)| key.0[self.skip..] == *form) {
                members = set.clone();
            }
            self.cold_members(&form, &mut members)?;
            if self.undone.last().is_some_and(|(undone, _)| **undone == *form)
                && let Some((_, changes)) = self.undone.pop()
            {
                undo(&mut members, &changes);
            }
            if members.is_empty() {
                continue;
            }
            let form = Form::read(&form).ok_or(Error::Damaged { table: "Cold" })?;
            return Ok(Some(Value { form, members }));
        }
        Ok(None)
    }

    fn next_form(&mut self) -> Result<Option<Box<[u8]>>, Error> {
        let mut best: Option<Box<[u8]>> = None;
        let mut consider = |form: &[u8]| {
            let better = best.as_deref().is_none_or(|best| (form < best) != self.back);
            if better {
                best = Some(form.into());
            }
        };
        if let Some((key, _)) = self.hot.peek() {
            consider(&key.0[self.skip..]);
        }
        if let Some((key, _)) = self.cold.peek()? {
            consider(cold_form(key, self.skip)?);
        }
        if let Some((form, _)) = self.undone.last() {
            consider(form);
        }
        Ok(best)
    }

    fn cold_members(&mut self, form: &[u8], members: &mut IdSet) -> Result<(), Error> {
        while let Some((key, _)) = self.cold.peek()? {
            if cold_form(key, self.skip)? != form {
                break;
            }
            if let Some(id) = last_id(key) {
                members.insert(id);
            }
            self.cold.advance();
        }
        Ok(())
    }
}

/// Births, deaths and restorations of a batch.
pub(crate) fn read_life_row(row: &[u8]) -> Option<Vec<(Offset, EntityId, bool)>> {
    postcard::from_bytes(row).ok()
}

/// The form in the key of a member of a cold set.
pub(crate) fn cold_form(key: &[u8], skip: usize) -> Result<&[u8], Error> {
    let damaged = || Error::Damaged { table: "Cold" };
    // One byte for the table, then the set's name, then the member.
    let rest = key.get(1 + skip..).ok_or_else(damaged)?;
    let length = form_len(rest).filter(|length| rest.len() == length + 4).ok_or_else(damaged)?;
    Ok(&rest[..length])
}

fn last_id(key: &[u8]) -> Option<EntityId> {
    key.last_chunk::<4>().map(|id| EntityId(u32::from_be_bytes(*id)))
}

fn undo(members: &mut IdSet, changes: &WasThere) {
    for (id, was_there) in changes {
        if *was_there {
            members.insert(*id);
        } else {
            members.remove(*id);
        }
    }
}
