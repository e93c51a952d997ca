//! Workloads.

use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{Happened, Shown, conditions, cron, helm, image, members, purl};
use crate::kinds::Kind;
use crate::object::{Labels, Object, cut, list, number, text};

/// What a workload shows.
pub(super) fn shown(kind: Kind, object: &Object) -> Shown {
    let Object { metadata, spec, status, .. } = object;
    let (desired, ready, containers) = match kind {
        Kind::Deployment | Kind::StatefulSet => (
            Some(number(spec, "/replicas").unwrap_or(1)),
            Some(number(status, "/readyReplicas").unwrap_or(0)),
            "/template/spec/containers",
        ),
        Kind::DaemonSet => (
            number(status, "/desiredNumberScheduled"),
            number(status, "/numberReady"),
            "/template/spec/containers",
        ),
        Kind::Job => (
            number(spec, "/completions"),
            number(status, "/succeeded"),
            "/template/spec/containers",
        ),
        _ => (None, None, "/jobTemplate/spec/template/spec/containers"),
    };
    let images: Vec<(String, String)> = list(spec, containers)
        .map(|of| (text(of, "/name").unwrap_or_default(), text(of, "/image").unwrap_or_default()))
        .collect();
    let label = |key: &str| metadata.labels.get(key).map(|of| cut(of));
    let version = label("app.kubernetes.io/version");
    let release = helm::release_of(metadata);
    let each = images.iter().map(|(container, of)| image(Some(container.clone()), of));
    let suspended = spec.get("suspend").and_then(Value::as_bool).unwrap_or(false);
    let is_plan = kind == Kind::CronJob;
    let pods = kind.serves().then(|| Labels::in_value(spec, "/template/metadata/labels"));
    Shown {
        steady: members([
            ("version", json!(version)),
            ("suspended", json!(suspended.then_some(true))),
            ("schedule", json!(text(spec, "/schedule"))),
            ("release", json!(release.as_ref().map(|of| &*of.name))),
            ("chart", json!(label("helm.sh/chart"))),
            ("images", each.map(Value::Object).collect()),
        ]),
        // How many are wanted an autoscaler says as well, or how many nodes there are.
        health: members([
            ("desired", json!(desired)),
            ("ready", json!(ready)),
            ("conditions", conditions(status)),
        ]),
        routine: if is_plan { cron::routine(object) } else { Map::new() },
        happened: deployed(kind, object, &images, version.as_ref()).into_iter().collect(),
        release,
        pods: pods.unwrap_or_default(),
        ..Shown::default()
    }
}

/// That its images are deployed. The key is the same whenever these images of this workload are
/// told of.
fn deployed(
    kind: Kind,
    object: &Object,
    images: &[(String, String)],
    version: Option<&String>,
) -> Option<Happened> {
    if !kind.serves() || images.is_empty() {
        return None;
    }
    let mut hash = Sha256::new();
    for (container, image) in images {
        hash.update(json!([container, image]).to_string());
    }
    let hash = HEXLOWER.encode(&hash.finalize());
    let purls: Vec<String> = images.iter().filter_map(|(_, image)| purl(image)).collect();
    let value = members([
        ("artifactId", json!(purls.first())),
        ("artifacts", json!(purls)),
        ("version", json!(version)),
    ]);
    Some(Happened {
        what: "service.deployed",
        key: format!("{}/{hash:.32}", object.metadata.uid),
        value: Value::Object(value).to_string().into(),
        time: None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, item};
    use super::*;
    use crate::ANNOTATION;

    fn deployment(labels: &Value, image: &str) -> Value {
        json!({
            "metadata": {"name": "shop", "namespace": "web", "uid": "u", "resourceVersion": "7",
                "generation": 2, "labels": labels, "managedFields": [{"manager": "x"}],
                "annotations": {"meta.helm.sh/release-name": "shop-1"}},
            "spec": {"replicas": 3, "template": {"spec": {"containers": [
                {"name": "main", "image": image, "env": [{"name": "A", "value": "b"}]}]}}},
            "status": {"readyReplicas": 2, "conditions": [
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable",
                    "lastUpdateTime": "2026-01-01T00:00:00Z"},
                {"type": "Available", "status": "False", "reason": null}]},
        })
    }

    #[test]
    fn what_counts_of_a_deployment() {
        let labels = json!({"app.kubernetes.io/version": "1.2", "helm.sh/chart": "shop-3"});
        let expected = json!({
            "kind": "Deployment", "namespace": "web", "name": "shop", "version": "1.2",
            "desired": 3, "ready": 2, "release": "shop-1", "chart": "shop-3",
            "images": [{"container": "main", "image": "shop:1.2",
                "purl": "pkg:oci/shop?repository_url=docker.io/library/shop&tag=1.2"}],
            "conditions": [{"type": "Available", "status": "False"},
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}],
        });
        check(Kind::Deployment, deployment(&labels, "shop:1.2"), &expected);
    }

    #[test]
    fn the_same_images_are_one_activity() {
        let of = |image: &str, kind| {
            let found = item(kind, deployment(&json!({ANNOTATION: "shop"}), image)).unwrap();
            found.happened.first().map(|of| of.key.clone())
        };
        assert_eq!(of("a:1", Kind::Deployment), of("a:1", Kind::Deployment));
        assert_ne!(of("a:1", Kind::Deployment), of("a:2", Kind::Deployment));
        assert_eq!(of("a:1", Kind::Job), None);
    }
}
