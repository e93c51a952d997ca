//! Nodes on one topic.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proof::SignerKey;
use serde_json::Value;
use support::process::{Answer, Client, Program, Server};

/// How long something may take that is said to happen soon.
const SOON: Duration = Duration::from_secs(60);

/// The log's name.
pub(crate) const ORIGIN: &str = "kafka.example";

pub(crate) fn program() -> Program {
    Program(PathBuf::from(env!("CARGO_BIN_EXE_annals-under-test")))
}

/// The log's key.
pub(crate) fn key() -> SignerKey {
    SignerKey::new(ORIGIN, &[7; 32]).unwrap()
}

/// Nodes that share a topic, each with a data folder of its own, and a folder of catalog files.
pub(crate) struct Nodes {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) config: PathBuf,
    pub(crate) catalog: PathBuf,
}

impl Nodes {
    /// Nodes on a topic at an address.
    pub(crate) fn new(address: &str, topic: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalog = folder.path().join("catalog");
        fs::create_dir(&catalog).unwrap();
        fs::write(folder.path().join("key"), key().to_secret_text()).unwrap();
        let config = folder.path().join("annals.yaml");
        let text = format!(
            "log:\n  kind: kafka\n  origin: {ORIGIN}\n  kafka:\n    topic: {topic}\n    \
             create: true\n    properties: {{bootstrap.servers: \"{address}\"}}\n\
             identity: {{key: \"$file:key\"}}\n\
             connectors: [{{kind: files, id: local, paths: [./catalog], poll_seconds: 1}}]\n"
        );
        fs::write(&config, text).unwrap();
        Self { folder, config, catalog }
    }

    /// The same, with topics of state and changes beside the log.
    pub(crate) fn with_topics(self, state: &str, changes: &str) -> Self {
        let text = fs::read_to_string(&self.config).unwrap();
        let topics = format!(
            "create: true\n    state: {{topic: {state}, create: true}}\n    changes: {{topic: \
             {changes}, create: true}}\n"
        );
        fs::write(&self.config, text.replacen("create: true\n", &topics, 1)).unwrap();
        self
    }

    /// The data folder of a node.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a node.
    pub(crate) fn serve(&self, name: &str) -> Server {
        program().serve(&self.data(name), &["--config", self.config.to_str().unwrap()])
    }

    /// Starts a node with something in its environment.
    pub(crate) fn serve_with(&self, name: &str, env: &[(&str, &str)]) -> Server {
        let args = ["--config", self.config.to_str().unwrap()];
        program().serve_with(&self.data(name), &args, env)
    }

    /// Writes a component into the catalog's files.
    pub(crate) fn write(&self, name: &str, lifecycle: &str) {
        let path = self.folder.path().join("new");
        fs::write(&path, component(name, lifecycle)).unwrap();
        fs::rename(path, self.catalog.join(format!("{name}.yaml"))).unwrap();
    }

    /// Position and digests of stopped nodes, each with every row compared.
    pub(crate) fn digests(&self, names: &[&str]) -> Vec<Value> {
        let digest = |name: &&str| {
            let data = self.data(name);
            let found = program().json(&["digest", "--data", data.to_str().unwrap(), "--deep"]);
            assert_eq!(found["deep"]["differs"], serde_json::json!([]), "{name}: {found}");
            found
        };
        names.iter().map(digest).collect()
    }

    /// The digests of a replay of the topic, up to a position.
    pub(crate) fn replayed(&self, until: &str, name: &str) -> Value {
        let (data, config) = (self.data(name), self.config.to_str().unwrap());
        let data = data.to_str().unwrap();
        let from = ["replay", "--from", "kafka", "--config", config];
        program().json(&[&from[..], &["--data", data, "--until", until]].concat())
    }
}

/// A component as JSON, which is YAML, too.
pub(crate) fn component(name: &str, lifecycle: &str) -> String {
    serde_json::json!({
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": name},
        "spec": {"type": "service", "lifecycle": lifecycle, "owner": "team"},
    })
    .to_string()
}

pub(crate) fn by_name(name: &str) -> String {
    format!("/api/catalog/entities/by-name/component/default/{name}")
}

pub(crate) fn lifecycle(answer: &Answer) -> Option<&str> {
    answer.body.pointer("/spec/lifecycle").and_then(Value::as_str)
}

/// Writes a component through a node; gives the position.
pub(crate) fn ingest(client: &Client, scope: &str, name: &str, lifecycle: &str) -> String {
    let path = format!("/api/ingest/{scope}?mode=changes");
    let answer = client.post(&path, &component(name, lifecycle));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["position"].as_str().unwrap().to_owned()
}

/// A figure of a node.
pub(crate) fn metric(client: &Client, name: &str) -> Option<f64> {
    let (_, _, text) = client.get_raw("/metrics");
    let line = text.lines().find(|line| line.split(' ').next() == Some(name))?;
    line.split(' ').nth(1)?.parse().ok()
}

pub(crate) fn leads(client: &Client) -> bool {
    metric(client, "annals_leads") == Some(1.0)
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut is_so: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = is_so() {
            return found;
        }
        assert!(begun.elapsed() < SOON, "{what} never came to be so");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// All of two digests but what else they tell.
pub(crate) fn assert_same(one: &Value, other: &Value) {
    for part in ["position", "fold", "digest", "history"] {
        assert_eq!(one[part], other[part], "{part}: {one} {other}");
    }
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
