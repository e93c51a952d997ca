//! Running connectors: each with its source, a thread that takes what it emits, and a task.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use connector::{Emitter, Start};
use event::SourceName;
use ingest::Ingest;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::targets::Targets;
use super::{carriers, refreshes};
use crate::config::{Config, own_api_versions};
use crate::connectors::Connector;
use crate::deliveries::{Inbox, Receiver};
use crate::node::{Node, version};
use crate::retired;

/// How long connectors get to stop.
const STOP_MAX: Duration = Duration::from_secs(5);

/// What reads sources: the connectors of a configuration, and what reads the URLs of locations.
#[derive(Clone)]
pub(crate) struct Configured {
    connectors: Vec<Connector>,
    urls: urls::Config,
    /// Where deliveries arrive.
    pub(crate) inbox: Arc<Inbox>,
}

impl Configured {
    /// Those that read a GitHub, with its files that Location entities name.
    pub(crate) fn github(&self) -> Vec<github::Config> {
        let all = self.connectors.iter().filter_map(|connector| match connector {
            Connector::GitHub(config) => Some((**config).clone()),
            Connector::Ci(_)
            | Connector::Files(_)
            | Connector::Kubernetes(_)
            | Connector::Process(_)
            | Connector::Retired(_) => None,
        });
        all.collect()
    }
}

/// The connectors of a configuration, with the paths of the command line as one of their own.
pub(crate) fn configured(config: &Config, catalog: &[PathBuf]) -> Result<Configured> {
    let mut connectors = config.connectors()?;
    if !catalog.is_empty() {
        // What the command line names is relative to where it is typed.
        let files = files::Config::new("catalog", catalog.to_vec());
        connectors.push(Connector::Files(files));
    }
    let inbox = Arc::new(Inbox::new(&connectors)?);
    Ok(Configured { connectors, urls: config.reading.clone(), inbox })
}

/// Connectors that run.
pub(crate) struct Sources {
    tasks: JoinSet<()>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
    failures: tokio::sync::Mutex<mpsc::Receiver<String>>,
}

impl Sources {
    /// Starts connectors.
    pub(crate) fn start(
        node: &Node,
        ingest: &Arc<Ingest>,
        connectors: Configured,
        stopping: &watch::Receiver<bool>,
    ) -> Result<Self> {
        let mut tasks = JoinSet::new();
        let threads = Arc::default();
        let (failed, failures) = mpsc::channel(1);
        let mut targets = Targets::watch(&mut tasks, node, connectors.github(), stopping.clone())?;
        let api_versions = own_api_versions(ingest.judge().kinds());
        connectors.inbox.learn(&*node.log)?;
        for connector in connectors.connectors {
            let source = SourceName::new(&connector.source())?;
            let targets = match &connector {
                Connector::GitHub(_) => targets.github.remove(source.as_str()),
                Connector::Ci(_)
                | Connector::Files(_)
                | Connector::Kubernetes(_)
                | Connector::Process(_)
                | Connector::Retired(_) => None,
            }
            .unwrap_or_else(|| targets.files.clone());
            let (start, emitter) =
                begin(ingest, &source, &threads, |known| Start { targets, ..known })?;
            let (stopping, failed) = (stopping.clone(), failed.clone());
            let beside = Beside {
                api_versions: api_versions.clone(),
                inbox: Arc::clone(&connectors.inbox),
                follows: follows(&connector, &mut tasks, node, &stopping)?,
            };
            tasks.spawn(async move {
                if let Err(error) = run(connector, beside, start, emitter, stopping).await {
                    let _ = failed.send(format!("the connector {source} failed: {error}")).await;
                }
            });
        }
        let reading = Reading {
            ingest: Arc::clone(ingest),
            threads: Arc::clone(&threads),
            config: connectors.urls,
            targets: targets.urls,
            stopping: stopping.clone(),
        };
        tasks.spawn(async move {
            if let Err(error) = reading.run().await {
                let _ = failed.send(format!("the reader of URLs failed: {error}")).await;
            }
        });
        Ok(Self { tasks, threads, failures: tokio::sync::Mutex::new(failures) })
    }

    /// Ends when a connector fails, with why.
    pub(crate) async fn failed(&self) -> String {
        match self.failures.lock().await.recv().await {
            Some(why) => why,
            None => std::future::pending().await,
        }
    }

    /// Waits until the connectors, which were told, have stopped, and all that they emitted is
    /// appended.
    pub(crate) async fn stop(mut self) {
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_MAX, all).await.is_err() {
            tracing::warn!("a connector did not stop in time");
        }
        drop(self.tasks);
        let threads = std::mem::take(&mut *self.threads.lock());
        let joined = tokio::task::spawn_blocking(move || {
            threads.into_iter().all(|thread| thread.join().is_ok())
        });
        if !joined.await.unwrap_or(false) {
            tracing::error!("a thread that takes emissions broke off");
        }
    }
}

/// Takes what a CI system delivers, and asks it.
async fn follow_ci(
    config: ci::Config,
    start: Start,
    emitter: Emitter,
    inbox: &Inbox,
    mut stopping: watch::Receiver<bool>,
) {
    let id = config.id().to_owned();
    let projects = ci::Projects::default();
    if config.is_delivered_to() {
        let receiver = ci::Receiver::new(config.clone(), emitter.clone());
        let receiver = receiver.knowing(projects.clone());
        inbox.open(&id, Receiver::Ci(receiver));
    }
    ci::run(&config, start, emitter, projects, stopping.clone()).await;
    let _ = stopping.wait_for(|stop| *stop).await;
    inbox.close(&id);
}

