//! Tekton's CloudEvents: a run of a pipeline or task, as it stands in the cluster, with each change
//! of its condition.

use std::collections::BTreeMap;

use connector::Activity;
use serde::Deserialize;
use serde_json::json;

use super::{Told, activity, annotated, cloudevents, known, shape};

/// What the types of its events begin with.
const PREFIX: &str = "dev.tekton.event.";

/// The label by which Backstage's plugins find what is an entity's in a cluster.
pub const ANNOTATION: &str = "backstage.io/kubernetes-id";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    pipeline_run: Option<Run>,
    task_run: Option<Run>,
    /// `run` until Tekton 0.43.
    #[serde(alias = "run")]
    custom_run: Option<Run>,
}

#[derive(Deserialize)]
struct Run {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
    uid: String,
    creation_timestamp: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// Parameters, workspaces and steps may hold secrets, and are not looked at.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    pipeline_ref: Option<Reference>,
    task_ref: Option<Reference>,
    /// Of custom runs, as Tekton has them by now and had them before.
    #[serde(alias = "ref")]
    custom_ref: Option<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    conditions: Option<Vec<Condition>>,
    start_time: Option<String>,
    completion_time: Option<String>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    reason: Option<String>,
}

/// What a delivery tells. `attribute` gives an attribute of a CloudEvent in the headers; `annotation`
/// is the label or annotation of a run whose value an entity has under the same name.
///
/// # Errors
/// When it is not of its form as a whole.
pub fn read<'a>(
    content_type: &str,
    attribute: &dyn Fn(&str) -> Option<&'a str>,
    body: &[u8],
    annotation: &str,
) -> Result<Told, String> {
    let events = cloudevents::read(content_type, attribute, body)?.into_iter();
    Ok(Told::of(events.map(|event| one(event?, annotation))))
}

fn one(event: cloudevents::Event, annotation: &str) -> Result<Option<Activity>, String> {
    let Some((what, how)) = event.kind.strip_prefix(PREFIX).and_then(|rest| rest.split_once('.'))
    else {
        // Others send to the same sink.
        return Ok(None);
    };
    let how = how.split('.').next().unwrap_or_default();
    let Body { pipeline_run, task_run, custom_run } = shape(event.data)?;
    let (run, is_pipeline) = match what {
        "pipelinerun" => (pipeline_run, true),
        "taskrun" => (task_run, false),
        // Tasks that are not run by Tekton itself.
        "customrun" | "run" => (custom_run, false),
        _ => return Ok(None),
    };
    let run = run.ok_or_else(|| format!("the run of a `{what}` is missing in the data"))?;
    // `started` is said when a run is first seen, before it is known whether it can be run.
    let phase = match (how, is_pipeline) {
        ("started", true) => "queued",
        ("running", _) => "started",
        ("successful" | "failed", _) => "finished",
        _ => return Ok(None),
    };
    Ok(told(what, phase, how, &run, is_pipeline, annotation))
}

fn told(
    what: &str,
    phase: &str,
    how: &str,
    run: &Run,
    is_pipeline: bool,
    annotation: &str,
) -> Option<Activity> {
    let Run { metadata, spec, status } = run;
    let carried = |key: &str| metadata.annotations.get(key).or_else(|| metadata.labels.get(key));
    // A run that carries nothing is nobody's.
    let value = carried(annotation).filter(|value| !value.is_empty())?;
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let condition = conditions.iter().find(|condition| condition.kind == "Succeeded");
    let reason = condition.and_then(|of| of.reason.as_deref()).filter(|_| phase == "finished");
    let outcome = match (phase, how) {
        ("finished", "successful") => "success",
        ("finished", _) => outcome(reason.unwrap_or_default()),
        _ => "",
    };
    let named = |of: &Option<Reference>| of.as_ref().and_then(|of| of.name.clone());
    let label = |key: &str| metadata.labels.get(key).cloned();
    let pipeline = named(&spec.pipeline_ref).or_else(|| label("tekton.dev/pipeline"));
    let task = named(&spec.task_ref).or_else(|| named(&spec.custom_ref));
    let task = task.or_else(|| label("tekton.dev/task"));
    let task = task.or_else(|| label("tekton.dev/pipelineTask"));
    let members = known([
        ("pipelineName", json!(pipeline)),
        ("taskName", json!(task.filter(|_| !is_pipeline))),
        ("pipelineRun", json!(label("tekton.dev/pipelineRun").filter(|_| !is_pipeline))),
        ("run", json!(metadata.name)),
        ("namespace", json!(metadata.namespace)),
        ("outcome", json!(outcome)),
        ("conclusion", json!(reason)),
    ]);
    let time = match phase {
        "queued" => metadata.creation_timestamp.as_deref(),
        "started" => status.start_time.as_deref(),
        _ => status.completion_time.as_deref(),
    };
    let subject = if is_pipeline { "pipelinerun" } else { "taskrun" };
    // A change of the condition is told as often as it is retried, and more often.
    let key = format!("{what}/{}/{phase}", metadata.uid);
    let whom = annotated(annotation, value);
    let pointer = Some(format!("{}/{}", metadata.namespace, metadata.name));
    let told = activity(&format!("{subject}.{phase}"), key, whom, time, members);
    Some(Activity { pointer, ..told })
}

