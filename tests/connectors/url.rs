//! What locations name by URL.

use std::sync::Arc;

use connector::conformance::{Bench, Fault, Run, Thing};
use connector::{Emitter, Start, Target};
use event::vocabulary::ScopeName;
use model::reference::EntityRef;
use serde_json::json;
use support::web::{Page, Web};
use tokio::sync::watch;

struct Url {
    web: Web,
    targets: watch::Sender<Arc<Vec<Target>>>,
    held: Vec<Thing>,
}

impl Url {
    fn new() -> Self {
        Self { web: Web::new(), targets: watch::channel(Arc::default()).0, held: Vec::new() }
    }

    fn target(&self, thing: &Thing) -> Target {
        Target {
            target: format!("{}/{}.yaml", self.web.url, thing.name),
            entity: EntityRef::canonical("location:default/bench").unwrap(),
            scope: ScopeName::new("files/bench/locations").unwrap(),
            optional: false,
            origin: "url:bench".into(),
            refresh: None,
        }
    }

    fn each(&self, page: &Page) {
        for thing in &self.held {
            self.web.set(&format!("/{}.yaml", thing.name), page.clone());
        }
    }
}

impl Bench for Url {
    fn run(&self, start: Start, emitter: Emitter, stopping: watch::Receiver<bool>) -> Run {
        let config = json!({"allow": [self.web.host()], "poll_seconds": 1});
        let config: urls::Config = serde_json::from_value(config).unwrap();
        let start = Start { targets: self.targets.subscribe(), ..start };
        Box::pin(urls::run(config, start, emitter, stopping))
    }

    fn hold(&mut self, things: &[Thing]) {
        self.held = things.to_vec();
        self.mend();
        let targets = things.iter().map(|thing| self.target(thing)).collect();
        self.targets.send_replace(Arc::new(targets));
    }

    fn fail(&mut self, fault: Fault) -> bool {
        match fault {
            Fault::Fails => self.each(&Page::Status(500)),
            Fault::Limits => self.each(&Page::Status(429)),
            Fault::Forgets => self.each(&Page::Status(401)),
            Fault::Part => self.each(&Page::Text("kind: Component\nmetadata: {name: thi".into())),
            Fault::Hangs => self.each(&Page::Endless),
        }
        true
    }

    fn mend(&mut self) {
        for thing in &self.held {
            let text = thing.component().to_string();
            self.web.put(&format!("/{}.yaml", thing.name), &text);
        }
    }

    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }
}

#[test]
fn urls_keep_the_laws() {
    crate::check(Url::new);
}
