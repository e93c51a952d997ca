//! Releases of Helm: of a secret in which it keeps a revision the labels, and nothing else.

use event::Timestamp;
use serde_json::{Map, Value, json};

use super::{Happened, Release, Shown, members};
use crate::object::{Metadata, Object, cut};

/// The longest name of a release, or of its namespace, in bytes; Helm's are shorter.
const NAME_MAX: usize = 253;

/// The release that an object belongs to, as Helm notes it on all that it makes.
pub(super) fn release_of(metadata: &Metadata) -> Option<Release> {
    let get = |key: &str| metadata.annotations.get(key).filter(|of| of.len() <= NAME_MAX);
    let name = get("meta.helm.sh/release-name")?;
    let namespace = get("meta.helm.sh/release-namespace").unwrap_or(&metadata.namespace);
    Some(Release { namespace: namespace.as_str().into(), name: name.as_str().into(), revision: 0 })
}

/// A revision of a release.
pub(super) fn revision(object: &Object) -> Option<Shown> {
    let metadata = &object.metadata;
    let label = |key: &str| metadata.labels.get(key).map(|of| cut(of));
    let revision = label("version")?.parse().ok()?;
    let (name, status) = (label("name")?, label("status"));
    let release = Release {
        namespace: metadata.namespace.as_str().into(),
        name: name.as_str().into(),
        revision,
    };
    Some(Shown {
        steady: members([("revision", json!(revision)), ("status", json!(status))]),
        happened: happened(object, &release, &status.unwrap_or_default()).into_iter().collect(),
        release: Some(release),
        ..Shown::default()
    })
}

/// What a revision's status tells. That it is a return to an earlier one only who saw it pending
/// knows.
///
/// Helm notes when it wrote a status. A secret that does not say so tells nothing: what stood there
/// long before somebody looked must not be taken for new.
fn happened(object: &Object, release: &Release, status: &str) -> Option<Happened> {
    let (what, phase) = match (status, release.revision) {
        ("deployed", 1) => ("service.deployed", "deployed"),
        ("deployed", _) => ("service.upgraded", "deployed"),
        ("failed", _) => ("taskrun.finished", "failed"),
        ("uninstalled", _) => ("service.removed", "removed"),
        _ => return None,
    };
    let Metadata { labels, uid, .. } = &object.metadata;
    let written = labels.get("modifiedAt").or_else(|| labels.get("createdAt"))?;
    let written = written.parse::<i64>().ok()?.checked_mul(1_000_000)?;
    let time = Timestamp::from_micros(written)?;
    let is_failed = phase == "failed";
    let more = members([
        ("taskName", json!(is_failed.then_some("helm"))),
        ("outcome", json!(is_failed.then_some("failure"))),
    ]);
    Some(told(uid, release, what, phase, more, Some(time)))
}

/// That a release is no more.
pub(crate) fn removed(uid: &str, release: &Release) -> Happened {
    told(uid, release, "service.removed", "removed", Map::new(), None)
}

fn told(
    uid: &str,
    release: &Release,
    what: &'static str,
    phase: &str,
    more: Map<String, Value>,
    time: Option<Timestamp>,
) -> Happened {
    // The secret is what keeps the release, and not what it is.
    let mut value = members([
        ("kind", json!("Release")),
        ("name", json!(&*release.name)),
        ("revision", json!(release.revision)),
    ]);
    value.extend(more);
    let value = Value::Object(value).to_string().into();
    Happened { what, key: format!("{uid}/{phase}"), value, time }
}

#[cfg(test)]
mod tests {
    use super::super::tests::item;
    use super::*;
    use crate::kinds::Kind;

    fn secret(labels: &Value) -> Option<super::super::Item> {
        let metadata = json!({"namespace": "n", "name": "s", "uid": "u", "labels": labels});
        item(Kind::Release, json!({"metadata": metadata, "data": {"release": "c2VjcmV0"}}))
    }

    #[test]
    fn a_release_from_its_labels() {
        let labels = json!({"owner": "helm", "name": "shop", "version": "12", "status": "failed"});
        let found = secret(&labels).unwrap();
        let release = found.release.as_ref().map(|of| (&*of.name, of.revision));
        assert_eq!(release, Some(("shop", 12)));
        assert_eq!(&*found.steady, r#"{"revision":12,"status":"failed"}"#);
        assert_eq!(found.happened, [], "it does not say when");
        assert!(secret(&json!({"name": "shop", "version": "x"})).is_none());
        assert!(secret(&json!({"name": "shop", "version": "-1"})).is_none());
    }

    #[test]
    fn what_a_status_tells() {
        for (version, status, modified, expected) in [
            ("1", "deployed", "1767225600", Some(("service.deployed", "u/deployed"))),
            ("2", "deployed", "1767225600", Some(("service.upgraded", "u/deployed"))),
            ("2", "failed", "1767225600", Some(("taskrun.finished", "u/failed"))),
            ("2", "uninstalled", "1767225600", Some(("service.removed", "u/removed"))),
            ("2", "superseded", "1767225600", None),
            ("2", "pending-upgrade", "1767225600", None),
            ("2", "uninstalling", "1767225600", None),
            ("2", "deployed", "yesterday", None),
            ("2", "deployed", "-1", None),
            ("2", "deployed", "9223372036854775807", None),
        ] {
            let labels = json!({"name": "shop", "version": version, "status": status,
                "createdAt": "0", "modifiedAt": modified});
            let found = secret(&labels).unwrap();
            let told = found.happened.first().map(|of| (of.what, of.key.as_str()));
            assert_eq!(told, expected, "{version} {status} {modified}");
            let time = found.happened.first().and_then(|of| of.time).map(|of| of.to_string());
            assert_eq!(time.is_some(), expected.is_some());
            assert!(time.is_none_or(|of| of == "2026-01-01T00:00:00.000000Z"));
        }
    }

    #[test]
    fn names_that_are_none_lead_nowhere() {
        let of = |name: &str| {
            let annotations = json!({"meta.helm.sh/release-name": name});
            let metadata = json!({"metadata": {"namespace": "n", "annotations": annotations}});
            item(Kind::Deployment, metadata).unwrap().release.map(|of| of.name.len())
        };
        assert_eq!(of(&"x".repeat(NAME_MAX)), Some(NAME_MAX));
        assert_eq!(of(&"x".repeat(1_000_000)), None);
    }
}
