//! Objects that are entities: those of `annals.dev`, and others that an annotation makes Resources.

use connector::Found;
use serde_json::{Map, Value, json};

use super::{members, pointer};
use crate::kinds::{Kind, Watched};
use crate::object::Object;

/// Makes an object a Resource; its value is the type.
const RESOURCE: &str = "annals.dev/resource";
const OWNER: &str = "annals.dev/owner";
const SYSTEM: &str = "annals.dev/system";
const DEPENDS_ON: &str = "annals.dev/depends-on";
const DEPENDENCY_OF: &str = "annals.dev/dependency-of";
const TITLE: &str = "annals.dev/title";
const DESCRIPTION: &str = "annals.dev/description";
/// What the entity is called, where that is not what the object is called.
const NAME: &str = "annals.dev/name";
const NAMESPACE: &str = "annals.dev/namespace";

/// What others write into annotations of any object, and of no use in a catalog.
const NOISE: [&str; 2] =
    ["kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/revision"];

/// Whether an object is an entity.
fn is_entity(kind: Kind, object: &Object) -> bool {
    kind == Kind::Catalog || object.metadata.annotations.contains_key(RESOURCE)
}

/// The entity that an object is, if it is one. It is not validated here.
pub(crate) fn entity(cluster: &str, watched: &Watched, object: &Object) -> Option<Found> {
    if !is_entity(watched.kind, object) {
        return None;
    }
    let metadata = &object.metadata;
    let mut document =
        if watched.kind == Kind::Catalog { own(watched, object) } else { annotated(object) };
    let (namespace, name) = (&metadata.namespace, &metadata.name);
    let slash = if namespace.is_empty() { "" } else { "/" };
    let location = format!("kubernetes:{cluster}/{}/{namespace}{slash}{name}", watched.resource);
    model::annotate_source(&mut document, &location, &location);
    let version = &metadata.resource_version;
    let pointer = pointer(cluster, &watched.name, namespace, name, version);
    Some(Found { pointer: Some(pointer), ..Found::new(document) })
}

/// An object of `annals.dev`: its metadata and its spec, and `about`, for what Kubernetes' metadata
/// has no place.
fn own(watched: &Watched, object: &Object) -> Value {
    let mut metadata = called(object);
    for name in ["title", "description", "tags", "links"] {
        if let Some(value) = object.about.get(name) {
            metadata.insert(name.to_owned(), value.clone());
        }
    }
    let annotations = object.metadata.annotations.iter().filter(|(key, _)| {
        !NOISE.contains(&key.as_str()) && ![NAME, NAMESPACE].contains(&key.as_str())
    });
    let annotations = annotations.map(|(key, value)| (key.clone(), json!(value)));
    metadata.insert("annotations".into(), Value::Object(annotations.collect()));
    let version = object.about.get("apiVersion").cloned().unwrap_or_else(|| {
        let is_template = &*watched.name == "Template";
        json!(if is_template { "scaffolder.backstage.io/v1beta3" } else { "backstage.io/v1alpha1" })
    });
    let mut document = members([("apiVersion", version), ("kind", json!(&*watched.name))]);
    document.insert("metadata".into(), Value::Object(metadata));
    if !object.spec.is_null() {
        document.insert("spec".into(), object.spec.clone());
    }
    Value::Object(document)
}

/// Another object, which its annotations describe.
fn annotated(object: &Object) -> Value {
    let annotation = |key: &str| object.metadata.annotations.get(key);
    let mut metadata = called(object);
    for (name, key) in [("title", TITLE), ("description", DESCRIPTION)] {
        if let Some(value) = annotation(key) {
            metadata.insert(name.into(), json!(value));
        }
    }
    let of_backstage = object.metadata.annotations.iter();
    let of_backstage = of_backstage.filter(|(key, _)| key.starts_with("backstage.io/"));
    let annotations = of_backstage.map(|(key, value)| (key.clone(), json!(value))).collect();
    metadata.insert("annotations".into(), Value::Object(annotations));
    let list = |key: &str| {
        let texts = annotation(key).map(|text| text.split(',').map(str::trim).collect::<Vec<_>>());
        json!(texts)
    };
    let spec = members([
        ("type", json!(annotation(RESOURCE))),
        ("owner", json!(annotation(OWNER))),
        ("system", json!(annotation(SYSTEM))),
        ("dependsOn", list(DEPENDS_ON)),
        ("dependencyOf", list(DEPENDENCY_OF)),
    ]);
    json!({"apiVersion": "backstage.io/v1alpha1", "kind": "Resource", "metadata": metadata,
        "spec": spec})
}

