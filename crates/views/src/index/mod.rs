//! The index: for every term and every relation, the set of entities that have it.
//!
//! A set that many have is *hot*: a bitmap in memory. A set that few have is *cold*: keys on disk,
//! one an entity, with their values, so that they serve order and prefixes too. A set becomes hot
//! when it was added to often enough; then its keys go.
//!
//! Hot sets are as durable as the tables: each batch writes one row that says what it changed in
//! them ([`Table::HotLog`]), and now and then the chunks that changed are written out
//! ([`Table::Hot`]), a few with every batch, after which the older rows go. A restart loads the
//! chunks and applies the rows that are left; applying a row twice does no harm.
//!
//! A set holds every entity whose *last known* document has the term, withdrawn ones included;
//! the set of those that exist is taken into account when it is asked. So neither births nor
//! withdrawals are logged term by term. The set as of a moment is one that was put aside later, with
//! what was logged in between undone ([`then`]), and of it those that existed then ([`lookup`]).
//! What changed in all sets of a path since a moment is told by stretches of the log ([`past`]).

mod aside;
mod hot;
mod hot_log;
mod idset;
mod lookup;
mod names;
mod past;
mod rebuild;
mod set_key;
mod stretch;
mod then;
mod writer;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

pub(crate) use hot_log::{read_hot_log_row, read_hot_row};
pub(crate) use idset::IdSet;
pub(crate) use lookup::Lookup;
pub(crate) use lookup::{cold_form, read_life_row};
pub(crate) use past::Past;
pub(crate) use rebuild::compare;
pub(crate) use set_key::{Form, PathId, SetKey};
pub(crate) use then::is_sound as is_sound_set;
pub(crate) use writer::{IndexWriter, RELATION_PREFIX};

use crate::Error;
use crate::keys::{KeyBytes, KeyReader, Table};
use crate::store::{OwnedSnapshot, Store};

/// Hot sets, by their names. Cheap to clone; a clone never changes.
pub(crate) type Hot = imbl::OrdMap<SetKey, IdSet>;

/// How large the index is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexStats {
    /// Sets in memory.
    pub hot_sets: u64,
    /// Paths of the filter index.
    pub paths: u64,
    /// Bytes of the log of the sets in memory that a restart would read.
    pub log_bytes: u64,
}

/// The paths of the filter index, by their numbers and by their names. They are only ever added.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    names: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, PathId>,
}

/// Paths that readers and the writer share.
pub(crate) type SharedPaths = Arc<RwLock<Paths>>;

impl Paths {
    pub(crate) fn get(&self, path: &str) -> Option<PathId> {
        self.numbers.get(path).copied()
    }

    fn add(&mut self, path: &str) -> PathId {
        let id = PathId(u32::try_from(self.names.len()).unwrap_or(u32::MAX));
        let name: Arc<str> = path.into();
        self.names.push(Arc::clone(&name));
        self.numbers.insert(name, id);
        id
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    fn load(snapshot: &OwnedSnapshot) -> Result<Self, Error> {
        let damaged = || Error::Damaged { table: "Path" };
        let mut found: Vec<(u32, String)> = Vec::new();
        let prefix = KeyBytes::new(Table::Path);
        snapshot.prefix(Table::Path, &prefix).each(|key, row| {
            let text = KeyReader::new(Table::Path, key).and_then(|mut key| key.text());
            let number = row.try_into().map(u32::from_be_bytes).map_err(|_| damaged())?;
            found.push((number, text.ok_or_else(damaged)?));
            Ok(true)
        })?;
        found.sort_unstable();
        let mut paths = Self::default();
        for (number, text) in found {
            if paths.add(&text) != PathId(number) {
                return Err(damaged());
            }
        }
        Ok(paths)
    }
}

/// Opens the index: its paths and its hot sets.
pub(crate) fn open(store: &Store, aside_min: u64) -> Result<IndexWriter, Error> {
    let snapshot = store.snapshot();
    let paths = Paths::load(&snapshot)?;
    IndexWriter::load(&snapshot, Arc::new(RwLock::new(paths)), aside_min)
}
