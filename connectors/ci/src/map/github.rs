//! GitHub's webhooks: Actions, checks, deployments, releases, merges. Runs and jobs also as the API
//! lists them.

use connector::Activity;
use event::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{activity, annotated, known, moment, parse};

/// The annotation by which a repository's entities are found.
const ANNOTATION: &str = "github.com/project-slug";

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    action: String,
    repository: Option<Repository>,
    workflow_run: Option<Run>,
    workflow_job: Option<Job>,
    check_run: Option<Check>,
    deployment: Option<Deployment>,
    deployment_status: Option<DeploymentStatus>,
    release: Option<Release>,
    pull_request: Option<PullRequest>,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
}

/// A run of a workflow, alike in deliveries and in the API.
#[derive(Deserialize)]
pub(crate) struct Run {
    pub(crate) id: u64,
    name: Option<String>,
    run_number: Option<u64>,
    run_attempt: Option<u64>,
    event: Option<String>,
    status: Option<String>,
    conclusion: Option<String>,
    head_branch: Option<String>,
    head_sha: Option<String>,
    html_url: Option<String>,
    created_at: Option<String>,
    run_started_at: Option<String>,
    updated_at: Option<String>,
    repository: Option<Repository>,
}

/// A page of the API's runs.
#[derive(Deserialize)]
pub(crate) struct Runs {
    /// How many there are on all pages.
    pub(crate) total_count: Option<u64>,
    pub(crate) workflow_runs: Vec<Run>,
}

/// A page of the API's jobs.
#[derive(Deserialize)]
pub(crate) struct Jobs {
    pub(crate) jobs: Vec<Job>,
}

/// A job of a run, alike in deliveries and in the API.
#[derive(Deserialize)]
pub(crate) struct Job {
    id: u64,
    run_id: Option<u64>,
    name: Option<String>,
    status: Option<String>,
    conclusion: Option<String>,
    head_sha: Option<String>,
    html_url: Option<String>,
    started_at: Option<String>,
    completed_at: Option<String>,
}

#[derive(Deserialize)]
struct Check {
    id: u64,
    name: Option<String>,
    conclusion: Option<String>,
    head_sha: Option<String>,
    html_url: Option<String>,
    completed_at: Option<String>,
    app: Option<App>,
}

#[derive(Deserialize)]
struct App {
    slug: Option<String>,
}

#[derive(Deserialize)]
struct Deployment {
    id: u64,
    #[serde(rename = "ref")]
    of: Option<String>,
    sha: Option<String>,
    task: Option<String>,
    environment: Option<String>,
    created_at: Option<String>,
}

#[derive(Deserialize)]
struct DeploymentStatus {
    id: u64,
    state: String,
    environment: Option<String>,
    created_at: Option<String>,
}

#[derive(Deserialize)]
struct Release {
    id: u64,
    tag_name: String,
    name: Option<String>,
    prerelease: Option<bool>,
    html_url: Option<String>,
    published_at: Option<String>,
}

#[derive(Deserialize)]
struct PullRequest {
    number: u64,
    merged: Option<bool>,
    merged_at: Option<String>,
    merge_commit_sha: Option<String>,
    html_url: Option<String>,
    base: Option<Base>,
}

#[derive(Deserialize)]
struct Base {
    #[serde(rename = "ref")]
    of: Option<String>,
}

/// The events that may become activities.
const EVENTS: [&str; 7] = [
    "workflow_run",
    "workflow_job",
    "check_run",
    "deployment",
    "deployment_status",
    "release",
    "pull_request",
];

/// What a form begins with: webhooks send forms unless they are told to send JSON.
const FORM: &[u8] = b"payload=";

/// What an event tells, if it tells something: `event` is `X-GitHub-Event`.
///
/// # Errors
/// When the body is not of its form.
pub fn read(event: &str, body: &[u8]) -> Result<Option<Activity>, String> {
    if body.starts_with(FORM) {
        return Err("the webhook sends forms: its content type has to be application/json".into());
    }
    if !EVENTS.contains(&event) {
        // A webhook may be told everything; it has to be JSON all the same.
        parse::<serde::de::IgnoredAny>(body)?;
        return Ok(None);
    }
    let body: Body = parse(body)?;
    let missing = || format!("`{event}` is missing in the body");
    let Some(repository) = &body.repository else { return Err("`repository` is missing".into()) };
    let slug = repository.full_name.as_str();
    let action = body.action.as_str();
    Ok(match event {
        "workflow_run" => workflow_run(slug, action, body.workflow_run.ok_or_else(missing)?),
        "workflow_job" => workflow_job(slug, action, body.workflow_job.ok_or_else(missing)?),
        "check_run" => check_run(slug, action, body.check_run.ok_or_else(missing)?),
        "deployment" => deployment(slug, action, body.deployment.ok_or_else(missing)?),
        "deployment_status" => {
            let status = body.deployment_status.ok_or_else(missing)?;
            deployment_status(slug, status, body.deployment.ok_or_else(missing)?)
        }
        "release" => release(slug, action, body.release.ok_or_else(missing)?),
        _ => pull_request(slug, action, body.pull_request.ok_or_else(missing)?),
    })
}

