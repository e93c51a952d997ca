//! Which files are wanted: those of the configured paths, and what Location entities in them name.
//!
//! Invariant: a plan is a function of the configuration, the targets, what is known, and the
//! files; nothing is read but folders.
//! Invariant: what can't be listed is kept, not given up.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use connector::{Broken, Target};
use event::vocabulary::{Fault, ScopeName};
use model::reference::EntityRef;

use crate::config::Config;
use crate::name;
use crate::roots::Roots;
use crate::site::{self, Site};
use crate::walk::{self, Budget, Listed, Listing, Rule, Stopped, Trouble};
use crate::watch::Points;

/// Entries of folders that are looked at for one configured path. Only links that lead in circles
/// through a glob make so many.
const ENTRIES_MAX: usize = 10_000_000;

/// What a plan is made for.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) config: &'a Config,
    /// What Location entities want read.
    pub(crate) targets: &'a [Target],
    /// The scopes that the catalog shows.
    pub(crate) known: &'a BTreeSet<ScopeName>,
    /// Scopes that went a moment ago, and whose Location entities the catalog may still show.
    pub(crate) graced: &'a BTreeSet<ScopeName>,
    /// The origin locations that scopes were read with.
    pub(crate) origins: &'a HashMap<ScopeName, Arc<str>>,
    pub(crate) stop: &'a AtomicBool,
}

/// A file that is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) scope: ScopeName,
    pub(crate) name: Arc<str>,
    pub(crate) path: PathBuf,
    /// Its path without symbolic links, or why it is not read.
    pub(crate) real: Result<PathBuf, Fault>,
    /// Where its documents come from, as `file:path`.
    pub(crate) location: Arc<str>,
    pub(crate) origin: Arc<str>,
    /// Whether it was found in a folder, and may be no catalog file.
    pub(crate) is_lenient: bool,
    /// The Location entity that wants it.
    pub(crate) about: Option<EntityRef>,
}

/// What is to be read, and what is to be kept.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) files: Vec<Wanted>,
    /// Targets that can't be read, each as a scope of its own.
    pub(crate) faults: BTreeMap<ScopeName, Vec<Broken>>,
    /// What can't be read of the configuration, in words.
    pub(crate) problems: Vec<String>,
    pub(crate) points: Points,
    pub(crate) roots: Roots,
    /// Scopes that are wanted by scopes which go only now. Another scope may show the same Location
    /// entity the next moment, when a file was renamed.
    pub(crate) spared: BTreeSet<ScopeName>,
    /// Names before which, with a `/`, scopes are kept that can't be told of.
    kept: Vec<String>,
    prefix: String,
    by_real: HashMap<PathBuf, usize>,
    by_scope: HashMap<ScopeName, usize>,
}

/// Makes a plan.
pub(crate) fn plan(asked: Asked<'_>) -> Result<Plan, Stopped> {
    let Asked { config, .. } = asked;
    let from = config.folder();
    let folders = config.paths().iter().map(|path| site::root(from, path));
    let folders = folders.chain(config.roots().iter().map(|path| from.join(path)));
    let mut plan = Plan {
        roots: Roots::new(folders),
        prefix: format!("{}/", config.source()),
        ..Plan::default()
    };
    for path in config.paths() {
        plan.configured(asked, path)?;
    }
    crate::targets::expand(&mut plan, asked)?;
    Ok(plan)
}

/// How a file came to be wanted.
#[derive(Clone, Copy)]
pub(crate) enum By<'a> {
    /// It was found in a configured folder.
    Folder,
    /// It is configured, or matches what is.
    Path,
    /// A Location entity, which has this origin, names it.
    Target(&'a EntityRef, &'a Arc<str>),
}

