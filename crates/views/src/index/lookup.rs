//! Reading the index, as it is or as it was.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use event::Offset;
use fold::{EntityId, RelationId};

use super::idset::IdSet;
use super::past::{Of, Past, Since};
use super::set_key::{Form, PathId, SetKey, form_len};
use super::stretch::Stretch;
use super::{Hot, SharedPaths};
use crate::Error;
use crate::keys::{KeyBytes, KeyReader, Table};
use crate::reader::Published;
use crate::store::{self, OwnedSnapshot};

/// The index at one moment.
pub(crate) struct Lookup<'a> {
    snapshot: &'a OwnedSnapshot,
    hot: &'a Hot,
    paths: &'a SharedPaths,
    past: &'a Past,
    /// The last record that the snapshot holds.
    last: Offset,
    /// The last record of the moment that is asked about; absent for the snapshot's own.
    at: Option<Offset>,
    since: RefCell<HashMap<Of, Rc<Since>>>,
}

/// A value of a path, with those that have it.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) form: Form,
    pub(crate) members: IdSet,
}

impl<'a> Lookup<'a> {
    pub(crate) fn new(published: &'a Published, at: Option<Offset>) -> Self {
        Self {
            snapshot: &published.snapshot,
            hot: &published.hot,
            paths: &published.paths,
            past: &published.past,
            last: published.offset,
            at,
            since: RefCell::default(),
        }
    }

    pub(crate) fn path(&self, path: &str) -> Option<PathId> {
        self.paths.read().get(path)
    }

    /// Those that exist.
    pub(crate) fn alive(&self) -> Result<IdSet, Error> {
        let mut alive = self.hot.get(&SetKey::alive()).cloned().unwrap_or_default();
        if let Some(since) = self.since(Of::Life)? {
            since.undo(&[], &mut alive);
        }
        Ok(alive)
    }

    /// The members of a set of terms.
    pub(crate) fn members(&self, set: &SetKey) -> Result<IdSet, Error> {
        let mut members = match self.hot.get(set) {
            Some(members) => members.clone(),
            None => self.cold(Table::Cold, &KeyBytes::new(Table::Cold).raw(&set.0))?,
        };
        if let Some(super::SetName::Term(path, form)) = set.read()
            && let Some(since) = self.since(Of::Terms(path))?
        {
            since.undo(form, &mut members);
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
        let since = self.since(Of::Terms(path))?;
        let (low, high) = (&low[skip..], &high[skip.min(high.len())..]);
        let cursors = since.iter().flat_map(|since| &since.stretches).map(|stretch| {
            let end = if high.is_empty() { stretch.len() } else { stretch.from(high) };
            Cursor { stretch: Arc::clone(stretch), places: stretch.from(low)..end }
        });
        let cursors = cursors.filter(|cursor| !cursor.places.is_empty()).collect();
        Ok(Values { hot: hot.peekable(), cold, cursors, since, skip, back })
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

    /// What changed in sets since the moment that is asked about, where that is not the snapshot's.
    pub(crate) fn since(&self, of: Of) -> Result<Option<Rc<Since>>, Error> {
        let Some(at) = self.at else { return Ok(None) };
        if let Some(known) = self.since.borrow().get(&of) {
            return Ok(Some(Rc::clone(known)));
        }
        let since = Rc::new(self.past.since(self.snapshot, of, at, self.last)?);
        self.since.borrow_mut().insert(of, Rc::clone(&since));
        Ok(Some(since))
    }
}

/// Where the walk along the forms of a stretch stands.
struct Cursor {
    stretch: Arc<Stretch>,
    places: Range<usize>,
}

impl Cursor {
    fn place(&self, back: bool) -> Option<usize> {
        let place = if back { self.places.end.checked_sub(1)? } else { self.places.start };
        self.places.contains(&place).then_some(place)
    }

    /// Goes on, if it stands at a form; gives its place.
    fn take(&mut self, form: &[u8], back: bool) -> Option<usize> {
        let place = self.place(back).filter(|place| self.stretch.form(*place) == form)?;
        if back {
            self.places.end -= 1;
        } else {
            self.places.start += 1;
        }
        Some(place)
    }
}

/// The values of a path, in order: those of hot sets, of keys on disk, and those that only an
/// earlier moment knows, merged.
pub(crate) struct Values<'a> {
    hot: std::iter::Peekable<Box<dyn Iterator<Item = (&'a SetKey, &'a IdSet)> + 'a>>,
    cold: store::Range<'a>,
    /// One for each stretch, the newest first.
    cursors: Vec<Cursor>,
    since: Option<Rc<Since>>,
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
            if let Some(since) = &self.since {
                for cursor in &mut self.cursors {
                    if let Some(place) = cursor.take(&form, self.back) {
                        cursor.stretch.undo(place, since.at, since.last, &mut members);
                    }
                }
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
        for cursor in &self.cursors {
            if let Some(place) = cursor.place(self.back) {
                consider(cursor.stretch.form(place));
            }
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
