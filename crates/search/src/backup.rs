//! Backing up the index.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ::backup::Making;

use crate::Error;
use crate::folder::numbers;

/// What is another in each commit; all other files never change.
const OF_A_COMMIT: [&str; 2] = ["meta.json", ".managed.json"];

/// How often it is begun anew when the index is written meanwhile. What was copied stays copied.
const TRIES: usize = 10;

/// Takes the newest index of a folder into a backup, whoever writes it meanwhile; `false` where
/// there is none, or it was never at rest: it is built anew from the views then.
///
/// # Errors
/// When the folder can't be read.
pub fn back_up(root: &Path, name: &str, making: &mut Making<'_>) -> Result<bool, Error> {
    if !root.is_dir() {
        return Ok(false);
    }
    let Some(number) = numbers(root)?.pop() else { return Ok(false) };
    let index = root.join(number.to_string());
    for _ in 0..TRIES {
        let Some(before) = texts(&index, number) else { continue };
        let files = files(&index, number)?;
        // A file that is gone was not needed any more by the commit after the one that was read.
        let copied = making.files(name, root, files, before.clone());
        if copied.is_ok() && texts(&index, number).is_some_and(|after| after == before) {
            return Ok(true);
        }
    }
    making.without_files(name);
    Ok(false)
}

/// What a commit says of itself.
fn texts(index: &Path, number: u64) -> Option<BTreeMap<String, String>> {
    let read = |name: &&str| {
        let text = std::fs::read_to_string(index.join(name)).ok()?;
        Some((format!("{number}/{name}"), text))
    };
    OF_A_COMMIT.iter().map(read).collect()
}

fn files(index: &Path, number: u64) -> Result<Vec<PathBuf>, Error> {
    let error = |source| Error::Io { path: index.to_owned(), step: "be read", source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(index).map_err(error)? {
        let name = entry.map_err(error)?.file_name();
        let is_file =
            name.to_str().is_some_and(|name| !name.starts_with('.') && name != OF_A_COMMIT[0]);
        if is_file {
            files.push(Path::new(&number.to_string()).join(name));
        }
    }
    files.sort_unstable();
    Ok(files)
}
