//! Runs of workflows on a GitHub: they run at first, and then they are over, and run again.

use connector::conformance::Thing;
use serde_json::{Value, json};
use support::ci::{GitHub, Shared, TOKEN, github, run};
use support::scripted::Scripted;

use super::{System, number};

/// The first time that it is over is its first attempt, too.
fn attempt(thing: &Thing) -> u32 {
    thing.version.max(2) - 1
}

fn state(thing: &Thing) -> &'static str {
    if thing.version > 1 { "completed" } else { "in_progress" }
}

fn run_of(thing: &Thing) -> Value {
    let mut run = run(number(thing), 0, state(thing));
    run["run_attempt"] = json!(attempt(thing));
    run["more"] = json!("x".repeat(thing.bytes));
    run
}

impl System for GitHub {
    const FROM: &'static str = "github";
    const ASKED: &'static str = "/actions/runs";

    fn site() -> (Scripted, Shared<Self>) {
        github(Vec::new())
    }

    fn poll(url: &str) -> Value {
        json!({"url": url, "token": TOKEN, "repositories": ["acme/checkout"]})
    }

    fn hold(&mut self, things: &[Thing], held: &[Thing]) {
        self.runs.retain(|run| {
            let mut all = things.iter();
            all.any(|thing| run["id"] == number(thing))
        });
        for thing in things.iter().filter(|thing| !held.contains(thing)) {
            // One that is run again stays where it is in the list.
            match self.runs.iter_mut().find(|run| run["id"] == number(thing)) {
                Some(run) => *run = run_of(thing),
                None => self.runs.insert(0, run_of(thing)),
            }
        }
    }

    fn touch(&mut self) {
        self.runs[0]["touched"] = json!(self.runs[0]["touched"].as_u64().unwrap_or(0) + 1);
    }

    fn key(thing: &Thing) -> String {
        format!("workflow_run/{}/{}/{}", number(thing), attempt(thing), state(thing))
    }
}

#[test]
fn github_keeps_the_laws() {
    super::check::<GitHub>();
}
