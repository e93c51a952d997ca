//! From the files of a repository to what its scope shows, a *window* of them at a time, so that
//! what is held does not grow with the repository. [`Reading::needs`] says what has to be asked for
//! yet, in a few rounds, until there is nothing; then [`Reading::show`] gives what each file of the
//! window shows, and [`Reading::go_on`] lets go of it.
//!
//! Invariant: whatever stands in a repository, the rounds come to an end, and what is asked for is
//! bounded.
//! Invariant: what is shown, and its order, is a function of the commit and of what is wanted, and
//! not of how the files were asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use connector::{Place, Target, documents};
use model::yaml::Limits;

use super::placeholders::Placeholders;
use super::survey::Survey;
use crate::answer::{GitObject, Repository};
use crate::config::Config;
use crate::pattern::Patterns;
use crate::place::{FileUrl, Spot};

/// The most that one file may hold, in bytes.
pub(crate) const FILE_BYTES_MAX: usize = 10 << 20;

/// What the files of a window and what they name hold together, in bytes, unless one of them alone
/// holds more.
pub(crate) const WINDOW_BYTES: usize = 1 << 20;

/// Files of a window.
const WINDOW_FILES: usize = 100;

/// What is asked for in one round, for the files of a window and what they name.
const NEEDS_MAX: usize = 200;

/// Files that placeholders of one repository may name.
const PAGES_MAX: usize = 10_000;

/// What a file costs beside its text, in bytes.
const OBJECT_BYTES: usize = 256;

/// What has to be asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// A file or a folder.
    Object(Spot),
    /// The contents of a file that GraphQL did not give whole: by its object's name.
    Blob(String),
}

/// No files.
static NOTHING: Patterns = Patterns { files: Vec::new(), globs: Vec::new(), written: Vec::new() };

/// A repository that is being read.
pub(crate) struct Reading {
    pub(super) config: Arc<Config>,
    /// Whether what is configured is read, or only what Location entities name.
    is_chosen: bool,
    /// What Location entities want read of it, in their order.
    pub(super) targets: Vec<Target>,
    pub(crate) repository: Repository,
    pub(super) branch: String,
    /// The commit.
    pub(crate) head: String,
    survey: Survey,
    /// What globs found, once all is found.
    found: Vec<String>,
    pub(super) why_cut: Option<String>,
    /// Configured files that are not there.
    absent: BTreeSet<String>,
    /// The window: its first part, and where it has to end.
    first: usize,
    limit: usize,
    /// How many placeholders were asked for.
    pages: usize,
    objects: BTreeMap<Spot, Option<GitObject>>,
    blobs: BTreeMap<String, Result<Bytes, String>>,
    held: usize,
}

/// What a scope shows one after the other.
pub(super) enum Part<'a> {
    /// A file that is configured, or that a glob found.
    File(&'a str),
    /// That globs found too much.
    Cut,
    /// What a Location entity wants.
    Target(usize),
}

/// What there is at a spot.
pub(super) enum Contents<'a> {
    /// With how much it will be, in bytes, where that is known.
    Unknown(Need, usize),
    Missing,
    Text(&'a [u8]),
    Wrong(String),
}

impl Reading {
    /// Begins with a repository; `is_chosen` says whether what is configured is read, or only what
    /// Location entities name.
    pub(crate) fn new(
        config: Arc<Config>,
        is_chosen: bool,
        repository: Repository,
        mut targets: Vec<Target>,
    ) -> Self {
        targets.sort_unstable();
        let branch = repository.default_branch_ref.clone();
        let head = branch.as_ref().and_then(|branch| branch.target.as_ref());
        let head = head.map(|target| target.oid.clone()).unwrap_or_default();
        let branch = branch.map(|branch| branch.name).unwrap_or_default();
        let mut reading = Self {
            config,
            is_chosen,
            targets,
            repository,
            branch,
            head,
            survey: Survey::default(),
            found: Vec::new(),
            why_cut: None,
            absent: BTreeSet::new(),
            first: 0,
            limit: WINDOW_FILES,
            pages: 0,
            objects: BTreeMap::new(),
            blobs: BTreeMap::new(),
            held: 0,
        };
        if !reading.branch.is_empty() {
            reading.survey = Survey::new(reading.patterns());
        }
        reading
    }

    /// Whether this is its owner and its name.
    pub(crate) fn is_named(&self, (owner, name): &(String, String)) -> bool {
        let own = self.repository.name_with_owner.split_once('/');
        own.is_some_and(|(own_owner, own_name)| {
            own_owner.eq_ignore_ascii_case(owner) && own_name.eq_ignore_ascii_case(name)
        })
    }

