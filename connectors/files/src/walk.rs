//! Listing the files of a folder or a glob.
//!
//! Invariant: listing ends, whatever links there are, and gives the same files in the same order
//! for the same tree.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use globset::{GlobBuilder, GlobSet};

use crate::roots::{Roots, here_if_empty};

/// Extensions of the files that a folder is searched for.
const EXTENSIONS: [&str; 4] = ["yaml", "yml", "json", "ndjson"];

/// Folders that a search leaves out.
const LEFT_OUT: [&str; 2] = ["node_modules", "target"];

/// What is searched for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule<'a> {
    /// Files with one of the extensions, in the folder and in those in it.
    Folder,
    /// Files that match the pattern.
    Glob(&'a Pattern),
}

/// The part of a glob from its first wildcard on.
#[derive(Debug)]
pub(crate) struct Pattern {
    matcher: GlobSet,
    /// How many parts what matches has at the most.
    depth_max: Option<usize>,
    /// Whether it names hidden files itself.
    takes_hidden: bool,
    /// Whether it names the folder of Node's packages itself.
    takes_modules: bool,
}

/// How much may be listed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Files of one listing.
    pub(crate) files: usize,
    /// Entries of folders that are looked at, of all listings together.
    pub(crate) entries: usize,
}

impl Budget {
    /// What a person configured is listed, however much it is.
    pub(crate) const UNLIMITED: Self = Self { files: usize::MAX, entries: usize::MAX };
}

/// A file that was listed.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) path: PathBuf,
    /// Its path without symbolic links.
    pub(crate) real: Result<PathBuf, Trouble>,
    /// Whether it is a link itself, or was found behind one.
    pub(crate) is_linked: bool,
}

/// What is wrong with an entry of a folder.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It can't be resolved.
    Io(io::Error),
    /// It leads out of the roots.
    Outside,
    /// It leads back to a folder that it lies in.
    Loop,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Files, in the order of their paths, those behind links last.
    pub(crate) files: Vec<Listed>,
    /// Folders that were looked into, without symbolic links.
    pub(crate) folders: Vec<PathBuf>,
    /// Links to folders, or to nothing, that were not followed.
    pub(crate) strays: Vec<(PathBuf, Trouble)>,
    /// Folders that could not be listed.
    pub(crate) unlisted: Vec<(PathBuf, io::Error)>,
    /// Of what there was more than the budget has.
    pub(crate) is_cut: bool,
}

impl Listed {
    /// A file that was found by its name.
    pub(crate) fn new(path: PathBuf, real: PathBuf) -> Self {
        Self { path, real: Ok(real), is_linked: false }
    }
}

impl Listing {
    /// Of a file that was named itself, wherever it leads.
    pub(crate) fn of_file(path: &Path) -> Self {
        let real = fs::canonicalize(path).map_err(Trouble::Io);
        let file = Listed { path: path.to_owned(), real, is_linked: false };
        Self { files: vec![file], ..Self::default() }
    }
}

/// Listing was told to stop.
#[derive(Debug)]
pub(crate) struct Stopped;

/// Splits a path with wildcards into the folder before the first one, and the pattern.
pub(crate) fn split(path: &Path) -> Option<(PathBuf, Result<Pattern, String>)> {
    let parts: Vec<_> = path.components().collect();
    let is_wild = |text: &OsStr| text.as_encoded_bytes().iter().any(|byte| b"*?[{".contains(byte));
    let fixed = parts.iter().position(|part| is_wild(part.as_os_str()))?;
    let rest: Vec<&str> =
        parts[fixed..].iter().map(|part| part.as_os_str().to_str()).collect::<Option<_>>()?;
    Some((parts[..fixed].iter().collect(), Pattern::new(&rest)))
}

/// The longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 4096;

/// How many braces a pattern may have: they may stand in one another, and reading them recurses.
const BRACES_MAX: usize = 64;

