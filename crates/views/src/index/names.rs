//! The sets that a document is in, by their names.

use fold::EntityId;
use model::index::TermRef;

use super::set_key::{PathId, SetKey};
use crate::keys::Table;

/// Names of sets, in one piece of memory that is used again for the next document. Each stands
/// there as the key of its row for the entity, as if the set was cold.
#[derive(Default)]
pub(super) struct Names {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    /// In order, each once, when they were sorted.
    order: Vec<(usize, usize)>,
    /// The path whose set with any value was added last.
    last_any: Option<PathId>,
}

/// One of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name<'a>(&'a [u8]);

impl<'a> Name<'a> {
    /// The name.
    pub(super) fn set(self) -> &'a [u8] {
        &self.0[1..self.0.len() - size_of::<EntityId>()]
    }

    /// Where the entity stands in the set if that is cold.
    pub(super) fn cold_key(self) -> &'a [u8] {
        self.0
    }
}

/// The name of the set of those with any value of a path, by itself.
pub(super) struct AnyName(Vec<u8>);

impl AnyName {
    pub(super) fn new(path: PathId, id: EntityId) -> Self {
        let mut bytes = Vec::with_capacity(11);
        write(&mut bytes, id, |bytes| SetKey::write_any(bytes, path));
        Self(bytes)
    }

    pub(super) fn name(&self) -> Name<'_> {
        Name(&self.0)
    }
}

fn write(bytes: &mut Vec<u8>, id: EntityId, set: impl FnOnce(&mut Vec<u8>)) {
    bytes.push(Table::Cold as u8);
    set(bytes);
    bytes.extend_from_slice(&id.0.to_be_bytes());
}

impl Names {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.last_any = None;
    }

    /// Adds the sets of a term: those with this value, and those with any.
    pub(super) fn add(&mut self, path: PathId, term: &TermRef<'_>, id: EntityId) {
        self.add_name(id, |bytes| SetKey::write_term(bytes, path, term));
        if term.value.is_some() && self.last_any.replace(path) != Some(path) {
            self.add_name(id, |bytes| SetKey::write_any(bytes, path));
        }
    }

    fn add_name(&mut self, id: EntityId, set: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes, id, set);
        self.ends.push(self.bytes.len());
    }

    fn ranges(&self) -> impl Iterator<Item = (usize, usize)> {
        let mut start = 0;
        self.ends.iter().map(move |end| (std::mem::replace(&mut start, *end), *end))
    }

    /// Puts them in order, each once.
    pub(super) fn sort(&mut self) {
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        order.extend(self.ranges());
        order.sort_unstable_by(|a, b| self.at(*a).cmp(&self.at(*b)));
        order.dedup_by(|a, b| self.at(*a) == self.at(*b));
        self.order = order;
    }

    fn at(&self, (start, end): (usize, usize)) -> Name<'_> {
        Name(&self.bytes[start..end])
    }

    /// All of them as they were added; the sets with any value of a path may come twice.
    pub(super) fn all(&self) -> impl Iterator<Item = Name<'_>> {
        self.ranges().map(|range| self.at(range))
    }

    /// All of them, in order; they were sorted.
    fn iter(&self) -> impl Iterator<Item = Name<'_>> {
        self.order.iter().map(|range| self.at(*range))
    }

    /// Those that are not among others; both were sorted.
    pub(super) fn without<'a>(&'a self, others: &'a Self) -> impl Iterator<Item = Name<'a>> {
        let mut others = others.iter().peekable();
        self.iter().filter(move |name| {
            while others.next_if(|other| other < name).is_some() {}
            others.peek() != Some(name)
        })
    }
}
