//! Reading repositories that wait for it, many at a time, and showing them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use asking::{Failure, now_s};
use connector::{EmitError, Outcome, Target};
use event::vocabulary::ScopeName;
use tokio::task::JoinSet;

use crate::map::reading::Reading;
use crate::memory::{Key, mark};
use crate::place::repository_scope;
use crate::read::{Job, Named, Read, TOGETHER_MAX, read};
use crate::retire::Retiring;
use crate::run::Runner;
use crate::show::{Unshown, goes_on, show};

/// A repository that waits to be read.
pub(crate) struct Waiting {
    /// Owner and name, in lower case.
    pub(crate) named: (String, String),
    pub(crate) by: Named,
    pub(crate) group: String,
}

/// Repositories that wait to be read, those of a group one after the other.
pub(crate) struct Queue {
    waiting: VecDeque<Waiting>,
    /// How many are read together: fewer, while they are large.
    together: usize,
}

impl Queue {
    pub(crate) fn new(waiting: impl IntoIterator<Item = Waiting>) -> Self {
        Self { waiting: waiting.into_iter().collect(), together: TOGETHER_MAX }
    }

    /// The group of the next ones.
    pub(crate) fn group(&self) -> Option<&str> {
        self.waiting.front().map(|next| next.group.as_str())
    }

    /// Forgets the next ones of a group.
    pub(crate) fn skip(&mut self, group: &str) {
        while self.group() == Some(group) {
            self.waiting.pop_front();
        }
    }

    /// Takes the next ones, of one group.
    fn next(&mut self) -> Vec<Waiting> {
        let mut batch: Vec<Waiting> = Vec::new();
        while batch.len() < self.together
            && let Some(next) = self.waiting.front()
            && batch.first().is_none_or(|first| first.group == next.group)
        {
            batch.extend(self.waiting.pop_front());
        }
        batch
    }

    /// Takes back those of a batch for which there was no room.
    fn later(&mut self, count: usize, later: Vec<Waiting>) {
        self.together = match later.len() {
            0 => TOGETHER_MAX.min(self.together * 2),
            later => count.saturating_sub(later).max(1),
        };
        later.into_iter().rev().for_each(|next| self.waiting.push_front(next));
    }
}

/// What came of emitting.
#[derive(Default)]
pub(crate) struct Shown {
    pub(crate) troubles: Vec<String>,
    /// What is not there, or not to be seen.
    pub(crate) missing: Vec<ScopeName>,
    /// What shows nothing any more.
    pub(crate) retiring: Vec<Retiring>,
}

/// A repository that is emitted.
struct Showing {
    scope: ScopeName,
    key: Key,
    mark: u64,
    named: (String, String),
}

impl Runner {
    /// Reads the next repositories of a queue and shows them.
    ///
    /// # Errors
    /// In the inner result, when nothing of the group can be read.
    pub(crate) async fn read_next(
        &mut self,
        queue: &mut Queue,
    ) -> Result<Result<Shown, Failure>, EmitError> {
        let batch = queue.next();
        let Some(first) = batch.first() else { return Ok(Ok(Shown::default())) };
        let forge = self.forge(&first.named.0);
        let jobs = batch.iter().map(|waiting| Job {
            named: waiting.by.clone(),
            targets: self.targets_of(&waiting.named),
        });
        let reads = match read(&self.config, &forge, jobs.collect()).await {
            Ok(reads) => reads,
            Err(failure) => return Ok(Err(failure)),
        };
        let count = batch.len();
        let (later, now): (Vec<_>, Vec<_>) =
            batch.into_iter().zip(reads).partition(|(_, read)| matches!(read, Read::Later));
        queue.later(count, later.into_iter().map(|(waiting, _)| waiting).collect());
        let now = now.into_iter().map(|(waiting, read)| (waiting.named, read));
        Ok(Ok(self.show_all(now.collect()).await?))
    }

    pub(crate) fn targets_of(&self, named: &(String, String)) -> Vec<Target> {
        self.wanted.get(named).cloned().unwrap_or_default()
    }

    /// Reads repositories by their names: those that deliveries and Location entities name. Gives
    /// the scopes of those that are not there, or not to be seen.
    pub(crate) async fn read_named(
        &mut self,
        names: Vec<(String, String)>,
    ) -> Result<Vec<ScopeName>, EmitError> {
        let (mut missing, mut retiring, mut troubles) = (Vec::new(), Vec::new(), Vec::new());
        let mut groups: BTreeMap<String, Vec<Waiting>> = BTreeMap::new();
        for (owner, name) in names {
            let group = self.group(&owner);
            let by = Named::Name { owner: owner.clone(), name: name.clone() };
            let waiting = Waiting { named: (owner, name), by, group: group.clone() };
            groups.entry(group).or_default().push(waiting);
        }
        let mut queue = Queue::new(groups.into_values().flatten());
        while let Some(group) = queue.group().map(str::to_owned) {
            match self.read_next(&mut queue).await? {
                Err(failure) => {
                    troubles.push(failure.to_string());
                    queue.skip(&group);
                }
                Ok(shown) => {
                    troubles.extend(shown.troubles);
                    missing.extend(shown.missing);
                    retiring.extend(shown.retiring);
                }
            }
        }
        let why = "there is no catalog file in it any more, or it is not read any more";
        self.retire_scopes(retiring, why, &mut troubles).await?;
        troubles.iter().for_each(|why| self.stumbles(why));
        Ok(missing)
    }

