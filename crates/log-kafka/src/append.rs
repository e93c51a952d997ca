//! Appending: a producer whose messages stand in the order in which they were handed in, each once.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use event::{Content, Offset, write_message};
use parking_lot::{Condvar, Mutex, RwLock};
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer as _, ProducerContext, PurgeConfig, ThreadedProducer,
};

use crate::client::{Context, Health};
use crate::options::Options;

/// How long it is waited, where librdkafka's queue is full, before it is tried again.
const FULL: Duration = Duration::from_millis(20);

/// A message as it is handed in.
pub(crate) struct Wire<'a> {
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) headers: Vec<(&'a str, Cow<'a, str>)>,
    pub(crate) value: Option<Bytes>,
}

/// What becomes of the messages of one append.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    state: Mutex<Delivered>,
    done: Condvar,
}

#[derive(Debug, Default)]
struct Delivered {
    left: usize,
    offsets: Vec<Offset>,
    failed: Option<String>,
}

impl Delivery {
    fn one(&self, offset: Result<Offset, String>) {
        let mut state = self.state.lock();
        state.left -= 1;
        match offset {
            Ok(offset) => state.offsets.push(offset),
            Err(why) => {
                state.failed.get_or_insert(why);
            }
        }
        if state.left == 0 {
            self.done.notify_all();
        }
    }

    /// Waits for all that were handed in; gives their offsets.
    fn wait(&self) -> Result<Vec<Offset>, String> {
        let mut state = self.state.lock();
        while state.left > 0 {
            self.done.wait(&mut state);
        }
        let offsets = std::mem::take(&mut state.offsets);
        state.failed.take().map_or(Ok(offsets), Err)
    }
}

/// What librdkafka tells a producer.
struct Told(Context);

impl ClientContext for Told {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }
}

impl ProducerContext for Told {
    type DeliveryOpaque = Box<Arc<Delivery>>;

    fn delivery(&self, result: &DeliveryResult<'_>, delivery: Self::DeliveryOpaque) {
        delivery.one(match result {
            Ok(message) => {
                self.0.health.here();
                u64::try_from(message.offset()).map_err(|_| "its offset is not told".to_owned())
            }
            Err((error, _)) => Err(error.to_string()),
        });
    }
}

type Producer = ThreadedProducer<Told>;

/// What appends to the topic.
pub(crate) struct Producing {
    options: Options,
    health: Arc<Health>,
    producer: RwLock<Arc<Producer>>,
    /// Appends are handed in one after the other, so that each one's messages stand together.
    order: Mutex<()>,
    closed: AtomicBool,
    waiting: AtomicUsize,
}

impl Producing {
    pub(crate) fn new(options: &Options, health: &Arc<Health>) -> Result<Self, KafkaError> {
        Ok(Self {
            producer: RwLock::new(Arc::new(producer(options, health)?)),
            options: options.clone(),
            health: Arc::clone(health),
            order: Mutex::default(),
            closed: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
        })
    }

    /// How many appends wait for the brokers.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Why nothing can be written now, if that lasts.
    pub(crate) fn why_away(&self) -> Option<String> {
        self.health.why_away()
    }

    /// Breaks off what is under way, and takes nothing more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.producer.read().purge(PurgeConfig::default().queue().inflight());
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Appends contents, and gives the offset of the last; an error says why that was broken off.
    pub(crate) fn append(&self, contents: &[Content]) -> Result<Offset, String> {
        let messages = contents.iter().map(|content| {
            let message = write_message(content);
            Wire { key: None, headers: message.headers, value: Some(message.value) }
        });
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let appended = self.send_all(messages);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        appended?.into_iter().max().ok_or_else(|| "nothing was delivered".into())
    }

    /// Hands messages in, waits for all of them, and gives their offsets.
    pub(crate) fn send_all<'a>(
        &self,
        messages: impl Iterator<Item = Wire<'a>>,
    ) -> Result<Vec<Offset>, String> {
        let delivery = Arc::new(Delivery::default());
        let in_order = self.order.lock();
        let producer = Arc::clone(&self.producer.read());
        let mut refused = None;
        for message in messages {
            if let Err(error) = self.send(&producer, &message, &delivery) {
                refused = Some(error);
                break;
            }
        }
        drop(in_order);
        let delivered = delivery.wait();
        if refused.is_some() || delivered.is_err() {
            self.renew(&producer);
        }
        match (refused, delivered) {
            (None, Ok(offsets)) => Ok(offsets),
            (Some(why), _) | (None, Err(why)) => Err(why),
        }
    }

    fn send(
        &self,
        producer: &Producer,
        message: &Wire<'_>,
        delivery: &Arc<Delivery>,
    ) -> Result<(), String> {
        let mut headers = OwnedHeaders::new_with_capacity(message.headers.len());
        for (key, value) in &message.headers {
            headers = headers.insert(Header { key, value: Some(value.as_bytes()) });
        }
        let mut record = BaseRecord::<[u8], [u8], _>::with_opaque_to(
            &self.options.topic,
            Box::new(Arc::clone(delivery)),
        )
        .partition(0);
        if let Some(key) = message.key {
            record = record.key(key);
        }
        if let Some(value) = &message.value {
            record = record.payload(&value[..]);
        }
        if !message.headers.is_empty() {
            record = record.headers(headers);
        }
        delivery.state.lock().left += 1;
        loop {
            if self.is_closed() {
                delivery.state.lock().left -= 1;
                return Err("the log was closed".into());
            }
            match producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    std::thread::park_timeout(FULL);
                }
                Err((error, _)) => {
                    delivery.state.lock().left -= 1;
                    return Err(error.to_string());
                }
            }
        }
    }

    /// Another producer in the place of one that failed for good: it promises nothing any more.
    /// What it still held is broken off first, so that nothing of it comes after what follows.
    fn renew(&self, failed: &Arc<Producer>) {
        if self.is_closed() || failed.client().fatal_error().is_none() {
            return;
        }
        let mut current = self.producer.write();
        if !Arc::ptr_eq(&current, failed) {
            return;
        }
        failed.purge(PurgeConfig::default().queue().inflight());
        match producer(&self.options, &self.health) {
            Ok(another) => {
                tracing::warn!("the producer failed for good; another one takes its place");
                *current = Arc::new(another);
            }
            Err(error) => tracing::error!(%error, "there is no other producer"),
        }
    }
}

fn producer(options: &Options, health: &Arc<Health>) -> Result<Producer, KafkaError> {
    let told = Told(Context { health: Arc::clone(health) });
    ThreadedProducer::from_config_and_context(&options.producer(), told)
}
