//! By which texts a subject is known.

use std::collections::BTreeSet;

use event::{Event, Record};
use model::reference::EntityRef;
use serde_json::Value;

/// The shortest text of a subject's own document by which it is known.
const CHARS_MIN: usize = 4;

/// What names a subject: its reference, and the texts of its own documents that name a person
/// (display name, title, picture, and whatever has the form of an e-mail address).
///
/// Its bare name counts where it stands for the reference: as an author, in a pointer, and where a
/// document refers to it. It does not count in prose, since many a name is a word.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) reference: EntityRef,
    /// In lower case.
    name: String,
    /// In lower case.
    texts: BTreeSet<String>,
}

impl Names {
    /// Those of a reference, and further texts that are given.
    pub(crate) fn new(reference: EntityRef, also: &[String]) -> Self {
        let text = reference.as_str().to_lowercase();
        let short = text.replacen(":default/", ":", 1);
        let name = reference.name().to_lowercase();
        let also = also.iter().map(|text| text.trim().to_lowercase());
        let texts = [text, short].into_iter().chain(also).filter(|text| !text.is_empty());
        Self { reference, name, texts: texts.collect() }
    }

    /// Takes in what a record says of the subject, if it is one of its own documents.
    pub(crate) fn learn_from(&mut self, record: &Record) {
        if record.open().and_then(|open| open.subject.as_deref()) != Some(self.reference.as_str()) {
            return;
        }
        if let Ok(Event::EntitySeen(seen)) = Event::of(record)
            && let Ok(document) = serde_json::from_str(seen.entity.get())
        {
            self.learn(&document);
        }
    }

    /// Takes in what one of the subject's own documents says of it.
    fn learn(&mut self, document: &Value) {
        let profile = &document["spec"]["profile"];
        let shown = [&profile["displayName"], &profile["picture"], &document["metadata"]["title"]];
        let mut found: Vec<String> =
            shown.iter().filter_map(|v| Some(v.as_str()?.into())).collect();
        each_text(document, &mut |text| {
            if is_address(text) {
                found.push(text.into());
            }
            false
        });
        let found = found.iter().map(|text| text.trim().to_lowercase());
        // A display name that is the bare name says nothing more.
        let known = found.filter(|text| text.chars().count() >= CHARS_MIN && *text != self.name);
        self.texts.extend(known);
    }

    /// Whether a text names the subject.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.texts.iter().any(|name| has_word(&text, name))
    }

    /// The same of an author or a pointer, where the bare name counts too.
    pub(crate) fn are_in_attribute(&self, text: &str) -> bool {
        self.are_in(text) || self.bare_is_in(text)
    }

    /// Whether the bare name stands in a text as a word.
    pub(crate) fn bare_is_in(&self, text: &str) -> bool {
        has_word(&text.to_lowercase(), &self.name)
    }

    /// Whether a text anywhere in JSON names the subject.
    pub(crate) fn are_in_json(&self, value: &Value) -> bool {
        each_text(value, &mut |text| self.are_in(text))
    }

    /// The bare name.
    pub(crate) fn bare(&self) -> &str {
        &self.name
    }
}

/// Hands out every text of a JSON value, keys among them, until one is taken.
pub(super) fn each_text(value: &Value, take: &mut dyn FnMut(&str) -> bool) -> bool {
    match value {
        Value::String(text) => take(text),
        Value::Array(items) => items.iter().any(|item| each_text(item, take)),
        Value::Object(members) => {
            members.iter().any(|(key, value)| take(key) || each_text(value, take))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn is_address(text: &str) -> bool {
    let halves = text.trim().split_once('@');
    halves.is_some_and(|(local, host)| {
        !local.is_empty() && host.contains('.') && !text.contains(char::is_whitespace)
    })
}

/// Whether a text holds another one that no letter or digit goes on with, on either side.
fn has_word(text: &str, word: &str) -> bool {
    let goes_on = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    !word.is_empty()
        && text.match_indices(word).any(|(at, _)| {
            let (before, after) = (&text[..at], &text[at + word.len()..]);
            !goes_on(before.chars().next_back()) && !goes_on(after.chars().next())
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_subject_is_known_by_its_reference_and_by_what_its_documents_say() {
        let reference = EntityRef::canonical("user:default/max").expect("a reference");
        let mut names = Names::new(reference, &["Maxi M.".into()]);
        names.learn(&json!({
            "metadata": {"name": "max", "annotations": {"a": "m.mustermann@example.org"}},
            "spec": {"profile": {"displayName": "Max Mustermann", "email": "max@example.org"}},
        }));
        for (text, is_named) in [
            ("owned by user:default/MAX, said he", true),
            ("user:max", true),
            ("user:default/maxine", false),
            ("max heap size", false),
            ("Mail Max Mustermann!", true),
            ("max@example.org", true),
            ("climax@example.org", false),
            ("<M.Mustermann@example.org>", true),
            ("a maxi m. fan", true),
        ] {
            assert_eq!(names.are_in(text), is_named, "{text}");
        }
        assert!(names.are_in_attribute("users/max.yaml#0"));
        assert!(!names.are_in_attribute("users/maxine.yaml#0"));
        assert!(names.are_in_json(&json!({"a": [{"user:max": 1}]})));
    }
}
