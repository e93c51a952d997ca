//! Making anew what is made of the log: views and the search index.
//!
//! A file says that it has to be done. It is written before anything is erased from the log and
//! goes when the old folders are gone, so that a crash in between leaves nothing behind that still
//! holds what was erased.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use log::EmbeddedLog;

/// The folders that are made of the log.
const MADE: [&str; 2] = ["views", "search"];

fn asked_file(data: &Path) -> PathBuf {
    data.join("rebuild")
}

/// Asks that views and search index are made anew before they are used again.
pub(crate) fn ask(data: &Path) -> Result<()> {
    let path = asked_file(data);
    let words = "What is made of the log has to be made anew before it is used again.\n";
    let written = std::fs::File::create(&path).and_then(|mut file| {
        std::io::Write::write_all(&mut file, words.as_bytes())?;
        file.sync_all()
    });
    written.with_context(|| format!("the file {} can't be written", path.display()))
}

/// Whether that is asked.
pub(crate) fn is_asked(data: &Path) -> bool {
    asked_file(data).exists()
}

/// Does to the log what an erasure that was interrupted may have left undone.
pub(crate) fn rewrite_log(data: &Path, log: &EmbeddedLog) -> Result<()> {
    if is_asked(data) { Ok(log.rewrite()?) } else { Ok(()) }
}

/// Takes the old folders away, if that is asked.
pub(crate) fn drop_old(data: &Path) -> Result<()> {
    if !is_asked(data) {
        return Ok(());
    }
    for made in MADE {
        let (folder, old) = (data.join(made), data.join(format!("{made}.old")));
        remove(&old)?;
        // A folder that is half gone would not be opened: it goes under another name.
        match std::fs::rename(&folder, &old) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                let what = format!("the folder {} can't be renamed", folder.display());
                return Err(error).context(what);
            }
            _ => remove(&old)?,
        }
    }
    let path = asked_file(data);
    std::fs::remove_file(&path)
        .with_context(|| format!("the file {} can't be removed", path.display()))
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("the folder {} can't be removed", folder.display()))
        }
        _ => Ok(()),
    }
}
