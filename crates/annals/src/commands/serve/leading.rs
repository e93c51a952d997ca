//! Leading: running the connectors and signing, alone among the nodes that share a log.
//!
//! A node whose log is its own leads from its start to its end. One whose log is on Kafka leads
//! while it holds the lease, and starts again what fails meanwhile: it serves on, whatever its
//! connectors do.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Result, anyhow};
use api::Api;
use log_kafka::Lease;
use prometheus::IntGauge;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::OnDrop;
use super::sources::{Configured, Sources};
use crate::node::{Node, Settings, WayIn};
use crate::topics::{TopicFare, Topics};

/// How long it is waited before what failed is started again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How long the others get to learn that the lease is given back.
const LEAVE_MAX: Duration = Duration::from_secs(3);

/// What a node leads with.
pub(super) struct Leader {
    pub(super) node: Arc<Node>,
    pub(super) settings: Settings,
    pub(super) way_in: WayIn,
    pub(super) connectors: Configured,
    pub(super) stopping: watch::Receiver<bool>,
    /// 1 while it leads.
    pub(super) leads: IntGauge,
    /// What it tells on topics beside the log.
    pub(super) telling: Telling,
}

/// The topics beside the log, and what is told on them.
#[derive(Clone)]
pub(super) struct Telling {
    pub(super) api: Api,
    pub(super) topics: Written,
}

/// Topics beside the log, each with how it is.
pub(super) type Written = Vec<(log_kafka::Options, Arc<TopicFare>)>;

/// A node that leads, or waits for it.
pub(super) enum Leading {
    Alone(Sources),
    Shared(JoinHandle<()>),
}

impl Leading {
    /// Begins to lead, or to wait for the lease.
    pub(super) fn start(leader: Leader) -> Result<Self> {
        if leader.settings.kafka.is_some() {
            return Ok(Self::Shared(tokio::spawn(leader.run())));
        }
        leader.node.attest(&leader.way_in)?;
        let Leader { node, way_in, connectors, stopping, leads, .. } = leader;
        leads.set(1);
        Sources::start(&node, &way_in.ingest, connectors, &stopping).map(Self::Alone)
    }

    /// Ends when a connector fails for good, with why.
    pub(super) async fn failed(&self) -> String {
        match self {
            Self::Alone(sources) => sources.failed().await,
            Self::Shared(_) => std::future::pending().await,
        }
    }

    /// Waits until it has stopped, as it was told.
    pub(super) async fn stop(self) {
        match self {
            Self::Alone(sources) => sources.stop().await,
            Self::Shared(task) => {
                if task.await.is_err() {
                    tracing::error!("what runs the connectors broke off");
                }
            }
        }
    }
}

impl Leader {
    async fn run(self) {
        let Some(options) = self.settings.kafka.clone() else { return };
        let (tell, mut held) = watch::channel(false);
        let told = move |is_held| {
            tell.send_replace(is_held);
        };
        let lease = match Lease::join(&options, told) {
            Ok(lease) => lease,
            Err(error) => {
                tracing::error!(%error, "the lease can't be had: this node runs no connectors");
                return;
            }
        };
        let mut stopping = self.stopping.clone();
        loop {
            tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => break,
                got = held.wait_for(|held| *held) => if got.is_err() { break },
            }
            tracing::info!("this node leads: it runs the connectors and signs");
            let led = self.lead(&mut held, &mut stopping).await;
            self.leads.set(0);
            match led {
                Ok(()) => tracing::info!("this node does not lead any more"),
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::error!(error, "leading failed; it is begun again");
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
            }
            if *stopping.borrow() {
                break;
            }
        }
        let _ = tokio::task::spawn_blocking(move || lease.leave(LEAVE_MAX)).await;
    }

    /// Leads until the lease is lost, something fails, or the node stops.
    async fn lead(
        &self,
        held: &mut watch::Receiver<bool>,
        stopping: &mut watch::Receiver<bool>,
    ) -> Result<()> {
        let (stop, told) = watch::channel(false);
        let given_up = Arc::new(AtomicBool::new(false));
        let starting = {
            let (node, settings, way_in) =
                (Arc::clone(&self.node), self.settings.clone(), self.way_in.clone());
            let (connectors, given_up) = (self.connectors.clone(), Arc::clone(&given_up));
            tokio::task::spawn_blocking(move || {
                node.lead(&settings, &way_in, &given_up)?;
                node.attest(&way_in)?;
                Sources::start(&node, &way_in.ingest, connectors, &told)
            })
        };
        let given_up = OnDrop(given_up);
        let mut starting = Box::pin(starting);
        let started = tokio::select! {
            started = &mut starting => started?,
            () = lost(held, stopping) => {
                drop(given_up);
                starting.await?
            }
        };
        let ended = match started {
            Err(error) => Err(error),
            Ok(sources) => {
                self.leads.set(1);
                let Telling { api, topics } = &self.telling;
                let mut written = Topics::start(topics, api, self.node.processor.progress())?;
                let ended = tokio::select! {
                    () = lost(held, stopping) => Ok(()),
                    why = sources.failed() => Err(anyhow!(why)),
                };
                stop.send_replace(true);
                let stopping = tokio::task::spawn_blocking(move || written.stop());
                sources.stop().await;
                stopping.await?;
                ended
            }
        };
        let node = Arc::clone(&self.node);
        tokio::task::spawn_blocking(move || node.stop_attesting()).await?;
        ended
    }
}

/// Ends when the lease is lost, or the node stops.
async fn lost(held: &mut watch::Receiver<bool>, stopping: &mut watch::Receiver<bool>) {
    tokio::select! {
        _ = held.wait_for(|held| !*held) => {}
        _ = stopping.wait_for(|stop| *stop) => {}
    }
}
