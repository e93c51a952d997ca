//! Reading kinds that were recorded, possibly by a later version of this program.

use serde_json::{Map, Value};

use super::CustomKind;

/// Why a kind that was recorded can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// It holds a key or a value that this program does not know.
    Newer,
    /// It is not of its form.
    Malformed,
}

/// The keys of a kind.
const KIND: &[&str] =
    &["kind", "apiVersion", "apiVersions", "schema", "jsonSchema", "relations", "relationFields"];

/// The keys of a relation.
const RELATION: &[&str] =
    &["field", "relation", "inverse", "defaultKind", "defaultNamespace", "allowedKinds"];

/// The values of a relation's `defaultNamespace`.
const NAMESPACES: &[&str] = &["inherit", "default"];

impl CustomKind {
    /// Reads a kind as it was recorded.
    ///
    /// # Errors
    /// When it says what this program does not know, or is no kind at all.
    pub fn recorded(value: &Value) -> Result<Self, Unread> {
        if says_more(value) {
            return Err(Unread::Newer);
        }
        serde_json::from_value(value.clone()).map_err(|_| Unread::Malformed)
    }
}

fn says_more(kind: &Value) -> bool {
    let Some(kind) = kind.as_object() else {
        return false;
    };
    let fields = ["relations", "relationFields"].iter().filter_map(|key| kind.get(*key));
    let mut relations = fields.filter_map(Value::as_array).flatten().filter_map(Value::as_object);
    holds_other_keys(kind, KIND)
        || relations.any(|relation| {
            let namespace = relation.get("defaultNamespace").and_then(Value::as_str);
            holds_other_keys(relation, RELATION)
                || namespace.is_some_and(|namespace| !NAMESPACES.contains(&namespace))
        })
}

fn holds_other_keys(object: &Map<String, Value>, known: &[&str]) -> bool {
    object.keys().any(|key| !known.contains(&key.as_str()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_newer_kind_is_told_from_one_that_is_none() {
        let full = json!({
            "kind": "Robot",
            "apiVersion": ["acme.example/v1"],
            "schema": {"icon": true},
            "relations": [{
                "field": "spec.peer", "relation": "peerOf", "inverse": "hasPeer",
                "defaultKind": "Robot", "defaultNamespace": "default", "allowedKinds": ["Robot"],
            }],
        });
        let with = |pointer: &str, key: &str, value: Value| {
            let mut kind = full.clone();
            kind.pointer_mut(pointer).expect("an object")[key] = value;
            kind
        };
        for (kind, expected) in [
            (full.clone(), None),
            (with("", "icon", json!("robot")), Some(Unread::Newer)),
            (with("/relations/0", "weight", json!(1)), Some(Unread::Newer)),
            (with("/relations/0", "defaultNamespace", json!("owner")), Some(Unread::Newer)),
            (with("/relations/0", "defaultNamespace", json!(1)), Some(Unread::Malformed)),
            (with("", "kind", json!(1)), Some(Unread::Malformed)),
            (with("", "relations", json!([1])), Some(Unread::Malformed)),
            (json!("Robot"), Some(Unread::Malformed)),
            (json!({}), Some(Unread::Malformed)),
        ] {
            assert_eq!(CustomKind::recorded(&kind).err(), expected, "{kind}");
        }
    }

    /// The lists above are those of the types.
    #[test]
    fn the_known_keys_are_those_that_are_read() {
        let kind =
            |more: &str| format!(r#"{{"kind":"A","apiVersion":"v1"{}}}"#, more.replace('\'', "\""));
        let read = |json: &str| serde_json::from_str::<CustomKind>(json);
        for key in KIND.iter().filter(|key| !key.starts_with("api") && **key != "kind") {
            let value = if key.starts_with("rel") { "[]" } else { "{}" };
            read(&kind(&format!(",'{key}':{value}"))).expect(key);
        }
        read(r#"{"kind":"A","apiVersions":["v1"]}"#).expect("apiVersions");
        for namespace in NAMESPACES {
            let relation = format!(
                ",'relations':[{{'field':'a','relation':'b','inverse':'c','defaultKind':'d',\
                 'defaultNamespace':'{namespace}','allowedKinds':[]}}]"
            );
            read(&kind(&relation)).expect(namespace);
        }
        let unknown = read(&kind(",'x':1")).expect_err("an unknown key").to_string();
        for key in KIND {
            assert!(unknown.contains(&format!("`{key}`")), "{unknown}");
        }
        assert_eq!(unknown.matches('`').count() / 2, KIND.len() + 1, "{unknown}");
        let unknown =
            read(&kind(",'relations':[{'x':1}]")).expect_err("an unknown key").to_string();
        assert_eq!(unknown.matches('`').count() / 2, RELATION.len() + 1, "{unknown}");
    }
}
