//! What stands in deploy/, as it is applied.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::server::{Server, skip};

const RIGHTS: &str = include_str!("../../../../deploy/kubernetes-rbac.yaml");
const HELM_RIGHTS: &str = include_str!("../../../../deploy/kubernetes-rbac-helm.yaml");
const DEFINITIONS: &str = include_str!("../../../../deploy/kubernetes-crds.yaml");

/// The documents of a text.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    let read = model::yaml::read(text.as_bytes(), &model::yaml::Limits::default());
    read.into_iter().map(|document| document.unwrap().value).collect()
}

/// Gives the group of the context `reader` the rights of the manifest, and no others.
pub(crate) async fn bind(server: &Server) {
    bind_to(server, RIGHTS).await;
}

/// Gives it those for Helm.
pub(crate) async fn bind_helm(server: &Server) {
    bind_to(server, HELM_RIGHTS).await;
}

async fn bind_to(server: &Server, manifest: &str) {
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    for mut object in documents(manifest) {
        match object["kind"].as_str() {
            Some("ClusterRole") => server.create(&format!("{rbac}/clusterroles"), &object).await,
            Some("ClusterRoleBinding") => {
                // The account has no token here; the group has.
                object["subjects"] = json!([{"kind": "Group", "name": "readers",
                    "apiGroup": "rbac.authorization.k8s.io"}]);
                server.create(&format!("{rbac}/clusterrolebindings"), &object).await;
            }
            Some("ServiceAccount") => {}
            other => panic!("{other:?}"),
        }
    }
}

/// The definitions of the catalog's kinds.
pub(crate) fn definitions() -> Vec<Value> {
    documents(DEFINITIONS)
}

/// The definition of a kind that takes whatever it is given.
pub(crate) fn definition(kind: &str, plural: &str, version: &str, group: &str) -> Value {
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}"), "annotations": {
            "api-approved.kubernetes.io": "unapproved, a test"}},
        "spec": {"group": group, "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            "versions": [{"name": version, "served": true, "storage": true,
                "schema": {"openAPIV3Schema": open}}]},
    })
}

/// Tekton's own module, which holds its definitions and examples; or says that it can't be had.
pub(crate) fn tekton(what: &str) -> Option<PathBuf> {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("go")
        .args(["mod", "download", "-json", "github.com/tektoncd/pipeline@v1.0.0"])
        .current_dir(folder.path())
        .output();
    let output = match output {
        Ok(output) if output.status.success() => output,
        Ok(_) => {
            skip(what, "go can't download github.com/tektoncd/pipeline");
            return None;
        }
        Err(error) => {
            skip(what, &format!("no go: {error}"));
            return None;
        }
    };
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    Some(told["Dir"].as_str().unwrap().into())
}
