//! The program in a pod: it finds its cluster and its own credentials where Kubernetes puts them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use support::process::{Program, skip};
use tokio::runtime::Runtime;

use crate::kubernetes::server::Server;
use crate::kubernetes::{component, components, until};
use crate::program;

const RIGHTS: &str = include_str!("../../deploy/kubernetes-rbac.yaml");
const ACCOUNTS: &str = "/api/v1/namespaces/annals/serviceaccounts";
const SECRETS: &str = "/api/v1/namespaces/annals/secrets";
const COMPONENTS: &str = "/apis/annals.dev/v1alpha1/namespaces/default/components";

/// What the manifest holds, as it is applied.
async fn apply(cluster: &Server) {
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "annals"}});
    cluster.create("/api/v1/namespaces", &namespace).await;
    let read = model::yaml::read(RIGHTS.as_bytes(), &model::yaml::Limits::default());
    for document in read {
        let object = document.unwrap().value;
        let rbac = |plural: &str| format!("/apis/rbac.authorization.k8s.io/v1/{plural}");
        let path = match object["kind"].as_str().unwrap() {
            "ServiceAccount" => ACCOUNTS.to_owned(),
            "ClusterRole" => rbac("clusterroles"),
            "ClusterRoleBinding" => rbac("clusterrolebindings"),
            other => panic!("{other}"),
        };
        cluster.create(&path, &object).await;
    }
}

/// How the cluster answers to somebody with a token who asks what there is.
async fn status(cluster: &Server, token: &str) -> u16 {
    let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig()).unwrap();
    let options = KubeConfigOptions::default();
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    config.auth_info.token = Some(token.to_owned().into());
    let client = kube::Client::try_from(config).unwrap();
    let request = http::Request::get("/apis").body(Vec::new()).unwrap();
    match client.request::<Value>(request).await {
        Ok(_) => 200,
        Err(kube::Error::Api(status)) => status.code,
        Err(error) => panic!("{error}"),
    }
}

/// What Kubernetes mounts into a pod of the account `annals`.
struct Mounted {
    folder: tempfile::TempDir,
    count: u32,
}

impl Mounted {
    async fn new(cluster: &Server) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["ca.crt", "namespace", "token"] {
            symlink(Path::new("..data").join(name), folder.path().join(name)).unwrap();
        }
        let mut mounted = Self { folder, count: 0 };
        mounted.renew(cluster).await;
        mounted
    }

    /// Puts another token there, as a kubelet does: all files are exchanged at once. It is good as
    /// long as the secret to which it is bound.
    async fn renew(&mut self, cluster: &Server) -> String {
        self.count += 1;
        let name = format!("of-token-{}", self.count);
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}});
        let secret = cluster.post(SECRETS, &secret).await;
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600, "boundObjectRef": {"apiVersion": "v1",
                "kind": "Secret", "name": name, "uid": secret["metadata"]["uid"]}}});
        let made = cluster.post(&format!("{ACCOUNTS}/annals/token"), &request).await;
        let token = made["status"]["token"].as_str().unwrap();
        let version = PathBuf::from(format!("..{}", self.count));
        let files = self.folder.path().join(&version);
        fs::create_dir(&files).unwrap();
        fs::write(files.join("token"), token).unwrap();
        fs::write(files.join("namespace"), "annals").unwrap();
        let authority = cluster.kubeconfig().with_file_name("certs/apiserver.crt");
        fs::copy(authority, files.join("ca.crt")).unwrap();
        let next = self.folder.path().join("..next");
        symlink(version, &next).unwrap();
        fs::rename(next, self.folder.path().join("..data")).unwrap();
        token.to_owned()
    }

    /// The program as it is in the pod, or why that can't be had here: it takes a file system of
    /// its own, in which a folder can stand where Kubernetes puts it.
    fn program(&self) -> Result<Program, String> {
        let inside = "set -e; mount -t tmpfs tmpfs /var/run; \
            mkdir -p /var/run/secrets/kubernetes.io; \
            ln -s \"$FOLDER\" /var/run/secrets/kubernetes.io/serviceaccount; exec \"$@\"";
        let mut whys = Vec::new();
        for how in ["--mount", "--map-root-user --mount"] {
            let script = format!(
                "#!/bin/sh\nFOLDER='{}'; export FOLDER\nexec unshare {how} sh -c '{inside}' sh {} \"$@\"\n",
                self.folder.path().display(),
                program().0.display(),
            );
            let path = self.folder.path().join("annals");
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
            match Command::new(&path).arg("--version").output() {
                Ok(output) if output.status.success() => return Ok(Program(path)),
                Ok(output) => whys.push(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
                Err(error) => whys.push(error.to_string()),
            }
        }
        Err(format!("no file system of one's own: {}", whys.join("; ")))
    }
}

