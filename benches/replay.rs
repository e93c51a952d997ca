//! Folding a log anew, in this process, and what was written meanwhile.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use event::Offset;
use log::{Budget, EmbeddedLog, EmbeddedOptions, Log};
use processor::{Metrics, Processor};
use prometheus::{Registry, TextEncoder};
use rocksdb::{DB, Env, Options};
use views::Views;

use crate::stage::{Stage, Watch};

/// Memory in which everything that is captured stays in the write-ahead log.
const CAPTURE_MEMORY_BYTES: usize = 6 << 30;

/// What the views are given by a node with the settings that it has by itself.
const MEMORY_BYTES: usize = 512 << 20;

/// Opens a log that no one else has open.
pub(crate) fn open_log(data: &Path) -> Result<Arc<dyn Log>> {
    Ok(Arc::new(EmbeddedLog::open(&data.join("log"), EmbeddedOptions::default())?))
}

/// Folds a node's log into new views: up to a record, and then the rest.
pub(crate) fn measure(data: &Path, views: &Path, until: Offset) -> Result<[Stage; 2]> {
    let log = open_log(data)?;
    let end = log.end()?;
    let views = Arc::new(Views::open(views, options(MEMORY_BYTES))?);
    let fold = |name: &'static str, last: Offset, records: Offset| {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry)?;
        let processor =
            Processor::new(Arc::clone(&log), Arc::clone(&views), metrics, Budget::default())?;
        let watch = Watch::begin(std::process::id())?;
        processor.catch_up(Some(last))?;
        let mut stage = watch.end(name, records)?;
        let text = TextEncoder::new().encode_to_string(&registry.gather())?;
        stage.take_metrics("", &text);
        Ok::<Stage, anyhow::Error>(stage)
    };
    let new = fold("replay of new entities", until, until + 1)?;
    let changes = fold("replay of changes", end - 1, end - 1 - until)?;
    Ok([new, changes])
}

/// Folds the first records of a node's log again, and gives the batches that were written into
/// the views.
pub(crate) fn capture(data: &Path, folder: &Path, until: Offset) -> Result<Vec<Vec<u8>>> {
    let log = open_log(data)?;
    let options = options(CAPTURE_MEMORY_BYTES);
    let views = Arc::new(Views::open(folder, options)?);
    let metrics = Metrics::new(&Registry::new())?;
    let processor = Processor::new(log, Arc::clone(&views), metrics, Budget::default())?;
    processor.catch_up(Some(until))?;
    drop(processor);
    drop(views);
    // Opening moves the write-ahead log into tables; kept for a while, it can still be read.
    let cache = rocksdb::Cache::new_lru_cache(MEMORY_BYTES);
    let (mut options, families) = Options::load_latest(folder, Env::new()?, true, cache)?;
    options.set_wal_ttl_seconds(3600);
    let db = DB::open_cf_descriptors(&options, folder, families)?;
    let mut batches = Vec::new();
    let mut next = 1;
    for update in db.get_updates_since(0)? {
        let (sequence, batch) = update?;
        anyhow::ensure!(sequence <= next, "what was written is not whole: {next} is missing");
        next = sequence + batch.len() as u64;
        batches.push(batch.data().to_vec());
    }
    anyhow::ensure!(batches.len() > 1, "nothing was captured");
    Ok(batches)
}

/// The frames of a node's log, as they stand there.
pub(crate) fn frames(data: &Path, count: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let folder = data.join("log");
    let db = DB::open_for_read_only(&Options::default(), &folder, false)
        .context("the log can't be read")?;
    let rows = db.iterator(rocksdb::IteratorMode::Start).take(count);
    rows.map(|row| row.map(|(key, row)| (key.into(), row.into())).map_err(Into::into)).collect()
}

fn options(memory_bytes: usize) -> views::Options {
    views::Options { memory_bytes, ..views::Options::default() }
}
