//! Pipelines of a GitLab that is asked: things that happen.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use connector::conformance::{Bench, Fault, Run, Thing};
use connector::{Emitter, Start};
use event::Timestamp;
use serde_json::{Value, json};
use support::scripted::{Reply, Request, Scripted};
use tokio::sync::watch;

const TOKEN: &str = "t0ken-of-a-robot";
const LIST: &str = "/api/v4/projects/acme/shop/pipelines";

struct GitLab {
    site: Scripted,
    /// In the order in which they changed.
    pipelines: Arc<Mutex<Vec<Value>>>,
    held: Vec<Thing>,
}

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_micros(now.as_micros().try_into().unwrap()).unwrap()
}

fn id(thing: &Thing) -> u64 {
    thing.name.strip_prefix("thing-").map_or(1_000_000, |number| number.parse().unwrap())
}

/// When a pipeline was over, the second time and later because jobs were tried again.
fn finished(thing: &Thing) -> String {
    format!("2026-08-12T15:26:{:02}Z", thing.version)
}

/// It runs at first, and then it is over.
fn pipeline(thing: &Thing) -> Value {
    let is_over = thing.version > 1;
    json!({
        "id": id(thing), "name": "build", "ref": "main", "source": "push",
        "status": if is_over { "success" } else { "running" },
        "created_at": "2026-08-12T15:20:00Z", "started_at": "2026-08-12T15:20:01Z",
        "finished_at": is_over.then(|| finished(thing)), "updated_at": now().to_string(),
        "more": "x".repeat(thing.bytes),
    })
}

fn answer(request: &Request, pipelines: &[Value]) -> Reply {
    if request.header("private-token") != TOKEN {
        return Reply::status(401);
    }
    if request.path != LIST {
        let id = request.path.rsplit('/').next().and_then(|id| id.parse::<u64>().ok());
        let found = pipelines.iter().find(|one| one["id"].as_u64() == id);
        return found.map_or_else(|| Reply::status(404), Reply::json);
    }
    let since = Timestamp::from_rfc3339(&request.query["updated_after"]).unwrap();
    let changed = |one: &&Value| {
        Timestamp::from_rfc3339(one["updated_at"].as_str().unwrap()).unwrap() > since
    };
    let (size, at) = (request.number("per_page").unwrap(), request.number("page").unwrap());
    let mut rest = pipelines.iter().filter(changed).skip((at - 1) * size);
    let page: Vec<&Value> = rest.by_ref().take(size).collect();
    let reply = Reply::json(&json!(page));
    let has_more = rest.next().is_some();
    if has_more { reply.with("x-next-page", &(at + 1).to_string()) } else { reply }
}

impl GitLab {
    fn new() -> Self {
        let pipelines = Arc::<Mutex<Vec<Value>>>::default();
        let kept = Arc::clone(&pipelines);
        let site = Scripted::new(move |request| answer(request, &kept.lock().unwrap()));
        Self { site, pipelines, held: Vec::new() }
    }
}

impl Bench for GitLab {
    fn run(&self, start: Start, emitter: Emitter, stopping: watch::Receiver<bool>) -> Run {
        let config = json!({"id": "bench", "from": "gitlab", "poll": {
            "url": self.site.url, "token": TOKEN, "projects": ["acme/shop"], "every_seconds": 1,
        }});
        let config: ci::Config = serde_json::from_value(config).unwrap();
        Box::pin(async move {
            ci::run(&config, start, emitter, ci::Projects::default(), stopping).await;
        })
    }

    fn hold(&mut self, things: &[Thing]) {
        let mut pipelines = self.pipelines.lock().unwrap();
        let is_held = |one: &Value| {
            let mut same = things.iter().filter(|thing| self.held.contains(thing));
            same.any(|thing| Some(id(thing)) == one["id"].as_u64())
        };
        pipelines.retain(is_held);
        let new = things.iter().filter(|thing| !self.held.contains(thing));
        pipelines.extend(new.map(pipeline));
        drop(pipelines);
        self.held = things.to_vec();
    }

    fn fail(&mut self, fault: Fault) -> bool {
        crate::wrong(&self.site, "/pipelines", fault);
        true
    }

    fn mend(&mut self) {
        self.site.calm();
    }

    fn secrets(&self) -> Vec<String> {
        vec![TOKEN.to_owned()]
    }

    fn shows(&self, thing: &Thing) -> String {
        match thing.version {
            1 => format!("pipeline/{}/started/", id(thing)),
            _ => format!("pipeline/{}/finished/{}", id(thing), finished(thing)),
        }
    }

    /// What happened is not gone with what it stood in.
    fn withdraws(&self) -> bool {
        false
    }
}

#[test]
fn ci_keeps_the_laws() {
    crate::check(GitLab::new);
}
