//! Placeholders: objects `{$text: target}`, `{$json: target}` and `{$yaml: target}`, which are
//! replaced by what their target holds.
//!
//! Invariant: finding and replacing are apart, so that who reads the targets may do it as it likes.
//! The rules are those of `PlaceholderProcessor` of `@backstage/plugin-catalog-backend` 4.0.0: an
//! object with a key that starts with `$` is a placeholder if that is its only key and one of the
//! three; any other object with such a key is left alone, with all that is in it.

use serde_json::Value;

use crate::js;
use crate::yaml::{self, Limits};

/// How the text that a placeholder names is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PlaceholderKind {
    /// As it is.
    Text,
    /// As one JSON value.
    Json,
    /// As one YAML document.
    Yaml,
}

/// A place in a document that is to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder {
    /// JSON pointer to the placeholder.
    pub pointer: String,
    /// How the text is taken.
    pub kind: PlaceholderKind,
    /// An absolute URL, or a path relative to the file that holds the document.
    pub target: String,
}

/// Why a placeholder cannot be replaced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceholderError {
    /// The value beside `$text`, `$json` or `$yaml` is no text.
    #[error(
        "{pointer}: Placeholder ${kind} expected a string value parameter, in the form of an absolute URL or a relative path"
    )]
    TargetNotText {
        /// JSON pointer to the placeholder.
        pointer: String,
        /// `text`, `json` or `yaml`.
        kind: &'static str,
    },
    /// The target holds no value of the kind.
    #[error("Placeholder ${kind} failed to parse {format} data at {target}, {problem}")]
    Unreadable {
        /// `json` or `yaml`.
        kind: &'static str,
        /// `JSON` or `YAML`.
        format: &'static str,
        /// The target.
        target: String,
        /// What the parser says.
        problem: String,
    },
    /// The target holds none, or more than one YAML document.
    #[error(
        "Placeholder $yaml expected to find exactly one document of data at {target}, found {count}"
    )]
    DocumentCount {
        /// The target.
        target: String,
        /// How many it holds.
        count: usize,
    },
    /// The placeholders of a document bring in more than a document may hold.
    #[error(
        "Placeholder ${kind} at {pointer}: {mib} MiB are the most that the placeholders of one document may bring in"
    )]
    TooMuch {
        /// `text`, `json` or `yaml`.
        kind: &'static str,
        /// JSON pointer to the placeholder, shortened.
        pointer: String,
        /// The most, in MiB.
        mib: usize,
    },
}

impl PlaceholderKind {
    /// The name, without the `$`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PlaceholderKind::Text => "text",
            PlaceholderKind::Json => "json",
            PlaceholderKind::Yaml => "yaml",
        }
    }

    fn of_key(key: &str) -> Option<Self> {
        match key {
            "$text" => Some(PlaceholderKind::Text),
            "$json" => Some(PlaceholderKind::Json),
            "$yaml" => Some(PlaceholderKind::Yaml),
            _ => None,
        }
    }
}

impl Placeholder {
    /// Makes the value that replaces the placeholder from what its target holds. Bytes that are no
    /// UTF-8 become U+FFFD, as in Backstage.
    ///
    /// # Errors
    /// The bytes are not of the placeholder's kind.
    pub fn value_of(&self, bytes: &[u8], limits: &Limits) -> Result<Value, PlaceholderError> {
        let unreadable = |format, problem: String| PlaceholderError::Unreadable {
            kind: self.kind.as_str(),
            format,
            target: self.target.clone(),
            problem,
        };
        match self.kind {
            PlaceholderKind::Text => Ok(String::from_utf8_lossy(bytes).into_owned().into()),
            PlaceholderKind::Json => yaml::read_json(bytes, limits)
                .map_err(|problem| unreadable("JSON", problem.to_string())),
            PlaceholderKind::Yaml => {
                let mut documents = yaml::read_all(bytes, limits);
                match (documents.pop(), documents.len()) {
                    (Some(document), 0) => document
                        .map(|document| document.value)
                        .map_err(|problem| unreadable("YAML", problem.to_string())),
                    (last, count) => Err(PlaceholderError::DocumentCount {
                        target: self.target.clone(),
                        count: count + usize::from(last.is_some()),
                    }),
                }
            }
        }
    }
}

/// What the placeholders of one document may still bring in.
#[derive(Debug, Clone)]
pub struct Room {
    limits: Limits,
    bytes: usize,
    nodes: usize,
}

impl Room {
    /// Room for what one document may be.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, bytes: limits.bytes_max, nodes: limits.nodes_max }
    }

    /// Makes the value that replaces a placeholder, and takes the room that it needs.
    ///
    /// # Errors
    /// The bytes are not of the placeholder's kind, or there is no room left.
    pub fn value_of(
        &mut self,
        placeholder: &Placeholder,
        bytes: &[u8],
    ) -> Result<Value, PlaceholderError> {
        let limits = Limits {
            bytes_max: self.bytes,
            nodes_max: self.nodes,
            copied_bytes_max: self.bytes,
            ..self.limits
        };
        let value = placeholder.value_of(bytes, &limits)?;
        if self.take(&value) {
            return Ok(value);
        }
        Err(PlaceholderError::TooMuch {
            kind: placeholder.kind.as_str(),
            pointer: js::shorten(&placeholder.pointer, 200).into_owned(),
            mib: self.limits.bytes_max >> 20,
        })
    }

    /// Makes room for a value; `false` if there is none.
    fn take(&mut self, value: &Value) -> bool {
        let text = match value {
            Value::String(text) => text.len(),
            Value::Array(items) => {
                return self.spend(0) && items.iter().all(|item| self.take(item));
            }
            Value::Object(map) => {
                return self.spend(0)
                    && map.iter().all(|(key, item)| self.spend(key.len()) && self.take(item));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        };
        self.spend(text)
    }

    fn spend(&mut self, bytes: usize) -> bool {
        match (self.bytes.checked_sub(bytes), self.nodes.checked_sub(1)) {
            (Some(bytes), Some(nodes)) => {
                (self.bytes, self.nodes) = (bytes, nodes);
                true
            }
            _ => false,
        }
    }
}

