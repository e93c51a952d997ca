//! Builds of a job on a Jenkins: they run at first, and then they are over; whatever changes after
//! that is another build.

use connector::conformance::Thing;
use serde_json::{Value, json};
use support::ci::{Jenkins, Shared, TOKEN, build, jenkins};
use support::scripted::Scripted;

use super::{System, number};

const JOB: &str = "shop/checkout";

/// The number of the build that a thing is by now.
fn build_number(thing: &Thing) -> u64 {
    1 + number(thing) + 10_000_000 * u64::from(thing.version.saturating_sub(2))
}

fn is_over(thing: &Thing) -> bool {
    thing.version > 1
}

fn build_of(thing: &Thing) -> Value {
    let mut build = build(build_number(thing), 0, is_over(thing).then_some("SUCCESS"));
    build["more"] = json!("x".repeat(thing.bytes));
    build
}

impl System for Jenkins {
    const FROM: &'static str = "jenkins";
    const ASKED: &'static str = "/job/";
    /// What stands before one may; it says nothing of that.
    const LIMITS: bool = false;

    fn site() -> (Scripted, Shared<Self>) {
        jenkins()
    }

    fn poll(url: &str) -> Value {
        json!({"url": url, "user": "robot", "token": TOKEN, "folders": ["shop"]})
    }

    fn hold(&mut self, things: &[Thing], held: &[Thing]) {
        let builds = self.entry(JOB.to_owned()).or_default();
        builds.retain(|build| {
            let mut same = things.iter().filter(|thing| held.contains(thing));
            same.any(|thing| build["number"] == build_number(thing))
        });
        builds.extend(things.iter().filter(|thing| !held.contains(thing)).map(build_of));
        builds.sort_by_key(|build| std::cmp::Reverse(build["number"].as_u64()));
    }

    fn key(thing: &Thing) -> String {
        let number = build_number(thing);
        let phase = if is_over(thing) { "finished" } else { "started" };
        format!("{JOB}/{number}/queue-{}/{phase}", 1000 + number)
    }
}

#[test]
fn jenkins_keeps_the_laws() {
    super::check::<Jenkins>();
}
