//! GitLab's webhooks: pipelines, jobs, deployments, releases. Pipelines and jobs also as the API
//! lists them.

use connector::Activity;
use event::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{activity, annotated, known, moment, parse, shape};

/// The annotation by which a project's entities are found.
const ANNOTATION: &str = "gitlab.com/project-slug";

#[derive(Deserialize)]
struct Project {
    path_with_namespace: Option<String>,
}

#[derive(Deserialize)]
struct Repository {
    homepage: Option<String>,
}

#[derive(Deserialize)]
struct Commit {
    id: Option<Value>,
}

#[derive(Deserialize)]
struct Pipeline {
    project: Project,
    object_attributes: PipelineAttributes,
}

/// A pipeline, alike in deliveries and in the API.
#[derive(Deserialize)]
pub(crate) struct PipelineAttributes {
    pub(crate) id: u64,
    iid: Option<u64>,
    name: Option<String>,
    #[serde(rename = "ref")]
    of: Option<String>,
    sha: Option<String>,
    source: Option<String>,
    status: String,
    created_at: Option<String>,
    started_at: Option<String>,
    pub(crate) updated_at: Option<String>,
    finished_at: Option<String>,
    #[serde(alias = "web_url")]
    url: Option<String>,
}

/// A job, as the API lists it.
#[derive(Deserialize)]
pub(crate) struct ListedJob {
    id: u64,
    name: Option<String>,
    stage: Option<String>,
    status: String,
    started_at: Option<String>,
    finished_at: Option<String>,
    #[serde(rename = "ref")]
    of: Option<String>,
    commit: Option<Commit>,
    pipeline: Option<PipelineOf>,
}

#[derive(Deserialize)]
struct PipelineOf {
    id: u64,
}

#[derive(Deserialize)]
struct Job {
    project: Option<Project>,
    repository: Option<Repository>,
    build_id: u64,
    build_name: Option<String>,
    build_stage: Option<String>,
    build_status: String,
    build_started_at: Option<String>,
    build_finished_at: Option<String>,
    pipeline_id: Option<u64>,
    #[serde(rename = "ref")]
    of: Option<String>,
    sha: Option<String>,
}

#[derive(Deserialize)]
struct Deployment {
    project: Project,
    deployment_id: u64,
    status: String,
    status_changed_at: Option<String>,
    environment: Option<String>,
    #[serde(rename = "ref")]
    of: Option<String>,
    short_sha: Option<String>,
    deployable_url: Option<String>,
}

#[derive(Deserialize)]
struct Release {
    project: Project,
    id: u64,
    tag: String,
    name: Option<String>,
    action: Option<String>,
    released_at: Option<String>,
    url: Option<String>,
    commit: Option<Commit>,
}

/// What a body tells, if it tells something.
///
/// # Errors
/// When it is not of its form.
pub fn read(body: &[u8]) -> Result<Option<Activity>, String> {
    let body: Value = parse(body)?;
    let kind = body.get("object_kind").and_then(Value::as_str).map(str::to_owned);
    match kind.as_deref() {
        Some("pipeline") => {
            let told: Pipeline = shape(body)?;
            Ok(pipeline(slug(&told.project)?, &told.object_attributes))
        }
        Some("build") => job(&shape(body)?),
        Some("deployment") => deployment(&shape(body)?),
        Some("release") => release(shape(body)?),
        _ if body.is_object() => Ok(None),
        _ => Err("the body is not an object".into()),
    }
}

fn slug(project: &Project) -> Result<&str, String> {
    project.path_with_namespace.as_deref().ok_or_else(|| "the project has no path".into())
}

/// The path of `https://gitlab.example.com/group/project`.
fn path_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    rest.split_once('/').map(|(_, path)| path.trim_matches('/'))
}

/// What a status means: the word of CDEvents, and an outcome where it is one.
fn phase(status: &str) -> Option<(&'static str, &'static str)> {
    match status {
        "created" | "waiting_for_resource" | "preparing" | "pending" => Some(("queued", "")),
        "running" => Some(("started", "")),
        "success" => Some(("finished", "success")),
        "failed" => Some(("finished", "failure")),
        "canceled" => Some(("finished", "cancel")),
        _ => None,
    }
}

