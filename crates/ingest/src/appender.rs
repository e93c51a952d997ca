//! Stamping and appending: what a source says becomes records.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use connector::EmitError;
use event::{
    ATTRIBUTE_BYTES_MAX, Body, Content, Event, Kind, Offset, Open, RECORD_BYTES_MAX, Record,
    RecordId, Salt, SourceName, Timestamp,
};
use log::Log;
use parking_lot::{Condvar, Mutex, MutexGuard};
use rand::Rng;
use uuid::{NoContext, Uuid};

use crate::Clock;
use crate::text::fit;

/// How long it is waited before what was interrupted is appended again: at first, and at the most.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(10);

/// What a record has at the most beside its data, subject, author and pointer, in bytes.
const ENVELOPE_BYTES_MAX: usize = 1024;

/// A record before it is stamped.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Its type.
    pub kind: Kind,
    /// Its data.
    pub data: Bytes,
    /// What it is about.
    pub subject: Option<Box<str>>,
    /// On whose behalf it is written.
    pub author: Option<Box<str>>,
    /// Where in the source it was read.
    pub pointer: Option<Box<str>>,
    /// When it happened.
    pub time: Option<Timestamp>,
    /// What hides all this where only its commitment is shown.
    pub salt: Salt,
}

impl Draft {
    /// A draft of an event of which nothing more is known.
    #[must_use]
    pub fn new(event: &Event<'_>) -> Self {
        let mut salt = Salt::default();
        rand::rng().fill_bytes(&mut salt.0);
        Self {
            kind: event.kind(),
            data: event.to_data(),
            subject: None,
            author: None,
            pointer: None,
            time: None,
            salt,
        }
    }

    /// With a subject.
    #[must_use]
    pub fn about(self, subject: &str) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    /// With an author.
    #[must_use]
    pub fn by(self, author: Option<&str>) -> Self {
        Self { author: author.map(Into::into), ..self }
    }

    /// With a pointer into the source.
    #[must_use]
    pub fn at(self, pointer: Option<&str>) -> Self {
        Self { pointer: pointer.map(Into::into), ..self }
    }

    /// With attributes that a record can have: an empty one is none, one that is too long is cut.
    fn fit(self) -> Self {
        let fit = |text: Option<Box<str>>| {
            let text = text.filter(|text| !text.is_empty())?;
            Some(match fit(&text, ATTRIBUTE_BYTES_MAX) {
                Cow::Borrowed(_) => text,
                Cow::Owned(fit) => fit.into(),
            })
        };
        Self { author: fit(self.author), pointer: fit(self.pointer), ..self }
    }

    /// How many bytes its record has at the most.
    fn bytes(&self) -> usize {
        let texts = [&self.subject, &self.author, &self.pointer];
        let texts: usize = texts.into_iter().flatten().map(|text| text.len()).sum();
        self.data.len() + texts + ENVELOPE_BYTES_MAX
    }
}

/// One source's way into the log, in one epoch. Its records are numbered in the order in which
/// they stand in the log, whatever number of threads append: those that wait at the same time are
/// appended together, by one of them.
pub struct Appender {
    queue: Arc<Queue>,
}

/// Drafts that were handed in, and are durable once somebody has waited for them.
#[derive(Clone)]
pub(crate) struct Ticket {
    queue: Arc<Queue>,
    /// How many drafts of the source there are up to and with them.
    end: u64,
}

/// The drafts of an appender.
struct Queue {
    log: Arc<dyn Log>,
    clock: Clock,
    source: SourceName,
    epoch: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The number of the next record.
    next: u64,
    /// Drafts that wait, and how many there were before them.
    waiting: Vec<Draft>,
    /// How many drafts were appended; the offsets of the last group's records.
    done: u64,
    last: Option<Group>,
    appending: bool,
    failed: Option<EmitError>,
    /// Time as stamped never goes back.
    stamped: Timestamp,
}

/// Where a group of drafts ended up: draft number `from + i` at offset `first + i`.
#[derive(Clone, Copy)]
struct Group {
    from: u64,
    first: Offset,
}

impl Appender {
    /// A source's way into the log, in an epoch that no one else uses.
    pub(crate) fn new(log: Arc<dyn Log>, clock: Clock, source: SourceName, epoch: u64) -> Self {
        let (state, changed) = (Mutex::default(), Condvar::new());
        Self { queue: Arc::new(Queue { log, clock, source, epoch, state, changed }) }
    }

    /// The way into the log of a source that never was before and never will be again.
    #[must_use]
    pub fn begin(log: Arc<dyn Log>, clock: Clock, source: SourceName) -> Self {
        Self::new(log, clock, source, 1)
    }

