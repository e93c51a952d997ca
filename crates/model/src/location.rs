//! Locations, `<type>:<target>`, and where their relative targets point to.
//!
//! Invariant: everything here is text; nothing is read, resolved against a disk, or fetched.

use std::fmt;

use serde_json::{Value, json};
use url::Url;

use crate::document::{ANNOTATION_LOCATION, ANNOTATION_ORIGIN_LOCATION, Document};
use crate::js;

/// Where something is read from: a type such as `url` or `file`, and a target that the type
/// understands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocationRef {
    /// The type, such as `url`.
    pub kind: String,
    /// The target, such as `https://example.com/catalog-info.yaml`.
    pub target: String,
}

/// Why a text is no location. The words are Backstage's; texts in them are shortened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// No colon, or nothing on one of its sides.
    #[error(
        "Unable to parse location ref '{text}', expected '<type>:<target>', e.g. 'url:https://host/path'"
    )]
    Malformed {
        /// The text.
        text: String,
    },
    /// A URL without `url:` before it.
    #[error("Invalid location ref '{text}', please prefix it with 'url:', e.g. 'url:{text}'")]
    PlainUrl {
        /// The text.
        text: String,
    },
    /// A target that a browser would run.
    #[error("Invalid location ref '{text}', target is a javascript: URL")]
    Script {
        /// The text.
        text: String,
    },
}

impl LocationRef {
    /// Reads `<type>:<target>`, split at the first colon, as `parseLocationRef` does.
    ///
    /// # Errors
    /// [`LocationError`].
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        let quoted = || js::shorten(text, 100).into_owned();
        let (kind, target) = text
            .split_once(':')
            .map(|(kind, target)| (js::trim(kind), js::trim(target)))
            .filter(|(kind, target)| !kind.is_empty() && !target.is_empty())
            .ok_or_else(|| LocationError::Malformed { text: quoted() })?;
        if matches!(kind, "http" | "https") {
            return Err(LocationError::PlainUrl { text: quoted() });
        }
        if is_script(target) {
            return Err(LocationError::Script { text: quoted() });
        }
        Ok(Self { kind: kind.to_owned(), target: target.to_owned() })
    }
}

impl fmt::Display for LocationRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.target)
    }
}

/// Whether a browser would take a text for a `javascript:` URL: white space and control characters
/// may stand before it, line breaks and tabs between its letters. Such values of the annotations
/// `view-url` and `edit-url` are not shown either.
#[must_use]
pub fn is_script(text: &str) -> bool {
    let mut letters =
        text.trim_start_matches(|c| c <= ' ').chars().filter(|c| !matches!(c, '\r' | '\n' | '\t'));
    "javascript:".chars().all(|expected| {
        letters.next().is_some_and(|letter| letter.to_ascii_lowercase() == expected)
    })
}

/// Where a target of a Location entity points to, seen from the location that the entity was read
/// from: `toAbsoluteUrl` of `@backstage/plugin-catalog-backend` 4.0.0. A target of another type, or
/// one that cannot be resolved, is left as it is.
///
/// - `file`: a target that starts with a dot is joined to the folder of the base, with `/`;
/// - `url`: see [`resolve_url`].
#[must_use]
pub fn resolve_target(
    base: &LocationRef,
    kind: &str,
    target: &str,
    github_hosts: &[&str],
) -> String {
    let resolved = match kind {
        _ if kind != base.kind => None,
        "file" if target.starts_with('.') => Some(join(folder(&base.target), target)),
        "url" => resolve_url(&base.target, target, github_hosts),
        _ => None,
    };
    resolved.unwrap_or_else(|| target.to_owned())
}

/// The longest target that is looked at, in bytes.
const TARGET_BYTES_MAX: usize = 4096;