impl Pattern {
    fn new(parts: &[&str]) -> Result<Self, String> {
        let text = parts.join("/");
        if text.len() > PATTERN_BYTES_MAX || text.matches('{').count() > BRACES_MAX {
            return Err(format!(
                "it is longer than {PATTERN_BYTES_MAX} bytes, or has more than {BRACES_MAX} braces"
            ));
        }
        let said = |error: globset::Error| error.kind().to_string();
        let glob = GlobBuilder::new(&text).literal_separator(true).backslash_escape(true).build();
        // A set says so where a pattern is too large to be compiled; a single glob panics.
        let matcher = GlobSet::builder().add(glob.map_err(said)?).build().map_err(said)?;
        // Of a pair of braces with a `/` between them, the parts have one each.
        let is_split = |part: &&str| part.matches('{').count() != part.matches('}').count();
        let is_deep = parts.contains(&"**") || parts.iter().any(is_split);
        let is_hidden = |part: &&str| [".", "{.", "[."].iter().any(|dot| part.starts_with(dot));
        Ok(Self {
            matcher,
            depth_max: (!is_deep).then_some(parts.len()),
            takes_hidden: parts.iter().any(is_hidden),
            takes_modules: text.contains("node_modules"),
        })
    }
}

impl Rule<'_> {
    fn takes(&self, name: &OsStr, relative: &Path) -> bool {
        match self {
            Self::Folder => !is_hidden(name) && has_extension(Path::new(name)),
            Self::Glob(pattern) => {
                (pattern.takes_hidden || !is_hidden(name)) && pattern.matcher.is_match(relative)
            }
        }
    }

    fn enters(&self, name: &OsStr, depth: usize) -> bool {
        match self {
            Self::Folder => !is_hidden(name) && !LEFT_OUT.iter().any(|left_out| name == *left_out),
            Self::Glob(pattern) => {
                (pattern.takes_hidden || !is_hidden(name))
                    && (pattern.takes_modules || name != LEFT_OUT[0])
                    && pattern.depth_max.is_none_or(|max| depth < max)
            }
        }
    }
}

