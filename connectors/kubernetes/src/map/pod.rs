//! Pods, of which a summary is kept where they belong to a workload.

use serde_json::{Value, json};

use super::{Place, Shown, image, members};
use crate::kinds::Kind;
use crate::object::{Object, list, number, text};

/// Restarts of a container that are counted.
const RESTARTS_MAX: i64 = 1_000_000;

/// The workload that pods belong to.
pub(crate) type Owner = Place;

/// A pod of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) place: Place,
    pub(crate) owner: Owner,
    pub(crate) phase: Box<str>,
    pub(crate) restarts: u64,
    /// Why containers wait, each reason once.
    pub(crate) waiting: Box<[Box<str>]>,
    /// What runs, if it runs.
    pub(crate) running: Box<[Running]>,
}

/// What a container runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Running {
    pub(crate) container: Box<str>,
    pub(crate) image: Box<str>,
    /// What was pulled under that name, with its digest.
    pub(crate) id: Box<str>,
}

impl Running {
    pub(crate) fn value(&self) -> Value {
        // Some runtimes say how they pulled it.
        let id = self.id.split_once("://").map_or(&*self.id, |(_, id)| id);
        let digest = id.split_once('@').map(|(_, digest)| digest);
        Value::Object(members([
            ("container", json!(&*self.container)),
            ("image", json!(&*self.image)),
            ("imageId", json!(id)),
            ("digest", json!(digest)),
        ]))
    }
}

/// What is seen of a pod: one of a workload's, or what it shows where it is of none.
pub(super) fn seen(object: &Object) -> Result<Pod, Box<Shown>> {
    let status = &object.status;
    let phase = text(status, "/phase").unwrap_or_else(|| "Unknown".into());
    let containers =
        || list(status, "/initContainerStatuses").chain(list(status, "/containerStatuses"));
    let restarts = containers().filter_map(|of| number(of, "/restartCount"));
    let restarts = restarts.map(|count| count.clamp(0, RESTARTS_MAX).unsigned_abs()).sum();
    let mut waiting: Vec<Box<str>> =
        containers().filter_map(|of| text(of, "/state/waiting/reason")).map(Into::into).collect();
    waiting.sort();
    waiting.dedup();
    if let Some(owner) = owner(object) {
        let ran = list(status, "/containerStatuses").filter_map(|of| {
            let get = |pointer: &str| text(of, pointer).unwrap_or_default().into();
            let running =
                Running { container: get("/name"), image: get("/image"), id: get("/imageID") };
            (!running.id.is_empty()).then_some(running)
        });
        let running = if phase == "Running" { ran.collect() } else { Box::default() };
        let place = super::place(Kind::Pod, object);
        let (phase, waiting) = (phase.into(), waiting.into());
        return Ok(Pod { place, owner, phase, restarts, waiting, running });
    }
    let images = list(&object.spec, "/containers")
        .map(|of| Value::Object(image(text(of, "/name"), &text(of, "/image").unwrap_or_default())));
    Err(Box::new(Shown {
        steady: members([("images", images.collect())]),
        health: members([
            ("phase", phase.into()),
            ("restarts", coarse(restarts).into()),
            ("waiting", waiting.iter().map(|of| Value::from(&**of)).collect()),
        ]),
        ..Shown::default()
    }))
}

/// The workload that a pod belongs to, by what controls it. A Deployment's pods are a ReplicaSet's,
/// whose name is the Deployment's and the hash that the pod has as its label.
fn owner(object: &Object) -> Option<Owner> {
    let of = object.controller()?;
    let (kind, name) = match of.kind.as_str() {
        "ReplicaSet" => {
            let hash = object.metadata.labels.get("pod-template-hash")?;
            let name = of.name.strip_suffix(hash.as_str())?.strip_suffix('-')?;
            (Kind::Deployment, name)
        }
        "StatefulSet" => (Kind::StatefulSet, of.name.as_str()),
        "DaemonSet" => (Kind::DaemonSet, of.name.as_str()),
        "Job" => (Kind::Job, of.name.as_str()),
        _ => return None,
    };
    Some((kind, object.metadata.namespace.as_str().into(), name.into()))
}

/// A count that grows for ever, told ever more coarsely: exact up to 10, then 20, 50, 100, 200, …
pub(crate) fn coarse(count: u64) -> u64 {
    let mut step = 1;
    loop {
        let next = [step * 2, step * 5, step * 10].into_iter().find(|next| *next > count);
        match next {
            _ if count <= 10 => return count,
            Some(next) if next == step * 2 => return step,
            Some(next) if next == step * 5 => return step * 2,
            Some(_) => return step * 5,
            None => step *= 10,
        }
        if step > u64::MAX / 100 {
            return step;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, object};
    use super::*;

    fn pod(owner: &Value, labels: &Value) -> Value {
        json!({
            "metadata": {"name": "p", "namespace": "n", "labels": labels, "ownerReferences": [owner]},
            "spec": {"containers": [{"name": "c", "image": "a:1"}]},
            "status": {"phase": "Running", "containerStatuses": [{
                "name": "c", "image": "docker.io/a:1", "restartCount": 7,
                "imageID": "docker-pullable://docker.io/a@sha256:ab",
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "…"}}}]},
        })
    }

    #[test]
    fn whose_a_pod_is() {
        let of = |kind: &str, name: &str, labels: &Value| {
            let owner = json!({"kind": kind, "name": name, "controller": true});
            let found = seen(&object(pod(&owner, labels))).ok();
            found.map(|pod| (pod.owner.0, pod.owner.2.to_string()))
        };
        let hash = json!({"pod-template-hash": "6c9f"});
        let expected = Some((Kind::Deployment, "shop-web".to_owned()));
        assert_eq!(of("ReplicaSet", "shop-web-6c9f", &hash), expected);
        assert_eq!(of("ReplicaSet", "shop-web-6c9f", &json!({})), None);
        assert_eq!(of("ReplicaSet", "6c9f", &hash), None);
        assert_eq!(of("Job", "j", &json!({})), Some((Kind::Job, "j".to_owned())));
        assert_eq!(of("Node", "n", &json!({})), None);
    }

    #[test]
    fn what_a_pod_runs() {
        let owner = json!({"kind": "StatefulSet", "name": "db", "controller": true});
        let found = seen(&object(pod(&owner, &json!({})))).ok().unwrap();
        assert_eq!((found.restarts, &*found.waiting), (7, &["CrashLoopBackOff".into()][..]));
        let expected = json!({"container": "c", "image": "docker.io/a:1", "digest": "sha256:ab",
            "imageId": "docker.io/a@sha256:ab"});
        assert_eq!(found.running[0].value(), expected);
        let lone = pod(&json!({"kind": "Rollout", "name": "r", "controller": true}), &json!({}));
        let expected = json!({"kind": "Pod", "namespace": "n", "name": "p", "phase": "Running",
            "restarts": 7, "waiting": ["CrashLoopBackOff"], "images": [{"container": "c",
                "image": "a:1", "purl": "pkg:oci/a?repository_url=docker.io/library/a&tag=1"}]});
        check(Kind::Pod, lone, &expected);
    }

    #[test]
    fn counts_are_told_coarsely() {
        for (count, expected) in [
            (0, 0),
            (9, 9),
            (10, 10),
            (11, 10),
            (19, 10),
            (20, 20),
            (49, 20),
            (50, 50),
            (99, 50),
            (100, 100),
            (12_345, 10_000),
            (u64::MAX, 1_000_000_000_000_000_000),
        ] {
            assert_eq!(coarse(count), expected, "{count}");
        }
    }
}
