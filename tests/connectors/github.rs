//! Repositories of an organization on GitHub.

use std::path::Path;

use connector::conformance::{Bench, Fault, Run, Thing};
use connector::{Emitter, Start};
use serde_json::{Value, json};
use support::github::{GitHub, TOKEN};
use support::process::skip;
use tokio::sync::watch;

struct Hub {
    github: GitHub,
    held: Vec<Thing>,
}

impl Hub {
    fn start() -> Result<Self, String> {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("github");
        Ok(Self { github: GitHub::start(&cache)?, held: Vec::new() })
    }

    /// The next hundred questions of a sort go wrong.
    fn wrong(&self, on: &str, how: &Value) {
        let mut fault = json!({"op": "fault", "on": on, "times": 100});
        fault.as_object_mut().unwrap().extend(how.as_object().unwrap().clone());
        self.github.control(&json!([fault]));
    }
}

impl Bench for Hub {
    fn run(&self, start: Start, emitter: Emitter, stopping: watch::Receiver<bool>) -> Run {
        let config = json!({
            "id": "bench", "url": self.github.url, "token": TOKEN, "organizations": ["acme"],
            "every_seconds": 1,
        });
        let config: github::Config = serde_json::from_value(config).unwrap();
        let (_, requests) = github::receiver(&config, emitter.clone()).unwrap();
        Box::pin(github::run(config, start, emitter, requests, stopping))
    }

    fn hold(&mut self, things: &[Thing]) {
        let gone = self.held.iter().filter(|held| things.iter().all(|of| of.name != held.name));
        let gone = gone.map(|of| json!({"op": "remove", "owner": "acme", "name": of.name}));
        let new = things.iter().filter(|thing| !self.held.contains(thing)).map(|thing| {
            let files = json!({"catalog-info.yaml": thing.component().to_string()});
            json!({"op": "repo", "owner": "acme", "name": thing.name, "files": files})
        });
        let ops: Vec<Value> = gone.chain(new).collect();
        ops.chunks(100).for_each(|ops| self.github.control(&json!(ops)));
        self.held = things.to_vec();
    }

    fn fail(&mut self, fault: Fault) -> bool {
        match fault {
            Fault::Fails => self.wrong("Repositories", &json!({"status": 500})),
            Fault::Limits => {
                let wait = json!({"status": 403, "headers": {"retry-after": "1"}});
                self.wrong("Repositories", &wait);
            }
            Fault::Part => self.wrong("Repositories", &json!({"hides": true})),
            Fault::Forgets => {
                let gone = json!([{"op": "token", "token": TOKEN, "gone": true}]);
                self.github.control(&gone);
            }
            Fault::Hangs => self.wrong("Repositories", &json!({"slow": 100_000})),
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

#[test]
fn github_keeps_the_laws() {
    match Hub::start() {
        Ok(_) => crate::check(|| Hub::start().unwrap()),
        Err(why) => skip("the laws over a GitHub on this machine", &why),
    }
}
