//! From the files of a repository to what its scope shows. [`Reading::needs`] says what has to be
//! asked for yet, in a few rounds, until there is nothing; then [`Reading::items`] are complete.
//!
//! Invariant: whatever stands in a repository, the rounds come to an end, and what is asked for is
//! bounded.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use connector::{Broken, Found, Pages, Place, Problem, Target, documents, shown};
use event::vocabulary::Fault;
use model::location::{GITHUB_HOSTS, resolve_url};
use model::placeholder::Placeholder;
use model::yaml::Limits;
use serde_json::Value;

use crate::answer::{GitObject, Repository};
use crate::pattern::Patterns;
use crate::place::{FileUrl, Spot};
use asking::github::Host;

/// The most that one file may hold, in bytes.
pub(crate) const FILE_BYTES_MAX: usize = 10 << 20;

/// What the files of one repository may hold together, in bytes.
const BYTES_MAX: usize = 64 << 20;

/// Folders that globs may look into, and files that they may find, in one repository.
const FOLDERS_MAX: usize = 2000;
const FILES_MAX: usize = 1000;

/// Files that placeholders of one repository may name.
const PAGES_MAX: usize = 1000;

/// What has to be asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// A file or a folder.
    Object(Spot),
    /// The contents of a file that GraphQL did not give whole: by its object's name.
    Blob(String),
}

/// What a scope shows.
pub(crate) type Item = Result<Found, Broken>;

/// A repository that is being read.
pub(crate) struct Reading<'a> {
    host: &'a Host,
    patterns: &'a Patterns,
    /// What Location entities want read of it.
    targets: Vec<Target>,
    pub(crate) repository: Repository,
    branch: String,
    /// The commit.
    pub(crate) head: String,
    objects: BTreeMap<Spot, Option<GitObject>>,
    blobs: BTreeMap<String, Result<Bytes, String>>,
}

/// What there is at a spot.
enum Contents<'a> {
    Unknown(Need),
    Missing,
    Text(&'a [u8]),
    Wrong(String),
}

impl<'a> Reading<'a> {
    pub(crate) fn new(
        host: &'a Host,
        patterns: &'a Patterns,
        repository: Repository,
        targets: Vec<Target>,
    ) -> Self {
        let branch = repository.default_branch_ref.clone();
        let head = branch.as_ref().and_then(|branch| branch.target.as_ref());
        let head = head.map(|target| target.oid.clone()).unwrap_or_default();
        let branch = branch.map(|branch| branch.name).unwrap_or_default();
        let (objects, blobs) = (BTreeMap::new(), BTreeMap::new());
        Self { host, patterns, targets, repository, branch, head, objects, blobs }
    }

    /// Takes in what was asked for.
    pub(crate) fn object(&mut self, spot: Spot, object: Option<GitObject>) {
        self.objects.insert(spot, object);
    }

    /// Takes in the contents of a file, or why they can't be had.
    pub(crate) fn blob(&mut self, oid: String, contents: Result<Bytes, String>) {
        self.blobs.insert(oid, contents);
    }

    /// What is asked for first, whatever else there is.
    pub(crate) fn first(patterns: &Patterns) -> Vec<Spot> {
        let globs = patterns.globs.iter().map(|glob| &glob.root);
        let all: BTreeSet<Spot> = patterns.files.iter().chain(globs).map(Spot::here).collect();
        all.into_iter().collect()
    }

    /// What has to be asked for yet.
    pub(crate) fn needs(&self) -> Vec<Need> {
        if self.branch.is_empty() {
            // There is no commit, and so no file.
            return Vec::new();
        }
        let mut needs = BTreeSet::new();
        let globbed = self.globbed(&mut needs);
        for spot in self.files(&globbed.files) {
            match self.contents(&spot) {
                Contents::Unknown(need) => {
                    needs.insert(need);
                }
                Contents::Text(text) => {
                    let mut pages = self.pages(&spot);
                    let url = spot.url(self.host, &self.repository, &self.branch);
                    documents(text, &Self::place("", &url, ""), &mut pages);
                    needs.extend(pages.needs);
                }
                Contents::Missing | Contents::Wrong(_) => {}
            }
        }
        needs.into_iter().collect()
    }

    /// What the scope shows, once nothing is needed any more.
    pub(crate) fn items(&self) -> Vec<Item> {
        let mut items = Vec::new();
        if self.branch.is_empty() {
            items.extend(self.targets.iter().filter_map(|target| self.lost(target)).map(Err));
            return items;
        }
        let globbed = self.globbed(&mut BTreeSet::new());
        let files = self.configured(&globbed.files);
        for spot in &files {
            let url = format!("url:{}", spot.url(self.host, &self.repository, &self.branch));
            if !matches!(self.contents(spot), Contents::Missing) {
                self.file(spot, &url, &url, None, &mut items);
            }
        }
        if let Some(why) = globbed.why_cut {
            items.push(Err(self.whole("catalog_paths", None, "InputError", &why)));
        }
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        for target in &self.targets {
            match self.spot_of(&target.target) {
                // What is configured is shown by that already.
                Ok(spot) if files.contains(&spot) => {}
                Ok(spot) if matches!(self.contents(&spot), Contents::Missing) => {
                    items.extend(self.lost(target).map(Err));
                }
                Ok(spot) => {
                    if seen.insert(&target.target) {
                        let location = format!("url:{}", target.target);
                        self.file(&spot, &location, &target.origin, Some(target), &mut items);
                    }
                }
                Err(why) => {
                    let mut broken = self.whole(&target.target, Some(target), "InputError", &why);
                    broken.required = false;
                    items.push(Err(broken));
                }
            }
        }
        items
    }