    /// The life of the source that it writes in.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.queue.epoch
    }

    /// The source's name.
    #[must_use]
    pub fn source(&self) -> &SourceName {
        &self.queue.source
    }

    /// Appends drafts, in their order and together, and returns the offset of the last one once
    /// all are durable; `None` when there are none.
    ///
    /// # Errors
    /// When one is larger than a record may be (nothing is appended then), or when the log can't
    /// promise that they are durable.
    pub fn append(&self, drafts: Vec<Draft>) -> Result<Option<Offset>, EmitError> {
        self.hand_in(drafts)?.map(|ticket| ticket.wait()).transpose()
    }

    /// Hands in drafts, which are appended in their order and together with others, when somebody
    /// waits for them or for later ones.
    ///
    /// # Errors
    /// When one is larger than a record may be; none is appended then.
    pub(crate) fn hand_in(&self, drafts: Vec<Draft>) -> Result<Option<Ticket>, EmitError> {
        if drafts.is_empty() {
            return Ok(None);
        }
        let drafts: Vec<Draft> = drafts.into_iter().map(Draft::fit).collect();
        // What the log would refuse may not get into a group: it would take the others with it.
        if let Some(bytes) = drafts.iter().map(Draft::bytes).find(|&b| b > RECORD_BYTES_MAX) {
            return Err(EmitError::TooLarge { bytes, limit: RECORD_BYTES_MAX });
        }
        let mut state = self.queue.state.lock();
        state.waiting.extend(drafts);
        let end = state.next + state.waiting.len() as u64;
        Ok(Some(Ticket { queue: Arc::clone(&self.queue), end }))
    }

    /// How many drafts were handed in that nobody has begun to append.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.state.lock().waiting.len()
    }
}

impl Ticket {
    /// Whether two are of the same drafts.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.queue, &other.queue) && self.end == other.end
    }

    /// Waits until the drafts are durable, and returns the offset of the last one or of a later
    /// record.
    ///
    /// # Errors
    /// When the log can't promise that they are durable.
    pub(crate) fn wait(&self) -> Result<Offset, EmitError> {
        self.queue.wait(self.end)
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ticket({} {})", self.queue.source, self.end)
    }
}

impl Queue {
    fn wait(&self, end: u64) -> Result<Offset, EmitError> {
        let mut state = self.state.lock();
        while state.done < end {
            if let Some(error) = &state.failed {
                return Err(error.clone());
            }
            if state.appending {
                self.changed.wait(&mut state);
            } else {
                self.lead(&mut state);
            }
        }
        // Groups are appended in their order; when another came between, the offset is not after
        // its own but after a later record, which is as durable and as good to wait for.
        let last = state.last.map(|group| {
            let within = end.saturating_sub(group.from).saturating_sub(1);
            if end > group.from { group.first + within } else { group.first.saturating_sub(1) }
        });
        // Nothing is done without a group.
        last.ok_or(EmitError::Stopped)
    }

    fn lead(&self, state: &mut MutexGuard<'_, State>) {
        let drafts = std::mem::take(&mut state.waiting);
        let from = state.next;
        state.next += drafts.len() as u64;
        state.stamped = state.stamped.max((self.clock)());
        state.appending = true;
        let recorded = state.stamped;
        let count = drafts.len() as u64;
        let appended = MutexGuard::unlocked(state, || {
            let contents: Vec<_> = (from..)
                .zip(drafts)
                .map(|(sequence, draft)| Ok(self.stamp(draft, sequence, recorded)))
                .collect();
            self.append(&contents)
        });
        state.appending = false;
        match appended {
            Ok(first) => {
                state.done = from + count;
                state.last = Some(Group { from, first });
            }
            Err(error) => state.failed = Some(EmitError::Log { why: chain(&error) }),
        }
        self.changed.notify_all();
    }

    /// Appends records, again and again while that is interrupted. What stands in the log then is
    /// there twice, and the second counts no more: it has the same source, epoch and sequence. A
    /// log that is interrupted never keeps a record without those before it.
    fn append(&self, contents: &[Content]) -> Result<Offset, log::Error> {
        let mut after = AGAIN_AFTER;
        loop {
            match self.log.append(contents) {
                Err(error) if error.is_worth_another_try() => {
                    tracing::warn!(source = %self.source, error = chain(&error), "appending again");
                    std::thread::park_timeout(after);
                    after = (after * 2).min(AGAIN_AFTER_MAX);
                }
                done => return done,
            }
        }
    }

