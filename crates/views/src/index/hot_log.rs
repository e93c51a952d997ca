//! The log of the hot sets, and their checkpoints: what makes them survive a restart.

use std::collections::{BTreeMap, BTreeSet};

use event::Offset;
use roaring::RoaringBitmap;

use super::hot::{HotChange, HotSets};
use super::set_key::SetKey;
use crate::keys::{KeyBytes, KeyReader, Table};
use crate::pending::Rows;

/// When the log of the hot sets has so many bytes, its checkpoint begins.
const LOG_BYTES_MAX: u64 = 64 << 20;

/// How many bytes of checkpoint one batch writes.
const CHECKPOINT_BYTES_A_BATCH: usize = 1 << 20;

/// Where a batch ends: its last record, and the step of that record if it is not done.
pub(crate) type Place = (Offset, u32);

/// Chunks that are still to be written before the log up to an offset can go.
struct Checkpoint {
    chunks: BTreeSet<(SetKey, u16)>,
    up_to: Place,
}

/// The rows of the log that a restart would read.
#[derive(Default)]
pub(super) struct HotLog {
    /// By where their batch ended, with their sizes, and the sum of those.
    rows: BTreeMap<Place, u64>,
    bytes: u64,
    under_way: Option<Checkpoint>,
}

impl HotLog {
    /// Takes in a row of so many bytes.
    pub(super) fn add(&mut self, place: Place, length: usize) {
        self.rows.insert(place, length as u64);
        self.bytes += length as u64;
    }

    /// Bytes of all rows.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes a part of the checkpoint, if one is under way or the log has grown long enough.
    pub(super) fn checkpoint(&mut self, hot: &mut HotSets, rows: &mut Rows, last: Place) {
        if self.under_way.is_none() && self.bytes >= LOG_BYTES_MAX {
            let chunks = hot.take_dirty();
            // What this batch changes is not in the chunks yet, and stays in the log.
            let up_to = self.rows.keys().next_back().copied().unwrap_or(last);
            self.under_way = Some(Checkpoint { chunks, up_to });
        }
        let Some(checkpoint) = &mut self.under_way else {
            return;
        };
        let mut written = 0;
        while written < CHECKPOINT_BYTES_A_BATCH
            && let Some((set, chunk)) = checkpoint.chunks.pop_first()
        {
            let key = KeyBytes::new(Table::Hot).raw(&set.0).u16(chunk);
            let bitmap = hot.published().get(&set).and_then(|set| set.bitmap(chunk));
            match bitmap {
                Some(bitmap) => {
                    let mut row = Vec::with_capacity(bitmap.serialized_size());
                    // Writing to memory does not fail.
                    let _ = bitmap.serialize_into(&mut row);
                    written += row.len();
                    rows.put(Table::Hot, key, row);
                }
                None => rows.delete(Table::Hot, key),
            }
        }
        if checkpoint.chunks.is_empty() {
            let up_to = checkpoint.up_to;
            for (offset, step) in self.rows.range(..=up_to).map(|(place, _)| place) {
                rows.delete(Table::HotLog, KeyBytes::new(Table::HotLog).u64(*offset).u32(*step));
            }
            self.rows.retain(|place, _| *place > up_to);
            self.bytes = self.rows.values().sum();
            self.under_way = None;
        }
    }
}

/// A chunk of a hot set, as a checkpoint wrote it.
pub(crate) fn read_hot_row(key: &[u8], row: &[u8]) -> Option<(SetKey, u16, RoaringBitmap)> {
    let rest = KeyReader::new(Table::Hot, key)?.rest();
    let (set, chunk) = rest.split_last_chunk::<2>()?;
    let bitmap = RoaringBitmap::deserialize_from(row).ok()?;
    Some((SetKey(set.into()), u16::from_be_bytes(*chunk), bitmap))
}

/// What a batch changed in the hot sets, and where the batch ended.
pub(crate) fn read_hot_log_row(key: &[u8], row: &[u8]) -> Option<(Place, Vec<HotChange>)> {
    let mut key = KeyReader::new(Table::HotLog, key)?;
    let place = (key.u64()?, key.u32()?);
    Some((place, postcard::from_bytes(row).ok()?))
}
