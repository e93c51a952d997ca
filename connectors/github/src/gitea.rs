//! Asking a Gitea (or a Forgejo), which speaks REST alone, and giving what it says in the words of
//! GitHub's GraphQL, so that lists and files are read in one way.

use asking::github::{Data, GraphError, Host, Owner};
use asking::{Failure, Login, Page, Site, Tells};
use bytes::Bytes;
use connector::shown;
use data_encoding::BASE64;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::answer::Listing;
use crate::query::{Ask, Which};

/// Repositories that a page lists: the most that a Gitea gives where nothing else is configured.
const LISTED: u64 = 50;

/// From this size on a file is given without its text, as GitHub does, in bytes: it is asked for by
/// itself.
const TEXT_BYTES_MAX: usize = 512 << 10;

/// The most that one answer may hold of texts, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// What is escaped in a part of a path, or in a query.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A Gitea.
pub(crate) struct Gitea {
    /// Or why nobody can be asked from here.
    site: Result<Site, Failure>,
}

/// A repository, as it is listed.
#[derive(Deserialize)]
struct Listed {
    id: u64,
    name: String,
    full_name: String,
    html_url: String,
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    fork: bool,
    #[serde(default)]
    empty: bool,
    #[serde(default)]
    private: bool,
    #[serde(default)]
    internal: bool,
    #[serde(default)]
    default_branch: String,
    #[serde(default)]
    topics: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Branch {
    commit: Commit,
}

#[derive(Deserialize)]
struct Commit {
    id: String,
}

/// What there is at a path.
#[derive(Deserialize)]
#[serde(untagged)]
enum Contents {
    Folder(Vec<Entry>),
    File(File),
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "type")]
    kind: String,
    sha: Option<String>,
    #[serde(default)]
    size: u64,
    encoding: Option<String>,
    content: Option<String>,
}

impl Gitea {
    /// One that is asked with a token.
    pub(crate) fn new(host: &Host, token: &str, tells: Option<Tells>) -> Self {
        let login = Login::bearer(token).map_err(|why| Failure::Refused { why });
        let base = format!("{}{}", host.api, host.rest);
        let site = login.and_then(|login| Site::new(host.who(), &base, Some(login), tells));
        // What was renamed or transferred redirects for ever.
        Self { site: site.map(Site::missing_what_moved) }
    }

    async fn get(&self, path: &str) -> Result<Page, Failure> {
        self.site.as_ref().map_err(Clone::clone)?.get(path, None).await
    }

    /// A page of an owner's repositories.
    pub(crate) async fn list(
        &self,
        owner: &Owner,
        after: Option<&str>,
    ) -> Result<Data<Listing>, Failure> {
        let number: u64 = after.and_then(|after| after.parse().ok()).unwrap_or(1);
        let kind = if owner.is_organization { "orgs" } else { "users" };
        let login = escaped(&owner.login);
        let path = format!("/{kind}/{login}/repos?limit={LISTED}&page={number}");
        let page = match self.get(&path).await {
            // As GitHub says it of an owner that is not there.
            Err(Failure::Missing { .. }) => return data(json!({"repositoryOwner": null})),
            page => page?,
        };
        let total: Option<u64> = page.header("x-total-count").and_then(|text| text.parse().ok());
        let listed: Vec<Listed> = page.json()?;
        let mut nodes = Vec::with_capacity(listed.len());
        for of in &listed {
            nodes.push(repository(of, self.head(of).await?.as_deref()));
        }
        let next = page.has_next().then(|| (number + 1).to_string());
        let repositories = json!({
            "totalCount": total,
            "pageInfo": {"hasNextPage": next.is_some(), "endCursor": next},
            "nodes": nodes,
        });
        data(json!({"repositoryOwner": {"repositories": repositories}}))
    }

