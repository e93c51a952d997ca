//! Predicates over registered locations. They are read as those over entities, but mean a little
//! else: what is compared is one of four texts, in whatever case, and `$all` of nothing lets
//! nothing pass.

use model::index::{lower, scalar_text};
use serde_json::{Map, Value};

use crate::ApiError;
use crate::catalog::predicate::{DEPTH_MAX, FIELDS_MAX, Operator, shortened, too_many_fields};

/// A predicate that was checked.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum LocationFilter {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Fields(Vec<(Field, Condition)>),
}

/// What is known of a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Id,
    Type,
    Target,
    EntityRef,
}

/// How a field has to be. Texts are in lower case, but for ids in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Always,
    Never,
    In(Vec<String>),
    ExactlyIn(Vec<String>),
    Prefix(String),
}

impl LocationFilter {
    /// Reads a predicate.
    pub(super) fn parse(json: &Value) -> Result<Self, ApiError> {
        Self::read(json, 0, &mut 0)
    }

    fn read(json: &Value, depth: usize, fields: &mut usize) -> Result<Self, ApiError> {
        if depth > DEPTH_MAX {
            let message = format!("Invalid query: predicates stand more than {DEPTH_MAX} deep");
            return Err(ApiError::input(message));
        }
        let Value::Object(object) = json else {
            return Err(ApiError::input("Invalid filter predicate, expected an object"));
        };
        let mut many = |list: &Value| match list {
            Value::Array(list) => {
                list.iter().map(|one| Self::read(one, depth + 1, fields)).collect()
            }
            _ => Err(ApiError::input("Invalid query: Expected array")),
        };
        let operator = object.iter().find(|(key, _)| key.starts_with('$'));
        match operator {
            None => {
                *fields += object.len();
                if *fields > FIELDS_MAX {
                    return Err(too_many_fields());
                }
                object.iter().map(field).collect::<Result<_, _>>().map(Self::Fields)
            }
            Some((key, _)) if object.len() > 1 => Err(ApiError::input(format!(
                "Invalid query: \"{key}\" does not stand beside other keys"
            ))),
            Some((key, list)) if key == "$all" => many(list).map(Self::All),
            Some((key, list)) if key == "$any" => many(list).map(Self::Any),
            Some((key, one)) if key == "$not" => {
                Ok(Self::Not(Box::new(Self::read(one, depth + 1, fields)?)))
            }
            Some((key, _)) => Err(ApiError::input(format!(
                "Invalid filter predicate, unknown logic operator '{key}'"
            ))),
        }
    }

    /// Whether a location, as it is shown, passes.
    pub(super) fn passes(&self, location: &Map<String, Value>) -> bool {
        match self {
            Self::All(all) => !all.is_empty() && all.iter().all(|one| one.passes(location)),
            Self::Any(any) => any.iter().any(|one| one.passes(location)),
            Self::Not(one) => !one.passes(location),
            Self::Fields(fields) => fields.iter().all(|(field, condition)| {
                let value = location.get(field.key()).and_then(Value::as_str).unwrap_or_default();
                condition.passes(value)
            }),
        }
    }
}

impl Field {
    fn key(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Type => "type",
            Self::Target => "target",
            Self::EntityRef => "entityRef",
        }
    }
}

impl Condition {
    fn passes(&self, value: &str) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::In(values) => values.contains(&lower(value)),
            Self::ExactlyIn(values) => values.iter().any(|one| one == value),
            Self::Prefix(prefix) => lower(value).starts_with(prefix),
        }
    }
}

fn field((key, value): (&String, &Value)) -> Result<(Field, Condition), ApiError> {
    let field = match lower(key).as_str() {
        "id" => Field::Id,
        "type" => Field::Type,
        "target" => Field::Target,
        "entityref" => Field::EntityRef,
        _ => {
            return Err(ApiError::input(format!(
                "Invalid filter predicate, expected key to be 'id', 'type', 'target', or \
                 'entityRef', got '{key}'"
            )));
        }
    };
    let unknown = || {
        let message = "Invalid filter predicate, got unknown matcher object";
        ApiError::input(format!("{message} '{}'", shortened(value)))
    };
    let condition = match Operator::of(value).ok_or_else(unknown)? {
        Operator::Is(text) => Condition::In(vec![lower(&text)]),
        Operator::Exists(true) => Condition::Always,
        Operator::Exists(false) | Operator::Contains(_) => Condition::Never,
        Operator::In(values) if field == Field::Id => {
            Condition::ExactlyIn(values.into_iter().filter_map(scalar_text).collect())
        }
        Operator::In(values) => {
            let texts = values.into_iter().filter_map(scalar_text);
            Condition::In(texts.map(|text| lower(&text)).collect())
        }
        Operator::HasPrefix(prefix) => Condition::Prefix(lower(prefix)),
    };
    Ok((field, condition))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn locations_pass_as_in_backstage() {
        let location = json!({
            "id": "00000000-0000-0000-0000-00000000000a", "type": "url",
            "target": "https://X/100%", "entityRef": "location:default/generated-1",
        });
        for (predicate, expected) in [
            (json!({}), true),
            (json!({"type": "URL"}), true),
            (json!({"type": "file"}), false),
            (json!({"Target": {"$hasPrefix": "HTTPS://x/100%"}}), true),
            (json!({"target": {"$hasPrefix": "http://"}}), false),
            (json!({"id": "00000000-0000-0000-0000-00000000000A"}), true),
            (json!({"id": {"$in": ["00000000-0000-0000-0000-00000000000a"]}}), true),
            (json!({"id": {"$in": ["00000000-0000-0000-0000-00000000000A"]}}), false),
            (json!({"type": {"$in": ["x", "Url"]}}), true),
            (json!({"type": {"$in": []}}), false),
            (json!({"type": {"$exists": true}, "entityRef": {"$exists": true}}), true),
            (json!({"type": {"$exists": false}}), false),
            (json!({"type": {"$contains": "url"}}), false),
            (json!({"$all": []}), false),
            (json!({"$any": []}), false),
            (json!({"$not": {"$all": []}}), true),
            (json!({"$any": [{"type": "x"}, {"type": "url"}]}), true),
            (json!({"$all": [{"type": "x"}, {"type": "url"}]}), false),
        ] {
            let filter = LocationFilter::parse(&predicate).unwrap();
            assert_eq!(filter.passes(location.as_object().unwrap()), expected, "{predicate}");
        }
        for (predicate, says) in [
            (json!({"name": "x"}), "expected key to be"),
            (json!({"type": ["x"]}), "unknown matcher"),
            (json!({"$nor": []}), "'$nor'"),
            (json!({"$all": {}}), "array"),
            (json!({"$all": ["x"]}), "expected an object"),
            (json!({"$all": [], "type": "x"}), "beside other keys"),
        ] {
            let error = LocationFilter::parse(&predicate).unwrap_err();
            assert!(error.message.contains(says), "{predicate}: {error}");
        }
    }
}
