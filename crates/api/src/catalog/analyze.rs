//! `POST /analyze-location`: what a repository without a catalog file could have in one.

use axum::extract::{RawQuery, Request};
use axum::response::Response;
use serde_json::{Value, json};
use url::Url;

use super::answer::json as answer;
use super::body::Body;
use crate::ApiError;
use crate::params::Params;
use crate::position::Now;

/// Hosts of source code whose projects have an annotation of their own.
const ANNOTATED: &[&str] = &["github.com", "gitlab.com", "dev.azure.com"];

/// `POST /analyze-location`
pub(crate) async fn analyze(
    at: Now,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, ApiError> {
    Params::parse(query.as_deref(), &[])?;
    let body = Body::required(request).await?;
    body.requires(&["location"])?;
    let location = body.object("location")?.ok_or_else(|| ApiError::internal("no location"))?;
    location.requires(&["type", "target"])?;
    location.has_only(&["type", "target"])?;
    location.text("type")?;
    let target = location.text("target")?.unwrap_or_default();
    // Backstage's document has it in one case, and its code in the other.
    body.text("catalogFileName")?;
    body.text("catalogFilename")?;
    let entity =
        suggest(target).ok_or_else(|| ApiError::input("The given location.target is not a URL"))?;
    let body = json!({
        "existingEntityFiles": [],
        "generateEntities": [{"entity": entity, "fields": []}],
    });
    Ok(answer(at.0.position(), &body))
}

/// A component for a repository.
fn suggest(target: &str) -> Option<Value> {
    let url = Url::parse(target).ok().filter(Url::has_host)?;
    let (owner, name) = project(&url);
    let mut metadata = json!({"name": name});
    let host = url.host_str().filter(|host| url.port().is_none() && ANNOTATED.contains(host));
    if let Some(host) = host {
        let mut annotations = serde_json::Map::new();
        annotations.insert(format!("{host}/project-slug"), format!("{owner}/{name}").into());
        metadata["annotations"] = annotations.into();
    }
    Some(json!({
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": metadata,
        "spec": {"type": "other", "lifecycle": "unknown"},
    }))
}

/// The owner and the name of the repository that a URL leads into.
fn project(url: &Url) -> (String, String) {
    let path = url.path().trim_matches('/');
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if let Some(at) = parts.iter().position(|part| *part == "_git") {
        let name = parts.get(at + 1).copied().unwrap_or_default();
        let owner = at.checked_sub(1).map_or("", |owner| parts[owner]);
        return (owner.to_owned(), name.to_owned());
    }
    let views = ["-", "blob", "tree", "raw", "edit", "src"];
    if let Some(at) = parts.iter().position(|part| views.contains(part)).filter(|at| *at >= 2) {
        parts.truncate(at);
    }
    let name = parts.pop().unwrap_or_default();
    let name = name.strip_suffix(".git").unwrap_or(name);
    (parts.join("/"), name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_found_in_urls() {
        for (url, owner, name) in [
            ("https://github.com/acme/some-repo", "acme", "some-repo"),
            ("https://github.com/acme/some-repo.git", "acme", "some-repo"),
            ("https://github.com/acme/some-repo/", "acme", "some-repo"),
            ("https://github.com/acme/some-repo/blob/main/a/b.yaml", "acme", "some-repo"),
            ("https://gitlab.com/g/s/r/-/blob/main/x.yaml", "g/s", "r"),
            ("https://gitlab.com/g/s/r", "g/s", "r"),
            ("https://bitbucket.org/a/b/src/main/x", "a", "b"),
            ("https://dev.azure.com/org/proj/_git/repo?path=%2Fx", "proj", "repo"),
            ("https://example.com", "", ""),
            ("https://example.com/a", "", "a"),
            ("http://127.0.0.1:7799/reg.yaml", "", "reg.yaml"),
        ] {
            let found = project(&Url::parse(url).unwrap());
            assert_eq!(found, (owner.to_owned(), name.to_owned()), "{url}");
        }
        for nothing in ["nope", "", "a b", "/a/b", "mailto:x"] {
            assert!(suggest(nothing).is_none(), "{nothing}");
        }
        let entity = suggest("https://gitlab.com/a/b").unwrap();
        assert_eq!(entity["metadata"]["annotations"], json!({"gitlab.com/project-slug": "a/b"}));
        let entity = suggest("https://example.com/a/b").unwrap();
        assert_eq!(entity["metadata"], json!({"name": "b"}));
    }
}
