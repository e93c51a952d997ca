//! What the connector is configured with.

use connector::check_id;
use event::vocabulary::is_key;
use serde::Deserialize;
use serde_json::Value;

use crate::Error;
use crate::map::cdevents::{By, Matching};
use crate::map::tekton;
use crate::poll::config::Poll;

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
    /// Tekton's CloudEvents.
    Tekton,
}

/// A ci connector's part of the configuration: `{id: actions, from: github, secret: "…"}`,
/// with `poll: {…}` where it asks, too.
#[derive(Clone, Deserialize)]
#[serde(try_from = "Written")]
pub struct Config {
    pub(crate) id: String,
    pub(crate) from: From,
    /// Absent where nothing is delivered.
    pub(crate) secret: Option<String>,
    pub(crate) matching: Matching,
    /// How it is asked, where it is.
    pub(crate) poll: Option<Poll>,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "Config")]
struct Written {
    id: String,
    from: From,
    secret: Option<String>,
    annotation: Option<String>,
    by: Option<By>,
    poll: Option<Value>,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config").field("id", &self.id).finish_non_exhaustive()
    }
}

impl TryFrom<Written> for Config {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self, Error> {
        let Written { id, from, secret, annotation, by, poll } = written;
        check_id(&id)?;
        if secret.as_ref().is_some_and(|secret| secret.len() < SECRET_BYTES_MIN) {
            return Err(Error::Secret { id });
        }
        if secret.is_none() && poll.is_none() {
            return Err(Error::Nothing { id });
        }
        let poll = poll.map(|poll| Poll::read(from, poll)).transpose();
        let poll = poll.map_err(|why| Error::Poll { id: id.clone(), why })?;
        let is_unfit = match from {
            From::CdEvents => false,
            From::Tekton => by.is_some(),
            From::GitHub | From::GitLab | From::Jenkins => annotation.is_some() || by.is_some(),
        };
        let default = Matching::default();
        let annotation = annotation.unwrap_or_else(|| match from {
            From::Tekton => tekton::ANNOTATION.to_owned(),
            _ => default.annotation,
        });
        if is_unfit || !is_key(&annotation) {
            return Err(Error::Annotation { id });
        }
        let matching = Matching { annotation, by: by.unwrap_or(default.by) };
        Ok(Self { id, from, secret, matching, poll })
    }
}

impl Config {
    /// What takes GitHub's deliveries for a connector of another kind.
    ///
    /// # Errors
    /// An id that is no name, or a secret that can be guessed.
    pub fn github(id: &str, secret: &str) -> Result<Self, Error> {
        let (id, secret) = (id.to_owned(), Some(secret.to_owned()));
        let from = From::GitHub;
        Written { id, from, secret, annotation: None, by: None, poll: None }.try_into()
    }

    /// The connector's id, which is the topic that it is delivered to.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether it takes deliveries.
    #[must_use]
    pub const fn is_delivered_to(&self) -> bool {
        self.secret.is_some()
    }

    /// Whether it asks.
    #[must_use]
    pub const fn asks(&self) -> bool {
        self.poll.is_some()
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
        let tekton = json!({"id": "a", "from": "tekton", "secret": secret});
        assert_eq!(read(tekton).unwrap().matching.annotation, "backstage.io/kubernetes-id");
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
            (
                json!({"id": "a", "from": "tekton", "secret": secret, "by": "source"}),
                "for CDEvents",
            ),
            (json!({"id": "a", "from": "travis", "secret": secret}), "unknown variant `travis`"),
            (json!({"id": "a", "from": "github"}), "needs a `secret`, or `poll`"),
            (json!({"id": "a", "from": "github", "poll": {}}), "needs a `token`"),
        ] {
            let error = read(value).expect_err("no configuration").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
