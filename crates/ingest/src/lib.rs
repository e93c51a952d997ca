//! What stands between connectors and the log: snapshots are compared with what is known of their
//! scope, only what differs is stamped and appended.
//!
//! [`Ingest`] is one node's way to the log. A source (one connector instance) appends through an
//! [`Appender`], which gives its records their ids, times, salts and numbers. [`Ingest::serve`]
//! takes what a connector emits; commands of the API call [`Ingest::take`] and
//! [`Appender::append`] themselves. What is known comes through a port, [`Known`], since the views
//! stand further down.
//!
//! What is absent: reading sources (connectors), folding, and serving.
//!
//! Invariant: this is the only place where a clock or randomness enters; everything behind the log
//! is a function of the log.
//! Invariant: a document that is valid and known already is not appended again.
//! Invariant: nothing is withdrawn on the word of a snapshot that was not ended.

mod appender;
mod boot;
mod changes;
mod compare;
mod fares;
mod guard;
mod known;
mod locations;
mod said;
mod serve;
mod text;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use connector::EmitError;
use event::vocabulary::ScopeName;
use event::{Offset, SourceName, Timestamp};
use log::Log;
use model::kinds::Kinds;
use model::validate::Validator;
use parking_lot::{Condvar, Mutex};

use appender::Ticket;
pub use appender::{Appender, Draft};
pub use boot::{Boot, BootError, LOG_SOURCE, boot, say_erased};
pub use changes::ChangeItem;
pub use fares::Fare;
pub use guard::Guard;
pub use known::{Known, KnownError, KnownScope, KnownSource};
pub use locations::WantedLocation;
pub use verdict::{Accepted, Judge, Verdict};

/// How far this machine's clock may be behind the log before appending is refused.
const CLOCK_BEHIND_MAX: Duration = Duration::from_mins(1);

/// How long a snapshot waits for the views before it gives up.
const FOLD_WAIT_MAX: Duration = Duration::from_mins(10);

/// The time, as this machine tells it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The clock of the machine.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let us = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        i64::try_from(us).ok().and_then(Timestamp::from_micros).unwrap_or_default()
    })
}

/// How a node appends.
#[derive(Clone, Debug)]
pub struct Options {
    /// The node's name, in the names of the sources that are its own.
    pub node: String,
    /// What withdrawals pass without being asked about.
    pub guard: Guard,
    /// How often a scope in which nothing changes is said to have been looked at.
    pub verified_every: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            node: "node".into(),
            guard: Guard::default(),
            verified_every: Duration::from_hours(24),
        }
    }
}

/// What a node said last of a scope, and has not seen folded.
#[derive(Clone, Debug)]
enum Pending {
    Appended(Offset),
    HandedIn(Ticket),
}

/// One node's way to the log.
pub struct Ingest {
    log: Arc<dyn Log>,
    known: Arc<dyn Known>,
    clock: Clock,
    judge: Judge,
    options: Options,
    /// The last record of each scope that this node appended and had not seen folded.
    pending: Mutex<BTreeMap<ScopeName, Pending>>,
    /// Scopes that are being compared, each by one at a time.
    busy: Mutex<BTreeSet<ScopeName>>,
    freed: Condvar,
    fares: Mutex<BTreeMap<SourceName, Fare>>,
}

impl Ingest {
    /// A way to a log, for documents of these kinds.
    ///
    /// # Errors
    /// When a custom kind can't be used.
    pub fn new(
        log: Arc<dyn Log>,
        known: Arc<dyn Known>,
        clock: Clock,
        kinds: &Kinds,
        options: Options,
    ) -> Result<Self, model::validate::ValidatorError> {
        Ok(Self {
            log,
            known,
            clock,
            judge: Judge::new(Validator::new(kinds)?, kinds.clone()),
            options,
            pending: Mutex::default(),
            busy: Mutex::default(),
            freed: Condvar::new(),
            fares: Mutex::default(),
        })
    }

    /// What validates documents.
    #[must_use]
    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// Why nothing can be appended now, where the log is away.
    #[must_use]
    pub fn why_away(&self) -> Option<String> {
        self.log.why_away()
    }

    /// What is known of the catalog.
    #[must_use]
    pub fn known(&self) -> &Arc<dyn Known> {
        &self.known
    }

    /// Waits until what this node appended for a scope is folded, so that a comparison sees it.
    fn settle(&self, scope: &ScopeName) -> Result<(), EmitError> {
        let waits_for = self.pending.lock().get(scope).cloned();
        let offset = match waits_for {
            None => return Ok(()),
            Some(Pending::Appended(offset)) => offset,
            Some(Pending::HandedIn(ticket)) => ticket.wait()?,
        };
        self.wait(offset)?;
        self.pending.lock().retain(|other, pending| match pending {
            Pending::Appended(appended) => *appended > offset,
            Pending::HandedIn(_) => other != scope,
        });
        Ok(())
    }

    /// Waits until a record is folded.
    ///
    /// # Errors
    /// When the views don't get there.
    pub fn wait(&self, offset: Offset) -> Result<(), EmitError> {
        match self.known.wait(offset, FOLD_WAIT_MAX) {
            Ok(true) => Ok(()),
            Ok(false) => Err(EmitError::Known { why: "the views do not follow the log".into() }),
            Err(error) => Err(EmitError::Known { why: error.to_string() }),
        }
    }

    /// Refuses to append while this machine's clock is far behind the log: its records would seem
    /// to be older than what they follow.
    fn check_clock(&self) -> Result<(), EmitError> {
        let Some(tail) = self.known.clock() else {
            return Ok(());
        };
        let now = (self.clock)();
        let behind_us = tail.as_micros().saturating_sub(now.as_micros());
        let behind = Duration::from_micros(u64::try_from(behind_us).unwrap_or(0));
        if behind > CLOCK_BEHIND_MAX {
            return Err(EmitError::Clock { behind_s: behind.as_secs() });
        }
        Ok(())
    }

    /// Takes a scope for itself until the guard is dropped.
    fn occupy(&self, scope: &ScopeName) -> Occupied<'_> {
        let mut busy = self.busy.lock();
        while !busy.insert(scope.clone()) {
            self.freed.wait(&mut busy);
        }
        Occupied { ingest: self, scope: scope.clone() }
    }
}

/// A scope that nobody else compares meanwhile.
struct Occupied<'a> {
    ingest: &'a Ingest,
    scope: ScopeName,
}

impl Drop for Occupied<'_> {
    fn drop(&mut self) {
        self.ingest.busy.lock().remove(&self.scope);
        self.ingest.freed.notify_all();
    }
}
