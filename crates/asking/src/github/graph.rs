//! What GitHub answers to every query, and about a file.

use connector::shown;
use data_encoding::BASE64;
use event::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::Failure;

/// An answer of GraphQL: data, errors, or both.
#[derive(Deserialize)]
pub(crate) struct Reply<'a> {
    #[serde(borrow, default)]
    pub(crate) data: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) errors: Vec<GraphError>,
}

/// Something that is wrong with an answer, or with a part of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct GraphError {
    /// Its type: `NOT_FOUND`, `FORBIDDEN`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What GitHub says.
    pub message: String,
    /// The part of the answer that it is of.
    pub path: Vec<Value>,
}

impl GraphError {
    pub(crate) fn is_limit(&self) -> bool {
        matches!(self.kind.as_str(), "RATE_LIMITED" | "RATE_LIMIT")
    }

    /// Whether it is of a part of the answer that begins with this name.
    #[must_use]
    pub fn is_of(&self, name: &str) -> bool {
        self.path.first().and_then(Value::as_str) == Some(name)
    }

    /// Whether something is not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.kind == "NOT_FOUND"
    }

    /// What errors without data come to.
    pub(crate) fn failure(errors: &[Self]) -> Failure {
        let Some(first) = errors.first() else {
            return Failure::Broken { why: "GitHub's answer holds nothing".into() };
        };
        let why = shown(&first.message);
        let said = first.message.to_ascii_lowercase();
        match first.kind.as_str() {
            "FORBIDDEN" | "INSUFFICIENT_SCOPES" | "UNAUTHORIZED" => Failure::Refused { why },
            "MAX_NODE_LIMIT_EXCEEDED" | "RESOURCE_LIMITS_EXCEEDED" => Failure::TooMuch { why },
            _ if said.contains("timeout") || said.contains("something went wrong") => {
                Failure::TooMuch { why }
            }
            _ => Failure::Broken { why: format!("GitHub answers: {why}") },
        }
    }
}

/// What every query asks beside its own.
#[derive(Deserialize)]
pub(crate) struct Rate {
    #[serde(rename = "rateLimit", default)]
    pub(crate) rate_limit: Option<RateLimit>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RateLimit {
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    pub(crate) reset_at: String,
}

impl RateLimit {
    pub(crate) fn resets_s(&self) -> u64 {
        let time = Timestamp::from_rfc3339(&self.reset_at).ok();
        time.and_then(|time| u64::try_from(time.as_micros() / 1_000_000).ok()).unwrap_or(0)
    }
}

/// A file as REST gives it.
#[derive(Debug, Deserialize)]
pub(crate) struct Blob {
    content: String,
    encoding: String,
}

impl Blob {
    /// What stands in it.
    pub(crate) fn contents(self) -> Option<Vec<u8>> {
        match self.encoding.as_str() {
            "utf-8" => Some(self.content.into_bytes()),
            "base64" => {
                let mut text = self.content;
                text.retain(|letter| !letter.is_ascii_whitespace());
                BASE64.decode(text.as_bytes()).ok()
            }
            _ => None,
        }
    }
}
