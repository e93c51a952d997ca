//! Pages of lists: filtered, ordered, counted.

use event::Offset;
use fold::EntityId;

use super::values::Field;
use super::{Filter, Like};
use crate::columns::ColumnThen;
use crate::index::{IdSet, Lookup, PathId};
use crate::{Error, Reader};

/// How many entities are looked at together.
const CHUNK: usize = 256;

/// How many times as many steps along the index as are to be expected are tried.
const STEPS_OVER: u64 = 4;

/// To take a column back by more stretches of the log than these can cost much more than to read
/// some more documents, or to walk further along the index, where that is enough.
const FAR_STRETCHES: Offset = 64;
const FAR_READ_MORE: u64 = 4;
const FAR_STEPS_MAX: u64 = 1 << 16;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Which entities; all, where absent.
    pub filter: Option<Filter>,
    /// In which order; that of their numbers, where absent.
    pub sort: Option<Sort>,
    /// Where the page starts.
    pub start: Start,
    /// At most so many.
    pub limit: usize,
    /// Whether to count them all.
    pub count: bool,
}

/// An order: by the values of a field, and by the entities' numbers among those that agree.
/// Entities without a value there are left out; one with several values stands at each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The field, in lower case.
    pub path: String,
    /// The largest value first.
    pub descending: bool,
}

/// Where a page starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// So many places behind the beginning.
    Offset(usize),
    /// Behind a row.
    After(Row),
    /// The page ends before a row.
    Before(Row),
}

/// A place in a list: the value that it is ordered by, and the entity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// In lower case; absent in lists that have no order of their own.
    pub value: Option<String>,
    /// The entity.
    pub id: EntityId,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its rows, in the order that was asked for.
    pub rows: Vec<Row>,
    /// Whether there is more behind it, in the direction in which it was read.
    pub more: bool,
    /// How many entities there are in all, if that was asked for.
    pub total: Option<u64>,
}

impl Reader {
    /// A page of the entities that a query asks for.
    ///
    /// # Errors
    /// When the views can't be read.
    pub fn query(&self, query: &Query) -> Result<Page, Error> {
        self.query_like(query, None)
    }

    /// The same, but of an ordered list only the rows whose value holds something. What is counted
    /// are the entities that the query asks for, as Backstage counts them.
    ///
    /// # Errors
    /// When the views can't be read.
    pub fn query_like(&self, query: &Query, like: Option<&Like>) -> Result<Page, Error> {
        let lookup = self.lookup();
        let candidates = self.evaluate(&lookup, query.filter.as_ref())?;
        let Some(sort) = &query.sort else {
            let total = query.count.then(|| candidates.len());
            let back = matches!(query.start, Start::Before(_));
            let rows = candidates.iter().map(|id| Row { value: None, id });
            return Ok(if back {
                collect(Box::new(rows.rev()), query, true, total)
            } else {
                collect(Box::new(rows), query, false, total)
            });
        };
        let field = Field::new(self, &lookup, &sort.path);
        let alive = lookup.alive()?;
        let valued = self.with_any_value(&lookup, &alive, &field)?.and(&candidates);
        let total = query.count.then(|| valued.len());
        if query.limit == 0 {
            return Ok(Page { rows: Vec::new(), more: false, total });
        }
        match field.plain {
            Some(path) if valued.len() > self.read_max() && field.is_plain(&lookup)? => {
                let long = Long { path, name: &sort.path, candidates: &valued, query, like };
                self.long(&lookup, &long, sort.descending, alive.len(), total)
            }
            _ => self.sorted(&field, &valued, query, sort.descending, like, total),
        }
    }

    /// Whether the moment is long ago.
    fn is_far(&self) -> bool {
        let near = FAR_STRETCHES << self.published.columns.lists.stretch_bits;
        self.at.is_some_and(|at| self.published.offset - at > near)
    }

    /// Up to so many entities, their values are read from their documents.
    fn read_max(&self) -> u64 {
        let read_max = self.published.columns.lists.read_max;
        if self.is_far() { read_max * FAR_READ_MORE } else { read_max }
    }

    /// A page of many. Where filter and order have nothing to do with each other the page is full
    /// after a few steps along the index; where they go against each other, or a text is looked
    /// for, the values of all candidates are compared in memory.
    fn long(
        &self,
        lookup: &Lookup<'_>,
        long: &Long<'_>,
        descending: bool,
        all: u64,
        total: Option<u64>,
    ) -> Result<Page, Error> {
        let skip = if let Start::Offset(skip) = long.query.start { skip } else { 0 };
        let wanted = (skip + long.query.limit) as u64;
        let expected = wanted.saturating_mul(all) / long.candidates.len().max(1);
        let least = self.published.columns.lists.steps_min;
        let steps_max = expected.saturating_mul(STEPS_OVER).max(least);
        let worthwhile = long.candidates.len().max(least * 2);
        let worthwhile = if self.is_far() { worthwhile.max(FAR_STEPS_MAX) } else { worthwhile };
        if long.like.is_none() && steps_max < worthwhile {
            let walked = walk(lookup, long, descending, steps_max, total)?;
            if let Some(page) = walked {
                return Ok(page);
            }
        }
        if let Some(column) = self.column(lookup, long.path, long.name)? {
            return Ok(compared(&column, long, descending, total));
        }
        let walked = walk(lookup, long, descending, u64::MAX, total)?;
        Ok(walked.unwrap_or(Page { rows: Vec::new(), more: false, total }))
    }

