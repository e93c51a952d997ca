//! A log in memory, for tests and for replays that need none on disk.

use std::time::{Duration, Instant};

use event::{Content, Entry, Offset};
use parking_lot::{Condvar, Mutex};

use crate::{Budget, Error, Log};

/// A log that lives as long as the process.
#[derive(Debug, Default)]
pub struct MemoryLog {
    contents: Mutex<Vec<Content>>,
    grown: Condvar,
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Log for MemoryLog {
    fn append(&self, contents: &[Content]) -> Result<Offset, Error> {
        for content in contents {
            crate::frame::checked_frame(content)?;
        }
        let mut all = self.contents.lock();
        let first = all.len() as Offset;
        all.extend_from_slice(contents);
        self.grown.notify_all();
        Ok(first)
    }

    fn end(&self) -> Result<Offset, Error> {
        Ok(self.contents.lock().len() as Offset)
    }

    fn read(&self, from: Offset, budget: Budget) -> Result<Vec<Entry>, Error> {
        let all = self.contents.lock();
        let start = usize::try_from(from).unwrap_or(usize::MAX).min(all.len());
        let mut entries = Vec::new();
        let mut bytes = 0;
        for (content, offset) in all[start..].iter().zip(from..Offset::MAX) {
            if entries.len() >= budget.entries.max(1) || bytes >= budget.bytes.max(1) {
                break;
            }
            bytes += size(content);
            entries.push(Entry { offset, content: content.clone() });
        }
        Ok(entries)
    }

    fn wait(&self, beyond: Offset, at_most: Duration) -> Result<Offset, Error> {
        let deadline = Instant::now() + at_most;
        let mut all = self.contents.lock();
        while all.len() as Offset <= beyond {
            if self.grown.wait_until(&mut all, deadline).timed_out() {
                break;
            }
        }
        Ok(all.len() as Offset)
    }
}

/// About how many bytes a content holds in memory.
pub(crate) fn size(content: &Content) -> usize {
    match content {
        Ok(record) => 200 + record.open().map_or(32, |open| open.data.len()),
        Err(bytes) => bytes.len(),
    }
}
