//! A Kubernetes cluster, with entities that stand there, and with workloads that show as aspects. A
//! real one can't be made to answer in part or to limit, so this is a stand-in; what a real one does
//! is in the connector's own tests.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use connector::conformance::{Bench, Fault, Run, Thing};
use connector::{Emitter, Start};
use kubernetes::Selection;
use model::reference::EntityRef;
use serde_json::{Value, json};
use support::scripted::{Reply, Request, Scripted};
use tempfile::TempDir;
use tokio::sync::watch;

const TOKEN: &str = "t0ken-of-an-account";
const COMPONENTS: &str = "/apis/annals.dev/v1alpha1/components";
const DEPLOYMENTS: &str = "/apis/apps/v1/deployments";

/// What is read beside deployments, of which there is none.
const EMPTY: [&str; 4] = [
    "/apis/apps/v1/statefulsets",
    "/apis/apps/v1/daemonsets",
    "/apis/batch/v1/jobs",
    "/apis/batch/v1/cronjobs",
];

/// How long a watch waits for something to happen.
const WATCH: Duration = Duration::from_millis(500);

/// What the cluster holds.
#[derive(Default)]
struct State {
    version: u64,
    objects: BTreeMap<String, Value>,
    /// What happened, with the version that was then.
    events: Vec<(u64, Value)>,
    /// Whether it knows nothing of what was before.
    forgets: bool,
}

impl State {
    fn happens(&mut self, kind: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.events.push((self.version, json!({"type": kind, "object": object})));
        object
    }

    /// Objects from a place on; `continue` is that place, with the version at which it began.
    fn list(&self, request: &Request) -> Value {
        let more = request.query.get("continue").and_then(|token| token.split_once('-'));
        let at: usize = more.map_or(0, |(at, _)| at.parse().unwrap());
        let version = more.map_or_else(|| self.version.to_string(), |(_, version)| version.into());
        let limit = request.number("limit").unwrap();
        let items: Vec<&Value> = self.objects.values().skip(at).take(limit).collect();
        let next = at + items.len();
        let more = if next < self.objects.len() { format!("{next}-{version}") } else { "".into() };
        json!({"metadata": {"resourceVersion": version, "continue": more}, "items": items})
    }

    /// What happened after a version, a line each.
    fn after(&self, version: u64) -> String {
        if self.forgets {
            let object = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
                "code": 410, "reason": "Expired", "message": "too old resource version"});
            return format!("{}\n", json!({"type": "ERROR", "object": object}));
        }
        let new = self.events.iter().filter(|(own, _)| *own > version);
        new.map(|(_, event)| format!("{event}\n")).collect()
    }
}

/// What things are in a cluster.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// Objects that are entities.
    Entities,
    /// Deployments, of which each is one entity's.
    Workloads,
}

impl Of {
    /// Where they are listed.
    const fn list(self) -> &'static str {
        match self {
            Self::Entities => COMPONENTS,
            Self::Workloads => DEPLOYMENTS,
        }
    }

    const fn part(self) -> &'static str {
        match self {
            Self::Entities => "catalog",
            Self::Workloads => "workloads",
        }
    }

    fn object(self, thing: &Thing) -> Value {
        let component = thing.component();
        let mut metadata = json!({"name": thing.name, "namespace": "default", "uid": thing.name});
        match self {
            Self::Entities => json!({
                "apiVersion": "annals.dev/v1alpha1", "kind": "Component", "metadata": metadata,
                "about": {"description": component["metadata"]["description"]},
                "spec": component["spec"],
            }),
            // It has no image, so that nothing happens: that is never withdrawn.
            Self::Workloads => {
                metadata["labels"] = json!({kubernetes::ANNOTATION: thing.name,
                    "app.kubernetes.io/version": thing.version.to_string()});
                metadata["annotations"] = json!({"note": "x".repeat(thing.bytes)});
                json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
                    "spec": {"replicas": 2}})
            }
        }
    }
}

