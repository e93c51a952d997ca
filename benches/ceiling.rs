//! The ceiling: a bare loop that puts the same keys and bytes, in the same batches, into databases
//! with the same options, and syncs them as often.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use rocksdb::{DB, Env, Options, WriteBatch};

use crate::stage::{Stage, Watch};

/// As many records as a comparison appends together.
const APPEND: usize = 1024;

/// As often as the views are synced.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// An empty database with the options of another one.
fn like(other: &Path, folder: &Path) -> Result<DB> {
    let cache = rocksdb::Cache::new_lru_cache(256 << 20);
    let (mut options, families) = Options::load_latest(other, Env::new()?, true, cache)?;
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    Ok(DB::open_cf_descriptors(&options, folder, families)?)
}

/// Puts what a log and its views hold into databases like theirs: the log on a thread of its own,
/// as it is in a node.
pub(crate) fn measure(
    data: &Path,
    folder: &Path,
    frames: &[(Vec<u8>, Vec<u8>)],
    batches: &[Vec<u8>],
    entities: u64,
) -> Result<Stage> {
    let log = like(&data.join("log"), &folder.join("log"))?;
    let views = like(&data.join("views"), &folder.join("views"))?;
    let watch = Watch::begin(std::process::id())?;
    std::thread::scope(|threads| {
        let logging = threads.spawn(|| put_log(&log, frames));
        put_views(&views, batches)?;
        logging.join().map_err(|_| anyhow!("the loop over the log broke off"))?
    })?;
    watch.end("ceiling: bare puts of the same bytes", entities)
}

/// Puts what views hold into an empty database like theirs.
pub(crate) fn put_all(data: &Path, folder: &Path, batches: &[Vec<u8>]) -> Result<()> {
    let views = like(&data.join("views"), folder)?;
    put_views(&views, batches)?;
    // What stays in memory would be paid for later.
    for family in DB::list_cf(&Options::default(), folder)? {
        if let Some(family) = views.cf_handle(&family) {
            views.flush_cf(family)?;
        }
    }
    Ok(())
}

fn put_log(db: &DB, frames: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
    for group in frames.chunks(APPEND) {
        let mut batch = WriteBatch::default();
        for (key, frame) in group {
            batch.put(key, frame);
        }
        db.write(batch)?;
        db.flush_wal(true)?;
    }
    Ok(())
}

fn put_views(db: &DB, batches: &[Vec<u8>]) -> Result<()> {
    let mut synced = Instant::now();
    for batch in batches {
        db.write(WriteBatch::from_data(batch))?;
        if synced.elapsed() >= SYNC_EVERY {
            db.flush_wal(true)?;
            synced = Instant::now();
        }
    }
    Ok(db.flush_wal(true)?)
}
