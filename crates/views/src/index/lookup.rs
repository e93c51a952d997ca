//! Reading the index, as it is or as it was.

use event::Offset;
use fold::{EntityId, RelationId};

use super::idset::IdSet;
use super::past::{Past, Since};
use super::set_key::{Form, PathId, SetKey, SetName, form_len};
use super::then::{Then, logged_form};
use super::{Hot, SharedPaths};
use crate::Error;
use crate::keys::{KeyBytes, Table};
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
        }
    }

    pub(crate) fn path(&self, path: &str) -> Option<PathId> {
        self.paths.read().get(path)
    }

    /// Those that exist.
    pub(crate) fn alive(&self) -> Result<IdSet, Error> {
        self.members(&SetKey::alive())
    }

    /// The members of a set, of whatever sort.
    pub(crate) fn members(&self, set: &SetKey) -> Result<IdSet, Error> {
        let now = || current(self.snapshot, self.hot, set);
        match self.then() {
            Some(then) => then.members(&set.0, now),
            None => now(),
        }
    }

    /// The moment that is asked about, where that is not the snapshot's.
    fn then(&self) -> Option<Then<'a>> {
        self.at.map(|at| Then { snapshot: self.snapshot, at, last: self.last })
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
        self.members(&SetKey::relation(relation, target))
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
        let rows = |table| {
            let low = KeyBytes::new(table).raw(&low).0;
            let high = KeyBytes::new(table).raw(&high).0;
            if back {
                self.snapshot.range_back(table, &low, &high)
            } else {
                self.snapshot.range(table, &low, &high)
            }
        };
        let cold = rows(Table::Cold);
        let logged = self.then().map(|then| (rows(Table::SetLog), then));
        let bounds = SetKey(low.as_slice().into())..SetKey(high.as_slice().into());
        let hot = self.hot.range(bounds);
        let hot: Box<dyn Iterator<Item = (&SetKey, &IdSet)>> =
            if back { Box::new(hot.rev()) } else { Box::new(hot) };
        let path = all[..all.len() - 1].to_vec();
        Ok(Values { hot: hot.peekable(), cold, logged, path, back })
    }

    /// What changed in the sets of a path since the moment that is asked about, where that is not
    /// the snapshot's.
    pub(crate) fn since(&self, path: PathId) -> Result<Option<Since>, Error> {
        let Some(at) = self.at else { return Ok(None) };
        self.past.since(self.snapshot, path, at, self.last).map(Some)
    }
}

/// The values of a path, in order: those of hot sets, of keys on disk, and those that only an
/// earlier moment knows, merged.
pub(crate) struct Values<'a> {
    hot: std::iter::Peekable<Box<dyn Iterator<Item = (&'a SetKey, &'a IdSet)> + 'a>>,
    cold: store::Range<'a>,
    /// What was ever logged of the path's values, where a moment is asked about.
    logged: Option<(store::Range<'a>, Then<'a>)>,
    /// What the sets' names begin with, before the form.
    path: Vec<u8>,
    back: bool,
}

impl Values<'_> {
    /// The value that comes next; forms of one value come one after the other.
    pub(crate) fn next_value(&mut self) -> Result<Option<Value>, Error> {
        while let Some(form) = self.next_form()? {
            let mut members = IdSet::default();
            let skip = self.path.len();
            if let Some((_, set)) = self.hot.next_if(|(key, _)| key.0[skip..] == *form) {
                members = set.clone();
            }
            self.cold_members(&form, &mut members)?;
            members = self.as_of(&form, members)?;
            if members.is_empty() {
                continue;
            }
            let form = Form::read(&form).ok_or(Error::Damaged { table: "Cold" })?;
            return Ok(Some(Value { form, members }));
        }
        Ok(None)
    }

    /// The members of a form as they were.
    fn as_of(&mut self, form: &[u8], members: IdSet) -> Result<IdSet, Error> {
        let Some((rows, then)) = &mut self.logged else { return Ok(members) };
        let is_logged = match rows.peek()? {
            Some((key, _)) => logged_form(key, self.path.len())? == form,
            None => false,
        };
        if !is_logged {
            return Ok(members);
        }
        let name = [&self.path, form].concat();
        rows.pass(&KeyBytes::new(Table::SetLog).raw(&name));
        then.members(&name, || Ok(members))
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
            consider(&key.0[self.path.len()..]);
        }
        if let Some((key, _)) = self.cold.peek()? {
            consider(cold_form(key, self.path.len())?);
        }
        if let Some((rows, _)) = &self.logged
            && let Some((key, _)) = rows.peek()?
        {
            consider(logged_form(key, self.path.len())?);
        }
        Ok(best)
    }

    fn cold_members(&mut self, form: &[u8], members: &mut IdSet) -> Result<(), Error> {
        while let Some((key, _)) = self.cold.peek()? {
            if cold_form(key, self.path.len())? != form {
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

/// The members of a set as it is now.
pub(super) fn current(snapshot: &OwnedSnapshot, hot: &Hot, set: &SetKey) -> Result<IdSet, Error> {
    if let Some(members) = hot.get(set) {
        return Ok(members.clone());
    }
    let (table, prefix) = match set.read() {
        Some(SetName::Relation(relation, target)) => {
            (Table::Edge, KeyBytes::new(Table::Edge).entity(target).relation(relation))
        }
        _ => (Table::Cold, KeyBytes::new(Table::Cold).raw(&set.0)),
    };
    let mut members = IdSet::default();
    let length = prefix.0.len() + 4;
    snapshot.prefix(table, &prefix).each(|key, _| {
        if key.len() == length
            && let Some(id) = last_id(key)
        {
            members.insert(id);
        }
        Ok(true)
    })?;
    Ok(members)
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