#[test]
fn a_pod_reads_its_own_cluster() {
    let Some(cluster) = Server::start("a pod in its cluster", "") else { return };
    let runtime = Runtime::new().unwrap();
    runtime.block_on(apply(&cluster));
    let mut mounted = runtime.block_on(Mounted::new(&cluster));
    let annals = match mounted.program() {
        Ok(annals) => annals,
        Err(why) => return skip("a pod in its cluster", &why),
    };
    let folder = tempfile::tempdir().unwrap();
    let config = json!({"connectors": [{"kind": "kubernetes", "id": "pod", "clusters": [
        {"name": "here"}]}]});
    let path = folder.path().join("annals.yaml");
    fs::write(&path, config.to_string()).unwrap();
    let args = ["--config", path.to_str().unwrap()];
    let port = cluster.port().to_string();
    let env = [("KUBERNETES_SERVICE_HOST", "127.0.0.1"), ("KUBERNETES_SERVICE_PORT", &*port)];
    let served = annals.serve_with(&folder.path().join("data"), &args, &env);
    let client = served.client();
    let source = |list: &Value| {
        let mut all = list["sources"].as_array().into_iter().flatten();
        all.find(|of| of["source"] == "kubernetes/pod").cloned().unwrap_or_default()
    };
    let works = |list: &Value| source(list)["condition"]["state"] == "working";
    until(&client, "/api/connectors", works);

    // What the manifest allows is enough for what is read.
    let entity = component("shop", &json!("team"), &json!({"backstage.io/kubernetes-id": "shop"}));
    let entity = entity.to_string().replace("annals.dev/v1alpha1", "backstage.io/v1alpha1");
    client.post("/api/ingest/all", &entity);
    runtime.block_on(cluster.deploy("shop", "shop", "r.example/shop:1"));
    let aspects = "/api/history/entities/component/default/shop/aspects";
    until(&client, aspects, |page| page.to_string().contains("kubernetes/here"));

    // The token is renewed, and the last one is good no more.
    let second = runtime.block_on(mounted.renew(&cluster));
    runtime.block_on(cluster.remove(SECRETS, "of-token-1"));
    let first = fs::read_to_string(mounted.folder.path().join("..1/token")).unwrap();
    let status = |token: &str| runtime.block_on(status(&cluster, token));
    let refused = std::iter::repeat_with(|| status(&first)).find(|code| *code == 401);
    assert_eq!((refused, status(&second)), (Some(401), 200));
    // Whoever looks for what the cluster serves, and lists that, asks anew.
    runtime.block_on(cluster.define(&[components()]));
    let till = component("till", &json!("team"), &json!({}));
    runtime.block_on(cluster.create(COMPONENTS, &till));
    let list = "/api/catalog/entities?filter=metadata.name=till";
    until(&client, list, |page| page.as_array().is_some_and(|list| list.len() == 1));
    let sources = client.get("/api/connectors").body;
    assert!(works(&sources) && source(&sources)["lastError"].is_null(), "{sources:#}");
    let (code, said) = served.stop();
    assert!(code == Some(0) && !said.contains(&second), "{code:?} {said}");
}
