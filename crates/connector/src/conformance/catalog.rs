//! The suite's catalog: it keeps what is emitted as the log would, by name and sum, and what is
//! wrong with it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use event::vocabulary::{ConnectorState, ScopeName};
use model::reference::EntityRef;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use crate::{Emission, Outcome, Said, SnapshotItem, SnapshotRequest, Start};

/// What may wait for a snapshot that is open.
const WAITING_MAX: usize = 64;

/// How the catalog takes what is emitted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Pace {
    #[default]
    AsItComes,
    /// So long for each thing.
    Slow(Duration),
    /// Nothing is taken.
    Never,
}

/// What a connector told, and what followed.
#[derive(Debug, Default)]
pub(super) struct Known {
    scopes: BTreeMap<ScopeName, BTreeMap<String, u64>>,
    observed: BTreeMap<(String, String), u64>,
    happened: BTreeMap<String, u64>,
    cursor: Option<String>,
    /// Things that were taken, whatever became of them.
    pub(super) taken: u64,
    /// How often something was otherwise than it stood here.
    pub(super) changed: u64,
    /// How often something went.
    pub(super) withdrawn: u64,
    /// How often the source was looked at whole, and there was nothing wrong.
    pub(super) looked: u64,
    /// What was said to be wrong, in words.
    pub(super) troubles: Vec<String>,
    /// How often the catalog died.
    pub(super) deaths: u64,
    /// Whether something waits to be taken.
    pub(super) waiting: bool,
    /// Laws that were broken.
    pub(super) wrongs: Vec<String>,
    /// The most that was held in memory while things were taken.
    pub(super) most: u64,
}

/// A change of a scope that is made when it is whole.
#[derive(Default)]
struct Pending {
    found: BTreeMap<String, u64>,
    broken: bool,
}

/// How a catalog takes things in.
pub(super) struct Taking {
    pub(super) known: watch::Sender<Known>,
    pub(super) pace: Pace,
    /// After how many things it dies, if it does.
    pub(super) dies_after: Option<u64>,
    pub(super) secrets: Arc<Vec<String>>,
    /// How many bytes are held in memory now.
    pub(super) live: fn() -> u64,
}

impl Known {
    /// What is shown, with sums of how.
    pub(super) fn shown(&self) -> BTreeMap<String, u64> {
        let of_scopes = self.scopes.values().flatten().map(|(name, sum)| (name.clone(), *sum));
        let observed = self.observed.iter().map(|((entity, _), sum)| (entity.clone(), *sum));
        let happened = self.happened.iter().map(|(key, sum)| (key.clone(), *sum));
        of_scopes.chain(observed).chain(happened).collect()
    }

    /// With what a connector begins.
    pub(super) fn start(&self) -> Start {
        let (_, targets) = watch::channel(Arc::default());
        Start {
            cursor: self.cursor.clone(),
            scopes: self.scopes.keys().cloned().collect(),
            observed: self.observed.keys().filter_map(observed).collect(),
            targets,
        }
    }

    fn names(&mut self, what: &str, pointer: Option<&String>) {
        if pointer.is_none_or(String::is_empty) {
            self.wrongs.push(format!("{what} names nothing in the source"));
        }
    }

    fn snapshot(&mut self, scope: ScopeName, pending: Pending) -> Outcome {
        let Pending { mut found, broken } = pending;
        let before = self.scopes.remove(&scope).unwrap_or_default();
        let seen = found.len() as u64;
        let changed =
            found.iter().filter(|(name, sum)| before.get(*name) != Some(*sum)).count() as u64;
        let mut gone = 0;
        for (name, sum) in before {
            match found.entry(name) {
                Entry::Vacant(entry) if broken => {
                    entry.insert(sum);
                }
                Entry::Vacant(_) => gone += 1,
                Entry::Occupied(_) => {}
            }
        }
        self.changed += changed;
        self.withdrawn += gone;
        self.scopes.insert(scope, found);
        Outcome { seen, changed, gone, ..Outcome::default() }
    }

    fn retired(&mut self, scopes: &[ScopeName]) -> Outcome {
        let mut outcome = Outcome::default();
        for scope in scopes {
            outcome.gone += self.scopes.remove(scope).map_or(0, |shown| shown.len() as u64);
        }
        self.withdrawn += outcome.gone;
        outcome
    }

    fn said(&mut self, said: Said) -> u64 {
        let changes = match said {
            Said::Seen(scope, found) => {
                self.names("an entity", found.pointer.as_ref());
                let (name, sum) = (name(&found.document), sum(&found.document));
                self.scopes.entry(scope).or_default().insert(name, sum) != Some(sum)
            }
            Said::Gone(scope, entity) => {
                let shown = self.scopes.get_mut(&scope);
                let went = shown.and_then(|shown| shown.remove(entity.name())).is_some();
                self.withdrawn += u64::from(went);
                went
            }
            Said::Observed(of) => {
                let key = (of.entity.name().to_owned(), of.aspect);
                match of.value.map(Value::Object) {
                    Some(value) => {
                        self.names("an aspect", of.pointer.as_ref());
                        self.observed.insert(key, sum(&value)) != Some(sum(&value))
                    }
                    None => {
                        let went = self.observed.remove(&key).is_some();
                        self.withdrawn += u64::from(went);
                        went
                    }
                }
            }
            Said::Happened(of) => {
                self.names("an activity", of.pointer.as_ref());
                let sum = sum(&Value::Object(of.value));
                let before = self.happened.len();
                self.happened.entry(of.key).or_insert(sum);
                self.happened.len() > before
            }
        };
        u64::from(changes)
    }
}

