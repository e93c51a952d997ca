//! The index that answers, for all who ask.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use event::{LogId, Offset, Position};
use parking_lot::{Condvar, Mutex, RwLock};
use tantivy::Searcher;
use tokio::sync::watch;

use crate::Error;
use crate::query::{self, Answer, Request};
use crate::schema::Fields;

/// How the index is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is being built from all entities.
    Building {
        /// How many entities are in it.
        done: u64,
        /// How many there are.
        of: u64,
    },
    /// It follows the views.
    Following,
    /// It could not be written; it is tried again.
    Failed(String),
    /// It was told to stop.
    Stopped,
}

impl State {
    /// In one word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Building { .. } => "building",
            Self::Following => "following",
            Self::Failed(_) => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// An index at one commit.
pub(crate) struct Active {
    pub(crate) searcher: Searcher,
    pub(crate) fields: Fields,
    pub(crate) log: LogId,
    pub(crate) offset: Offset,
}

/// What those who ask and the one who writes share.
pub(crate) struct Shared {
    pub(crate) active: RwLock<Option<Arc<Active>>>,
    pub(crate) state: Mutex<State>,
    pub(crate) position: watch::Sender<Option<Offset>>,
    /// Says that the position or the state is another.
    pub(crate) changed: Condvar,
    /// The last record that somebody waits for, and one.
    pub(crate) wanted: AtomicU64,
    /// Somebody could not read the index.
    pub(crate) damaged: AtomicBool,
    pub(crate) stop: AtomicBool,
}

/// Full text search. Cheap to clone.
#[derive(Clone)]
pub struct Search {
    pub(crate) shared: Arc<Shared>,
}

impl Default for Search {
    fn default() -> Self {
        let shared = Shared {
            active: RwLock::default(),
            state: Mutex::new(State::Building { done: 0, of: 0 }),
            position: watch::Sender::new(None),
            changed: Condvar::new(),
            wanted: AtomicU64::new(0),
            damaged: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared) }
    }
}

impl Search {
    /// Looks for what is asked for.
    ///
    /// # Errors
    /// When there is no index yet, or it can't be read; it is built anew then.
    pub fn search(&self, request: &Request) -> Result<Answer, Error> {
        let active = self.shared.active.read().clone().ok_or(Error::NotReady)?;
        let found = catch_unwind(AssertUnwindSafe(|| {
            query::search(&active.searcher, &active.fields, request)
        }));
        let (total, hits) = match found {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                self.shared.damaged.store(true, Ordering::Relaxed);
                return Err(error);
            }
            // Files that are not what was written can lead to anything.
            Err(_) => {
                self.shared.damaged.store(true, Ordering::Relaxed);
                return Err(Error::Damaged("reading it broke off"));
            }
        };
        Ok(Answer { position: Position { log: active.log, offset: active.offset }, total, hits })
    }

    /// The position that answers are given for; absent while there are none.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        let active = self.shared.active.read();
        active.as_ref().map(|active| Position { log: active.log, offset: active.offset })
    }

    /// How many documents are in the index that answers.
    #[must_use]
    pub fn documents(&self) -> u64 {
        self.shared.active.read().as_ref().map_or(0, |active| active.searcher.num_docs())
    }

    /// How the index is.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared.state.lock().clone()
    }

    /// Waits until a record is searched; says whether it is. It is given up when nobody writes the
    /// index any more, or after so long.
    #[must_use]
    pub fn wait(&self, offset: Offset, at_most: Duration) -> bool {
        drop(self.want(offset));
        let deadline = Instant::now() + at_most;
        let mut state = self.shared.state.lock();
        loop {
            if self.position().is_some_and(|position| position.offset >= offset) {
                return true;
            }
            let gives_up = matches!(*state, State::Failed(_) | State::Stopped);
            if gives_up || self.shared.changed.wait_until(&mut state, deadline).timed_out() {
                return self.position().is_some_and(|position| position.offset >= offset);
            }
        }
    }

    /// Says how the index is, from now on.
    pub(crate) fn is(&self, state: State) {
        *self.shared.state.lock() = state;
        self.shared.changed.notify_all();
    }

    /// Answers from an index, from now on.
    pub(crate) fn answer_from(&self, active: Active) {
        let offset = active.offset;
        *self.shared.active.write() = Some(Arc::new(active));
        self.shared.position.send_replace(Some(offset));
        // Whoever looked before and is about to wait holds this.
        drop(self.shared.state.lock());
        self.shared.changed.notify_all();
    }

    /// Says that somebody waits for a record, so that it does not wait for others; gives a channel
    /// that tells the last record that is searched, whenever that changes.
    #[must_use]
    pub fn want(&self, offset: Offset) -> watch::Receiver<Option<Offset>> {
        self.shared.wanted.fetch_max(offset.saturating_add(1), Ordering::Relaxed);
        self.shared.position.subscribe()
    }
}