/// What an entity is called, and its labels.
fn called(object: &Object) -> Map<String, Value> {
    let own = &object.metadata;
    let name = own.annotations.get(NAME).unwrap_or(&own.name);
    let namespace = own.annotations.get(NAMESPACE).unwrap_or(&own.namespace);
    let namespace = (!namespace.is_empty()).then_some(namespace);
    let labels = (!own.labels.is_empty()).then_some(&own.labels);
    members([("name", json!(name)), ("namespace", json!(namespace)), ("labels", json!(labels))])
}

#[cfg(test)]
mod tests {
    use super::super::tests::object;
    use super::*;
    use crate::kinds::{Named, Served, wanted};

    fn watched(kind: &str) -> Watched {
        let named = Named::read("pgs.v1.db.example").unwrap();
        let resource = |version: &str, plural: &str, kind: &str| {
            (version.to_owned(), plural.to_owned(), kind.to_owned())
        };
        let resources = vec![
            resource("db.example/v1", "pgs", "Postgres"),
            resource("annals.dev/v1alpha1", "components", "Component"),
            resource("annals.dev/v1alpha1", "templates", "Template"),
        ];
        let served = Served { resources, ..Served::default() };
        let all = wanted(&[crate::Part::Catalog], &[named], &served);
        all.into_iter().find(|of| &*of.name == kind).unwrap()
    }

    #[test]
    fn objects_of_ours_are_entities() {
        let component = json!({
            "metadata": {"name": "shop", "namespace": "web", "resourceVersion": "9", "uid": "u",
                "labels": {"a": "b"}, "annotations": {
                    "kubectl.kubernetes.io/last-applied-configuration": "{}", "x.example/y": "z"}},
            "about": {"title": "Shop", "tags": ["t"], "uid": "ours"},
            "spec": {"type": "service", "owner": "team"},
        });
        let found = entity("prod", &watched("Component"), &object(component)).unwrap();
        let location = "kubernetes:prod/components.annals.dev/web/shop";
        let expected = json!({
            "apiVersion": "backstage.io/v1alpha1", "kind": "Component",
            "metadata": {"name": "shop", "namespace": "web", "title": "Shop", "tags": ["t"],
                "labels": {"a": "b"}, "annotations": {"x.example/y": "z",
                    "backstage.io/managed-by-location": location,
                    "backstage.io/managed-by-origin-location": location}},
            "spec": {"type": "service", "owner": "team"},
        });
        assert_eq!(found.document, expected);
        let pointer = "prod Component web/shop resourceVersion 9";
        assert_eq!(found.pointer.as_deref(), Some(pointer));
        let template = entity("prod", &watched("Template"), &object(json!({}))).unwrap();
        assert_eq!(template.document["apiVersion"], "scaffolder.backstage.io/v1beta3");
    }

    #[test]
    fn annotated_objects_are_resources() {
        let of = |annotations: Value| {
            let object = object(json!({"metadata": {"name": "db", "namespace": "web",
                "annotations": annotations}, "spec": {"password": "secret"}}));
            entity("prod", &watched("Postgres"), &object).map(|found| found.document)
        };
        assert_eq!(of(json!({"annals.dev/owner": "team"})), None);
        let document = of(json!({RESOURCE: "database", OWNER: "group:default/team",
            NAMESPACE: "default", NAME: "orders", DEPENDENCY_OF: "component:shop, component:till",
            "backstage.io/kubernetes-id": "db", "other.example/x": "y"}))
        .unwrap();
        let location = "kubernetes:prod/pgs.db.example/web/db";
        let expected = json!({
            "apiVersion": "backstage.io/v1alpha1", "kind": "Resource",
            "metadata": {"name": "orders", "namespace": "default", "annotations": {
                "backstage.io/kubernetes-id": "db", "backstage.io/managed-by-location": location,
                "backstage.io/managed-by-origin-location": location}},
            "spec": {"type": "database", "owner": "group:default/team",
                "dependencyOf": ["component:shop", "component:till"]},
        });
        assert_eq!(document, expected);
    }
}
