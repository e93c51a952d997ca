//! What runs and ends: Tekton's runs, and the syncs of Argo CD.

use event::Timestamp;
use serde_json::{Map, Value, json};

use super::{Happened, Shown, members};
use crate::kinds::Kind;
use crate::object::{Object, cut, list, text};

/// Syncs of an application that are told of when it is seen first.
const SYNCS_MAX: usize = 50;

/// A run of a pipeline, or of a task, in CDEvents' terms.
pub(super) fn tekton(kind: Kind, object: &Object) -> Shown {
    let Object { metadata, spec, status, .. } = object;
    let condition = list(status, "/conditions")
        .find(|of| of.get("type").and_then(Value::as_str) == Some("Succeeded"));
    let reason = condition.and_then(|of| text(of, "/reason"));
    let ended = text(status, "/completionTime");
    let label = |key: &str| metadata.labels.get(key).map(|of| cut(of));
    let (started, finished, named) = match kind {
        Kind::PipelineRun => {
            let name = text(spec, "/pipelineRef/name").or_else(|| label("tekton.dev/pipeline"));
            let named = members([("pipelineName", json!(name))]);
            ("pipelinerun.started", "pipelinerun.finished", named)
        }
        _ => {
            let name = label("tekton.dev/pipelineTask").or_else(|| text(spec, "/taskRef/name"));
            let named = members([
                ("taskName", json!(name)),
                ("pipelineRun", json!(label("tekton.dev/pipelineRun"))),
            ]);
            ("taskrun.started", "taskrun.finished", named)
        }
    };
    let happened = |what: &'static str, time: String, more: Map<String, Value>| {
        let mut value = named.clone();
        value.extend(more);
        let phase = what.rsplit_once('.').map_or(what, |(_, phase)| phase);
        Happened {
            what,
            key: format!("{}/{phase}", metadata.uid),
            value: Value::Object(value).to_string().into(),
            time: Timestamp::from_rfc3339(&time).ok(),
        }
    };
    let begun = text(status, "/startTime").map(|time| happened(started, time, Map::new()));
    let done = ended.map(|time| {
        let status = condition.and_then(|of| text(of, "/status"));
        let outcome = outcome(status.as_deref(), reason.as_deref());
        let more = members([("outcome", json!(outcome)), ("conclusion", json!(reason))]);
        happened(finished, time, more)
    });
    Shown { happened: begun.into_iter().chain(done).collect(), ..Shown::default() }
}

/// An outcome as CDEvents names it.
fn outcome(status: Option<&str>, reason: Option<&str>) -> Option<&'static str> {
    match (status?, reason.unwrap_or_default()) {
        ("True", _) => Some("success"),
        ("False", why) if why.contains("Cancel") || why.starts_with("Stopped") => Some("cancel"),
        ("False", why) if why.contains("Timeout") || why.starts_with("CouldntGet") => Some("error"),
        ("False", _) => Some("failure"),
        _ => None,
    }
}

/// An Application of Argo CD: each sync that it remembers is a deployment.
pub(super) fn application(object: &Object) -> Shown {
    let Object { metadata, spec, status, .. } = object;
    let source = |of: &Value| {
        // Of several sources the first one is told.
        let one = of.get("source").filter(|one| one.is_object());
        let one = one.or_else(|| of.pointer("/sources/0")).unwrap_or(&Value::Null);
        let repository = text(one, "/repoURL").map(|url| without_credentials(&url));
        (repository, text(one, "/path"), text(one, "/chart"))
    };
    let destination = || {
        members([
            ("cluster", json!(text(spec, "/destination/name"))),
            ("namespace", json!(text(spec, "/destination/namespace"))),
        ])
    };
    // The last ones stand last.
    let history = status.get("history").and_then(Value::as_array).map(Vec::as_slice);
    let history = history.unwrap_or_default();
    let history = &history[history.len().saturating_sub(SYNCS_MAX)..];
    let history = history.iter().filter_map(|of| {
        let id = of.get("id")?.as_i64()?;
        let revision = text(of, "/revision").or_else(|| text(of, "/revisions/0"));
        let (repository, path, chart) = source(of);
        let value = members([
            ("application", json!(metadata.name)),
            ("revision", json!(revision)),
            ("repository", json!(repository)),
            ("path", json!(path)),
            ("chart", json!(chart)),
            ("destination", Value::Object(destination())),
        ]);
        let time = text(of, "/deployedAt").and_then(|time| Timestamp::from_rfc3339(&time).ok());
        Some(Happened {
            what: "service.deployed",
            key: format!("{}/sync/{id}", metadata.uid),
            value: Value::Object(value).to_string().into(),
            time,
        })
    });
    let (repository, path, chart) = source(spec);
    Shown {
        steady: members([
            ("project", json!(text(spec, "/project"))),
            ("repository", json!(repository)),
            ("path", json!(path)),
            ("chart", json!(chart)),
            ("destination", Value::Object(destination())),
            ("revision", json!(text(status, "/sync/revision"))),
        ]),
        health: members([
            ("sync", json!(text(status, "/sync/status"))),
            ("health", json!(text(status, "/health/status"))),
        ]),
        happened: history.collect(),
        ..Shown::default()
    }
}

