//! What the connector is configured with.

use connector::check_id;
use event::vocabulary::is_key;
use serde::Deserialize;

use crate::Error;
use crate::map::cdevents::{By, Matching};

/// The shortest secret, in bytes.
const SECRET_BYTES_MIN: usize = 16;

/// Who delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum From {
    /// GitHub's webhooks.
    GitHub,
    /// GitLab's webhooks.
    GitLab,
    /// Jenkins, by its notification plugin.
    Jenkins,
    /// Whoever sends CDEvents.
    CdEvents,
}

/// A ci connector's part of the configuration: `{id: actions, from: github, secret: "…"}`.
#[derive(Clone, Deserialize)]
#[serde(try_from = "Written")]
pub struct Config {
    pub(crate) id: String,
    pub(crate) from: From,
    pub(crate) secret: String,
    pub(crate) matching: Matching,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "Config")]
struct Written {
    id: String,
    from: From,
    secret: String,
    annotation: Option<String>,
    by: Option<By>,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config").field("id", &self.id).finish_non_exhaustive()
    }
}

impl TryFrom<Written> for Config {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self, Error> {
        let Written { id, from, secret, annotation, by } = written;
        check_id(&id)?;
        if secret.len() < SECRET_BYTES_MIN {
            return Err(Error::Secret { id });
        }
        let is_given = annotation.is_some() || by.is_some();
        let default = Matching::default();
        let annotation = annotation.unwrap_or(default.annotation);
        if is_given && from != From::CdEvents || !is_key(&annotation) {
            return Err(Error::Annotation { id });
        }
        let matching = Matching { annotation, by: by.unwrap_or(default.by) };
        Ok(Self { id, from, secret, matching })
    }
}

impl Config {
    /// What takes GitHub's deliveries for a connector of another kind.
    ///
    /// # Errors
    /// An id that is no name, or a secret that can be guessed.
    pub fn github(id: &str, secret: &str) -> Result<Self, Error> {
        let (id, secret) = (id.to_owned(), secret.to_owned());
        Written { id, from: From::GitHub, secret, annotation: None, by: None }.try_into()
    }

    /// The connector's id, which is the topic that it is delivered to.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The source's name, `ci/<id>`.
    #[must_use]
    pub fn source(&self) -> String {
        format!("ci/{}", self.id)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn configurations() {
        let read = |value: Value| serde_json::from_value::<Config>(value);
        let secret = "0123456789abcdef";
        let config = read(json!({"id": "a", "from": "github", "secret": secret})).unwrap();
        assert_eq!((config.source().as_str(), config.from), ("ci/a", From::GitHub));
        assert!(!format!("{config:?}").contains(secret));
        let by = json!({"id": "a", "from": "cdevents", "secret": secret, "by": "subject", "annotation": "x"});
        let expected = Matching { annotation: "x".into(), by: By::Subject };
        assert_eq!(read(by).unwrap().matching, expected);
        for (value, expected) in [
            (json!({"id": "a/", "from": "github", "secret": secret}), "`a/` can't be the id"),
            (json!({"id": "a", "from": "github", "secret": "short"}), "at least 16 characters"),
            (
                json!({"id": "a", "from": "github", "secret": secret, "by": "source"}),
                "for CDEvents",
            ),
            (json!({"id": "a", "from": "travis", "secret": secret}), "unknown variant `travis`"),
            (json!({"id": "a", "from": "github"}), "missing field `secret`"),
        ] {
            let error = read(value).expect_err("no configuration").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