impl Plan {
    /// Whether a scope is to stay although nothing is known of its file.
    pub(crate) fn keeps(&self, scope: &ScopeName) -> bool {
        let Some(name) = scope.as_str().strip_prefix(&self.prefix) else { return false };
        self.kept.iter().any(|kept| {
            let rest = name.strip_prefix(kept.as_str());
            rest.is_some_and(|rest| kept.is_empty() || rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// The file of a scope.
    pub(crate) fn file(&self, scope: &ScopeName) -> Option<&Wanted> {
        self.by_scope.get(scope).map(|at| &self.files[*at])
    }

    /// The location that a scope is called after.
    pub(crate) fn location_of(&self, scope: &ScopeName) -> String {
        format!("file:{}", scope.as_str().strip_prefix(&self.prefix).unwrap_or_default())
    }

    /// The scope of something that is named so, and its name, cut if need be.
    pub(crate) fn scope(&self, name: String) -> Option<(ScopeName, String)> {
        name::scope(&self.prefix, name)
    }

    pub(crate) fn keep(&mut self, name: String) {
        self.kept.push(name);
    }

    /// Forgets the files from a place on, but spares their scopes.
    pub(crate) fn spare(&mut self, wanted: usize, spared: BTreeSet<ScopeName>) {
        self.files.truncate(wanted);
        self.by_real.retain(|_, at| *at < wanted);
        self.by_scope.retain(|_, at| *at < wanted);
        self.spared = spared;
    }

    /// What one of the configured paths names.
    fn configured(&mut self, asked: Asked<'_>, path: &Path) -> Result<(), Stopped> {
        let from = asked.config.folder();
        let mut budget = Budget { entries: ENTRIES_MAX, ..Budget::UNLIMITED };
        let (top, listing, by) = match site::look(from, path) {
            Ok(Site::File) => {
                self.points.file(&from.join(path));
                (path.to_owned(), Listing::of_file(&from.join(path)), By::Path)
            }
            Ok(Site::Folder) => {
                let whole = from.join(path);
                let listing =
                    walk::list(&whole, Rule::Folder, &self.roots, &mut budget, asked.stop)?;
                (path.to_owned(), listing, By::Folder)
            }
            Ok(Site::Glob(top, pattern)) => {
                let rule = Rule::Glob(&pattern);
                let whole = from.join(&top);
                let listing = walk::list(&whole, rule, &self.roots, &mut budget, asked.stop)?;
                (top, listing, By::Path)
            }
            Err(nowhere) => {
                self.points.file(&from.join(path));
                self.problems.push(format!("{} {}", name::as_given(path), nowhere.words()));
                let fixed = walk::split(path).map_or(path.to_owned(), |(folder, _)| folder);
                self.keep(name::of_path(&fixed));
                return Ok(());
            }
        };
        if listing.is_cut {
            let name = name::as_given(path);
            self.problems.push(format!("{name} leads to more than {ENTRIES_MAX} entries"));
            self.keep(name::of_path(&top));
        }
        self.listed(asked, &top, listing, by);
        Ok(())
    }

    fn listed(&mut self, asked: Asked<'_>, top: &Path, listing: Listing, by: By<'_>) {
        let from = asked.config.folder();
        let shown = |path: &Path| shown(from, top, path);
        self.points.folders(listing.folders);
        for (path, error) in listing.unlisted {
            let is_top = path == from.join(top);
            let path = shown(&path);
            let problem = site::fault_of_unlisted(&name::as_given(&path), &error).message;
            self.unlisted(asked, &path, problem, is_top);
            self.points.file(&from.join(&path));
        }
        for (path, trouble) in listing.strays {
            if !matches!(trouble, Trouble::Loop) {
                let path = shown(&path);
                let problem = site::fault_of(&name::as_given(&path), &trouble).message;
                self.unlisted(asked, &path, problem, false);
            }
        }
        for file in listing.files {
            let path = shown(&file.path);
            self.add(asked, file, &path, by);
        }
    }

    /// A folder that can't be listed: what is known of it stays.
    fn unlisted(&mut self, asked: Asked<'_>, path: &Path, problem: String, is_configured: bool) {
        let name = name::of_path(path);
        if is_configured || self.has_known(asked.known, &name) {
            self.problems.push(problem);
            self.keep(name);
        } else {
            // A folder of others in a repository is none of ours.
            tracing::debug!(problem, "a folder is passed over");
        }
    }

    /// Whether the catalog shows anything of a folder.
    fn has_known(&self, known: &BTreeSet<ScopeName>, name: &str) -> bool {
        // A name that is too long for a scope has been cut, and is not told apart.
        let Ok(first) = ScopeName::new(&format!("{}{name}/", self.prefix)) else { return true };
        known.range(&first..).next().is_some_and(|next| next.as_str().starts_with(first.as_str()))
    }

    /// Adds a file, unless it is wanted already. Gives its scope.
    pub(crate) fn add(
        &mut self,
        asked: Asked<'_>,
        file: Listed,
        path: &Path,
        by: By<'_>,
    ) -> Option<ScopeName> {
        if file.is_linked {
            self.points.file(&file.path);
        }
        let Listed { path: whole, real, .. } = file;
        let (scope, name) = name::scope(&self.prefix, name::of_path(path))?;
        let is_lenient = matches!(by, By::Folder);
        let real = match real {
            Ok(real) => Ok(real),
            Err(Trouble::Io(error)) if is_lenient && !asked.known.contains(&scope) => {
                tracing::debug!(file = name, %error, "a link is passed over");
                return None;
            }
            Err(trouble) => Err(site::fault_of(&name, &trouble)),
        };
        let same = real.as_ref().ok().and_then(|real| self.by_real.get(real));
        let about = match by {
            By::Target(entity, _) => Some(entity.clone()),
            By::Folder | By::Path => None,
        };
        if let Some(at) = same.or_else(|| self.by_scope.get(&scope)) {
            let wanted = &mut self.files[*at];
            wanted.is_lenient &= is_lenient;
            wanted.about = wanted.about.take().or(about);
            return Some(wanted.scope.clone());
        }
        let plain: PathBuf = path.components().filter(|part| part.as_os_str() != ".").collect();
        let location: Arc<str> = format!("file:{}", plain.to_str().unwrap_or(&name)).into();
        let origin = match by {
            By::Target(_, origin) => Arc::clone(origin),
            By::Folder | By::Path => Arc::clone(&location),
        };
        if let Ok(real) = &real {
            self.by_real.insert(real.clone(), self.files.len());
        }
        self.by_scope.insert(scope.clone(), self.files.len());
        self.files.push(Wanted {
            scope: scope.clone(),
            name: name.into(),
            path: whole,
            real,
            location,
            origin,
            is_lenient,
            about,
        });
        Some(scope)
    }
}

/// A listed path as it is configured: without the folder that relative paths are seen from.
pub(crate) fn shown(from: &Path, top: &Path, path: &Path) -> PathBuf {
    match path.strip_prefix(from.join(top)) {
        Ok(rest) if rest.as_os_str().is_empty() => top.to_owned(),
        Ok(rest) => top.join(rest),
        Err(_) => path.to_owned(),
    }
}

#[cfg(test)]
mod tests;
