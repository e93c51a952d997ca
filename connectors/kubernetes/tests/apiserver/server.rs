//! A real kube-apiserver in a folder of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
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
        let here = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap());
        let mut scripts = here.ancestors().map(|folder| folder.join("scripts/kube-apiserver"));
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

    pub(crate) async fn client(&self) -> kube::Client {
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig()).unwrap();
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
        kube::Client::try_from(config).unwrap()
    }

    pub(crate) async fn create(&self, path: &str, object: &Value) {
        self.post(path, object).await;
    }

    /// Makes an object, and gives what the server made of it.
    pub(crate) async fn post(&self, path: &str, object: &Value) -> Value {
        let body = object.to_string().into_bytes();
        let request = Request::new(path).create(&PostParams::default(), body).unwrap();
        self.client().await.request(request).await.unwrap()
    }

    /// Makes an object, and says whether it was taken.
    pub(crate) async fn try_create(&self, path: &str, object: &Value) -> bool {
        let body = object.to_string().into_bytes();
        let request = Request::new(path).create(&PostParams::default(), body).unwrap();
        self.client().await.request::<Value>(request).await.is_ok()
    }

    /// Sends a merge patch to an object, or a part of it: `…/deployments`, `shop/status`.
    pub(crate) async fn merge(&self, path: &str, name: &str, patch: &Value) {
        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
        let request = Request::new(path).patch(name, &params, &patch).unwrap();
        self.client().await.request::<Value>(request).await.unwrap();
    }

    pub(crate) async fn remove(&self, path: &str, name: &str) {
        let request = Request::new(path).delete(name, &DeleteParams::default()).unwrap();
        self.client().await.request::<Value>(request).await.unwrap();
    }

    /// Asks for something; the status code where it is refused.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, u16> {
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        match self.client().await.request::<Value>(request).await {
            Ok(value) => Ok(value),
            Err(kube::Error::Api(status)) => Err(status.code),
            Err(error) => panic!("{path}: {error}"),
        }
    }

    /// Waits until what is asked for is so.
    pub(crate) async fn until(&self, path: &str, is: impl Fn(Result<Value, u16>) -> bool) {
        let begun = std::time::Instant::now();
        while !is(self.get(path).await) {
            assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{path}");
            tokio::task::yield_now().await;
        }
    }

    /// Waits until what is watched for a moment is so.
    pub(crate) async fn until_lines(&self, path: &str, is: impl Fn(&str) -> bool) {
        let begun = std::time::Instant::now();
        loop {
            let request = http::Request::get(path).body(Vec::new()).unwrap();
            let text = self.client().await.request_text(request).await;
            let text = match text {
                Ok(text) => text,
                Err(kube::Error::Api(status)) => format!("\"code\":{}", status.code),
                Err(error) => panic!("{path}: {error}"),
            };
            if is(&text) {
                return;
            }
            assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{path}: {text}");
        }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Makes definitions of kinds, and waits until they are served.
    pub(crate) async fn define(&self, definitions: &[Value]) {
        for definition in definitions {
            self.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
                .await;
        }
        for definition in definitions {
            let (group, versions) = (&definition["spec"]["group"], &definition["spec"]["versions"]);
            let version = versions.as_array().unwrap().last().unwrap()["name"].as_str().unwrap();
            let plural = definition["spec"]["names"]["plural"].as_str().unwrap();
            let path = format!("/apis/{}/{version}/{plural}", group.as_str().unwrap());
            self.until(&path, |answer| answer.is_ok()).await;
        }
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
pub(crate) fn skip(what: &str, why: &str) {
    let line = format!("{what}: {why}");
    let _ = writeln!(std::io::stdout(), "SKIPPED {line}");
    if let Some(path) = std::env::var_os("ANNALS_SKIPPED") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        let _ = writeln!(file.unwrap(), "{line}");
    }
}
