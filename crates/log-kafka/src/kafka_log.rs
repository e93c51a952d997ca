//! The log on a topic.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use event::{Content, Entry, Offset};
use log::{Budget, Error, Log};
use parking_lot::Mutex;
use rdkafka::error::KafkaError;

use crate::append::Producing;
use crate::client::{Context, Health};
use crate::cursor::{Cursor, Polled};
use crate::error::OpenError;
use crate::follow::Follower;
use crate::options::{Options, refused};
use crate::tail::{Fault, Gathered, Tail};
use crate::topic;

/// How long one poll of a reader waits before it looks whether it should go on.
const POLL: Duration = Duration::from_millis(100);

/// How long more is waited for, once something was read.
const MORE: Duration = Duration::from_millis(2);

/// How many consumers are kept for those who read what is not the end.
const CURSORS_MAX: usize = 2;

/// How long the brokers get to say where the topic begins and ends, when it is opened.
const ANSWER: Duration = Duration::from_secs(30);

/// A log on Kafka.
pub struct KafkaLog {
    options: Options,
    health: Arc<Health>,
    tail: Arc<Tail>,
    producing: Producing,
    cursors: Mutex<Vec<Cursor>>,
    stop: Arc<AtomicBool>,
    verified: Arc<AtomicU64>,
    following: Option<JoinHandle<()>>,
}

impl KafkaLog {
    /// Opens the log on a topic, if the topic keeps what a log promises.
    ///
    /// # Errors
    /// When it does not, when it can't be reached, or when it begins or ends in what can't be read.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        topic::check(&options)?;
        let health = Arc::new(Health::default());
        let context = Context { health: Arc::clone(&health) };
        let fault = |step| {
            let topic = options.topic.clone();
            move |source: KafkaError| OpenError::Kafka { topic, step, source }
        };
        let cannot = |fault: Fault| OpenError::Log(fault.error(&options.topic));
        let mut cursor = Cursor::new(&options, context, 0).map_err(cannot)?;
        let (low, end) = cursor.watermarks(ANSWER).map_err(fault("be asked where it ends"))?;
        if low > 0 {
            return Err(OpenError::Deleted { topic: options.topic, first: low });
        }
        let stop = Arc::new(AtomicBool::new(false));
        let last = match end.checked_sub(1) {
            None => None,
            Some(last) => {
                cursor.go_to(last).map_err(cannot)?;
                first_found(&mut cursor, end, &stop, &health).map_err(cannot)?.ok()
            }
        };
        cursor.go_to(end).map_err(cannot)?;
        let producing = Producing::new(&options, &health)
            .map_err(|error| OpenError::Options(refused(error)))?;
        let tail = Arc::new(Tail::new(end, last));
        let verified = Arc::new(AtomicU64::new(0));
        let follower = Follower {
            options: options.clone(),
            cursor,
            tail: Arc::clone(&tail),
            health: Arc::clone(&health),
            stop: Arc::clone(&stop),
            verified: Arc::clone(&verified),
        };
        let thread = std::thread::Builder::new().name("kafka".into());
        let following = Some(thread.spawn(|| follower.run()).map_err(OpenError::Thread)?);
        let cursors = Mutex::default();
        Ok(Self { options, health, tail, producing, cursors, stop, verified, following })
    }

    /// How many appends wait for the brokers.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.producing.waiting()
    }

    /// How often the last record was read again, after a silence or a break, and was the same.
    #[must_use]
    pub fn verified(&self) -> u64 {
        self.verified.load(Ordering::Relaxed)
    }

    fn error(&self, fault: &Fault) -> Error {
        fault.error(&self.options.topic)
    }

    /// A consumer for what stands from an offset on: one that stands there already, if there is.
    fn cursor(&self, from: Offset) -> Result<Cursor, Fault> {
        let idle = {
            let mut cursors = self.cursors.lock();
            let there = cursors.iter().position(|cursor| cursor.next() == from);
            match there {
                Some(there) => Some(cursors.swap_remove(there)),
                None if cursors.len() >= CURSORS_MAX => cursors.pop(),
                None => None,
            }
        };
        match idle {
            None => Cursor::new(&self.options, Context { health: Arc::clone(&self.health) }, from),
            Some(mut cursor) => {
                if cursor.next() != from {
                    cursor.go_to(from)?;
                }
                Ok(cursor)
            }
        }
    }

    /// Reads what is not kept in memory.
    fn read_old(&self, from: Offset, end: Offset, budget: Budget) -> Result<Gathered, Fault> {
        let mut cursor = self.cursor(from)?;
        let mut gathered = Gathered::new(from, budget);
        let first = first_found(&mut cursor, end, &self.stop, &self.health)?;
        let mut has_room = gathered.take(first);
        while has_room && cursor.next() < end {
            match cursor.poll(MORE)? {
                Polled::Found(found) => has_room = gathered.take(found),
                Polled::Nothing | Polled::End | Polled::Away(_) => break,
            }
        }
        if let Some(fault) = self.tail.fault() {
            return Err(fault);
        }
        self.cursors.lock().push(cursor);
        Ok(gathered)
    }
}

