//! A cluster: what it serves is looked for now and again, and what is wanted of it is watched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use connector::{EmitError, Emitter};
use event::vocabulary::ScopeName;
use http::Request;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use crate::client::{Clients, Refusal};
use crate::config::Cluster;
use crate::entities::Entities;
use crate::kinds::{Kind, Served, Watched, to_look_at, wanted};
use crate::watch::{Told, Watching, What, why};

/// How often it is looked what a cluster serves.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// Resources of one cluster that are watched at the most.
const WATCHED_MAX: usize = 200;

/// What is told when it is not known what a cluster serves.
const API: &str = "the API";

/// A cluster at work.
pub(crate) struct Working {
    pub(crate) of: Cluster,
    pub(crate) at: usize,
    /// The name of the connector's source.
    pub(crate) source: String,
    /// The source's scopes that the catalog knows.
    pub(crate) scopes: BTreeSet<ScopeName>,
    pub(crate) emitter: Emitter,
    pub(crate) told: mpsc::Sender<Told>,
}

/// Retires scopes. Those that the guard holds back stay in the set.
///
/// # Errors
/// When the catalog takes nothing any more.
pub(crate) async fn retire(
    emitter: &Emitter,
    scopes: &mut BTreeSet<ScopeName>,
    why: &str,
) -> Result<(), EmitError> {
    if scopes.is_empty() {
        return Ok(());
    }
    let all = scopes.iter().cloned().collect();
    match emitter.retired(all, Some(why.to_owned())).await {
        Ok(outcome) if outcome.held.is_some() => {}
        Ok(_) => scopes.clear(),
        Err(error @ (EmitError::Stopped | EmitError::Fenced { .. })) => return Err(error),
        Err(error) => tracing::warn!(%error, "what is no more could not be retired"),
    }
    Ok(())
}

/// The API's groups.
#[derive(Deserialize)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    versions: Vec<Version>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    group_version: String,
}

/// The resources of a version of a group.
#[derive(Deserialize)]
struct Resources {
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    name: String,
    kind: String,
    #[serde(default)]
    verbs: Vec<String>,
}

impl Working {
    /// Watches until nobody listens.
    pub(crate) async fn run(self) {
        let clients = Clients::new(self.of.clone());
        let mut tasks = JoinSet::new();
        let mut running: BTreeMap<Watched, AbortHandle> = BTreeMap::new();
        let mut retiring = BTreeSet::new();
        let mut fails = false;
        loop {
            let told = match self.look(&clients).await {
                Ok(wanted) => {
                    self.missing(&wanted, &running, &mut retiring);
                    let told = self.adjust(&clients, wanted, &mut running, &mut tasks).await;
                    let why = "the cluster serves no such resource, or it is not read any more";
                    if retire(&self.emitter, &mut retiring, why).await.is_err() {
                        return;
                    }
                    match (told, std::mem::take(&mut fails)) {
                        (Ok(()), true) => self.tell(API.into(), Kind::Other, What::Works).await,
                        (told, _) => told,
                    }
                }
                Err(refusal) => {
                    fails = true;
                    let why = why(API, refusal);
                    self.tell(API.into(), Kind::Other, What::Fails(why)).await
                }
            };
            if told.is_err() {
                return;
            }
            let pause = if running.is_empty() { LOOK_EVERY / 15 } else { LOOK_EVERY };
            tokio::select! {
                () = self.told.closed() => return,
                () = sleep(pause) => {}
            }
        }
    }

    /// What is to be watched in what the cluster serves.
    async fn look(&self, clients: &Clients) -> Result<BTreeSet<Watched>, Refusal> {
        let get = |path: &str| {
            let request = Request::get(path).body(Vec::new());
            request.map_err(|error| Refusal::Form(error.to_string()))
        };
        let Groups { groups } = clients.get(get("/apis")?).await?;
        let versions = groups.into_iter().flat_map(|group| group.versions);
        let versions: Vec<String> = versions.map(|version| version.group_version).collect();
        // Each cluster has this; without it that is no answer from which something is missing.
        if !versions.iter().any(|version| version == "apps/v1") {
            return Err(Refusal::Form("it does not name the groups that each cluster has".into()));
        }
        let (parts, named) = (&self.of.read, &self.of.named);
        let mut served = Served::default();
        for version in to_look_at(parts, named, &versions) {
            let path = format!("/apis/{version}");
            let Resources { resources } = match clients.get(get(&path)?).await {
                // It went in between.
                Err(Refusal::Status { code: 404, .. }) => continue,
                resources => resources?,
            };
            let listed = resources.into_iter().filter(|of| {
                let is_plain = !of.name.contains('/');
                is_plain
                    && ["list", "watch"].iter().all(|verb| of.verbs.iter().any(|own| own == verb))
            });
            served.resources.extend(listed.map(|of| (version.clone(), of.name, of.kind)));
        }
        served.versions = versions;
        Ok(wanted(parts, named, &served).into_iter().take(WATCHED_MAX).collect())
    }

    /// The scopes of what is not wanted any more, and of what was not when earlier lives ended.
    fn missing(
        &self,
        wanted: &BTreeSet<Watched>,
        running: &BTreeMap<Watched, AbortHandle>,
        retiring: &mut BTreeSet<ScopeName>,
    ) {
        let wanted: BTreeSet<ScopeName> = wanted.iter().filter_map(|of| self.scope(of)).collect();
        if running.is_empty() {
            retiring.extend(self.scopes.iter().cloned());
        }
        retiring.extend(running.keys().filter_map(|of| self.scope(of)));
        retiring.retain(|scope| !wanted.contains(scope));
    }

    fn scope(&self, of: &Watched) -> Option<ScopeName> {
        ScopeName::new(&format!("{}/{}/{}", self.source, self.of.name, of.resource)).ok()
    }

    /// Watches what is wanted, and nothing else.
    async fn adjust(
        &self,
        clients: &Arc<Clients>,
        wanted: BTreeSet<Watched>,
        running: &mut BTreeMap<Watched, AbortHandle>,
        tasks: &mut JoinSet<()>,
    ) -> Result<(), ()> {
        if running.keys().eq(wanted.iter()) && !running.is_empty() {
            return Ok(());
        }
        let gone: Vec<Watched> =
            running.keys().filter(|of| !wanted.contains(of)).cloned().collect();
        for of in gone {
            if let Some(task) = running.remove(&of) {
                task.abort();
            }
            // The cluster says itself that there is no such resource, so there are no objects.
            if !wanted.iter().any(|other| other.resource == of.resource) {
                self.tell(of.resource.clone(), of.kind, What::Listed(Vec::new())).await?;
            }
        }
        let all = wanted.iter().map(|of| of.resource.clone()).collect();
        self.tell(API.into(), Kind::Other, What::Watched(all)).await?;
        for of in wanted {
            if running.contains_key(&of) {
                continue;
            }
            let Some(scope) = self.scope(&of) else { continue };
            let is_known = self.scopes.contains(&scope);
            let entities =
                Entities::new(self.of.name.clone(), scope, is_known, self.emitter.clone());
            let clients = Arc::clone(clients);
            let watching = Watching::new(clients, self.at, of.clone(), self.told.clone(), entities);
            running.insert(of, tasks.spawn(watching.run()));
        }
        Ok(())
    }

    async fn tell(&self, of: Arc<str>, kind: Kind, what: What) -> Result<(), ()> {
        let told = Told { cluster: self.at, of, kind, what };
        self.told.send(told).await.map_err(|_| ())
    }
}
