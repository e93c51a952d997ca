//! The thread that follows the topic's end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use event::{Content, Offset, no_message};

use crate::client::{Context, Health};
use crate::cursor::{Cursor, Polled};
use crate::options::Options;
use crate::tail::{Fault, Tail, leaf};

/// How long one poll waits.
const POLL: Duration = Duration::from_millis(100);

/// After such a silence what was read last is read again before anything new counts, and the
/// brokers are asked where the topic begins and ends.
const SILENCE: Duration = Duration::from_secs(2);

/// So often the last record is read again in any case: a topic may be made anew with as many
/// records while nothing is heard of it.
const VERIFY: Duration = Duration::from_secs(10);

/// After so long without an answer another consumer is tried: librdkafka refuses the word of brokers
/// that know less than they did, as those do that were restored from an old copy.
const RENEW: Duration = Duration::from_secs(10);

/// How long the brokers get to say where the topic begins and ends.
const ANSWER: Duration = Duration::from_secs(2);

/// So often the brokers have to say that the topic ends before what was read.
const SHORTER_MAX: u32 = 3;

/// Reads what comes, and makes sure that it follows what was read before.
///
/// A topic that was made anew, or a broker that was restored from an old copy, and that has grown
/// beyond what was read, is read on by librdkafka without a word. Either takes time, or breaks
/// connections. So after a silence and after each break the last record is read again: only when
/// its leaf is the same, what comes after it counts.
pub(crate) struct Follower {
    pub(crate) options: Options,
    pub(crate) cursor: Cursor,
    pub(crate) tail: Arc<Tail>,
    pub(crate) health: Arc<Health>,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) verified: Arc<AtomicU64>,
}

/// What is known of the last record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// What comes next follows it.
    Follows,
    /// It is read again.
    Verifying,
}

struct Course {
    trust: Trust,
    /// When something came last, and when the brokers were asked.
    heard: Instant,
    asked: Instant,
    verified: Instant,
    renewed: Instant,
    breaks: u64,
    shorter: u32,
}

impl Follower {
    /// Follows until it is told to stop, or the topic can't be trusted.
    pub(crate) fn run(mut self) {
        let now = Instant::now();
        let breaks = self.health.breaks();
        let mut course = Course {
            trust: Trust::Follows,
            heard: now,
            asked: now,
            verified: now,
            renewed: now,
            breaks,
            shorter: 0,
        };
        while !self.stop.load(Ordering::Relaxed) {
            if let Err(fault) = self.step(&mut course) {
                let error = fault.error("");
                tracing::error!(error = error.to_string(), "the topic is not followed any more");
                self.tail.fail(fault);
                return;
            }
        }
    }

    fn step(&mut self, course: &mut Course) -> Result<(), Fault> {
        let is_away = self.health.away_for().is_some_and(|away| away >= RENEW);
        if is_away && course.renewed.elapsed() >= RENEW {
            course.renewed = Instant::now();
            let context = Context { health: Arc::clone(&self.health) };
            self.cursor = Cursor::new(&self.options, context, self.cursor.next())?;
            self.verify(course)?;
        }
        let broke = self.health.breaks() != course.breaks;
        let is_due = course.heard.max(course.verified).elapsed() >= VERIFY;
        if (broke || is_due) && course.trust == Trust::Follows {
            course.breaks = self.health.breaks();
            self.verify(course)?;
        }
        match self.cursor.poll(POLL)? {
            Polled::Found(found) => {
                self.health.here();
                let at = self.cursor.next() - 1;
                self.found(at, found, course)?;
                course.heard = Instant::now();
            }
            Polled::End => self.health.here(),
            Polled::Away(why) => self.health.away(&why),
            Polled::Nothing => {}
        }
        if course.heard.elapsed() >= SILENCE && course.asked.elapsed() >= SILENCE {
            course.asked = Instant::now();
            self.ask(course)?;
        }
        Ok(())
    }

    /// Reads the last record again, if there is one.
    fn verify(&mut self, course: &mut Course) -> Result<(), Fault> {
        if let Some((last, _)) = self.tail.last() {
            self.cursor.go_to(last)?;
            course.trust = Trust::Verifying;
        }
        Ok(())
    }

    fn found(
        &mut self,
        at: Offset,
        found: Result<Content, u8>,
        course: &mut Course,
    ) -> Result<(), Fault> {
        if course.trust == Trust::Follows {
            // Nothing that comes after a silence counts before what came before it is seen again.
            if course.heard.elapsed() >= SILENCE && self.tail.last().is_some() {
                return self.verify(course);
            }
            self.tail.push(found);
            return Ok(());
        }
        if let Some((last, content)) = self.tail.last()
            && last == at
        {
            let same = found.as_ref().is_ok_and(|found| leaf(found) == leaf(&content));
            if !same {
                return Err(Fault::Exchanged(format!("another record stands at offset {at} now")));
            }
            self.verified.fetch_add(1, Ordering::Relaxed);
            course.verified = Instant::now();
            course.trust = Trust::Follows;
        }
        Ok(())
    }

    /// Asks where the topic begins and ends.
    fn ask(&mut self, course: &mut Course) -> Result<(), Fault> {
        let (low, high) = match self.cursor.watermarks(ANSWER) {
            Ok(found) => found,
            Err(error) => {
                self.health.away(&error.to_string());
                return Ok(());
            }
        };
        self.health.here();
        if low > 0 {
            return Err(Fault::Deleted { first: low });
        }
        let Ok(end) = self.tail.end() else { return Ok(()) };
        if high < end {
            course.shorter += 1;
            if course.shorter >= SHORTER_MAX {
                return Err(Fault::Exchanged(format!(
                    "it ends at offset {high}, and was read up to {end}"
                )));
            }
        } else {
            course.shorter = 0;
        }
        if high > end && course.trust == Trust::Follows {
            return self.fill(end, high, course);
        }
        Ok(())
    }

    /// Goes over offsets at the end of the topic at which no message stands: when the end is
    /// reached from there without one, there is none.
    fn fill(&mut self, from: Offset, to: Offset, course: &mut Course) -> Result<(), Fault> {
        self.cursor.go_to(from)?;
        let begun = Instant::now();
        while begun.elapsed() < ANSWER && !self.stop.load(Ordering::Relaxed) {
            match self.cursor.poll(POLL)? {
                // There is one, after all: it counts as after any silence.
                Polled::Found(found) if self.tail.last().is_none() => {
                    self.tail.push(found);
                    return Ok(());
                }
                Polled::Found(_) => return self.verify(course),
                Polled::End => {
                    for _ in from..to {
                        self.tail.push(Ok(no_message()));
                    }
                    return self.cursor.go_to(to);
                }
                Polled::Away(_) => break,
                Polled::Nothing => {}
            }
        }
        self.cursor.go_to(from)
    }
}
