//! Pipelines of a GitLab: they run at first, and then they are over, again and again.

use std::time::SystemTime;

use connector::conformance::Thing;
use event::Timestamp;
use serde_json::{Value, json};
use support::ci::{GitLab, Shared, TOKEN, gitlab};
use support::scripted::Scripted;

use super::{System, number};

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_micros(now.as_micros().try_into().unwrap()).unwrap()
}

/// When a pipeline was over, the second time and later because jobs were tried again.
fn finished(thing: &Thing) -> String {
    format!("2026-08-12T15:26:{:02}Z", thing.version)
}

fn pipeline(thing: &Thing) -> Value {
    let is_over = thing.version > 1;
    json!({
        "id": number(thing), "name": "build", "ref": "main", "source": "push",
        "status": if is_over { "success" } else { "running" },
        "created_at": "2026-08-12T15:20:00Z", "started_at": "2026-08-12T15:20:01Z",
        "finished_at": is_over.then(|| finished(thing)), "updated_at": now().to_string(),
        "more": "x".repeat(thing.bytes),
    })
}

impl System for GitLab {
    const FROM: &'static str = "gitlab";
    const ASKED: &'static str = "/pipelines";

    fn site() -> (Scripted, Shared<Self>) {
        gitlab()
    }

    fn poll(url: &str) -> Value {
        json!({"url": url, "token": TOKEN, "projects": ["shop/team/checkout"]})
    }

    fn hold(&mut self, things: &[Thing], held: &[Thing]) {
        self.pipelines.retain(|one| {
            let mut same = things.iter().filter(|thing| held.contains(thing));
            same.any(|thing| one["id"] == number(thing))
        });
        let new = things.iter().filter(|thing| !held.contains(thing));
        self.pipelines.extend(new.map(pipeline));
    }

    fn key(thing: &Thing) -> String {
        match thing.version {
            1 => format!("pipeline/{}/started/", number(thing)),
            _ => format!("pipeline/{}/finished/{}", number(thing), finished(thing)),
        }
    }
}

#[test]
fn gitlab_keeps_the_laws() {
    super::check::<GitLab>();
}
