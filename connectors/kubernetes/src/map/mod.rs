//! From objects to what is known of them. Everything here is a function of the objects.

mod cron;
mod entity;
mod helm;
mod network;
mod pod;
mod purl;
mod runs;
mod workload;

use event::Timestamp;
use serde_json::{Map, Value};

use crate::ANNOTATION;
use crate::calm::Weight;
use crate::kinds::{Kind, Watched};
use crate::object::{Labels, Object, cut};

pub(crate) use cron::{Run, last as last_run};
pub(crate) use entity::entity;
pub(crate) use helm::removed;
pub(crate) use pod::{Owner, Pod, Running, coarse};
use purl::purl;

/// Where an object stands in its cluster.
pub(crate) type Place = (Kind, Box<str>, Box<str>);

/// By what objects are matched to entities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tags {
    pub(crate) namespace: Box<str>,
    /// The label or annotation [`ANNOTATION`].
    pub(crate) id: Option<Box<str>>,
    pub(crate) labels: Labels,
    /// The labels of its pods, where it serves.
    pub(crate) pods: Labels,
    pub(crate) leads: Leads,
}

/// What an object leads to: whose that is, the object is, too, unless it says whose it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Leads {
    /// To nothing that is known.
    #[default]
    Nowhere,
    /// To these objects.
    To(Box<[Place]>),
    /// To whatever in its namespace has pods with all of these labels.
    Pods(Labels),
}

/// Something that happened to an object, which its state tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Happened {
    /// What, in CDEvents' terms without their beginning: `service.deployed`.
    pub(crate) what: &'static str,
    /// Tells it from whatever else happened in the cluster.
    pub(crate) key: String,
    /// What is known of it, as JSON.
    pub(crate) value: Box<str>,
    pub(crate) time: Option<Timestamp>,
}

/// What counts of an object. What it shows is kept as JSON, in little memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) place: Place,
    /// The kind's name, as the API writes it.
    pub(crate) name: std::sync::Arc<str>,
    pub(crate) uid: Box<str>,
    pub(crate) resource_version: Box<str>,
    pub(crate) generation: i64,
    pub(crate) tags: Tags,
    /// What people change.
    pub(crate) steady: Box<str>,
    /// What comes of it by itself: how many are ready, conditions.
    pub(crate) health: Box<str>,
    /// What comes and goes by plan.
    pub(crate) routine: Box<str>,
    pub(crate) happened: Vec<Happened>,
    /// The release of Helm that it belongs to, or is a revision of.
    pub(crate) release: Option<Release>,
}

/// A release of Helm, or a revision of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Release {
    pub(crate) namespace: Box<str>,
    pub(crate) name: Box<str>,
    /// 0 where it is not the release itself.
    pub(crate) revision: u64,
}

/// What was seen of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It stands for itself.
    Item(Box<Item>),
    /// It is one of the pods of something else.
    Pod(Pod),
    /// It is a run of a CronJob.
    Run(Run),
}

impl Seen {
    /// Where it stands.
    pub(crate) const fn place(&self) -> &Place {
        match self {
            Self::Item(item) => &item.place,
            Self::Pod(pod) => &pod.place,
            Self::Run(run) => &run.place,
        }
    }
}

/// Where an object stands.
pub(crate) fn place(kind: Kind, object: &Object) -> Place {
    (kind, object.metadata.namespace.as_str().into(), object.metadata.name.as_str().into())
}

