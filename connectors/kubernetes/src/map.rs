//! From objects to what is said of them. Everything here is a function of the objects.

use connector::{Activity, Whom};
use data_encoding::HEXLOWER;
use event::vocabulary::About;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::ANNOTATION;
use crate::object::{Condition, Kind, Object, Template};

/// Workloads that an aspect shows at the most; of more it says how many there are.
pub const WORKLOADS_MAX: usize = 500;

/// Containers, and conditions, of a workload that are looked at.
const PARTS_MAX: usize = 50;

/// The longest text that is taken over, in letters; the API's own names are shorter.
const TEXT_MAX: usize = 512;

/// Where a workload stands in its cluster.
pub type Place = (Kind, String, String);

/// What counts of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Whose it is.
    pub id: String,
    pub(crate) place: Place,
    pub(crate) uid: String,
    pub(crate) resource_version: String,
    pub(crate) generation: i64,
    version: Option<String>,
    desired: Option<i64>,
    ready: Option<i64>,
    suspended: bool,
    schedule: Option<String>,
    pub(crate) images: Vec<(String, String)>,
    conditions: Vec<Condition>,
}

/// Where an object stands.
#[must_use]
pub fn place(kind: Kind, object: &Object) -> Place {
    (kind, object.metadata.namespace.clone(), object.metadata.name.clone())
}

/// What counts of an object, if it is somebody's.
#[must_use]
pub fn workload(kind: Kind, object: &Object) -> Option<Workload> {
    let Object { metadata, spec, status } = object;
    let id = metadata.labels.get(ANNOTATION).or_else(|| metadata.annotations.get(ANNOTATION))?;
    if !event::vocabulary::is_key(id) {
        return None;
    }
    // What a CronJob starts is told of by the CronJob; each run by itself would be noise.
    if kind == Kind::Job && metadata.owner_references.iter().any(|of| of.kind == "CronJob") {
        return None;
    }
    let (desired, ready, template): (_, _, &Template) = match kind {
        Kind::Deployment | Kind::StatefulSet => (
            Some(spec.replicas.unwrap_or(1)),
            Some(status.ready_replicas.unwrap_or(0)),
            &spec.template,
        ),
        Kind::DaemonSet => (status.desired_number_scheduled, status.number_ready, &spec.template),
        Kind::Job => (spec.completions, status.succeeded, &spec.template),
        Kind::CronJob => (None, None, &spec.job_template.spec.template),
    };
    let containers = template.spec.containers.iter().take(PARTS_MAX);
    let mut conditions: Vec<Condition> =
        status.conditions.iter().take(PARTS_MAX).map(short).collect();
    conditions.sort();
    Some(Workload {
        id: id.clone(),
        place: place(kind, object),
        uid: metadata.uid.clone(),
        resource_version: metadata.resource_version.clone(),
        generation: metadata.generation,
        version: metadata.labels.get("app.kubernetes.io/version").map(|of| cut(of)),
        desired,
        ready,
        suspended: spec.suspend.unwrap_or(false),
        schedule: spec.schedule.as_deref().map(cut),
        images: containers.map(|of| (cut(&of.name), cut(&of.image))).collect(),
        conditions,
    })
}

fn short(condition: &Condition) -> Condition {
    let Condition { kind, status, reason } = condition;
    Condition { kind: cut(kind), status: cut(status), reason: cut(reason) }
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}

impl Workload {
    /// Where in the source it stands.
    #[must_use]
    pub fn pointer(&self, cluster: &str) -> String {
        let (kind, namespace, name) = &self.place;
        let (kind, version) = (kind.name(), &self.resource_version);
        format!("{cluster} {kind} {namespace}/{name} resourceVersion {version}")
    }

    /// What people did, without what comes of it by itself: how many are ready, and conditions.
    pub(crate) fn without_health(&self) -> Self {
        let uid = self.uid.clone();
        Self {
            ready: None,
            conditions: Vec::new(),
            resource_version: String::new(),
            generation: 0,
            uid,
            ..self.clone()
        }
    }

