//! A catalog for tests: it keeps what is emitted, as the real one would, and tells the targets of
//! its Location entities.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use connector::{Emission, EmitError, Outcome, SnapshotItem, SnapshotRequest, Target};
use event::vocabulary::ScopeName;
use model::document::{ANNOTATION_LOCATION, ANNOTATION_ORIGIN_LOCATION, Document};
use model::location::{GITHUB_HOSTS, LocationRef, resolve_target};
use model::reference::EntityRef;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

/// Only a test that fails waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

/// What the catalog shows, and what it was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// Scopes, with their documents by reference or pointer.
    pub(crate) scopes: BTreeMap<ScopeName, BTreeMap<String, Value>>,
    /// What could not be read.
    pub(crate) broken: BTreeMap<ScopeName, BTreeMap<String, String>>,
    /// The scopes that show an entity, the one that did so first first.
    claims: BTreeMap<String, Vec<ScopeName>>,
    /// Every emission, in a line.
    pub(crate) log: Vec<String>,
    /// How many snapshots were ended.
    pub(crate) snapshots: usize,
}

/// How the catalog answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mood(Arc<Mutex<Moods>>);

#[derive(Debug, Default)]
struct Moods {
    errors: VecDeque<EmitError>,
    holds: bool,
}

impl Mood {
    /// Answers the next emissions with these.
    pub(crate) fn fail(&self, errors: impl IntoIterator<Item = EmitError>) {
        self.0.lock().expect("a mood").errors.extend(errors);
    }

    /// Holds what retires scopes, or no longer.
    pub(crate) fn hold(&self, holds: bool) {
        self.0.lock().expect("a mood").holds = holds;
    }

    fn next(&self) -> (Option<EmitError>, bool) {
        let mut moods = self.0.lock().expect("a mood");
        (moods.errors.pop_front(), moods.holds)
    }
}

impl State {
    /// What is shown, in lines.
    pub(crate) fn in_words(&self) -> String {
        let mut text = String::new();
        for (scope, documents) in &self.scopes {
            writeln!(text, "{scope}").expect("a text");
            for (name, document) in documents {
                let view = Document::new(document);
                let spec = document.get("spec").map_or(String::new(), |spec| format!(" {spec}"));
                let location = view.annotation(ANNOTATION_LOCATION).unwrap_or_default();
                let origin = view.annotation(ANNOTATION_ORIGIN_LOCATION).unwrap_or_default();
                let from =
                    if location == origin { String::new() } else { format!(" from {origin}") };
                writeln!(text, "  {name}{spec} at {location}{from}").expect("a text");
            }
            for (item, fault) in self.broken.get(scope).into_iter().flatten() {
                writeln!(text, "  BROKEN {item}{fault}").expect("a text");
            }
        }
        text
    }

    /// Whether a scope shows a document.
    pub(crate) fn shows(&self, scope: &str, reference: &str) -> bool {
        let scope = ScopeName::new(scope).expect("a name");
        self.scopes.get(&scope).is_some_and(|documents| documents.contains_key(reference))
    }

    pub(crate) fn has(&self, scope: &str) -> bool {
        self.scopes.contains_key(&ScopeName::new(scope).expect("a name"))
    }

    /// Whether a scope has something broken of which this is said.
    pub(crate) fn is_broken(&self, scope: &str, words: &str) -> bool {
        let broken = self.broken.get(&ScopeName::new(scope).expect("a name"));
        broken.is_some_and(|broken| broken.values().any(|message| message.contains(words)))
    }

    pub(crate) fn was_told(&self, words: &str) -> bool {
        self.log.iter().any(|line| line.contains(words))
    }

    fn take(&mut self, scope: &ScopeName, items: Vec<SnapshotItem>) -> Outcome {
        let (mut documents, mut broken) = (BTreeMap::new(), BTreeMap::new());
        let mut outcome = Outcome::default();
        for item in items {
            outcome.seen += 1;
            match item {
                SnapshotItem::Found(found) => {
                    let reference = Document::new(&found.document).reference().ok();
                    let name = reference.map(|reference| reference.to_string());
                    let name = name.or(found.pointer).expect("a name");
                    documents.insert(name, found.document);
                }
                SnapshotItem::Broken(item) => {
                    let about = item.about.map_or(String::new(), |about| format!(" ({about})"));
                    let fault = format!("{about} {}: {}", item.fault.name, item.fault.message);
                    broken.insert(item.item, fault);
                }
                SnapshotItem::End => {}
            }
        }
        let before = self.scopes.remove(scope).unwrap_or_default();
        for (name, document) in before {
            if !broken.is_empty() {
                documents.entry(name).or_insert(document);
            } else if !documents.contains_key(&name) {
                self.unclaim(&name, scope);
            }
        }
        for name in documents.keys() {
            let claims = self.claims.entry(name.clone()).or_default();
            if !claims.contains(scope) {
                claims.push(scope.clone());
            }
        }
        self.scopes.insert(scope.clone(), documents);
        self.broken.insert(scope.clone(), broken);
        self.snapshots += 1;
        outcome
    }