/// What counts of an object; nothing of what is told of by another one.
pub(crate) fn seen(watched: &Watched, object: &Object) -> Option<Seen> {
    let shown = match watched.kind {
        Kind::Job if let Some(run) = cron::run(object) => return Some(Seen::Run(run)),
        Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet | Kind::Job | Kind::CronJob => {
            workload::shown(watched.kind, object)
        }
        Kind::Pod => match pod::seen(object) {
            Ok(pod) => return Some(Seen::Pod(pod)),
            Err(shown) => *shown,
        },
        Kind::Service => network::service(object),
        Kind::Ingress => network::ingress(object),
        Kind::HttpRoute => network::route(object),
        Kind::Autoscaler => network::autoscaler(object),
        Kind::Release => helm::revision(object)?,
        Kind::PipelineRun | Kind::TaskRun => runs::tekton(watched.kind, object),
        Kind::Application => runs::application(object),
        Kind::Catalog | Kind::Other => return None,
    };
    let metadata = &object.metadata;
    let own = metadata.labels.get(ANNOTATION).or_else(|| metadata.annotations.get(ANNOTATION));
    let id = own.filter(|id| event::vocabulary::is_key(id)).map(|id| id.as_str().into());
    Some(Seen::Item(Box::new(Item {
        place: place(watched.kind, object),
        name: watched.name.clone(),
        uid: metadata.uid.as_str().into(),
        resource_version: metadata.resource_version.as_str().into(),
        generation: metadata.generation,
        tags: Tags {
            namespace: metadata.namespace.as_str().into(),
            id,
            labels: Labels::of(metadata),
            pods: shown.pods,
            leads: shown.leads,
        },
        steady: text_of(shown.steady),
        health: text_of(shown.health),
        routine: text_of(shown.routine),
        happened: shown.happened,
        release: shown.release,
    })))
}

/// What a kind makes of an object.
#[derive(Default)]
struct Shown {
    steady: Map<String, Value>,
    health: Map<String, Value>,
    routine: Map<String, Value>,
    happened: Vec<Happened>,
    release: Option<Release>,
    pods: Labels,
    leads: Leads,
}

impl Item {
    /// What is shown of it, in full.
    pub(crate) fn value(&self) -> Map<String, Value> {
        let (_, namespace, name) = &self.place;
        let mut value = members([
            ("kind", Value::from(&*self.name)),
            ("namespace", (!namespace.is_empty()).then_some(&**namespace).into()),
            ("name", Value::from(&**name)),
        ]);
        for part in [&self.steady, &self.health, &self.routine] {
            let part: Map<String, Value> = serde_json::from_str(part).unwrap_or_default();
            value.extend(part);
        }
        value
    }

    /// About how many bytes it takes where it is shown.
    pub(crate) fn bytes(&self) -> usize {
        let shown = self.steady.len() + self.health.len() + self.routine.len();
        shown + self.place.1.len() + self.place.2.len() + 64
    }

    /// Where in the source it stands.
    pub(crate) fn pointer(&self, cluster: &str) -> String {
        let (_, namespace, name) = &self.place;
        pointer(cluster, &self.name, namespace, name, &self.resource_version)
    }

    /// How much it is worth that it is no more what it was before.
    pub(crate) fn weight(&self, before: &Self) -> Weight {
        let steady = |of: &Self| (of.steady.clone(), of.tags.clone(), of.uid.clone());
        if steady(self) != steady(before) {
            Weight::Steady
        } else if self.health != before.health {
            Weight::Health
        } else {
            Weight::Routine
        }
    }

    /// Whether it differs in nothing but its version.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.counts() == other.counts()
    }

    fn counts(&self) -> impl PartialEq {
        let shown = [&self.steady, &self.health, &self.routine];
        (&self.uid, &self.tags, shown, &self.happened, &self.release)
    }
}

/// Where in the source an object stands.
pub(crate) fn pointer(
    cluster: &str,
    kind: &str,
    namespace: &str,
    name: &str,
    version: &str,
) -> String {
    let slash = if namespace.is_empty() { "" } else { "/" };
    format!("{cluster} {kind} {namespace}{slash}{name} resourceVersion {version}")
}

fn text_of(members: Map<String, Value>) -> Box<str> {
    Value::Object(members).to_string().into()
}

