//! Jenkins' notification plugin: a body for each phase of a build. Builds also as the API lists
//! them.

use connector::Activity;
use event::Timestamp;
use percent_encoding::percent_decode_str;
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

/// A page of the API's builds.
#[derive(Deserialize)]
pub(crate) struct Builds {
    #[serde(alias = "allBuilds")]
    pub(crate) builds: Vec<ListedBuild>,
}

/// A build, as the API lists it.
#[derive(Deserialize)]
pub(crate) struct ListedBuild {
    pub(crate) number: u64,
    #[serde(default)]
    pub(crate) building: bool,
    result: Option<String>,
    /// When it began, in milliseconds.
    timestamp: i64,
    /// How long it took, in milliseconds.
    duration: Option<i64>,
    url: Option<String>,
    #[serde(default = "Vec::new")]
    actions: Vec<Option<Action>>,
}

#[derive(Deserialize)]
struct Action {
    #[serde(rename = "lastBuiltRevision")]
    revision: Option<Revision>,
}

#[derive(Deserialize)]
struct Revision {
    #[serde(rename = "SHA1")]
    sha1: Option<String>,
    #[serde(default = "Vec::new")]
    branch: Vec<Branch>,
}

#[derive(Deserialize)]
struct Branch {
    name: Option<String>,
}

/// What of a build is asked of the API: no parameters, no causes, no logs.
pub(crate) const BUILD: &str = "number,building,result,timestamp,duration,url,\
                                actions[lastBuiltRevision[SHA1,branch[name]]]";

impl ListedBuild {
    /// When it began.
    pub(crate) fn began(&self) -> Option<Timestamp> {
        milliseconds(self.timestamp)
    }

    /// What the API's build tells: the same as the plugin's body of the phase in which it is. It
    /// shows on the entities of the job, or of the project whose branch the job builds.
    pub(crate) fn told(self, job: &str, shown_on: &str) -> Activity {
        let phase = if self.building { "started" } else { "finished" };
        let ended = self.duration.filter(|_| !self.building);
        let time = self.timestamp.checked_add(ended.unwrap_or(0)).and_then(milliseconds);
        let revision = self.actions.into_iter().flatten().find_map(|action| action.revision);
        let (branch, commit) = revision.map_or((None, None), |of| {
            (of.branch.into_iter().find_map(|branch| branch.name), of.sha1)
        });
        let scm = Scm { branch, commit };
        let status = self.result.filter(|_| !self.building);
        let told = told(job, phase, self.number, status.as_deref(), &scm, self.url.as_deref());
        let pointer = Some(format!("{job} #{}", self.number));
        Activity { whom: annotated(ANNOTATION, shown_on), time, pointer, ..told }
    }
}

fn milliseconds(ms: i64) -> Option<Timestamp> {
    Timestamp::from_micros(ms.checked_mul(1000)?)
}

/// What a body tells, if it tells something. `shown_on` says for a job on what its builds show.
///
/// # Errors
/// When it is not of its form.
pub fn read(body: &[u8], shown_on: &dyn Fn(&str) -> &str) -> Result<Option<Activity>, String> {
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
    let scm = build.scm.unwrap_or(Scm { branch: None, commit: None });
    // What is queued has no number that is its own yet.
    let key = match (phase, build.queue_id) {
        ("queued", Some(queue)) => Some(format!("{job}/queue-{queue}/{phase}")),
        _ => None,
    };
    let number = build.number.or(key.as_ref().map(|_| 0)).ok_or("the build has no number")?;
    let mut told = told(&job, phase, number, status.as_deref(), &scm, build.full_url.as_deref());
    told.key = key.unwrap_or(told.key);
    told.whom = annotated(ANNOTATION, shown_on(&job));
    // Of when the build began.
    told.time = build.timestamp.filter(|_| phase == "started").and_then(milliseconds);
    Ok(Some(told))
}

fn told(
    job: &str,
    phase: &str,
    number: u64,
    status: Option<&str>,
    scm: &Scm,
    url: Option<&str>,
) -> Activity {
    let outcome = match status {
        Some("SUCCESS") => json!("success"),
        Some("FAILURE" | "UNSTABLE") => json!("failure"),
        Some("ABORTED") => json!("cancel"),
        Some(_) => json!("error"),
        None => Value::Null,
    };
    let value = known([
        ("pipelineName", json!(job)),
        ("outcome", outcome),
        ("conclusion", json!(status)),
        ("number", json!(Some(number).filter(|number| *number > 0))),
        ("branch", json!(scm.branch)),
        ("commit", json!(scm.commit)),
        ("url", json!(url)),
    ]);
    let key = format!("{job}/{number}/{phase}");
    activity(&format!("pipelinerun.{phase}"), key, annotated(ANNOTATION, job), None, value)
}

/// `folder/a name` of `job/folder/job/a%20name/`. What a name itself holds encoded, as those of
/// branches do, stays so.
fn full_name(url: &str) -> Option<String> {
    let mut parts = url.trim_matches('/').split('/');
    let mut names = Vec::new();
    while let (Some("job"), Some(name)) = (parts.next(), parts.next()) {
        names.push(percent_decode_str(name).decode_utf8_lossy());
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
    fn jobs_are_named_as_the_api_names_them() {
        for (url, expected) in [
            ("job/team/job/asgard/", Some("team/asgard")),
            ("job/a%20b/job/feature%252Fx/", Some("a b/feature%2Fx")),
            ("asgard/", None),
            ("", None),
        ] {
            assert_eq!(full_name(url).as_deref(), expected, "{url}");
        }
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
            let told = read(body(phase, status).as_bytes(), &|job| job).unwrap();
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
            read(wrong.as_bytes(), &|job| job).expect_err(wrong);
        }
    }
}
