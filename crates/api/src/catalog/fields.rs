//! `fields=`: parts of entities.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::ApiError;
use crate::params::{Form, Param};

/// The parameter.
pub(crate) const FIELDS: Param = Param::new(
    "fields",
    Form::List,
    "Parts of entities, such as `kind,metadata.name`; at most 200. Without it: whole entities.",
)
.like("metadata.name");

/// How many fields a request can name: each is looked for in each entity.
const FIELDS_MAX: usize = 200;

/// The digits of the largest place in an array.
const NUMBER_MAX: usize = 20;

/// Which parts of entities are wanted; all, if none is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<String>);

impl Fields {
    /// Reads fields: paths with dots. Some are separated by commas, others stand for themselves.
    ///
    /// # Errors
    /// A field that speaks of an item of an array, or too many of them.
    pub fn parse(texts: &[String], single: &[String]) -> Result<Self, ApiError> {
        let mut fields: Vec<String> = Vec::new();
        let mut known = HashSet::new();
        let texts = texts.iter().flat_map(|text| text.split(','));
        for field in single.iter().map(String::as_str).chain(texts).map(str::trim) {
            if field.contains('[') {
                return Err(ApiError::input(format!(
                    "Invalid field \"{field}\", array type fields are not supported"
                )));
            }
            if field.is_empty() || !known.insert(field) {
                continue;
            }
            if fields.len() == FIELDS_MAX {
                let message = format!("a request can name at most {FIELDS_MAX} fields");
                return Err(ApiError::input(message));
            }
            fields.push(field.to_owned());
        }
        Ok(Self(fields))
    }

    /// Whether whole entities are wanted.
    pub(crate) fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes an entity, or the parts of it that are wanted.
    pub fn put(&self, entity: &[u8], json: &mut Vec<u8>) {
        if self.0.is_empty() {
            json.extend_from_slice(entity);
            return;
        }
        let entity: Value = serde_json::from_slice(entity).unwrap_or_default();
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(json, &self.of(&entity));
    }

    fn of(&self, entity: &Value) -> Value {
        let mut parts = Value::Object(Map::new());
        for field in &self.0 {
            if let Some((path, value)) = find(entity, field) {
                set(&mut parts, &path, value.clone());
            }
        }
        parts
    }
}

/// A step on the way to a value.
#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Key(&'a str),
    Item(usize),
}

/// The value of a field, and the steps that lead to it. Keys may hold dots themselves: where a part
/// of the field is no key, it is tried together with the next.
fn find<'a>(entity: &'a Value, field: &'a str) -> Option<(Vec<Step<'a>>, &'a Value)> {
    let mut path = Vec::new();
    let mut value = entity;
    let mut rest = field;
    'steps: while !rest.is_empty() {
        // A field of nothing but dots would be tried at each of them.
        let longest = match value {
            Value::Object(object) => object.keys().map(String::len).max()?,
            Value::Array(_) => NUMBER_MAX,
            _ => return None,
        };
        let ends = rest.match_indices('.').map(|(at, _)| at).chain([rest.len()]);
        for end in ends.take_while(|end| *end <= longest) {
            if let Some((step, inner)) = step(value, &rest[..end]) {
                path.push(step);
                value = inner;
                rest = rest.get(end + 1..).unwrap_or_default();
                continue 'steps;
            }
        }
        return None;
    }
    Some((path, value))
}

fn step<'a>(value: &'a Value, part: &'a str) -> Option<(Step<'a>, &'a Value)> {
    match value {
        Value::Object(object) => Some((Step::Key(part), object.get(part)?)),
        Value::Array(items) => {
            let item = part.parse().ok().filter(|item: &usize| item.to_string() == part)?;
            Some((Step::Item(item), items.get(item)?))
        }
        _ => None,
    }
}

/// Puts a value in its place. Items of an array before it that are not wanted are null.
fn set(parts: &mut Value, path: &[Step<'_>], value: Value) {
    let Some((step, rest)) = path.split_first() else {
        *parts = value;
        return;
    };
    match *step {
        Step::Key(key) => {
            if !parts.is_object() {
                *parts = Value::Object(Map::new());
            }
            if let Value::Object(object) = parts {
                set(object.entry(key).or_insert(Value::Null), rest, value);
            }
        }
        Step::Item(item) => {
            if !parts.is_array() {
                *parts = Value::Array(Vec::new());
            }
            if let Value::Array(items) = parts {
                if items.len() <= item {
                    items.resize(item + 1, Value::Null);
                }
                set(&mut items[item], rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parts_are_found_also_where_keys_hold_dots() {
        let entity = json!({
            "kind": "A",
            "metadata": {"name": "n", "annotations": {"a.b/c": "x"}, "tags": ["t"]},
            "links": [{"url": "a"}, {"url": "b", "title": "B"}],
        });
        for (fields, expected) in [
            ("kind", json!({"kind": "A"})),
            ("kind, metadata.name", json!({"kind": "A", "metadata": {"name": "n"}})),
            ("metadata.annotations.a.b/c", json!({"metadata": {"annotations": {"a.b/c": "x"}}})),
            ("metadata.tags,metadata.none,none", json!({"metadata": {"tags": ["t"]}})),
            ("metadata.name.x", json!({})),
            ("metadata,metadata.name", json!({"metadata": entity["metadata"]})),
            ("metadata.name,metadata", json!({"metadata": entity["metadata"]})),
            ("metadata.tags.0", json!({"metadata": {"tags": ["t"]}})),
            ("metadata.tags.1,metadata.tags.00", json!({})),
            ("links.1.url", json!({"links": [null, {"url": "b"}]})),
        ] {
            let fields = Fields::parse(&[fields.into()], &[]).unwrap();
            assert_eq!(fields.of(&entity), expected, "{fields:?}");
        }
        assert!(Fields::parse(&["metadata.tags[0]".into()], &[]).is_err());
        let many = (0..=FIELDS_MAX).map(|number| format!("f{number},")).collect::<String>();
        assert!(Fields::parse(&[many], &[]).is_err());
        let dots = Fields::parse(&["a".to_owned() + &".".repeat(60_000)], &[]).unwrap();
        assert_eq!(dots.of(&json!({"a": {"b": 1}})), json!({}));
    }
}
