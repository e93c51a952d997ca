//! Asking again what may be over soon, and waiting for limits.

use std::sync::Arc;
use std::time::Duration;

use connector::{Emitter, Voice};
use event::vocabulary::ConnectorState;
use http::HeaderMap;
use parking_lot::Mutex;
use tokio::time::sleep;

use crate::budget::{Limits, Meter, Told};
use crate::{Failure, now_s};

/// How often it is asked again after what may be over soon, and how long is waited the first time.
const TRIES_MAX: u32 = 4;
const AGAIN: Duration = Duration::from_secs(1);

/// A wait of which the log is told.
const LONG: Duration = Duration::from_secs(120);

/// How often a limit may be met, one time after the other, before it is given up for now.
pub(crate) const LIMITS_MAX: u32 = 20;

/// What is shorter is no secret, but would make words unreadable.
const SECRET_BYTES_MIN: usize = 8;

/// Where limits are told of.
pub type Tells = (Emitter, Arc<Voice>);

/// What came of a try.
pub(crate) enum Tried<T> {
    /// What was asked for.
    Answer(HeaderMap, T),
    /// It is worth another try after a while.
    Again(String),
    /// A limit was met.
    Limited(Limits),
    /// It was refused, and there are other credentials now.
    Renewed(Failure),
    Failed(Failure),
}

/// How one budget of a source is spent.
pub(crate) struct Patience {
    /// Who is asked, in messages.
    who: &'static str,
    tells: Option<Tells>,
    /// Whether it is told how much is left, or only that it is waited.
    tells_all: bool,
    /// What no failure may repeat.
    secrets: Vec<Box<str>>,
    meter: Mutex<Meter>,
}

impl Patience {
    pub(crate) fn new(who: &'static str, tells: Option<Tells>, tells_all: bool) -> Self {
        Self { who, tells, tells_all, secrets: Vec::new(), meter: Mutex::default() }
    }

    /// One whose failures repeat none of these.
    pub(crate) fn hiding(self, secrets: impl IntoIterator<Item = Box<str>>) -> Self {
        let secrets = secrets.into_iter().filter(|secret| secret.len() >= SECRET_BYTES_MIN);
        Self { secrets: secrets.collect(), ..self }
    }

    /// Tries until there is an answer, or no more can be done.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) async fn ask<T, F: Future<Output = Tried<T>>>(
        &self,
        attempt: impl FnMut() -> F,
    ) -> Result<(HeaderMap, T), Failure> {
        self.try_and_again(attempt).await.map_err(|failure| failure.without(&self.secrets))
    }

    async fn try_and_again<T, F: Future<Output = Tried<T>>>(
        &self,
        mut attempt: impl FnMut() -> F,
    ) -> Result<(HeaderMap, T), Failure> {
        let (mut tries, mut limits) = (0, 0);
        loop {
            let wait = self.meter.lock().wait(now_s());
            if let Some(wait) = wait {
                self.wait(wait).await;
            }
            match attempt().await {
                Tried::Answer(headers, answer) => {
                    self.meter.lock().went_well();
                    self.note(Limits::of(&headers).told);
                    return Ok((headers, answer));
                }
                Tried::Limited(told) if limits < LIMITS_MAX => {
                    limits += 1;
                    self.limited(told).await;
                }
                Tried::Limited(_) => {
                    let why = format!("{}'s limits were met again and again", self.who);
                    return Err(Failure::Away { why });
                }
                Tried::Again(why) if tries + 1 < TRIES_MAX => {
                    tracing::debug!(why, "a source is asked again");
                    sleep(AGAIN * 2_u32.pow(tries)).await;
                    tries += 1;
                }
                Tried::Again(why) => return Err(Failure::Away { why }),
                Tried::Renewed(_) if tries == 0 => tries += 1,
                Tried::Renewed(failure) | Tried::Failed(failure) => return Err(failure),
            }
        }
    }

    /// A limit was met: waits as long as the source asks for.
    pub(crate) async fn limited(&self, limits: Limits) {
        let wait = self.meter.lock().refused(limits, now_s());
        self.wait(wait).await;
    }

    async fn wait(&self, wait: Duration) {
        let (who, seconds) = (self.who, wait.as_secs());
        tracing::warn!(who, seconds, "the limits of a source are waited for");
        self.tell(Some(now_s() + seconds));
        if let Some((_, voice)) = self.tells.as_ref().filter(|_| wait >= LONG) {
            let why = format!("{who}'s limits are met; it goes on when they let it");
            // When the catalog is being stopped nobody asks for it.
            let _ = voice.say(ConnectorState::Stale, Some(why)).await;
        }
        sleep(wait).await;
        self.tell(None);
    }

    /// Takes in what an answer says of the budget.
    pub(crate) fn note(&self, told: Option<Told>) {
        let is_new = {
            let mut meter = self.meter.lock();
            let before = *meter;
            meter.note(told);
            *meter != before
        };
        if is_new {
            self.tell(None);
        }
    }

    fn tell(&self, waits_until_s: Option<u64>) {
        let Some((emitter, _)) = &self.tells else { return };
        if !self.tells_all && waits_until_s.is_none() {
            return;
        }
        let budget = self.meter.lock().shown(waits_until_s);
        if let Some(budget) = budget {
            // When the catalog is being stopped nobody asks for it.
            let _ = emitter.budget(budget);
        }
    }
}
