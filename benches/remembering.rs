//! What history and proof cost: the rows that the fold writes for them alone, put into RocksDB with
//! all others and left out, and the hashes, computed by themselves. What making those rows in
//! memory takes is not told apart from the rest of the fold.

use std::path::Path;

use anyhow::{Context, Result, bail};
use event::{Offset, leaf_of_record, leaf_of_unreadable};
use log::Budget;
use proof::{ElementHash, Frontier, StateDigest};
use serde::Serialize;

use crate::stage::{Stage, Watch};
use crate::{ceiling, replay};

/// The first bytes of the keys of tables without which the catalog would be served as it is now:
/// earlier versions, what began and ended, and what changed.
const OF_HISTORY: [u8; 11] = [25, 49, 50, 73, 84, 85, 86, 87, 88, 89, 90];
/// The log's tree, digests, records by their ids, statements, keys, and the first disagreement.
const OF_PROOF: [u8; 6] = [96, 97, 98, 99, 100, 101];
/// Current versions and earlier ones, whose rows stand for the elements that are hashed.
const CURRENT: u8 = 24;
const EARLIER: u8 = 25;

/// Microseconds of CPU a record, and what they come to.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Remembering {
    pub(crate) fold_us: f64,
    pub(crate) history_us: f64,
    pub(crate) proof_us: f64,
    /// Beside the fold without them.
    pub(crate) share: f64,
}

/// Folds nothing, but does again what the fold of a log did for history and proof.
pub(crate) fn measure(data: &Path, folder: &Path, folded: &[Stage]) -> Result<Remembering> {
    let log = replay::open_log(data)?;
    let records = log.end()?;
    drop(log);
    let batches = replay::capture(data, &folder.join("captured"), records - 1)?;
    let without = |tables: &[u8]| {
        let filtered: Result<Vec<Vec<u8>>> =
            batches.iter().map(|batch| filtered(batch, tables)).collect();
        filtered
    };
    let put = |name: &str, batches: &[Vec<u8>]| {
        let watch = Watch::begin(std::process::id())?;
        ceiling::put_all(data, &folder.join(name), batches)?;
        Ok::<_, anyhow::Error>(watch.end("rows", records)?.cpu_us())
    };
    let all = put("all", &batches)?;
    let no_history = put("no-history", &without(&OF_HISTORY)?)?;
    let no_proof = put("no-proof", &without(&OF_PROOF)?)?;
    let hashes = hashes(data, &batches, records)?.cpu_us();
    let fold_s: f64 = folded.iter().map(|stage| stage.cpu_s).sum();
    let fold_us = fold_s * 1e6 / records.max(1) as f64;
    let history_us = (all - no_history).max(0.0);
    let proof_us = (all - no_proof).max(0.0) + hashes;
    let share = (history_us + proof_us) / (fold_us - history_us - proof_us);
    Ok(Remembering { fold_us, history_us, proof_us, share })
}

/// The leaf of each record, the hash of each element that came or went, and the digest after each
/// record.
fn hashes(data: &Path, batches: &[Vec<u8>], records: Offset) -> Result<Stage> {
    let log = replay::open_log(data)?;
    let watch = Watch::begin(std::process::id())?;
    let (mut tree, mut next) = (Frontier::default(), 0);
    while next < records {
        for entry in log.read(next, Budget::default())? {
            let leaf = match &entry.content {
                Ok(record) => leaf_of_record(record),
                Err(raw) => leaf_of_unreadable(raw),
            };
            tree.push(leaf.hash, |_| {});
            next += 1;
        }
    }
    let mut state = StateDigest::default();
    for batch in batches {
        for row in Rows::of(batch)? {
            let (_, key, value) = row?;
            match (key.first(), value) {
                (Some(&CURRENT), Some(value)) => state.add(ElementHash::of(value)),
                (Some(&EARLIER), Some(value)) => state.remove(ElementHash::of(value)),
                _ => continue,
            }
        }
    }
    let mut last = [0; 32];
    for _ in 0..records {
        last = std::hint::black_box(&state).finish();
    }
    std::hint::black_box((tree, last));
    watch.end("hashes", records)
}

/// How many bytes stand before the rows of a batch: a sequence number, and how many there are.
const HEAD_BYTES: usize = 12;

/// A batch without the rows of some tables.
fn filtered(batch: &[u8], tables: &[u8]) -> Result<Vec<u8>> {
    let mut out = batch.get(..HEAD_BYTES).context("a batch without a head")?.to_vec();
    let mut count: u32 = 0;
    for row in Rows::of(batch)? {
        let (bytes, key, _) = row?;
        if key.first().is_none_or(|table| !tables.contains(table)) {
            out.extend_from_slice(bytes);
            count += 1;
        }
    }
    out[8..HEAD_BYTES].copy_from_slice(&count.to_le_bytes());
    Ok(out)
}

/// The rows of a batch, in RocksDB's format: what it is, the column family, key, and value.
struct Rows<'a> {
    rest: &'a [u8],
}

/// A row's bytes, its key, and its value if it has one.
type Row<'a> = (&'a [u8], &'a [u8], Option<&'a [u8]>);

const DELETION: u8 = 4;
const VALUE: u8 = 5;

impl<'a> Rows<'a> {
    fn of(batch: &'a [u8]) -> Result<Self> {
        Ok(Self { rest: batch.get(HEAD_BYTES..).context("a batch without a head")? })
    }

    fn number(&mut self) -> Result<usize> {
        let mut number = 0;
        for shift in (0..).step_by(7).take(5) {
            let (byte, rest) = self.rest.split_first().context("a batch that is cut off")?;
            self.rest = rest;
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        Ok(number)
    }

    fn text(&mut self) -> Result<&'a [u8]> {
        let length = self.number()?;
        let (text, rest) = self.rest.split_at_checked(length).context("a batch that is cut off")?;
        self.rest = rest;
        Ok(text)
    }

    fn row(&mut self) -> Result<Row<'a>> {
        let whole = self.rest;
        let (tag, rest) = whole.split_first().context("a batch that is cut off")?;
        self.rest = rest;
        if !matches!(*tag, DELETION | VALUE) {
            bail!("a row of an unknown sort {tag} in a batch");
        }
        self.number()?;
        let key = self.text()?;
        let value = if *tag == VALUE { Some(self.text()?) } else { None };
        Ok((&whole[..whole.len() - self.rest.len()], key, value))
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Result<Row<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.rest.is_empty()).then(|| self.row())
    }
}
