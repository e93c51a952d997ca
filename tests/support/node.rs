//! A log with its views, in this process.

use std::sync::Arc;

use event::Content;
use log::{Budget, Log, MemoryLog};
use processor::{Metrics, Processor};
use views::{Applied, Lists, Options, Views};

/// A log in memory, and views of it in a folder.
pub struct Node {
    pub log: Arc<MemoryLog>,
    pub views: Arc<Views>,
    folder: Arc<tempfile::TempDir>,
    lists: Lists,
}

impl Node {
    #[must_use]
    pub fn new(contents: &[Content]) -> Self {
        Self::with(contents, Lists::default())
    }

    /// The same, with another way to order lists.
    #[must_use]
    pub fn with(contents: &[Content], lists: Lists) -> Self {
        let log = MemoryLog::new();
        log.append(contents).unwrap();
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let views = Arc::new(open(folder.path(), lists));
        Self { log: Arc::new(log), views, folder, lists }
    }

    /// Folds all that the log holds, or up to and with a record, in batches of at most so many.
    pub fn fold(&self, batch: usize, until: Option<u64>) -> Applied {
        let registry = prometheus::Registry::new();
        let budget = Budget { entries: batch, bytes: 1 << 30 };
        let log: Arc<dyn Log> = Arc::clone(&self.log) as Arc<dyn Log>;
        let metrics = Metrics::new(&registry).unwrap();
        let processor = Processor::new(log, Arc::clone(&self.views), metrics, budget).unwrap();
        processor.catch_up(until).unwrap();
        self.views.applied().unwrap()
    }

    /// Closes the views and opens them again.
    #[must_use]
    pub fn reopen(self) -> Self {
        let Self { log, views, folder, lists } = self;
        drop(Arc::into_inner(views).expect("nobody else holds the views"));
        let views = Arc::new(open(folder.path(), lists));
        Self { log, views, folder, lists }
    }
}

fn open(path: &std::path::Path, lists: Lists) -> Views {
    Views::open(path, Options { memory_bytes: 64 << 20, lists }).unwrap()
}
