//! Files that never change once they are written.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::Error;

/// The names in a folder; none where it is not there.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("be read", folder)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(Error::io("be read", folder))?.file_name();
        names.extend(name.into_string());
    }
    names.sort_unstable();
    Ok(names)
}

/// Adds those files that are not there yet.
pub(crate) fn add(from: &Path, files: &[PathBuf], to: &Path) -> Result<(), Error> {
    for file in files {
        let (source, target) = (from.join(file), to.join(file));
        let length = fs::metadata(&source).map_err(Error::io("be read", &source))?.len();
        if fs::metadata(&target).is_ok_and(|there| there.len() == length) {
            continue;
        }
        copy(&source, &target)?;
    }
    Ok(())
}

/// Puts files back.
pub(crate) fn restore(from: &Path, files: &[PathBuf], to: &Path) -> Result<(), Error> {
    files.iter().try_for_each(|file| copy(&from.join(file), &to.join(file)))
}

/// Removes the files that are not needed.
pub(crate) fn keep(folder: &Path, needed: &BTreeSet<&Path>) -> Result<(), Error> {
    keep_below(folder, Path::new(""), needed)
}

fn keep_below(folder: &Path, below: &Path, needed: &BTreeSet<&Path>) -> Result<(), Error> {
    for name in names(&folder.join(below))? {
        let file = below.join(name);
        let path = folder.join(&file);
        if path.is_dir() {
            keep_below(folder, &file, needed)?;
            // A folder that is not empty stays.
            let _ = fs::remove_dir(&path);
        } else if !needed.contains(&*file) {
            fs::remove_file(&path).map_err(Error::io("be removed", &path))?;
        }
    }
    Ok(())
}

/// Copies a file whole, or not at all.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let partial = partial(to)?;
    fs::copy(from, &partial).map_err(Error::io("be copied", from))?;
    let synced = fs::File::open(&partial).and_then(|file| file.sync_all());
    synced.and_then(|()| fs::rename(&partial, to)).map_err(Error::io("be written", to))
}

/// Writes a text whole, or not at all.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Error> {
    let partial = partial(path)?;
    let written = fs::File::create(&partial).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&partial, path)
    });
    written.map_err(Error::io("be written", path))
}

/// Where a file stands until it is whole.
fn partial(path: &Path) -> Result<PathBuf, Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Error::io("be made", folder))?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    Ok(path.with_file_name(name))
}