/// What happens after a version, or nothing for a while.
fn watched(request: &Request, after: impl Fn(u64) -> String) -> Reply {
    let version = request.number("resourceVersion").unwrap() as u64;
    let ends = Instant::now() + WATCH;
    loop {
        let lines = after(version);
        if !lines.is_empty() || Instant::now() > ends {
            return Reply::status(200).with_body(&lines);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn answer(request: &Request, of: Of, state: &Mutex<State>) -> Reply {
    if request.header("authorization") != format!("Bearer {TOKEN}") {
        return Reply::status(401);
    }
    let group = |version: &str| json!({"versions": [{"groupVersion": version}]});
    let is_watch = request.query.contains_key("watch");
    let body = match request.path.as_str() {
        "/apis" => json!({"groups": [group("apps/v1"), group("annals.dev/v1alpha1")]}),
        "/apis/annals.dev/v1alpha1" => json!({"resources": [
            {"name": "components", "kind": "Component", "verbs": ["list", "watch"]}]}),
        path if path == of.list() && is_watch => {
            return watched(request, |version| state.lock().unwrap().after(version));
        }
        path if path == of.list() => state.lock().unwrap().list(request),
        path if EMPTY.contains(&path) && is_watch => return watched(request, |_| String::new()),
        path if EMPTY.contains(&path) => json!({"metadata": {"resourceVersion": "1"}, "items": []}),
        _ => return Reply::status(404),
    };
    Reply::json(&body)
}

struct Cluster {
    of: Of,
    folder: TempDir,
    site: Scripted,
    state: Arc<Mutex<State>>,
    held: Vec<Thing>,
    /// Who carries an id: whoever has one, or had one.
    carriers: watch::Sender<Arc<BTreeMap<EntityRef, Selection>>>,
}

impl Cluster {
    fn new(of: Of) -> Self {
        let state = Arc::<Mutex<State>>::default();
        let kept = Arc::clone(&state);
        let site = Scripted::new(move |request| answer(request, of, &kept));
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "real",
            "clusters": [{"name": "real", "cluster": {"server": site.url}}],
            "users": [{"name": "me", "user": {"token": TOKEN}}],
            "contexts": [{"name": "real", "context": {"cluster": "real", "user": "me"}}],
        });
        fs::write(folder.path().join("kubeconfig"), kubeconfig.to_string()).unwrap();
        let (carriers, _) = watch::channel(Arc::default());
        Self { of, folder, site, state, held: Vec::new(), carriers }
    }
}

impl Bench for Cluster {
    fn run(&self, start: Start, emitter: Emitter, stopping: watch::Receiver<bool>) -> Run {
        let part = self.of.part();
        let cluster = json!({"name": "real", "kubeconfig": "kubeconfig", "read": [part]});
        let config: kubernetes::Config =
            serde_json::from_value(json!({"id": "bench", "clusters": [cluster]})).unwrap();
        let config = config.in_folder(self.folder.path());
        let carried = self.carriers.subscribe();
        Box::pin(kubernetes::run(config, carried, start, emitter, stopping))
    }

    fn hold(&mut self, things: &[Thing]) {
        if self.of == Of::Workloads {
            self.carriers.send_modify(|carriers| {
                let carriers = Arc::make_mut(carriers);
                carriers.extend(things.iter().map(|thing| carrier(&thing.name)));
            });
        }
        let mut state = self.state.lock().unwrap();
        for gone in self.held.iter().filter(|held| things.iter().all(|of| of.name != held.name)) {
            let object = state.objects.remove(&gone.name).unwrap();
            state.happens("DELETED", object);
        }
        for thing in things.iter().filter(|thing| !self.held.contains(thing)) {
            let is_known = state.objects.contains_key(&thing.name);
            let object = self.of.object(thing);
            let object = state.happens(if is_known { "MODIFIED" } else { "ADDED" }, object);
            state.objects.insert(thing.name.clone(), object);
        }
        drop(state);
        self.held = things.to_vec();
    }

    fn fail(&mut self, fault: Fault) -> bool {
        // A list is asked for where watches can't go on.
        self.state.lock().unwrap().forgets = fault == Fault::Part;
        let on = if fault == Fault::Part { "limit=" } else { self.of.list() };
        crate::wrong(&self.site, on, fault);
        true
    }

    fn mend(&mut self) {
        self.state.lock().unwrap().forgets = false;
        self.site.calm();
    }

    fn secrets(&self) -> Vec<String> {
        vec![TOKEN.to_owned()]
    }

    /// A page has 500 objects. Entities have the size that they have usually; what is kept of
    /// workloads does not grow with theirs.
    fn large(&self) -> (u32, usize) {
        match self.of {
            Of::Entities => (20_000, 1500),
            Of::Workloads => (5000, 10_000),
        }
    }
}

/// An entity that has the objects with its own name as their id.
fn carrier(name: &str) -> (EntityRef, Selection) {
    let selection = Selection { id: Some(name.to_owned()), ..Selection::default() };
    (EntityRef::canonical(&format!("component:default/{name}")).unwrap(), selection)
}

#[test]
fn entities_in_clusters_keep_the_laws() {
    crate::check(|| Cluster::new(Of::Entities));
}

#[test]
fn workloads_in_clusters_keep_the_laws() {
    crate::check(|| Cluster::new(Of::Workloads));
}
