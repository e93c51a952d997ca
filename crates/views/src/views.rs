//! The views as a whole: opening, the writer, and what readers see.

use std::path::Path;
use std::sync::Arc;

use event::{LogId, Offset, Timestamp};
use fold::{Change, Key, Policy, Prior};
use parking_lot::{Mutex, RwLock};
use proof::{ElementHash, Frontier, StateDigest};

use crate::applied::Applied;
use crate::changes::CatalogChange;
use crate::columns::Columns;
use crate::commit::Commit;
use crate::index::{self, IndexStats, IndexWriter, Past};
use crate::keys::{KeyBytes, Table};
use crate::pending::Rows;
use crate::reader::{Published, Reader};
use crate::store::Store;
use crate::tree::Done;
use crate::{Error, agreement, rows, tree};

/// How the views use memory.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// For blocks that were read and rows that are not yet in a table file. The sets in memory of
    /// the index come on top.
    pub memory_bytes: usize,
    /// How lists are ordered.
    pub lists: Lists,
}

/// How lists are ordered: in every way they come out the same.
#[derive(Clone, Copy, Debug)]
pub struct Lists {
    /// Up to so many entities, their values are read from their documents and sorted.
    pub read_max: u64,
    /// Of more, so many steps along the index are tried at the least, before values are compared
    /// in memory.
    pub steps_min: u64,
    /// What changed is put together for so many records at a time, as a power of two: from 1 to 16.
    pub stretch_bits: u32,
    /// A set is put aside, for reads as of earlier moments, when it changed so often at the least.
    pub aside_min: u64,
}

impl Default for Lists {
    fn default() -> Self {
        Self { read_max: 512, steps_min: 512, stretch_bits: 12, aside_min: 256 }
    }
}

/// Which part of that columns may take, beside it, in eighths, and which part what has changed.
const COLUMNS_EIGHTHS: usize = 3;
const PAST_EIGHTHS: usize = 1;

impl Default for Options {
    fn default() -> Self {
        Self { memory_bytes: 512 * 1024 * 1024, lists: Lists::default() }
    }
}

/// How large the views are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// Bytes of RocksDB's cache and write buffers.
    pub cache_bytes: u64,
    /// Bytes that open table files hold beside them.
    pub table_bytes: u64,
    /// Values in memory, for order and full text.
    pub column_bytes: u64,
    /// What has changed in the index, put together for reads as of earlier moments.
    pub past_bytes: u64,
    /// Snapshots that somebody reads from, with the one that whoever comes next will.
    pub snapshots: u64,
    /// The index.
    pub index: IndexStats,
}

/// The catalog as tables in a folder.
pub struct Views {
    store: Store,
    writer: Mutex<Writer>,
    columns: Arc<Columns>,
    past: Arc<Past>,
    published: RwLock<Option<Arc<Published>>>,
}

/// What only the writer changes.
pub(crate) struct Writer {
    pub(crate) index: IndexWriter,
    pub(crate) applied: Option<Applied>,
    /// The right edge of the log's Merkle tree.
    pub(crate) tree: Frontier,
    /// No rows, but the memory for those of the next batch.
    pub(crate) rows: Rows,
    /// The same for what it changes.
    pub(crate) changes: Vec<CatalogChange>,
}

impl Views {
    /// Opens the views in a folder, and makes both where there is none.
    ///
    /// # Errors
    /// When the folder is in use, was written by a later version, is damaged, or can't be used.
    pub fn open(path: &Path, options: Options) -> Result<Self, Error> {
        Self::over(Store::open(path, options.memory_bytes)?, options)
    }

    /// Opens the views in a folder for reading, as they are now; a node may be writing them. They
    /// stay as they are, whatever it writes.
    ///
    /// # Errors
    /// When there are none, or they were written by another version, are damaged, or can't be used.
    pub fn open_read_only(path: &Path, options: Options) -> Result<Self, Error> {
        Self::over(Store::open_read_only(path, options.memory_bytes)?, options)
    }

    fn over(store: Store, options: Options) -> Result<Self, Error> {
        let applied = store.get(Table::Applied, &KeyBytes::new(Table::Applied))?;
        let applied = applied.map(|row| Applied::read(&row)).transpose()?;
        let index = index::open(&store, options.lists.aside_min)?;
        let (rows, changes) = (Rows::default(), Vec::new());
        let tree = tree::open(&store.snapshot())?;
        let writer = Writer { index, applied: applied.clone(), tree, rows, changes };
        let eighth = options.memory_bytes / 8;
        let columns = Arc::new(Columns::new(eighth * COLUMNS_EIGHTHS, options.lists));
        let past = Arc::new(Past::new(eighth * PAST_EIGHTHS, options.lists.stretch_bits));
        let writer = Mutex::new(writer);
        let views = Self { store, writer, columns, past, published: RwLock::default() };
        // A record that was folded in part is gone on with before anybody reads.
        if let Some(applied) = applied.filter(|applied| applied.step.is_none()) {
            views.publish(&views.writer.lock(), &applied)?;
        }
        Ok(views)
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// How far the log is folded, and the digests there; absent before the first record.
    #[must_use]
    pub fn applied(&self) -> Option<Applied> {
        self.writer.lock().applied.clone()
    }

    /// What is always known before a batch: the single rows.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn prior(&self) -> Result<Prior, Error> {
        let rows = self.rows(&Prior::SINGLE)?;
        Ok(Prior::new(rows))
    }

