//! Writing topics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use api::{Api, Stands, Teller, Telling, Told};
use log_kafka::{Breaker, Form, Options, Outgoing, Outlet, Standing};
use parking_lot::Mutex;
use processor::Progress;

use super::fare::{How, TopicFare};
use crate::node::cannot_open;

/// How many messages back it is looked for the last one of ours.
const TAIL: u64 = 1000;

/// How long it is waited for something new, before it is looked whether to go on.
const POLL: Duration = Duration::from_millis(200);

/// How often it is looked, while nothing is written, what others may have written.
const LOOK: Duration = Duration::from_secs(5);

/// How long it is waited before what failed is begun again: twice as long each time.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(60);

/// Messages of others that come while theirs are being mended: after so many rounds it is given up.
const ROUNDS_MAX: usize = 10;

/// Makes the topics where that is wanted, and looks whether they are as they have to be.
pub(crate) fn check(topics: &[Options]) -> Result<()> {
    topics.iter().try_for_each(|options| Outlet::check(options).map_err(cannot_open))
}

/// The topics that are being written.
pub(crate) struct Topics {
    stop: Arc<AtomicBool>,
    writing: Vec<(Arc<Writer>, JoinHandle<()>)>,
}

impl Topics {
    /// Begins to write topics.
    pub(crate) fn start(
        topics: &[(Options, Arc<TopicFare>)],
        api: &Api,
        progress: &Arc<Progress>,
    ) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut started = Self { stop: Arc::clone(&stop), writing: Vec::new() };
        for (options, fare) in topics {
            let writer = Arc::new(Writer {
                options: options.clone(),
                fare: Arc::clone(fare),
                api: api.clone(),
                progress: Arc::clone(progress),
                stop: Arc::clone(&stop),
                breaker: Mutex::default(),
            });
            let thread = std::thread::Builder::new().name("topic".into());
            let run = Arc::clone(&writer);
            started.writing.push((writer, thread.spawn(move || run.run())?));
        }
        Ok(started)
    }

    /// Stops writing: what is not sent yet never will be, by this node.
    pub(crate) fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for (writer, _) in &self.writing {
            if let Some(breaker) = &*writer.breaker.lock() {
                breaker.break_off();
            }
        }
        for (writer, thread) in self.writing.drain(..) {
            if thread.join().is_err() {
                tracing::error!(topic = writer.options.topic, "what writes a topic broke off");
            }
            writer.fare.rests();
        }
    }
}

impl Drop for Topics {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Writer {
    options: Options,
    fare: Arc<TopicFare>,
    api: Api,
    progress: Arc<Progress>,
    stop: Arc<AtomicBool>,
    /// What breaks off what is being sent.
    breaker: Mutex<Option<Breaker>>,
}

impl Writer {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Writes until it is told to stop, whatever fails meanwhile.
    fn run(&self) {
        let mut pause = AGAIN_AFTER;
        while !self.is_stopped() {
            let begun = Instant::now();
            let Err(error) = self.write() else { return };
            if self.is_stopped() {
                return;
            }
            if begun.elapsed() > AGAIN_AFTER_MAX {
                pause = AGAIN_AFTER;
            }
            let (topic, error) = (&self.options.topic, format!("{error:#}"));
            tracing::error!(topic, error, "a topic can't be written; it is tried again");
            self.fare.is(How::Failed(error));
            let until = Instant::now() + pause;
            while !self.is_stopped() && Instant::now() < until {
                std::thread::park_timeout(POLL);
            }
            pause = (pause * 2).min(AGAIN_AFTER_MAX);
        }
    }

    fn write(&self) -> Result<()> {
        let mut outlet = Outlet::open(&self.options).map_err(cannot_open)?;
        *self.breaker.lock() = Some(outlet.breaker());
        let tail = outlet.tail(TAIL)?;
        let named = |error: api::TellError| anyhow!("the topic {}: {error}", self.options.topic);
        let (telling, bytes_max) = match self.options.form {
            Form::State => (Telling::State, Form::State.message_bytes_max()),
            Form::Changes | Form::Log => (Telling::Changes, Form::Changes.message_bytes_max()),
        };
        let stands: Vec<Stands<'_>> = tail.iter().map(stands).collect();
        // Headers need room, too.
        let mut teller =
            Teller::resume(&self.api, telling, &stands, bytes_max - (32 << 10)).map_err(named)?;
        let keyed = tail.iter().filter_map(|one| Some((one.key.as_deref()?, self::stands(one))));
        let suspects = teller.suspects(keyed);
        self.follow(&mut outlet, &teller, &suspects)?;
        let (topic, next) = (&self.options.topic, outlet.next());
        tracing::info!(topic, next, position = teller.offset(), "the topic is written");
        self.fare.is(How::Following(outlet.breaker()));
        let mut looked = Instant::now();
        while !self.is_stopped() {
            let next = teller.step(outlet.next()).map_err(named)?;
            self.send(&mut outlet, &teller, next.messages)?;
            self.fare.told(teller.offset());
            if !next.is_at_end {
                continue;
            }
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                self.look(&mut outlet, &teller)?;
            }
            self.progress.wait(teller.offset() + 1, POLL)?;
        }
        Ok(())
    }

    /// Sends messages, and what has to follow those that others sent meanwhile.
    fn send(&self, outlet: &mut Outlet, teller: &Teller, messages: Vec<Told>) -> Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        let messages: Vec<Outgoing> = messages.into_iter().map(outgoing).collect();
        let others = outlet.send(&messages)?;
        self.fare.messages.inc_by(messages.len() as u64);
        self.mend(outlet, teller, others)
    }

    /// Looks what others have sent while nothing was.
    fn look(&self, outlet: &mut Outlet, teller: &Teller) -> Result<()> {
        let others = outlet.others()?;
        self.mend(outlet, teller, others)
    }

    fn mend(&self, outlet: &mut Outlet, teller: &Teller, others: Vec<Standing>) -> Result<()> {
        let mut others = others;
        for _ in 0..ROUNDS_MAX {
            if others.is_empty() {
                return Ok(());
            }
            let (topic, offset) = (&self.options.topic, others[0].offset);
            let count = others.len();
            tracing::warn!(topic, offset, count, "somebody else writes into the topic");
            self.fare.foreign.inc_by(count as u64);
            let mut keys: Vec<&str> = others.iter().filter_map(|one| one.key.as_deref()).collect();
            keys.sort_unstable();
            keys.dedup();
            let messages = teller.mend(&keys, outlet.next())?;
            if messages.is_empty() {
                return Ok(());
            }
            let messages: Vec<Outgoing> = messages.into_iter().map(outgoing).collect();
            others = outlet.send(&messages)?;
            self.fare.messages.inc_by(messages.len() as u64);
        }
        Err(anyhow!("somebody else writes into the topic {} without end", self.options.topic))
    }

    /// Lets the entities follow as they are behind such keys.
    fn follow(&self, outlet: &mut Outlet, teller: &Teller, keys: &[&str]) -> Result<()> {
        let messages = teller.mend(keys, outlet.next())?;
        self.send(outlet, teller, messages)
    }
}

fn stands(standing: &Standing) -> Stands<'_> {
    Stands { offset: standing.offset, headers: &standing.headers }
}

fn outgoing(told: Told) -> Outgoing {
    let Told { key, headers, value } = told;
    Outgoing { key, headers, value: value.map(Into::into) }
}
