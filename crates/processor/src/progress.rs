//! How far the log is folded, for those who wait for it.

use std::time::{Duration, Instant};

use event::Offset;
use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

/// How far the log is folded.
#[derive(Debug)]
pub struct Progress {
    state: Mutex<State>,
    changed: Condvar,
    watched: watch::Sender<Option<Offset>>,
}

#[derive(Debug, Default)]
struct State {
    offset: Option<Offset>,
    stopped: Option<String>,
}

/// Folding has stopped, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the views do not follow the log any more: {0}")]
pub struct Stopped(pub String);

impl Progress {
    /// How far it is folded when nobody has gone on yet.
    #[must_use]
    pub fn new(offset: Option<Offset>) -> Self {
        Self {
            state: Mutex::new(State { offset, stopped: None }),
            changed: Condvar::new(),
            watched: watch::Sender::new(offset),
        }
    }

    pub(crate) fn reached(&self, offset: Offset) {
        self.state.lock().offset = Some(offset);
        self.changed.notify_all();
        self.watched.send_replace(Some(offset));
    }

    pub(crate) fn stopped(&self, why: String) {
        self.state.lock().stopped = Some(why);
        self.changed.notify_all();
        self.watched.send_modify(|_| {});
    }

    /// The last record that is folded.
    #[must_use]
    pub fn offset(&self) -> Option<Offset> {
        self.state.lock().offset
    }

    /// Why folding has stopped, if it has.
    #[must_use]
    pub fn why_stopped(&self) -> Option<String> {
        self.state.lock().stopped.clone()
    }

    /// Waits until a record is folded, at most so long; says whether it is.
    ///
    /// # Errors
    /// When folding has stopped.
    pub fn wait(&self, offset: Offset, at_most: Duration) -> Result<bool, Stopped> {
        let deadline = Instant::now() + at_most;
        let mut state = self.state.lock();
        loop {
            if state.offset.is_some_and(|reached| reached >= offset) {
                return Ok(true);
            }
            if let Some(why) = &state.stopped {
                return Err(Stopped(why.clone()));
            }
            if self.changed.wait_until(&mut state, deadline).timed_out() {
                return Ok(state.offset.is_some_and(|reached| reached >= offset));
            }
        }
    }

    /// A channel that tells the last record that is folded, whenever that changes or folding
    /// stops.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Option<Offset>> {
        self.watched.subscribe()
    }
}
