//! What the connector is configured with.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::Error;

/// How often everything is looked at where nothing else is configured.
const POLL_SECONDS: u64 = 30;

/// The longest time between two looks, a day.
const POLL_SECONDS_MAX: u64 = 86_400;

/// A files connector's part of the configuration:
/// `{id: local, paths: [./catalog, ./more/*.yaml], roots: [..], poll_seconds: 30}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Config {
    id: String,
    paths: Vec<PathBuf>,
    roots: Vec<PathBuf>,
    poll: Duration,
    folder: PathBuf,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "Config")]
struct Written {
    id: String,
    paths: Vec<PathBuf>,
    #[serde(default)]
    roots: Vec<PathBuf>,
    #[serde(default = "poll_seconds")]
    poll_seconds: u64,
}

fn poll_seconds() -> u64 {
    POLL_SECONDS
}

impl TryFrom<Written> for Config {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self, Error> {
        let Written { id, paths, roots, poll_seconds } = written;
        let config = Self::new(&id, paths).with_roots(roots).polling_every(poll_seconds);
        config.check()?;
        Ok(config)
    }
}

impl Config {
    /// A connector with this id that reads these paths: files, folders and globs.
    #[must_use]
    pub fn new(id: &str, paths: Vec<PathBuf>) -> Self {
        Self {
            id: id.to_owned(),
            paths,
            roots: Vec::new(),
            poll: Duration::from_secs(POLL_SECONDS),
            folder: PathBuf::new(),
        }
    }

    /// The same, with further folders that targets and placeholders may lie in.
    #[must_use]
    pub fn with_roots(self, roots: Vec<PathBuf>) -> Self {
        Self { roots, ..self }
    }

    /// The same, looking at everything so often, whether the system tells of changes or not.
    #[must_use]
    pub fn polling_every(self, seconds: u64) -> Self {
        Self { poll: Duration::from_secs(seconds), ..self }
    }

    /// The same, with relative paths, those of targets included, from this folder on rather than
    /// from the one that the process runs in. The folder is no part of the names of scopes.
    #[must_use]
    pub fn in_folder(self, folder: PathBuf) -> Self {
        Self { folder, ..self }
    }

    /// The source's name, `files/<id>`. Its scopes are named `files/<id>/<path>`.
    #[must_use]
    pub fn source(&self) -> String {
        format!("files/{}", self.id)
    }

    /// Sees whether the connector can run with it.
    ///
    /// # Errors
    /// An id that is no name, no path or an empty one, or a time that is none.
    pub fn check(&self) -> Result<(), Error> {
        connector::check_id(&self.id)?;
        let mut all = self.paths.iter().chain(&self.roots);
        if self.paths.is_empty() || all.any(|path| path.as_os_str().is_empty()) {
            return Err(Error::Paths { id: self.id.clone() });
        }
        match self.poll.as_secs() {
            1..=POLL_SECONDS_MAX => Ok(()),
            seconds => Err(Error::Poll { id: self.id.clone(), seconds, max: POLL_SECONDS_MAX }),
        }
    }

    pub(crate) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    pub(crate) fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    pub(crate) fn poll(&self) -> Duration {
        self.poll
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn configurations() {
        let read = |value: Value| serde_json::from_value::<Config>(value);
        let full = json!({"id": "a", "paths": ["./x", "y/*"], "roots": ["z"], "poll_seconds": 5});
        let expected = Config::new("a", vec!["./x".into(), "y/*".into()])
            .with_roots(vec!["z".into()])
            .polling_every(5);
        assert_eq!(read(full).expect("a configuration"), expected);
        let least = read(json!({"id": "a", "paths": ["x"]})).expect("a configuration");
        assert_eq!((least.source().as_str(), least.poll().as_secs()), ("files/a", 30));
        for (value, expected) in [
            (
                json!({"id": "a", "paths": []}),
                "`a` needs at least one path, and none that is empty",
            ),
            (json!({"id": "a", "paths": [""]}), "`a` needs at least one path"),
            (json!({"id": "a", "paths": ["x"], "roots": [""]}), "none that is empty"),
            (json!({"id": "a/b", "paths": ["x"]}), "`a/b` can't be the id of a connector"),
            (json!({"id": "", "paths": ["x"]}), "`` can't be the id"),
            (json!({"id": "a", "paths": ["x"], "poll_seconds": 0}), "`poll_seconds` is 0"),
            (json!({"id": "a", "paths": ["x"], "poll": 1}), "unknown field `poll`"),
            (json!({"id": "a"}), "missing field `paths`"),
        ] {
            let error = read(value).expect_err("no configuration").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