    /// What was to be read at once could not be: it is looked at with everything else.
    pub(crate) fn stumbles(&self, why: &str) {
        tracing::warn!(source = self.source, why, "a change could not be read");
    }

    /// Emits what was read. Says what went wrong.
    pub(crate) async fn show_all(
        &mut self,
        reads: Vec<((String, String), Read)>,
    ) -> Result<Shown, EmitError> {
        let mut shown = Shown::default();
        let (mut long, mut shows) = (Vec::new(), JoinSet::new());
        for (named, read) in reads {
            let Some(scope) = repository_scope(&self.source, &named.0, &named.1) else { continue };
            match read {
                Read::Ready(reading) if !reading.is_named(&named) => {
                    // It was renamed since it was listed: the next list has it.
                    tracing::debug!(%scope, "a repository has another name by now");
                }
                Read::Ready(reading) => {
                    let targets = self.targets_of(&named);
                    let wanted = (&*targets, self.refreshed.get(&scope).copied());
                    let (key, mark) = mark(&self.config, &reading.repository, wanted, now_s());
                    let showing = Showing { scope, key, mark, named };
                    if reading.is_last() {
                        let show = self.show(&showing, reading);
                        shows.spawn(async move { (showing, show.await) });
                    } else {
                        long.push((showing, reading));
                    }
                }
                Read::LeftOut { repository, why } => {
                    tracing::debug!(%scope, why, "a repository is left out");
                    let key = Key::of(&repository.id);
                    self.shown.remove(&scope);
                    if self.scopes.contains(&scope) {
                        shown.retiring.push(Retiring { scope, key: Some(key), mark: None });
                    }
                }
                // Whether it is gone, or only not seen, a whole list tells.
                Read::Missing => shown.missing.push(scope),
                Read::Failed(why) => shown.troubles.push(trouble(&named, &why)),
                Read::Later => {}
            }
        }
        while let Some(ended) = shows.join_next().await {
            match ended {
                // A panic of ours; it is read again with everything else.
                Err(error) => shown.troubles.push(format!("emitting broke off: {error}")),
                Ok((showing, outcome)) => self.is_shown(showing, outcome, &mut shown)?,
            }
        }
        // Each of these is read on while it is emitted.
        for (showing, reading) in long {
            let outcome = self.show(&showing, reading).await;
            self.is_shown(showing, outcome, &mut shown)?;
        }
        Ok(shown)
    }

    fn show(
        &mut self,
        showing: &Showing,
        reading: Box<Reading>,
    ) -> impl Future<Output = Result<Option<Outcome>, Unshown>> + use<> {
        let (forge, scope) = (self.forge(&showing.named.0), showing.scope.clone());
        show(Arc::clone(&self.config), forge, self.emitter.clone(), scope, reading)
    }

    /// Takes in what came of emitting a repository.
    fn is_shown(
        &mut self,
        showing: Showing,
        outcome: Result<Option<Outcome>, Unshown>,
        shown: &mut Shown,
    ) -> Result<(), EmitError> {
        let Showing { scope, key, mark, named } = showing;
        let is_done = match &outcome {
            Ok(None) => {
                self.shown.remove(&scope);
                if self.scopes.contains(&scope) {
                    let (key, mark) = (Some(key), Some(mark));
                    shown.retiring.push(Retiring { scope, key, mark });
                } else {
                    self.memory.done(key, mark);
                }
                return Ok(());
            }
            // What is held back has to be asked for again until it passes.
            Ok(Some(outcome)) => outcome.held.is_none(),
            Err(_) => false,
        };
        if is_done {
            self.memory.done(key, mark);
        } else {
            self.memory.forget(key);
        }
        match outcome {
            Err(Unshown::Missing) => shown.missing.push(scope.clone()),
            Err(Unshown::Failed(why)) => shown.troubles.push(trouble(&named, &why)),
            Err(Unshown::Emit(error)) => shown.troubles.push(goes_on(error)?),
            Ok(_) => {}
        }
        // Some of it may be known by now, however it ended.
        self.shown.insert(scope.clone());
        self.scopes.insert(scope);
        Ok(())
    }
}

fn trouble(named: &(String, String), why: &str) -> String {
    format!("{}/{}: {why}", named.0, named.1)
}
