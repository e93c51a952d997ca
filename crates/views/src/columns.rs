//! Values of a path in memory, by entity: for lists whose order goes against their filter, and
//! for full text.
//!
//! A column is made when it is asked for first, and follows what changes since: whoever asks reads
//! the entities that changed in between. Who asks for an earlier moment takes the current column and
//! what the index says has changed since ([`then`]). It is a cache: where there is no column (too large, or a
//! path with several values an entity) the index is walked.
//!
//! Invariant: a column says of every entity what the index says of it, at the same position.

mod chunk;
mod then;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;

use event::Offset;
use fold::{EntityId, Version};
use parking_lot::Mutex;

use crate::index::{IdSet, Lookup, PathId};
use crate::query::Like;
use crate::{Changed, Error, Lists, Reader};
use chunk::{Builder, CHUNK, Chunk};
pub(crate) use then::ColumnThen;

/// So many values that changed are kept beside the chunks, before these are made anew.
const ASIDE_MAX: usize = 4096;

/// So many changes are read to come from one position to another; beyond, a column is made anew,
/// or done without.
const CHANGES_MAX: usize = 20_000;

/// Positions that a column is kept at, for those who read the catalog as it was a moment ago.
const KEPT: usize = 4;

/// How many entities are read together.
const TOGETHER: usize = 256;

/// The columns that are in memory.
pub(crate) struct Columns {
    bytes_max: usize,
    pub(crate) lists: Lists,
    kept: Mutex<Kept>,
    /// One column is made at a time.
    making: Mutex<()>,
}

#[derive(Default)]
struct Kept {
    columns: HashMap<PathId, Entry>,
    /// Counts what is asked, to tell what was not asked for longest.
    asked: u64,
}

#[derive(Default)]
struct Entry {
    /// By position, the newest last; none where the path can't have a column.
    at: VecDeque<Arc<Column>>,
    asked: u64,
}

/// The values of a path at a position.
#[derive(Clone)]
pub(crate) struct Column {
    offset: Offset,
    chunks: Vec<Arc<Chunk>>,
    /// What differs from the chunks.
    aside: imbl::OrdMap<u32, Option<Arc<str>>>,
    /// Whether every value was ever written in lower case, and outside of arrays.
    is_flat: bool,
    bytes: usize,
}

/// What was found in memory.
enum Known {
    Column(Arc<Column>),
    /// There can be none.
    None,
    Unknown,
}

impl Columns {
    pub(crate) fn new(bytes_max: usize, lists: Lists) -> Self {
        Self { bytes_max, lists, kept: Mutex::default(), making: Mutex::default() }
    }

    /// The last column that is not after a position.
    fn nearest(&self, path: PathId, offset: Offset) -> Known {
        let mut kept = self.kept.lock();
        kept.asked += 1;
        let asked = kept.asked;
        let Some(entry) = kept.columns.get_mut(&path) else { return Known::Unknown };
        entry.asked = asked;
        if entry.at.is_empty() {
            return Known::None;
        }
        let before = entry.at.iter().rev().find(|column| column.offset <= offset);
        before.map_or(Known::Unknown, |column| Known::Column(Arc::clone(column)))
    }

    /// Keeps a column, or that there can be none.
    fn keep(&self, path: PathId, column: Option<Arc<Column>>) {
        let mut kept = self.kept.lock();
        let asked = kept.asked;
        let entry = kept.columns.entry(path).or_default();
        entry.asked = asked;
        match column {
            None => entry.at.clear(),
            Some(column) => {
                if entry.at.back().is_some_and(|newest| newest.offset >= column.offset) {
                    return;
                }
                entry.at.push_back(column);
                if entry.at.len() > KEPT {
                    entry.at.pop_front();
                }
            }
        }
        while kept.bytes() > self.bytes_max {
            let others =
                kept.columns.iter().filter(|(of, entry)| **of != path && !entry.at.is_empty());
            let Some(oldest) = others.min_by_key(|(_, entry)| entry.asked).map(|(of, _)| *of)
            else {
                break;
            };
            kept.columns.remove(&oldest);
        }
    }

    /// Bytes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.kept.lock().bytes()
    }
}

impl Kept {
    fn bytes(&self) -> usize {
        self.columns.values().filter_map(|entry| entry.at.back()).map(|column| column.bytes).sum()
    }
}

impl Column {
    /// The value of an entity.
    pub(crate) fn value(&self, id: EntityId) -> Option<&str> {
        if !self.aside.is_empty()
            && let Some(value) = self.aside.get(&id.0)
        {
            return value.as_deref();
        }
        let chunk = self.chunks.get(id.0 as usize / CHUNK)?;
        chunk.value(id.0 as usize % CHUNK)
    }

    /// Those whose value holds something; withdrawn ones may be among them.
    pub(crate) fn matching(&self, like: &Like) -> IdSet {
        let mut ids = Vec::new();
        let plain = like.plain();
        for (at, chunk) in self.chunks.iter().enumerate() {
            chunk.each_matching(like, plain.as_ref(), &mut |place| {
                ids.extend(u32::try_from(at * CHUNK + place));
            });
        }
        let mut found = IdSet::from_sorted(&ids);
        for (id, value) in &self.aside {
            if value.as_deref().is_some_and(|value| like.matches(value)) {
                found.insert(EntityId(*id));
            } else {
                found.remove(EntityId(*id));
            }
        }
        found
    }