/// Why a run failed, as CDEvents names it.
fn outcome(reason: &str) -> &'static str {
    let has = |parts: &[&str]| parts.iter().any(|part| reason.contains(part));
    // CancelledRunFinally, TaskRunCancelled, StoppedRunFinally …
    if has(&["Cancel", "Stopped"]) {
        return "cancel";
    }
    // PipelineRunTimeout, CouldntGetTask, PipelineInvalidGraph, ParameterMissing …
    if has(&["Timeout", "TimedOut", "Couldnt", "Invalid", "Validation", "Missing", "NotFound"]) {
        return "error";
    }
    "failure"
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn body(kind: &str, reason: &str) -> Value {
        json!({kind: {
            "metadata": {
                "name": "build-x7", "namespace": "shop", "uid": "u-1",
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": {"backstage.io/kubernetes-id": "checkout", "tekton.dev/pipeline": "build",
                           "tekton.dev/pipelineRun": "build-x7", "mine": "m"},
            },
            "spec": {"params": [{"name": "password", "value": "secret"}], "taskRef": {"name": "kaniko"}},
            "status": {
                "startTime": "2026-01-01T00:00:01Z", "completionTime": "2026-01-01T00:00:02Z",
                "conditions": [{"type": "Succeeded", "reason": reason, "message": "secret"}],
            },
        }})
    }

    fn read_one(kind: &str, body: &Value, annotation: &str) -> Result<Vec<Activity>, String> {
        let kind = format!("dev.tekton.event.{kind}.v1");
        let attribute = |name: &str| match name {
            "type" => Some(kind.as_str()),
            "id" | "source" => Some("x"),
            _ => None,
        };
        let told = read("application/json", &attribute, body.to_string().as_bytes(), annotation)?;
        match told.wrong.into_iter().next() {
            None => Ok(told.activities),
            Some(why) => Err(why),
        }
    }

    /// An event, the member of its data, why, and what it becomes.
    const EVENTS: [(&str, &str, &str, &str); 13] = [
        ("pipelinerun.started", "pipelineRun", "Started", "pipelinerun.queued 00:00:00 - build -"),
        ("pipelinerun.running", "pipelineRun", "Running", "pipelinerun.started 00:00:01 - build -"),
        ("pipelinerun.unknown", "pipelineRun", "Running", ""),
        (
            "pipelinerun.successful",
            "pipelineRun",
            "Completed",
            "pipelinerun.finished 00:00:02 success build -",
        ),
        (
            "pipelinerun.failed",
            "pipelineRun",
            "CancelledRunFinally",
            "pipelinerun.finished 00:00:02 cancel build -",
        ),
        (
            "pipelinerun.failed",
            "pipelineRun",
            "CouldntGetTask",
            "pipelinerun.finished 00:00:02 error build -",
        ),
        ("taskrun.started", "taskRun", "Started", ""),
        ("taskrun.running", "taskRun", "Running", "taskrun.started 00:00:01 - build kaniko"),
        ("taskrun.failed", "taskRun", "Failed", "taskrun.finished 00:00:02 failure build kaniko"),
        (
            "taskrun.failed",
            "taskRun",
            "TaskRunTimeout",
            "taskrun.finished 00:00:02 error build kaniko",
        ),
        ("customrun.successful", "customRun", "", "taskrun.finished 00:00:02 success build kaniko"),
        ("run.successful", "run", "", "taskrun.finished 00:00:02 success build kaniko"),
        ("cluster.exploded", "pipelineRun", "", ""),
    ];

    #[test]
    fn runs_become_activities() {
        for (event, kind, reason, expected) in EVENTS {
            let told = read_one(event, &body(kind, reason), ANNOTATION).unwrap();
            let shown: Vec<String> = told
                .iter()
                .map(|told| {
                    let text = |name| told.value.get(name).and_then(Value::as_str).unwrap_or("-");
                    let time = told.time.unwrap().to_string();
                    format!(
                        "{} {} {} {} {}",
                        told.activity.replace("dev.cdevents.", ""),
                        &time[11..19],
                        text("outcome"),
                        text("pipelineName"),
                        text("taskName"),
                    )
                })
                .collect();
            assert_eq!(shown.join(";"), expected, "{event}");
            assert!(!format!("{told:?}").contains("secret"), "{told:?}");
        }
        let whom = |annotation| {
            let told = read_one("taskrun.running", &body("taskRun", ""), annotation).unwrap();
            told.into_iter().map(|told| (told.whom, told.key)).collect::<Vec<_>>()
        };
        let key = || "taskrun/u-1/started".to_owned();
        assert_eq!(whom(ANNOTATION), [(annotated(ANNOTATION, "checkout"), key())]);
        assert_eq!(whom("mine"), [(annotated("mine", "m"), key())]);
        assert_eq!(whom("none"), []);
        for (event, body) in [
            ("taskrun.running", body("pipelineRun", "")),
            ("taskrun.running", json!({"taskRun": {"metadata": {"name": "x"}}})),
            ("taskrun.running", json!([])),
        ] {
            read_one(event, &body, ANNOTATION).expect_err(&body.to_string());
        }
    }
}
