//! The annotations that follow from where an entity was read: `AnnotateLocationEntityProcessor` of
//! `@backstage/plugin-catalog-backend` 4.0.0.

use serde_json::{Map, Value};
use url::Url;

use crate::document::{
    ANNOTATION_EDIT_URL, ANNOTATION_LOCATION, ANNOTATION_ORIGIN_LOCATION,
    ANNOTATION_SOURCE_LOCATION, ANNOTATION_VIEW_URL,
};
use crate::location::{GITHUB_HOSTS, LocationRef, edit_url, resolve_url};

/// The hosts of source code that are known where nothing else is configured.
const HOSTS: &[&str] = &["github.com", "gitlab.com", "bitbucket.org"];

/// As many hexadecimal digits stand for a commit, whose files nobody edits.
const COMMIT_DIGITS_MIN: usize = 40;

/// Puts in what follows from the annotation `managed-by-location`, if that is a `url`: the page
/// that shows the file, and, on the known hosts, the page that edits it and the folder of the
/// sources. What the document says itself stays. Idempotent.
pub fn annotate(document: &mut Value) {
    let annotations = document.pointer_mut("/metadata/annotations");
    let Some(Value::Object(annotations)) = annotations else {
        return;
    };
    let location = annotations.get(ANNOTATION_LOCATION).and_then(Value::as_str);
    let Some(Ok(location)) = location.map(LocationRef::parse) else {
        return;
    };
    if location.kind != "url" {
        return;
    }
    let target = &location.target;
    let is_known = Url::parse(target)
        .is_ok_and(|url| url.port().is_none() && HOSTS.contains(&url.host_str().unwrap_or("")));
    put(annotations, ANNOTATION_VIEW_URL, Some(target.clone()));
    if is_known {
        let edit = if names_commit(target) { None } else { edit_url(target) };
        put(annotations, ANNOTATION_EDIT_URL, edit);
        let source = resolve_url(target, "./", GITHUB_HOSTS).map(|url| format!("url:{url}"));
        put(annotations, ANNOTATION_SOURCE_LOCATION, source);
    }
}

/// Says in a document where it comes from, where it does not do so itself. Documents with nothing
/// to hold annotations are left alone; their verdict comes later.
pub fn annotate_source(document: &mut Value, location: &str, origin: &str) {
    let Some(Value::Object(metadata)) = document.get_mut("metadata") else { return };
    let annotations = metadata.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
    // Backstage adds its own to what is nothing to JavaScript, too.
    let is_nothing = match annotations {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Bool(true) | Value::Array(_) | Value::Object(_) => false,
    };
    if is_nothing {
        *annotations = Value::Object(Map::new());
    }
    let Value::Object(annotations) = annotations else { return };
    for (key, value) in [(ANNOTATION_LOCATION, location), (ANNOTATION_ORIGIN_LOCATION, origin)] {
        annotations.entry(key).or_insert_with(|| value.into());
    }
}

fn put(annotations: &mut Map<String, Value>, key: &str, value: Option<String>) {
    if let Some(value) = value
        && !annotations.contains_key(key)
    {
        annotations.insert(key.to_owned(), value.into());
    }
}

/// Whether a word of a URL is the hash of a commit.
fn names_commit(url: &str) -> bool {
    let words = url.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.into_iter().any(|word| {
        word.len() >= COMMIT_DIGITS_MIN
            && word.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(annotations: &Value, expected: &[(&str, &str)]) {
        let mut document = json!({"metadata": {"annotations": annotations}});
        annotate(&mut document);
        let once = document.clone();
        annotate(&mut document);
        assert_eq!(document, once);
        let mut all = annotations.as_object().unwrap().clone();
        for (key, value) in expected {
            all.insert(format!("backstage.io/{key}"), (*value).into());
        }
        assert_eq!(document["metadata"]["annotations"], Value::Object(all), "{annotations}");
    }

    #[test]
    fn a_url_says_where_it_is_shown_and_edited() {
        let from = |url: &str| json!({"backstage.io/managed-by-location": format!("url:{url}")});
        let github = "https://github.com/a/b/tree/main/c/x.yaml";
        check(
            &from(github),
            &[
                ("view-url", github),
                ("edit-url", "https://github.com/a/b/edit/main/c/x.yaml"),
                ("source-location", "url:https://github.com/a/b/tree/main/c/"),
            ],
        );
        let gitlab = "https://gitlab.com/a/b/-/blob/main/x.yaml";
        check(
            &from(gitlab),
            &[
                ("view-url", gitlab),
                ("edit-url", "https://gitlab.com/a/b/-/edit/main/x.yaml"),
                ("source-location", "url:https://gitlab.com/a/b/-/blob/main/"),
            ],
        );
        let bitbucket = "https://bitbucket.org/a/b/src/main/x.yaml";
        check(
            &from(bitbucket),
            &[
                ("view-url", bitbucket),
                ("edit-url", "https://bitbucket.org/a/b/src/main/x.yaml?mode=edit&at=main"),
                ("source-location", "url:https://bitbucket.org/a/b/src/main/"),
            ],
        );
        let commit = format!("https://github.com/a/b/blob/{}/x.yaml", "0a".repeat(20));
        check(
            &from(&commit),
            &[
                ("view-url", &commit),
                (
                    "source-location",
                    &format!("url:https://github.com/a/b/tree/{}/", "0a".repeat(20)),
                ),
            ],
        );
        check(
            &from("http://127.0.0.1:7799/x.yaml"),
            &[("view-url", "http://127.0.0.1:7799/x.yaml")],
        );
        check(&from("nope"), &[("view-url", "nope")]);
    }

    #[test]
    fn what_a_document_says_itself_stays() {
        let own = json!({
            "backstage.io/managed-by-location": "url:https://example.org/x.yaml",
            "backstage.io/view-url": "https://example.org/page",
        });
        check(&own, &[]);
        check(&json!({"backstage.io/managed-by-location": "file:/x.yaml"}), &[]);
        check(&json!({"backstage.io/managed-by-location": 7}), &[]);
        check(&json!({}), &[]);
        let mut nothing = json!({"metadata": 1});
        annotate(&mut nothing);
        assert_eq!(nothing, json!({"metadata": 1}));
    }
}
