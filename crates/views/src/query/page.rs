//! Pages of lists: filtered, ordered, counted.

use fold::EntityId;

use super::values::Field;
use super::{Filter, Like};
use crate::index::{IdSet, Lookup, PathId};
use crate::{Error, Reader};

/// Up to so many entities, their values are read from their documents and sorted; beyond, the
/// index is walked in its order.
const SORT_MAX: u64 = 512;

/// How many entities are looked at together.
const CHUNK: usize = 256;

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
            Some(path) if valued.len() > SORT_MAX && field.is_plain(&lookup)? => {
                walk(&lookup, path, &valued, query, sort.descending, like, total)
            }
            _ => self.sorted(&field, &valued, query, sort.descending, like, total),
        }
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

/// Walks the values of a path in their order.
fn walk(
    lookup: &Lookup<'_>,
    path: PathId,
    candidates: &IdSet,
    query: &Query,
    descending: bool,
    like: Option<&Like>,
    total: Option<u64>,
) -> Result<Page, Error> {
    let back = matches!(query.start, Start::Before(_)) != descending;
    let mut taker = Taker::new(query, back);
    let from = taker.behind().and_then(|row| row.value.as_deref());
    let mut values = lookup.values(path, from, back)?;
    let mut next = values.next_value()?;
    while let Some(value) = next {
        // Forms of one value stand side by side, and no entity has two of them.
        let lower = value.form.lower;
        let mut members = value.members;
        next = values.next_value()?;
        while let Some(form) = next.take_if(|form| form.form.lower == lower) {
            members.add_all(&form.members);
            next = values.next_value()?;
        }
        if like.is_some_and(|like| !like.matches(&lower)) {
            continue;
        }
        let members = members.and(candidates);
        let ids: Box<dyn Iterator<Item = EntityId>> =
            if back { Box::new(members.iter().rev()) } else { Box::new(members.iter()) };
        for id in ids {
            if !taker.take(Row { value: Some(lower.clone()), id }) {
                return Ok(taker.page(total));
            }
        }
    }
    Ok(taker.page(total))
}
