//! What GitHub answers, as far as it is looked at. What may be null is optional, since an answer
//! may hold errors in its parts.

use data_encoding::BASE64;
use event::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::failure::Failure;
use connector::shown;

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
pub(crate) struct GraphError {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) message: String,
    pub(crate) path: Vec<Value>,
}

impl GraphError {
    pub(crate) fn is_limit(&self) -> bool {
        matches!(self.kind.as_str(), "RATE_LIMITED" | "RATE_LIMIT")
    }

    /// Whether it is of a part of the answer that begins with this name.
    pub(crate) fn is_of(&self, name: &str) -> bool {
        self.path.first().and_then(Value::as_str) == Some(name)
    }

    pub(crate) fn is_missing(&self) -> bool {
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

/// A page of a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Connection<T> {
    pub(crate) total_count: Option<u64>,
    pub(crate) page_info: PageInfo,
    #[serde(default = "Vec::new")]
    pub(crate) nodes: Vec<Option<T>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PageInfo {
    pub(crate) has_next_page: bool,
    pub(crate) end_cursor: Option<String>,
}

/// `repositoryOwner { repositories }`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listing {
    pub(crate) repository_owner: Option<ListedOwner>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ListedOwner {
    pub(crate) repositories: Option<Connection<Repository>>,
}

/// What is known of a repository without its files.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Repository {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) name_with_owner: String,
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) is_archived: bool,
    #[serde(default)]
    pub(crate) is_disabled: bool,
    #[serde(default)]
    pub(crate) is_fork: bool,
    #[serde(default)]
    pub(crate) is_empty: bool,
    pub(crate) visibility: Option<String>,
    pub(crate) repository_topics: Option<Topics>,
    pub(crate) default_branch_ref: Option<Branch>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Topics {
    #[serde(default)]
    pub(crate) nodes: Vec<Option<Topic>>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Topic {
    pub(crate) topic: Name,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Name {
    pub(crate) name: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Branch {
    pub(crate) name: String,
    pub(crate) target: Option<Oid>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Oid {
    pub(crate) oid: String,
}

/// A file or a folder of a repository.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GitObject {
    #[serde(rename = "__typename")]
    pub(crate) kind: String,
    pub(crate) oid: Option<String>,
    pub(crate) byte_size: Option<u64>,
    pub(crate) is_truncated: Option<bool>,
    pub(crate) text: Option<String>,
    pub(crate) entries: Option<Vec<Entry>>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Entry {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
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
