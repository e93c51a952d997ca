//! What the connector is configured with.

use std::collections::BTreeSet;
use std::time::Duration;

use connector::{check_id, shown};
use event::vocabulary::ScopeName;
use globset::GlobSet;
use serde::Deserialize;

use crate::Error;
use crate::pattern::{Patterns, compile};
use crate::place::{FileUrl, repository_scope};
use asking::github::Host;
use asking::github::{App, Credentials, Owner};

/// How often everything is looked at where nothing else is configured: deliveries get lost.
const EVERY_SECONDS: u64 = 1800;

/// The shortest and the longest time between two looks.
const EVERY_SECONDS_MIN: u64 = 1;
const EVERY_SECONDS_MAX: u64 = 86_400;

/// The shortest secret of a webhook, in bytes.
const SECRET_BYTES_MIN: usize = 16;

/// A github connector's part of the configuration: `{id: acme, token: "…", organizations: [acme]}`.
#[derive(Clone, Deserialize)]
#[serde(try_from = "Written")]
pub struct Config {
    pub(crate) id: String,
    pub(crate) host: Host,
    pub(crate) credentials: Credentials,
    pub(crate) owners: Vec<Owner>,
    pub(crate) paths: Patterns,
    pub(crate) filter: Filter,
    /// Whether teams and members of organizations become groups and users.
    pub(crate) teams: bool,
    pub(crate) secret: Option<String>,
    pub(crate) every: Duration,
}

/// Which repositories are read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// One of these topics, if there are any.
    pub(crate) topics: BTreeSet<String>,
    /// None of these.
    pub(crate) topics_not: BTreeSet<String>,
    /// In lower case; all, if there are none.
    pub(crate) visibility: BTreeSet<String>,
    pub(crate) archived: bool,
    pub(crate) forks: bool,
    pub(crate) name: Option<GlobSet>,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "Config")]
struct Written {
    id: String,
    #[serde(default = "api_url")]
    url: String,
    token: Option<String>,
    app: Option<WrittenApp>,
    #[serde(default)]
    organizations: Vec<String>,
    #[serde(default)]
    users: Vec<String>,
    #[serde(default = "catalog_paths")]
    catalog_paths: Vec<String>,
    #[serde(default)]
    filters: WrittenFilter,
    #[serde(default)]
    teams: bool,
    webhook_secret: Option<String>,
    #[serde(default = "every_seconds")]
    every_seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenApp {
    id: u64,
    key: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenFilter {
    topics: WrittenTopics,
    visibility: BTreeSet<String>,
    archived: bool,
    forks: Option<bool>,
    name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenTopics {
    include: BTreeSet<String>,
    exclude: BTreeSet<String>,
}

fn api_url() -> String {
    "https://api.github.com".into()
}

fn catalog_paths() -> Vec<String> {
    vec!["catalog-info.yaml".into()]
}

fn every_seconds() -> u64 {
    EVERY_SECONDS
}

/// Tokens, keys and secrets stand in it.
impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A gitea connector's part of the configuration:
/// `{id: forge, url: https://gitea.example, token: "…", organizations: [acme]}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "WrittenGitea")]
pub struct Gitea(pub Config);

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "Config")]
struct WrittenGitea {
    id: String,
    url: String,
    token: String,
    #[serde(default)]
    organizations: Vec<String>,
    #[serde(default)]
    users: Vec<String>,
    #[serde(default = "catalog_paths")]
    catalog_paths: Vec<String>,
    #[serde(default)]
    filters: WrittenFilter,
    webhook_secret: Option<String>,
    #[serde(default = "every_seconds")]
    every_seconds: u64,
}

impl TryFrom<WrittenGitea> for Gitea {
    type Error = Error;

    fn try_from(written: WrittenGitea) -> Result<Self, Error> {
        let written = Written {
            id: written.id,
            url: written.url,
            token: Some(written.token),
            app: None,
            organizations: written.organizations,
            users: written.users,
            catalog_paths: written.catalog_paths,
            filters: written.filters,
            teams: false,
            webhook_secret: written.webhook_secret,
            every_seconds: written.every_seconds,
        };
        Config::read(written, Host::gitea).map(Self)
    }
}

impl TryFrom<Written> for Config {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self, Error> {
        Self::read(written, Host::parse)
    }
}

impl Config {
    fn read(
        written: Written,
        read_host: impl Fn(&str) -> Result<Host, String>,
    ) -> Result<Self, Error> {
        let id = written.id;
        check_id(&id)?;
        let wrong = |why: String| Error::Wrong { id: id.clone(), why };
        let host = read_host(&written.url).map_err(&wrong)?;
        let credentials = match (written.token, written.app) {
            (Some(token), None) => Credentials::token(&token).map_err(&wrong)?,
            (None, Some(WrittenApp { id, key })) => {
                Credentials::App(App::new(id, &key).map_err(&wrong)?)
            }
            _ => {
                return Err(wrong(
                    "it needs a `token`, or an `app` with its `id` and `key`".into(),
                ));
            }
        };
        let owners = Owner::read(&written.organizations, &written.users).map_err(&wrong)?;
        if owners.is_empty() {
            return Err(wrong("it needs `organizations` or `users`".into()));
        }
        let paths = Patterns::new(&written.catalog_paths).map_err(&wrong)?;
        let filter = Filter::read(written.filters).map_err(&wrong)?;
        let secret = written.webhook_secret;
        if secret.as_ref().is_some_and(|secret| secret.len() < SECRET_BYTES_MIN) {
            return Err(wrong(format!(
                "its `webhook_secret` must have at least {SECRET_BYTES_MIN} characters"
            )));
        }
        let (seconds, min, max) = (written.every_seconds, EVERY_SECONDS_MIN, EVERY_SECONDS_MAX);
        if !(min..=max).contains(&seconds) {
            let why = format!("`every_seconds` is {seconds}, and has to be {min} to {max}");
            return Err(wrong(why));
        }
        let (teams, every) = (written.teams, Duration::from_secs(seconds));
        Ok(Self { id, host, credentials, owners, paths, filter, teams, secret, every })
    }
}

impl Filter {
    fn read(written: WrittenFilter) -> Result<Self, String> {
        let WrittenFilter { topics, visibility, archived, forks, name } = written;
        let lower = |texts: BTreeSet<String>| -> BTreeSet<String> {
            texts.iter().map(|text| text.to_ascii_lowercase()).collect()
        };
        let visibility = lower(visibility);
        let known = ["public", "private", "internal"];
        if let Some(other) = visibility.iter().find(|of| !known.contains(&of.as_str())) {
            let other = shown(other);
            return Err(format!("`{other}` is no visibility; there are public, private, internal"));
        }
        let name = name.map(|name| {
            compile(&name).map_err(|why| format!("`{}` is no pattern: {why}", shown(&name)))
        });
        Ok(Self {
            topics: lower(topics.include),
            topics_not: lower(topics.exclude),
            visibility,
            archived,
            forks: forks.unwrap_or(true),
            name: name.transpose()?,
        })
    }