impl PipelineAttributes {
    /// Whether it is over, so that when that was is worth asking for.
    pub(crate) fn is_done(&self) -> bool {
        phase(&self.status).is_some_and(|(phase, _)| phase == "finished")
    }

    /// What the API's pipeline tells: the same as the delivery of the state in which it is.
    pub(crate) fn told(&self, slug: &str) -> Option<Activity> {
        let pointer = Some(format!("pipeline {}", self.id));
        pipeline(slug, self).map(|told| Activity { pointer, ..told })
    }
}

impl ListedJob {
    /// What the API's job tells.
    pub(crate) fn told(self, slug: &str) -> Option<Activity> {
        let pointer = Some(format!("job {}", self.id));
        let same = Job {
            project: None,
            repository: None,
            build_id: self.id,
            build_name: self.name,
            build_stage: self.stage,
            build_status: self.status,
            build_started_at: self.started_at,
            build_finished_at: self.finished_at,
            pipeline_id: self.pipeline.map(|of| of.id),
            of: self.of,
            sha: self.commit.and_then(|of| of.id?.as_str().map(str::to_owned)),
        };
        job_of(slug, &same).map(|told| Activity { pointer, ..told })
    }
}

fn pipeline(slug: &str, of: &PipelineAttributes) -> Option<Activity> {
    let (phase, outcome) = phase(&of.status)?;
    let time = match phase {
        "queued" => of.created_at.as_deref(),
        "finished" => of.finished_at.as_deref(),
        _ => of.started_at.as_deref(),
    };
    let value = known([
        ("pipelineName", json!(of.name)),
        ("outcome", json!(outcome)),
        ("number", json!(of.iid)),
        ("trigger", json!(of.source)),
        ("branch", json!(of.of)),
        ("commit", json!(of.sha)),
        ("url", json!(of.url)),
    ]);
    // A pipeline of which jobs are tried again finishes another time. Deliveries tell it in seconds,
    // the API in milliseconds.
    let at = of.finished_at.as_deref().filter(|_| phase == "finished").map(second);
    let key = format!("pipeline/{}/{phase}/{}", of.id, at.unwrap_or_default());
    Some(activity(&format!("pipelinerun.{phase}"), key, annotated(ANNOTATION, slug), time, value))
}

/// A time without what is less than a second; a text that is none, as it is.
fn second(text: &str) -> String {
    const SECOND: i64 = 1_000_000;
    let time = moment(text).map(|time| time.as_micros().div_euclid(SECOND) * SECOND);
    let shown = time.and_then(Timestamp::from_micros).map(|time| time.to_string());
    shown.map_or_else(|| text.to_owned(), |shown| shown.replace(".000000", ""))
}

fn job(job: &Job) -> Result<Option<Activity>, String> {
    if phase(&job.build_status).is_none() {
        return Ok(None);
    }
    let homepage = job.repository.as_ref().and_then(|of| of.homepage.as_deref());
    let path = job.project.as_ref().and_then(|project| project.path_with_namespace.as_deref());
    let path =
        path.or_else(|| homepage.and_then(path_of)).ok_or("the job's project has no path")?;
    Ok(job_of(path, job))
}

fn job_of(slug: &str, job: &Job) -> Option<Activity> {
    let (phase, outcome) = phase(&job.build_status).filter(|(phase, _)| *phase != "queued")?;
    let time = if phase == "started" { &job.build_started_at } else { &job.build_finished_at };
    let value = known([
        ("taskName", json!(job.build_name)),
        ("stage", json!(job.build_stage)),
        ("pipelineRun", json!(job.pipeline_id)),
        ("outcome", json!(outcome)),
        ("branch", json!(job.of)),
        ("commit", json!(job.sha)),
    ]);
    let key = format!("job/{}/{phase}", job.build_id);
    let whom = annotated(ANNOTATION, slug);
    Some(activity(&format!("taskrun.{phase}"), key, whom, time.as_deref(), value))
}

fn deployment(deployment: &Deployment) -> Result<Option<Activity>, String> {
    let (name, outcome) = match deployment.status.as_str() {
        "running" => ("taskrun.started", ""),
        "success" => ("service.deployed", "success"),
        "failed" => ("taskrun.finished", "failure"),
        "canceled" => ("taskrun.finished", "cancel"),
        _ => return Ok(None),
    };
    let value = known([
        ("environment", json!(deployment.environment)),
        ("outcome", json!(outcome)),
        ("ref", json!(deployment.of)),
        ("commit", json!(deployment.short_sha)),
        ("url", json!(deployment.deployable_url)),
    ]);
    let key = format!("deployment/{}/{}", deployment.deployment_id, deployment.status);
    let whom = annotated(ANNOTATION, slug(&deployment.project)?);
    Ok(Some(activity(name, key, whom, deployment.status_changed_at.as_deref(), value)))
}

