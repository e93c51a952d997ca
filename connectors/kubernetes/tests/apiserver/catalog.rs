//! The other side of the channel: keeps what the connector says as the log would.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use connector::{Activity, Emission, Outcome, Said, SnapshotItem, Start, Status};
use event::vocabulary::ScopeName;
use kubernetes::{Config, Selection};
use model::document::Document;
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
    /// The documents of entities, by scope and reference.
    pub(crate) entities: BTreeMap<(String, String), Value>,
    pub(crate) status: Option<Status>,
    /// How often it was said how the source is.
    pub(crate) statuses: usize,
    /// What was last said of scopes.
    pub(crate) scopes: BTreeMap<String, Status>,
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

    /// The aspect of an entity of the cluster `real`.
    pub(crate) fn aspect(&self, entity: &str) -> Value {
        let key = (entity.to_owned(), "kubernetes/real".to_owned());
        self.aspects.get(&key).cloned().map(Value::Object).unwrap_or_default()
    }

    /// The document of an entity, in whatever scope.
    pub(crate) fn entity(&self, reference: &str) -> Option<&Value> {
        let mut all = self.entities.iter();
        all.find(|((_, own), _)| own == reference).map(|(_, document)| document)
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
    carriers: watch::Sender<Arc<BTreeMap<EntityRef, Selection>>>,
    known: watch::Receiver<Known>,
    stop: watch::Sender<bool>,
    run: JoinHandle<()>,
}

impl Running {
    /// Starts one that reads the cluster `real` in a context; the catalog knows this already.
    pub(crate) fn start(kubeconfig: &Path, context: &str, known: Known) -> Self {
        let cluster = json!({"name": "real", "kubeconfig": kubeconfig, "context": context});
        Self::with(&[cluster], known)
    }

    /// Starts one that reads these clusters; the catalog knows this already.
    pub(crate) fn with(clusters: &[Value], known: Known) -> Self {
        let config = json!({"id": "test", "clusters": clusters});
        let config: Config = serde_json::from_value(config).unwrap();
        let scopes = known.entities.keys().map(|(scope, _)| scope).chain(known.scopes.keys());
        let scopes: BTreeSet<&String> = scopes.collect();
        let scopes = scopes.into_iter().map(|scope| ScopeName::new(scope).unwrap()).collect();
        let (_, targets) = watch::channel(Arc::default());
        let observed = known.aspects.keys();
        let observed = observed.map(|(entity, aspect)| {
            (EntityRef::canonical(entity).unwrap(), aspect.as_str().into())
        });
        let start = Start { cursor: None, scopes, observed: observed.collect(), targets };
        let (carriers, carried) = watch::channel(Arc::default());
        let (stop, stopping) = watch::channel(false);
        let (emitter, emissions) = connector::channel();
        let (sender, known) = watch::channel(known);
        tokio::spawn(keep(emissions, sender));
        let run = tokio::spawn(kubernetes::run(config, carried, start, emitter, stopping));
        Self { carriers, known, stop, run }
    }

    /// These entities carry the annotation with the id now.
    pub(crate) fn carry(&self, entities: &[(&str, &str)]) {
        let annotations =
            entities.iter().map(|(entity, id)| (*entity, json!({"kubernetes-id": id})));
        self.carry_all(&annotations.collect::<Vec<_>>());
    }

    /// These entities carry these annotations of `backstage.io/` now.
    pub(crate) fn carry_all(&self, entities: &[(&str, Value)]) {
        let each = entities.iter().map(|(entity, annotations)| {
            let members = annotations.as_object().unwrap().iter();
            let named = members.map(|(key, value)| (format!("backstage.io/{key}"), value.clone()));
            let selection = Selection::of(&named.collect()).unwrap();
            (EntityRef::canonical(entity).unwrap(), selection)
        });
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
            Emission::Snapshot(mut request) => {
                let mut all = Vec::new();
                while let Some(item) = request.items.recv().await {
                    match item {
                        SnapshotItem::Found(found) => all.push(found.document),
                        SnapshotItem::Broken(broken) => panic!("it says no such thing: {broken:?}"),
                        SnapshotItem::End => {
                            let scope = request.scope.as_str();
                            known.send_modify(|known| snapshot(known, scope, &all));
                            let _ = request.done.send(Ok(Outcome::default()));
                            break;
                        }
                    }
                }
            }
            Emission::Retired { scopes, done, .. } => {
                let is_retired = |scope: &String| scopes.iter().any(|of| of.as_str() == scope);
                known.send_modify(|known| {
                    known.entities.retain(|(scope, _), _| !is_retired(scope));
                });
                let _ = done.send(Ok(Outcome::default()));
            }
            Emission::Said { said, done } => {
                let mut outcome = Outcome::default();
                known.send_modify(|known| {
                    for one in said {
                        outcome.changed += u64::from(take(known, one));
                    }
                });
                let _ = done.send(Ok(outcome));
            }
            Emission::Status(status) => known.send_modify(|known| match &status.scope {
                Some(scope) => {
                    known.scopes.insert(scope.to_string(), status);
                }
                None => {
                    known.status = Some(status);
                    known.statuses += 1;
                }
            }),
            Emission::Looked => known.send_modify(|known| known.looked += 1),
            other => panic!("it says no such thing: {other:?}"),
        }
    }
}

fn snapshot(known: &mut Known, scope: &str, all: &[Value]) {
    known.entities.retain(|(own, _), _| own != scope);
    for document in all {
        put(known, scope, document);
    }
}

fn put(known: &mut Known, scope: &str, document: &Value) -> bool {
    let reference = Document::new(document).reference().unwrap().to_string();
    let key = (scope.to_owned(), reference);
    known.entities.insert(key, document.clone()).as_ref() != Some(document)
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
        Said::Seen(scope, found) => put(known, scope.as_str(), &found.document),
        Said::Gone(scope, entity) => {
            known.entities.remove(&(scope.to_string(), entity.to_string())).is_some()
        }
    }
}
