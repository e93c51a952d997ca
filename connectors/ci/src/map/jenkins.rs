//! Jenkins' notification plugin: a body for each phase of a build.

use connector::Activity;
use event::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{activity, annotated, known, parse};

/// The annotation by which a job's entities are found.
const ANNOTATION: &str = "jenkins.io/job-full-name";

#[derive(Deserialize)]
struct Body {
    name: Option<String>,
    url: Option<String>,
    build: Option<Build>,
}

#[derive(Deserialize)]
struct Build {
    number: Option<u64>,
    queue_id: Option<u64>,
    timestamp: Option<i64>,
    phase: Option<String>,
    status: Option<String>,
    full_url: Option<String>,
    scm: Option<Scm>,
}

#[derive(Deserialize)]
struct Scm {
    branch: Option<String>,
    commit: Option<String>,
}

/// What a body tells, if it tells something.
///
/// # Errors
/// When it is not of its form.
pub fn read(body: &[u8]) -> Result<Option<Activity>, String> {
    let body: Body = parse(body)?;
    let Some(build) = body.build else { return Ok(None) };
    let job = body.url.as_deref().and_then(full_name).or(body.name);
    let job = job.filter(|job| !job.is_empty()).ok_or("the job has no name")?;
    let phase = build.phase.as_deref().unwrap_or_default().to_ascii_uppercase();
    let phase = match phase.as_str() {
        "QUEUED" => "queued",
        "STARTED" => "started",
        // Whichever comes first; a plugin may be told to send one of them only.
        "COMPLETED" | "FINALIZED" => "finished",
        _ => return Ok(None),
    };
    let status = build.status.filter(|_| phase == "finished");
    let outcome = match status.as_deref() {
        Some("SUCCESS") => json!("success"),
        Some("FAILURE" | "UNSTABLE") => json!("failure"),
        Some("ABORTED") => json!("cancel"),
        Some(_) => json!("error"),
        None => Value::Null,
    };
    let scm = build.scm.unwrap_or(Scm { branch: None, commit: None });
    let value = known([
        ("pipelineName", json!(job)),
        ("outcome", outcome),
        ("conclusion", json!(status)),
        ("number", json!(build.number)),
        ("branch", json!(scm.branch)),
        ("commit", json!(scm.commit)),
        ("url", json!(build.full_url)),
    ]);
    // What is queued has no number that is its own yet.
    let number = match (phase, build.queue_id, build.number) {
        ("queued", Some(queue), _) => format!("queue-{queue}"),
        (_, _, Some(number)) => number.to_string(),
        _ => return Err("the build has no number".into()),
    };
    let key = format!("{job}/{number}/{phase}");
    let mut told =
        activity(&format!("pipelinerun.{phase}"), key, annotated(ANNOTATION, &job), None, value);
    // In milliseconds; of when the build began.
    let began = build.timestamp.filter(|_| phase == "started");
    told.time = began.and_then(|ms| Timestamp::from_micros(ms.checked_mul(1000)?));
    Ok(Some(told))
}

/// `folder/name` of `job/folder/job/name/`.
fn full_name(url: &str) -> Option<String> {
    let mut parts = url.trim_matches('/').split('/');
    let mut names = Vec::new();
    while let (Some("job"), Some(name)) = (parts.next(), parts.next()) {
        names.push(name);
    }
    (!names.is_empty()).then(|| names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body that the plugin's documentation shows, for a job in a folder.
    fn body(phase: &str, status: &str) -> String {
        json!({
            "name": "asgard", "display_name": "asgard", "url": "job/team/job/asgard/",
            "build": {
                "full_url": "http://localhost:8080/job/team/job/asgard/18/", "number": 18,
                "queue_id": 7, "timestamp": 1_400_000_000_000_i64, "phase": phase,
                "status": status, "url": "job/asgard/18/", "log": "secret",
                "scm": {"url": "https://example.com/a.git", "branch": "origin/master",
                        "commit": "c6d86dc654b12425e706bcf951adfe5a8627a517"},
                "parameters": {"PASSWORD": "secret"},
                "artifacts": {"asgard.war": {"archive": "http://localhost:8080/x"}},
            },
        })
        .to_string()
    }

    #[test]
    fn phases_become_activities() {
        for (phase, status, expected) in [
            ("QUEUED", "", Some(("pipelinerun.queued", "team/asgard/queue-7/queued", "null"))),
            ("STARTED", "", Some(("pipelinerun.started", "team/asgard/18/started", "null"))),
            (
                "COMPLETED",
                "SUCCESS",
                Some(("pipelinerun.finished", "team/asgard/18/finished", "\"success\"")),
            ),
            (
                "FINALIZED",
                "ABORTED",
                Some(("pipelinerun.finished", "team/asgard/18/finished", "\"cancel\"")),
            ),
            ("OTHER", "", None),
        ] {
            let told = read(body(phase, status).as_bytes()).unwrap();
            let shown = told.as_ref().map(|told| {
                let outcome = told.value.get("outcome").unwrap_or(&Value::Null).to_string();
                (told.activity.strip_prefix("dev.cdevents.").unwrap(), told.key.as_str(), outcome)
            });
            let expected = expected.map(|(name, key, outcome)| (name, key, outcome.to_owned()));
            assert_eq!(shown, expected, "{phase}");
            assert!(!format!("{told:?}").contains("secret"), "{told:?}");
        }
        for wrong in [
            "[]",
            "{\"build\": {\"phase\": \"STARTED\"}}",
            "{\"name\": \"a\", \"build\": {\"phase\": \"STARTED\"}}",
        ] {
            read(wrong.as_bytes()).expect_err(wrong);
        }
    }
}