/// An entity with the name of its aspect.
fn observed((entity, aspect): &(String, String)) -> Option<(EntityRef, Box<str>)> {
    let entity = EntityRef::canonical(&format!("component:default/{entity}")).ok()?;
    Some((entity, aspect.as_str().into()))
}

fn name(document: &Value) -> String {
    document["metadata"]["name"].as_str().unwrap_or("?").to_owned()
}

fn sum(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.to_string().hash(&mut hasher);
    hasher.finish()
}

impl Taking {
    /// Takes what is emitted until nothing comes any more, or it dies. What is said by itself does
    /// not wait for a snapshot that is open.
    pub(super) async fn run(mut self, mut emissions: mpsc::Receiver<Emission>) {
        let mut waiting = VecDeque::new();
        loop {
            let next = match waiting.pop_front() {
                Some(next) => next,
                None => match emissions.recv().await {
                    Some(next) => next,
                    None => return,
                },
            };
            let taken = match next {
                Emission::Snapshot(request) => {
                    self.snapshot(request, &mut emissions, &mut waiting).await
                }
                other => self.take(other).await,
            };
            if taken.is_none() {
                return;
            }
        }
    }

    /// Takes what is no snapshot.
    async fn take(&mut self, emission: Emission) -> Option<()> {
        match emission {
            // Each has its turn.
            Emission::Snapshot(_) => {}
            Emission::Retired { scopes, done, .. } => {
                self.one("a retirement").await?;
                let mut outcome = Outcome::default();
                self.known.send_modify(|known| outcome = known.retired(&scopes));
                let _ = done.send(Ok(outcome));
            }
            Emission::Said { said, done } => {
                let mut outcome = Outcome::default();
                for one in said {
                    self.one(&one).await?;
                    self.known.send_modify(|known| outcome.changed += known.said(one));
                }
                let _ = done.send(Ok(outcome));
            }
            Emission::Status(status) => {
                self.search(&status);
                if status.state != ConnectorState::Working {
                    let why = status.why.unwrap_or_default();
                    self.known.send_modify(|known| known.troubles.push(why));
                }
            }
            Emission::Cursor(cursor) => {
                self.search(&cursor);
                self.known.send_modify(|known| known.cursor = Some(cursor));
            }
            Emission::Looked => self.known.send_modify(|known| known.looked += 1),
            Emission::Budget(budget) => {
                if budget.waits_until.is_some() {
                    self.known.send_modify(|known| known.troubles.push("it waits".into()));
                }
            }
        }
        Some(())
    }

    async fn snapshot(
        &mut self,
        request: SnapshotRequest,
        emissions: &mut mpsc::Receiver<Emission>,
        waiting: &mut VecDeque<Emission>,
    ) -> Option<()> {
        let SnapshotRequest { scope, mut items, done, .. } = request;
        let (mut pending, mut twice) = (Pending::default(), BTreeSet::new());
        loop {
            let item = tokio::select! {
                item = items.recv() => item,
                Some(other) = emissions.recv(), if waiting.len() < WAITING_MAX => {
                    match other {
                        Emission::Snapshot(_) | Emission::Retired { .. } | Emission::Cursor(_) => {
                            waiting.push_back(other);
                        }
                        said => self.take(said).await?,
                    }
                    continue;
                }
            };
            match item {
                Some(SnapshotItem::Found(found)) => {
                    self.one(&found).await?;
                    let (name, sum) = (name(&found.document), sum(&found.document));
                    self.known.send_modify(|known| known.names(&name, found.pointer.as_ref()));
                    if pending.found.insert(name.clone(), sum).is_some() {
                        twice.insert(name);
                    }
                }
                Some(SnapshotItem::Broken(broken)) => {
                    self.one(&broken).await?;
                    pending.broken = true;
                    self.known.send_modify(|known| known.troubles.push(broken.fault.message));
                }
                Some(SnapshotItem::End) => break,
                // Broken off: nothing of it counts.
                None => return Some(()),
            }
        }
        let mut outcome = Outcome::default();
        self.known.send_modify(|known| {
            known.wrongs.extend(twice.iter().map(|name| format!("`{name}` is shown twice")));
            outcome = known.snapshot(scope, pending);
        });
        let _ = done.send(Ok(outcome));
        Some(())
    }

    /// Takes one thing, at the catalog's pace; none where it dies.
    async fn one(&mut self, thing: &(impl std::fmt::Debug + ?Sized)) -> Option<()> {
        let live = (self.live)();
        self.known.send_modify(|known| {
            known.waiting = true;
            known.most = known.most.max(live);
        });
        match self.pace {
            Pace::AsItComes => {}
            Pace::Slow(pause) => sleep(pause).await,
            Pace::Never => std::future::pending().await,
        }
        if let Some(left) = &mut self.dies_after {
            let Some(less) = left.checked_sub(1) else {
                self.known.send_modify(|known| known.deaths += 1);
                return None;
            };
            *left = less;
        }
        self.search(thing);
        self.known.send_modify(|known| {
            known.taken += 1;
            known.waiting = false;
        });
        Some(())
    }

    fn search(&self, thing: &(impl std::fmt::Debug + ?Sized)) {
        let text = format!("{thing:?}");
        if self.secrets.iter().any(|secret| text.contains(secret.as_str())) {
            self.known.send_modify(|known| known.wrongs.push(format!("a secret stands in {text}")));
        }
    }
}