    /// Whether topics are asked for.
    pub(crate) fn asks_topics(&self) -> bool {
        !self.topics.is_empty() || !self.topics_not.is_empty()
    }
}

impl Config {
    /// The connector's id, which is the topic that it is delivered to.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The source's name, `github/<id>` or `gitea/<id>`.
    #[must_use]
    pub fn source(&self) -> String {
        let kind = if self.host.is_gitea { "gitea" } else { "github" };
        format!("{kind}/{}", self.id)
    }

    /// Whether it takes deliveries.
    #[must_use]
    pub const fn is_delivered_to(&self) -> bool {
        self.secret.is_some()
    }

    /// The scope that shows what a URL names, where this connector reads it: files of the owners
    /// that it reads.
    #[must_use]
    pub fn scope_of(&self, url: &str) -> Option<ScopeName> {
        let url = FileUrl::parse(&self.host, url)?;
        self.owner(&url.owner)?;
        repository_scope(&self.source(), &url.owner, &url.name)
    }

    /// The owner of a login, if it is one of those that are read.
    pub(crate) fn owner(&self, login: &str) -> Option<&Owner> {
        self.owners.iter().find(|owner| owner.is(login))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn configurations() {
        let read = |value: Value| serde_json::from_value::<Config>(value);
        let config = read(json!({
            "id": "acme", "token": "ghp_secretsecret", "organizations": ["Acme"], "users": ["me"],
            "filters": {"topics": {"include": ["Shop"]}, "visibility": ["PUBLIC"], "name": "svc-*"},
            "every_seconds": 60, "webhook_secret": "0123456789abcdef",
        }));
        let config = config.unwrap();
        assert_eq!((config.source().as_str(), config.every.as_secs()), ("github/acme", 60));
        assert!(config.owner("acme").is_some_and(|owner| owner.is_organization));
        assert!(config.owner("ME").is_some_and(|owner| !owner.is_organization));
        assert!(config.filter.topics.contains("shop") && config.filter.forks);
        let debug = format!("{config:?}{:?}", config.credentials);
        assert!(!debug.contains("secretsecret") && !debug.contains("0123456789"), "{debug}");
        let with = |members: Value| {
            let mut value = json!({"id": "a", "token": "t0ken", "organizations": ["o"]});
            value.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            value
        };
        for (value, expected) in [
            (with(json!({"id": "a/b"})), "`a/b` can't be the id"),
            (with(json!({"token": null})), "it needs a `token`, or an `app`"),
            (with(json!({"token": "a\nb"})), "its `token` holds characters"),
            (with(json!({"app": {"id": 1, "key": "k"}})), "it needs a `token`, or an `app`"),
            (with(json!({"token": null, "app": {"id": 1, "key": "k"}})), "no RSA private key"),
            (with(json!({"organizations": []})), "it needs `organizations` or `users`"),
            (with(json!({"organizations": ["a/b"]})), "`a/b` can't be the login"),
            (with(json!({"users": ["O"]})), "`O` is named twice"),
            (with(json!({"url": "ftp://x"})), "`ftp://x` is no URL of a GitHub"),
            (with(json!({"url": "http://github.example"})), "has to be https"),
            (with(json!({"catalog_paths": []})), "needs at least one of `catalog_paths`"),
            (with(json!({"catalog_paths": ["../x"]})), "`../x` is no path"),
            (with(json!({"catalog_paths": ["[x"]})), "`[x` is no pattern"),
            (with(json!({"filters": {"visibility": ["secret"]}})), "`secret` is no visibility"),
            (with(json!({"filters": {"name": "["}})), "`[` is no pattern"),
            (with(json!({"filters": {"nme": "["}})), "unknown field `nme`"),
            (with(json!({"webhook_secret": "short"})), "at least 16 characters"),
            (with(json!({"every_seconds": 0})), "`every_seconds` is 0, and has to be 1 to 86400"),
        ] {
            let error = read(value).expect_err("no configuration").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