/// The placeholders of a document, in its order.
///
/// # Errors
/// A placeholder whose target is no text; Backstage refuses the whole document then.
pub fn find(document: &Value) -> Result<Vec<Placeholder>, PlaceholderError> {
    let mut found = Vec::new();
    search(document, &mut String::new(), &mut found)?;
    Ok(found)
}

fn search(
    value: &Value,
    pointer: &mut String,
    found: &mut Vec<Placeholder>,
) -> Result<(), PlaceholderError> {
    let length = pointer.len();
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointer.push('/');
                pointer.push_str(&index.to_string());
                search(item, pointer, found)?;
                pointer.truncate(length);
            }
        }
        Value::Object(map) if map.keys().any(|key| key.starts_with('$')) => {
            let mut members = map.iter();
            let (Some((key, target)), None) = (members.next(), members.next()) else {
                return Ok(());
            };
            let Some(kind) = PlaceholderKind::of_key(key) else {
                return Ok(());
            };
            let pointer = pointer.clone();
            match target {
                Value::String(target) => {
                    found.push(Placeholder { pointer, kind, target: target.clone() });
                }
                _ => {
                    let kind = kind.as_str();
                    return Err(PlaceholderError::TargetNotText { pointer, kind });
                }
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                search(item, pointer, found)?;
                pointer.truncate(length);
            }
        }
        _ => {}
    }
    Ok(())
}

/// Puts `value` in the place of a placeholder. What is put there is not searched again.
///
/// Returns whether the place exists.
pub fn replace(document: &mut Value, placeholder: &Placeholder, value: Value) -> bool {
    match document.pointer_mut(&placeholder.pointer) {
        Some(place) => {
            *place = value;
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn placeholders_are_found_as_backstage_finds_them() {
        let document = json!({
            "spec": {
                "definition": {"$text": "./a.txt"},
                "list": [{"$json": "b"}, [{"$yaml": "https://c"}]],
                "a/b~": {"$text": "d"},
                "other": {"$openapi": {"$text": "not looked into"}},
                "more": {"$text": "x", "second": {"$text": "not looked into"}},
                "text": "$text",
            },
        });
        let found = find(&document).expect("good targets");
        let shown: Vec<String> = found
            .iter()
            .map(|found| format!("{} {} {}", found.pointer, found.kind.as_str(), found.target))
            .collect();
        assert_eq!(
            shown,
            [
                "/spec/definition text ./a.txt",
                "/spec/list/0 json b",
                "/spec/list/1/0 yaml https://c",
                "/spec/a~1b~0 text d",
            ]
        );
        let mut replaced = document;
        for placeholder in &found {
            assert!(replace(&mut replaced, placeholder, json!({"$text": "stays"})));
        }
        assert_eq!(replaced["spec"]["a/b~"], json!({"$text": "stays"}));
        assert!(!replace(&mut json!({}), &found[0], json!(1)));
    }

    #[test]
    fn a_target_has_to_be_a_text() {
        let error = find(&json!({"spec": {"x": {"$json": {"$text": "y"}}}})).expect_err("no text");
        assert!(
            error.to_string().starts_with("/spec/x: Placeholder $json expected a string value")
        );
    }

    #[test]
    fn values_are_read_by_their_kind() {
        let value = |kind, bytes: &[u8]| {
            let target = "t".to_owned();
            let placeholder = Placeholder { pointer: String::new(), kind, target };
            placeholder.value_of(bytes, &Limits::default()).map_err(|error| error.to_string())
        };
        assert_eq!(value(PlaceholderKind::Text, b"a: \xff"), Ok(json!("a: \u{fffd}")));
        assert_eq!(value(PlaceholderKind::Json, b"{\"a\": 1.0}"), Ok(json!({"a": 1})));
        assert_eq!(value(PlaceholderKind::Yaml, b"a: [yes, 1]\n"), Ok(json!({"a": ["yes", 1]})));
        assert_eq!(value(PlaceholderKind::Yaml, b"---\n"), Ok(json!(null)));
        for (kind, bytes, expected) in [
            (
                PlaceholderKind::Json,
                "{",
                "Placeholder $json failed to parse JSON data at t, line 1",
            ),
            (
                PlaceholderKind::Yaml,
                "a: [",
                "Placeholder $yaml failed to parse YAML data at t, line 1",
            ),
            (
                PlaceholderKind::Yaml,
                "",
                "expected to find exactly one document of data at t, found 0",
            ),
            (PlaceholderKind::Yaml, "a\n---\nb\n", "exactly one document of data at t, found 2"),
        ] {
            let error = value(kind, bytes.as_bytes()).expect_err("unreadable");
            assert!(error.contains(expected), "{error}");
        }
    }
}