    /// Rows as the last batch left them, for the fold.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn rows(&self, keys: &[Key]) -> Result<Vec<Change>, Error> {
        rows::read(&self.store, keys)
    }

    /// Loads what the fold needs into what is known.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn fetch(&self, needs: &[fold::Need], prior: &mut Prior) -> Result<(), Error> {
        rows::fetch(&self.store, needs, prior)
    }

    /// Begins a batch. There is one at a time.
    #[must_use]
    pub fn begin(&self) -> Commit<'_> {
        Commit::new(self, self.writer.lock())
    }

    /// Makes what was written so far survive a power cut.
    ///
    /// # Errors
    /// When it can't be synced.
    pub fn sync(&self) -> Result<(), Error> {
        self.store.sync()
    }

    /// What the views are as of the last record that is done; absent before the first.
    #[must_use]
    pub fn reader(&self) -> Option<Reader> {
        self.published.read().clone().map(Reader::new)
    }

    /// Lets readers see what is written.
    pub(crate) fn publish(&self, writer: &Writer, applied: &Applied) -> Result<(), Error> {
        let snapshot = self.store.snapshot();
        let row = |key: Key| rows::read_snapshot(&snapshot, &key);
        let policy = match row(Key::Policy(()))? {
            Change::Policy((), policy) => policy.unwrap_or_default(),
            _ => Arc::new(Policy::default()),
        };
        let clock = match row(Key::Clock(()))? {
            Change::Clock((), clock) => clock,
            _ => None,
        };
        let published = Published {
            log: applied.log,
            offset: applied.offset,
            clock,
            policy,
            hot: writer.index.hot(),
            paths: Arc::clone(writer.index.paths()),
            columns: Arc::clone(&self.columns),
            past: Arc::clone(&self.past),
            snapshot,
        };
        *self.published.write() = Some(Arc::new(published));
        Ok(())
    }

    /// How large the views are.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (cache_bytes, table_bytes) = self.store.memory_bytes();
        let column_bytes = self.columns.bytes() as u64;
        let past_bytes = self.past.bytes() as u64;
        let snapshots = self.store.snapshots();
        let index = self.writer.lock().index.stats();
        Stats { cache_bytes, table_bytes, column_bytes, past_bytes, snapshots, index }
    }

    /// The state digest, told from the tables row by row.
    ///
    /// # Errors
    /// When a row can't be read.
    pub fn recompute_state(&self) -> Result<StateDigest, Error> {
        let mut digest = StateDigest::default();
        rows::each_element(&self.store.snapshot(), &mut |element| {
            digest.add(ElementHash::of(&element.0));
        })?;
        Ok(digest)
    }

    /// How many leaves the log's Merkle tree has.
    #[must_use]
    pub fn tree_size(&self) -> u64 {
        self.writer.lock().tree.size()
    }

    /// Adds leaves of records that were folded before there was a tree.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn complete_tree(&self, records: &[Done]) -> Result<(), Error> {
        let mut writer = self.writer.lock();
        let writer = &mut *writer;
        tree::finish(&mut writer.tree, &mut writer.rows, records);
        let batch = writer.rows.take_batch(&self.store);
        self.store.write(batch)?;
        match writer.applied.clone().filter(|applied| applied.step.is_none()) {
            Some(applied) => self.publish(writer, &applied),
            None => Ok(()),
        }
    }

    /// Takes the views into a backup, while they go on.
    ///
    /// # Errors
    /// When they can't be read or written there.
    pub fn back_up(&self, name: &str, making: &mut backup::Making<'_>) -> Result<(), Error> {
        making.database(name, &self.store.db).map_err(|source| Error::Storage {
            step: "be backed up",
            path: self.store.db.path().to_owned(),
            source: source.into(),
        })
    }

    /// Looks whether every row can be read, and tables that say the same in different ways agree;
    /// gives the first disagreement in words, if there is one.
    ///
    /// # Errors
    /// When a row can't be read.
    pub fn check_rows(&self) -> Result<Option<String>, Error> {
        agreement::compare(&self.store.snapshot())
    }

    /// Compares the index with one that is built anew from the tables; gives the first difference
    /// in words, if there is one.
    ///
    /// # Errors
    /// When a row can't be read.
    pub fn check_index(&self) -> Result<Option<String>, Error> {
        let writer = self.writer.lock();
        index::compare(&self.store.snapshot(), &writer.index.hot(), writer.index.paths())
    }
}

/// What single rows say, for those who only need them.
impl Views {
    /// The effective time.
    #[must_use]
    pub fn clock(&self) -> Option<Timestamp> {
        self.published.read().as_ref().and_then(|published| published.clock)
    }

    /// The last record that readers see.
    #[must_use]
    pub fn offset(&self) -> Option<(LogId, Offset)> {
        self.published.read().as_ref().map(|published| (published.log, published.offset))
    }
}