    fn stamp(&self, draft: Draft, sequence: u64, recorded: Timestamp) -> Record {
        let us = recorded.as_micros().unsigned_abs();
        let moment = uuid::Timestamp::from_unix(
            NoContext,
            us / 1_000_000,
            u32::try_from(us % 1_000_000).unwrap_or(0) * 1_000,
        );
        Record {
            id: RecordId(Uuid::new_v7(moment)),
            source: self.source.clone(),
            kind: draft.kind.as_str().into(),
            time: draft.time,
            recorded,
            causation: None,
            epoch: self.epoch,
            sequence,
            body: Body::Open(Open {
                salt: draft.salt,
                subject: draft.subject,
                author: draft.author,
                pointer: draft.pointer,
                data: draft.data,
            }),
        }
    }
}

/// An error with what caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use event::vocabulary::{CursorReached, EntityRemoved};
    use log::{Budget, MemoryLog};

    use super::*;

    fn appender(log: &Arc<MemoryLog>) -> Appender {
        let source = SourceName::new("test/source").expect("a source");
        let log = Arc::clone(log) as Arc<dyn Log>;
        Appender::new(log, Arc::new(Timestamp::default), source, 1)
    }

    fn removed() -> Draft {
        Draft::new(&Event::EntityRemoved(EntityRemoved { why: None }))
    }

    #[test]
    fn attributes_become_what_a_record_can_have() {
        let log = Arc::new(MemoryLog::new());
        let long = "ä".repeat(ATTRIBUTE_BYTES_MAX);
        for (given, stands) in [
            ("", None),
            ("a.yaml#0", Some("a.yaml#0".to_owned())),
            ("a\0b", Some("a␀b".to_owned())),
            (&long, Some("ä".repeat((ATTRIBUTE_BYTES_MAX - 3) / 2) + "…")),
        ] {
            let draft = removed().by(Some(given)).at(Some(given));
            let at = appender(&log).append(vec![draft]).expect("an append").expect("an offset");
            let entry = log.read(at, Budget::default()).expect("a read").remove(0);
            let record = entry.content.expect("a record");
            let open = record.open().expect("an open body");
            assert_eq!(open.pointer.as_deref(), stands.as_deref(), "{given:.10}");
            assert_eq!(open.author.as_deref(), stands.as_deref(), "{given:.10}");
        }
    }

    /// A log that breaks appends off: some of what was to be appended stands there.
    struct Interrupted {
        log: MemoryLog,
        /// How many records of each of the next appends stand before it breaks off.
        breaks: Mutex<Vec<usize>>,
    }

    impl Log for Interrupted {
        fn append(&self, contents: &[Content]) -> Result<Offset, log::Error> {
            let breaks = self.breaks.lock().pop();
            let Some(kept) = breaks else { return self.log.append(contents) };
            self.log.append(&contents[..kept.min(contents.len())])?;
            Err(log::Error::Interrupted { log: "of a test".into(), why: "it does so".into() })
        }

        fn end(&self) -> Result<Offset, log::Error> {
            self.log.end()
        }

        fn read(&self, from: Offset, budget: Budget) -> Result<Vec<event::Entry>, log::Error> {
            self.log.read(from, budget)
        }

        fn wait(&self, beyond: Offset, at_most: Duration) -> Result<Offset, log::Error> {
            self.log.wait(beyond, at_most)
        }
    }

    #[test]
    fn what_was_interrupted_is_appended_again_under_the_same_numbers() {
        let log = Arc::new(Interrupted { log: MemoryLog::new(), breaks: vec![3, 0, 2].into() });
        let source = SourceName::new("test/source").expect("a source");
        let appender = Appender::new(
            Arc::clone(&log) as Arc<dyn Log>,
            Arc::new(Timestamp::default),
            source,
            1,
        );
        assert_eq!(appender.append(vec![removed(), removed(), removed()]), Ok(Some(7)));
        assert_eq!(appender.append(vec![removed()]), Ok(Some(8)));
        let entries = log.read(0, Budget::default()).expect("a read");
        let numbers: Vec<u64> =
            entries.iter().flat_map(|it| &it.content).map(|it| it.sequence).collect();
        assert_eq!(numbers, [0, 1, 0, 1, 2, 0, 1, 2, 3]);
        let ids = |from: usize| entries[from].content.as_ref().map(|record| record.id);
        assert_eq!(ids(0), ids(5), "the same record");
    }

    #[test]
    fn what_is_too_large_is_refused_and_the_source_goes_on() {
        let log = Arc::new(MemoryLog::new());
        let appender = appender(&log);
        let cursor = "x".repeat(RECORD_BYTES_MAX);
        let large = Draft::new(&Event::CursorReached(CursorReached { cursor }));
        let refused = appender.append(vec![removed(), large]);
        assert!(matches!(refused, Err(EmitError::TooLarge { .. })), "{refused:?}");
        assert_eq!(appender.append(vec![removed()]), Ok(Some(0)));
    }
}