/// The targets that a Location entity wants read, in its order, each with whether it is no fault
/// when there is nothing; relative ones are seen from where the entity was read.
pub fn targets_of(document: &Value) -> impl Iterator<Item = (LocationRef, bool)> {
    let view = Document::new(document);
    let spec = view.spec().filter(|_| view.kind() == Some("Location"));
    let base = view.annotation(ANNOTATION_LOCATION).and_then(|text| LocationRef::parse(text).ok());
    let wishes = spec.zip(base).map(|(spec, base)| {
        let kind = spec.get("type").and_then(Value::as_str).unwrap_or(&base.kind).to_owned();
        (spec, base, kind)
    });
    // What is longer can't be read, nor anything beside it; and joining the one to each of many
    // others would take long.
    let wishes = wishes.filter(|(_, base, kind)| {
        base.target.len() <= TARGET_BYTES_MAX && kind.len() <= TARGET_BYTES_MAX
    });
    wishes.into_iter().flat_map(|(spec, base, kind)| {
        let optional = spec.get("presence").and_then(Value::as_str) == Some("optional");
        let one = spec.get("target").into_iter();
        let many = spec.get("targets").and_then(Value::as_array).into_iter().flatten();
        let targets = one.chain(many).filter_map(Value::as_str);
        targets.filter(|target| target.len() <= TARGET_BYTES_MAX).map(move |target| {
            let target = resolve_target(&base, &kind, target, GITHUB_HOSTS);
            (LocationRef { kind: kind.clone(), target }, optional)
        })
    })
}

/// The URL under which a host of source code serves a file as it is, where a URL leads to the page
/// that shows it: on GitHub, GitLab and Bitbucket. Any other URL is left alone.
#[must_use]
pub fn raw_url(url: &Url) -> Url {
    let mut raw = url.clone();
    let path = url.path();
    let is_changed = match (url.host_str(), url.port()) {
        (Some("github.com"), None) => {
            let Some(view) = github_view(path, &["blob", "tree", "edit", "raw"]) else {
                return raw;
            };
            let path = format!("{}{}", &path[..view.view_start], &path[view.view_end + 1..]);
            raw.set_host(Some("raw.githubusercontent.com")).is_ok() && {
                raw.set_path(&path);
                true
            }
        }
        (Some("bitbucket.org"), None) => match path.split_once("/src/") {
            Some((repository, file)) => {
                raw.set_path(&format!("{repository}/raw/{file}"));
                true
            }
            None => false,
        },
        // GitLab has pages of this form on hosts of any name.
        _ => match gitlab_view(path) {
            Some(view) => {
                raw.set_path(&format!("{}raw{}", &path[..view.view_start], &path[view.view_end..]));
                true
            }
            None => false,
        },
    };
    if is_changed {
        raw.set_query(None);
    }
    raw
}

/// Resolves a URL against that of the file in which it stands, as Backstage's SCM integrations do;
/// `None` if that gives no URL.
///
/// A whole URL is left as it is. Anything else is joined as RFC 3986 says and takes the query of
/// the base. `/path` starts at the root of the repository, where the base is a page of a file as
/// GitHub has them (an Enterprise Server of whatever name, too), GitLab, or Gitea; of Gitea's,
/// Backstage takes the branch for a folder. On GitHub the result is a `tree` URL, whatever the base
/// is; `github_hosts` names the hosts that are GitHub, such as [`GITHUB_HOSTS`].
///
/// Not understood: Azure's `?path=`, and the root of a repository on other hosts.
#[must_use]
pub fn resolve_url(base: &str, url: &str, github_hosts: &[&str]) -> Option<String> {
    if Url::parse(url).is_ok() {
        return Some(url.to_owned());
    }
    let base = Url::parse(base).ok()?;
    let is_github = base.host_str().is_some_and(|host| github_hosts.contains(&host));
    let root = url.strip_prefix('/').and_then(|rest| {
        let path = base.path();
        let root = match github_view(path, &["blob", "tree", "edit", "raw"]) {
            Some(view) => &path[..view.revision_end],
            None if is_github => path.trim_end_matches('/'),
            None => &path[..gitlab_view(path).or_else(|| gitea_view(path))?.revision_end],
        };
        Some(format!("{root}/{rest}"))
    });
    let mut joined = match root {
        Some(path) => {
            let mut joined = base.clone();
            joined.set_path(&path);
            joined
        }
        None => base.join(url).ok()?,
    };
    joined.set_query(base.query());
    if is_github && let Some(view) = github_view(joined.path(), &["blob", "tree", "edit"]) {
        let path = joined.path();
        let tree = format!("{}tree{}", &path[..view.view_start], &path[view.view_end..]);
        joined.set_path(&tree);
    }
    Some(joined.into())
}

