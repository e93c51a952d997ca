//! Where things stand: names of scopes, URLs of files, and files by their URLs.

use connector::shown;
use event::vocabulary::ScopeName;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use url::Url;

use crate::answer::Repository;
use crate::map::changes::is_name;
use crate::pattern::is_path;
use asking::github::Host;

/// The last part of the scope of an organization's teams and people.
const TEAMS: &str = "teams";

/// What can't stand in the path of a URL as it is.
const ESCAPED: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'<').add(b'>').add(b'?').add(b'`');

/// The scope of a repository: `github/acme/org/name`, in lower case, as GitHub compares names.
pub(crate) fn repository_scope(source: &str, owner: &str, name: &str) -> Option<ScopeName> {
    if !is_name(owner) || !is_name(name) {
        return None;
    }
    let (owner, name) = (owner.to_ascii_lowercase(), name.to_ascii_lowercase());
    // No repository's name has a tilde.
    let escape = if name == TEAMS { "~" } else { "" };
    ScopeName::new(&format!("{source}/{owner}/{escape}{name}")).ok()
}

/// The repository that a scope shows: owner and name, in lower case.
pub(crate) fn repository_of(source: &str, scope: &ScopeName) -> Option<(String, String)> {
    let rest = scope.as_str().strip_prefix(source)?.strip_prefix('/')?;
    let (owner, name) = rest.split_once('/').filter(|(_, name)| *name != TEAMS)?;
    let name = name.strip_prefix('~').unwrap_or(name);
    Some((owner.to_owned(), name.to_owned()))
}

/// The scope of an organization's teams and people.
pub(crate) fn teams_scope(source: &str, organization: &str) -> Option<ScopeName> {
    ScopeName::new(&format!("{source}/{}/{TEAMS}", organization.to_ascii_lowercase())).ok()
}

/// What the names of an owner's scopes begin with.
pub(crate) fn owner_prefix(source: &str, owner: &str) -> String {
    format!("{source}/{}/", owner.to_ascii_lowercase())
}

/// A file or folder of a repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    /// A branch, tag or commit; absent for what the repository is at.
    pub(crate) revision: Option<String>,
    pub(crate) path: String,
}

impl Spot {
    /// In the default branch.
    pub(crate) fn here(path: impl Into<String>) -> Self {
        Self { revision: None, path: path.into() }
    }

    /// As git writes it, where the default branch is at a commit.
    pub(crate) fn expression(&self, head: &str) -> String {
        format!("{}:{}", self.revision.as_deref().unwrap_or(head), self.path)
    }

    /// The page that shows it.
    pub(crate) fn url(&self, host: &Host, repository: &Repository, branch: &str) -> String {
        let revision = self.revision.as_deref().unwrap_or(branch);
        let part = |text| utf8_percent_encode(text, ESCAPED);
        let view = host.view(revision);
        format!("{}/{view}/{}/{}", repository.url, part(revision), part(&self.path))
    }
}

/// A file's URL in its parts, as far as they can be told without its repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileUrl {
    pub(crate) owner: String,
    pub(crate) name: String,
    /// Revision and path.
    rest: String,
}

impl FileUrl {
    /// Reads `https://github.com/owner/name/blob/revision/path`, or a Gitea's
    /// `…/src/branch/revision/path`, where it is of this host.
    pub(crate) fn parse(host: &Host, text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        if url.origin().ascii_serialization() != host.web || url.query().is_some() {
            return None;
        }
        let decoded = percent_decode_str(url.path()).decode_utf8().ok()?;
        let mut parts = decoded.strip_prefix('/')?.splitn(4, '/');
        let (owner, name, view) = (parts.next()?, parts.next()?, parts.next()?);
        let rest = parts.next().filter(|_| !owner.is_empty() && !name.is_empty())?;
        let rest = host.revision_and_path(view, rest)?;
        Some(Self { owner: owner.into(), name: name.into(), rest: rest.into() })
    }

    /// Whether it is of this repository.
    pub(crate) fn is_in(&self, name_with_owner: &str) -> bool {
        let own = name_with_owner.split_once('/');
        own.is_some_and(|(owner, name)| {
            self.owner.eq_ignore_ascii_case(owner) && self.name.eq_ignore_ascii_case(name)
        })
    }

    /// Where it is, in a repository with this default branch. Of other revisions, only those are
    /// understood that have no `/`.
    pub(crate) fn spot(&self, branch: &str) -> Result<Spot, String> {
        let wrong = || format!("{} names no file of a revision", shown(&self.rest));
        let here = self.rest.strip_prefix(branch).and_then(|rest| rest.strip_prefix('/'));
        let here = here.or_else(|| self.rest.strip_prefix("HEAD/"));
        let spot = match here {
            Some(path) => Spot::here(path),
            None => {
                let (revision, path) = self.rest.split_once('/').ok_or_else(wrong)?;
                let is_plain =
                    !revision.is_empty() && !revision.contains([':', '^', '~', '@', ' ']);
                let revision = Some(revision.to_owned()).filter(|_| is_plain).ok_or_else(wrong)?;
                Spot { revision: Some(revision), path: path.to_owned() }
            }
        };
        if is_path(&spot.path) { Ok(spot) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_have_names() {
        for (owner, name, expected) in [
            ("Acme", "Checkout.js", "github/g/acme/checkout.js"),
            ("acme", "Teams", "github/g/acme/~teams"),
        ] {
            let scope = repository_scope("github/g", owner, name).unwrap();
            assert_eq!(scope.as_str(), expected);
            let named = (owner.to_ascii_lowercase(), name.to_ascii_lowercase());
            assert_eq!(repository_of("github/g", &scope), Some(named));
        }
        let teams = teams_scope("github/g", "Acme").unwrap();
        assert_eq!(repository_of("github/g", &teams), None);
        assert_eq!(repository_of("github/other", &teams), None);
        assert_eq!(teams_scope("github/g", "Acme").unwrap().as_str(), "github/g/acme/teams");
    }

    #[test]
    fn urls_name_files() {
        let host = Host::parse("https://api.github.com").unwrap();
        for (url, expected) in [
            ("https://github.com/o/r/blob/main/a.yaml", Some(":a.yaml")),
            ("https://github.com/O/r/tree/main/a%20b/c.yaml", Some(":a b/c.yaml")),
            ("https://github.com/o/r/raw/HEAD/a.yaml", Some(":a.yaml")),
            ("https://github.com/o/r/blob/v1/a/b.yaml", Some("v1:a/b.yaml")),
            ("https://github.com/o/r/blob/main/a/../../b.yaml", Some("b.yaml")),
            ("https://github.com/o/r/blob/main/%2e%2e/b.yaml", Some("b.yaml")),
            ("https://github.com/o/r/blob/main^/b.yaml", Some("main^/b.yaml names no file")),
            ("https://github.com/o/r/blob/main/", Some("main/ names no file of a revision")),
            ("https://github.com/o/r/blob/main", Some("main names no file of a revision")),
            ("https://github.com/o/r/issues/1", None),
            ("https://github.com/o/r", None),
            ("https://example.com/o/r/blob/main/a.yaml", None),
            ("http://github.com/o/r/blob/main/a.yaml", None),
            ("x", None),
        ] {
            let found = FileUrl::parse(&host, url);
            assert_eq!(found.is_some(), expected.is_some(), "{url}");
            let Some(found) = found else { continue };
            assert!(found.is_in("o/R") && !found.is_in("o/s"));
            let said = match found.spot("main") {
                Ok(spot) => spot.expression(""),
                Err(why) => why,
            };
            assert!(said.contains(expected.unwrap()), "{url}: {said}");
        }
    }
}
