//! The database: its column families and what they are tuned for, opening, and reading.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, DBPinnableSlice,
    InfoLogger, LogLevel, Options, ReadOptions, Snapshot, WriteBatch, WriteBufferManager,
};
use self_cell::self_cell;

use crate::Error;
use crate::keys::{Family, KeyBytes, Table};

/// The format that this program writes, and the only one that it reads: views of an earlier one are
/// made anew from the log. 2: changes are logged by set, too, and sets are put aside.
pub(crate) const FORMAT: u32 = 2;

/// How often it is tried to open a database that another process is writing.
const READ_ONLY_TRIES: u32 = 5;

/// The least memory that the database is given, in bytes.
const MEMORY_BYTES_MIN: usize = 64 * 1024 * 1024;

/// The database of the views.
pub(crate) struct Store {
    pub(crate) db: Arc<DB>,
    path: PathBuf,
    cache: Cache,
}

self_cell!(
    /// A snapshot with the database that it is of.
    pub(crate) struct OwnedSnapshot {
        owner: Arc<DB>,
        #[covariant]
        dependent: Snapshot,
    }
);

impl Store {
    /// Opens the database in a folder, and makes both where there is none.
    pub(crate) fn open(path: &Path, memory_bytes: usize) -> Result<Self, Error> {
        let (mut options, families, cache) = tuned(memory_bytes);
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_max_open_files(1024);
        let db = DB::open_cf_descriptors(&options, path, families)
            .map_err(|source| storage_error("be opened", path, source))?;
        let store = Self { db: Arc::new(db), path: path.to_owned(), cache };
        if store.format()?.is_none() {
            let mut batch = WriteBatch::default();
            let key = KeyBytes::new(Table::Format);
            batch.put_cf(store.family(Table::Format), &key.0, FORMAT.to_be_bytes());
            store.write(batch)?;
        }
        Ok(store)
    }

    /// Opens the database in a folder as it is now, which another process may be writing.
    pub(crate) fn open_read_only(path: &Path, memory_bytes: usize) -> Result<Self, Error> {
        let mut tries = READ_ONLY_TRIES;
        loop {
            let (mut options, families, cache) = tuned(memory_bytes);
            // All files are opened at once: the other process may remove them from the folder.
            options.set_max_open_files(-1);
            // Nothing is written, no log of RocksDB's own either.
            options.set_info_logger(InfoLogger::new_callback_logger(LogLevel::Fatal, |_, _| {}));
            match DB::open_cf_descriptors_read_only(&options, path, families, false) {
                Ok(db) => {
                    let store = Self { db: Arc::new(db), path: path.to_owned(), cache };
                    store.format()?;
                    return Ok(store);
                }
                // One of them was removed before it was opened.
                Err(_) if tries > 1 => tries -= 1,
                Err(source) => return Err(storage_error("be opened", path, source)),
            }
        }
    }

    /// The format that the database is of, if it was ever written: no other than this program's.
    fn format(&self) -> Result<Option<u32>, Error> {
        let stored = self.get(Table::Format, &KeyBytes::new(Table::Format))?;
        let Some(stored) = stored else { return Ok(None) };
        let found = stored[..].try_into().map_or(u32::MAX, u32::from_be_bytes);
        if found > FORMAT {
            return Err(Error::Newer { path: self.path.clone(), found, known: FORMAT });
        }
        if found < FORMAT {
            return Err(Error::Older { path: self.path.clone() });
        }
        Ok(Some(found))
    }

    pub(crate) fn family(&self, table: Table) -> &rocksdb::ColumnFamily {
        family(&self.db, table.family())
    }

    pub(crate) fn column_family(&self, of: Family) -> &rocksdb::ColumnFamily {
        family(&self.db, of)
    }

    pub(crate) fn get(&self, table: Table, key: &KeyBytes) -> Result<Option<Bytes>, Error> {
        let row = self.db.get_cf(self.family(table), &key.0);
        Ok(row.map_err(|source| self.error("be read", source))?.map(Bytes::from))
    }