    fn value(&self) -> Value {
        let (kind, namespace, name) = &self.place;
        let images = self.images.iter().map(|(container, image)| {
            let purl = purl(image);
            let digest = image.split_once('@').map(|(_, digest)| digest);
            members([
                ("container", json!(container)),
                ("image", json!(image)),
                ("digest", json!(digest)),
                ("purl", json!(purl)),
            ])
        });
        let conditions = self.conditions.iter().map(|of| {
            let reason = (!of.reason.is_empty()).then_some(&of.reason);
            members([
                ("type", json!(of.kind)),
                ("status", json!(of.status)),
                ("reason", json!(reason)),
            ])
        });
        Value::Object(members([
            ("kind", json!(kind.name())),
            ("namespace", json!(namespace)),
            ("name", json!(name)),
            ("version", json!(self.version)),
            ("desired", json!(self.desired)),
            ("ready", json!(self.ready)),
            ("suspended", json!(self.suspended.then_some(true))),
            ("schedule", json!(self.schedule)),
            ("images", images.map(Value::Object).collect()),
            ("conditions", conditions.map(Value::Object).collect()),
        ]))
    }

    /// The activity that its images are deployed. The key is the same whenever these images of
    /// this workload are told of, but for a `rollout`, which tells a return to earlier images from
    /// the first time.
    #[must_use]
    pub fn deployed(&self, cluster: &str, upgraded: bool, rollout: bool) -> Option<Activity> {
        let (kind, namespace, name) = &self.place;
        if !kind.serves() || self.images.is_empty() {
            return None;
        }
        let mut hash = Sha256::new();
        for (container, image) in &self.images {
            hash.update(json!([container, image]).to_string());
        }
        let images = HEXLOWER.encode(&hash.finalize());
        let rollout = rollout.then(|| format!("@{}", self.generation)).unwrap_or_default();
        let uid = &self.uid;
        let how = if upgraded { "upgraded" } else { "deployed" };
        let purls: Vec<_> = self.images.iter().filter_map(|(_, image)| purl(image)).collect();
        Some(Activity {
            activity: format!("dev.cdevents.service.{how}"),
            key: format!("{cluster}/{uid}/{:.32}{rollout}", images),
            whom: Whom::Annotated(About { annotation: ANNOTATION.into(), value: self.id.clone() }),
            value: members([
                ("environment", json!(cluster)),
                ("kind", json!(kind.name())),
                ("namespace", json!(namespace)),
                ("name", json!(name)),
                ("artifactId", json!(purls.first())),
                ("artifacts", json!(purls)),
                ("version", json!(self.version)),
            ]),
            pointer: Some(self.pointer(cluster)),
            time: None,
        })
    }
}

/// The aspect of an entity in a cluster, of its workloads in the order of their places.
pub(crate) fn aspect<'a>(
    cluster: &str,
    workloads: impl Iterator<Item = &'a Workload>,
) -> Option<Map<String, Value>> {
    let (mut shown, mut more) = (Vec::new(), 0_usize);
    for workload in workloads {
        if shown.len() < WORKLOADS_MAX {
            shown.push(workload.value());
        } else {
            more += 1;
        }
    }
    (!shown.is_empty()).then(|| {
        members([
            ("cluster", json!(cluster)),
            ("workloads", Value::Array(shown)),
            ("more", json!((more > 0).then_some(more))),
        ])
    })
}

