//! Topics beside the log, which others read: written by one node, and read back only where they end.
//!
//! One node at a time writes to such a topic, and goes on from what stands last in it. What the one
//! before still had on its way may come after that, and anybody else may write: so each batch is
//! told at which offsets others' messages stand between ours, which costs nothing where there are
//! none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use event::Offset;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset as At, TopicPartitionList};

use crate::append::{Producing, Wire};
use crate::client::{Context, Health};
use crate::cursor::headers_of;
use crate::error::OpenError;
use crate::options::{Options, refused};
use crate::topic;

/// How long one poll waits.
const POLL: Duration = Duration::from_millis(100);

/// How long the brokers get to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Beyond so many messages of others at once, only the last are told of.
const OTHERS_MAX: u64 = 10_000;

/// A message for a topic beside the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Its key.
    pub key: String,
    /// Names and values, in their order.
    pub headers: Vec<(String, String)>,
    /// Its value; nothing marks a key as gone.
    pub value: Option<Bytes>,
}

/// A message as it stands in a topic, whoever wrote it, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Where.
    pub offset: Offset,
    /// Its key, if that is text.
    pub key: Option<String>,
    /// Its headers, if all of them are texts.
    pub headers: Vec<(String, String)>,
}

/// Why a topic beside the log can't be gone on with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutletError {
    /// It could not be read.
    #[error("the topic {topic} could not be read: {why}")]
    Read {
        /// The topic.
        topic: String,
        /// What librdkafka said.
        why: String,
    },
    /// It could not be written.
    #[error("the topic {topic} could not be written: {why}")]
    Write {
        /// The topic.
        topic: String,
        /// What librdkafka said.
        why: String,
    },
    /// It is not the one that was written before.
    #[error(
        "the topic {topic} was made anew, or shortened: it takes messages at {found}, after {next}"
    )]
    Anew {
        /// The topic.
        topic: String,
        /// Where a message stands now.
        found: Offset,
        /// Where it should.
        next: Offset,
    },
}

/// A topic beside the log.
pub struct Outlet {
    options: Options,
    producing: Arc<Producing>,
    reader: Option<BaseConsumer<Context>>,
    /// Where the next message should stand.
    next: Offset,
}

/// Breaks off what waits for the brokers.
#[derive(Clone)]
pub struct Breaker(Arc<Producing>);

impl Breaker {
    /// Breaks it off; what was not sent yet never will be.
    pub fn break_off(&self) {
        self.0.close();
    }

    /// Why nothing can be written now, if that lasts.
    #[must_use]
    pub fn why_away(&self) -> Option<String> {
        self.0.why_away()
    }
}

impl Outlet {
    /// Makes the topic, if that is wanted, and looks whether it is as it has to be.
    ///
    /// # Errors
    /// When it is not, or can't be asked.
    pub fn check(options: &Options) -> Result<(), OpenError> {
        topic::check(options)
    }

    /// Opens a topic that is as it has to be.
    ///
    /// # Errors
    /// As [`Outlet::check`].
    pub fn open(options: &Options) -> Result<Self, OpenError> {
        Self::check(options)?;
        let health = Arc::new(Health::default());
        let wrong = |error| OpenError::Options(refused(error));
        let producing = Arc::new(Producing::new(options, &health).map_err(wrong)?);
        let context = Context { health };
        let reader = BaseConsumer::from_config_and_context(&options.consumer(), context);
        let reader = Some(reader.map_err(wrong)?);
        let mut outlet = Self { options: options.clone(), producing, reader, next: 0 };
        outlet.next = outlet.end().map_err(|source| OpenError::Kafka {
            topic: options.topic.clone(),
            step: "be asked where it ends",
            source,
        })?;
        Ok(outlet)
    }

    /// What breaks off what waits for the brokers.
    #[must_use]
    pub fn breaker(&self) -> Breaker {
        Breaker(Arc::clone(&self.producing))
    }

    /// Where the next message should stand.
    #[must_use]
    pub fn next(&self) -> Offset {
        self.next
    }