    /// The commit that a repository's default branch is at; none, where there is none, or it may
    /// not be seen.
    async fn head(&self, of: &Listed) -> Result<Option<String>, Failure> {
        if of.default_branch.is_empty() {
            return Ok(None);
        }
        let (name, branch) = (full_name(&of.full_name), escaped(&of.default_branch));
        match self.get(&format!("/repos/{name}/branches/{branch}")).await {
            Ok(page) => Ok(Some(page.json::<Branch>()?.commit.id)),
            Err(Failure::Missing { .. }) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Files and folders of repositories.
    pub(crate) async fn objects(
        &self,
        asks: &[Ask<'_>],
    ) -> Result<Data<Map<String, Value>>, Failure> {
        let (mut found, mut errors) = (Map::new(), Vec::new());
        let mut left = ANSWER_BYTES_MAX;
        for (at, ask) in asks.iter().enumerate() {
            let name = format!("r{at}");
            let (kind, message) = match self.one(ask, &mut left).await {
                Ok(value) => {
                    found.insert(name, value);
                    continue;
                }
                Err(Failure::Missing { what }) => ("NOT_FOUND", what),
                Err(lasts @ (Failure::Refused { .. } | Failure::TooMuch { .. })) => {
                    return Err(lasts);
                }
                Err(failure) => ("", failure.to_string()),
            };
            errors.push(GraphError { kind: kind.into(), message, path: vec![name.into()] });
        }
        Ok(Data { data: found, errors, scopes: None })
    }

    async fn one(&self, ask: &Ask<'_>, left: &mut usize) -> Result<Value, Failure> {
        let path = match ask.which {
            Which::Id(id) => format!("/repositories/{}", escaped(id)),
            Which::Name { owner, name } => format!("/repos/{}/{}", escaped(owner), escaped(name)),
        };
        let listed: Listed = self.get(&path).await?.json()?;
        let head = self.head(&listed).await?;
        let mut value = repository(&listed, head.as_deref());
        let Some(head) = head else {
            for number in 0..ask.expressions.len() {
                value[format!("f{number}")] = Value::Null;
            }
            return Ok(value);
        };
        let at =
            |revision: &str| if revision == "HEAD" { head.clone() } else { revision.to_owned() };
        let mut is_missing = false;
        for (number, expression) in ask.expressions.iter().enumerate() {
            let (revision, path) = expression.split_once(':').unwrap_or(("HEAD", expression));
            let object = self.object(&listed.full_name, &at(revision), path).await?;
            let bytes = object["text"].as_str().map_or(0, str::len);
            *left = left.checked_sub(bytes).ok_or_else(|| Failure::TooMuch {
                why: format!("the files are larger than {} MiB", ANSWER_BYTES_MAX >> 20),
            })?;
            is_missing |= object.is_null();
            value[format!("f{number}")] = object;
        }
        // What may not be seen any more is said to be missing, too. A file is, where its commit is
        // not.
        let root = at(ask.root.trim_end_matches(':'));
        if !is_missing || self.has(&listed.full_name, &root).await? {
            value["root"] = json!({"__typename": "Tree"});
        }
        Ok(value)
    }

    /// Whether a commit of a repository may be seen.
    async fn has(&self, name: &str, commit: &str) -> Result<bool, Failure> {
        let (name, commit) = (full_name(name), escaped(commit));
        let brief = "stat=false&verification=false&files=false";
        match self.get(&format!("/repos/{name}/git/commits/{commit}?{brief}")).await {
            Ok(_) => Ok(true),
            Err(Failure::Missing { .. }) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// What there is at a path of a revision: null, where there is nothing.
    async fn object(&self, name: &str, revision: &str, path: &str) -> Result<Value, Failure> {
        let parts: Vec<String> =
            path.split('/').filter(|part| !part.is_empty()).map(escaped).collect();
        let (name, parts, revision) = (full_name(name), parts.join("/"), escaped(revision));
        let slash = if parts.is_empty() { "" } else { "/" };
        let path = format!("/repos/{name}/contents{slash}{parts}?ref={revision}");
        let page = match self.get(&path).await {
            Err(Failure::Missing { .. }) => return Ok(Value::Null),
            page => page?,
        };
        Ok(match page.json()? {
            Contents::Folder(entries) => {
                let entries = entries.iter().map(|entry| {
                    let kind = match entry.kind.as_str() {
                        "dir" => "tree",
                        "file" => "blob",
                        _ => "commit",
                    };
                    json!({"name": entry.name, "type": kind})
                });
                json!({"__typename": "Tree", "entries": entries.collect::<Vec<_>>()})
            }
            Contents::File(File { kind, sha, size, encoding, content }) if kind == "file" => {
                let text = decoded(encoding.as_deref(), content);
                let text = text.filter(|bytes| bytes.len() <= TEXT_BYTES_MAX);
                let text = text.and_then(|bytes| String::from_utf8(bytes).ok());
                json!({"__typename": "Blob", "oid": sha, "byteSize": size, "text": text})
            }
            // Links, and other repositories.
            Contents::File(_) => Value::Null,
        })
    }

    /// The contents of a file by its object's name.
    pub(crate) async fn blob(&self, repository: &str, oid: &str) -> Result<Bytes, Failure> {
        let path = format!("/repos/{}/git/blobs/{}", full_name(repository), escaped(oid));
        let page = self.get(&path).await?;
        let File { encoding, content, .. } = {
            let mut value: Value = page.json()?;
            value["type"] = "file".into();
            serde_json::from_value(value).map_err(|_| broken())?
        };
        decoded(encoding.as_deref(), content).map(Bytes::from).ok_or_else(broken)
    }
}

fn broken() -> Failure {
    Failure::Broken { why: "Gitea's answer about a file is not of its form".into() }
}

fn data(value: Value) -> Result<Data<Listing>, Failure> {
    let data = serde_json::from_value(value)
        .map_err(|error| Failure::Broken { why: shown(&error.to_string()) })?;
    Ok(Data { data, errors: Vec::new(), scopes: None })
}

/// A repository as GitHub tells of it.
fn repository(of: &Listed, head: Option<&str>) -> Value {
    let visibility = match (of.private, of.internal) {
        (_, true) => "INTERNAL",
        (true, false) => "PRIVATE",
        (false, false) => "PUBLIC",
    };
    let topics = of.topics.iter().flatten().map(|name| json!({"topic": {"name": name}}));
    json!({
        "id": of.id.to_string(),
        "name": of.name,
        "nameWithOwner": of.full_name,
        "url": of.html_url,
        "isArchived": of.archived,
        "isFork": of.fork,
        // After the first push it is said to be empty for a while.
        "isEmpty": of.empty && head.is_none(),
        "visibility": visibility,
        "repositoryTopics": {"nodes": topics.collect::<Vec<_>>()},
        "defaultBranchRef":
            head.map(|oid| json!({"name": of.default_branch, "target": {"oid": oid}})),
    })
}

fn decoded(encoding: Option<&str>, content: Option<String>) -> Option<Vec<u8>> {
    let mut content = content.filter(|_| encoding == Some("base64"))?;
    content.retain(|letter| !letter.is_ascii_whitespace());
    BASE64.decode(content.as_bytes()).ok()
}

fn escaped(text: &str) -> String {
    match text {
        // As parts of a path they would lead elsewhere.
        "." | ".." => percent_encode(text.as_bytes(), NON_ALPHANUMERIC).to_string(),
        _ => utf8_percent_encode(text, ESCAPED).to_string(),
    }
}

/// `owner/name`, each part escaped.
fn full_name(text: &str) -> String {
    text.split('/').map(escaped).collect::<Vec<_>>().join("/")
}
