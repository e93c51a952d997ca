//! Erasing: what is left of records takes their places, and what was there goes from the disk.

use std::ops::Range;

use event::{Content, Offset, Record, leaf_of_record};
use rocksdb::{BottommostLevelCompaction, CompactOptions, WriteBatch};

use super::{EmbeddedLog, key};
use crate::frame::checked_frame;
use crate::{Budget, Error, Log};

/// Erased records that are nearer to each other than this are rewritten together.
const NEAR: Offset = 20_000;

impl EmbeddedLog {
    /// Puts what is left of records in their places and appends `contents`, which say so: all of
    /// it or nothing. What was there may stand on the disk until [`EmbeddedLog::forget`].
    ///
    /// # Errors
    /// When something is not what is left of the record at its place, or can't be written.
    pub fn erase(&self, left: &[(Offset, Record)], contents: &[Content]) -> Result<Offset, Error> {
        let mut batch = WriteBatch::default();
        for (offset, record) in left {
            let entries = self.read(*offset, Budget { entries: 1, bytes: 1 })?;
            let now = entries.first().and_then(|entry| entry.content.as_ref().ok());
            if now.is_none_or(|now| leaf_of_record(now).hash != leaf_of_record(record).hash) {
                return Err(Error::NotLeft { offset: *offset });
            }
            batch.put(key(*offset), checked_frame(&Ok(record.clone()))?);
        }
        let frames = contents.iter().map(checked_frame).collect::<Result<Vec<_>, Error>>()?;
        let mut state = self.state.lock();
        while state.writing {
            self.changed.wait(&mut state);
        }
        if state.failed {
            return Err(Error::Closed { path: self.path.clone() });
        }
        if !state.pending.is_empty() {
            self.lead(&mut state)?;
        }
        let first = state.next;
        for (offset, frame) in (first..).zip(&frames) {
            batch.put(key(offset), frame);
        }
        let written = self.db.write(batch).and_then(|()| self.db.flush_wal(true));
        if let Err(source) = written {
            state.failed = true;
            return Err(self.storage("be written", source));
        }
        state.next = first + frames.len() as Offset;
        state.durable = state.next;
        self.watermark.write(state.durable);
        self.changed.notify_all();
        Ok(first)
    }

    /// Rewrites the files that hold what stood at these places before, by ascending offset.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn forget(&self, offsets: &[Offset]) -> Result<(), Error> {
        // The write-ahead log holds what it was too, until there is nothing in it that is needed.
        self.db.flush().map_err(|source| self.storage("be written", source))?;
        let mut options = CompactOptions::default();
        options.set_exclusive_manual_compaction(true);
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        for range in near(offsets) {
            let (from, end) = (key(range.start), key(range.end));
            self.db.compact_range_opt(Some(from), Some(end), &options);
        }
        self.db.flush_wal(true).map_err(|source| self.storage("be synced", source))
    }

    /// Rewrites all files.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn rewrite(&self) -> Result<(), Error> {
        self.forget(&(0..self.end()?).step_by(1000).collect::<Vec<_>>())
    }
}

/// The ranges that offsets which are near to each other make.
fn near(offsets: &[Offset]) -> impl Iterator<Item = Range<Offset>> {
    let groups = offsets.chunk_by(|one, next| next - one < NEAR);
    groups.filter_map(|group| Some(*group.first()?..group.last()?.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_that_are_near_are_rewritten_together() {
        let ranges = |offsets: &[Offset]| near(offsets).collect::<Vec<_>>();
        assert_eq!(ranges(&[]), []);
        assert_eq!(ranges(&[7, 8]).first(), Some(&(7..9)));
        assert_eq!(ranges(&[1, 2, 20_001, 50_000, 50_001]), [1..20_002, 50_000..50_002]);
    }
}