impl Run {
    /// When it was asked for, and when it changed last.
    pub(crate) fn times(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let time = |text: &Option<String>| text.as_deref().and_then(moment);
        let created = time(&self.created_at);
        (created, time(&self.updated_at).or(created))
    }

    /// Whether it can't change any more but by being run again.
    pub(crate) fn is_done(&self) -> bool {
        self.status.as_deref() == Some("completed")
    }

    /// Which time of being run it is.
    pub(crate) fn attempt(&self) -> u64 {
        self.run_attempt.unwrap_or(1)
    }

    /// What the API's run tells: the same as the delivery of the state in which it is.
    pub(crate) fn told(self, slug: &str) -> Option<Activity> {
        let slug = self.repository.as_ref().map_or(slug, |of| of.full_name.as_str()).to_owned();
        let action = match self.status.as_deref() {
            Some("completed") => "completed",
            Some("in_progress") => "in_progress",
            Some("queued" | "requested" | "waiting" | "pending") => "requested",
            _ => return None,
        };
        let pointer = Some(format!("run {}, attempt {}", self.id, self.attempt()));
        workflow_run(&slug, action, self).map(|told| Activity { pointer, ..told })
    }
}

impl Job {
    /// What the API's job tells.
    pub(crate) fn told(self, slug: &str) -> Option<Activity> {
        let pointer = Some(format!("job {}", self.id));
        let action = match self.status.as_deref() {
            Some("completed") => "completed",
            Some("in_progress") => "in_progress",
            _ => return None,
        };
        workflow_job(slug, action, self).map(|told| Activity { pointer, ..told })
    }
}

/// An outcome as CDEvents names it.
fn outcome(conclusion: Option<&str>) -> Value {
    match conclusion {
        Some("success") => "success".into(),
        Some("failure") => "failure".into(),
        Some("cancelled") => "cancel".into(),
        Some("timed_out" | "startup_failure" | "stale" | "action_required") => "error".into(),
        _ => Value::Null,
    }
}

fn workflow_run(slug: &str, action: &str, run: Run) -> Option<Activity> {
    let attempt = run.attempt();
    let (name, time) = match action {
        "requested" => ("pipelinerun.queued", run.created_at),
        "in_progress" => ("pipelinerun.started", run.run_started_at),
        "completed" => ("pipelinerun.finished", run.updated_at),
        _ => return None,
    };
    let value = known([
        ("pipelineName", json!(run.name)),
        ("outcome", outcome(run.conclusion.as_deref())),
        ("conclusion", json!(run.conclusion)),
        ("number", json!(run.run_number)),
        ("attempt", json!(attempt)),
        ("trigger", json!(run.event)),
        ("branch", json!(run.head_branch)),
        ("commit", json!(run.head_sha)),
        ("url", json!(run.html_url)),
    ]);
    let key = format!("workflow_run/{}/{attempt}/{action}", run.id);
    Some(activity(name, key, annotated(ANNOTATION, slug), time.as_deref(), value))
}

fn workflow_job(slug: &str, action: &str, job: Job) -> Option<Activity> {
    let (name, time) = match action {
        "in_progress" => ("taskrun.started", job.started_at),
        "completed" => ("taskrun.finished", job.completed_at),
        _ => return None,
    };
    let value = known([
        ("taskName", json!(job.name)),
        ("pipelineRun", json!(job.run_id)),
        ("outcome", outcome(job.conclusion.as_deref())),
        ("conclusion", json!(job.conclusion)),
        ("commit", json!(job.head_sha)),
        ("url", json!(job.html_url)),
    ]);
    let key = format!("workflow_job/{}/{action}", job.id);
    Some(activity(name, key, annotated(ANNOTATION, slug), time.as_deref(), value))
}

fn check_run(slug: &str, action: &str, check: Check) -> Option<Activity> {
    let app = check.app.and_then(|app| app.slug);
    // A job of Actions is a check as well; it is told as `workflow_job`.
    if action != "completed" || app.as_deref() == Some("github-actions") {
        return None;
    }
    let value = known([
        ("taskName", json!(check.name)),
        ("outcome", outcome(check.conclusion.as_deref())),
        ("conclusion", json!(check.conclusion)),
        ("app", json!(app)),
        ("commit", json!(check.head_sha)),
        ("url", json!(check.html_url)),
    ]);
    // A check that is run again completes another time.
    let at = check.completed_at.as_deref().unwrap_or_default();
    let key = format!("check_run/{}/{at}", check.id);
    let time = check.completed_at.as_deref();
    Some(activity("taskrun.finished", key, annotated(ANNOTATION, slug), time, value))
}