    /// What stands last, about so many at the most; none where the topic is empty.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn tail(&self, most: u64) -> Result<Vec<Standing>, OutletError> {
        let last = self.read(self.next.saturating_sub(most), self.next)?;
        if last.is_empty() {
            // What stood there was compacted away: tombstones go after a time.
            return self.read(0, self.next);
        }
        Ok(last)
    }

    /// Writes messages, waits until they are durable, and gives what others have written between.
    ///
    /// # Errors
    /// When one was refused, or it was broken off: which of them stand there is seen in the tail.
    pub fn send(&mut self, messages: &[Outgoing]) -> Result<Vec<Standing>, OutletError> {
        let wires = messages.iter().map(|message| {
            let headers = message.headers.iter();
            let headers = headers.map(|(name, value)| (name.as_str(), value.into())).collect();
            Wire { key: Some(message.key.as_bytes()), headers, value: message.value.clone() }
        });
        let topic = || self.options.topic.clone();
        let sent = self.producing.send_all(wires);
        let mut ours = sent.map_err(|why| OutletError::Write { topic: topic(), why })?;
        ours.sort_unstable();
        let (Some(first), Some(last)) = (ours.first().copied(), ours.last().copied()) else {
            return Ok(Vec::new());
        };
        if first < self.next {
            return Err(OutletError::Anew { topic: topic(), found: first, next: self.next });
        }
        let is_alone = last - self.next + 1 == ours.len() as u64;
        let from = std::mem::replace(&mut self.next, last + 1);
        if is_alone {
            return Ok(Vec::new());
        }
        let mut others = self.read(from.max(last.saturating_sub(OTHERS_MAX)), last)?;
        others.retain(|standing| ours.binary_search(&standing.offset).is_err());
        Ok(others)
    }

    /// What others have written behind our last message.
    ///
    /// # Errors
    /// When it can't be read, or the topic ends before.
    pub fn others(&mut self) -> Result<Vec<Standing>, OutletError> {
        // Brokers that are away cost waiting, and nothing else.
        let Ok(end) = self.end() else { return Ok(Vec::new()) };
        if end < self.next {
            let topic = self.options.topic.clone();
            return Err(OutletError::Anew { topic, found: end, next: self.next });
        }
        let from = self.next.max(end.saturating_sub(OTHERS_MAX));
        let others = self.read(from, end)?;
        self.next = end;
        Ok(others)
    }

    fn end(&self) -> Result<Offset, KafkaError> {
        let reader = self.reader.as_ref().ok_or(KafkaError::Canceled)?;
        let (_, end) = reader.client().fetch_watermarks(&self.options.topic, 0, ANSWER)?;
        Ok(u64::try_from(end).unwrap_or(0))
    }

    /// Reads what stands from an offset on and before another; compaction leaves gaps.
    fn read(&self, from: Offset, to: Offset) -> Result<Vec<Standing>, OutletError> {
        let mut found = Vec::new();
        let fault = |why: String| OutletError::Read { topic: self.options.topic.clone(), why };
        let Some(reader) = self.reader.as_ref().filter(|_| from < to) else { return Ok(found) };
        let at = i64::try_from(from).map_err(|_| fault("no such offset".into()))?;
        let (low, _) = reader
            .client()
            .fetch_watermarks(&self.options.topic, 0, ANSWER)
            .map_err(|error| fault(error.to_string()))?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.options.topic, 0, At::Offset(at.max(low)))
            .and_then(|()| reader.assign(&list))
            .map_err(|error| fault(error.to_string()))?;
        let mut heard = Instant::now();
        loop {
            match reader.poll(POLL) {
                Some(Ok(message)) => {
                    let offset = u64::try_from(message.offset()).unwrap_or(0);
                    if offset < from {
                        continue;
                    }
                    if offset < to {
                        if found.len() as u64 >= 2 * OTHERS_MAX {
                            found.drain(..OTHERS_MAX as usize);
                        }
                        found.push(standing(offset, message.key(), &headers_of(&message)));
                    }
                    if offset + 1 >= to {
                        break;
                    }
                    heard = Instant::now();
                }
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(error)) if heard.elapsed() >= ANSWER => {
                    return Err(fault(error.to_string()));
                }
                None if heard.elapsed() >= ANSWER => return Err(fault("nothing came".into())),
                Some(Err(_)) | None => {}
            }
        }
        // What is read next begins elsewhere.
        let _ = reader.unassign();
        Ok(found)
    }
}

fn standing(offset: Offset, key: Option<&[u8]>, headers: &[(&str, Option<&[u8]>)]) -> Standing {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    let header = |(name, value): &(&str, Option<&[u8]>)| {
        Some(((*name).to_owned(), text(value.unwrap_or_default())?))
    };
    let headers = headers.iter().map(header).collect::<Option<Vec<_>>>().unwrap_or_default();
    Standing { offset, key: key.and_then(text), headers }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.producing.close();
        // A consumer waits for its brokers before it goes: nobody else shall.
        if let Some(reader) = self.reader.take() {
            let _ = std::thread::Builder::new().name("kafka close".into()).spawn(|| drop(reader));
        }
    }
}
