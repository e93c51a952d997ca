//! CI systems that are asked: things that happen.

mod github;
mod gitlab;
mod jenkins;
mod polling;

use connector::conformance::{Bench, Fault, Run, Thing};
use connector::{Emitter, Start};
use serde_json::{Value, json};
use support::ci::{Shared, TOKEN};
use support::scripted::Scripted;
use tokio::sync::watch;

/// A CI system, and how the suite's things stand in it.
trait System: Default {
    /// As the configuration names it.
    const FROM: &'static str;
    /// What stands in the path of whatever is asked of it.
    const ASKED: &'static str;
    /// Whether it ever wants to be left alone.
    const LIMITS: bool = true;

    /// One that holds nothing.
    fn site() -> (Scripted, Shared<Self>);

    /// How it is asked.
    fn poll(url: &str) -> Value;

    /// Makes it hold these things, some of which it holds already.
    fn hold(&mut self, things: &[Thing], held: &[Thing]);

    /// Something changes of which nothing is told: there is more to answer than that nothing did.
    fn touch(&mut self) {}

    /// By which key the catalog shows a thing.
    fn key(thing: &Thing) -> String;
}

/// A thing's number.
fn number(thing: &Thing) -> u64 {
    thing.name.strip_prefix("thing-").map_or(1_000_000, |number| number.parse().unwrap())
}

struct Asked<S: System> {
    site: Scripted,
    state: Shared<S>,
    held: Vec<Thing>,
}

impl<S: System> Asked<S> {
    fn new() -> Self {
        let (site, state) = S::site();
        Self { site, state, held: Vec::new() }
    }
}

impl<S: System> Bench for Asked<S> {
    fn run(&self, start: Start, emitter: Emitter, stopping: watch::Receiver<bool>) -> Run {
        let mut poll = S::poll(&self.site.url);
        poll["every_seconds"] = json!(1);
        let config = json!({"id": "bench", "from": S::FROM, "poll": poll});
        let config: ci::Config = serde_json::from_value(config).unwrap();
        Box::pin(async move {
            ci::run(&config, start, emitter, ci::Projects::default(), stopping).await;
        })
    }

    fn hold(&mut self, things: &[Thing]) {
        self.state.lock().unwrap().hold(things, &self.held);
        self.held = things.to_vec();
    }

    fn fail(&mut self, fault: Fault) -> bool {
        let is_known = S::LIMITS || fault != Fault::Limits;
        if is_known {
            self.state.lock().unwrap().touch();
            crate::wrong(&self.site, S::ASKED, fault);
        }
        is_known
    }

    fn mend(&mut self) {
        self.site.calm();
    }

    fn secrets(&self) -> Vec<String> {
        vec![TOKEN.to_owned()]
    }

    fn shows(&self, thing: &Thing) -> String {
        S::key(thing)
    }

    /// What happened is not gone with what it stood in.
    fn withdraws(&self) -> bool {
        false
    }
}

/// Runs the suite over one of them.
fn check<S: System + 'static>() {
    crate::check(Asked::<S>::new);
}
