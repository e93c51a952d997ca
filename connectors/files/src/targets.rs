//! What Location entities name.
//!
//! Invariant: targets are the words of documents. Nothing outside of the roots is looked at for
//! them, and no target makes more work than a person's budget allows.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use connector::{Broken, Target};
use event::vocabulary::{Fault, ScopeName};

use crate::plan::{Asked, By, Plan, shown};
use crate::roots::Denied;
use crate::walk::{self, Budget, Listed, Listing, Rule, Stopped};
use crate::{name, resolve, site, words};

/// Files that one pattern may match.
const MATCHES_MAX: usize = 10_000;

/// Entries of folders that are looked at for the patterns of all targets together.
const ENTRIES_MAX: usize = 2_000_000;

/// Adds what is reached from the configured files, from Location entity to Location entity.
pub(crate) fn expand(plan: &mut Plan, asked: Asked<'_>) -> Result<(), Stopped> {
    let mut wishes: BTreeMap<&ScopeName, Vec<&Target>> = BTreeMap::new();
    for target in asked.targets {
        wishes.entry(&target.scope).or_default().push(target);
    }
    wishes.values_mut().for_each(|targets| targets.sort_unstable());
    // What nothing leads to any more is not read on the word of what it says itself.
    let kept = asked.known.iter().filter(|scope| plan.keeps(scope));
    let configured = plan.files.iter().map(|file| &file.scope);
    let mut queue: VecDeque<ScopeName> =
        configured.chain(kept).chain(asked.graced).cloned().collect();
    let mut seen: HashSet<ScopeName> = queue.iter().cloned().collect();
    let budget = Budget { files: MATCHES_MAX, entries: ENTRIES_MAX };
    let mut expanding = Expanding { plan, asked, budget, faults: Vec::new() };
    while let Some(scope) = queue.pop_front() {
        for target in wishes.remove(&scope).into_iter().flatten() {
            for found in expanding.target(target)? {
                if seen.insert(found.clone()) {
                    queue.push_back(found);
                }
            }
        }
    }
    let faults = std::mem::take(&mut expanding.faults);
    let wanted = expanding.plan.files.len();
    let lost = asked.known.iter().filter(|scope| !seen.contains(*scope));
    let lost: Vec<(&ScopeName, Vec<&Target>)> =
        lost.filter_map(|scope| Some((scope, wishes.remove(scope)?))).collect();
    let mut spared = BTreeSet::new();
    for (scope, targets) in lost {
        for target in targets {
            spared.extend(expanding.target(target)?.into_iter().filter(|found| found != scope));
        }
    }
    plan.spare(wanted, spared);
    say(plan, faults);
    Ok(())
}

/// Sorts faults into scopes. Each Location entity shows its own.
fn say(plan: &mut Plan, mut faults: Vec<(ScopeName, Broken)>) {
    faults.sort_by(|(a, x), (b, y)| (a, &x.about, &x.item).cmp(&(b, &y.about, &y.item)));
    for (scope, mut broken) in faults {
        // The file's own scope is for what stands in it.
        if plan.file(&scope).is_some() {
            continue;
        }
        let faults = plan.faults.entry(scope).or_default();
        if faults.iter().any(|other| other.item == broken.item)
            && let Some(about) = &broken.about
        {
            broken.item = format!("{} ({about})", broken.item);
        }
        faults.push(broken);
    }
}

struct Expanding<'a> {
    plan: &'a mut Plan,
    asked: Asked<'a>,
    budget: Budget,
    faults: Vec<(ScopeName, Broken)>,
}