/// Members without those that are not known, or empty.
fn members<const N: usize>(of: [(&str, Value); N]) -> Map<String, Value> {
    let is_known = |value: &Value| match value {
        Value::Null => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => true,
    };
    let known = of.into_iter().filter(|(_, value)| is_known(value));
    known.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Conditions, in the order of their types, without their times.
fn conditions(status: &Value) -> Value {
    let text = |of: &Value, pointer: &str| crate::object::text(of, pointer);
    let each = crate::object::list(status, "/conditions").map(|of| {
        members([
            ("type", text(of, "/type").into()),
            ("status", text(of, "/status").into()),
            ("reason", text(of, "/reason").into()),
        ])
    });
    let mut all: Vec<Map<String, Value>> = each.filter(|of| !of.is_empty()).collect();
    all.sort_by_key(|of| of.get("type").map(Value::to_string));
    all.into_iter().map(Value::Object).collect()
}

/// An image's name, its digest if it tells one, and its package URL.
fn image(container: Option<String>, image: &str) -> Map<String, Value> {
    let image = cut(image);
    members([
        ("container", container.into()),
        ("digest", image.split_once('@').map(|(_, digest)| digest).into()),
        ("purl", purl(&image).into()),
        ("image", image.into()),
    ])
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    pub(crate) fn object(value: Value) -> Object {
        serde_json::from_value(value).unwrap()
    }

    /// What is seen of an object of a kind that stands for itself.
    pub(crate) fn item(kind: Kind, value: Value) -> Option<Item> {
        let watched = Watched::known(kind).unwrap();
        match seen(&watched, &object(value))? {
            Seen::Item(item) => Some(*item),
            other => panic!("something of something else: {other:?}"),
        }
    }

    /// What an object shows.
    pub(crate) fn check(kind: Kind, value: Value, expected: &Value) {
        assert_eq!(&Value::Object(item(kind, value).unwrap().value()), expected);
    }

    #[test]
    fn whose_an_object_is() {
        let mine = |kind, value| item(kind, value).and_then(|of| of.tags.id);
        let of = |key: &str, id: &str| json!({"metadata": {key: {ANNOTATION: id}}});
        assert_eq!(mine(Kind::Job, of("labels", "a")).as_deref(), Some("a"));
        assert_eq!(mine(Kind::Service, of("annotations", "a")).as_deref(), Some("a"));
        assert_eq!(mine(Kind::Job, of("labels", "")), None);
        assert_eq!(mine(Kind::Job, json!({"metadata": {"labels": null}})), None);
        let mut owned = of("labels", "a");
        owned["metadata"]["ownerReferences"] = json!([{"kind": "CronJob", "controller": true}]);
        assert_eq!(mine(Kind::Deployment, owned).as_deref(), Some("a"));
    }

    /// Texts that mean something at these places, and any others.
    fn value() -> impl Strategy<Value = Value> {
        let words = "Succeeded|True|x@y|a://b@c/d|ReplicaSet|a-1|[ -~]{0,6}|\\PC{0,3}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            words.prop_map(Value::from),
        ];
        let keys = "containers|name|image|conditions|type|status|history|id|ports|replicas|template\
            |spec|phase|containerStatuses|restartCount|imageID|state|waiting|reason|startTime";
        leaf.prop_recursive(5, 60, 6, move |inner| {
            let members = prop::collection::btree_map(keys, inner.clone(), 0..6);
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Value::from),
                members.prop_map(|members| json!(members)),
            ]
        })
    }

    proptest! {
        /// Whatever an object holds, it is read, and shows what is JSON.
        #[test]
        fn any_object_is_read(spec in value(), status in value(), version in "\\PC{0,4}") {
            let labels = json!({"version": version, "name": version, "pod-template-hash": "1"});
            let owner = json!([{"kind": "ReplicaSet", "name": "a-1", "controller": true}]);
            for kind in [Kind::Deployment, Kind::Job, Kind::CronJob, Kind::Pod, Kind::Service, Kind::Ingress,
                Kind::HttpRoute, Kind::Autoscaler, Kind::Release, Kind::PipelineRun,
                Kind::TaskRun, Kind::Application]
            {
                let object = object(json!({"spec": spec, "status": status,
                    "metadata": {"labels": labels, "ownerReferences": owner}}));
                let watched = Watched::known(kind).unwrap();
                if let Some(Seen::Item(item)) = seen(&watched, &object) {
                    for text in [&item.steady, &item.health, &item.routine] {
                        prop_assert!(serde_json::from_str::<Map<String, Value>>(text).is_ok());
                    }
                }
            }
        }
    }
}
