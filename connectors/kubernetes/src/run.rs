//! The connector at work: what the watches tell becomes aspects, activities, and how the source is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use connector::{EmitError, Emitter, Observation, Said, Status};
use event::vocabulary::ConnectorState;
use model::reference::EntityRef;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::calm::{Calm, PAUSE_MIN};
use crate::object::Kind;
use crate::state::{Deployed, State};
use crate::watch::Told;
use crate::{Carriers, Config};

/// What the watches may tell ahead.
const TOLD_WAITING: usize = 256;

/// Aspects and activities that are said together.
const SAID_MAX: usize = 200;

/// How long it is waited before it is said how the source is: its watches fail one after another.
const STATUS_WAITS: Duration = Duration::from_millis(300);

/// Watches the clusters until it is told to stop (`stopping` becomes true, or its sender is
/// dropped) or the catalog takes nothing any more.
pub async fn run(
    config: Config,
    carriers: Carriers,
    emitter: Emitter,
    mut stopping: watch::Receiver<bool>,
) {
    let (sender, mut told) = mpsc::channel(TOLD_WAITING);
    let mut watches = JoinSet::new();
    for (at, cluster) in config.clusters.iter().enumerate() {
        for kind in Kind::ALL {
            watches.spawn(crate::watch::watch(cluster.clone(), at, kind, sender.clone()));
        }
    }
    let clusters = config.clusters.iter().map(|cluster| State::new(cluster.name.clone()));
    let mut runner = Runner {
        clusters: clusters.map(Known::new).collect(),
        carriers,
        by_id: BTreeMap::new(),
        due: BTreeMap::new(),
        deployed: VecDeque::new(),
        again: None,
        status_due: None,
        status: None,
        emitter,
    };
    runner.carried(true);
    loop {
        let next = runner.next();
        let is_due = tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => return,
            // All that is told already is taken in before something is said of it.
            one = told.recv() => match one {
                Some(one) => {
                    runner.told(one);
                    false
                }
                None => return,
            },
            changed = runner.carriers.changed() => match changed {
                Ok(()) => {
                    runner.carried(false);
                    false
                }
                Err(_) => return,
            },
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => true,
        };
        if !is_due {
            continue;
        }
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => return,
            said = runner.say() => if said.is_err() { return },
        }
    }
}

/// A cluster, and what was said of it.
struct Known {
    state: State,
    said: BTreeMap<EntityRef, Spoken>,
    began: bool,
}

impl Known {
    const fn new(state: State) -> Self {
        Self { state, said: BTreeMap::new(), began: false }
    }
}

/// What was said of an entity in a cluster.
#[derive(Default)]
struct Spoken {
    value: Option<Map<String, Value>>,
    without_health: Option<Map<String, Value>>,
    calm: Calm,
}

/// Nothing is said any more.
struct Stopped;

struct Runner {
    clusters: Vec<Known>,
    carriers: Carriers,
    /// The carriers, by the annotation's value.
    by_id: BTreeMap<String, BTreeSet<EntityRef>>,
    /// What is to be said, and when.
    due: BTreeMap<(usize, EntityRef), Instant>,
    deployed: VecDeque<(usize, Deployed)>,
    /// When it is tried again, after the catalog did not take something.
    again: Option<Instant>,
    status_due: Option<Instant>,
    status: Option<Status>,
    emitter: Emitter,
}

impl Runner {
    /// When there is something to say.
    fn next(&self) -> Option<Instant> {
        let now = Instant::now();
        let aspect = self.due.values().min().copied();
        let is_ready = |(at, _): &(usize, _)| self.clusters[*at].state.is_whole();
        let activity = self.deployed.iter().any(is_ready).then_some(now);
        let said = aspect.into_iter().chain(activity).min();
        let said = said.map(|at| self.again.map_or(at, |again| again.max(at)));
        said.into_iter().chain(self.status_due).min()
    }