    /// Files by their names, then those that globs found.
    fn configured(&self, globbed: &[String]) -> Vec<Spot> {
        let named = self.patterns.files.iter();
        let others = globbed.iter().filter(|path| !self.patterns.files.contains(path));
        named.chain(others).map(Spot::here).collect()
    }

    fn files(&self, globbed: &[String]) -> BTreeSet<Spot> {
        let targets = self.targets.iter().filter_map(|target| self.spot_of(&target.target).ok());
        self.configured(globbed).into_iter().chain(targets).collect()
    }

    fn spot_of(&self, target: &str) -> Result<Spot, String> {
        let url = FileUrl::parse(self.host, target);
        let url = url.filter(|url| url.is_in(&self.repository.name_with_owner));
        url.ok_or_else(|| "it names no file of this repository".to_owned())?.spot(&self.branch)
    }

    /// Looks for what globs match, as far as folders are known.
    fn globbed(&self, needs: &mut BTreeSet<Need>) -> Globbed {
        let mut found = Globbed::default();
        let mut folders = 0;
        for glob in &self.patterns.globs {
            let mut queue = vec![glob.root.clone()];
            while let Some(folder) = queue.pop() {
                folders += 1;
                if folders > FOLDERS_MAX || found.files.len() > FILES_MAX {
                    found.why_cut = Some(format!(
                        "globs match in more than {FOLDERS_MAX} folders, or more than {FILES_MAX} \
                         files; only the first ones are read"
                    ));
                    return found;
                }
                let Some(object) = self.objects.get(&Spot::here(folder.as_str())) else {
                    needs.insert(Need::Object(Spot::here(folder)));
                    continue;
                };
                let entries = object.iter().flat_map(|object| object.entries.iter().flatten());
                for entry in entries {
                    let path = match folder.as_str() {
                        "" => entry.name.clone(),
                        folder => format!("{folder}/{}", entry.name),
                    };
                    match entry.kind.as_str() {
                        "blob" if glob.takes(&path) && !found.files.contains(&path) => {
                            found.files.push(path);
                        }
                        "tree" if glob.enters(&path) => queue.push(path),
                        _ => {}
                    }
                }
            }
        }
        found.files.sort_unstable();
        found
    }