    /// Reads the values from the documents and sorts them.
    fn sorted(
        &self,
        field: &Field<'_>,
        candidates: &IdSet,
        query: &Query,
        descending: bool,
        like: Option<&Like>,
        total: Option<u64>,
    ) -> Result<Page, Error> {
        let ids: Vec<EntityId> = candidates.iter().collect();
        let mut rows = Vec::with_capacity(ids.len());
        for ids in ids.chunks(CHUNK) {
            for (id, version) in ids.iter().zip(self.versions(ids)?) {
                let Some(version) = version else { continue };
                for (lower, _) in self.field_values(field, *id, &version)? {
                    if like.is_some_and(|like| !like.matches(&lower)) {
                        continue;
                    }
                    rows.push(Row { value: Some(lower), id: *id });
                }
            }
        }
        rows.sort_unstable();
        let back = matches!(query.start, Start::Before(_)) != descending;
        let rows = rows.into_iter();
        Ok(if back {
            collect(Box::new(rows.rev()), query, true, total)
        } else {
            collect(Box::new(rows), query, false, total)
        })
    }
}

/// Takes a page from rows that come in the direction of reading; `back` is from the largest down.
fn collect(
    rows: Box<dyn Iterator<Item = Row> + '_>,
    query: &Query,
    back: bool,
    total: Option<u64>,
) -> Page {
    let mut taker = Taker::new(query, back);
    for row in rows {
        if !taker.take(row) {
            break;
        }
    }
    taker.page(total)
}

/// Takes rows that come in the direction of reading until the page is full.
struct Taker<'a> {
    query: &'a Query,
    back: bool,
    skip: usize,
    rows: Vec<Row>,
    more: bool,
}

impl<'a> Taker<'a> {
    fn new(query: &'a Query, back: bool) -> Self {
        let skip = if let Start::Offset(skip) = query.start { skip } else { 0 };
        Self { query, back, skip, rows: Vec::new(), more: false }
    }

    /// The row behind which reading starts, if it starts behind one.
    fn behind(&self) -> Option<&'a Row> {
        match &self.query.start {
            Start::Offset(_) => None,
            Start::After(row) | Start::Before(row) => Some(row),
        }
    }

    /// Takes a row, or passes over it; `false` when the page is full.
    fn take(&mut self, row: Row) -> bool {
        let passed =
            self.behind().is_some_and(|from| if self.back { row >= *from } else { row <= *from });
        if passed {
            return true;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return true;
        }
        if self.rows.len() == self.query.limit {
            self.more = true;
            return false;
        }
        self.rows.push(row);
        true
    }

    fn page(mut self, total: Option<u64>) -> Page {
        if matches!(self.query.start, Start::Before(_)) {
            self.rows.reverse();
        }
        Page { rows: self.rows, more: self.more, total }
    }
}

/// A page of so many entities that their documents are not read.
struct Long<'a> {
    path: PathId,
    /// The path's name.
    name: &'a str,
    candidates: &'a IdSet,
    query: &'a Query,
    like: Option<&'a Like>,
}

/// Walks the values of a path in their order; `None` when the page is not full after so many.
fn walk(
    lookup: &Lookup<'_>,
    long: &Long<'_>,
    descending: bool,
    steps_max: u64,
    total: Option<u64>,
) -> Result<Option<Page>, Error> {
    let back = matches!(long.query.start, Start::Before(_)) != descending;
    let mut taker = Taker::new(long.query, back);
    let from = taker.behind().and_then(|row| row.value.as_deref());
    let mut values = lookup.values(long.path, from, back)?;
    let mut next = values.next_value()?;
    let mut steps = 0;
    while let Some(value) = next {
        steps += 1;
        if steps > steps_max {
            return Ok(None);
        }
        // Forms of one value stand side by side, and no entity has two of them.
        let lower = value.form.lower;
        let mut members = value.members;
        next = values.next_value()?;
        while let Some(form) = next.take_if(|form| form.form.lower == lower) {
            members.add_all(&form.members);
            next = values.next_value()?;
        }
        if long.like.is_some_and(|like| !like.matches(&lower)) {
            continue;
        }
        let members = members.and(long.candidates);
        let ids: Box<dyn Iterator<Item = EntityId>> =
            if back { Box::new(members.iter().rev()) } else { Box::new(members.iter()) };
        for id in ids {
            if !taker.take(Row { value: Some(lower.clone()), id }) {
                return Ok(Some(taker.page(total)));
            }
        }
    }
    Ok(Some(taker.page(total)))
}

/// Compares the values of all candidates, and sorts those of the page only.
fn compared(column: &ColumnThen, long: &Long<'_>, descending: bool, total: Option<u64>) -> Page {
    let back = matches!(long.query.start, Start::Before(_)) != descending;
    let mut taker = Taker::new(long.query, back);
    let behind = taker.behind().and_then(|row| Some((row.value.as_deref()?, row.id)));
    let plain = long.like.and_then(Like::plain);
    let matches = |value: &str| match (long.like, &plain) {
        (_, Some(plain)) => plain.find(value.as_bytes()).is_some(),
        (Some(like), None) => like.matches(value),
        (None, None) => true,
    };
    let mut rows: Vec<(&str, EntityId)> = long
        .candidates
        .iter()
        .filter_map(|id| Some((column.value(id)?, id)))
        .filter(|row| behind.is_none_or(|from| if back { *row < from } else { *row > from }))
        .filter(|(value, _)| matches(value))
        .collect();
    let order = |a: &(&str, EntityId), b: &(&str, EntityId)| if back { b.cmp(a) } else { a.cmp(b) };
    // One more than the page, which tells whether there is more.
    let wanted = taker.skip.saturating_add(long.query.limit).saturating_add(1);
    if wanted < rows.len() {
        rows.select_nth_unstable_by(wanted, order);
        rows.truncate(wanted);
    }
    rows.sort_unstable_by(order);
    for (value, id) in rows {
        if !taker.take(Row { value: Some(value.to_owned()), id }) {
            break;
        }
    }
    taker.page(total)
}
