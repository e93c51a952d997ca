//! `annals connectors test` and `run`: what a connector finds, and what ingest would append of it,
//! with nothing kept.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use connector::{Emission, EmitError, Emitter, Outcome, Refused, SnapshotRequest, Start, Target};
use event::SourceName;
use event::vocabulary::ConnectorState;
use ingest::Ingest;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::rehearsal::{Catalog, Show};
use crate::commands::serve::carriers;
use crate::commands::serve::sources::configured;
use crate::config::{Config, own_api_versions};
use crate::connectors::Connector;
use crate::node::{Settings, version};
use crate::retired;

/// How long a source may take to be read once.
const ONCE_MAX: Duration = Duration::from_mins(5);

/// How long a source of which a part is away may take for the rest.
const STALE_MAX: Duration = Duration::from_secs(15);

/// How long a connector that was told to stop may take.
const STOP_MAX: Duration = Duration::from_secs(5);

/// How many refusals are named.
const REFUSALS_MAX: usize = Outcome::REFUSALS_MAX;

/// What is read once.
pub(super) enum Reading {
    /// What a connector of the configuration reads.
    Connector(Box<Connector>),
    /// What locations name by URL.
    Locations(urls::Config),
}

impl Reading {
    /// The name of its source.
    pub(super) fn source(&self) -> String {
        match self {
            Self::Connector(connector) => connector.source(),
            Self::Locations(_) => urls::SOURCE.to_owned(),
        }
    }

    /// Whether there is nothing that could be asked: it is delivered to.
    pub(super) fn is_only_told(&self) -> bool {
        let Self::Connector(connector) = self else { return false };
        matches!(&**connector, Connector::Ci(config) if !config.asks())
    }
}

/// What came of reading a source once.
#[derive(Default)]
pub(super) struct Tried {
    pub(super) source: String,
    /// How many documents, aspects and activities were found, or repositories and projects seen.
    pub(super) found: u64,
    /// How many of them the log does not hold so.
    pub(super) changed: u64,
    /// How many entities would be withdrawn.
    pub(super) gone: u64,
    pub(super) refused: u64,
    /// The first [`REFUSALS_MAX`] of what is refused, whether the log holds that or not.
    pub(super) refusals: Vec<Refused>,
    /// How many withdrawals would be held back.
    pub(super) held: u64,
    /// What is wrong with the source.
    pub(super) why: Option<String>,
}

impl Tried {
    fn add(&mut self, outcome: &Outcome) {
        self.found += outcome.seen;
        self.changed += outcome.changed;
        self.gone += outcome.gone;
        self.refused += outcome.refused;
        self.held += outcome.held.unwrap_or(0);
        let room = REFUSALS_MAX.saturating_sub(self.refusals.len());
        self.refusals.extend(outcome.refusals.iter().take(room).cloned());
    }
}

/// Tries whether a source may be read: credentials and rights where it has some, or else by reading
/// it once.
pub(super) fn test(config: &Config, reading: Reading, catalog: &Catalog) -> Result<Tried> {
    let (source, runtime) = (reading.source(), tokio::runtime::Runtime::new()?);
    let connector = match &reading {
        Reading::Connector(connector) => &**connector,
        Reading::Locations(_) => return once(config, reading, catalog, Box::new(|_, _| {})),
    };
    let (found, missing) = match connector {
        Connector::GitHub(github) => runtime.block_on(github::check(github)),
        Connector::Ci(ci) => runtime.block_on(ci::check(ci)),
        Connector::Files(_)
        | Connector::Kubernetes(_)
        | Connector::Process(_)
        | Connector::Retired(_) => return once(config, reading, catalog, Box::new(|_, _| {})),
    };
    runtime.shutdown_timeout(STOP_MAX);
    let why = (!missing.is_empty()).then(|| missing.join("; "));
    Ok(Tried { source, found, why, ..Tried::default() })
}

/// Reads a source once, and shows what would be appended of it to the log of a catalog.
pub(super) fn once(
    config: &Config,
    reading: Reading,
    catalog: &Catalog,
    show: Show,
) -> Result<Tried> {
    let source = reading.source();
    if reading.is_only_told() {
        return Ok(Tried { source, ..Tried::default() });
    }
    let kinds = config.kinds()?;
    let settings = Settings::new(Some(config), None)?;
    let ingest = catalog.rehearse(&kinds, &settings, show)?;
    let api_versions = own_api_versions(&kinds);
    let runtime = tokio::runtime::Runtime::new()?;
    let tried = runtime.block_on(async {
        let (start, _targets) = begin(config, &reading, catalog)?;
        let (stop, stopping) = watch::channel(false);
        let (emitter, emissions) = connector::channel();
        let carried = catalog.views.as_ref().map(|views| carriers::carried(views)).transpose()?;
        let (_carriers, carried) = watch::channel(Arc::new(carried.unwrap_or_default()));
        let run = tokio::spawn(run(reading, api_versions, start, carried, emitter, stopping));
        let mut tried = take(&ingest, &source, emissions, &stop).await?;
        match tokio::time::timeout(STOP_MAX, run).await {
            Ok(Ok(Err(error))) => tried.why = Some(format!("{error:#}")),
            Ok(Ok(Ok(Some(why)))) => tried.why = Some(why),
            Ok(_) => {}
            Err(_) => tracing::warn!("the connector did not stop in time"),
        }
        Ok(tried)
    });
    runtime.shutdown_timeout(STOP_MAX);
    tried
}