    fn told(&mut self, told: Told) {
        let Told { cluster: at, kind, what } = told;
        let known = &mut self.clusters[at];
        let effects = known.state.take(kind, what);
        self.deployed.extend(effects.deployed.into_iter().map(|of| (at, of)));
        self.status_due.get_or_insert(Instant::now() + STATUS_WAITS);
        if !known.state.is_whole() {
            return;
        }
        if !std::mem::replace(&mut known.began, true) {
            // What earlier lives said of whoever has nothing here any more ends.
            let all: Vec<EntityRef> = self.carriers.borrow().keys().cloned().collect();
            all.into_iter().for_each(|entity| self.touch(at, entity));
            return;
        }
        for id in effects.ids {
            let entities = self.by_id.get(&id).cloned().unwrap_or_default();
            entities.into_iter().for_each(|entity| self.touch(at, entity));
        }
    }

    /// Entities carry other annotations now.
    fn carried(&mut self, first: bool) {
        let carriers = self.carriers.borrow_and_update().clone();
        let before = std::mem::take(&mut self.by_id);
        for (entity, id) in carriers.iter() {
            self.by_id.entry(id.clone()).or_default().insert(entity.clone());
        }
        if first {
            return;
        }
        let pairs = |of: &BTreeMap<String, BTreeSet<EntityRef>>| {
            let each = of.iter().flat_map(|(id, entities)| {
                entities.iter().map(move |entity| (entity.clone(), id.clone()))
            });
            each.collect::<BTreeSet<_>>()
        };
        let (before, now) = (pairs(&before), pairs(&self.by_id));
        let changed: BTreeSet<EntityRef> =
            before.symmetric_difference(&now).map(|(entity, _)| entity.clone()).collect();
        for entity in changed {
            for at in 0..self.clusters.len() {
                if self.clusters[at].began {
                    self.touch(at, entity.clone());
                }
            }
        }
    }

    /// Something of an entity may be otherwise.
    fn touch(&mut self, at: usize, entity: EntityRef) {
        let known = &self.clusters[at];
        let id = self.carriers.borrow().get(&entity).cloned();
        let without_health = id.and_then(|id| known.state.aspect_without_health(&id));
        let spoken = known.said.get(&entity);
        let health_only = spoken.is_some_and(|said| said.without_health == without_health);
        let now = Instant::now();
        let due = spoken.map_or(now, |spoken| spoken.calm.due(now, health_only));
        let stands = self.due.entry((at, entity)).or_insert(due);
        *stands = due.min(*stands);
    }

    /// Says what is due.
    async fn say(&mut self) -> Result<(), Stopped> {
        let now = Instant::now();
        if self.again.is_none_or(|again| again <= now) {
            self.again = None;
            let said = match self.say_aspects(now).await {
                Ok(()) => self.say_activities().await,
                Err(error) => Err(error),
            };
            match said {
                Ok(()) => {}
                Err(EmitError::Stopped | EmitError::Fenced { .. }) => return Err(Stopped),
                Err(error) => {
                    let error = error.to_string();
                    tracing::warn!(error, "the catalog did not take what a cluster shows");
                    self.again = Some(now + PAUSE_MIN);
                }
            }
        }
        if self.status_due.is_some_and(|due| due <= now) {
            self.status_due = None;
            self.say_status().await.map_err(|_| Stopped)?;
        }
        Ok(())
    }