fn deployment(slug: &str, action: &str, deployment: Deployment) -> Option<Activity> {
    if action != "created" {
        return None;
    }
    let time = deployment.created_at;
    let value = known([
        ("taskName", json!(deployment.task)),
        ("environment", json!(deployment.environment)),
        ("ref", json!(deployment.of)),
        ("commit", json!(deployment.sha)),
    ]);
    let key = format!("deployment/{}", deployment.id);
    let whom = annotated(ANNOTATION, slug);
    Some(activity("taskrun.started", key, whom, time.as_deref(), value))
}

fn deployment_status(
    slug: &str,
    status: DeploymentStatus,
    deployment: Deployment,
) -> Option<Activity> {
    let (name, outcome) = match status.state.as_str() {
        "success" => ("service.deployed", "success"),
        "inactive" => ("service.removed", ""),
        "failure" => ("taskrun.finished", "failure"),
        "error" => ("taskrun.finished", "error"),
        _ => return None,
    };
    let value = known([
        ("taskName", json!(deployment.task)),
        ("deployment", json!(deployment.id)),
        ("outcome", json!(outcome)),
        ("environment", json!(status.environment.or(deployment.environment))),
        ("ref", json!(deployment.of)),
        ("commit", json!(deployment.sha)),
    ]);
    let key = format!("deployment_status/{}", status.id);
    let time = status.created_at;
    Some(activity(name, key, annotated(ANNOTATION, slug), time.as_deref(), value))
}

fn release(slug: &str, action: &str, release: Release) -> Option<Activity> {
    let (name, time) = match action {
        "published" => ("artifact.published", release.published_at),
        "deleted" => ("artifact.deleted", None),
        _ => return None,
    };
    let value = known([
        ("version", json!(release.tag_name)),
        ("name", json!(release.name)),
        ("prerelease", json!(release.prerelease)),
        ("url", json!(release.html_url)),
    ]);
    let key = format!("release/{}/{action}", release.id);
    Some(activity(name, key, annotated(ANNOTATION, slug), time.as_deref(), value))
}

fn pull_request(slug: &str, action: &str, request: PullRequest) -> Option<Activity> {
    if action != "closed" || request.merged != Some(true) {
        return None;
    }
    let value = known([
        ("number", json!(request.number)),
        ("branch", json!(request.base.and_then(|base| base.of))),
        ("commit", json!(request.merge_commit_sha)),
        ("url", json!(request.html_url)),
    ]);
    let key = format!("pull_request/{slug}/{}/merged", request.number);
    let time = request.merged_at;
    Some(activity("change.merged", key, annotated(ANNOTATION, slug), time.as_deref(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What GitHub's published examples do not show.
    #[test]
    fn events_become_activities() {
        for (event, body, expected) in [
            (
                "pull_request",
                json!({"action": "closed", "pull_request": {"number": 3, "merged": true}}),
                Some(("change.merged", "pull_request/o/r/3/merged", Value::Null)),
            ),
            (
                "workflow_run",
                json!({"action": "in_progress", "workflow_run": {"id": 1, "run_attempt": 2}}),
                Some(("pipelinerun.started", "workflow_run/1/2/in_progress", Value::Null)),
            ),
            (
                "deployment_status",
                json!({"deployment": {"id": 1}, "deployment_status": {"id": 2, "state": "error"}}),
                Some(("taskrun.finished", "deployment_status/2", json!("error"))),
            ),
            (
                "deployment_status",
                json!({"deployment": {"id": 1}, "deployment_status": {"id": 2, "state": "queued"}}),
                None,
            ),
            (
                "check_run",
                json!({"action": "completed", "check_run": {"id": 1, "app": {"slug": "github-actions"}}}),
                None,
            ),
            (
                "check_run",
                json!({"action": "completed", "check_run": {"id": 1, "conclusion": "timed_out"}}),
                Some(("taskrun.finished", "check_run/1/", json!("error"))),
            ),
            ("ping", json!({"zen": "Keep it logically awesome."}), None),
        ] {
            let mut body = body;
            body["repository"] = json!({"full_name": "o/r"});
            let told = read(event, body.to_string().as_bytes()).unwrap();
            let told = told.as_ref().map(|told| {
                let outcome = told.value.get("outcome").cloned().unwrap_or_default();
                (told.activity.strip_prefix("dev.cdevents.").unwrap(), told.key.as_str(), outcome)
            });
            assert_eq!(told, expected, "{event}: {body}");
        }
        for (event, body) in [
            ("workflow_run", "{}"),
            ("workflow_run", r#"{"repository": {"full_name": "o/r"}}"#),
            ("ping", "{"),
            ("ping", &"[".repeat(100_000)),
            ("ping", "payload=%7B%7D"),
            ("workflow_run", &json!({"repository": "x".repeat(100_000)}).to_string()),
        ] {
            let why = read(event, body.as_bytes()).expect_err(&body[..body.len().min(100)]);
            assert!(why.len() < 1000, "{why}");
        }
    }
}
