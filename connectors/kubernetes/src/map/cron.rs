//! CronJobs: what they say of their runs, and the runs, which are Jobs.

use event::Timestamp;
use serde_json::{Map, Value, json};

use super::{Place, members};
use crate::kinds::Kind;
use crate::object::{Object, list, text};

/// A run of a CronJob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Where the Job stands.
    pub(crate) place: Place,
    /// Where its CronJob stands.
    pub(crate) of: Place,
    /// Absent while it runs.
    pub(crate) ended: Option<Ended>,
}

/// How a run ended. They are ordered by when.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ended {
    time: Timestamp,
    pub(crate) failed: bool,
    /// The Job's name, where there still is one.
    job: Option<Box<str>>,
}

impl Ended {
    pub(crate) fn value(&self) -> Value {
        let outcome = if self.failed { "failure" } else { "success" };
        let members = members([("outcome", json!(outcome)), ("job", json!(self.job.as_deref()))]);
        Value::Object(members)
    }
}

/// What a CronJob shows of its runs: it changes with each.
pub(super) fn routine(object: &Object) -> Map<String, Value> {
    let status = &object.status;
    let time = |pointer: &str| json!(text(status, pointer).filter(|of| moment(of).is_some()));
    let active = status.get("active").and_then(Value::as_array).map_or(0, Vec::len);
    members([
        ("active", json!(active)),
        ("lastScheduled", time("/lastScheduleTime")),
        ("lastSuccessful", time("/lastSuccessfulTime")),
    ])
}

/// A Job that a CronJob made.
pub(super) fn run(object: &Object) -> Option<Run> {
    let owner = object.controller().filter(|of| of.kind == "CronJob")?;
    let place = super::place(Kind::Job, object);
    let of = (Kind::CronJob, place.1.clone(), owner.name.as_str().into());
    let is = |condition: &Value, kind: &str| {
        let get = |name: &str| condition.get(name).and_then(Value::as_str);
        get("type") == Some(kind) && get("status") == Some("True")
    };
    let ended = list(&object.status, "/conditions").find_map(|condition| {
        let failed = is(condition, "Failed");
        let time = text(&object.status, "/completionTime")
            .or_else(|| text(condition, "/lastTransitionTime"));
        let time = time.and_then(|time| moment(&time)).unwrap_or_default();
        let job = Some(place.2.clone());
        (failed || is(condition, "Complete")).then_some(Ended { time, failed, job })
    });
    Some(Run { place, of, ended })
}

/// How the last run of a CronJob ended: as its Jobs tell, or where there are none any more, as it
/// tells itself. Its times are `routine`'s.
pub(crate) fn last<'a>(routine: &str, runs: impl Iterator<Item = &'a Run>) -> Option<Ended> {
    let routine: Map<String, Value> = serde_json::from_str(routine).unwrap_or_default();
    let time = |name: &str| routine.get(name).and_then(Value::as_str).and_then(moment);
    let (scheduled, successful) = (time("lastScheduled"), time("lastSuccessful"));
    let mut is_active = routine.get("active").and_then(Value::as_u64) > Some(0);
    let told = |time, failed| Ended { time, failed, job: None };
    let mut last = successful.map(|time| told(time, false));
    for run in runs {
        is_active |= run.ended.is_none();
        last = last.max(run.ended.clone());
    }
    // What was begun, does not run, and never succeeded, failed.
    let failed = scheduled.filter(|_| !is_active && scheduled > successful);
    last.max(failed.map(|time| told(time, true)))
}

fn moment(text: &str) -> Option<Timestamp> {
    Timestamp::from_rfc3339(text).ok()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, object};
    use super::*;

    fn job(name: &str, condition: &str, time: &str) -> Run {
        let owner = json!([{"kind": "CronJob", "name": "tidy", "controller": true}]);
        let job = json!({
            "metadata": {"name": name, "namespace": "n", "ownerReferences": owner},
            "status": {"conditions": [{"type": "Suspended", "status": "False"},
                {"type": condition, "status": "True", "lastTransitionTime": time}]}});
        run(&object(job)).unwrap()
    }

    #[test]
    fn what_counts_of_a_cron_job() {
        let cron = json!({
            "metadata": {"name": "tidy", "namespace": "n"},
            "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {"spec": {
                "containers": [{"name": "c", "image": "a/b@sha256:c"}]}}}}},
            "status": {"active": [{"name": "tidy-1"}], "lastScheduleTime": "2026-01-01T00:00:00Z",
                "lastSuccessfulTime": "yesterday"}});
        let expected = json!({"kind": "CronJob", "namespace": "n", "name": "tidy", "active": 1,
            "schedule": "* * * * *", "lastScheduled": "2026-01-01T00:00:00Z",
            "images": [{"container": "c", "image": "a/b@sha256:c", "digest": "sha256:c",
                "purl": "pkg:oci/b@sha256:c?repository_url=docker.io/a/b"}]});
        check(Kind::CronJob, cron, &expected);
    }

    #[test]
    fn how_the_last_run_ended() {
        let at = |minute: u32| format!("2026-01-01T00:{minute:02}:00Z");
        let run = |name: &str, condition: &str, minute| job(name, condition, &at(minute));
        let active = run("c", "Suspended", 9);
        let (success, failure) = (run("a", "Complete", 1), run("b", "Failed", 2));
        assert_eq!(&*success.of.2, "tidy");
        let (ok, bad) = (json!({"outcome": "success"}), json!({"outcome": "failure"}));
        for (active_now, scheduled, successful, runs, expected) in [
            (0, None, None, vec![], None),
            (1, Some(1), None, vec![], None),
            (0, Some(1), None, vec![], Some(bad.clone())),
            (0, Some(1), None, vec![&active], None),
            (0, Some(1), Some(2), vec![], Some(ok.clone())),
            (1, Some(3), Some(2), vec![], Some(ok.clone())),
            (0, Some(3), Some(2), vec![], Some(bad)),
            (0, Some(0), Some(1), vec![&success], Some(json!({"outcome": "success", "job": "a"}))),
            (
                0,
                Some(1),
                Some(1),
                vec![&success, &failure],
                Some(json!({"outcome": "failure", "job": "b"})),
            ),
            (0, Some(2), Some(3), vec![&success, &failure], Some(ok)),
            (
                1,
                Some(8),
                Some(1),
                vec![&failure, &active],
                Some(json!({"outcome": "failure", "job": "b"})),
            ),
        ] {
            let routine = json!({"active": active_now, "lastScheduled": scheduled.map(at),
                "lastSuccessful": successful.map(at)});
            let found = last(&routine.to_string(), runs.into_iter());
            assert_eq!(found.map(|of| of.value()), expected, "{routine}");
        }
    }
}
