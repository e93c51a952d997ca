//! What a path names: a file, a folder, or by its wildcards several files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use event::vocabulary::Fault;

use crate::roots::here_if_empty;
use crate::walk::{self, Pattern, Trouble};
use crate::{resolve, words};

/// What a path names.
#[derive(Debug)]
pub(crate) enum Site {
    /// A file, or something that is no file, which shows when it is opened.
    File,
    /// A folder.
    Folder,
    /// Files in a folder, which is named as the path was.
    Glob(PathBuf, Pattern),
}

/// Why a path names nothing.
#[derive(Debug)]
pub(crate) enum Nowhere {
    Io(io::Error),
    Pattern(String),
}

impl Nowhere {
    /// What is wrong, after the path's name.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Io(error) => words::of_io(error),
            Self::Pattern(why) => format!("is no pattern for files: {why}"),
        }
    }
}

/// Finds out what a path names, seen from a folder. What exists is taken by its name, even with
/// wildcards in it.
pub(crate) fn look(from: &Path, path: &Path) -> Result<Site, Nowhere> {
    match fs::metadata(here_if_empty(&from.join(path))) {
        Ok(found) if found.is_dir() => Ok(Site::Folder),
        Ok(_) => Ok(Site::File),
        Err(error) => match (error.kind(), walk::split(path)) {
            // A pattern may be longer than any name of a file.
            (io::ErrorKind::NotFound | io::ErrorKind::InvalidFilename, Some((folder, pattern))) => {
                Ok(Site::Glob(folder, pattern.map_err(Nowhere::Pattern)?))
            }
            _ => Err(Nowhere::Io(error)),
        },
    }
}

/// The folder that a path names, or in which what it names lies.
pub(crate) fn root(from: &Path, path: &Path) -> PathBuf {
    let whole = from.join(path);
    match look(from, path) {
        Ok(Site::File) => whole.parent().map(Path::to_owned).unwrap_or(whole),
        Ok(Site::Glob(folder, _)) => from.join(folder),
        // What is not there is no folder either.
        Ok(Site::Folder) | Err(_) => whole,
    }
}

/// What is wrong with an entry of a folder.
pub(crate) fn fault_of(name: &str, trouble: &Trouble) -> Fault {
    let (class, message) = match trouble {
        Trouble::Io(error) if error.kind() == io::ErrorKind::NotFound => {
            ("NotFoundError", format!("{name} is a link to something that does not exist"))
        }
        Trouble::Io(error) => (words::class_of(error), format!("{name} {}", words::of_io(error))),
        Trouble::Outside => ("NotAllowedError", resolve::outside(name)),
        Trouble::Loop => {
            let message = format!("{name} is a link that leads back to a folder in which it lies");
            ("InputError", message)
        }
    };
    words::fault(class, message)
}

/// What is wrong with a folder that can't be listed.
pub(crate) fn fault_of_unlisted(name: &str, error: &io::Error) -> Fault {
    let words = words::of_io(error);
    words::fault(words::class_of(error), format!("the folder {name} {words}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_files_folders_and_globs() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |path: &str| folder.path().join(path);
        fs::create_dir_all(at("a/b")).expect("a folder");
        fs::write(at("a/x.yaml"), "").expect("a file");
        fs::write(at("a/[x].yaml"), "").expect("a file");
        for (path, expected) in [
            ("a", "folder"),
            ("a/", "folder"),
            ("a/x.yaml", "file"),
            ("a/[x].yaml", "file"),
            ("a/*.yaml", "glob in a"),
            ("a/b/{x,y}/*", "glob in a/b"),
            ("a/none/**", "glob in a/none"),
            ("none", "does not exist"),
            ("a/x.yaml/b", "could not be read: not a directory"),
            (
                "a/{",
                "is no pattern for files: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)",
            ),
        ] {
            let found = match look(folder.path(), Path::new(path)) {
                Ok(Site::File) => "file".to_owned(),
                Ok(Site::Folder) => "folder".to_owned(),
                Ok(Site::Glob(base, _)) => format!("glob in {}", base.display()),
                Err(nowhere) => nowhere.words(),
            };
            assert_eq!(found, expected, "{path}");
        }
        assert!(matches!(look(Path::new(""), Path::new("")), Ok(Site::Folder)));
    }
}