    fn set(&mut self, offset: Offset, values: Vec<(EntityId, Option<Arc<str>>)>) {
        self.offset = offset;
        self.aside.extend(values.into_iter().map(|(id, value)| (id.0, value)));
        if self.aside.len() <= ASIDE_MAX {
            return;
        }
        let mut changed: BTreeMap<usize, chunk::Values> = BTreeMap::new();
        for (id, value) in std::mem::take(&mut self.aside) {
            changed.entry(id as usize / CHUNK).or_default().push((id as usize % CHUNK, value));
        }
        for (at, values) in changed {
            if at >= self.chunks.len() {
                self.chunks.resize_with(at + 1, Arc::default);
            }
            self.chunks[at] = Arc::new(self.chunks[at].with(&values));
        }
        self.bytes = self.chunks.iter().map(|chunk| chunk.bytes()).sum();
    }
}

impl Reader {
    /// The values of a path at the position, from memory; `None` where that can't be.
    pub(crate) fn column(
        &self,
        lookup: &Lookup<'_>,
        path: PathId,
        name: &str,
    ) -> Result<Option<ColumnThen>, Error> {
        if self.at.is_none() {
            let now = self.column_now(lookup, path, name)?;
            return Ok(now.map(ColumnThen::of_now));
        }
        let whole = Self { published: Arc::clone(&self.published), at: None };
        match whole.column_now(&whole.lookup(), path, name)? {
            Some(now) => self.column_then(now, lookup, path, name),
            None => Ok(None),
        }
    }

    /// The same at the snapshot's own position.
    fn column_now(
        &self,
        lookup: &Lookup<'_>,
        path: PathId,
        name: &str,
    ) -> Result<Option<Arc<Column>>, Error> {
        let columns = &self.published.columns;
        let offset = self.published.offset;
        match columns.nearest(path, offset) {
            Known::None => return Ok(None),
            Known::Column(column) if column.offset == offset => return Ok(Some(column)),
            Known::Column(column) => {
                if let Some(moved) = self.moved(&column, name)? {
                    return Ok(self.kept(path, moved));
                }
            }
            Known::Unknown => {}
        }
        let _alone = columns.making.lock();
        if let Known::Column(column) = columns.nearest(path, offset)
            && column.offset == offset
        {
            return Ok(Some(column));
        }
        let made = self.made(lookup, path)?;
        Ok(self.kept(path, made))
    }

    /// Keeps what was made of the current moment.
    fn kept(&self, path: PathId, column: Option<Column>) -> Option<Arc<Column>> {
        let column = column.map(Arc::new);
        self.published.columns.keep(path, column.clone());
        column
    }

    /// A column brought to the position: `Some(None)` where it can be none any more, and `None`
    /// where too much changed in between.
    fn moved(&self, column: &Column, name: &str) -> Result<Option<Option<Column>>, Error> {
        let mut ids = BTreeSet::new();
        self.each_change(Some(column.offset), |change| {
            if ids.len() > CHANGES_MAX {
                return ControlFlow::Break(());
            }
            let is_of_documents = !matches!(
                change.what,
                Changed::Aspect | Changed::Activity | Changed::Status | Changed::Withdrawn
            );
            ids.extend(change.entity.filter(|_| is_of_documents));
            ControlFlow::Continue(())
        })?;
        if ids.len() > CHANGES_MAX {
            return Ok(None);
        }
        let ids: Vec<EntityId> = ids.into_iter().collect();
        let mut values = Vec::with_capacity(ids.len());
        let mut moved = column.clone();
        for ids in ids.chunks(TOGETHER) {
            for (id, version) in ids.iter().zip(self.versions(ids)?) {
                let Some((value, is_flat)) = value_of(version.as_deref(), name) else {
                    return Ok(Some(None));
                };
                moved.is_flat &= is_flat;
                values.push((*id, value));
            }
        }
        moved.set(self.published.offset, values);
        Ok(Some(Some(moved)))
    }

    /// A column made from the index; `None` where an entity has several values, or they are too
    /// many to be kept.
    fn made(&self, lookup: &Lookup<'_>, path: PathId) -> Result<Option<Column>, Error> {
        let mut builder = Builder::new(self.published.columns.bytes_max / 2);
        let mut is_flat = true;
        let mut values = lookup.values(path, None, false)?;
        while let Some(value) = values.next_value()? {
            is_flat &= value.form.is_flat();
            if !builder.add(&value.form.lower, value.members.iter()) {
                return Ok(None);
            }
        }
        let chunks = builder.finish();
        let bytes = chunks.iter().map(|chunk| chunk.bytes()).sum();
        let offset = self.published.offset;
        Ok(Some(Column { offset, chunks, aside: imbl::OrdMap::new(), is_flat, bytes }))
    }
}

/// The value that a document has at a path, and whether it is written in lower case and outside of
/// arrays; `None` where it has several.
fn value_of(version: Option<&Version>, name: &str) -> Option<(Option<Arc<str>>, bool)> {
    let terms = version.map(Version::terms);
    let of_path = terms.iter().flat_map(|terms| terms.iter()).filter(|term| term.path == name);
    let mut value: Option<Arc<str>> = None;
    let mut is_flat = true;
    for term in of_path {
        let Some(lower) = term.value else { continue };
        if value.as_deref().is_some_and(|value| value != lower) {
            return None;
        }
        is_flat &= !term.array_item && term.original.is_none_or(|original| original == lower);
        value = Some(lower.into());
    }
    Some((value, is_flat))
}