/// The page that edits the file which a URL shows, on GitHub, GitLab or Bitbucket; `None` for a URL
/// that is none.
pub(crate) fn edit_url(url: &str) -> Option<String> {
    let parsed = Url::parse(url).ok()?;
    let path = parsed.path();
    let view = match parsed.host_str()? {
        "github.com" => github_view(path, &["blob", "tree", "edit"]),
        "gitlab.com" => gitlab_view(path),
        "bitbucket.org" => {
            let (_, rest) = path.split_once("/src/")?;
            let revision = rest.split('/').next().unwrap_or_default().to_owned();
            let mut edit = parsed;
            edit.query_pairs_mut().append_pair("mode", "edit").append_pair("at", &revision);
            return Some(edit.into());
        }
        _ => None,
    };
    let Some(view) = view else {
        return Some(url.to_owned());
    };
    // The text itself is kept: what a parser writes otherwise stays as it is written.
    let words = [&path[..view.view_start], &path[..view.view_end]];
    let edit = format!("{}edit", words[0]);
    Some(url.replacen(words[1], &edit, 1))
}

/// The name of the Location entity that comes with a registered location.
#[must_use]
pub fn generated_name(kind: &str, target: &str) -> String {
    let hash = sha1_smol::Sha1::from(format!("{kind}:{target}"));
    format!("generated-{}", hash.digest())
}

/// The Location entity that comes with a registered location.
#[must_use]
pub fn location_entity(name: &str, kind: &str, target: &str) -> Value {
    let location = format!("{kind}:{target}");
    json!({
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Location",
        "metadata": {
            "name": name,
            "annotations": {
                (ANNOTATION_LOCATION): location,
                (ANNOTATION_ORIGIN_LOCATION): location,
            },
        },
        "spec": {"type": kind, "target": target},
    })
}

/// The hosts that are GitHub where nothing else is configured.
pub const GITHUB_HOSTS: &[&str] = &["github.com"];

/// Where the parts of `…/blob/revision/path` stand in the path of a URL, in bytes.
struct View {
    view_start: usize,
    view_end: usize,
    revision_end: usize,
}

/// `/owner/name/blob/revision/path`
fn github_view(path: &str, views: &[&str]) -> Option<View> {
    let (third, _) = path.match_indices('/').nth(2)?;
    view_at(path, third + 1, views)
}

/// `/group/name/-/blob/revision/path`
fn gitlab_view(path: &str) -> Option<View> {
    view_at(path, path.find("/-/")? + 3, &["blob", "tree", "edit", "raw"])
}

/// `/owner/name/src/branch/revision/path`
fn gitea_view(path: &str) -> Option<View> {
    let (third, _) = path.match_indices('/').nth(2)?;
    view_at(path, third + 1, &["src/branch", "src/commit", "src/tag"])
}

fn view_at(path: &str, view_start: usize, views: &[&str]) -> Option<View> {
    let rest = &path[view_start..];
    let view = views
        .iter()
        .find(|view| rest.strip_prefix(**view).is_some_and(|rest| rest.starts_with('/')))?;
    let view_end = view_start + view.len();
    let revision = &path[view_end + 1..];
    let revision_end = view_end + 1 + revision.find('/').unwrap_or(revision.len());
    Some(View { view_start, view_end, revision_end })
}

/// The folder of a file's path: `path.dirname` of Node.
fn folder(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rfind('/') {
        _ if trimmed.is_empty() && !path.is_empty() => "/",
        None => ".",
        Some(0) => "/",
        Some(index) => trimmed[..index].trim_end_matches('/'),
    }
}