    /// Rows of one column family, in the order of their keys' places in the list.
    pub(crate) fn get_many(
        &self,
        of: Family,
        keys: &[KeyBytes],
    ) -> Result<Vec<Option<Bytes>>, Error> {
        let keys = keys.iter().map(|key| &key.0);
        self.db
            .batched_multi_get_cf(family(&self.db, of), keys, false)
            .into_iter()
            .map(|row: Result<Option<DBPinnableSlice<'_>>, _>| match row {
                Ok(row) => Ok(row.map(|row| Bytes::copy_from_slice(&row))),
                Err(source) => Err(self.error("be read", source)),
            })
            .collect()
    }

    pub(crate) fn write(&self, batch: WriteBatch) -> Result<(), Error> {
        self.db.write(batch).map_err(|source| self.error("be written", source))
    }

    /// Makes what was written so far survive a power cut.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.db.flush_wal(true).map_err(|source| self.error("be synced", source))
    }

    pub(crate) fn snapshot(&self) -> OwnedSnapshot {
        OwnedSnapshot::new(Arc::clone(&self.db), |db| db.snapshot())
    }

    pub(crate) fn error(&self, step: &'static str, source: rocksdb::Error) -> Error {
        storage_error(step, &self.path, source)
    }

    /// How many bytes of memory the database uses: cache with write buffers, and open tables.
    pub(crate) fn memory_bytes(&self) -> (u64, u64) {
        let cache = self.cache.get_usage() as u64;
        let tables = Family::ALL.iter().map(|of| {
            let family = family(&self.db, *of);
            let property = "rocksdb.estimate-table-readers-mem";
            self.db.property_int_value_cf(family, property).ok().flatten().unwrap_or(0)
        });
        (cache, tables.sum())
    }

    /// How many snapshots are held.
    pub(crate) fn snapshots(&self) -> u64 {
        self.db.property_int_value("rocksdb.num-snapshots").ok().flatten().unwrap_or(0)
    }
}

/// What every database of the views is opened with, and the cache that its families share.
fn tuned(memory_bytes: usize) -> (Options, [ColumnFamilyDescriptor; Family::ALL.len()], Cache) {
    let memory_bytes = memory_bytes.max(MEMORY_BYTES_MIN);
    let cache = Cache::new_lru_cache(memory_bytes);
    let buffers = memory_bytes / 3;
    let manager =
        WriteBufferManager::new_write_buffer_manager_with_cache(buffers, false, cache.clone());
    let mut options = Options::default();
    options.set_write_buffer_manager(&manager);
    options.set_max_background_jobs(3);
    options.set_max_total_wal_size(512 * 1024 * 1024);
    options.set_keep_log_file_num(3);
    options.set_bytes_per_sync(1024 * 1024);
    let families = Family::ALL.map(|family| {
        ColumnFamilyDescriptor::new(family.name(), family_options(family, &cache, buffers))
    });
    (options, families, cache)
}

/// Every family was opened with the database, so it is there.
fn family(db: &DB, of: Family) -> &rocksdb::ColumnFamily {
    match db.cf_handle(of.name()) {
        Some(family) => family,
        None => unreachable!("the column family {} was opened with the database", of.name()),
    }
}

impl OwnedSnapshot {
    pub(crate) fn get(&self, table: Table, key: &KeyBytes) -> Result<Option<Bytes>, Error> {
        let family = family(self.borrow_owner(), table.family());
        let row = self.borrow_dependent().get_cf(family, &key.0);
        Ok(row.map_err(|source| self.error(source))?.map(Bytes::from))
    }

    pub(crate) fn get_many(
        &self,
        table: Table,
        keys: &[KeyBytes],
    ) -> Result<Vec<Option<Bytes>>, Error> {
        let family = family(self.borrow_owner(), table.family());
        let keys = keys.iter().map(|key| &key.0);
        let mut options = ReadOptions::default();
        options.set_snapshot(self.borrow_dependent());
        self.borrow_owner()
            .batched_multi_get_cf_opt(family, keys, false, &options)
            .into_iter()
            .map(|row| match row {
                Ok(row) => Ok(row.map(|row| Bytes::copy_from_slice(&row))),
                Err(source) => Err(self.error(source)),
            })
            .collect()
    }