/// Waits for what stands next, below the end of the topic, however long that takes.
fn first_found(
    cursor: &mut Cursor,
    end: Offset,
    stop: &AtomicBool,
    health: &Health,
) -> Result<Result<Content, u8>, Fault> {
    let mut is_fresh = false;
    while !stop.load(Ordering::Relaxed) {
        match cursor.poll(POLL)? {
            Polled::Found(found) => {
                health.here();
                return Ok(found);
            }
            // The end was reached from here, and no message stood below it.
            Polled::End if cursor.next() < end && is_fresh => return Ok(cursor.skip()),
            // It may have been said when the topic ended here.
            Polled::End if cursor.next() < end => {
                is_fresh = true;
                cursor.go_to(cursor.next())?;
            }
            Polled::End | Polled::Nothing => {}
            Polled::Away(why) => health.away(&why),
        }
    }
    Err(Fault::Ended)
}

impl Log for KafkaLog {
    fn append(&self, contents: &[Content]) -> Result<Offset, Error> {
        contents.iter().try_for_each(log::check)?;
        let known = self.end()?;
        if contents.is_empty() {
            return Ok(known);
        }
        let log = || format!("in the topic {}", self.options.topic);
        if self.producing.is_closed() {
            return Err(Error::Ended { log: log() });
        }
        let last = self.producing.append(contents).map_err(|why| {
            let fault = self.tail.fault();
            fault.map_or_else(|| Error::Interrupted { log: log(), why }, |it| self.error(&it))
        })?;
        if last < known {
            let what = format!("it was read up to {known}, and takes records at {last}");
            self.tail.fail(Fault::Exchanged(what));
        }
        // What was appended is there for whoever reads it next.
        self.tail.wait(last, None).map_err(|fault| self.error(&fault))?;
        Ok((last + 1).saturating_sub(contents.len() as Offset))
    }

    fn end(&self) -> Result<Offset, Error> {
        self.tail.end().map_err(|fault| self.error(&fault))
    }

    fn read(&self, from: Offset, budget: Budget) -> Result<Vec<Entry>, Error> {
        let end = self.end()?;
        if from >= end {
            return Ok(Vec::new());
        }
        let kept = self.tail.read(from, budget).map_err(|fault| self.error(&fault))?;
        let gathered = match kept {
            Some(kept) => kept,
            None => self.read_old(from, end, budget).map_err(|fault| self.error(&fault))?,
        };
        gathered.finish()
    }

    fn wait(&self, beyond: Offset, at_most: Duration) -> Result<Offset, Error> {
        self.tail.wait(beyond, Some(at_most)).map_err(|fault| self.error(&fault))
    }

    fn why_away(&self) -> Option<String> {
        self.health.why_away()
    }

    fn close(&self) {
        self.producing.close();
        self.stop.store(true, Ordering::Relaxed);
        self.tail.fail(Fault::Ended);
    }
}

impl Drop for KafkaLog {
    fn drop(&mut self) {
        self.close();
        if let Some(following) = self.following.take() {
            let _ = following.join();
        }
    }
}