    fn unclaim(&mut self, name: &str, scope: &ScopeName) {
        if let Some(claims) = self.claims.get_mut(name) {
            claims.retain(|claim| claim != scope);
        }
    }

    fn retire(&mut self, scope: &ScopeName) {
        let documents = self.scopes.remove(scope).unwrap_or_default();
        documents.keys().for_each(|name| self.unclaim(name, scope));
        self.broken.remove(scope);
    }

    /// What the Location entities want read.
    fn targets(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        for (name, claims) in &self.claims {
            let Some(scope) = claims.first() else { continue };
            let Some(document) = self.scopes.get(scope).and_then(|all| all.get(name)) else {
                continue;
            };
            let view = Document::new(document);
            let location = view.annotation(ANNOTATION_LOCATION).map(LocationRef::parse);
            let (Some("Location"), Some(Ok(base)), Some(spec)) =
                (view.kind(), location, view.spec())
            else {
                continue;
            };
            let optional = spec.get("presence").and_then(Value::as_str) == Some("optional");
            let all = spec.get("targets").and_then(Value::as_array).into_iter().flatten();
            for target in all.filter_map(Value::as_str) {
                let target = resolve_target(&base, "file", target, GITHUB_HOSTS);
                let entity = EntityRef::canonical(name).expect("a reference");
                let (scope, origin) = (scope.clone(), "".into());
                targets.push(Target { target, entity, scope, optional, origin, refresh: None });
            }
        }
        targets
    }
}

/// Takes what is emitted until nothing comes any more.
pub(crate) async fn serve(
    mut emissions: mpsc::Receiver<Emission>,
    state: watch::Sender<State>,
    targets: watch::Sender<Arc<Vec<Target>>>,
    mood: Mood,
) {
    while let Some(emission) = emissions.recv().await {
        match emission {
            Emission::Snapshot(request) => snapshot(request, &state, &mood).await,
            Emission::Retired { scopes, done, .. } => retired(&scopes, done, &state, &mood),
            Emission::Status(status) => state.send_modify(|state| {
                let why = status.why.map_or(String::new(), |why| format!(": {why}"));
                state.log.push(format!("status {:?}{why}", status.state));
            }),
            Emission::Looked => {}
            Emission::Said { said, .. } => panic!("files show scopes: {said:?}"),
            Emission::Cursor(cursor) => panic!("files need no cursor: {cursor}"),
            Emission::Budget(budget) => panic!("files have no budget: {budget:?}"),
        }
        let wanted = Arc::new(state.borrow().targets());
        targets.send_if_modified(|now| {
            let changes = *now != wanted;
            *now = wanted;
            changes
        });
    }
}

async fn snapshot(request: SnapshotRequest, state: &watch::Sender<State>, mood: &Mood) {
    let SnapshotRequest { scope, mut items, done, .. } = request;
    let mut all = Vec::new();
    loop {
        match items.recv().await {
            Some(SnapshotItem::End) => break,
            Some(item) => all.push(item),
            None => {
                state.send_modify(|state| state.log.push(format!("broken off {scope}")));
                return;
            }
        }
    }
    let answer = match mood.next().0 {
        Some(error) => {
            state.send_modify(|state| state.log.push(format!("refused {scope}")));
            Err(error)
        }
        None => {
            let mut outcome = Outcome::default();
            state.send_modify(|state| {
                state.log.push(format!("snapshot {scope}"));
                outcome = state.take(&scope, all);
            });
            Ok(outcome)
        }
    };
    // The connector may have been told to stop.
    let _ = done.send(answer);
}

fn retired(
    scopes: &[ScopeName],
    done: oneshot::Sender<Result<Outcome, EmitError>>,
    state: &watch::Sender<State>,
    mood: &Mood,
) {
    let names: Vec<&str> = scopes.iter().map(ScopeName::as_str).collect();
    let (error, holds) = mood.next();
    let mut outcome = Outcome { gone: scopes.len() as u64, ..Outcome::default() };
    state.send_modify(|state| match (&error, holds) {
        (Some(_), _) => state.log.push(format!("refused to retire {}", names.join(" "))),
        (None, true) => {
            state.log.push(format!("held {}", names.join(" ")));
            outcome.held = Some(scopes.len() as u64);
        }
        (None, false) => {
            state.log.push(format!("retired {}", names.join(" ")));
            scopes.iter().for_each(|scope| state.retire(scope));
        }
    });
    let _ = done.send(error.map_or(Ok(outcome), Err));
}
