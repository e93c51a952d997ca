//! Repositories of an organization on a real Gitea, with a site before it that can go wrong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use connector::conformance::{Bench, Fault, Run, Thing};
use connector::{Emitter, Start};
use serde_json::json;
use support::gitea::Gitea;
use support::process::skip;
use support::scripted::{Reply, Request, Scripted};
use tokio::sync::watch;

/// Things of one repository.
const TOGETHER: u32 = 200;

struct Forge {
    gitea: Arc<Gitea>,
    site: Scripted,
    organization: String,
    held: Vec<Thing>,
}

/// Hands a request on, and what is answered.
fn forward(gitea: &Gitea, agent: &ureq::Agent, request: &Request) -> Reply {
    let url = format!("{}{}", gitea.url, request.target);
    let asked = agent.get(url).header("authorization", request.header("authorization"));
    let mut answer = asked.call().unwrap();
    let mut reply = Reply::status(answer.status().as_u16());
    for name in ["link", "x-total-count"] {
        if let Some(value) = answer.headers().get(name) {
            reply = reply.with(name, value.to_str().unwrap());
        }
    }
    let body = answer.body_mut().with_config().limit(64 << 20).read_to_string().unwrap();
    reply.with_body(&body)
}

/// The repository in which a thing stands.
fn repository(thing: &Thing) -> String {
    let number = thing.name.strip_prefix("thing-").map_or(0, |number| number.parse().unwrap());
    format!("things-{}", number / TOGETHER)
}

impl Forge {
    fn new(gitea: &Arc<Gitea>, number: u32) -> Self {
        let (behind, agent) = (Arc::clone(gitea), Gitea::agent());
        let site = Scripted::new(move |request| forward(&behind, &agent, request));
        let organization = format!("acme-{number}");
        gitea.api("POST", "/orgs", &json!({"username": organization}));
        Self { gitea: Arc::clone(gitea), site, organization, held: Vec::new() }
    }
}

impl Bench for Forge {
    fn run(&self, start: Start, emitter: Emitter, stopping: watch::Receiver<bool>) -> Run {
        let config = json!({
            "id": "bench", "url": self.site.url, "token": self.gitea.token,
            "organizations": [self.organization], "catalog_paths": ["catalog/*.yaml"],
            "every_seconds": 1,
        });
        let github::Gitea(config) = serde_json::from_value(config).unwrap();
        let (_, requests) = github::receiver(&config, emitter.clone()).unwrap();
        Box::pin(github::run(config, start, emitter, requests, stopping))
    }

    fn hold(&mut self, things: &[Thing]) {
        let mut pushes: BTreeMap<String, Vec<(String, Option<String>)>> = BTreeMap::new();
        let gone = self.held.iter().filter(|held| things.iter().all(|of| of.name != held.name));
        let new = things.iter().filter(|thing| !self.held.contains(thing));
        let texts = new.map(|thing| (thing, Some(thing.component().to_string())));
        for (thing, text) in gone.map(|thing| (thing, None)).chain(texts) {
            let file = (format!("catalog/{}.yaml", thing.name), text);
            pushes.entry(repository(thing)).or_default().push(file);
        }
        for (name, files) in pushes {
            if self.held.iter().all(|held| repository(held) != name) {
                self.gitea.repository(&self.organization, &name);
            }
            let files: Vec<_> =
                files.iter().map(|(path, text)| (path.as_str(), text.as_deref())).collect();
            self.gitea.push(&format!("{}/{name}", self.organization), &files);
        }
        self.held = things.to_vec();
    }

    fn fail(&mut self, fault: Fault) -> bool {
        crate::wrong(&self.site, "/repos?", fault);
        true
    }

    fn mend(&mut self) {
        self.site.calm();
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.gitea.token.clone()]
    }

    fn large(&self) -> (u32, usize) {
        // A forge takes its time for each file.
        (600, 50_000)
    }
}

#[test]
fn gitea_keeps_the_laws() {
    let gitea = match Gitea::start() {
        Ok(gitea) => Arc::new(gitea),
        Err(why) => return skip("the laws over a real forge", &why),
    };
    let laws = AtomicU32::new(0);
    crate::check(|| Forge::new(&gitea, laws.fetch_add(1, Ordering::Relaxed)));
}