    async fn say_aspects(&mut self, now: Instant) -> Result<(), EmitError> {
        let due = self.due.iter().filter(|(_, at)| **at <= now);
        let due: Vec<_> = due.take(SAID_MAX).map(|(key, _)| key.clone()).collect();
        let mut changed = Vec::new();
        for (at, entity) in &due {
            let known = &self.clusters[*at];
            let id = self.carriers.borrow().get(entity).cloned();
            let id = id.as_deref().unwrap_or_default();
            let value = known.state.aspect(id);
            if known.said.get(entity).map(|spoken| &spoken.value) != Some(&value) {
                let aspect = format!("kubernetes/{}", known.state.name());
                let pointer = known.state.pointer(id);
                let entity = entity.clone();
                changed.push((*at, Observation { entity, aspect, value, pointer, time: None }));
            }
        }
        if !changed.is_empty() {
            let said = changed.iter().map(|(_, of)| Said::Observed(of.clone())).collect();
            for refused in self.emitter.say(said).await?.refusals {
                let (what, why) = (refused.what, refused.message);
                tracing::warn!(what, why, "what a cluster shows of an entity is refused");
            }
        }
        for (at, Observation { entity, value, .. }) in changed {
            self.said(at, &entity, value, now);
        }
        for key in due {
            self.due.remove(&key);
        }
        Ok(())
    }

    /// Remembers what was said.
    fn said(
        &mut self,
        at: usize,
        entity: &EntityRef,
        value: Option<Map<String, Value>>,
        now: Instant,
    ) {
        let id = self.carriers.borrow().get(entity).cloned();
        let known = &mut self.clusters[at];
        let without_health = id.and_then(|id| known.state.aspect_without_health(&id));
        let spoken = known.said.entry(entity.clone()).or_default();
        let health_only = spoken.without_health == without_health;
        // That there is nothing is no change from which on a first value would have to wait.
        if value.is_some() || spoken.value.is_some() {
            spoken.calm.said(now, health_only);
        }
        spoken.value = value;
        spoken.without_health = without_health;
    }

    /// Says activities of the clusters that were listed whole: those that can only be new
    /// together, those that may be a return to earlier images each by itself.
    async fn say_activities(&mut self) -> Result<(), EmitError> {
        let (mut plain, mut rest) = (Vec::new(), VecDeque::new());
        let mut waiting = std::mem::take(&mut self.deployed);
        while let Some((at, deployed)) = waiting.pop_front() {
            let is_plain = deployed.again.is_none() && plain.len() < SAID_MAX;
            if self.clusters[at].state.is_whole() && is_plain {
                plain.push((at, deployed));
            } else {
                rest.push_back((at, deployed));
            }
        }
        self.deployed = rest;
        if !plain.is_empty() {
            let said = plain.iter().map(|(_, of)| Said::Happened(of.activity.clone())).collect();
            if let Err(error) = self.emitter.say(said).await {
                self.deployed.extend(plain);
                return Err(error);
            }
        }
        let is_ready = |(at, of): &(usize, Deployed)| {
            self.clusters[*at].state.is_whole() && of.again.is_some()
        };
        while let Some(next) = self.deployed.iter().position(is_ready) {
            let (_, Deployed { activity, again }) = &self.deployed[next];
            let outcome = self.emitter.say(vec![Said::Happened(activity.clone())]).await?;
            if outcome.changed == 0
                && let Some(again) = again
            {
                self.emitter.say(vec![Said::Happened(again.clone())]).await?;
            }
            self.deployed.remove(next);
        }
        Ok(())
    }

    /// Says how the source is, unless that was said last.
    async fn say_status(&mut self) -> Result<(), EmitError> {
        let states = || self.clusters.iter().map(|known| &known.state);
        if !states().all(State::is_heard) {
            return Ok(());
        }
        let faults: Vec<String> = states().filter_map(State::fault).collect();
        let state = if faults.is_empty() {
            ConnectorState::Working
        } else if states().all(State::is_whole) {
            ConnectorState::Stale
        } else {
            ConnectorState::Failing
        };
        let why = (!faults.is_empty()).then(|| connector::shown(&faults.join("; ")));
        let same = |last: &Status| last.state == state && last.why == why;
        if !self.status.as_ref().is_some_and(same) {
            let status = Status { state, scope: None, why };
            self.emitter.status(status.clone()).await?;
            self.status = Some(status);
        }
        if state == ConnectorState::Working {
            self.emitter.looked().await?;
        }
        Ok(())
    }
}
