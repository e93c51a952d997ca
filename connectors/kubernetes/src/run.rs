//! The connector at work: what the watches tell becomes aspects, activities, and how the source is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use connector::{EmitError, Emitter, Observation, Said, Start, Status};
use event::vocabulary::{ConnectorState, ScopeName};
use model::reference::EntityRef;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::calm::{Calm, PAUSE_MIN, Weight};
use crate::cluster::{Working, retire};
use crate::due::Due;
use crate::matching::Matching;
use crate::state::{Deployed, Effects, Reading, State};
use crate::watch::Told;
use crate::{Carriers, Config};

/// What the watches may tell ahead.
const TOLD_WAITING: usize = 256;

/// Aspects and activities that are said together.
const SAID_MAX: usize = 200;

/// How often it is asked whether what is held back may be retired.
const RETIRE_AGAIN: Duration = Duration::from_secs(60);

/// How long it is waited before it is said how the source is: its watches fail one after another.
const STATUS_WAITS: Duration = Duration::from_millis(300);

/// Watches the clusters until it is told to stop (`stopping` becomes true, or its sender is
/// dropped) or the catalog takes nothing any more.
pub async fn run(
    config: Config,
    carriers: Carriers,
    start: Start,
    emitter: Emitter,
    mut stopping: watch::Receiver<bool>,
) {
    let (sender, mut told) = mpsc::channel(TOLD_WAITING);
    let beginning = format!("{}/", config.source());
    let (told_apart, scopes) = start.scopes.into_iter().partition(|scope| {
        let name = scope.as_str().strip_prefix(&beginning);
        name.is_some_and(|name| !name.contains('/'))
    });
    let (mut observed, left) = by_cluster(&config, start.observed);
    let _working = work(&config, scopes, (&told_apart, left), &emitter, &sender);
    drop(sender);
    let clusters = config.clusters.iter().map(|cluster| {
        let earlier = observed.remove(&cluster.name).unwrap_or_default();
        Known::new(State::new(cluster.name.clone()), earlier)
    });
    let mut runner = Runner {
        source: config.source(),
        told_apart,
        clusters: clusters.collect(),
        carriers,
        matching: Matching::default(),
        due: Due::default(),
        deployed: VecDeque::new(),
        again: None,
        status_due: None,
        status: None,
        emitter,
    };
    runner.carried();
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
                    runner.carried();
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

/// What the name of an aspect begins with; the cluster's follows.
const ASPECT: &str = "kubernetes/";

/// Entities with the names of aspects.
type Observed = Vec<(EntityRef, Box<str>)>;

/// What earlier lives observed: of which entities in each cluster that is read, and what of others.
fn by_cluster(config: &Config, observed: Observed) -> (BTreeMap<String, Vec<EntityRef>>, Observed) {
    let (mut read, mut left) = (BTreeMap::<String, Vec<EntityRef>>::new(), Vec::new());
    for (entity, aspect) in observed {
        let mut clusters = config.clusters.iter().map(|cluster| cluster.name.as_str());
        let own = aspect.strip_prefix(ASPECT).filter(|name| clusters.any(|of| of == *name));
        match own {
            Some(name) => read.entry(name.to_owned()).or_default().push(entity),
            None => left.push((entity, aspect)),
        }
    }
    (read, left)
}

/// Ends what was observed in clusters that are not read any more.
async fn end(emitter: &Emitter, left: &[(EntityRef, Box<str>)]) -> Result<(), EmitError> {
    for some in left.chunks(SAID_MAX) {
        let ended = some.iter().map(|(entity, aspect)| {
            Said::Observed(Observation {
                entity: entity.clone(),
                aspect: aspect.to_string(),
                value: None,
                pointer: None,
                time: None,
            })
        });
        emitter.say(ended.collect()).await?;
    }
    Ok(())
}

/// Starts a task for each cluster, which end with what is returned. What was said of clusters that
/// are not read any more, as scopes and aspects, ends.
fn work(
    config: &Config,
    mut scopes: BTreeSet<ScopeName>,
    (told_apart, observed): (&BTreeSet<ScopeName>, Observed),
    emitter: &Emitter,
    told: &mpsc::Sender<Told>,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for (at, of) in config.clusters.iter().cloned().enumerate() {
        let source = config.source();
        let prefix = format!("{source}/{}/", of.name);
        let own = scopes.extract_if(.., |scope| scope.as_str().starts_with(&prefix)).collect();
        let (emitter, told) = (emitter.clone(), told.clone());
        tasks.spawn(Working { of, at, source, scopes: own, emitter, told }.run());
    }
    // What is left is of clusters that are not read any more, which can't be failing.
    let is_read = |scope: &ScopeName| {
        let name = scope.as_str().rsplit('/').next();
        config.clusters.iter().any(|cluster| Some(cluster.name.as_str()) == name)
    };
    let left: Vec<ScopeName> = told_apart.iter().filter(|scope| !is_read(scope)).cloned().collect();
    let emitter = emitter.clone();
    tasks.spawn(async move {
        let why = "its cluster is not read any more";
        for scope in left {
            let (state, why) = (ConnectorState::Working, Some(why.to_owned()));
            if emitter.status(Status { state, scope: Some(scope), why }).await.is_err() {
                return;
            }
        }
        while let Err(error) = end(&emitter, &observed).await {
            if matches!(error, EmitError::Stopped | EmitError::Fenced { .. }) {
                return;
            }
            tokio::time::sleep(RETIRE_AGAIN).await;
        }
        while retire(&emitter, &mut scopes, why).await.is_ok() && !scopes.is_empty() {
            tokio::time::sleep(RETIRE_AGAIN).await;
        }
    });
    tasks
}

/// A cluster, and what was said of it.
struct Known {
    state: State,
    said: BTreeMap<EntityRef, Spoken>,
    /// Of whom earlier lives said something, until it is known what there is now.
    earlier: Vec<EntityRef>,
    began: bool,
    /// How it was said to be.
    status: Option<(ConnectorState, Option<String>)>,
}

impl Known {
    const fn new(state: State, earlier: Vec<EntityRef>) -> Self {
        Self { state, said: BTreeMap::new(), earlier, began: false, status: None }
    }
}

/// What was said of an entity in a cluster.
#[derive(Default)]
struct Spoken {
    /// The hash of the value; absent where there is none.
    value: Option<[u8; 32]>,
    calm: Calm,
}

/// Nothing is said any more.
struct Stopped;

struct Runner {
    source: String,
    /// The clusters of which the catalog was told by themselves, as scopes.
    told_apart: BTreeSet<ScopeName>,
    clusters: Vec<Known>,
    carriers: Carriers,
    matching: Matching,
    due: Due,
    deployed: VecDeque<Deployed>,
    /// When it is tried again, after the catalog did not take something.
    again: Option<Instant>,
    status_due: Option<Instant>,
    status: Option<Status>,
    emitter: Emitter,
}

impl Runner {
    /// When there is something to say.
    fn next(&self) -> Option<Instant> {
        let activity = (!self.deployed.is_empty()).then(Instant::now);
        let said = self.due.first().into_iter().chain(activity).min();
        let said = said.map(|at| self.again.map_or(at, |again| again.max(at)));
        said.into_iter().chain(self.status_due).min()
    }

    fn told(&mut self, told: Told) {
        let at = told.cluster;
        let known = &mut self.clusters[at];
        let effects = known.state.take(told, &self.matching);
        self.status_due.get_or_insert(Instant::now() + STATUS_WAITS);
        if known.began {
            self.follow(at, effects);
        } else if known.state.reading().is_whole() {
            known.began = true;
            let deployed = known.state.tell_all(&self.matching);
            // What earlier lives said of whoever has nothing here any more ends, whether it still
            // says something of its objects or not.
            let earlier = std::mem::take(&mut known.earlier);
            let all = self.matching.entities().cloned().chain(earlier);
            let touched = all.map(|entity| (entity, Weight::Steady)).collect();
            self.follow(at, Effects { touched, deployed });
        }
    }

    /// Entities say something else of their objects now.
    fn carried(&mut self) {
        let carriers = self.carriers.borrow_and_update().clone();
        let before = std::mem::replace(&mut self.matching, Matching::new(carriers.iter()));
        let changed = self.matching.differing(&before);
        for at in 0..self.clusters.len() {
            let effects = self.clusters[at].state.rematch(&changed, &self.matching);
            self.follow(at, effects);
        }
    }

    /// What follows; of a cluster that is not known whole nothing does.
    fn follow(&mut self, at: usize, effects: Effects) {
        if !self.clusters[at].began {
            return;
        }
        self.deployed.extend(effects.deployed);
        for (entity, weight) in effects.touched {
            self.touch(at, entity, weight);
        }
    }

    /// Something of an entity may be otherwise.
    fn touch(&mut self, at: usize, entity: EntityRef, weight: Weight) {
        let known = &self.clusters[at];
        let now = Instant::now();
        let due = known.said.get(&entity).map_or(now, |said| said.calm.due(now, weight));
        self.due.put((at, entity), due, weight);
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
        let due = self.due.by(now, SAID_MAX);
        let (mut said, mut changed) = (Vec::new(), Vec::new());
        for ((at, entity), weight) in &due {
            let known = &self.clusters[*at];
            let value = known.state.aspect(entity);
            let hash = value.as_ref().map(hash);
            let before = known.said.get(entity).map(|spoken| spoken.value);
            if before != Some(hash) {
                said.push(Said::Observed(Observation {
                    entity: entity.clone(),
                    aspect: format!("{ASPECT}{}", known.state.name()),
                    value,
                    pointer: known.state.pointer(entity),
                    time: None,
                }));
                changed.push((*at, entity.clone(), hash, *weight));
            }
        }
        if !said.is_empty() {
            for refused in self.emitter.say(said).await?.refusals {
                let (what, why) = (refused.what, refused.message);
                tracing::warn!(what, why, "what a cluster shows of an entity is refused");
            }
        }
        for (at, entity, hash, weight) in changed {
            let said = &mut self.clusters[at].said;
            // That there is nothing is no change from which on a first value would have to wait,
            // and most entities have nothing in most clusters.
            if hash.is_some() || said.contains_key(&entity) {
                let spoken = said.entry(entity).or_default();
                spoken.calm.said(now, weight);
                spoken.value = hash;
            }
        }
        for (key, _) in due {
            self.due.remove(&key);
        }
        Ok(())
    }

    /// Says activities: those that can only be new together, those that may be a return to earlier
    /// images each by itself.
    async fn say_activities(&mut self) -> Result<(), EmitError> {
        let (mut plain, mut rest) = (Vec::new(), VecDeque::new());
        let mut waiting = std::mem::take(&mut self.deployed);
        while let Some(deployed) = waiting.pop_front() {
            let is_plain = deployed.again.is_none() && plain.len() < SAID_MAX;
            if is_plain {
                plain.push(deployed);
            } else {
                rest.push_back(deployed);
            }
        }
        self.deployed = rest;
        if !plain.is_empty() {
            let said = plain.iter().map(|of| Said::Happened(of.activity.clone())).collect();
            if let Err(error) = self.emitter.say(said).await {
                self.deployed.extend(plain);
                return Err(error);
            }
        }
        while let Some(next) = self.deployed.iter().position(|of| of.again.is_some()) {
            let Deployed { activity, again } = &self.deployed[next];
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

    /// Says how the source and each cluster is, unless that was said last.
    async fn say_status(&mut self) -> Result<(), EmitError> {
        for at in 0..self.clusters.len() {
            self.say_cluster(at).await?;
        }
        let states = || self.clusters.iter().map(|known| &known.state);
        let readings = || states().map(State::reading);
        if !readings().all(Reading::is_heard) {
            return Ok(());
        }
        let faults: Vec<String> = states().filter_map(State::fault).collect();
        let state = match faults.is_empty() {
            true => ConnectorState::Working,
            false if readings().all(Reading::is_whole) => ConnectorState::Stale,
            false => ConnectorState::Failing,
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

    /// Says how a cluster is, where there are several or were: of one alone the source's word is
    /// enough.
    async fn say_cluster(&mut self, at: usize) -> Result<(), EmitError> {
        let is_one_of_several = self.clusters.len() > 1;
        let Known { state, status, .. } = &mut self.clusters[at];
        let name = format!("{}/{}", self.source, state.name());
        let Ok(scope) = ScopeName::new(&name) else { return Ok(()) };
        if !state.reading().is_heard() || !(is_one_of_several || self.told_apart.contains(&scope)) {
            return Ok(());
        }
        let why = state.fault().map(|fault| connector::shown(&fault));
        let now = match &why {
            None => ConnectorState::Working,
            Some(_) if state.reading().is_whole() => ConnectorState::Stale,
            Some(_) => ConnectorState::Failing,
        };
        let said = Some((now, why.clone()));
        if *status != said {
            self.emitter.status(Status { state: now, scope: Some(scope), why }).await?;
            *status = said;
        }
        Ok(())
    }
}

fn hash(value: &Map<String, Value>) -> [u8; 32] {
    Sha256::digest(serde_json::to_vec(value).unwrap_or_default()).into()
}
