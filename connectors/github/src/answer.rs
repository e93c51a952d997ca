//! What GitHub answers, as far as it is looked at. What may be null is optional, since an answer
//! may hold errors in its parts.

use serde::Deserialize;

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
