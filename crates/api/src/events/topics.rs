//! What is told on topics beside the log: the same events, as messages with headers.
//!
//! Each message carries the cursor behind it, so that whoever writes a topic goes on from what
//! stands last in it. Beside the attributes of the CloudEvent there are plain headers: at which
//! position it is told, where in the topic its writer expected it (a topic that was made anew under
//! a writer is known by that), and after which erasure.

use event::{LogId, Offset, Position};
use model::reference::EntityRef;
use serde_json::{Value, json};

use super::cloud::CloudEvent;
use crate::history::feed::{Budget, ChangeOf, Cursor, Feed, Item, Place, State, state_of};
use crate::history::selection::Selection;
use crate::{Api, ApiError};

/// How much is told together.
const PART: Budget = Budget { items: 512, bytes: 1 << 20, looked_at: 20_000 };

/// The position at which something is told.
pub(crate) const POSITION: &str = "annals-position";
/// Where the first message of the batch was expected.
pub(crate) const EXPECTED: &str = "annals-expected";
/// The record that tells of the last erasure before.
pub(crate) const ERASURE: &str = "annals-erasure";
/// Of an entity with very many relations: `left-out`.
pub(crate) const RELATIONS: &str = "annals-relations";

/// What a change keeps that would be too large as a message.
const KEPT: [&str; 7] = ["id", "entityRef", "position", "change", "recordedTime", "time", "cause"];

/// What a topic tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// Each entity as it is.
    State,
    /// Each change.
    Changes,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The entity's reference.
    pub key: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// JSON; nothing where an entity is there no more.
    pub value: Option<Vec<u8>>,
}

/// What stands in a topic.
#[derive(Clone, Copy, Debug)]
pub struct Stands<'a> {
    /// Where.
    pub offset: u64,
    /// Names and values.
    pub headers: &'a [(String, String)],
}

impl<'a> Stands<'a> {
    fn header(&self, name: &str) -> Option<&'a str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name);
        values.next().map(|(_, value)| value.as_str())
    }
}

/// Why a topic can't be gone on with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TellError {
    /// It belongs to another log.
    #[error(
        "its message at offset {offset} is told by {found}, and this is {own}: name another topic"
    )]
    AnotherLog {
        /// Where.
        offset: u64,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        own: String,
    },
    /// What stands at its end was written by somebody else.
    #[error(
        "none of its last messages, up to offset {offset}, is of this log: name a topic that \
         nobody else writes to"
    )]
    Foreign {
        /// The last.
        offset: u64,
    },
    /// It says more than the log holds.
    #[error("its message at offset {offset} is of the position {position}, which the log has not")]
    Beyond {
        /// Where.
        offset: u64,
        /// What it says.
        position: Position,
    },
    /// It holds what was erased since.
    #[error(
        "it holds what record {record} of the log tells to be erased: make it anew (delete it, and \
         make it as it was made; it is filled again)"
    )]
    Erased {
        /// The `log.erased`.
        record: Offset,
    },
    /// The views could not be read.
    #[error(transparent)]
    Views(#[from] ApiError),
}

/// What comes next in a topic.
#[derive(Debug, Default)]
pub struct Telegram {
    /// In their order.
    pub messages: Vec<Told>,
    /// Whether there is no more for now.
    pub is_at_end: bool,
}

/// Tells of the catalog what comes behind what a topic holds.
pub struct Teller {
    api: Api,
    telling: Telling,
    feed: Feed,
    erasure: Option<Offset>,
    bytes_max: usize,
}

