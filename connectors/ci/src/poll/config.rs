//! Who is asked, how, and how often: `poll:` in a ci connector's part of the configuration.

use std::time::Duration;

use asking::github::{App, Credentials, Host, Owner, is_name};
use asking::{Login, Site};
use connector::shown;
use serde::Deserialize;
use serde_json::Value;

use crate::From;

/// How often it is asked where nothing else is configured, and the bounds of that, in seconds.
const EVERY_S: u64 = 300;
const EVERY_S_MAX: u64 = 86_400;

/// How far back the first look goes where nothing else is configured, and at the most, in seconds.
const BACK_S: u64 = 86_400;
pub(crate) const BACK_S_MAX: u64 = 30 * 86_400;

/// How many repositories, groups, projects or folders may be named.
const NAMED_MAX: usize = 1000;

/// The longest name of one of them, in bytes.
const NAME_BYTES_MAX: usize = 512;

/// How one CI system is asked.
#[derive(Clone)]
pub(crate) struct Poll {
    pub(crate) asks: Asks,
    pub(crate) every: Duration,
    pub(crate) back: Duration,
    /// Whether jobs are told besides runs.
    pub(crate) jobs: bool,
}

/// Who is asked, and for what.
#[derive(Clone)]
pub(crate) enum Asks {
    GitHub {
        host: Host,
        credentials: Credentials,
        owners: Vec<Owner>,
        /// As `owner/name`.
        repositories: Vec<String>,
    },
    GitLab {
        base: String,
        login: Login,
        groups: Vec<String>,
        projects: Vec<String>,
    },
    Jenkins {
        base: String,
        login: Option<Login>,
        /// Folders with all that is below them; everything, where none is named.
        folders: Vec<String>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfGitHub {
    #[serde(default = "github_url")]
    url: String,
    token: Option<String>,
    app: Option<WrittenApp>,
    #[serde(default)]
    organizations: Vec<String>,
    #[serde(default)]
    users: Vec<String>,
    #[serde(default)]
    repositories: Vec<String>,
    #[serde(default)]
    jobs: bool,
    #[serde(default = "every_s")]
    every_seconds: u64,
    #[serde(default = "back_s")]
    back_seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenApp {
    id: u64,
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfGitLab {
    #[serde(default = "gitlab_url")]
    url: String,
    token: String,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    projects: Vec<String>,
    #[serde(default)]
    jobs: bool,
    #[serde(default = "every_s")]
    every_seconds: u64,
    #[serde(default = "back_s")]
    back_seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfJenkins {
    url: String,
    user: Option<String>,
    token: Option<String>,
    #[serde(default)]
    folders: Vec<String>,
    #[serde(default = "every_s")]
    every_seconds: u64,
    #[serde(default = "back_s")]
    back_seconds: u64,
}

fn github_url() -> String {
    "https://api.github.com".into()
}

fn gitlab_url() -> String {
    "https://gitlab.com".into()
}

fn every_s() -> u64 {
    EVERY_S
}

fn back_s() -> u64 {
    BACK_S
}

impl Poll {
    /// Reads what stands under `poll`.
    ///
    /// # Errors
    /// In a sentence, what is wrong.
    pub(crate) fn read(from: From, value: Value) -> Result<Self, String> {
        let form = |error: serde_json::Error| format!("`poll`: {}", shown(&error.to_string()));
        match from {
            From::GitHub => Self::github(serde_json::from_value(value).map_err(form)?),
            From::GitLab => Self::gitlab(serde_json::from_value(value).map_err(form)?),
            From::Jenkins => Self::jenkins(serde_json::from_value(value).map_err(form)?),
            From::CdEvents | From::Tekton => {
                Err("`poll` is for `from: github`, `gitlab` and `jenkins`: others deliver".into())
            }
        }
    }

    fn github(written: OfGitHub) -> Result<Self, String> {
        let host = Host::parse(&written.url)?;
        let credentials = match (written.token, written.app) {
            (Some(token), None) => Credentials::token(&token)?,
            (None, Some(WrittenApp { id, key })) => Credentials::App(App::new(id, &key)?),
            _ => {
                return Err("`poll` needs a `token`, or an `app` with its `id` and `key`".into());
            }
        };
        let owners = Owner::read(&written.organizations, &written.users)?;
        let repositories = written.repositories;
        let wrong = |name: &&String| {
            let parts = name.split_once('/');
            parts.is_none_or(|(owner, name)| {
                owner.is_empty() || name.is_empty() || !is_name(owner) || !is_name(name)
            })
        };
        if let Some(name) = repositories.iter().find(wrong) {
            let name = shown(name);
            return Err(format!("`{name}` is no repository; they are written as owner/name"));
        }
        if owners.is_empty() && repositories.is_empty() {
            return Err("`poll` needs `organizations`, `users` or `repositories`".into());
        }
        few(&repositories, "repositories")?;
        let asks = Asks::GitHub { host, credentials, owners, repositories };
        Self::new(asks, written.every_seconds, written.back_seconds, written.jobs)
    }

    fn gitlab(written: OfGitLab) -> Result<Self, String> {
        let OfGitLab { url, token, groups, projects, jobs, every_seconds, back_seconds } = written;
        let (base, login) = (Site::address(&url)?, Login::header("private-token", &token)?);
        if groups.is_empty() && projects.is_empty() {
            return Err("`poll` needs `groups` or `projects`".into());
        }
        few(&groups, "groups")?;
        few(&projects, "projects")?;
        if let Some(name) = groups.iter().chain(&projects).find(|name| !is_path(name)) {
            return Err(format!("`{}` is no path of a group or project", shown(name)));
        }
        Self::new(Asks::GitLab { base, login, groups, projects }, every_seconds, back_seconds, jobs)
    }

    fn jenkins(written: OfJenkins) -> Result<Self, String> {
        let OfJenkins { url, user, token, folders, every_seconds, back_seconds } = written;
        let base = Site::address(&url)?;
        let login = match (user, token) {
            (Some(user), Some(token)) => Some(Login::basic(&user, &token)?),
            (None, None) => None,
            _ => return Err("`poll` needs `user` and `token`, or neither".into()),
        };
        few(&folders, "folders")?;
        if let Some(name) = folders.iter().find(|name| !is_path(name)) {
            return Err(format!("`{}` is no path of a folder", shown(name)));
        }
        Self::new(Asks::Jenkins { base, login, folders }, every_seconds, back_seconds, false)
    }

    fn new(asks: Asks, every_s: u64, back_s: u64, jobs: bool) -> Result<Self, String> {
        for (name, seconds, max) in
            [("every_seconds", every_s, EVERY_S_MAX), ("back_seconds", back_s, BACK_S_MAX)]
        {
            if !(1..=max).contains(&seconds) {
                return Err(format!("`{name}` is {seconds}, and has to be 1 to {max}"));
            }
        }
        let (every, back) = (Duration::from_secs(every_s), Duration::from_secs(back_s));
        Ok(Self { asks, every, back, jobs })
    }
}

fn few(names: &[String], what: &str) -> Result<(), String> {
    let is_few = names.len() <= NAMED_MAX;
    is_few.then_some(()).ok_or_else(|| format!("`{what}` names more than {NAMED_MAX}"))
}

/// Whether a text is a path of names: `group/project`, `folder/a job`.
pub(crate) fn is_path(text: &str) -> bool {
    let is_name = |part: &str| {
        !part.is_empty() && part != "." && part != ".." && !part.chars().any(char::is_control)
    };
    text.len() <= NAME_BYTES_MAX && text.split('/').all(is_name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_asked_is_checked() {
        let github = |more: Value| {
            let mut value = json!({"token": "t", "organizations": ["o"]});
            value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            (From::GitHub, value)
        };
        let poll = Poll::read(From::GitHub, github(json!({})).1).unwrap();
        assert_eq!((poll.every.as_secs(), poll.back.as_secs(), poll.jobs), (300, 86_400, false));
        for (from, value) in [
            (From::GitLab, json!({"token": "t", "projects": ["a/b/c"], "jobs": true})),
            (From::Jenkins, json!({"url": "https://h/jenkins", "folders": ["a b/c"]})),
            (From::Jenkins, json!({"url": "https://h", "user": "u", "token": "t"})),
            github(json!({"repositories": ["a/.github"], "organizations": []})),
        ] {
            assert!(Poll::read(from, value.clone()).is_ok(), "{value}");
        }
        for ((from, value), expected) in [
            (github(json!({"token": null})), "needs a `token`, or an `app`"),
            (github(json!({"organizations": []})), "needs `organizations`, `users` or"),
            (github(json!({"repositories": ["checkout"]})), "written as owner/name"),
            (github(json!({"repositories": ["a/.."]})), "written as owner/name"),
            (github(json!({"url": "http://ghe.example"})), "has to be https"),
            (github(json!({"every_seconds": 0})), "has to be 1 to 86400"),
            (github(json!({"back_seconds": 9_999_999})), "has to be 1 to 2592000"),
            (github(json!({"groups": ["g"]})), "unknown field `groups`"),
            ((From::GitLab, json!({"token": "t"})), "needs `groups` or `projects`"),
            ((From::GitLab, json!({"token": "t", "groups": ["a//b"]})), "no path"),
            ((From::GitLab, json!({"token": "a b", "groups": ["a"]})), "no token has"),
            ((From::Jenkins, json!({"url": "https://h", "user": "u"})), "or neither"),
            ((From::Jenkins, json!({"url": "https://h", "folders": [".."]})), "no path"),
            ((From::CdEvents, json!({})), "others deliver"),
        ] {
            let why = Poll::read(from, value.clone()).err().unwrap_or_default();
            assert!(why.contains(expected), "{value}: {why}");
        }
    }
}
