//! The runs of CronJobs.

use std::collections::{BTreeMap, BTreeSet};

use crate::map::{Place, Run};

/// The runs of a cluster's CronJobs that are still there.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    runs: BTreeMap<Place, Run>,
    by: BTreeMap<Place, BTreeSet<Place>>,
}

impl Runs {
    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.runs.keys()
    }

    /// The CronJob that a Job is a run of.
    pub(crate) fn owner(&self, job: &Place) -> Option<&Place> {
        self.runs.get(job).map(|run| &run.of)
    }

    /// A run is so now; says whether it was otherwise.
    pub(crate) fn put(&mut self, run: Run) -> bool {
        if self.runs.get(&run.place) == Some(&run) {
            return false;
        }
        self.remove(&run.place.clone());
        self.by.entry(run.of.clone()).or_default().insert(run.place.clone());
        self.runs.insert(run.place.clone(), run);
        true
    }

    /// A run is no more; its CronJob.
    pub(crate) fn remove(&mut self, job: &Place) -> Option<Place> {
        let run = self.runs.remove(job)?;
        if let Some(of) = self.by.get_mut(&run.of) {
            of.remove(job);
            if of.is_empty() {
                self.by.remove(&run.of);
            }
        }
        Some(run.of)
    }

    /// The runs of a CronJob.
    pub(crate) fn of(&self, plan: &Place) -> impl Iterator<Item = &Run> {
        let places = self.by.get(plan).into_iter().flatten();
        places.filter_map(|place| self.runs.get(place))
    }
}

#[cfg(test)]
mod tests {
    use Weight::{Health, Routine, Steady};
    use serde_json::{Value, json};

    use super::super::tests::{Test, touched};
    use crate::ANNOTATION;
    use crate::calm::Weight;
    use crate::kinds::Kind;
    use crate::watch::What;

    fn minute(number: u32) -> String {
        format!("2026-01-01T00:{number:02}:00Z")
    }

    fn plan(active: bool, scheduled: u32, successful: u32) -> Value {
        let active = if active { json!([{}]) } else { json!([]) };
        json!({"metadata": {"name": "tidy", "namespace": "n", "labels": {ANNOTATION: "x"}},
            "spec": {"schedule": "* * * * *"},
            "status": {"active": active, "lastScheduleTime": minute(scheduled),
                "lastSuccessfulTime": minute(successful)}})
    }

    fn job(number: u32, ended: Option<&str>) -> Value {
        let conditions = ended.map(
            |of| json!([{"type": of, "status": "True", "lastTransitionTime": minute(number + 1)}]),
        );
        let owner = json!([{"kind": "CronJob", "name": "tidy", "controller": true}]);
        json!({"metadata": {"name": format!("tidy-{number}"), "namespace": "n",
            "ownerReferences": owner, "labels": {ANNOTATION: "x"}},
            "status": {"conditions": conditions}})
    }

    fn pod(number: u32, phase: &str, waiting: &str) -> Value {
        let job = format!("tidy-{number}");
        json!({"metadata": {"name": format!("{job}-x"), "namespace": "n",
            "ownerReferences": [{"kind": "Job", "name": job, "controller": true}]},
            "status": {"phase": phase, "containerStatuses": [{"name": "c", "imageID": "i",
                "state": {"waiting": {"reason": waiting}}}]}})
    }

    #[test]
    fn runs_show_on_their_cron_job() {
        let mut test = Test::new(&[("x", "x")]);
        assert_eq!(touched(&test.is(Kind::CronJob, plan(false, 0, 1))), [("x", Steady)]);
        assert_eq!(test.aspect("x")["workloads"][0]["lastRun"], json!({"outcome": "success"}));
        // A run begins, in whatever order that is told.
        assert_eq!(touched(&test.is(Kind::Pod, pod(2, "Pending", "ImagePullBackOff"))), []);
        assert_eq!(touched(&test.is(Kind::Job, job(2, None))), [("x", Routine)]);
        assert_eq!(touched(&test.is(Kind::CronJob, plan(true, 2, 1))), [("x", Routine)]);
        assert_eq!(touched(&test.is(Kind::Pod, pod(2, "Running", ""))), [("x", Routine)]);
        let shown = &test.aspect("x")["workloads"][0];
        assert_eq!(
            (&shown["active"], &shown["pods"]["phases"]),
            (&json!(1), &json!({"Running": 1}))
        );
        assert_eq!(shown["lastRun"], json!({"outcome": "success"}));
        // It ends: what runs no more is not summed up.
        assert_eq!(touched(&test.is(Kind::Job, job(2, Some("Complete")))), [("x", Routine)]);
        assert_eq!(touched(&test.is(Kind::CronJob, plan(false, 2, 3))), [("x", Routine)]);
        let shown = &test.aspect("x")["workloads"][0];
        assert_eq!(shown["lastRun"], json!({"outcome": "success", "job": "tidy-2"}));
        assert_eq!((shown.get("pods"), &shown["active"]), (None, &json!(0)));
        // That one fails after one that did not is worth more, and that one does not after that.
        test.is(Kind::Job, job(4, None));
        test.is(Kind::CronJob, plan(true, 4, 3));
        assert_eq!(touched(&test.is(Kind::Job, job(4, Some("Failed")))), [("x", Health)]);
        assert_eq!(touched(&test.is(Kind::CronJob, plan(false, 4, 3))), [("x", Routine)]);
        let shown = &test.aspect("x")["workloads"][0];
        assert_eq!(shown["lastRun"], json!({"outcome": "failure", "job": "tidy-4"}));
        assert_eq!(touched(&test.is(Kind::Job, job(6, Some("Complete")))), [("x", Health)]);
        // What was tidied up is told by the CronJob; a Job that is its own shows as such.
        let gone = test.take(Kind::Job, What::Listed(Vec::new()));
        assert_eq!(touched(&gone), [("x", Health)]);
        assert_eq!(test.aspect("x")["workloads"][0]["lastRun"], json!({"outcome": "failure"}));
        let mut own = job(7, None);
        test.is(Kind::Job, own.clone());
        own["metadata"]["ownerReferences"] = json!([]);
        assert_eq!(touched(&test.is(Kind::Job, own.clone())), [("x", Steady)]);
        assert_eq!(test.aspect("x")["workloads"][0]["kind"], "Job");
        own["metadata"]["ownerReferences"] = job(7, None)["metadata"]["ownerReferences"].clone();
        assert_eq!(touched(&test.is(Kind::Job, own)), [("x", Steady)]);
        assert_eq!(test.aspect("x")["workloads"].as_array().map(Vec::len), Some(1));
    }
}