/// What a connector follows of the catalog besides the targets of locations.
enum Follows {
    Nothing,
    /// What entities say of their objects.
    Carriers(kubernetes::Carriers),
    /// Which of its scopes somebody wants read again.
    Refreshes(watch::Receiver<Arc<github::Refreshes>>),
}

fn follows(
    connector: &Connector,
    tasks: &mut JoinSet<()>,
    node: &Node,
    stopping: &watch::Receiver<bool>,
) -> Result<Follows> {
    Ok(match connector {
        Connector::Kubernetes(_) => Follows::Carriers(carriers::watch(tasks, node, stopping)?),
        Connector::GitHub(config) => {
            Follows::Refreshes(refreshes::watch(tasks, node, &config.source(), stopping)?)
        }
        Connector::Ci(_) | Connector::Files(_) | Connector::Process(_) | Connector::Retired(_) => {
            Follows::Nothing
        }
    })
}

/// What connectors are given besides what they start with.
struct Beside {
    api_versions: Vec<String>,
    inbox: Arc<Inbox>,
    follows: Follows,
}

/// Runs a connector until it is told to stop.
async fn run(
    connector: Connector,
    beside: Beside,
    start: Start,
    emitter: Emitter,
    stopping: watch::Receiver<bool>,
) -> Result<()> {
    let Beside { api_versions, inbox, follows } = beside;
    match (connector, follows) {
        (Connector::Files(config), _) => {
            files::run(config, api_versions, start, emitter, stopping).await?;
        }
        (Connector::Process(config), _) => process::run(config, start, emitter, stopping).await,
        (Connector::Kubernetes(config), Follows::Carriers(carriers)) => {
            kubernetes::run(config, carriers, start, emitter, stopping).await;
        }
        (Connector::Ci(config), _) => follow_ci(config, start, emitter, &inbox, stopping).await,
        (Connector::GitHub(config), Follows::Refreshes(refreshes)) => {
            follow_github(*config, start, emitter, (&inbox, refreshes), stopping).await?;
        }
        (Connector::Retired(_), _) => retired::run(start, emitter, stopping).await,
        // Each of these follows what is its own.
        (Connector::Kubernetes(_) | Connector::GitHub(_), _) => {}
    }
    Ok(())
}

/// Reads a GitHub, and takes what it delivers.
async fn follow_github(
    config: github::Config,
    start: Start,
    emitter: Emitter,
    (inbox, refreshes): (&Inbox, watch::Receiver<Arc<github::Refreshes>>),
    stopping: watch::Receiver<bool>,
) -> Result<()> {
    let id = config.id().to_owned();
    let (receiver, requests) = github::receiver(&config, emitter.clone())?;
    let requests = requests.with_refreshes(refreshes);
    if let Some(receiver) = receiver {
        inbox.open(&id, Receiver::GitHub(receiver));
    }
    github::run(config, start, emitter, requests, stopping).await;
    inbox.close(&id);
    Ok(())
}

/// Begins the life of a source: what its connector starts with, where it emits, and a thread that
/// takes that.
fn begin(
    ingest: &Arc<Ingest>,
    source: &SourceName,
    threads: &Mutex<Vec<JoinHandle<()>>>,
    start: impl FnOnce(Start) -> Start,
) -> Result<(Start, Emitter)> {
    let appender = ingest.begin(source, &version())?;
    let known = ingest.known();
    let cursor = known.source(source)?.and_then(|source| source.cursor);
    let scopes = known.scopes(&format!("{source}/"))?;
    let scopes = scopes.into_iter().map(|(name, _)| name).collect();
    let observed = known.observed(source)?;
    let (_, nothing) = watch::channel(Arc::default());
    let start = start(Start { cursor, scopes, observed, targets: nothing });
    let (emitter, emissions) = connector::channel();
    let ingest = Arc::clone(ingest);
    let thread = std::thread::Builder::new().name(format!("take {source}"));
    threads.lock().push(thread.spawn(move || ingest.serve(&appender, emissions))?);
    Ok((start, emitter))
}

/// What reads the URLs of locations, once there are any.
struct Reading {
    ingest: Arc<Ingest>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
    config: urls::Config,
    targets: super::targets::Watched,
    stopping: watch::Receiver<bool>,
}

impl Reading {
    async fn run(mut self) -> Result<()> {
        let source = SourceName::new(urls::SOURCE)?;
        let is_known = !self.ingest.known().scopes(urls::SCOPES)?.is_empty();
        if !is_known {
            // A catalog without such locations has no such source in its log.
            tokio::select! {
                _ = self.stopping.wait_for(|stop| *stop) => return Ok(()),
                wanted = self.targets.wait_for(|targets| !targets.is_empty()) => {
                    if wanted.is_err() {
                        return Ok(());
                    }
                }
            }
        }
        let Self { ingest, threads, config, targets, stopping } = self;
        let begun = tokio::task::spawn_blocking(move || {
            begin(&ingest, &source, &threads, |known| Start { targets, ..known })
        });
        let (start, emitter) = begun.await??;
        urls::run(config, start, emitter, stopping).await;
        Ok(())
    }
}