fn release(release: Release) -> Result<Option<Activity>, String> {
    let action = release.action.as_deref().unwrap_or("create");
    let (name, time) = match action {
        "create" => ("artifact.published", release.released_at.as_deref()),
        "delete" => ("artifact.deleted", None),
        _ => return Ok(None),
    };
    let value = known([
        ("version", json!(release.tag)),
        ("name", json!(release.name)),
        ("commit", json!(release.commit.and_then(|commit| commit.id))),
        ("url", json!(release.url)),
    ]);
    let key = format!("release/{}/{action}", release.id);
    Ok(Some(activity(name, key, annotated(ANNOTATION, slug(&release.project)?), time, value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the API answers: with what may be null, with the zone of whoever runs it.
    #[test]
    fn what_the_api_lists_has_the_keys_of_deliveries() {
        let listed = json!({
            "id": 31, "iid": 12, "project_id": 855, "sha": "f08c", "ref": "main", "name": null,
            "status": "success", "source": "schedule", "before_sha": "0000", "tag": false,
            "yaml_errors": null, "user": {"username": "somebody"}, "committed_at": null,
            "created_at": "2016-08-12T11:20:00.178-04:00", "duration": 34, "coverage": null,
            "updated_at": "2016-08-12T11:26:30.018-04:00", "queued_duration": 6,
            "started_at": "2016-08-12T11:21:00.465-04:00",
            "finished_at": "2016-08-12T11:26:29.913-04:00",
            "web_url": "https://gitlab.example/shop/checkout/-/pipelines/31",
        });
        let delivered = |status: &str| {
            json!({
                "object_kind": "pipeline", "project": {"path_with_namespace": "shop/checkout"},
                "object_attributes": {
                    "id": 31, "iid": 12, "name": null, "ref": "main", "sha": "f08c",
                    "source": "schedule", "status": status,
                    "created_at": "2016-08-12 15:20:00 UTC",
                    "started_at": "2016-08-12 15:21:00 UTC",
                    "finished_at": "2016-08-12 15:26:29 UTC",
                    "url": "https://gitlab.example/shop/checkout/-/pipelines/31",
                },
            })
        };
        for status in ["created", "pending", "running", "success", "failed", "canceled", "manual"] {
            let mut listed = listed.clone();
            listed["status"] = status.into();
            let listed: PipelineAttributes = serde_json::from_value(listed).unwrap();
            let told = listed.told("shop/checkout");
            let delivered = read(delivered(status).to_string().as_bytes()).unwrap();
            assert_eq!(told.is_none(), status == "manual", "{status}");
            let of = |told: Option<Activity>| {
                told.map(|of| (of.activity, of.key, of.whom, of.value, of.time.unwrap()))
            };
            let (Some(told), Some(delivered)) = (of(told), of(delivered)) else { continue };
            assert_eq!(
                (&told.0, &told.1, &told.2, &told.3),
                (&delivered.0, &delivered.1, &delivered.2, &delivered.3)
            );
            let apart = told.4.as_micros() - delivered.4.as_micros();
            assert!((0..1_000_000).contains(&apart), "{status}: {apart}");
        }
        // As client-go tests with: hardly more than its state.
        let job = json!({
            "id": 7, "name": "teaspoon", "stage": "test", "status": "failed", "ref": "master",
            "commit": {"id": "0ff3", "author_email": "admin@example.com"}, "runner": null,
            "pipeline": {"id": 6, "project_id": 1, "status": "pending"}, "tag_list": ["ubuntu18"],
        });
        let job: ListedJob = serde_json::from_value(job).unwrap();
        let told = job.told("shop/checkout").unwrap();
        assert_eq!(
            (told.key.as_str(), &told.value["outcome"]),
            ("job/7/finished", &json!("failure"))
        );
        assert_eq!(told.value["pipelineRun"], 6);
        assert!(!format!("{told:?}").contains("admin@"), "{told:?}");
    }
}