/// With what the connector would be started on the catalog. Its targets stay as they are while
/// their sender is there.
fn begin(
    config: &Config,
    reading: &Reading,
    catalog: &Catalog,
) -> Result<(Start, watch::Sender<Arc<Vec<Target>>>)> {
    let source = SourceName::new(&reading.source())?;
    let known = catalog.known();
    let cursor = known.source(&source)?.and_then(|source| source.cursor);
    let scopes = known.scopes(&format!("{source}/"))?;
    let scopes = scopes.into_iter().map(|(name, _)| name).collect();
    let observed = known.observed(&source)?;
    let github = configured(config, &[])?.github();
    let all = catalog.wanted(&github)?;
    let wanted = match reading {
        Reading::Locations(_) => all.urls,
        Reading::Connector(connector) => match &**connector {
            Connector::GitHub(own) => {
                let mut of = github.iter().zip(all.github);
                of.find(|(of, _)| of.source() == own.source()).map(|(_, of)| of).unwrap_or_default()
            }
            Connector::Ci(_)
            | Connector::Files(_)
            | Connector::Kubernetes(_)
            | Connector::Process(_)
            | Connector::Retired(_) => all.files,
        },
    };
    let (sender, targets) = watch::channel(Arc::new(wanted));
    Ok((Start { cursor, scopes, observed, targets }, sender))
}

/// Runs a connector; gives what it could not read, where it is the only one to say so.
async fn run(
    reading: Reading,
    api_versions: Vec<String>,
    start: Start,
    carried: kubernetes::Carriers,
    emitter: Emitter,
    stopping: watch::Receiver<bool>,
) -> Result<Option<String>> {
    let connector = match reading {
        Reading::Connector(connector) => connector,
        Reading::Locations(config) => {
            return Ok(match urls::once(&config, start, emitter).await {
                Ok(unread) if unread.is_empty() => None,
                Ok(unread) => Some(unread.join("; ")),
                Err(error) => Some(error.to_string()),
            });
        }
    };
    match *connector {
        Connector::Files(config) => {
            files::run(config, api_versions, start, emitter, stopping).await?;
        }
        Connector::Process(config) => process::run(config, start, emitter, stopping).await,
        Connector::GitHub(config) => {
            let (_, requests) = github::receiver(&config, emitter.clone())?;
            github::run(*config, start, emitter, requests, stopping).await;
        }
        Connector::Ci(config) => {
            ci::run(&config, start, emitter, ci::Projects::default(), stopping).await;
        }
        Connector::Kubernetes(config) => {
            kubernetes::run(config, carried, start, emitter, stopping).await;
        }
        Connector::Retired(_) => retired::run(start, emitter, stopping).await,
    }
    Ok(None)
}

/// Hands what is emitted to ingest until the source was read once, or can't be; tells the connector
/// to stop, and adds up what came of it.
async fn take(
    ingest: &Arc<Ingest>,
    source: &str,
    mut emissions: mpsc::Receiver<Emission>,
    stop: &watch::Sender<bool>,
) -> Result<Tried> {
    let appender = ingest.begin(&SourceName::new(source)?, &version())?;
    let (sender, taken) = mpsc::channel(1);
    let taking = Arc::clone(ingest);
    let taking = tokio::task::spawn_blocking(move || taking.serve(&appender, taken));
    let mut tally = Tally::default();
    let mut why = None;
    let mut deadline = Instant::now() + ONCE_MAX;
    loop {
        let Ok(next) = timeout_at(deadline, emissions.recv()).await else {
            let seconds = ONCE_MAX.as_secs();
            why.get_or_insert_with(|| format!("it was not read whole within {seconds} s"));
            break;
        };
        let Some(emission) = next else { break };
        if matches!(emission, Emission::Looked) {
            break;
        }
        let mut is_over = false;
        if let Emission::Status(status) = &emission
            && status.scope.is_none()
            && matches!(status.state, ConnectorState::Failing | ConnectorState::Stale)
        {
            why = status.why.clone().or_else(|| Some("it fails".into()));
            is_over = status.state == ConnectorState::Failing;
            deadline = deadline.min(Instant::now() + STALE_MAX);
        }
        if sender.send(tally.counting(emission)).await.is_err() || is_over {
            break;
        }
    }
    // What is in the middle of something breaks it off.
    stop.send_replace(true);
    drop((sender, emissions));
    taking.await.map_err(|_| anyhow!("taking what was emitted broke off"))?;
    Ok(Tried { source: source.to_owned(), why, ..tally.end().await })
}

type Done = oneshot::Sender<Result<Outcome, EmitError>>;

/// Adds up what comes of emissions before whoever emitted them hears of it.
#[derive(Default)]
struct Tally {
    tried: Arc<Mutex<Tried>>,
    waiting: JoinSet<()>,
}

impl Tally {
    fn counting(&mut self, emission: Emission) -> Emission {
        match emission {
            Emission::Snapshot(SnapshotRequest { scope, approve, items, done }) => {
                let done = self.count(done);
                Emission::Snapshot(SnapshotRequest { scope, approve, items, done })
            }
            Emission::Retired { scopes, approve, why, done } => {
                Emission::Retired { scopes, approve, why, done: self.count(done) }
            }
            Emission::Said { said, done } => Emission::Said { said, done: self.count(done) },
            other => other,
        }
    }

    fn count(&mut self, done: Done) -> Done {
        while self.waiting.try_join_next().is_some() {}
        let (sender, outcome) = oneshot::channel();
        let tried = Arc::clone(&self.tried);
        self.waiting.spawn(async move {
            let Ok(outcome) = outcome.await else { return };
            if let Ok(outcome) = &outcome {
                tried.lock().add(outcome);
            }
            // A connector that no longer listens does not mind.
            let _ = done.send(outcome);
        });
        sender
    }

    async fn end(mut self) -> Tried {
        while self.waiting.join_next().await.is_some() {}
        std::mem::take(&mut *self.tried.lock())
    }
}
