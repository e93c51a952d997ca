//! What the connector remembers from one look to the next.
//!
//! Invariant: a file is not read again unless it, a file that it names, or the reason for which it
//! is wanted changed; or that can't be told.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use connector::Broken;
use event::vocabulary::ScopeName;
use model::reference::EntityRef;
use tokio::time::Instant;

use crate::open::Stamp;
use crate::plan::{Plan, Wanted};
use crate::resolve::Dependencies;
use crate::watch::Points;

/// After this time a file is read again though it seems to be the same: so the catalog can say of
/// each scope when it was last looked at, and what stamps miss is found.
const READ_AGAIN: Duration = Duration::from_hours(6);

/// How long Location entities of a scope that was retired are heeded. By then the catalog has
/// told that they are gone, or are shown by another scope.
const GRACE: Duration = Duration::from_mins(1);

/// How often a file that changes while it is read is tried again.
const TRIES_MAX: u32 = 4;

/// What was read for a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// A file, with the words about where it comes from.
    File(Option<Stamp>, Arc<str>, Option<EntityRef>),
    /// What is wrong, in words.
    Faults(String),
}

/// A scope that is to be emitted.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) scope: ScopeName,
    pub(crate) work: Work,
    pub(crate) key: Key,
    /// Whether the catalog shows something of it.
    pub(crate) is_known: bool,
    /// Whether it was tried often enough.
    pub(crate) is_last_try: bool,
}

#[derive(Debug)]
pub(crate) enum Work {
    /// A file is read.
    Read(Box<Wanted>),
    /// It is said what can't be read.
    Say(Vec<Broken>),
}

/// What came of a job.
#[derive(Debug)]
pub(crate) enum Emitted {
    /// The catalog shows it.
    Shown {
        /// Whether it has to be looked at again before long.
        again: bool,
        dependencies: Dependencies,
    },
    /// It is no catalog file.
    Foreign { again: bool },
    /// It could not be read as a whole just now.
    Fleeting,
}

struct Settled {
    key: Key,
    at: Instant,
    /// Whether it has to be looked at again.
    again: bool,
    is_foreign: bool,
    dependencies: Dependencies,
}

/// What is remembered.
#[derive(Default)]
pub(crate) struct Memory {
    /// The scopes that the catalog shows, as far as it took them from here.
    pub(crate) known: BTreeSet<ScopeName>,
    pub(crate) origins: HashMap<ScopeName, Arc<str>>,
    settled: HashMap<ScopeName, Settled>,
    tries: HashMap<ScopeName, u32>,
    retired: HashMap<ScopeName, Instant>,
}

impl Memory {
    pub(crate) fn new(known: impl IntoIterator<Item = ScopeName>) -> Self {
        Self { known: known.into_iter().collect(), ..Self::default() }
    }

    /// The scopes that were retired a moment ago.
    pub(crate) fn graced(&mut self) -> BTreeSet<ScopeName> {
        self.retired.retain(|_, at| at.elapsed() < GRACE);
        self.retired.keys().cloned().collect()
    }

    /// Adds the files that placeholders name.
    pub(crate) fn watch(&self, points: &mut Points) {
        let all = self.settled.values().flat_map(|settled| settled.dependencies.keys());
        all.for_each(|path| points.file(path));
    }

    /// What of a plan has to be read.
    pub(crate) fn due(&self, plan: &Plan) -> Vec<Job> {
        let files = plan.files.iter().filter_map(|wanted| {
            let work = match &wanted.real {
                Ok(_) => Work::Read(Box::new(wanted.clone())),
                Err(fault) => Work::Say(vec![Broken {
                    item: wanted.name.to_string(),
                    about: wanted.about.clone(),
                    required: false,
                    fault: fault.clone(),
                    pointer: Some(wanted.name.to_string()),
                }]),
            };
            let key = match (&wanted.real, &work) {
                (Err(_), Work::Say(faults)) => Key::Faults(in_words(faults)),
                (real, _) => {
                    let stamp = real.as_ref().ok().and_then(|real| Stamp::at(real));
                    Key::File(stamp, Arc::clone(&wanted.origin), wanted.about.clone())
                }
            };
            self.job(&wanted.scope, key, wanted.is_lenient, || work)
        });
        let faults = plan.faults.iter().filter_map(|(scope, faults)| {
            self.job(scope, Key::Faults(in_words(faults)), false, || Work::Say(faults.clone()))
        });
        files.chain(faults).collect()
    }