/// Whether a file has one of the extensions of files that a folder is searched for.
pub(crate) fn has_extension(path: &Path) -> bool {
    path.extension().is_some_and(|found| EXTENSIONS.iter().any(|known| found == *known))
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Lists what is searched for in a folder. An empty path is the folder that the process runs in.
pub(crate) fn list(
    top: &Path,
    rule: Rule<'_>,
    roots: &Roots,
    budget: &mut Budget,
    stop: &AtomicBool,
) -> Result<Listing, Stopped> {
    let mut listing = Listing::default();
    let real = match fs::canonicalize(here_if_empty(top)) {
        Ok(real) => real,
        Err(error) => {
            listing.unlisted.push((top.to_owned(), error));
            return Ok(listing);
        }
    };
    let (links, seen) = (Vec::new(), HashSet::from([real.clone()]));
    let mut walk = Walk { top, rule, roots, budget, stop, listing, links, seen };
    let chain = Rc::new(Chain { real, above: None });
    let mut folders = vec![Folder { path: top.to_owned(), chain, depth: 1, is_linked: false }];
    while !walk.listing.is_cut {
        if let Some(folder) = folders.pop() {
            walk.folder(&folder, &mut folders)?;
            continue;
        }
        // Links come after everything else, so that a file goes by its own name if it has one.
        walk.links.sort_by(|a, b| b.path.cmp(&a.path));
        let Some(link) = walk.links.pop() else { break };
        folders.extend(walk.follow(link));
    }
    let mut listing = walk.listing;
    listing.files.sort_by(|a, b| (a.is_linked, &a.path).cmp(&(b.is_linked, &b.path)));
    Ok(listing)
}

/// The folders on the way to one, without symbolic links, itself first.
#[derive(Debug)]
struct Chain {
    real: PathBuf,
    above: Option<Rc<Chain>>,
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    chain: Rc<Chain>,
    /// How many parts the path of an entry has, from the top on.
    depth: usize,
    is_linked: bool,
}

struct Walk<'a> {
    top: &'a Path,
    rule: Rule<'a>,
    roots: &'a Roots,
    budget: &'a mut Budget,
    stop: &'a AtomicBool,
    listing: Listing,
    /// Links to folders, with the chain of the folder that each lies in.
    links: Vec<Folder>,
    seen: HashSet<PathBuf>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Folder, below: &mut Vec<Folder>) -> Result<(), Stopped> {
        let entries = fs::read_dir(&folder.chain.real).and_then(|entries| {
            let mut listed = Vec::new();
            for entry in entries {
                if self.stop.load(Ordering::Relaxed) {
                    return Ok(listed);
                }
                if self.budget.entries == 0 {
                    self.listing.is_cut = true;
                    break;
                }
                self.budget.entries -= 1;
                listed.push(entry?);
            }
            Ok(listed)
        });
        if self.stop.load(Ordering::Relaxed) {
            return Err(Stopped);
        }
        match entries {
            Ok(mut entries) => {
                self.listing.folders.push(folder.chain.real.clone());
                entries.sort_by_key(DirEntry::file_name);
                let first = below.len();
                entries.iter().for_each(|entry| self.entry(folder, entry, below));
                below[first..].reverse();
            }
            // It went while its folder was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder.depth > 1 => {}
            Err(error) => self.listing.unlisted.push((folder.path.clone(), error)),
        }
        Ok(())
    }

    fn entry(&mut self, folder: &Folder, entry: &DirEntry, below: &mut Vec<Folder>) {
        let name = entry.file_name();
        let path = folder.path.join(&name);
        let kind = entry.file_type();
        let is_link = kind.as_ref().is_ok_and(fs::FileType::is_symlink);
        let target = is_link.then(|| fs::metadata(&path));
        let is_folder = match &target {
            None => kind.is_ok_and(|kind| kind.is_dir()),
            Some(target) => target.as_ref().is_ok_and(fs::Metadata::is_dir),
        };
        let real = folder.chain.real.join(&name);
        if is_folder {
            if !self.rule.enters(&name, folder.depth) {
                return;
            }
            let depth = folder.depth + 1;
            let above = Some(Rc::clone(&folder.chain));
            let chain = Rc::new(Chain { real: real.clone(), above });
            let entered = Folder { path, chain, depth, is_linked: folder.is_linked || is_link };
            if is_link {
                self.links.push(entered);
            } else if self.is_new(real) {
                below.push(entered);
            }
            return;
        }
        let relative = path.strip_prefix(self.top).unwrap_or(&path);
        if !self.rule.takes(&name, relative) {
            // What a broken link led to may have been a folder.
            if let Some(Err(error)) = target
                && self.rule.enters(&name, folder.depth)
            {
                self.listing.strays.push((path, Trouble::Io(error)));
            }
            return;
        }
        let real = match target {
            None => Ok(real),
            Some(Err(error)) => Err(Trouble::Io(error)),
            Some(Ok(_)) => match fs::canonicalize(&path) {
                Ok(real) if self.roots.hold(&real) => Ok(real),
                Ok(_) => Err(Trouble::Outside),
                Err(error) => Err(Trouble::Io(error)),
            },
        };
        if self.listing.files.len() == self.budget.files {
            self.listing.is_cut = true;
            return;
        }
        let is_linked = folder.is_linked || is_link;
        self.listing.files.push(Listed { path, real, is_linked });
    }

    /// The folder that a link leads to, if it is to be looked into.
    fn follow(&mut self, link: Folder) -> Option<Folder> {
        let trouble = match fs::canonicalize(&link.path) {
            Err(error) => Trouble::Io(error),
            Ok(real) if !self.roots.hold(&real) => Trouble::Outside,
            Ok(real) => {
                let above = link.chain.above.clone();
                let ways = std::iter::successors(above.as_deref(), |at| at.above.as_deref());
                if ways.map(|at| &at.real).any(|at| at.starts_with(&real)) {
                    Trouble::Loop
                } else if self.is_new(real.clone()) {
                    return Some(Folder { chain: Rc::new(Chain { real, above }), ..link });
                } else {
                    return None;
                }
            }
        };
        self.listing.strays.push((link.path, trouble));
        None
    }

    /// Whether a folder is to be looked into. A glob may match by one way to a folder and not by
    /// another; a search by extension finds the same by every way.
    fn is_new(&mut self, real: PathBuf) -> bool {
        matches!(self.rule, Rule::Glob(_)) || self.seen.insert(real)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_any_kind_are_compiled_or_refused() {
        for (text, is_good) in [
            ("a/*.yaml".to_owned(), true),
            ("a/{b,c/{d,e}}/**/x.yaml".to_owned(), true),
            ("[".to_owned(), false),
            ("{a".to_owned(), false),
            // More than a regular expression may nest, or be large.
            ("{".repeat(300) + "a" + &"}".repeat(300), false),
            ("[!a]".repeat(1000), true),
            ("[ -\u{10ffff}]".repeat(400), true),
            ("*".repeat(5000), false),
        ] {
            let found = split(Path::new(&text)).map(|(_, pattern)| pattern);
            let found = found.unwrap_or_else(|| panic!("{text} has wildcards"));
            assert_eq!(found.is_ok(), is_good, "{text}: {:?}", found.err());
        }
    }
}