/// `path.join` of Node, on a system with `/`: `.`, `..` and doubled slashes are taken out, and a
/// slash at the end is kept.
fn join(folder: &str, path: &str) -> String {
    let whole = format!("{folder}/{path}");
    let is_absolute = whole.starts_with('/');
    let mut segments: Vec<&str> = Vec::new();
    for segment in whole.split('/') {
        match segment {
            "" | "." => {}
            ".." if segments.last().is_some_and(|last| *last != "..") => {
                segments.pop();
            }
            ".." if is_absolute => {}
            segment => segments.push(segment),
        }
    }
    let mut joined = segments.join("/");
    if whole.ends_with('/') && !joined.is_empty() {
        joined.push('/');
    }
    match (is_absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) if whole.ends_with('/') => "./".to_owned(),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations() {
        for (text, expected) in [
            ("url:https://x/y", Ok("url|https://x/y")),
            (" file : ./a:b ", Ok("file|./a:b")),
            ("https://x", Err("please prefix it with 'url:', e.g. 'url:https://x'")),
            ("x", Err("expected '<type>:<target>'")),
            (":x", Err("expected '<type>:<target>'")),
            ("url: ", Err("expected '<type>:<target>'")),
            ("url:java\nscript:x", Err("target is a javascript: URL")),
        ] {
            match (LocationRef::parse(text), expected) {
                (Ok(location), Ok(expected)) => {
                    assert_eq!(format!("{}|{}", location.kind, location.target), expected);
                    assert_eq!(LocationRef::parse(&location.to_string()), Ok(location));
                }
                (Err(error), Err(expected)) => {
                    assert!(error.to_string().contains(expected), "{error}");
                }
                (actual, _) => panic!("{text:?}: {actual:?}"),
            }
        }
    }

    #[test]
    fn scripts() {
        for (text, expected) in [
            ("javascript:alert(1)", true),
            ("\u{1} JaVa\tScript\r\n:x", true),
            ("javascript", false),
            ("java script:x", false),
            ("https://x/javascript:y", false),
        ] {
            assert_eq!(is_script(text), expected, "{text:?}");
        }
    }

    #[test]
    fn relative_targets() {
        let github = "https://github.com/o/r/blob/main/dir/a.yaml";
        for (kind, base, target, expected) in [
            ("file", "/data/a/all.yaml", "./b.yaml", "/data/a/b.yaml"),
            ("file", "/data/a/all.yaml", "../../../b.yaml", "/b.yaml"),
            ("file", "a/all.yaml", "../../b/", "../b/"),
            ("file", "all.yaml", ".", "."),
            ("file", "/data/all.yaml", "b.yaml", "b.yaml"),
            ("url", "https://x/a/all.yaml", "./b.yaml", "https://x/a/b.yaml"),
            ("url", "https://x/a/all.yaml?ref=1", "b.yaml", "https://x/a/b.yaml?ref=1"),
            ("url", github, "./b.yaml", "https://github.com/o/r/tree/main/dir/b.yaml"),
            ("url", github, "/b.yaml", "https://github.com/o/r/tree/main/b.yaml"),
            ("url", github, "https://else/b.yaml", "https://else/b.yaml"),
            (
                "url",
                "https://ghe/o/r/blob/v1/dir/a.yaml",
                "/b.yaml",
                "https://ghe/o/r/blob/v1/b.yaml",
            ),
            (
                "url",
                "https://ghe/o/r/blob/v1/dir/a.yaml",
                "./b.yaml",
                "https://ghe/o/r/blob/v1/dir/b.yaml",
            ),
            (
                "url",
                "https://gitea/o/r/src/branch/v1/dir/a.yaml",
                "/b.yaml",
                "https://gitea/o/r/src/branch/v1/b.yaml",
            ),
            ("url", "https://x/a/b/blob", "/b.yaml", "https://x/b.yaml"),
            ("url", "https://x/a/all.yaml", "/b.yaml", "https://x/b.yaml"),
            ("url", "no url", "./b.yaml", "./b.yaml"),
            ("other", "x", "./b.yaml", "./b.yaml"),
        ] {
            let base = LocationRef { kind: kind.to_owned(), target: base.to_owned() };
            assert_eq!(
                resolve_target(&base, kind, target, GITHUB_HOSTS),
                expected,
                "{base} {target}"
            );
            assert_eq!(resolve_target(&base, "else", target, GITHUB_HOSTS), target);
        }
    }
}
