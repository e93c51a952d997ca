//! The log's identity key: given by the configuration, or kept in the data folder.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use event::Event;
use event::vocabulary::LogCreated;
use log::{Budget, Log};
use proof::SignerKey;

use crate::exit::Wrong;

/// The file of the key in a data folder.
const FILE: &str = "identity.key";

fn file(data: &Path) -> PathBuf {
    data.join(FILE)
}

/// Reads a key from a configuration.
pub(crate) fn parse(text: &str) -> Result<SignerKey> {
    SignerKey::parse(text).map_err(|error| Wrong(format!("identity.key: {error}")).into())
}

/// The key that a log is signed with: the one that is given, else the one of the data folder, else
/// a new one, if the log can still get one. A log whose key is elsewhere is served unsigned.
pub(crate) fn open(
    given: Option<&SignerKey>,
    data: &Path,
    origin: &str,
    log: &dyn Log,
) -> Result<Option<SignerKey>> {
    let created = created(log)?;
    let origin = created.as_ref().map_or(origin, |created| &created.origin);
    let key = match given {
        Some(key) => Some(key.clone()),
        None => read(data)?,
    };
    if let Some(key) = key {
        if key.public().name() != origin {
            let name = key.public().name();
            let why = format!("the identity key is of `{name}`, and the log's name is `{origin}`");
            return Err(Wrong(why).into());
        }
        return Ok(Some(key));
    }
    if created.as_ref().is_some_and(|created| created.key.is_some()) {
        let file = file(data);
        let file = file.display();
        tracing::warn!(%file, "the log's identity key is not here: nothing is signed");
        return Ok(None);
    }
    make(data, origin).map(Some)
}

/// What a node is told that shares a log and lacks its key.
pub(crate) fn elsewhere(data: &Path) -> String {
    let file = file(data);
    let file = file.display();
    format!(
        "the log has an identity key, and it is not here: each node that shares a log needs it, \
         since any may have to sign. Give it as `identity: {{key: \"$file:…\"}}`; the node that \
         made the log keeps it in its data folder (here it would be {file})"
    )
}

/// What the log's first record says.
fn created(log: &dyn Log) -> Result<Option<LogCreated>> {
    if log.end()? == 0 {
        return Ok(None);
    }
    let first = log.read(0, Budget { entries: 1, bytes: 1 })?;
    Ok(first.first().and_then(|entry| match Event::of(entry.content.as_ref().ok()?) {
        Ok(Event::LogCreated(created)) => Some(created),
        _ => None,
    }))
}

fn read(data: &Path) -> Result<Option<SignerKey>> {
    let path = file(data);
    let shown = path.display();
    let Ok(about) = std::fs::metadata(&path) else { return Ok(None) };
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let why = format!("others may read the identity key {shown} (mode {mode:o}): chmod 600 it");
        return Err(Wrong(why).into());
    }
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("the identity key {shown} can't be read"))?;
    let key = SignerKey::parse(&text);
    let key = key.map_err(|error| Wrong(format!("the identity key {shown}: {error}")))?;
    Ok(Some(key))
}

/// Makes a key, and returns when it is on the disk.
fn make(data: &Path, origin: &str) -> Result<SignerKey> {
    let key = SignerKey::new(origin, &rand::random())
        .map_err(|error| Wrong(format!("log.origin: `{origin}`: {error}")))?;
    let path = file(data);
    let written = path.with_extension("new");
    let write = || {
        // What an earlier start left behind was never a key of anything.
        let _ = std::fs::remove_file(&written);
        let mut options = OpenOptions::new();
        let mut out = options.write(true).create_new(true).mode(0o600).open(&written)?;
        writeln!(out, "{}", key.to_secret_text())?;
        out.sync_all()?;
        std::fs::rename(&written, &path)?;
        std::fs::File::open(data)?.sync_all()
    };
    write().with_context(|| format!("the identity key {} can't be written", path.display()))?;
    tracing::info!(file = %path.display(), key = %key.public(), "an identity key is made");
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use log::MemoryLog;

    use super::*;

    fn begun(key: Option<String>) -> Arc<dyn Log> {
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
        let boot = ingest::Boot { origin: "a.example".into(), rules: 1, key };
        ingest::boot(&log, &ingest::system_clock(), &boot).unwrap();
        log
    }

    #[test]
    fn a_key_is_made_once_and_read_by_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
        let made = open(None, folder.path(), "a.example", &*log).unwrap().unwrap();
        let again = open(None, folder.path(), "a.example", &*log).unwrap().unwrap();
        assert_eq!(made.public(), again.public());
        let path = file(folder.path());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for (mode, text, says) in [
            (0o640, made.to_secret_text(), "mode 640"),
            (0o600, "something".into(), "is not a key by which notes are signed"),
            (0o600, SignerKey::new("b.example", &[1; 32]).unwrap().to_secret_text(), "is of `b."),
        ] {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = open(None, folder.path(), "a.example", &*log).unwrap_err();
            assert!(format!("{error:#}").contains(says), "{error:#}");
            assert_eq!(crate::exit::code_of(&error), crate::exit::Exit::Wrong);
        }
    }

    #[test]
    fn a_log_keeps_the_key_that_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let key = SignerKey::new("a.example", &[1; 32]).unwrap();
        let signed = begun(Some(key.public().to_string()));
        assert!(open(None, folder.path(), "else", &*signed).unwrap().is_none());
        assert!(!file(folder.path()).exists());
        let given = open(Some(&key), folder.path(), "else", &*signed).unwrap().unwrap();
        assert_eq!(given.public(), key.public());
        let made = open(None, folder.path(), "else", &*begun(None)).unwrap().unwrap();
        assert_eq!(made.public().name(), "a.example");
    }
}
