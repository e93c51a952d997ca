//! Objects of the API as they come. What is missing, null or of another form is empty: an object
//! of another version must not make a whole list unreadable.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The longest text that is taken over, in letters; the API's own names are shorter.
const TEXT_MAX: usize = 512;

/// Labels of one object that are looked at.
const LABELS_MAX: usize = 256;

/// An object of any kind.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Object {
    pub(crate) metadata: Metadata,
    pub(crate) spec: Value,
    pub(crate) status: Value,
    /// What objects of `annals.dev` say beside their spec.
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