    /// Takes in what was asked for.
    pub(crate) fn object(&mut self, spot: Spot, object: Option<GitObject>) {
        let patterns = if self.is_chosen { &self.config.paths } else { &NOTHING };
        self.survey.list(patterns, &spot, object.as_ref());
        let object = object.map(|mut object| {
            object.entries = None;
            let is_large = object.byte_size.unwrap_or(0) > FILE_BYTES_MAX as u64;
            if is_large || object.is_truncated == Some(true) {
                object.text = None;
            }
            object
        });
        self.held += OBJECT_BYTES + object.as_ref().map_or(0, bytes_of);
        self.objects.insert(spot, object);
    }

    /// Takes in the contents of a file, or why they can't be had.
    pub(crate) fn blob(&mut self, oid: String, contents: Result<Bytes, String>) {
        self.held += OBJECT_BYTES + contents.as_ref().map_or(0, Bytes::len);
        self.blobs.insert(oid, contents);
    }

    /// What is asked for first, whatever else there is.
    pub(crate) fn first(patterns: &Patterns) -> Vec<Spot> {
        let globs = patterns.globs.iter().map(|glob| &glob.root);
        let all: BTreeSet<Spot> = patterns.files.iter().chain(globs).map(Spot::here).collect();
        all.into_iter().collect()
    }

    /// What has to be asked for yet, for this window. What is not needed for it is let go of.
    pub(crate) fn needs(&mut self) -> Vec<Need> {
        self.found_all();
        let mut walk = Walk::default();
        for at in self.window() {
            let of_part = self.walk(at, &walk);
            if walk.bytes > 0 && walk.bytes + of_part.bytes > WINDOW_BYTES {
                self.limit = at;
                break;
            }
            walk.add(of_part);
            if walk.needs.len() >= NEEDS_MAX {
                self.limit = at + 1;
                break;
            }
        }
        let Walk { needs, used, pages, .. } = walk;
        self.pages += pages;
        self.objects.retain(|spot, _| used.contains(spot));
        let of = |object: &GitObject| object.oid.clone();
        let oids: BTreeSet<String> = self.objects.values().flatten().filter_map(of).collect();
        self.blobs.retain(|oid, _| oids.contains(oid));
        self.held = self.objects.values().flatten().map(bytes_of).sum::<usize>()
            + self.blobs.values().flatten().map(Bytes::len).sum::<usize>()
            + OBJECT_BYTES * (self.objects.len() + self.blobs.len());
        self.survey.needs().map(Need::Object).chain(needs).collect()
    }

    /// Looks through a part of the window for what it needs, after those before it.
    fn walk(&self, at: usize, before: &Walk) -> Walk {
        let mut walk = Walk::default();
        let Some(spot) = self.spot_at(at) else { return walk };
        match self.contents(&spot) {
            Contents::Unknown(need, bytes) => {
                walk.bytes = bytes;
                walk.needs.insert(need);
            }
            Contents::Text(text) => {
                let mut pages = self.pages(&spot);
                pages.may_ask = PAGES_MAX.saturating_sub(self.pages + before.pages);
                pages.asks_now = NEEDS_MAX.saturating_sub(before.needs.len());
                let url = self.url(&spot);
                documents(text, &Self::place("", &url, ""), &mut pages);
                walk.bytes = text.len() + pages.bytes();
                walk.pages = pages.asked.len();
                walk.needs.extend(pages.asked.into_iter().map(Need::Object));
                walk.needs.extend(pages.blobs.into_iter().map(Need::Blob));
                walk.used = pages.used;
            }
            Contents::Missing | Contents::Wrong(_) => {}
        }
        walk.used.insert(spot);
        walk
    }

    /// Once all folders are listed, what globs found comes after what is configured by name.
    fn found_all(&mut self) {
        if self.survey.is_done() && !self.survey.is_empty() {
            let survey = std::mem::take(&mut self.survey);
            self.why_cut = survey.why_cut();
            self.found = survey.into_found(&self.patterns().files);
        }
    }

    /// What is held in memory for it, in bytes.
    pub(crate) fn held(&self) -> usize {
        let paths: usize = self.found.iter().map(String::len).sum();
        self.held + self.survey.held() + paths
    }

    /// The parts that are shown now: nothing is needed for them any more.
    pub(crate) fn window(&self) -> Range<usize> {
        let end = if self.survey.is_done() { self.count() } else { self.patterns().files.len() };
        self.first.min(end)..self.limit.min(end)
    }

    /// Whether nothing comes after the window.
    pub(crate) fn is_last(&self) -> bool {
        self.window().end == self.count()
    }

