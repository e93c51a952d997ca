//! Which targets are read when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use connector::{Approve, Target};
use event::Offset;
use event::vocabulary::ScopeName;
use tokio::time::Instant;

use crate::fetch::Validator;
use crate::run::SCOPES;

/// What the scope of a registered location's entity begins with: it goes when a person removes the
/// location.
const REGISTERED: &str = "locations/";

/// What stands between the beginning of a name that is too long and the hash of the whole.
const CUT: &str = "%~";

/// Characters of that hash.
const HASH_LEN: usize = 32;

/// A target that is to be read.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) target: Arc<str>,
    pub(crate) scope: ScopeName,
    /// Who wants it, at least one.
    pub(crate) wanters: Arc<[Target]>,
    /// How it was when it was read; none where it is to be read whatever the host says.
    pub(crate) validators: Vec<Validator>,
}

/// What came of a job.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) validators: Vec<Validator>,
    /// Whether it was emitted, whole.
    pub(crate) emitted: bool,
    /// When it is read again.
    pub(crate) next: Duration,
    /// Why it could not be read, where somebody minds that.
    pub(crate) unread: Option<String>,
}

#[derive(Debug)]
struct Entry {
    scope: ScopeName,
    wanters: Arc<[Target]>,
    refresh: Option<Offset>,
    validators: Vec<Validator>,
    /// When it was last emitted whole.
    emitted: Option<Instant>,
    /// When it is due; absent while it is being read.
    due: Option<Instant>,
    /// Whether it changed while it was being read.
    again: bool,
}

/// All targets.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    targets: BTreeMap<Arc<str>, Entry>,
    due: BTreeSet<(Instant, Arc<str>)>,
    /// Scopes that nobody wants any more, and whether a person said so.
    pub(crate) unwanted: BTreeMap<ScopeName, Approve>,
}

/// The scope of a target.
#[must_use]
pub fn scope_of(target: &str) -> Option<ScopeName> {
    let room = ScopeName::BYTES_MAX.checked_sub(SCOPES.len())?;
    let is_plain = !target.chars().any(char::is_control) && !target.contains(CUT);
    let name = if target.len() <= room && is_plain {
        target.to_owned()
    } else {
        let hash = blake3::hash(target.as_bytes()).to_hex();
        let kept = room.checked_sub(CUT.len() + HASH_LEN)?;
        let plain: String = target.chars().filter(|letter| !letter.is_control()).collect();
        let kept = plain.floor_char_boundary(kept);
        format!("{}{CUT}{}", &plain[..kept], &hash[..HASH_LEN])
    };
    ScopeName::new(&format!("{SCOPES}{name}")).ok()
}

impl Schedule {
    /// Knows scopes from an earlier life. They are retired unless they turn out to be wanted.
    pub(crate) fn new(known: Vec<ScopeName>) -> Self {
        let unwanted = known.into_iter().map(|scope| (scope, Approve::Guarded)).collect();
        Self { unwanted, ..Self::default() }
    }

    /// Takes in what is wanted now.
    pub(crate) fn want(&mut self, targets: &[Target], now: Instant) {
        let mut wanted: BTreeMap<&str, Vec<Target>> = BTreeMap::new();
        for target in targets {
            wanted.entry(&target.target).or_default().push(target.clone());
        }
        let gone: Vec<Arc<str>> =
            self.targets.keys().filter(|known| !wanted.contains_key(&***known)).cloned().collect();
        for target in gone {
            self.drop(&target);
        }
        for (target, mut wanters) in wanted {
            wanters.sort_unstable();
            self.want_one(target, wanters, now);
        }
    }

    fn drop(&mut self, target: &Arc<str>) {
        let Some(entry) = self.targets.remove(target) else { return };
        if let Some(due) = entry.due {
            self.due.remove(&(due, Arc::clone(target)));
        }
        let is_registered = |wanter: &Target| wanter.scope.as_str().starts_with(REGISTERED);
        let by_a_person = entry.wanters.iter().any(is_registered);
        let approve = if by_a_person { Approve::Always } else { Approve::Guarded };
        self.unwanted.insert(entry.scope, approve);
    }

    fn want_one(&mut self, target: &str, mut wanters: Vec<Target>, now: Instant) {
        let refresh = wanters.iter().filter_map(|wanter| wanter.refresh).max();
        // When somebody last asked is no part of who wants it.
        wanters.iter_mut().for_each(|wanter| wanter.refresh = None);
        if let Some(entry) = self.targets.get_mut(target) {
            let is_other = *entry.wanters != *wanters;
            if !is_other && refresh <= entry.refresh {
                return;
            }
            entry.refresh = refresh;
            if is_other {
                // What it holds is shown in another way now.
                entry.wanters = wanters.into();
                entry.validators.clear();
            }
            match entry.due {
                None => entry.again = true,
                Some(due) => {
                    let key = self.targets.get_key_value(target).map(|(key, _)| Arc::clone(key));
                    if let Some(key) = key {
                        self.due.remove(&(due, Arc::clone(&key)));
                        self.put_due(&key, now);
                    }
                }
            }
            return;
        }
        let Some(scope) = scope_of(target) else { return };
        self.unwanted.remove(&scope);
        let target: Arc<str> = target.into();
        let entry = Entry {
            scope,
            wanters: wanters.into(),
            refresh,
            validators: Vec::new(),
            emitted: None,
            due: None,
            again: false,
        };
        self.targets.insert(Arc::clone(&target), entry);
        self.put_due(&target, now);
    }

