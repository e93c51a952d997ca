//! From what GitHub delivers to what has to be read again. What a delivery says of files, teams and
//! people is not believed but asked for: deliveries come late, twice, and in any order.

use connector::shown;
use serde::Deserialize;

/// What has to be read again, or is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A repository; with the paths that a push touched, where it is known that it touched no
    /// others.
    Repository {
        /// Its owner's login.
        owner: String,
        /// Its name.
        name: String,
        /// What was touched.
        touched: Option<Vec<String>>,
    },
    /// A repository is not where it was any more.
    Gone {
        /// Its owner's login.
        owner: String,
        /// Its name, then.
        name: String,
        /// Why, in words.
        why: &'static str,
    },
    /// The teams and people of an organization.
    Teams {
        /// Its login.
        organization: String,
    },
    /// Everything: what the credentials may see has changed.
    Everything,
}

/// Events that may change something.
const EVENTS: [&str; 9] = [
    "push",
    "repository",
    "team",
    "team_add",
    "membership",
    "member",
    "organization",
    "installation",
    "installation_repositories",
];

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    action: String,
    repository: Option<Repository>,
    organization: Option<Login>,
    changes: Option<Changes>,
    // push
    #[serde(rename = "ref")]
    of: Option<String>,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    forced: bool,
    commits: Option<Vec<Commit>>,
    size: Option<u64>,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
    default_branch: Option<String>,
}

#[derive(Deserialize)]
struct Login {
    login: String,
}

#[derive(Deserialize)]
struct Commit {
    #[serde(default)]
    added: Vec<String>,
    #[serde(default)]
    modified: Vec<String>,
    #[serde(default)]
    removed: Vec<String>,
}

/// `changes` of a repository, or of an organization.
#[derive(Deserialize)]
struct Changes {
    repository: Option<ChangedRepository>,
    owner: Option<ChangedOwner>,
}

#[derive(Deserialize)]
struct ChangedRepository {
    name: Option<Was>,
}

#[derive(Deserialize)]
struct Was {
    from: String,
}

#[derive(Deserialize)]
struct ChangedOwner {
    from: Owners,
}

#[derive(Deserialize)]
struct Owners {
    organization: Option<Login>,
    user: Option<Login>,
}

/// As many commits as a delivery names; of a larger push it is not told what it touched.
const COMMITS_MAX: usize = 2048;

/// What a delivery changes: `event` is `X-GitHub-Event`.
///
/// # Errors
/// When the body is not of its form.
pub fn read(event: &str, body: &[u8]) -> Result<Vec<Change>, String> {
    if !EVENTS.contains(&event) {
        return Ok(Vec::new());
    }
    let body: Body = serde_json::from_slice(body)
        .map_err(|error| format!("the body is not of its form: {error}"))?;
    match event {
        "push" => push(body),
        "repository" => repository(body),
        "installation" | "installation_repositories" => Ok(vec![Change::Everything]),
        // A person who joins a repository from outside is in no team.
        "member" => Ok(Vec::new()),
        "organization" if matches!(body.action.as_str(), "renamed" | "deleted") => {
            Ok(vec![Change::Everything])
        }
        "organization" if body.action == "member_invited" => Ok(Vec::new()),
        _ => teams(body),
    }
}

fn teams(body: Body) -> Result<Vec<Change>, String> {
    let Some(Login { login }) = body.organization else { return Ok(Vec::new()) };
    Ok(vec![Change::Teams { organization: name(login, "organization.login")? }])
}

/// The longest name of an owner or a repository, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// A name as owners and repositories have it. Others would lead elsewhere, in a scope and in a URL.
pub(crate) fn is_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !matches!(text, "" | "." | "..") && text.len() <= NAME_BYTES_MAX && text.chars().all(is_plain)
}

fn name(text: String, of: &str) -> Result<String, String> {
    if is_name(&text) { Ok(text) } else { Err(format!("`{of}` is no name: `{}`", shown(&text))) }
}

/// Owner and name.
fn named(repository: &Repository) -> Result<(String, String), String> {
    let of = "repository.full_name";
    let (owner, own) = repository.full_name.split_once('/').unwrap_or((&repository.full_name, ""));
    Ok((name(owner.to_owned(), of)?, name(own.to_owned(), of)?))
}

fn missing() -> String {
    "`repository` is missing in the body".into()
}

fn push(body: Body) -> Result<Vec<Change>, String> {
    let repository = body.repository.ok_or_else(missing)?;
    let (owner, name) = named(&repository)?;
    let branch = body.of.as_deref().and_then(|of| of.strip_prefix("refs/heads/"));
    if body.deleted || branch.is_none() || branch != repository.default_branch.as_deref() {
        return Ok(Vec::new());
    }
    let commits = body.commits.unwrap_or_default();
    let count = commits.len();
    let is_whole = count > 0
        && count < COMMITS_MAX
        && body.size.is_none_or(|size| size == count as u64)
        // What was there before and is there no more stands in none of these.
        && !body.forced;
    let touched = commits.into_iter().flat_map(|commit| {
        let Commit { added, modified, removed } = commit;
        added.into_iter().chain(modified).chain(removed)
    });
    let touched = is_whole.then(|| touched.collect());
    Ok(vec![Change::Repository { owner, name, touched }])
}