impl Expanding<'_> {
    /// Adds the files of a target. Gives their scopes.
    fn target(&mut self, target: &Target) -> Result<Vec<ScopeName>, Stopped> {
        let text = target.target.as_str();
        if text.is_empty() || text.contains('\0') {
            self.fault(target, "InputError", "a path can't be empty, nor hold a NUL character");
            return Ok(Vec::new());
        }
        if text.ends_with('/') {
            let why = "it ends with a path separator, and a target names files, not a folder";
            self.fault(target, "InputError", why);
            return Ok(Vec::new());
        }
        let path = Path::new(text);
        let whole = self.asked.config.folder().join(path);
        let error = match self.plan.roots.locate(&whole) {
            Ok(real) => return Ok(self.file(target, path, whole, real)),
            Err(Denied::Outside) => {
                let why = resolve::outside("it") + self.hint(target);
                self.fault(target, "NotAllowedError", &why);
                return Ok(Vec::new());
            }
            Err(Denied::Io(error)) => error,
        };
        self.plan.points.file(&whole);
        let is_nowhere =
            matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidFilename);
        match walk::split(path) {
            Some((top, pattern)) if is_nowhere => match pattern {
                Ok(pattern) => return self.glob(target, &top, Rule::Glob(&pattern)),
                Err(why) => {
                    let why = format!("it is no pattern for files: {why}");
                    self.fault(target, "InputError", &why);
                }
            },
            _ if error.kind() == io::ErrorKind::NotFound => self.missing(target),
            _ => {
                self.fault(target, words::class_of(&error), &format!("it {}", words::of_io(&error)))
            }
        }
        Ok(Vec::new())
    }

    fn file(
        &mut self,
        target: &Target,
        path: &Path,
        whole: PathBuf,
        real: PathBuf,
    ) -> Vec<ScopeName> {
        if fs::metadata(&real).is_ok_and(|found| found.is_dir()) {
            let why = "it is a folder, and a target names files; with `/*.yaml` after it, it would name those in it";
            self.fault(target, "InputError", why);
            return Vec::new();
        }
        self.plan.points.file(&whole);
        let origin = self.origin(&target.scope);
        let file = Listed::new(whole, real);
        let by = By::Target(&target.entity, &origin);
        self.plan.add(self.asked, file, path, by).into_iter().collect()
    }

    fn glob(
        &mut self,
        target: &Target,
        top: &Path,
        rule: Rule<'_>,
    ) -> Result<Vec<ScopeName>, Stopped> {
        let from = self.asked.config.folder();
        let Asked { stop, .. } = self.asked;
        let listing = walk::list(&from.join(top), rule, &self.plan.roots, &mut self.budget, stop)?;
        let Listing { files, folders, unlisted, is_cut, .. } = listing;
        self.plan.points.folders(folders);
        if is_cut || !unlisted.is_empty() {
            self.plan.keep(name::of_path(top));
        }
        if is_cut {
            let why = format!(
                "it matches more than {MATCHES_MAX} files, or folders with too many others; \
                 only the first ones are read"
            );
            self.fault(target, "InputError", &why);
        } else if let Some((path, error)) = unlisted.first()
            && error.kind() != io::ErrorKind::NotFound
        {
            let path = shown(from, top, path);
            let fault = site::fault_of_unlisted(&name::as_given(&path), error);
            self.fault(target, words::class_of(error), &fault.message);
        } else if files.is_empty() {
            self.missing(target);
        }
        let origin = self.origin(&target.scope);
        let by = By::Target(&target.entity, &origin);
        let files = files.into_iter().filter_map(|file| {
            let path = shown(from, top, &file.path);
            self.plan.add(self.asked, file, &path, by)
        });
        Ok(files.collect())
    }

    fn missing(&mut self, target: &Target) {
        if target.optional {
            return;
        }
        let name = name::of_text(&target.target);
        let message = format!("file {name} does not exist{}", self.hint(target));
        self.say(target, words::fault("NotFoundError", message));
    }

    /// As in Backstage, only what begins with a dot is seen from the file that names it.
    fn hint(&self, target: &Target) -> &'static str {
        let text = &target.target;
        let sibling = self.plan.file(&target.scope).and_then(|file| {
            let sibling = file.path.parent()?.join(text);
            self.plan.roots.locate(&sibling).ok()
        });
        if sibling.is_some() && !text.starts_with(['.', '/']) {
            "; a path that is seen from the file that names it begins with `./`"
        } else {
            ""
        }
    }

    fn fault(&mut self, target: &Target, class: &'static str, why: &str) {
        let message = format!("file {} is not read: {why}", name::of_text(&target.target));
        self.say(target, words::fault(class, message));
    }

    fn say(&mut self, target: &Target, fault: Fault) {
        let mut name = name::of_path(Path::new(&target.target));
        if target.target.ends_with('/') || name.is_empty() {
            // A file of that name is another scope.
            name.push('/');
        }
        if let Some((scope, item)) = self.plan.scope(name) {
            let about = Some(target.entity.clone());
            self.faults
                .push((scope, Broken { item, about, required: false, fault, pointer: None }));
        }
    }

    /// The origin location of what a scope names.
    fn origin(&self, scope: &ScopeName) -> Arc<str> {
        let file = self.plan.file(scope).map(|file| &file.origin);
        match file.or_else(|| self.asked.origins.get(scope)) {
            Some(origin) => Arc::clone(origin),
            // It was read before this program began, and is not read now.
            None => self.plan.location_of(scope).into(),
        }
    }
}