    fn put_due(&mut self, target: &Arc<str>, at: Instant) {
        if let Some(entry) = self.targets.get_mut(target) {
            entry.due = Some(at);
            self.due.insert((at, Arc::clone(target)));
        }
    }

    /// When the next target is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The target that is due, if one is. One that was not emitted for a day is read whatever its
    /// host says of it.
    pub(crate) fn take(&mut self, now: Instant, emitted_every: Duration) -> Option<Job> {
        let (due, target) = self.due.first().cloned()?;
        if due > now {
            return None;
        }
        self.due.remove(&(due, Arc::clone(&target)));
        let entry = self.targets.get_mut(&target)?;
        entry.due = None;
        entry.again = false;
        let is_fresh = entry.emitted.is_some_and(|at| now.duration_since(at) < emitted_every);
        Some(Job {
            scope: entry.scope.clone(),
            wanters: Arc::clone(&entry.wanters),
            validators: if is_fresh { entry.validators.clone() } else { Vec::new() },
            target,
        })
    }

    /// Takes in what came of a job.
    pub(crate) fn done(&mut self, target: &Arc<str>, done: Done, now: Instant) {
        let Some(entry) = self.targets.get_mut(target) else { return };
        if entry.due.is_some() {
            // It went while it was being read, and came back.
            return;
        }
        if done.emitted {
            entry.emitted = Some(now);
        }
        if entry.again {
            entry.validators.clear();
            self.put_due(target, now);
        } else {
            entry.validators = done.validators;
            self.put_due(target, now + done.next);
        }
    }
}

#[cfg(test)]
mod tests {
    use model::reference::EntityRef;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const MINUTE: Duration = Duration::from_secs(60);

    fn target(target: &str, scope: &str, refresh: Option<Offset>) -> Target {
        Target {
            target: target.to_owned(),
            entity: EntityRef::canonical("location:default/a").unwrap(),
            scope: ScopeName::new(scope).unwrap(),
            optional: false,
            origin: "url:o".into(),
            refresh,
        }
    }

    fn done(etag: &str) -> Done {
        let validators = vec![Validator { url: "u".into(), etag: Some(etag.into()) }];
        Done { validators, emitted: true, next: MINUTE, unread: None }
    }

    #[test]
    fn targets_come_due_and_go() {
        let now = Instant::now();
        let known = scope_of("https://x/old").unwrap();
        let mut schedule = Schedule::new(vec![known.clone(), scope_of("https://x/a").unwrap()]);
        let wanted =
            [target("https://x/a", "files/l/a", None), target("https://x/b", "locations/1", None)];
        schedule.want(&wanted, now);
        assert_eq!(schedule.unwanted.keys().collect::<Vec<_>>(), [&known]);
        let a = schedule.take(now, DAY).unwrap();
        let b = schedule.take(now, DAY).unwrap();
        assert_eq!((&*a.target, &*b.target), ("https://x/a", "https://x/b"));
        assert!(schedule.take(now, DAY).is_none() && schedule.next_due().is_none());
        schedule.done(&a.target, done("1"), now);
        schedule.done(&b.target, done("2"), now);
        assert!(schedule.take(now, DAY).is_none());
        let later = now + MINUTE;
        assert_eq!(schedule.take(later, DAY).unwrap().validators, done("1").validators);
        // What was not emitted for long is read anew.
        assert!(schedule.take(later, MINUTE).unwrap().validators.is_empty());
        schedule.want(&[], now);
        assert_eq!(schedule.unwanted[&a.scope], Approve::Guarded);
        assert_eq!(schedule.unwanted[&b.scope], Approve::Always);
        schedule.done(&a.target, done("1"), now);
        assert!(schedule.next_due().is_none());
        schedule.want(&wanted, now);
        assert_eq!(schedule.unwanted.keys().collect::<Vec<_>>(), [&known]);
    }

    #[test]
    fn who_asks_does_not_wait() {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        schedule.want(&[target("https://x/a", "s", None)], now);
        let job = schedule.take(now, DAY).unwrap();
        // While it is being read.
        schedule.want(&[target("https://x/a", "s", Some(7))], now);
        schedule.done(&job.target, done("1"), now);
        let job = schedule.take(now, DAY).unwrap();
        assert!(job.validators.is_empty());
        schedule.done(&job.target, done("1"), now);
        // The same word again is no other.
        schedule.want(&[target("https://x/a", "s", Some(7))], now);
        assert!(schedule.take(now, DAY).is_none());
        schedule.want(&[target("https://x/a", "s", Some(8))], now);
        assert_eq!(schedule.take(now, DAY).unwrap().validators, done("1").validators);
        schedule.done(&job.target, done("1"), now);
        // Somebody else wants it, too.
        let both = [target("https://x/a", "s", Some(8)), target("https://x/a", "t", None)];
        schedule.want(&both, now);
        assert!(schedule.take(now, DAY).unwrap().validators.is_empty());
    }

    #[test]
    fn scopes_have_names() {
        let name = |target: &str| scope_of(target).unwrap().to_string();
        assert_eq!(name("https://x/a.yaml?b=c"), "url/locations/https://x/a.yaml?b=c");
        let long = |end: &str| format!("https://x/{}{end}", "a".repeat(4000));
        let names =
            [name(&long("1")), name(&long("2")), name("https://x/\u{7}"), name("https://x/")];
        for (at, one) in names.iter().enumerate() {
            assert!(
                one.len() <= ScopeName::BYTES_MAX && one.starts_with("url/locations/https://x/")
            );
            assert!(names.iter().skip(at + 1).all(|other| other != one));
        }
    }
}
