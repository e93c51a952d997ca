//! Databases, by RocksDB's own backups.

use std::collections::BTreeSet;
use std::path::Path;

use rocksdb::backup::{BackupEngine, BackupEngineOptions, RestoreOptions};
use rocksdb::{DB, Env};

use crate::Error;

fn open(folder: &Path) -> Result<BackupEngine, Error> {
    let fault = |source| Error::database("be opened", folder)(source);
    std::fs::create_dir_all(folder).map_err(Error::io("be made", folder))?;
    let options = BackupEngineOptions::new(folder).map_err(fault)?;
    let env = Env::new().map_err(fault)?;
    BackupEngine::open(&options, &env).map_err(fault)
}

/// Takes a database as it is now; gives the number by which it can be had back.
pub(crate) fn add(folder: &Path, db: &DB) -> Result<u32, Error> {
    let mut engine = open(folder)?;
    engine.create_new_backup_flush(db, true).map_err(Error::database("be added to", folder))?;
    Ok(engine.get_backup_info().iter().map(|info| info.backup_id).max().unwrap_or(0))
}

/// Forgets those that are older than all that are needed.
pub(crate) fn keep(folder: &Path, needed: &BTreeSet<u32>) -> Result<(), Error> {
    let mut engine = open(folder)?;
    let oldest = needed.first().copied().unwrap_or(u32::MAX);
    let kept = engine.get_backup_info().iter().filter(|info| info.backup_id >= oldest).count();
    engine.purge_old_backups(kept).map_err(Error::database("be removed", folder))
}

/// Puts one back.
pub(crate) fn restore(folder: &Path, number: u32, to: &Path) -> Result<(), Error> {
    let mut engine = open(folder)?;
    let options = RestoreOptions::default();
    std::fs::create_dir_all(to).map_err(Error::io("be made", to))?;
    let restored = engine.restore_from_backup(to, to, &options, number);
    restored.map_err(Error::database("be put back", folder))
}
