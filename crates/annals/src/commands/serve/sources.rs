//! Running connectors: each with its source, a thread that takes what it emits, and a task.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use connector::{Start, Target};
use event::SourceName;
use ingest::Ingest;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use views::Views;

use crate::config::{Config, own_api_versions};
use crate::node::{Node, crate_version};

/// How often it is looked whether Location entities want other targets.
const TARGETS_EVERY: Duration = Duration::from_millis(500);

/// How long connectors get to stop.
const STOP_MAX: Duration = Duration::from_secs(5);

/// The connectors of a configuration, with the paths of the command line as one of their own.
pub(crate) fn configured(config: &Config, catalog: &[PathBuf]) -> Result<Vec<files::Config>> {
    let mut all = config.connectors()?;
    if !catalog.is_empty() {
        // What the command line names is relative to where it is typed.
        all.push(files::Config::new("catalog", catalog.to_vec()));
    }
    Ok(all)
}

/// Connectors that run.
pub(crate) struct Sources {
    tasks: JoinSet<()>,
    threads: Vec<JoinHandle<()>>,
    failures: tokio::sync::Mutex<mpsc::Receiver<String>>,
}

impl Sources {
    /// Starts connectors.
    pub(crate) fn start(
        node: &Node,
        ingest: &Arc<Ingest>,
        connectors: Vec<files::Config>,
        stopping: &watch::Receiver<bool>,
    ) -> Result<Self> {
        let mut tasks = JoinSet::new();
        let mut threads = Vec::new();
        let (failed, failures) = mpsc::channel(1);
        let targets = watch_targets(&mut tasks, node, stopping.clone());
        let api_versions = own_api_versions(ingest.judge().kinds());
        for config in connectors {
            let source = SourceName::new(&config.source())?;
            let appender = ingest.begin(&source, crate_version())?;
            let known = ingest.known();
            let cursor = known.source(&source)?.and_then(|source| source.cursor);
            let scopes = known.scopes(&format!("{source}/"))?;
            let start = Start {
                cursor,
                scopes: scopes.into_iter().map(|(name, _)| name).collect(),
                targets: targets.clone(),
            };
            let (emitter, emissions) = connector::channel();
            let ingest = Arc::clone(ingest);
            let thread = std::thread::Builder::new().name(format!("take {source}"));
            threads.push(thread.spawn(move || ingest.serve(&appender, emissions))?);
            let stopping = stopping.clone();
            let failed = failed.clone();
            let api_versions = api_versions.clone();
            tasks.spawn(async move {
                if let Err(error) = files::run(config, api_versions, start, emitter, stopping).await
                {
                    let _ = failed.send(format!("the connector {source} failed: {error}")).await;
                }
            });
        }
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
        let threads = self.threads;
        let joined = tokio::task::spawn_blocking(move || {
            threads.into_iter().all(|thread| thread.join().is_ok())
        });
        if !joined.await.unwrap_or(false) {
            tracing::error!("a thread that takes emissions broke off");
        }
    }
}

/// A channel that tells which files Location entities want read, as that changes.
fn watch_targets(
    tasks: &mut JoinSet<()>,
    node: &Node,
    mut stopping: watch::Receiver<bool>,
) -> watch::Receiver<Arc<Vec<Target>>> {
    let views = Arc::clone(&node.views);
    let mut folded = node.processor.progress().watch();
    let (sender, receiver) = watch::channel(Arc::new(wanted_files(&views)));
    tasks.spawn(async move {
        loop {
            tokio::select! {
                changed = folded.changed() => if changed.is_err() { return },
                _ = stopping.wait_for(|stop| *stop) => return,
            }
            tokio::time::sleep(TARGETS_EVERY).await;
            folded.mark_unchanged();
            let wanted = {
                let views = Arc::clone(&views);
                tokio::task::spawn_blocking(move || wanted_files(&views)).await
            };
            let Ok(wanted) = wanted else { return };
            sender.send_if_modified(|now| {
                let changes = **now != wanted;
                if changes {
                    *now = Arc::new(wanted);
                }
                changes
            });
        }
    });
    receiver
}

fn wanted_files(views: &Views) -> Vec<Target> {
    let wanted = match views.reader().map(|reader| reader.wanted()) {
        None => return Vec::new(),
        Some(Ok(wanted)) => wanted,
        Some(Err(error)) => {
            tracing::error!(%error, "the targets of locations could not be read");
            return Vec::new();
        }
    };
    let files = wanted.into_iter().filter_map(|row| {
        Some(Target {
            target: row.target.strip_prefix("file:")?.to_owned(),
            entity: row.entity?,
            scope: row.scope?,
            optional: row.optional,
        })
    });
    files.collect()
}
