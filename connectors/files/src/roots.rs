//! The folders below which files may be read on the word of a document.
//!
//! Invariant: what [`Roots::locate`] gives lies in one of the roots with every symbolic link
//! resolved, and it never tells whether something outside of them exists.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Folders, with symbolic links resolved.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roots {
    folders: Vec<PathBuf>,
}

/// Why something may not, or can't be read.
#[derive(Debug)]
pub(crate) enum Denied {
    /// It lies outside of the roots.
    Outside,
    /// It lies inside, or would if it existed.
    Io(io::Error),
}

impl Roots {
    /// The folders of these that exist.
    pub(crate) fn new(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        let real = |folder: PathBuf| fs::canonicalize(here_if_empty(&folder)).ok();
        let mut folders: Vec<PathBuf> = folders.into_iter().filter_map(real).collect();
        folders.sort_unstable();
        folders.dedup();
        Self { folders }
    }

    /// Whether a path without symbolic links lies in one of the roots.
    pub(crate) fn hold(&self, real: &Path) -> bool {
        self.folders.iter().any(|folder| real.starts_with(folder))
    }

    /// Resolves a path, if it leads to something in the roots.
    pub(crate) fn locate(&self, path: &Path) -> Result<PathBuf, Denied> {
        match fs::canonicalize(path) {
            Ok(real) if self.hold(&real) => Ok(real),
            Ok(_) => Err(Denied::Outside),
            Err(error) => {
                // Whoever is not let in does not learn either what is there.
                let nearest = path.ancestors().skip(1);
                let real =
                    nearest.filter_map(|folder| fs::canonicalize(here_if_empty(folder)).ok());
                let is_inside = real.take(1).any(|real| self.hold(&real));
                Err(if is_inside { Denied::Io(error) } else { Denied::Outside })
            }
        }
    }
}

/// The folder of a path of one part is the empty path, which no system call takes.
pub(crate) fn here_if_empty(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_what_lies_in_the_roots_is_located() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |path: &str| folder.path().join(path);
        fs::create_dir_all(at("in/deep")).expect("a folder");
        fs::create_dir_all(at("inside-not")).expect("a folder");
        fs::write(at("in/a.yaml"), "a").expect("a file");
        fs::write(at("out.yaml"), "a").expect("a file");
        fs::write(at("inside-not/a.yaml"), "a").expect("a file");
        symlink("../out.yaml", at("in/escape.yaml")).expect("a link");
        symlink("..", at("in/up")).expect("a link");
        symlink("a.yaml", at("in/link.yaml")).expect("a link");
        symlink("nothing", at("in/dangling.yaml")).expect("a link");
        symlink("in", at("way-in")).expect("a link");
        let roots = Roots::new([at("in"), at("missing")]);
        for (path, expected) in [
            ("in/a.yaml", "in"),
            ("in/link.yaml", "in"),
            ("way-in/a.yaml", "in"),
            ("in/../in/a.yaml", "in"),
            ("in/none.yaml", "missing"),
            ("in/none/none.yaml", "missing"),
            ("in/dangling.yaml", "missing"),
            ("in/a.yaml/b", "missing"),
            ("out.yaml", "outside"),
            ("none.yaml", "outside"),
            ("inside-not/a.yaml", "outside"),
            ("in/escape.yaml", "outside"),
            ("in/up/out.yaml", "outside"),
            ("in/up/none.yaml", "outside"),
            ("in/../none.yaml", "outside"),
        ] {
            let found = match roots.locate(&at(path)) {
                Ok(real) => {
                    assert_eq!(real, fs::canonicalize(at("in/a.yaml")).expect("real"));
                    "in"
                }
                Err(Denied::Io(_)) => "missing",
                Err(Denied::Outside) => "outside",
            };
            assert_eq!(found, expected, "{path}");
        }
    }
}