    fn job(
        &self,
        scope: &ScopeName,
        key: Key,
        is_lenient: bool,
        work: impl FnOnce() -> Work,
    ) -> Option<Job> {
        let is_settled = self.settled.get(scope).is_some_and(|settled| {
            settled.key == key
                && !settled.again
                && (is_lenient || !settled.is_foreign)
                && settled.at.elapsed() < READ_AGAIN
                && settled.dependencies.iter().all(|(path, stamp)| Stamp::at(path) == *stamp)
        });
        if is_settled {
            return None;
        }
        Some(Job {
            scope: scope.clone(),
            work: work(),
            key,
            is_known: self.known.contains(scope),
            is_last_try: self.tries.get(scope).is_some_and(|tries| *tries >= TRIES_MAX),
        })
    }

    /// Notes what came of a job. Returns whether it has to be done again before long.
    pub(crate) fn note(&mut self, scope: ScopeName, key: Key, emitted: Emitted) -> bool {
        let (again, is_foreign, dependencies) = match emitted {
            Emitted::Shown { again, dependencies } => (again, false, dependencies),
            Emitted::Foreign { again } => (again, true, Dependencies::new()),
            Emitted::Fleeting => {
                *self.tries.entry(scope).or_default() += 1;
                return true;
            }
        };
        self.tries.remove(&scope);
        if !is_foreign {
            self.may_be_shown(scope.clone());
            if let Key::File(_, origin, _) = &key {
                self.origins.insert(scope.clone(), Arc::clone(origin));
            }
        }
        let at = Instant::now();
        self.settled.insert(scope, Settled { key, at, again, is_foreign, dependencies });
        false
    }

    /// Notes that the catalog may show a scope.
    pub(crate) fn may_be_shown(&mut self, scope: ScopeName) {
        self.retired.remove(&scope);
        self.known.insert(scope);
    }

    /// How many files of a plan are no catalog files.
    pub(crate) fn foreign(&self, plan: &Plan) -> usize {
        plan.files.iter().filter(|wanted| self.is_foreign(&wanted.scope)).count()
    }

    fn is_foreign(&self, scope: &ScopeName) -> bool {
        self.settled.get(scope).is_some_and(|settled| settled.is_foreign)
    }

    /// The scopes that are not wanted any more. Those that others of them want wait until these
    /// are gone, unless they only want each other.
    pub(crate) fn unwanted(&self, plan: &Plan) -> Vec<ScopeName> {
        let is_wanted = |scope: &ScopeName| {
            plan.file(scope).is_some_and(|_| !self.is_foreign(scope))
                || plan.faults.contains_key(scope)
                || plan.keeps(scope)
        };
        let unwanted: Vec<&ScopeName> =
            self.known.iter().filter(|scope| !is_wanted(scope)).collect();
        let is_spared = |scope: &&ScopeName| plan.spared.contains(*scope);
        let only_each_other = unwanted.iter().all(is_spared);
        let chosen = unwanted.into_iter().filter(|scope| only_each_other || !is_spared(scope));
        chosen.cloned().collect()
    }

    /// Notes that scopes are retired.
    pub(crate) fn retired(&mut self, scopes: Vec<ScopeName>) {
        let now = Instant::now();
        for scope in scopes {
            self.known.remove(&scope);
            if !self.is_foreign(&scope) {
                self.settled.remove(&scope);
            }
            self.origins.remove(&scope);
            self.retired.insert(scope, now);
        }
    }

    /// Forgets files that are not in a plan any more.
    pub(crate) fn forget(&mut self, plan: &Plan) {
        let known = &self.known;
        let stays = |scope: &ScopeName| known.contains(scope) || plan.file(scope).is_some();
        self.settled.retain(|scope, _| stays(scope));
        self.tries.retain(|scope, _| stays(scope));
    }
}

fn in_words(faults: &[Broken]) -> String {
    let all = faults.iter().map(|Broken { item, about, fault, .. }| {
        let about = about.as_ref().map_or("", EntityRef::as_str);
        format!("{item}\n{about}\n{}\n{}\n", fault.name, fault.message)
    });
    all.collect()
}
