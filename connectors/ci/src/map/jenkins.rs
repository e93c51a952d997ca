//! Jenkins' notification plugin: a body for each phase of a build. Builds also as the API lists
//! them.

use connector::Activity;
use event::Timestamp;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{activity, annotated, known, parse};

/// The annotation by which a job's entities are found.
pub(crate) const ANNOTATION: &str = "jenkins.io/job-full-name";

#[derive(Deserialize)]
struct Body {
    name: Option<String>,
    url: Option<String>,
    build: Option<Build>,
}

/// A build, as the plugin tells it: what is null it leaves out.
#[derive(Deserialize)]
struct Build {
    number: Option<u64>,
    /// Below 0 where that is not known.
    queue_id: Option<i64>,
    /// When the phase began, in milliseconds; 0 where that is not known.
    timestamp: Option<i64>,
    phase: Option<String>,
    /// Absent while it runs.
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
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedBuild {
    pub(crate) number: u64,
    queue_id: Option<i64>,
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
pub(crate) const BUILD: &str = "number,queueId,building,result,timestamp,duration,url,\
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
        let build = (self.number, self.queue_id);
        let told = told(job, phase, build, status.as_deref(), &scm, self.url.as_deref());
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
        // Whichever comes first; a plugin may be told to send one of them only. A step of a
        // pipeline may say so, too, before it is over.
        "COMPLETED" | "FINALIZED" if build.status.is_some() => "finished",
        _ => return Ok(None),
    };
    let status = build.status.filter(|_| phase == "finished");
    let scm = build.scm.unwrap_or(Scm { branch: None, commit: None });
    let number = build.number.ok_or("the build has no number")?;
    let of = (number, build.queue_id);
    let told = told(&job, phase, of, status.as_deref(), &scm, build.full_url.as_deref());
    let time = build.timestamp.filter(|ms| *ms > 0).and_then(milliseconds);
    Ok(Some(Activity { whom: annotated(ANNOTATION, shown_on(&job)), time, ..told }))
}

/// What is told of a build, which has a number and, where that is known, one in the queue.
fn told(
    job: &str,
    phase: &str,
    (number, queue): (u64, Option<i64>),
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
        ("number", json!(number)),
        ("branch", json!(scm.branch)),
        ("commit", json!(scm.commit)),
        ("url", json!(url)),
    ]);
    // A job that is made anew, as branches are, counts its builds from 1 again; the queue goes on.
    let queue = queue.filter(|queue| *queue > 0);
    let key = match queue {
        Some(queue) => format!("{job}/{number}/queue-{queue}/{phase}"),
        None => format!("{job}/{number}/{phase}"),
    };
    activity(&format!("pipelinerun.{phase}"), key, annotated(ANNOTATION, job), None, value)
}

/// `folder/a name` of `job/folder/job/a%20name/`. What a name itself holds encoded, as those of
/// branches do, stays so.
pub(crate) fn full_name(url: &str) -> Option<String> {
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

    /// A body with the members that the plugin writes, for a job in a folder.
    fn body(phase: &str, status: Option<&str>, queue: i64, timestamp: i64) -> String {
        let mut body = json!({
            "name": "asgard", "display_name": "asgard", "url": "job/team/job/asgard/",
            "build": {
                "full_url": "http://localhost:8080/job/team/job/asgard/18/", "number": 18,
                "queue_id": queue, "timestamp": timestamp, "duration": 0, "phase": phase,
                "status": status, "url": "job/team/job/asgard/18/", "log": "secret\n",
                "notes": "secret", "test_summary": {"total": 1, "failed": 1, "passed": 0,
                                                    "skipped": 0, "failed_tests": ["a.b"]},
                "scm": {"url": "https://example.com/a.git", "branch": "origin/master",
                        "commit": "c6d86dc654b12425e706bcf951adfe5a8627a517",
                        "changes": ["a/b"], "culprits": ["secret"]},
                "parameters": {"PASSWORD": "secret"},
                "artifacts": {"asgard.war": {"archive": "http://localhost:8080/x"}},
            },
        });
        if let (None, Some(build)) = (status, body["build"].as_object_mut()) {
            build.remove("status");
        }
        body.to_string()
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
        const BEGAN: i64 = 1_400_000_000_000;
        for (phase, status, queue, timestamp, expected) in [
            ("QUEUED", None, 7, BEGAN, "queued team/asgard/18/queue-7/queued null 16:53:20"),
            ("QUEUED", None, 7, 0, "queued team/asgard/18/queue-7/queued null -"),
            ("STARTED", None, 7, BEGAN, "started team/asgard/18/queue-7/started null 16:53:20"),
            (
                "COMPLETED",
                Some("SUCCESS"),
                -1,
                BEGAN + 4000,
                "finished team/asgard/18/finished \"success\" 16:53:24",
            ),
            (
                "FINALIZED",
                Some("ABORTED"),
                7,
                BEGAN,
                "finished team/asgard/18/queue-7/finished \"cancel\" 16:53:20",
            ),
            // A step of a pipeline says so, while it runs.
            ("COMPLETED", None, 7, BEGAN, ""),
            ("NONE", None, 7, BEGAN, ""),
        ] {
            let told = read(body(phase, status, queue, timestamp).as_bytes(), &|job| job).unwrap();
            let shown = told.as_ref().map_or_else(String::new, |told| {
                let name = told.activity.strip_prefix("dev.cdevents.pipelinerun.").unwrap();
                let outcome = told.value.get("outcome").unwrap_or(&Value::Null);
                let time = told.time.map_or("-".to_owned(), |time| time.to_string()[11..19].into());
                format!("{name} {} {outcome} {time}", told.key)
            });
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

    #[test]
    fn what_the_api_lists_has_the_keys_of_deliveries() {
        let listed = json!({
            "_class": "hudson.model.FreeStyleBuild", "number": 18, "queueId": 7, "building": false,
            "result": "SUCCESS", "timestamp": 1_400_000_000_000_i64, "duration": 4000,
            "url": "http://localhost:8080/job/team/job/asgard/18/",
            "actions": [null, {}, {"lastBuiltRevision": {
                "SHA1": "c6d86dc654b12425e706bcf951adfe5a8627a517",
                "branch": [{"name": "origin/master"}],
            }}],
        });
        let listed: ListedBuild = serde_json::from_value(listed).unwrap();
        let listed = listed.told("team/asgard", "team/asgard");
        let body = body("COMPLETED", Some("SUCCESS"), 7, 1_400_000_004_000);
        let delivered = read(body.as_bytes(), &|job| job).unwrap().unwrap();
        assert_eq!(Activity { pointer: None, ..listed }, delivered);
    }
}
