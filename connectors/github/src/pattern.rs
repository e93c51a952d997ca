//! Paths of catalog files in repositories: names of files, and globs.
//!
//! A glob is looked for folder by folder: what stands before its first wildcard is listed, and of
//! each folder in it only those are listed in turn that could lead to a match.

use connector::shown;
use globset::{GlobBuilder, GlobSet};

/// The longest path, in bytes.
pub(crate) const PATH_BYTES_MAX: usize = 1024;

/// How many there may be.
const PATTERNS_MAX: usize = 100;

/// How many braces a pattern may have: they may stand in one another, and reading them recurses.
const BRACES_MAX: usize = 16;

/// How many folders deep a glob with `**` looks.
const DEPTH_MAX: usize = 12;

/// The paths that are configured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patterns {
    /// Files by their names.
    pub(crate) files: Vec<String>,
    pub(crate) globs: Vec<Pattern>,
    /// As they were written, to tell whether others are configured.
    pub(crate) written: Vec<String>,
}

/// A path with wildcards.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    /// The folder before the first wildcard; empty for the root.
    pub(crate) root: String,
    whole: GlobSet,
    /// For each depth below the root, what leads on; absent from the first `**` on.
    steps: Vec<GlobSet>,
    is_deep: bool,
}

impl Patterns {
    pub(crate) fn new(written: &[String]) -> Result<Self, String> {
        if written.is_empty() || written.len() > PATTERNS_MAX {
            return Err(format!(
                "it needs at least one of `catalog_paths`, at most {PATTERNS_MAX}"
            ));
        }
        let mut patterns = Self { written: written.to_vec(), ..Self::default() };
        for text in written {
            let path = text.strip_prefix('/').unwrap_or(text);
            if !is_path(path) || path.matches('{').count() > BRACES_MAX {
                let text = shown(text);
                return Err(format!("`{text}` is no path of files in a repository"));
            }
            if path.contains(['*', '?', '[', '{']) {
                let pattern = Pattern::new(path);
                let pattern = pattern
                    .map_err(|why| format!("`{}` is no pattern for files: {why}", shown(text)))?;
                patterns.globs.push(pattern);
            } else {
                patterns.files.push(path.to_owned());
            }
        }
        Ok(patterns)
    }

    /// Whether a file is one of these.
    pub(crate) fn take(&self, path: &str) -> bool {
        self.files.iter().any(|file| file == path) || self.globs.iter().any(|glob| glob.takes(path))
    }
}

/// Compiles a glob, whose `*` stand for no `/`.
pub(crate) fn compile(text: &str) -> Result<GlobSet, String> {
    let said = |error: globset::Error| error.kind().to_string();
    let glob = GlobBuilder::new(text).literal_separator(true).build().map_err(said)?;
    // A set says so where a pattern is too large to be compiled; a single glob panics.
    GlobSet::builder().add(glob).build().map_err(said)
}

/// Whether a text is a path within a repository.
pub(crate) fn is_path(text: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part != "." && part != "..";
    text.len() <= PATH_BYTES_MAX
        && text.split('/').all(is_part)
        && !text.chars().any(|c| c.is_control() || c == '\\')
}

impl Pattern {
    fn new(path: &str) -> Result<Self, String> {
        let whole = compile(path)?;
        let parts: Vec<&str> = path.split('/').collect();
        let is_wild = |part: &&str| part.contains(['*', '?', '[', '{']);
        let fixed = parts.iter().position(is_wild).unwrap_or(0);
        let root = parts[..fixed].join("/");
        let folders = &parts[fixed..parts.len() - 1];
        // Of a pair of braces with a `/` between them, the parts have one each.
        let is_split = |part: &&str| part.matches('{').count() != part.matches('}').count();
        let deep = parts.iter().any(is_split).then_some(0);
        let deep = deep.or_else(|| folders.iter().position(|part| part.contains("**")));
        let deep = deep.or_else(|| parts[parts.len() - 1].contains("**").then_some(folders.len()));
        let steps = folders[..deep.unwrap_or(folders.len())].iter().map(|part| compile(part));
        let steps = steps.collect::<Result<_, _>>()?;
        Ok(Self { root, whole, steps, is_deep: deep.is_some() })
    }

    /// Whether a file is one of these.
    pub(crate) fn takes(&self, path: &str) -> bool {
        self.whole.is_match(path)
    }

    /// Whether a folder, by its path in the repository, could hold what matches.
    pub(crate) fn enters(&self, folder: &str) -> bool {
        let below = match self.root.as_str() {
            "" => folder,
            root => match folder.strip_prefix(root).and_then(|rest| rest.strip_prefix('/')) {
                Some(below) => below,
                None => return false,
            },
        };
        let parts = below.split('/');
        let depth = parts.clone().count();
        let goes = self.steps.iter().zip(parts).all(|(step, part)| step.is_match(part));
        let is_hidden = |part: &str| part == ".git" || part == "node_modules";
        goes && if depth > self.steps.len() {
            self.is_deep && depth <= DEPTH_MAX && !below.split('/').any(is_hidden)
        } else {
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_are_looked_for_where_they_can_match() {
        for (pattern, root, enters, not, takes) in [
            (
                "services/*/catalog-info.yaml",
                "services",
                "services/a",
                "services/a/b",
                "services/a/catalog-info.yaml",
            ),
            ("*.yaml", "", "", "a", "x.yaml"),
            ("**/catalog-info.yaml", "", "a/b/c", "a/node_modules/b", "a/b/catalog-info.yaml"),
            ("a/v?/**/x.{yaml,yml}", "a", "a/v1/b/c", "a/w1", "a/v1/x.yml"),
            ("a/{b,c/d}/x.yaml", "a", "a/c", "b", "a/c/d/x.yaml"),
            ("/.annals/*.yaml", ".annals", "", ".annals/a", ".annals/b.yaml"),
        ] {
            let patterns = Patterns::new(&[pattern.to_owned()]).unwrap();
            let glob = &patterns.globs[0];
            assert_eq!(glob.root, root, "{pattern}");
            assert!(enters.is_empty() || glob.enters(enters), "{pattern} {enters}");
            assert!(!glob.enters(not), "{pattern} {not}");
            assert!(patterns.take(takes), "{pattern} {takes}");
        }
        let files = Patterns::new(&["/catalog-info.yaml".into(), "a/b.yaml".into()]).unwrap();
        assert!(files.take("catalog-info.yaml") && files.take("a/b.yaml") && !files.take("b.yaml"));
        for wrong in ["", "a//b", "a/../b", "a\\b", "{{", &"*/".repeat(1000)] {
            Patterns::new(&[wrong.to_owned()]).expect_err(wrong);
        }
        let deep = "{".repeat(40) + "a" + &"}".repeat(40);
        Patterns::new(&[deep]).expect_err("braces");
        Patterns::new(&["[ -\u{10ffff}]".repeat(90)]).expect("a large class, and no panic");
    }
}