    fn contents(&self, spot: &Spot) -> Contents<'_> {
        let object = match self.objects.get(spot) {
            None => return Contents::Unknown(Need::Object(spot.clone())),
            Some(None) => return Contents::Missing,
            Some(Some(object)) => object,
        };
        if object.kind != "Blob" {
            return Contents::Missing;
        }
        if object.byte_size.unwrap_or(0) > FILE_BYTES_MAX as u64 {
            return Contents::Wrong(format!("it is larger than {} MiB", FILE_BYTES_MAX >> 20));
        }
        let is_whole = object.is_truncated != Some(true);
        match (object.text.as_deref().filter(|_| is_whole), &object.oid) {
            (Some(text), _) => Contents::Text(text.as_bytes()),
            (None, Some(oid)) => match self.blobs.get(oid) {
                None => Contents::Unknown(Need::Blob(oid.clone())),
                Some(Ok(bytes)) => Contents::Text(bytes),
                Some(Err(why)) => Contents::Wrong(why.clone()),
            },
            (None, None) => Contents::Wrong("GitHub gives nothing of it".into()),
        }
    }

    fn place<'b>(name: &'b str, location: &'b str, origin: &'b str) -> Place<'b> {
        let limits = Limits { bytes_max: FILE_BYTES_MAX, ..Limits::default() };
        Place { name, location, origin, limits }
    }

    fn pages(&self, spot: &Spot) -> Placeholders<'_> {
        let base = spot.url(self.host, &self.repository, &self.branch);
        Placeholders { reading: self, base, needs: Vec::new(), count: 0, bytes_left: BYTES_MAX }
    }

    /// Adds what stands in a file.
    fn file(
        &self,
        spot: &Spot,
        location: &str,
        origin: &str,
        wanter: Option<&Target>,
        items: &mut Vec<Item>,
    ) {
        let item = wanter.map_or(spot.path.as_str(), |wanter| &wanter.target);
        let text = match self.contents(spot) {
            Contents::Text(text) if text.trim_ascii().is_empty() => {
                let why = "it is empty; a file that is to show nothing is deleted";
                items.push(Err(self.whole(item, wanter, "InputError", why)));
                return;
            }
            Contents::Text(text) => text,
            Contents::Wrong(why) => {
                items.push(Err(self.whole(item, wanter, "InputError", &why)));
                return;
            }
            Contents::Unknown(_) | Contents::Missing => return,
        };
        // The commit changes with each push, and a message must not: it would be told again.
        let name = format!("{}/{}", self.repository.name_with_owner, spot.path);
        let pointer = self.pointer(spot);
        let mut pages = self.pages(spot);
        let read = documents(text, &Self::place(&name, location, origin), &mut pages);
        for (index, read) in read.into_iter().enumerate() {
            let pointer = Some(format!("{pointer}#{index}"));
            items.push(match read {
                Ok(mut found) => {
                    self.annotate(&mut found.document, spot);
                    Ok(Found { pointer, ..found })
                }
                Err(Problem { index, about, fault }) => {
                    let required = about.is_none() && wanter.is_some();
                    let about = about.or_else(|| wanter.map(|wanter| wanter.entity.clone()));
                    let item = format!("{}#{index}", shown(item));
                    Err(Broken { item, about, required, fault, pointer })
                }
            });
        }
    }

    /// Says where a file is shown and changed, on hosts of which the model does not know that they
    /// are GitHub. What a file says itself stays.
    fn annotate(&self, document: &mut Value, spot: &Spot) {
        if GITHUB_HOSTS.contains(&self.host.name.as_str()) {
            return;
        }
        let annotations = document.pointer_mut("/metadata/annotations");
        let Some(Value::Object(annotations)) = annotations else { return };
        let page = spot.url(self.host, &self.repository, &self.branch);
        let view = |name: &str| page.replacen("/blob/", &format!("/{name}/"), 1);
        let tree = view("tree");
        let folder = &tree[..=tree.rfind('/').unwrap_or(tree.len() - 1)];
        for (key, value) in [
            ("backstage.io/view-url", page.clone()),
            ("backstage.io/edit-url", view("edit")),
            ("backstage.io/source-location", format!("url:{folder}")),
        ] {
            annotations.entry(key).or_insert_with(|| value.into());
        }
    }

    /// `owner/name@commit:path`
    fn pointer(&self, spot: &Spot) -> String {
        let commit = spot.expression(&self.head);
        shown(&format!("{}@{commit}", self.repository.name_with_owner))
    }

    fn whole(&self, item: &str, wanter: Option<&Target>, class: &'static str, why: &str) -> Broken {
        let item = shown(item);
        let message = format!("{}: {item}: {why}", self.repository.name_with_owner);
        Broken {
            about: wanter.map(|wanter| wanter.entity.clone()),
            required: wanter.is_some(),
            fault: Fault { name: class.into(), message },
            pointer: Some(format!("{}@{}", self.repository.name_with_owner, self.head)),
            item,
        }
    }

    /// A target that is not there, if somebody minds.
    fn lost(&self, target: &Target) -> Option<Broken> {
        let why = "there is no such file";
        let mut broken = self.whole(&target.target, Some(target), "NotFoundError", why);
        broken.item = format!("{} ({})", broken.item, target.entity);
        (!target.optional).then_some(broken)
    }
}

#[derive(Default)]
struct Globbed {
    files: Vec<String>,
    why_cut: Option<String>,
}

/// What the placeholders of a file name: other files of its repository.
struct Placeholders<'a> {
    reading: &'a Reading<'a>,
    base: String,
    needs: Vec<Need>,
    count: usize,
    bytes_left: usize,
}

impl Pages for Placeholders<'_> {
    fn page(&mut self, placeholder: &Placeholder) -> Result<&[u8], Fault> {
        let fault = |name: &'static str, message: &str| Fault {
            name: name.into(),
            message: message.to_owned(),
        };
        self.count += 1;
        if self.count > PAGES_MAX {
            return Err(fault("InputError", "one file names too many others"));
        }
        let hosts = [self.reading.host.name.as_str()];
        let url = resolve_url(&self.base, &placeholder.target, &hosts);
        let url = url.ok_or_else(|| fault("InputError", "it is neither a URL nor a path"))?;
        let spot = self.reading.spot_of(&url).map_err(|_| {
            let why = "only files of the same repository are read from here";
            fault("NotAllowedError", why)
        })?;
        match self.reading.contents(&spot) {
            Contents::Text(text) => {
                let left = self.bytes_left.checked_sub(text.len());
                self.bytes_left =
                    left.ok_or_else(|| fault("InputError", "one file brings in more than 64 MiB"))?;
                Ok(text)
            }
            Contents::Missing => Err(fault("NotFoundError", "there is no such file")),
            Contents::Wrong(why) => Err(fault("InputError", &why)),
            Contents::Unknown(need) => {
                self.needs.push(need);
                // It is asked for, and all is read again then. Until then it is nothing, in
                // whatever form it is wanted, so that other needs are seen, too.
                Ok(b"null")
            }
        }
    }
}
