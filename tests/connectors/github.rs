//! Repositories of an organization on GitHub: of a catalog file each, and one of very many.

use std::path::Path;

use connector::conformance::{Bench, Fault, Run, Thing};
use connector::{Emitter, Start};
use serde_json::{Value, json};
use support::github::{GitHub, TOKEN};
use support::process::skip;
use tokio::sync::watch;

/// What a file of few is filled up with, in bytes, so that they are not held together.
const FILLING: usize = 256 << 10;

/// How many are few.
const FEW: usize = 50;

struct Hub {
    github: GitHub,
    /// Whether all things stand in one repository.
    is_one: bool,
    /// What is read goes wrong rather than what is listed, and not at once.
    pushes: u32,
    held: Vec<Thing>,
}

impl Hub {
    fn start(is_one: bool) -> Result<Self, String> {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("github");
        Ok(Self { github: GitHub::start(&cache)?, is_one, pushes: 0, held: Vec::new() })
    }

    /// The next hundred questions go wrong: those for the list, or those for files after the first
    /// ones, for which there has to be something new to read.
    fn wrong(&mut self, how: &Value) {
        let on = if self.is_one { "Files" } else { "Repositories" };
        let skips = if self.is_one { 2 } else { 0 };
        let mut fault = json!({"op": "fault", "on": on, "times": 100, "skips": skips});
        fault.as_object_mut().unwrap().extend(how.as_object().unwrap().clone());
        let mut ops = vec![fault];
        if self.is_one {
            self.pushes += 1;
            ops.push(file("pushes", Some(&self.pushes.to_string())));
        }
        self.github.control(&json!(ops));
    }
}

/// A file of the repository that holds all, or that there is none.
fn file(path: &str, text: Option<&str>) -> Value {
    json!({"op": "repo", "owner": "acme", "name": "all", "files": {path: text}})
}

impl Bench for Hub {
    fn run(&self, start: Start, emitter: Emitter, stopping: watch::Receiver<bool>) -> Run {
        let config = json!({
            "id": "bench", "url": self.github.url, "token": TOKEN, "organizations": ["acme"],
            "catalog_paths": ["catalog-info.yaml", "catalog/*.yaml"], "every_seconds": 1,
        });
        let config: github::Config = serde_json::from_value(config).unwrap();
        let (_, requests) = github::receiver(&config, emitter.clone()).unwrap();
        Box::pin(github::run(config, start, emitter, requests, stopping))
    }

    fn hold(&mut self, things: &[Thing]) {
        let is_one = self.is_one;
        let filling = if is_one && things.len() < FEW { FILLING } else { 0 };
        let text = |thing: &Thing| format!("{}\n#{}", thing.component(), "-".repeat(filling));
        let path = |thing: &Thing| format!("catalog/{}.yaml", thing.name);
        let gone = self.held.iter().filter(|held| things.iter().all(|of| of.name != held.name));
        let gone = gone.map(|thing| match is_one {
            true => file(&path(thing), None),
            false => json!({"op": "remove", "owner": "acme", "name": thing.name}),
        });
        let new = things.iter().filter(|thing| !self.held.contains(thing));
        let new = new.map(|thing| match is_one {
            true => file(&path(thing), Some(&text(thing))),
            false => json!({
                "op": "repo", "owner": "acme", "name": thing.name,
                "files": {"catalog-info.yaml": text(thing)},
            }),
        });
        let ops: Vec<Value> = gone.chain(new).collect();
        ops.chunks(100).for_each(|ops| self.github.control(&json!(ops)));
        self.held = things.to_vec();
    }

    fn fail(&mut self, fault: Fault) -> bool {
        match fault {
            Fault::Fails => self.wrong(&json!({"status": 500})),
            Fault::Limits => {
                self.wrong(&json!({"status": 403, "headers": {"retry-after": "1"}}));
            }
            Fault::Part if self.is_one => self.wrong(&json!({"part": "r0"})),
            Fault::Part => self.wrong(&json!({"hides": true})),
            Fault::Forgets => {
                let gone = json!([{"op": "token", "token": TOKEN, "gone": true}]);
                self.github.control(&gone);
            }
            Fault::Hangs => self.wrong(&json!({"slow": 100_000})),
        }
        true
    }

    fn mend(&mut self) {
        let known = json!({"op": "token", "token": TOKEN, "scopes": "repo, read:org"});
        self.github.control(&json!([{"op": "calm"}, known]));
    }

    fn secrets(&self) -> Vec<String> {
        vec![TOKEN.to_owned()]
    }
}

#[track_caller]
fn check(is_one: bool) {
    match Hub::start(is_one) {
        Ok(_) => crate::check(|| Hub::start(is_one).unwrap()),
        Err(why) => skip("the laws over a GitHub on this machine", &why),
    }
}

#[test]
fn github_keeps_the_laws() {
    check(false);
}

#[test]
fn a_repository_of_very_many_files_keeps_the_laws() {
    check(true);
}