fn repository(body: Body) -> Result<Vec<Change>, String> {
    let repository = body.repository.ok_or_else(missing)?;
    let (owner, own) = named(&repository)?;
    let gone = |owner: String, name: String, why| Change::Gone { owner, name, why };
    if body.action == "deleted" {
        return Ok(vec![gone(owner, own, "the repository was deleted")]);
    }
    let mut changes =
        vec![Change::Repository { owner: owner.clone(), name: own.clone(), touched: None }];
    let was = body.changes.map(|changes| (changes.repository, changes.owner));
    match (body.action.as_str(), was) {
        ("renamed", Some((Some(ChangedRepository { name: Some(was) }), _))) => {
            let was = name(was.from, "changes.repository.name.from")?;
            changes.push(gone(owner, was, "the repository was renamed"));
        }
        ("transferred", Some((_, Some(ChangedOwner { from })))) => {
            if let Some(Login { login }) = from.organization.or(from.user) {
                let from = name(login, "changes.owner.from")?;
                let why = "the repository was transferred to another owner";
                changes.push(gone(from, own, why));
            }
        }
        _ => {}
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(name: &str, touched: Option<&[&str]>) -> Change {
        let touched = touched.map(|paths| paths.iter().map(|path| (*path).to_owned()).collect());
        Change::Repository { owner: "o".into(), name: name.into(), touched }
    }

    fn gone(owner: &str, name: &str, why: &'static str) -> Change {
        Change::Gone { owner: owner.into(), name: name.into(), why }
    }

    #[test]
    fn deliveries_become_changes() {
        let commits =
            json!([{"added": ["a"], "modified": ["b"], "removed": ["c"]}, {"modified": ["b"]}]);
        let touched = of("r", Some(&["a", "b", "c", "b"]));
        let everything = vec![Change::Everything];
        let teams = vec![Change::Teams { organization: "o".into() }];
        for (event, body, expected) in [
            ("push", json!({"ref": "refs/heads/main", "commits": commits}), vec![touched]),
            (
                "push",
                json!({"ref": "refs/heads/main", "commits": commits, "forced": true}),
                vec![of("r", None)],
            ),
            (
                "push",
                json!({"ref": "refs/heads/main", "commits": commits, "size": 30}),
                vec![of("r", None)],
            ),
            ("push", json!({"ref": "refs/heads/main"}), vec![of("r", None)]),
            ("push", json!({"ref": "refs/heads/other", "commits": commits}), vec![]),
            ("push", json!({"ref": "refs/tags/main", "commits": commits}), vec![]),
            ("push", json!({"ref": "refs/heads/main", "deleted": true}), vec![]),
            (
                "repository",
                json!({"action": "deleted"}),
                vec![gone("o", "r", "the repository was deleted")],
            ),
            ("repository", json!({"action": "archived"}), vec![of("r", None)]),
            ("repository", json!({"action": "privatized"}), vec![of("r", None)]),
            (
                "repository",
                json!({"action": "renamed", "changes": {"repository": {"name": {"from": "q"}}}}),
                vec![of("r", None), gone("o", "q", "the repository was renamed")],
            ),
            (
                "repository",
                json!({"action": "transferred", "changes": {"owner": {"from": {"user": {"login": "p"}}}}}),
                vec![
                    of("r", None),
                    gone("p", "r", "the repository was transferred to another owner"),
                ],
            ),
            ("team", json!({"action": "edited"}), teams.clone()),
            ("membership", json!({"action": "removed"}), teams.clone()),
            ("organization", json!({"action": "member_removed"}), teams),
            ("organization", json!({"action": "member_invited"}), vec![]),
            ("organization", json!({"action": "renamed"}), everything.clone()),
            ("installation_repositories", json!({"action": "removed"}), everything),
            ("star", json!({"action": "created"}), vec![]),
        ] {
            let mut whole = json!({
                "repository": {"full_name": "o/r", "default_branch": "main"},
                "organization": {"login": "o"},
            });
            whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
            let read = read(event, whole.to_string().as_bytes()).unwrap();
            assert_eq!(read, expected, "{event}: {body}");
        }
        for (event, body) in [("push", "{}"), ("repository", "[]"), ("push", "{\"ref\"")] {
            read(event, body.as_bytes()).expect_err(body);
        }
    }

    #[test]
    fn names_that_would_lead_elsewhere_are_refused() {
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        for wrong in ["", ".", "..", "a/b", "~teams", "a\0b", "a\nb", "ä", "a b", "%2e", &long] {
            let of = |full: &str| json!({"full_name": full, "default_branch": "main"});
            let named = |from: &str| json!({"repository": {"name": {"from": from}}});
            let owned = |from: &str| json!({"owner": {"from": {"user": {"login": from}}}});
            for (event, body) in [
                (
                    "push",
                    json!({"ref": "refs/heads/main", "repository": of(&format!("o/{wrong}"))}),
                ),
                (
                    "repository",
                    json!({"action": "deleted", "repository": of(&format!("o/{wrong}"))}),
                ),
                (
                    "repository",
                    json!({"action": "edited", "repository": of(&format!("{wrong}/r"))}),
                ),
                (
                    "repository",
                    json!({"action": "renamed", "repository": of("o/r"), "changes": named(wrong)}),
                ),
                (
                    "repository",
                    json!({"action": "transferred", "repository": of("o/r"), "changes": owned(wrong)}),
                ),
                ("team", json!({"organization": {"login": wrong}})),
            ] {
                let why = read(event, body.to_string().as_bytes()).expect_err(wrong);
                assert!(why.contains("is no name") && !why.contains(['\0', '\n']), "{why}");
            }
        }
    }
}
