//! Looking for what globs match, folder by folder. A folder's names are looked through as they
//! come, and not kept.

use std::collections::{BTreeMap, BTreeSet};

use crate::answer::GitObject;
use crate::pattern::Patterns;
use crate::place::Spot;

/// Folders that globs may look into, and files that they may find, in one repository.
const FOLDERS_MAX: usize = 10_000;
const FILES_MAX: usize = 10_000;

/// What the paths of the folders that wait, and of the files that were found, may take, in bytes.
const PATHS_BYTES_MAX: usize = 2 << 20;

/// Folders that are asked for in one round.
const FOLDERS_A_ROUND: usize = 1000;

/// How far globs were looked for.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Folders to be listed yet, each with the globs that look into it.
    open: BTreeMap<String, BTreeSet<usize>>,
    found: BTreeSet<String>,
    folders: usize,
    bytes: usize,
    is_cut: bool,
}

impl Survey {
    pub(crate) fn new(patterns: &Patterns) -> Self {
        let mut survey = Self::default();
        for (number, glob) in patterns.globs.iter().enumerate() {
            survey.open.entry(glob.root.clone()).or_default().insert(number);
        }
        survey
    }

    /// Folders that have to be listed now; none, once all is found.
    pub(crate) fn needs(&self) -> impl Iterator<Item = Spot> {
        self.open.keys().take(FOLDERS_A_ROUND).map(Spot::here)
    }

    pub(crate) fn is_done(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether it found nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty() && !self.is_cut
    }

    /// Takes in what there is at a path, where that is waited for.
    pub(crate) fn list(&mut self, patterns: &Patterns, spot: &Spot, object: Option<&GitObject>) {
        if spot.revision.is_some() {
            return;
        }
        let folder = spot.path.as_str();
        let Some(globs) = self.open.remove(folder) else { return };
        self.bytes = self.bytes.saturating_sub(folder.len());
        self.folders += 1;
        let entries = object.iter().flat_map(|object| object.entries.iter().flatten());
        for entry in entries {
            let path = match folder {
                "" => entry.name.clone(),
                folder => format!("{folder}/{}", entry.name),
            };
            let mut globs = globs.iter().map(|number| (*number, &patterns.globs[*number]));
            match entry.kind.as_str() {
                "blob" if globs.any(|(_, glob)| glob.takes(&path)) => self.find(path),
                "tree" => {
                    let into = globs.filter(|(_, glob)| glob.enters(&path));
                    let into: BTreeSet<usize> = into.map(|(number, _)| number).collect();
                    if !into.is_empty() {
                        self.bytes += path.len();
                        self.open.entry(path).or_default().extend(into);
                    }
                }
                _ => {}
            }
            if self.is_cut() {
                return;
            }
        }
    }

    fn find(&mut self, path: String) {
        let length = path.len();
        if self.found.insert(path) {
            self.bytes += length;
        }
    }

    /// Ends it where there is too much.
    fn is_cut(&mut self) -> bool {
        let is_much = self.folders + self.open.len() > FOLDERS_MAX
            || self.found.len() > FILES_MAX
            || self.bytes > PATHS_BYTES_MAX;
        if is_much {
            self.is_cut = true;
            self.open.clear();
        }
        is_much
    }

    /// Files that were found, in their order, of which some are known to be others'.
    pub(crate) fn into_found(self, known: &[String]) -> Vec<String> {
        self.found.into_iter().filter(|path| !known.contains(path)).collect()
    }

    /// Why not all was found.
    pub(crate) fn why_cut(&self) -> Option<String> {
        self.is_cut.then(|| {
            format!(
                "globs match in more than {FOLDERS_MAX} folders, or more than {FILES_MAX} files, \
                 or such with too long paths; only the first ones are read"
            )
        })
    }

    /// What is held of it, in bytes.
    pub(crate) const fn held(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn folder(entries: &[(&str, &str)]) -> GitObject {
        let entries = entries.iter().map(|(name, kind)| json!({"name": name, "type": kind}));
        let entries = entries.collect::<Vec<_>>();
        serde_json::from_value(json!({"__typename": "Tree", "entries": entries})).unwrap()
    }

    fn asked(survey: &Survey) -> String {
        survey.needs().map(|spot| spot.path).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn folders_are_listed_once_for_all_globs() {
        let globs = ["**/catalog-info.yaml", "a/*.yaml", "b/*/x.yaml"].map(str::to_owned);
        let patterns = Patterns::new(&globs).unwrap();
        let mut survey = Survey::new(&patterns);
        assert_eq!(asked(&survey), " a b");
        let root = folder(&[("a", "tree"), ("catalog-info.yaml", "blob"), ("s", "commit")]);
        survey.list(&patterns, &Spot::here(""), Some(&root));
        let of_a = folder(&[("x.yaml", "blob"), ("y.txt", "blob"), ("c", "tree")]);
        survey.list(&patterns, &Spot::here("a"), Some(&of_a));
        // Nobody waits for it any more.
        survey.list(&patterns, &Spot::here("a"), Some(&root));
        survey.list(&patterns, &Spot::here("b"), None);
        assert_eq!(asked(&survey), "a/c");
        let of_c = folder(&[("catalog-info.yaml", "blob"), ("x.yaml", "blob")]);
        survey.list(&patterns, &Spot::here("a/c"), Some(&of_c));
        assert!(survey.is_done() && survey.why_cut().is_none());
        let known = ["catalog-info.yaml".to_owned()];
        assert_eq!(survey.into_found(&known), ["a/c/catalog-info.yaml", "a/x.yaml"]);
    }

    #[test]
    fn what_is_found_is_bounded() {
        let patterns = Patterns::new(&["**/a*".to_owned()]).unwrap();
        let many = |kind: &str, count: usize, length: usize| {
            let entry = |at: usize| json!({"name": format!("a{at:0length$}"), "type": kind});
            let entries: Vec<_> = (0..count).map(entry).collect();
            let value = json!({"__typename": "Tree", "entries": entries});
            serde_json::from_value::<GitObject>(value).unwrap()
        };
        for (folder, is_cut) in [
            (many("blob", FILES_MAX, 5), false),
            (many("blob", FILES_MAX + 1, 5), true),
            (many("tree", FOLDERS_MAX - 1, 5), false),
            (many("tree", FOLDERS_MAX, 5), true),
            (many("blob", 2200, 1000), true),
            (many("tree", 2200, 1000), true),
        ] {
            let mut survey = Survey::new(&patterns);
            survey.list(&patterns, &Spot::here(""), Some(&folder));
            assert_eq!(survey.why_cut().is_some(), is_cut);
            assert!(survey.needs().count() <= FOLDERS_A_ROUND);
            assert!(survey.held() <= PATHS_BYTES_MAX + 1001);
            assert!(!is_cut || survey.is_done());
        }
    }
}
