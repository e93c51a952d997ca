//! Reading from an offset on.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use event::{CodecError, Offset, RawMessage, no_message, read_message};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset as At, TopicPartitionList};

use crate::client::{Context, is_connection};
use crate::options::Options;
use crate::tail::{Fault, Found};

/// What a poll found.
pub(crate) enum Polled {
    /// What stands at the next offset.
    Found(Found),
    /// The end of the topic was reached.
    End,
    /// Nothing came in time.
    Nothing,
    /// The brokers did not answer.
    Away(String),
}

/// A consumer at an offset.
pub(crate) struct Cursor {
    consumer: Option<BaseConsumer<Context>>,
    topic: String,
    next: Offset,
    /// What was found and comes first: a message behind offsets at which none stands.
    ahead: VecDeque<Found>,
}

impl Cursor {
    /// A consumer that reads from an offset on.
    pub(crate) fn new(options: &Options, context: Context, from: Offset) -> Result<Self, Fault> {
        let consumer = BaseConsumer::from_config_and_context(&options.consumer(), context);
        let consumer = consumer.map_err(|error| Fault::Refused(error.to_string()))?;
        let topic = options.topic.clone();
        let mut cursor =
            Self { consumer: Some(consumer), topic, next: from, ahead: VecDeque::new() };
        cursor.go_to(from)?;
        Ok(cursor)
    }

    /// The offset that comes next.
    pub(crate) fn next(&self) -> Offset {
        self.next
    }

    /// Goes on from an offset.
    pub(crate) fn go_to(&mut self, from: Offset) -> Result<(), Fault> {
        let refused = |error: KafkaError| Fault::Refused(error.to_string());
        let at = i64::try_from(from).map_err(|_| Fault::Refused("no such offset".into()))?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, 0, At::Offset(at)).map_err(refused)?;
        self.ahead.clear();
        self.next = from;
        self.consumer().map_or(Ok(()), |consumer| consumer.assign(&list)).map_err(refused)
    }

    /// Goes over an offset at which no message stands.
    pub(crate) fn skip(&mut self) -> Found {
        self.next += 1;
        Ok(no_message())
    }

    fn consumer(&self) -> Option<&BaseConsumer<Context>> {
        self.consumer.as_ref()
    }

    /// The first offset, and the one after the last.
    pub(crate) fn watermarks(&self, at_most: Duration) -> Result<(Offset, Offset), KafkaError> {
        let consumer = self.consumer().ok_or(KafkaError::Canceled)?;
        let (low, high) = consumer.client().fetch_watermarks(&self.topic, 0, at_most)?;
        Ok((u64::try_from(low).unwrap_or(0), u64::try_from(high).unwrap_or(0)))
    }

    /// Waits for what stands next.
    pub(crate) fn poll(&mut self, at_most: Duration) -> Result<Polled, Fault> {
        if let Some(found) = self.ahead.pop_front() {
            self.next += 1;
            return Ok(Polled::Found(found));
        }
        let polled = match self.consumer.as_ref().and_then(|consumer| consumer.poll(at_most)) {
            None => return Ok(Polled::Nothing),
            Some(Ok(message)) => (u64::try_from(message.offset()).unwrap_or(0), read(&message)),
            Some(Err(error)) => return self.fault(&error),
        };
        let (offset, found) = polled;
        // What was fetched before the cursor was moved may still come.
        let Some(gap) = offset.checked_sub(self.next) else { return Ok(Polled::Nothing) };
        if gap == 0 {
            self.next += 1;
            return Ok(Polled::Found(found));
        }
        // Markers of somebody's transactions have offsets, and are handed out to nobody.
        self.ahead.extend((1..gap).map(|_| Ok(no_message())));
        self.ahead.push_back(found);
        self.next += 1;
        Ok(Polled::Found(Ok(no_message())))
    }

    fn fault(&self, error: &KafkaError) -> Result<Polled, Fault> {
        if matches!(error, KafkaError::PartitionEOF(_)) {
            return Ok(Polled::End);
        }
        let refused = || Err(Fault::Refused(error.to_string()));
        let Some(code) = error.rdkafka_error_code() else { return refused() };
        match code {
            RDKafkaErrorCode::AutoOffsetReset
            | RDKafkaErrorCode::OffsetOutOfRange
            | RDKafkaErrorCode::LogTruncation => Err(Fault::Exchanged(format!(
                "it has no record at offset {} any more: it was shortened, its records were \
                 deleted, or the topic was made anew",
                self.next
            ))),
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::UnsupportedCompressionType
            | RDKafkaErrorCode::NotImplemented => refused(),
            // Whatever else it says, it tries again by itself; what a topic that was taken away
            // leads to is seen when it is back.
            code if is_connection(code) => Ok(Polled::Away(code.to_string())),
            code => Ok(Polled::Away(code.to_string())),
        }
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        // A consumer waits for its brokers before it goes: nobody else shall.
        if let Some(consumer) = self.consumer.take() {
            let _ = std::thread::Builder::new().name("kafka close".into()).spawn(|| drop(consumer));
        }
    }
}

/// The headers of a message, whoever produced it: names and values.
pub(crate) fn headers_of<'a>(message: &'a BorrowedMessage<'_>) -> Vec<(&'a str, Option<&'a [u8]>)> {
    let headers = message.headers();
    let count = headers.map_or(0, Headers::count);
    let one = |index| {
        // rdkafka panics where a name is not UTF-8. Such a header's value is not to be had; the
        // message is not one of ours, whatever it was.
        match catch_unwind(AssertUnwindSafe(|| headers.map(|all| all.get(index)))) {
            Ok(Some(header)) => (header.key, header.value),
            _ => ("\u{fffd}", None),
        }
    };
    (0..count).map(one).collect()
}

/// Reads a message, whoever produced it.
fn read(message: &BorrowedMessage<'_>) -> Found {
    let headers = headers_of(message);
    let raw = RawMessage { key: message.key(), value: message.payload(), headers };
    match read_message(&raw) {
        Ok(content) => Ok(content),
        Err(CodecError::Newer { version }) => Err(version),
        // Nothing else is told of: what is no record is bytes.
        Err(_) => Ok(no_message()),
    }
}