/// Members without those that are not known.
fn members<const N: usize>(of: [(&str, Value); N]) -> Map<String, Value> {
    let known = of.into_iter().filter(|(_, value)| !value.is_null());
    known.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The package URL of an image, of type `oci` as the purl specification has it: the digest is the
/// version, where the image stands is a qualifier.
#[must_use]
pub fn purl(image: &str) -> Option<String> {
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    // A colon before the last slash is a registry's port.
    let slash = name.rfind('/').map_or(0, |at| at + 1);
    let (path, tag) = match name[slash..].rfind(':') {
        Some(at) => (&name[..slash + at], Some(&name[slash + at + 1..])),
        None => (name, None),
    };
    let mut parts = path.splitn(2, '/');
    let first = parts.next().unwrap_or_default();
    let is_host = path.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    let repository = match (is_host, path.contains('/')) {
        (true, _) => path.to_owned(),
        (false, true) => format!("docker.io/{path}"),
        (false, false) => format!("docker.io/library/{path}"),
    };
    let last = repository.rsplit('/').next().filter(|last| !last.is_empty())?;
    let mut purl = format!("pkg:oci/{}", encoded(&last.to_lowercase()));
    if let Some(digest) = digest {
        purl.push('@');
        purl.push_str(&encoded(digest));
    }
    purl.push_str("?repository_url=");
    purl.push_str(&encoded(&repository.to_lowercase()));
    if let Some(tag) = tag.filter(|tag| !tag.is_empty()) {
        purl.push_str("&tag=");
        purl.push_str(&encoded(tag));
    }
    Some(purl)
}

/// Percent-encoded, but for what stands unencoded in canonical package URLs.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~' | b'/' | b':') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Object {
        serde_json::from_value(value).unwrap()
    }

    fn deployment(labels: Value, image: &str) -> Object {
        object(json!({
            "metadata": {"name": "shop", "namespace": "web", "uid": "u", "resourceVersion": "7",
                "generation": 2, "labels": labels, "managedFields": [{"manager": "x"}]},
            "spec": {"replicas": 3, "template": {"spec": {"containers": [
                {"name": "main", "image": image}]}}},
            "status": {"readyReplicas": 2, "conditions": [
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable",
                    "lastUpdateTime": "2026-01-01T00:00:00Z"},
                {"type": "Available", "status": "False", "reason": null}]},
        }))
    }

    #[test]
    fn what_counts_of_a_deployment() {
        let labels = json!({ANNOTATION: "shop", "app.kubernetes.io/version": "1.2"});
        let shop = workload(Kind::Deployment, &deployment(labels, "shop:1.2")).unwrap();
        let value = aspect("prod", [&shop].into_iter()).unwrap();
        let expected = json!({"cluster": "prod", "workloads": [{
            "kind": "Deployment", "namespace": "web", "name": "shop", "version": "1.2",
            "desired": 3, "ready": 2,
            "images": [{"container": "main", "image": "shop:1.2",
                "purl": "pkg:oci/shop?repository_url=docker.io/library/shop&tag=1.2"}],
            "conditions": [{"type": "Available", "status": "False"},
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}],
        }]});
        assert_eq!(Value::Object(value), expected);
    }

    #[test]
    fn whose_a_workload_is() {
        let mine = |kind, value| workload(kind, &object(value)).map(|of| of.id);
        let of = |key: &str, id: &str| json!({"metadata": {key: {ANNOTATION: id}}});
        assert_eq!(mine(Kind::Job, of("labels", "a")).as_deref(), Some("a"));
        assert_eq!(mine(Kind::Job, of("annotations", "a")).as_deref(), Some("a"));
        assert_eq!(mine(Kind::Job, of("labels", "")), None);
        assert_eq!(mine(Kind::Job, json!({"metadata": {"labels": null}})), None);
        let mut owned = of("labels", "a");
        owned["metadata"]["ownerReferences"] = json!([{"kind": "CronJob"}]);
        assert_eq!(mine(Kind::Job, owned.clone()), None);
        assert_eq!(mine(Kind::Deployment, owned).as_deref(), Some("a"));
    }

    #[test]
    fn the_same_images_are_one_activity() {
        let of = |image: &str, kind| {
            let labels = json!({ANNOTATION: "shop"});
            let found = workload(kind, &deployment(labels, image)).unwrap();
            found.deployed("prod", true, false).map(|activity| activity.key)
        };
        assert_eq!(of("a:1", Kind::Deployment), of("a:1", Kind::Deployment));
        assert_ne!(of("a:1", Kind::Deployment), of("a:2", Kind::Deployment));
        assert_eq!(of("a:1", Kind::Job), None);
    }

    #[test]
    fn package_urls() {
        for (image, expected) in [
            ("nginx", "pkg:oci/nginx?repository_url=docker.io/library/nginx"),
            ("acme/shop:1", "pkg:oci/shop?repository_url=docker.io/acme/shop&tag=1"),
            ("r.example:5000/shop", "pkg:oci/shop?repository_url=r.example:5000/shop"),
            (
                "ghcr.io/acme/shop:1@sha256:ab",
                "pkg:oci/shop@sha256:ab?repository_url=ghcr.io/acme/shop&tag=1",
            ),
            ("a b", "pkg:oci/a%20b?repository_url=docker.io/library/a%20b"),
        ] {
            assert_eq!(purl(image).as_deref(), Some(expected));
        }
        assert_eq!(purl(""), None);
        assert_eq!(purl("a/"), None);
    }
}