impl Teller {
    /// Goes on behind what stands last in a topic; where nothing stands, from the beginning. No
    /// message becomes longer than so many bytes.
    ///
    /// # Errors
    /// When the topic is not this log's, or holds what was erased.
    pub fn resume(
        api: &Api,
        telling: Telling,
        tail: &[Stands<'_>],
        bytes_max: usize,
    ) -> Result<Self, TellError> {
        let reader = api.views().reader();
        let reader = reader.ok_or_else(|| ApiError::unavailable("nothing is folded yet"))?;
        let now = reader.position();
        let mut erasure = None;
        let noted = reader.each_erased(|row| erasure = erasure.max(row.by));
        noted.map_err(ApiError::from)?;
        let cursor = match last(now, tail)? {
            Some((cursor, told)) => {
                if told != erasure {
                    let record = erasure.or(told).unwrap_or_default();
                    return Err(TellError::Erased { record });
                }
                cursor
            }
            None if telling == Telling::State => {
                Cursor { log: now.log, offset: now.offset, place: Place::Snapshot(None) }
            }
            None => Cursor { log: now.log, offset: 0, place: Place::Done },
        };
        let feed = Feed::new(api, Selection::default(), cursor);
        let feed = if telling == Telling::State { feed.of_states() } else { feed };
        Ok(Self { api: api.clone(), telling, feed, erasure, bytes_max })
    }

    /// Keys of messages at a topic's end behind which the entities have to follow as they are:
    /// others' messages, and such as came after later ones.
    #[must_use]
    pub fn suspects<'a>(&self, tail: impl Iterator<Item = (&'a str, Stands<'a>)>) -> Vec<&'a str> {
        let log = self.feed.cursor().log;
        let mut latest = None;
        let mut keys = Vec::new();
        for (key, stands) in tail {
            let cursor = stands.header("ce_cursor").and_then(|text| text.parse::<Cursor>().ok());
            let offset = cursor.filter(|cursor| cursor.log == log).map(|cursor| cursor.offset);
            if offset.is_none() || offset < latest {
                keys.push(key);
            }
            latest = latest.max(offset);
        }
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// How far it has told.
    #[must_use]
    pub fn offset(&self) -> Offset {
        self.feed.cursor().offset
    }

    /// What comes next, which will stand from an offset of the topic on.
    ///
    /// # Errors
    /// When the views can't be read.
    pub fn step(&mut self, next: u64) -> Result<Telegram, TellError> {
        let step = self.feed.step(PART)?;
        let mut messages = Vec::new();
        for (cursor, item) in step.items {
            // Who reads states has no use for the end of a snapshot.
            if !matches!(item, Item::Complete) {
                messages.push(self.told(cursor, item, next));
            }
        }
        Ok(Telegram { messages, is_at_end: step.is_at_end })
    }

    /// What has to follow messages that others wrote into a topic of state, whose keys these are:
    /// the entities as they are where this is. In a topic of changes nothing has to.
    ///
    /// # Errors
    /// When the views can't be read.
    pub fn mend(&self, keys: &[&str], next: u64) -> Result<Vec<Told>, TellError> {
        if self.telling == Telling::Changes {
            return Ok(Vec::new());
        }
        let cursor = self.feed.cursor();
        let reader = self.api.views().reader();
        let reader = reader.ok_or_else(|| ApiError::unavailable("nothing is folded yet"))?;
        let reader = reader.at(cursor.offset).map_err(ApiError::from)?;
        let position = reader.position();
        let mut messages = Vec::new();
        for key in keys {
            let reference = EntityRef::canonical(key).ok();
            let id = reference.as_ref().map(|reference| reader.entity_id(reference)).transpose();
            let id = id.map_err(ApiError::from)?.flatten();
            let (state, id) = match (reference, id) {
                (Some(reference), Some(id)) => {
                    let found = state_of(&reader, id, reference.clone())?;
                    let gone = State { reference, entity: None, is_whole: true };
                    (found.map_or(gone, |(state, _)| state), format!("{position}-s{}", id.0))
                }
                (Some(reference), None) => {
                    (State { reference, entity: None, is_whole: true }, format!("{position}-none"))
                }
                // It is no key of ours; it is taken out nevertheless.
                (None, _) => {
                    messages.push(self.nothing(key, cursor, next));
                    continue;
                }
            };
            let of_change = Some(ChangeOf { id, time: None });
            messages.push(self.told(cursor, Item::State { state, of_change }, next));
        }
        Ok(messages)
    }

    /// That there is no such key.
    fn nothing(&self, key: &str, cursor: Cursor, next: u64) -> Told {
        let source = CloudEvent::source(cursor.log);
        let headers = vec![("ce_source".into(), source), ("ce_cursor".into(), cursor.to_string())];
        let mut told = Told { key: key.to_owned(), headers, value: None };
        self.mark(&mut told, cursor, next);
        told
    }

    fn told(&self, cursor: Cursor, item: Item, next: u64) -> Told {
        let is_whole = match &item {
            Item::State { state, .. } => state.is_whole,
            Item::Change { .. } | Item::Entity { .. } | Item::Complete => true,
        };
        let binary = CloudEvent::new(cursor, item).into_binary();
        let value = match &binary.data {
            Value::Null => None,
            data => Some(self.fitting(data)),
        };
        let mut told = Told { key: binary.subject, headers: binary.headers, value };
        self.mark(&mut told, cursor, next);
        if !is_whole {
            told.headers.push((RELATIONS.to_owned(), "left-out".to_owned()));
        }
        told
    }

    fn mark(&self, told: &mut Told, cursor: Cursor, next: u64) {
        let position = Position { log: cursor.log, offset: cursor.offset };
        told.headers.push((POSITION.to_owned(), position.to_string()));
        told.headers.push((EXPECTED.to_owned(), next.to_string()));
        if let Some(erasure) = self.erasure {
            told.headers.push((ERASURE.to_owned(), erasure.to_string()));
        }
    }

    /// JSON that fits into a message: of a change that does not, what it is and where to ask.
    fn fitting(&self, data: &Value) -> Vec<u8> {
        // Writing to memory does not fail.
        let json = serde_json::to_vec(data).unwrap_or_default();
        if json.len() <= self.bytes_max || self.telling == Telling::State {
            return json;
        }
        let mut kept = json!({"tooLarge": true});
        for name in KEPT {
            kept[name] = data[name].clone();
        }
        serde_json::to_vec(&kept).unwrap_or_default()
    }
}

/// Where the last message of a topic that is this log's leaves off, and after which erasure it was
/// told; none where there is no message, or the topic was made anew under its writer.
fn last(now: Position, tail: &[Stands<'_>]) -> Result<Option<(Cursor, Option<Offset>)>, TellError> {
    let own = CloudEvent::source(now.log);
    let mut foreign = None;
    for stands in tail.iter().rev() {
        let offset = stands.offset;
        let cursor = stands.header("ce_cursor").and_then(|text| text.parse::<Cursor>().ok());
        let source = stands.header("ce_source");
        if let Some(found) = source.filter(|source| *source != own && is_a_log(source)) {
            let found = found.to_owned();
            return Err(TellError::AnotherLog { offset, found, own });
        }
        let number = |name| stands.header(name).and_then(|text| text.parse::<u64>().ok());
        let (Some(cursor), Some(_), Some(expected)) = (cursor, source, number(EXPECTED)) else {
            foreign = foreign.or(Some(offset));
            continue;
        };
        if cursor.log != now.log {
            foreign = foreign.or(Some(offset));
            continue;
        }
        if offset < expected {
            return Ok(None);
        }
        if cursor.offset > now.offset {
            let position = Position { log: cursor.log, offset: cursor.offset };
            return Err(TellError::Beyond { offset, position });
        }
        return Ok(Some((cursor, number(ERASURE))));
    }
    foreign.map_or(Ok(None), |offset| Err(TellError::Foreign { offset }))
}

fn is_a_log(source: &str) -> bool {
    let id = source.strip_prefix("urn:annals:log:");
    id.is_some_and(|id| id.parse::<LogId>().is_ok())
}
