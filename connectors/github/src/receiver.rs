//! Taking deliveries: what they tell is appended as activities, and what they change is read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ci::{Delivery, Refused, Taken};
use connector::Emitter;
use event::Offset;
use event::vocabulary::ScopeName;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::map::changes::{self, Change};
use crate::pattern::Patterns;
use crate::{Config, Error};

/// Changes that may wait to be read.
const CHANGES_WAITING: usize = 4096;

/// How long an answer waits until what has changed is read. GitHub gives up after ten seconds; what
/// takes longer is read all the same.
const READ_WAITS: Duration = Duration::from_secs(7);

/// A change that was delivered. The paths that it touched are looked through as it arrives, so that
/// little waits.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) change: Change,
    /// Whether it may have touched a catalog file.
    pub(crate) touches: bool,
    /// Dropped once the change is in the log, or could not be read.
    _done: oneshot::Sender<()>,
}

/// Scopes that somebody wants read again, each with the last record by which.
pub type Refreshes = BTreeMap<ScopeName, Offset>;

/// The connector's end of what is asked of it between its own looks: what is delivered, and what
/// somebody wants read again.
#[derive(Debug)]
pub struct Requests {
    /// Which of its scopes are wanted read again, as that changes.
    pub(crate) refreshes: watch::Receiver<Arc<Refreshes>>,
    pub(crate) changes: mpsc::Receiver<Request>,
    /// Keeps the channel open where nothing is delivered.
    pub(crate) open: mpsc::Sender<Request>,
    /// Whether more was delivered than could wait.
    pub(crate) missed: Arc<AtomicBool>,
}

impl Requests {
    /// These, and which of its scopes somebody wants read again, as that changes.
    #[must_use]
    pub fn with_refreshes(self, refreshes: watch::Receiver<Arc<Refreshes>>) -> Self {
        Self { refreshes, ..self }
    }
}

/// Where deliveries arrive.
pub struct Receiver {
    activities: ci::Receiver,
    changes: mpsc::Sender<Request>,
    missed: Arc<AtomicBool>,
    is_gitea: bool,
    paths: Patterns,
}

/// Where deliveries of a connector arrive, if it takes any, and what [`crate::run`] reads of them.
///
/// # Errors
/// When it has no secret by which they could be known.
pub fn receiver(config: &Config, emitter: Emitter) -> Result<(Option<Receiver>, Requests), Error> {
    let (sender, changes) = mpsc::channel(CHANGES_WAITING);
    let missed = Arc::new(AtomicBool::new(false));
    let (_, refreshes) = watch::channel(Arc::default());
    let (open, told) = (sender.clone(), Arc::clone(&missed));
    let requests = Requests { refreshes, changes, open, missed: told };
    let Some(secret) = &config.secret else { return Ok((None, requests)) };
    let wrong = |error: ci::Error| Error::Wrong { id: config.id.clone(), why: error.to_string() };
    let own = ci::Config::github(&config.id, secret).map_err(wrong)?;
    let activities = ci::Receiver::new(own, emitter);
    let (is_gitea, paths) = (config.host.is_gitea, config.paths.clone());
    Ok((Some(Receiver { activities, changes: sender, missed, is_gitea, paths }), requests))
}

impl Receiver {
    /// These deliveries were taken before this receiver was there, the latest last.
    pub fn remember<'a>(&self, ids: impl IntoIterator<Item = &'a str>) {
        self.activities.remember(ids);
    }

    /// Takes a delivery: returns once what it tells is durable, and, where that does not take long,
    /// what it changes is read. Says how many changes there are besides.
    ///
    /// # Errors
    /// When it is forged, replayed or not understood, or can't be appended.
    pub async fn take(&self, delivery: &Delivery) -> Result<(Taken, usize), Refused> {
        // Its signature is seen to first.
        let taken = self.activities.take(delivery).await?;
        let event = delivery.header("x-github-event").unwrap_or_default();
        let changes = changes::read(event, &delivery.body);
        let changes = changes.map_err(|why| Refused::Malformed { why })?;
        let count = changes.len();
        let mut waiting = Vec::with_capacity(count);
        for mut change in changes {
            let mut touches = true;
            if let Change::Repository { touched, .. } = &mut change {
                // A Gitea does not say whether a push was forced.
                let paths = touched.take().filter(|_| !self.is_gitea);
                touches = paths.is_none_or(|all| all.iter().any(|path| self.paths.take(path)));
            }
            let (done, read) = oneshot::channel();
            if self.changes.try_send(Request { change, touches, _done: done }).is_err() {
                self.missed.store(true, Ordering::Relaxed);
            } else {
                waiting.push(read);
            }
        }
        let all = async {
            for read in waiting {
                let _ = read.await;
            }
        };
        // Whether it is read by then or not: it is taken.
        let _ = timeout(READ_WAITS, all).await;
        Ok((taken, count))
    }
}
