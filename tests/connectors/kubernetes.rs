//! Entities that stand in a Kubernetes cluster. A real one can't be made to answer in part or to
//! limit, so this is a stand-in; what a real one does is in the connector's own tests.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use connector::conformance::{Bench, Fault, Run, Thing};
use connector::{Emitter, Start};
use serde_json::{Value, json};
use support::scripted::{Reply, Request, Scripted};
use tempfile::TempDir;
use tokio::sync::watch;

const TOKEN: &str = "t0ken-of-an-account";
const LIST: &str = "/apis/annals.dev/v1alpha1/components";

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

fn watched(request: &Request, state: &Mutex<State>) -> String {
    let version = request.number("resourceVersion").unwrap() as u64;
    let ends = Instant::now() + WATCH;
    loop {
        let lines = state.lock().unwrap().after(version);
        if !lines.is_empty() || Instant::now() > ends {
            return lines;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn answer(request: &Request, state: &Mutex<State>) -> Reply {
    if request.header("authorization") != format!("Bearer {TOKEN}") {
        return Reply::status(401);
    }
    let group = |version: &str| json!({"versions": [{"groupVersion": version}]});
    let body = match request.path.as_str() {
        "/apis" => json!({"groups": [group("apps/v1"), group("annals.dev/v1alpha1")]}),
        "/apis/annals.dev/v1alpha1" => json!({"resources": [
            {"name": "components", "kind": "Component", "verbs": ["list", "watch"]}]}),
        LIST if request.query.contains_key("watch") => {
            return Reply::status(200).with_body(&watched(request, state));
        }
        LIST => state.lock().unwrap().list(request),
        _ => return Reply::status(404),
    };
    Reply::json(&body)
}

fn object(thing: &Thing) -> Value {
    let component = thing.component();
    json!({
        "apiVersion": "annals.dev/v1alpha1", "kind": "Component",
        "metadata": {"name": thing.name, "namespace": "default", "uid": thing.name},
        "about": {"description": component["metadata"]["description"]},
        "spec": component["spec"],
    })
}

struct Cluster {
    folder: TempDir,
    site: Scripted,
    state: Arc<Mutex<State>>,
    held: Vec<Thing>,
}

impl Cluster {
    fn new() -> Self {
        let state = Arc::<Mutex<State>>::default();
        let kept = Arc::clone(&state);
        let site = Scripted::new(move |request| answer(request, &kept));
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "real",
            "clusters": [{"name": "real", "cluster": {"server": site.url}}],
            "users": [{"name": "me", "user": {"token": TOKEN}}],
            "contexts": [{"name": "real", "context": {"cluster": "real", "user": "me"}}],
        });
        fs::write(folder.path().join("kubeconfig"), kubeconfig.to_string()).unwrap();
        Self { folder, site, state, held: Vec::new() }
    }
}

impl Bench for Cluster {
    fn run(&self, start: Start, emitter: Emitter, stopping: watch::Receiver<bool>) -> Run {
        let cluster = json!({"name": "real", "kubeconfig": "kubeconfig", "read": ["catalog"]});
        let config: kubernetes::Config =
            serde_json::from_value(json!({"id": "bench", "clusters": [cluster]})).unwrap();
        let config = config.in_folder(self.folder.path());
        Box::pin(async move {
            let (_carriers, carried) = watch::channel(Arc::default());
            kubernetes::run(config, carried, start, emitter, stopping).await;
        })
    }

    fn hold(&mut self, things: &[Thing]) {
        let mut state = self.state.lock().unwrap();
        for gone in self.held.iter().filter(|held| things.iter().all(|of| of.name != held.name)) {
            let object = state.objects.remove(&gone.name).unwrap();
            state.happens("DELETED", object);
        }
        for thing in things.iter().filter(|thing| !self.held.contains(thing)) {
            let is_known = state.objects.contains_key(&thing.name);
            let object = object(thing);
            let object = state.happens(if is_known { "MODIFIED" } else { "ADDED" }, object);
            state.objects.insert(thing.name.clone(), object);
        }
        drop(state);
        self.held = things.to_vec();
    }

    fn fail(&mut self, fault: Fault) -> bool {
        // A list is asked for where watches can't go on.
        self.state.lock().unwrap().forgets = fault == Fault::Part;
        let on = if fault == Fault::Part { "limit=" } else { LIST };
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

    /// A page has 500 objects, of the size that they have usually.
    fn large(&self) -> (u32, usize) {
        (20_000, 1500)
    }
}

#[test]
fn clusters_keep_the_laws() {
    crate::check(Cluster::new);
}