/// A URL without the user and password that may stand in it.
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let host = rest.find('/').unwrap_or(rest.len());
    let begins = rest[..host].rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{}", &rest[begins..])
}

#[cfg(test)]
mod tests {
    use super::super::tests::object;
    use super::*;

    #[test]
    fn runs_in_the_terms_of_cdevents() {
        let run = |status: Value| {
            let run = json!({"metadata": {"uid": "u"}, "spec": {"pipelineRef": {"name": "build"}},
                "status": status});
            let of = |one: &Happened| {
                let value: Value = serde_json::from_str(&one.value).unwrap();
                format!("{} {} {}", one.what, one.key, value["outcome"])
            };
            let shown = tekton(Kind::PipelineRun, &object(run));
            shown.happened.iter().map(of).collect::<Vec<_>>()
        };
        let ended = |status: &str, reason: &str| {
            let done = run(json!({"startTime": "2026-01-01T00:00:00Z",
                "completionTime": "2026-01-01T00:01:00Z",
                "conditions": [{"type": "Succeeded", "status": status, "reason": reason}]}));
            assert_eq!(done[0], "pipelinerun.started u/started null");
            done[1].clone()
        };
        assert_eq!(run(Value::Null), Vec::<String>::new());
        for (status, reason, expected) in [
            ("True", "Completed", "\"success\""),
            ("False", "Failed", "\"failure\""),
            ("False", "PipelineRunCancelled", "\"cancel\""),
            ("False", "PipelineRunTimeout", "\"error\""),
        ] {
            let expected = format!("pipelinerun.finished u/finished {expected}");
            assert_eq!(ended(status, reason), expected);
        }
    }

    #[test]
    fn a_task_knows_its_pipeline() {
        let labels = json!({"tekton.dev/pipelineTask": "test", "tekton.dev/pipelineRun": "r"});
        let run = json!({"metadata": {"uid": "u", "labels": labels},
            "status": {"startTime": "2026-01-01T00:00:00Z"}});
        let shown = tekton(Kind::TaskRun, &object(run));
        assert_eq!(shown.happened[0].what, "taskrun.started");
        assert_eq!(&*shown.happened[0].value, r#"{"taskName":"test","pipelineRun":"r"}"#);
        assert!(shown.happened[0].time.is_some());
    }

    #[test]
    fn syncs_are_deployments() {
        let application = json!({
            "metadata": {"name": "shop", "uid": "u"},
            "spec": {"project": "p", "destination": {"server": "https://x", "namespace": "shop"},
                "source": {"repoURL": "https://me:secret@git.example/a.git", "path": "k8s"}},
            "status": {"sync": {"status": "Synced", "revision": "b2"},
                "health": {"status": "Healthy"}, "history": [
                    {"id": 0, "revision": "a1", "deployedAt": "2026-01-01T00:00:00Z",
                        "source": {"repoURL": "https://git.example/a.git"}},
                    {"id": 1, "revision": "b2", "deployedAt": "2026-01-02T00:00:00Z"}]},
        });
        let shown = application_of(application);
        let keys: Vec<&str> = shown.happened.iter().map(|of| of.key.as_str()).collect();
        assert_eq!(keys, ["u/sync/0", "u/sync/1"]);
        assert_eq!(shown.steady["repository"], "https://git.example/a.git");
        assert_eq!(
            shown.health,
            members([("sync", json!("Synced")), ("health", json!("Healthy"))])
        );
    }

    fn application_of(value: Value) -> Shown {
        application(&object(value))
    }
}
