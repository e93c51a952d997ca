//! What the connector is configured with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::Error;
use connector::{check_id, shown};

/// How long after it ended well the program is run again where nothing else is configured.
const EVERY_SECONDS: u64 = 60;

/// The longest time between two runs, a day.
const EVERY_SECONDS_MAX: u64 = 86_400;

/// A process connector's part of the configuration:
/// `{id: inventory, command: [python3, inventory.py], env: {TOKEN: "…"}, every_seconds: 60}`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Config {
    pub(crate) id: String,
    pub(crate) command: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) every: Duration,
    pub(crate) folder: PathBuf,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "Config")]
struct Written {
    id: String,
    command: Vec<String>,
    #[serde(default)]
    folder: PathBuf,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default = "every_seconds")]
    every_seconds: u64,
}

fn every_seconds() -> u64 {
    EVERY_SECONDS
}

/// Arguments and variables may be secrets.
impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config").field("id", &self.id).finish_non_exhaustive()
    }
}

impl TryFrom<Written> for Config {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self, Error> {
        let Written { id, command, folder, env, every_seconds: seconds } = written;
        check_id(&id)?;
        let has_nul = |text: &String| text.contains('\0');
        if command.first().is_none_or(String::is_empty) || command.iter().any(has_nul) {
            return Err(Error::Command { id });
        }
        let is_name = |name: &str| !name.is_empty() && !name.contains(['=', '\0']);
        if let Some((name, _)) = env.iter().find(|(name, value)| !is_name(name) || has_nul(value)) {
            return Err(Error::Variable { name: shown(name), id });
        }
        let max = EVERY_SECONDS_MAX;
        if !(1..=max).contains(&seconds) {
            return Err(Error::Every { id, seconds, max });
        }
        Ok(Self { id, command, env, every: Duration::from_secs(seconds), folder })
    }
}

impl Config {
    /// The same, with its folder, in which the program runs, from this one on.
    #[must_use]
    pub fn in_folder(self, folder: &std::path::Path) -> Self {
        Self { folder: folder.join(&self.folder), ..self }
    }

    /// The connector's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The source's name, `process/<id>`. Its scopes are named `process/<id>/<name>`.
    #[must_use]
    pub fn source(&self) -> String {
        format!("process/{}", self.id)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn configurations() {
        let read = |value: Value| serde_json::from_value::<Config>(value);
        let full = json!({
            "id": "a", "command": ["x", "y"], "folder": "z", "env": {"T": "secret"},
            "every_seconds": 5,
        });
        let config = read(full).unwrap().in_folder("/c".as_ref());
        assert_eq!((config.source().as_str(), config.every.as_secs()), ("process/a", 5));
        assert_eq!(config.folder, PathBuf::from("/c/z"));
        assert!(!format!("{config:?}").contains("secret"));
        for (value, expected) in [
            (json!({"id": "a", "command": []}), "`a` needs a `command`"),
            (json!({"id": "a", "command": [""]}), "`a` needs a `command`"),
            (json!({"id": "a", "command": ["x\0"]}), "`a` needs a `command`"),
            (json!({"id": "a/b", "command": ["x"]}), "`a/b` can't be the id"),
            (json!({"id": "a", "command": ["x"], "env": {"A=B": ""}}), "`A=B` can't be a variable"),
            (json!({"id": "a", "command": ["x"], "every_seconds": 0}), "`every_seconds` is 0"),
            (json!({"id": "a", "command": ["x"], "evry": 1}), "unknown field `evry`"),
            (json!({"id": "a"}), "missing field `command`"),
        ] {
            let error = read(value).expect_err("no configuration").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
