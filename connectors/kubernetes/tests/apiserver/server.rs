//! A real kube-apiserver in a folder of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Request;
use serde_json::{Value, json};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

/// The server, which is killed when this is dropped.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    program: PathBuf,
    args: &'static str,
    port: u16,
    child: Option<Child>,
}

impl Server {
    /// Starts one, with more arguments; or says that it can't be here.
    pub(crate) fn start(what: &str, args: &'static str) -> Option<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let mut scripts = here.map(|folder| folder.join("scripts/kube-apiserver"));
        let script = scripts.find(|script| script.is_file()).unwrap();
        let output = Command::new(script).output().unwrap();
        if !output.status.success() {
            skip(what, String::from_utf8_lossy(&output.stderr).trim());
            return None;
        }
        let program = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
        let folder = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut server = Self { folder, program, args, port, child: None };
        server.up();
        Some(server)
    }

    /// Starts it again where it was.
    pub(crate) fn up(&mut self) {
        let mut child = Command::new(&self.program)
            .arg("-dir")
            .arg(self.folder.path())
            .args(["-port", &self.port.to_string(), "-args", self.args])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.child = Some(child);
        assert!(line.starts_with("ready "), "{line}");
    }

    /// Kills it, as a crash would.
    pub(crate) fn down(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    async fn client(&self) -> kube::Client {
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig()).unwrap();
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
        kube::Client::try_from(config).unwrap()
    }

    pub(crate) async fn create(&self, path: &str, object: &Value) {
        let body = object.to_string().into_bytes();
        let request = Request::new(path).create(&PostParams::default(), body).unwrap();
        self.client().await.request::<Value>(request).await.unwrap();
    }

    /// Makes a deployment with an id and an image.
    pub(crate) async fn deploy(&self, name: &str, id: &str, image: &str) {
        let object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "annotations": {kubernetes::ANNOTATION: id}},
            "spec": {
                "replicas": 2, "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": {"app": name}},
                    "spec": {"containers": [{"name": "main", "image": image}]},
                },
            },
        });
        self.create(DEPLOYMENTS, &object).await;
    }

    pub(crate) async fn patch(&self, name: &str, patch: &Value) {
        let (params, patch) = (PatchParams::default(), Patch::Strategic(patch));
        let request = Request::new(DEPLOYMENTS).patch(name, &params, &patch).unwrap();
        self.client().await.request::<Value>(request).await.unwrap();
    }

    pub(crate) async fn patch_status(&self, name: &str, status: &Value) {
        let (params, status) = (PatchParams::default(), json!({"status": status}));
        let patch = Patch::Merge(&status);
        let request = Request::new(DEPLOYMENTS).patch_subresource("status", name, &params, &patch);
        self.client().await.request::<Value>(request.unwrap()).await.unwrap();
    }

    pub(crate) async fn roll_out(&self, name: &str, image: &str) {
        let containers = json!([{"name": "main", "image": image}]);
        self.patch(name, &json!({"spec": {"template": {"spec": {"containers": containers}}}}))
            .await;
    }

    pub(crate) async fn delete(&self, name: &str) {
        let request = Request::new(DEPLOYMENTS).delete(name, &DeleteParams::default()).unwrap();
        self.client().await.request::<Value>(request).await.unwrap();
    }

    /// How many deployments there are, to see that the server answers.
    pub(crate) async fn count(&self) -> usize {
        let request = Request::new(DEPLOYMENTS).list(&ListParams::default()).unwrap();
        let list: Value = self.client().await.request(request).await.unwrap();
        list["items"].as_array().unwrap().len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.down();
    }
}

/// Says that a test could not be run here, where the runner counts it.
fn skip(what: &str, why: &str) {
    let line = format!("{what}: {why}");
    let _ = writeln!(std::io::stdout(), "SKIPPED {line}");
    if let Some(path) = std::env::var_os("ANNALS_SKIPPED") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        let _ = writeln!(file.unwrap(), "{line}");
    }
}