    /// Rows from a key on and before another, in order.
    pub(crate) fn range(&self, table: Table, from: &[u8], end: &[u8]) -> Range<'_> {
        self.rows(table, from, end, false)
    }

    /// Rows from a key on and before another, the last one first.
    pub(crate) fn range_back(&self, table: Table, from: &[u8], end: &[u8]) -> Range<'_> {
        self.rows(table, from, end, true)
    }

    fn rows(&self, table: Table, from: &[u8], end: &[u8], back: bool) -> Range<'_> {
        let family = family(self.borrow_owner(), table.family());
        let mut options = ReadOptions::default();
        options.set_snapshot(self.borrow_dependent());
        options.set_iterate_lower_bound(from);
        options.set_iterate_upper_bound(end);
        let mut rows = self.borrow_owner().raw_iterator_cf_opt(family, options);
        if back {
            rows.seek_to_last();
        } else {
            rows.seek_to_first();
        }
        Range { rows, snapshot: self, back }
    }

    /// Rows whose keys begin so, in order.
    pub(crate) fn prefix(&self, table: Table, prefix: &KeyBytes) -> Range<'_> {
        self.range(table, &prefix.0, &prefix.end())
    }

    /// The same, the last one first.
    pub(crate) fn prefix_back(&self, table: Table, prefix: &KeyBytes) -> Range<'_> {
        self.range_back(table, &prefix.0, &prefix.end())
    }

    fn error(&self, source: rocksdb::Error) -> Error {
        storage_error("be read", self.borrow_owner().path(), source)
    }
}

/// A row with its key.
type KeyAndRow<'a> = (&'a [u8], &'a [u8]);

/// Rows of a range; borrowed, without a copy for each.
pub(crate) struct Range<'a> {
    rows: rocksdb::DBRawIterator<'a>,
    snapshot: &'a OwnedSnapshot,
    back: bool,
}

impl Range<'_> {
    /// The row that comes next, if there is one.
    pub(crate) fn peek(&self) -> Result<Option<KeyAndRow<'_>>, Error> {
        match self.rows.item() {
            Some(row) => Ok(Some(row)),
            None => self.rows.status().map(|()| None).map_err(|source| self.snapshot.error(source)),
        }
    }

    /// Goes on behind it.
    pub(crate) fn advance(&mut self) {
        if self.rows.valid() {
            if self.back { self.rows.prev() } else { self.rows.next() }
        }
    }

    /// Passes over all rows whose keys begin so, at one of which it stands.
    pub(crate) fn pass(&mut self, prefix: &KeyBytes) {
        /// So many one by one, which is faster where there are few.
        const SINGLY: usize = 4;
        for _ in 0..SINGLY {
            self.advance();
            if !self.rows.key().is_some_and(|key| key.starts_with(&prefix.0)) {
                return;
            }
        }
        if self.back {
            self.rows.seek_for_prev(&prefix.0);
        } else {
            self.rows.seek(prefix.end());
        }
    }

    /// Hands out the rows until there are no more or `visit` says that it has enough.
    pub(crate) fn each(
        mut self,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        while let Some((key, row)) = self.peek()? {
            if !visit(key, row)? {
                return Ok(());
            }
            self.advance();
        }
        Ok(())
    }
}

fn family_options(of: Family, cache: &Cache, buffers: usize) -> Options {
    let mut options = Options::default();
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_format_version(6);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_bottommost_compression_type(DBCompressionType::Zstd);
    // What is read by point is looked for in one file, not in all that could hold it.
    if matches!(of, Family::Names | Family::Entities | Family::Claims) {
        table.set_ribbon_filter(10.0);
        table.set_optimize_filters_for_memory(true);
    }
    let (block, buffer) = match of {
        Family::Entities => (16 * 1024, buffers / 3),
        Family::History => (32 * 1024, buffers / 8),
        Family::Index => (8 * 1024, buffers / 4),
        Family::Names | Family::Claims | Family::Edges | Family::Sundry => (8 * 1024, buffers / 8),
        Family::Proof => (16 * 1024, buffers / 16),
    };
    if of == Family::Proof {
        options.set_compression_type(DBCompressionType::None);
        options.set_bottommost_compression_type(DBCompressionType::None);
    }
    if of == Family::History {
        // Neighbours are versions of one entity; a dictionary holds what they share.
        options.set_bottommost_compression_options(-14, 3, 0, 16 * 1024, true);
        options.set_bottommost_zstd_max_train_bytes(100 * 16 * 1024, true);
    }
    table.set_block_size(block);
    options.set_write_buffer_size(buffer.max(4 * 1024 * 1024));
    options.set_block_based_table_factory(&table);
    options
}

fn storage_error(step: &'static str, path: &Path, source: rocksdb::Error) -> Error {
    let text = source.to_string();
    let path = path.to_owned();
    if text.contains("No space left") {
        return Error::DiskFull { path };
    }
    if text.contains("lock hold by current process") || text.contains("/LOCK: Resource") {
        return Error::Locked { path };
    }
    if text.contains("Column families not opened") {
        return Error::Newer { path, found: u32::MAX, known: FORMAT };
    }
    Error::Storage { step, path, source: Box::new(source) }
}
