//! The other side of the channel: keeps what the connector says as the log would.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use connector::{Activity, Emission, Outcome, Said, Status};
use kubernetes::Config;
use model::reference::EntityRef;
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// What stands, by entity and aspect.
    pub(crate) aspects: BTreeMap<(String, String), Map<String, Value>>,
    /// Activities, each once.
    pub(crate) activities: Vec<Activity>,
    pub(crate) status: Option<Status>,
    /// How often an aspect was said that is otherwise than what stood.
    pub(crate) changes: usize,
    /// How often the source was read whole.
    pub(crate) looked: usize,
}

impl Known {
    /// The first workload of an entity's aspect of the cluster `real`.
    pub(crate) fn workload(&self, entity: &str) -> Option<&Value> {
        let key = (entity.to_owned(), "kubernetes/real".to_owned());
        self.aspects.get(&key).and_then(|value| value["workloads"].get(0))
    }

    pub(crate) fn told(&self) -> Vec<(&str, &str)> {
        let each = self.activities.iter().map(|of| {
            (of.activity.trim_start_matches("dev.cdevents."), of.value["artifactId"].as_str())
        });
        each.map(|(activity, purl)| (activity, purl.unwrap_or_default())).collect()
    }
}

/// A connector that runs, and the catalog that it says things to.
pub(crate) struct Running {
    pub(crate) carriers: watch::Sender<Arc<BTreeMap<EntityRef, String>>>,
    known: watch::Receiver<Known>,
    stop: watch::Sender<bool>,
    run: JoinHandle<()>,
}

impl Running {
    /// Starts one that reads the cluster `real` in a context; the catalog knows this already.
    pub(crate) fn start(kubeconfig: PathBuf, context: &str, known: Known) -> Self {
        let cluster = json!({"name": "real", "kubeconfig": kubeconfig, "context": context});
        let config = json!({"id": "test", "clusters": [cluster]});
        let config: Config = serde_json::from_value(config).unwrap();
        let (carriers, carried) = watch::channel(Arc::default());
        let (stop, stopping) = watch::channel(false);
        let (emitter, emissions) = connector::channel();
        let (sender, known) = watch::channel(known);
        tokio::spawn(keep(emissions, sender));
        let run = tokio::spawn(kubernetes::run(config, carried, emitter, stopping));
        Self { carriers, known, stop, run }
    }

    /// These entities carry the annotation now.
    pub(crate) fn carry(&self, entities: &[(&str, &str)]) {
        let each = entities
            .iter()
            .map(|(entity, id)| (EntityRef::canonical(entity).unwrap(), (*id).to_owned()));
        self.carriers.send_replace(Arc::new(each.collect()));
    }

    /// Waits until what is known is so.
    pub(crate) async fn until(&mut self, what: &str, is: impl Fn(&Known) -> bool) -> Known {
        let seen = tokio::time::timeout(PATIENCE, self.known.wait_for(|known| is(known))).await;
        let seen = seen.ok().map(|seen| seen.unwrap().clone());
        seen.unwrap_or_else(|| panic!("{what} does not show: {:#?}", *self.known.borrow()))
    }

    /// Stops it, and gives what is known then.
    pub(crate) async fn stop(self) -> Known {
        self.stop.send_replace(true);
        tokio::time::timeout(Duration::from_secs(5), self.run).await.unwrap().unwrap();
        self.known.borrow().clone()
    }
}

async fn keep(mut emissions: mpsc::Receiver<Emission>, known: watch::Sender<Known>) {
    while let Some(emission) = emissions.recv().await {
        match emission {
            Emission::Said { said, done } => {
                let mut outcome = Outcome::default();
                known.send_modify(|known| {
                    for one in said {
                        outcome.changed += u64::from(take(known, one));
                    }
                });
                let _ = done.send(Ok(outcome));
            }
            Emission::Status(status) => known.send_modify(|known| known.status = Some(status)),
            Emission::Looked => known.send_modify(|known| known.looked += 1),
            other => panic!("it says no such thing: {other:?}"),
        }
    }
}

fn take(known: &mut Known, said: Said) -> bool {
    match said {
        Said::Observed(of) => {
            let key = (of.entity.to_string(), of.aspect);
            let changes = known.aspects.get(&key) != of.value.as_ref();
            known.changes += usize::from(changes);
            match of.value {
                Some(value) => known.aspects.insert(key, value),
                None => known.aspects.remove(&key),
            };
            changes
        }
        Said::Happened(of) => {
            let is_new = known.activities.iter().all(|known| known.key != of.key);
            if is_new {
                known.activities.push(of);
            }
            is_new
        }
        other => panic!("it says no such thing: {other:?}"),
    }
}
