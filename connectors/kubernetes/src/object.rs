//! Objects of the API as they come. What is missing, null or of another form is empty: an object
//! of another version must not make a whole list unreadable.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// The longest text that is taken over, in letters; the API's own names are shorter.
const TEXT_MAX: usize = 512;

/// Labels of one object that are looked at.
const LABELS_MAX: usize = 256;

/// An object of any kind.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Object {
    pub(crate) metadata: Metadata,
    #[serde(deserialize_with = "readable")]
    pub(crate) spec: Value,
    #[serde(deserialize_with = "readable")]
    pub(crate) status: Value,
    /// What objects of `annals.dev` say beside their spec.
    #[serde(deserialize_with = "readable")]
    pub(crate) about: Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Metadata {
    #[serde(deserialize_with = "nullable")]
    pub(crate) name: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) namespace: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) uid: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) resource_version: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) generation: i64,
    #[serde(deserialize_with = "nullable")]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) annotations: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) owner_references: Vec<Owner>,
}

/// What an object belongs to.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Owner {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) controller: bool,
}

/// A page of a list. One that lacks what each has is no list: nothing is gone for its sake.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    pub(crate) metadata: PageMetadata,
    #[serde(deserialize_with = "nullable")]
    pub(crate) items: Vec<Object>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PageMetadata {
    pub(crate) resource_version: String,
    #[serde(rename = "continue")]
    pub(crate) more: Option<String>,
}

fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A value, or nothing where it can't be read: who may make objects may nest them more deeply than
/// anybody reads.
fn readable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    let text = Box::<RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(text.get()).unwrap_or_default())
}

/// A line of a watch.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: Box<str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// What a watch says.
#[derive(Debug)]
pub(crate) enum Event {
    /// An object is so now.
    Is(Box<Object>),
    /// An object is no more; as it was last.
    IsNot(Box<Object>),
    /// All up to a version was said.
    Reached(String),
    /// It does not go on; the code, and why.
    Ends(u16, String),
}

impl Event {
    /// Reads a line.
    pub(crate) fn read(line: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Status {
            code: u16,
            #[serde(deserialize_with = "nullable")]
            message: String,
        }
        let Line { kind, object } = serde_json::from_slice(line)?;
        if !object.get().starts_with('{') {
            // A list would be read as the members of an object, one after the other.
            let found = serde::de::Unexpected::Other("something else");
            return Err(serde::de::Error::invalid_type(found, &"an object"));
        }
        let read = || serde_json::from_str(object.get());
        match &*kind {
            "ADDED" | "MODIFIED" => Ok(Self::Is(read()?)),
            "DELETED" => Ok(Self::IsNot(read()?)),
            "BOOKMARK" => read().map(|of: Box<Object>| Self::Reached(of.metadata.resource_version)),
            "ERROR" => serde_json::from_str(object.get())
                .map(|Status { code, message }| Self::Ends(code, message)),
            other => Err(serde::de::Error::unknown_variant(other, &[])),
        }
    }
}

impl Object {
    /// What controls it.
    pub(crate) fn controller(&self) -> Option<&Owner> {
        self.metadata.owner_references.iter().find(|of| of.controller)
    }
}

/// An object's labels, in their order, in little memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Labels(Box<[(Box<str>, Box<str>)]>);

impl Labels {
    pub(crate) fn new<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let labels = labels.into_iter().take(LABELS_MAX);
        let mut labels: Vec<(Box<str>, Box<str>)> =
            labels.map(|(key, value)| (key.into(), value.into())).collect();
        labels.sort();
        Self(labels.into())
    }

    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self::new(metadata.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }

    /// Those of a value: a selector, the labels of a template.
    pub(crate) fn in_value(value: &Value, pointer: &str) -> Self {
        let members = value.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
        Self::new(members.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))))
    }

    /// Whether all of these are among others.
    pub(crate) fn are_among(&self, others: &Self) -> bool {
        self.iter().all(|(key, value)| others.get(key) == Some(value))
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(own, _)| (**own).cmp(key)).ok()?;
        Some(&self.0[at].1)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }
}

/// A text of a source, cut.
pub(crate) fn cut(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}

/// A text within a value, cut; none where there is none, or it is empty.
pub(crate) fn text(value: &Value, pointer: &str) -> Option<String> {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.filter(|text| !text.is_empty()).map(cut)
}

/// A whole number within a value.
pub(crate) fn number(value: &Value, pointer: &str) -> Option<i64> {
    value.pointer(pointer).and_then(Value::as_i64)
}

/// The elements of a list within a value; of very many only the first.
pub(crate) fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    /// Elements of a list that are looked at.
    const ELEMENTS_MAX: usize = 50;
    let list = value.pointer(pointer).and_then(Value::as_array);
    list.into_iter().flatten().take(ELEMENTS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_watches() {
        for (line, expected) in [
            (r#"{"type":"ADDED","object":{"metadata":{"name":"a"}}}"#, "is a"),
            (r#"{"object":{"metadata":{"name":"a"},"kind":[]},"type":"MODIFIED"}"#, "is a"),
            (r#"{"type":"DELETED","object":{"metadata":{"name":"a"},"spec":7}}"#, "is not a"),
            (r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7"}}}"#, "reached 7"),
            (
                r#"{"type":"ERROR","object":{"code":410,"message":"old","kind":"Status"}}"#,
                "410 old",
            ),
            (r#"{"type":"ERROR","object":{"message":null}}"#, "0 "),
            (r#"{"type":"ERROR","object":[]}"#, "none"),
            (r#"{"type":"ERROR","object":"x"}"#, "none"),
            (r#"{"type":"ADDED","object":7}"#, "none"),
            (r#"{"type":"OTHER","object":{}}"#, "none"),
            (r#"{"type":"ADDED"}"#, "none"),
            ("<html>", "none"),
            ("", "none"),
        ] {
            let read = match Event::read(line.as_bytes()) {
                Ok(Event::Is(object)) => format!("is {}", object.metadata.name),
                Ok(Event::IsNot(object)) => format!("is not {}", object.metadata.name),
                Ok(Event::Reached(version)) => format!("reached {version}"),
                Ok(Event::Ends(code, why)) => format!("{code} {why}"),
                Err(_) => "none".to_owned(),
            };
            assert_eq!(read, expected, "{line}");
        }
    }

    #[test]
    fn one_object_makes_no_list_unreadable() {
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        let items = ["null".to_owned(), deep, r#"{"a": "b"}"#.to_owned()].map(|spec| {
            format!(r#"{{"metadata": {{"name": "x", "managedFields": {spec}}}, "spec": {spec}}}"#)
        });
        let list = format!(
            r#"{{"metadata": {{"resourceVersion": "1"}}, "items": [{}]}}"#,
            items.join(",")
        );
        let page: Page = serde_json::from_str(&list).unwrap();
        let specs: Vec<Value> = page.items.into_iter().map(|of| of.spec).collect();
        assert_eq!(specs, [Value::Null, Value::Null, serde_json::json!({"a": "b"})]);
    }
}