    /// Goes on to the next window.
    pub(crate) fn go_on(&mut self) {
        let window = self.window();
        let named = self.patterns().files[..window.end.min(self.patterns().files.len())].iter();
        let is_absent =
            |path: &&String| matches!(self.contents(&Spot::here(*path)), Contents::Missing);
        let absent: Vec<String> = named.skip(window.start).filter(is_absent).cloned().collect();
        self.absent.extend(absent);
        self.first = window.end;
        // Where files are large, fewer are asked for together.
        self.limit = window.end + (window.len() * 2).clamp(1, WINDOW_FILES);
        self.objects.clear();
        self.blobs.clear();
        self.held = 0;
    }

    fn patterns(&self) -> &Patterns {
        if self.is_chosen { &self.config.paths } else { &NOTHING }
    }

    /// How many parts there are, once all folders are listed.
    fn count(&self) -> usize {
        self.patterns().files.len() + self.found.len() + 1 + self.targets.len()
    }

    /// Files by their names, then those that globs found, then what Location entities want.
    pub(super) fn part(&self, at: usize) -> Part<'_> {
        let named = &self.patterns().files;
        let files = named.len() + self.found.len();
        match at.checked_sub(files) {
            None => Part::File(named.get(at).unwrap_or_else(|| &self.found[at - named.len()])),
            Some(0) => Part::Cut,
            Some(target) => Part::Target(target - 1),
        }
    }

    /// The file that has to be known to show a part.
    fn spot_at(&self, at: usize) -> Option<Spot> {
        match self.part(at) {
            Part::File(path) => Some(Spot::here(path)),
            Part::Cut => None,
            Part::Target(number) => {
                let spot = self.spot_of(&self.targets[number].target).ok()?;
                Some(spot).filter(|spot| !self.is_configured(spot))
            }
        }
    }

    pub(super) fn is_configured(&self, spot: &Spot) -> bool {
        let is_found = || self.found.binary_search(&spot.path).is_ok();
        spot.revision.is_none() && (self.patterns().files.contains(&spot.path) || is_found())
    }

    pub(super) fn is_absent(&self, spot: &Spot) -> bool {
        let is_known = spot.revision.is_none() && self.absent.contains(&spot.path);
        is_known || matches!(self.contents(spot), Contents::Missing)
    }

    pub(super) fn spot_of(&self, target: &str) -> Result<Spot, String> {
        let url = FileUrl::parse(&self.config.host, target);
        let url = url.filter(|url| url.is_in(&self.repository.name_with_owner));
        url.ok_or_else(|| "it names no file of this repository".to_owned())?.spot(&self.branch)
    }

    pub(super) fn contents(&self, spot: &Spot) -> Contents<'_> {
        if self.branch.is_empty() {
            // There is no commit, and so no file.
            return Contents::Missing;
        }
        let object = match self.objects.get(spot) {
            None => return Contents::Unknown(Need::Object(spot.clone()), 0),
            Some(None) => return Contents::Missing,
            Some(Some(object)) => object,
        };
        if object.kind != "Blob" {
            return Contents::Missing;
        }
        let bytes = usize::try_from(object.byte_size.unwrap_or(0)).unwrap_or(usize::MAX);
        if bytes > FILE_BYTES_MAX {
            return Contents::Wrong(format!("it is larger than {} MiB", FILE_BYTES_MAX >> 20));
        }
        match (&object.text, &object.oid) {
            (Some(text), _) => Contents::Text(text.as_bytes()),
            (None, Some(oid)) => match self.blobs.get(oid) {
                None => Contents::Unknown(Need::Blob(oid.clone()), bytes),
                Some(Ok(bytes)) => Contents::Text(bytes),
                Some(Err(why)) => Contents::Wrong(why.clone()),
            },
            (None, None) => Contents::Wrong("GitHub gives nothing of it".into()),
        }
    }

    /// The page that shows a file.
    pub(super) fn url(&self, spot: &Spot) -> String {
        spot.url(&self.config.host, &self.repository, &self.branch)
    }

    pub(super) fn place<'b>(name: &'b str, location: &'b str, origin: &'b str) -> Place<'b> {
        let limits = Limits { bytes_max: FILE_BYTES_MAX, ..Limits::default() };
        Place { name, location, origin, limits }
    }

    pub(super) fn pages(&self, spot: &Spot) -> Placeholders<'_> {
        Placeholders::new(self, &self.config.host, self.url(spot))
    }
}

/// What a round needs.
#[derive(Default)]
struct Walk {
    needs: BTreeSet<Need>,
    /// What the window uses of what is known.
    used: BTreeSet<Spot>,
    bytes: usize,
    /// How many placeholders are asked for.
    pages: usize,
}

impl Walk {
    fn add(&mut self, other: Self) {
        self.needs.extend(other.needs);
        self.used.extend(other.used);
        self.bytes += other.bytes;
        self.pages += other.pages;
    }
}

fn bytes_of(object: &GitObject) -> usize {
    object.text.as_ref().map_or(0, String::len)
}
