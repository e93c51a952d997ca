//! `fields=`: parts of entities.

use serde_json::{Map, Value};

use crate::ApiError;

/// Which parts of entities are wanted; all, if none is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(Vec<String>);

impl Fields {
    /// Reads fields: paths with dots, separated by commas.
    pub(crate) fn parse(texts: &[String]) -> Result<Self, ApiError> {
        let mut fields: Vec<String> = Vec::new();
        for field in texts.iter().flat_map(|text| text.split(',')).map(str::trim) {
            if field.contains('[') {
                return Err(ApiError::input(format!(
                    "Invalid field \"{field}\", array type fields are not supported"
                )));
            }
            if !field.is_empty() && !fields.iter().any(|known| known == field) {
                fields.push(field.to_owned());
            }
        }
        Ok(Self(fields))
    }

    /// Writes an entity, or the parts of it that are wanted.
    pub(crate) fn put(&self, entity: &[u8], json: &mut Vec<u8>) {
        if self.0.is_empty() {
            json.extend_from_slice(entity);
            return;
        }
        let entity: Value = serde_json::from_slice(entity).unwrap_or_default();
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(json, &self.of(&entity));
    }

    fn of(&self, entity: &Value) -> Value {
        let mut parts = Map::new();
        for field in &self.0 {
            if let Some((path, value)) = find(entity, field) {
                set(&mut parts, &path, value.clone());
            }
        }
        Value::Object(parts)
    }
}

/// The value of a field, and the keys that lead to it. Keys may hold dots themselves: where a part
/// of the field is no key, it is tried together with the next.
fn find<'a>(entity: &'a Value, field: &'a str) -> Option<(Vec<&'a str>, &'a Value)> {
    let mut path = Vec::new();
    let mut value = entity;
    let mut rest = field;
    'keys: while !rest.is_empty() {
        let object = value.as_object()?;
        let ends = rest.match_indices('.').map(|(at, _)| at).chain([rest.len()]);
        for end in ends {
            if let Some(inner) = object.get(&rest[..end]) {
                path.push(&rest[..end]);
                value = inner;
                rest = rest.get(end + 1..).unwrap_or_default();
                continue 'keys;
            }
        }
        return None;
    }
    Some((path, value))
}

fn set(parts: &mut Map<String, Value>, path: &[&str], value: Value) {
    let Some((key, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        parts.insert((*key).to_owned(), value);
        return;
    }
    let inner = parts.entry(*key).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(inner) = inner {
        set(inner, rest, value);
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
        });
        for (fields, expected) in [
            ("kind", json!({"kind": "A"})),
            ("kind, metadata.name", json!({"kind": "A", "metadata": {"name": "n"}})),
            ("metadata.annotations.a.b/c", json!({"metadata": {"annotations": {"a.b/c": "x"}}})),
            ("metadata.tags,metadata.none,none", json!({"metadata": {"tags": ["t"]}})),
            ("metadata.name.x", json!({})),
            ("metadata,metadata.name", json!({"metadata": entity["metadata"]})),
        ] {
            let fields = Fields::parse(&[fields.into()]).unwrap();
            assert_eq!(fields.of(&entity), expected, "{fields:?}");
        }
        assert!(Fields::parse(&["metadata.tags[0]".into()]).is_err());
    }
}
