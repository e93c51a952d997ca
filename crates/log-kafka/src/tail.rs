//! What stands last in the topic, in memory, and how far it goes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use event::{Content, Entry, Offset, leaf_of_record, leaf_of_unreadable};
use log::{Budget, Error};
use parking_lot::{Condvar, Mutex};

/// How much of the topic's end is kept, in bytes and entries.
const BYTES_MAX: usize = 32 << 20;
const ENTRIES_MAX: usize = 50_000;

/// About what an entry takes beside its data, in bytes.
const ENTRY_BYTES: usize = 300;

/// What stands at an offset: content, or a record in a form that came later than this program.
pub(crate) type Found = Result<Content, u8>;

/// Why nothing is read any more.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The topic is not the one that was read.
    Exchanged(String),
    /// Its first records are gone.
    Deleted { first: Offset },
    /// The brokers refuse for good.
    Refused(String),
    /// The log was closed.
    Ended,
}

impl Fault {
    pub(crate) fn error(&self, topic: &str) -> Error {
        let log = format!("in the topic {topic}");
        match self {
            Self::Exchanged(what) => Error::Exchanged { log, what: what.clone() },
            Self::Deleted { first } => Error::Exchanged {
                log,
                what: format!("it begins at offset {first}, what stood before was deleted"),
            },
            Self::Refused(why) => Error::Away { log, step: "be read", source: why.clone().into() },
            Self::Ended => Error::Ended { log },
        }
    }
}

/// The hash of a content's leaf, by which it is known again.
pub(crate) fn leaf(content: &Content) -> [u8; 32] {
    match content {
        Ok(record) => leaf_of_record(record).hash,
        Err(bytes) => leaf_of_unreadable(bytes).hash,
    }
}

/// The end of the topic.
pub(crate) struct Tail {
    state: Mutex<State>,
    grown: Condvar,
}

struct State {
    /// What stands from `begin` up to `end`.
    kept: VecDeque<(Found, usize)>,
    bytes: usize,
    begin: Offset,
    end: Offset,
    /// The last content that was read, whether it is kept or not.
    last: Option<Content>,
    fault: Option<Fault>,
}

impl Tail {
    /// A tail of a topic that ends at an offset, with what stands before it.
    pub(crate) fn new(end: Offset, last: Option<Content>) -> Self {
        let kept = VecDeque::new();
        let state = State { kept, bytes: 0, begin: end, end, last, fault: None };
        Self { state: Mutex::new(state), grown: Condvar::new() }
    }

    /// Adds what stands next.
    pub(crate) fn push(&self, found: Found) {
        let mut state = self.state.lock();
        let bytes = ENTRY_BYTES
            + match &found {
                Ok(Ok(record)) => record.open().map_or(0, |open| open.data.len()),
                Ok(Err(bytes)) => bytes.len(),
                Err(_) => 0,
            };
        state.last = found.as_ref().ok().cloned();
        state.bytes += bytes;
        state.kept.push_back((found, bytes));
        state.end += 1;
        while state.bytes > BYTES_MAX || state.kept.len() > ENTRIES_MAX {
            let Some((_, bytes)) = state.kept.pop_front() else { break };
            state.bytes -= bytes;
            state.begin += 1;
        }
        self.grown.notify_all();
    }

    /// Nothing is read any more.
    pub(crate) fn fail(&self, fault: Fault) {
        let mut state = self.state.lock();
        if state.fault.is_none() {
            state.fault = Some(fault);
        }
        self.grown.notify_all();
    }

    pub(crate) fn fault(&self) -> Option<Fault> {
        self.state.lock().fault.clone()
    }

    /// The offset after the last record.
    pub(crate) fn end(&self) -> Result<Offset, Fault> {
        let state = self.state.lock();
        state.fault.clone().map_or(Ok(state.end), Err)
    }

    /// The last content that was read, with its offset.
    pub(crate) fn last(&self) -> Option<(Offset, Content)> {
        let state = self.state.lock();
        Some((state.end.checked_sub(1)?, state.last.clone()?))
    }

    /// Waits until the end is beyond an offset, at most so long; `None` waits without end.
    pub(crate) fn wait(&self, beyond: Offset, at_most: Option<Duration>) -> Result<Offset, Fault> {
        let deadline = at_most.map(|at_most| Instant::now() + at_most);
        let mut state = self.state.lock();
        loop {
            if let Some(fault) = &state.fault {
                return Err(fault.clone());
            }
            if state.end > beyond {
                return Ok(state.end);
            }
            match deadline {
                None => self.grown.wait(&mut state),
                Some(deadline) => {
                    if self.grown.wait_until(&mut state, deadline).timed_out() {
                        return Ok(state.end);
                    }
                }
            }
        }
    }

    /// What stands from an offset on, if it is kept; nothing beyond the end.
    pub(crate) fn read(&self, from: Offset, budget: Budget) -> Result<Option<Gathered>, Fault> {
        let state = self.state.lock();
        if let Some(fault) = &state.fault {
            return Err(fault.clone());
        }
        let Some(skip) = from.checked_sub(state.begin) else { return Ok(None) };
        let mut gathered = Gathered::new(from, budget);
        for (found, _) in state.kept.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)) {
            if !gathered.take(found.clone()) {
                break;
            }
        }
        Ok(Some(gathered))
    }
}

/// Entries that are gathered for one read.
pub(crate) struct Gathered {
    entries: Vec<Entry>,
    next: Offset,
    bytes: usize,
    budget: Budget,
    newer: bool,
}

impl Gathered {
    pub(crate) fn new(from: Offset, budget: Budget) -> Self {
        Self { entries: Vec::new(), next: from, bytes: 0, budget, newer: false }
    }

    /// Takes what stands next; says whether there is room for more.
    pub(crate) fn take(&mut self, found: Found) -> bool {
        let Ok(content) = found else {
            self.newer = true;
            return false;
        };
        self.bytes += match &content {
            Ok(record) => ENTRY_BYTES + record.open().map_or(0, |open| open.data.len()),
            Err(bytes) => bytes.len(),
        };
        self.entries.push(Entry { offset: self.next, content });
        self.next += 1;
        self.has_room()
    }

    pub(crate) fn has_room(&self) -> bool {
        let Budget { entries, bytes } = self.budget;
        !self.newer && self.entries.len() < entries.max(1) && self.bytes < bytes.max(1)
    }

    /// What was gathered; an error where a record that came later than this program stands first.
    pub(crate) fn finish(self) -> Result<Vec<Entry>, Error> {
        if self.entries.is_empty() && self.newer {
            return Err(Error::NewerRecord { offset: self.next });
        }
        Ok(self.entries)
    }
}
