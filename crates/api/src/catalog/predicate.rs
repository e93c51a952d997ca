//! The predicate language of Backstage's queries (`@backstage/filter-predicates`).

use model::index::{lower, scalar_text};
use serde_json::{Map, Value};
use views::{Condition, Filter};

use crate::ApiError;

/// How deep predicates may stand in one another.
pub(crate) const DEPTH_MAX: usize = 20;

/// How many fields a predicate may ask about.
pub(crate) const FIELDS_MAX: usize = 1000;

/// A predicate that was checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicate {
    json: Value,
    filter: Filter,
}

impl Predicate {
    /// Reads a predicate as a body holds it.
    ///
    /// # Errors
    /// What is none, or is too large to be asked.
    pub fn new(json: Value) -> Result<Self, ApiError> {
        let filter = Reading { fields: 0, is_free: false }.predicate(&json, 0)?;
        Ok(Self { json, filter })
    }

    /// Reads a predicate whose keys may be any texts: one that was made of `filter` parameters,
    /// which Backstage does not hold against the schema.
    ///
    /// # Errors
    /// What is none, or is too large to be asked.
    pub fn free(json: Value) -> Result<Self, ApiError> {
        let filter = Reading { fields: 0, is_free: true }.predicate(&json, 0)?;
        Ok(Self { json, filter })
    }

    /// The filter that it is.
    #[must_use]
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The predicate as it was written.
    #[must_use]
    pub fn json(&self) -> &Value {
        &self.json
    }

    #[cfg(test)]
    pub(crate) fn into_json(self) -> Value {
        self.json
    }
}

/// Reading a predicate.
struct Reading {
    /// How many fields it asked about so far.
    fields: usize,
    /// Whether keys may be any texts.
    is_free: bool,
}

impl Reading {
    fn predicate(&mut self, predicate: &Value, depth: usize) -> Result<Filter, ApiError> {
        if depth > DEPTH_MAX {
            let message = format!("Invalid query: predicates stand more than {DEPTH_MAX} deep");
            return Err(ApiError::input(message));
        }
        let Value::Object(object) = predicate else {
            return Err(ApiError::input(format!(
                "Invalid filter predicate: top-level primitive values are not supported. Wrap the \
                 value in a field expression, e.g. {{ \"kind\": {} }}",
                shortened(predicate)
            )));
        };
        let is_logic = |key: &str| matches!(key, "$all" | "$any" | "$not");
        let operator =
            object.iter().find(|(key, _)| is_logic(key) || (key.starts_with('$') && !self.is_free));
        let Some((key, operand)) = operator else {
            return self.all_fields(object);
        };
        if object.len() > 1 {
            let message = format!("Invalid query: \"{key}\" does not stand beside other keys");
            return Err(ApiError::input(message));
        }
        match key.as_str() {
            "$all" => Ok(Filter::All(self.many(key, operand, depth)?)),
            "$any" => Ok(Filter::Any(self.many(key, operand, depth)?)),
            "$not" => Ok(Filter::Not(Box::new(self.predicate(operand, depth + 1)?))),
            _ => Err(ApiError::input(format!("Invalid query: unknown operator \"{key}\""))),
        }
    }

    fn many(&mut self, key: &str, list: &Value, depth: usize) -> Result<Vec<Filter>, ApiError> {
        let Value::Array(list) = list else {
            return Err(ApiError::input(format!("Invalid query: Expected array at \"{key}\"")));
        };
        list.iter().map(|one| self.predicate(one, depth + 1)).collect()
    }

    fn all_fields(&mut self, object: &Map<String, Value>) -> Result<Filter, ApiError> {
        self.fields += object.len();
        if self.fields > FIELDS_MAX {
            return Err(too_many_fields());
        }
        let breaks = ['\n', '\r', '\u{2028}', '\u{2029}'];
        if !self.is_free && object.keys().any(|key| key.contains(breaks)) {
            return Err(ApiError::input("Invalid query: a key holds a line break"));
        }
        let fields = object.iter().map(|(key, value)| field(key, value));
        fields.collect::<Result<_, _>>().map(Filter::All)
    }
}

pub(crate) fn too_many_fields() -> ApiError {
    ApiError::input(format!("Invalid query: it asks about more than {FIELDS_MAX} fields"))
}

fn field(key: &str, value: &Value) -> Result<Filter, ApiError> {
    let path = lower(key);
    let operator = Operator::of(value).ok_or_else(|| {
        ApiError::input(format!(
            "Invalid query: expected a primitive value, $exists, $in, $hasPrefix, or $contains \
             operator at \"{key}\", but got {}",
            shortened(value)
        ))
    })?;
    let is = |text: String| Condition::In(vec![lower(&text)]);
    let condition = match operator {
        Operator::Is(text) => is(text),
        Operator::Exists(true) => Condition::Exists,
        Operator::Exists(false) => {
            let exists = Filter::Field { path, condition: Condition::Exists };
            return Ok(Filter::Not(Box::new(exists)));
        }
        Operator::In(values) => {
            let texts = values.into_iter().filter_map(scalar_text);
            Condition::In(texts.map(|text| lower(&text)).collect())
        }
        Operator::HasPrefix(prefix) => Condition::Prefix(lower(prefix)),
        Operator::Contains(Value::Object(target)) if path == "relations" => {
            return relation(target);
        }
        Operator::Contains(target) => match scalar_text(target) {
            Some(text) => is(text),
            None => {
                return Err(ApiError::input(format!(
                    "Object form of $contains is not supported for field \"{path}\""
                )));
            }
        },
    };
    Ok(Filter::Field { path, condition })
}

/// What a field is compared with. Where an object has several operators, the first of these that
/// is whole counts, and the others are passed over, as Backstage's schema does.
#[derive(Debug, PartialEq)]
pub(crate) enum Operator<'a> {
    Is(String),
    Exists(bool),
    In(Vec<&'a Value>),
    Contains(&'a Value),
    HasPrefix(&'a str),
}

impl<'a> Operator<'a> {
    /// What a value stands for; `None` if for nothing.
    pub(crate) fn of(value: &'a Value) -> Option<Self> {
        if let Some(text) = scalar_text(value) {
            return Some(Self::Is(text));
        }
        let object = value.as_object()?;
        if let Some(Value::Bool(exists)) = object.get("$exists") {
            return Some(Self::Exists(*exists));
        }
        if let Some(Value::Array(values)) = object.get("$in")
            && values.iter().all(is_primitive)
        {
            return Some(Self::In(values.iter().collect()));
        }
        if let Some(target) = object.get("$contains")
            && is_predicate(target)
        {
            return Some(Self::Contains(target));
        }
        object.get("$hasPrefix").and_then(Value::as_str).map(Self::HasPrefix)
    }
}

fn is_primitive(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_))
}

/// Whether a value has the form of a predicate. Values are no deeper than what was read from JSON.
fn is_predicate(value: &Value) -> bool {
    let Value::Object(object) = value else { return is_primitive(value) };
    let mut operators = object.keys().filter(|key| key.starts_with('$'));
    match (operators.next(), object.len()) {
        (None, _) => object.values().all(|value| Operator::of(value).is_some()),
        (Some(key), 1) => match (key.as_str(), &object[key]) {
            ("$all" | "$any", Value::Array(many)) => many.iter().all(is_predicate),
            ("$not", one) => is_predicate(one),
            _ => false,
        },
        (Some(_), _) => false,
    }
}

/// `{"$contains": {"type": …, "targetRef": …}}` on `relations`.
fn relation(target: &Map<String, Value>) -> Result<Filter, ApiError> {
    let (mut kind, mut targets) = (None, None);
    let twice = |key: &str| {
        ApiError::input(format!("Duplicate key \"{key}\" in $contains for \"relations\""))
    };
    for (key, value) in target {
        match lower(key).as_str() {
            "type" if kind.is_some() => return Err(twice(key)),
            "targetref" if targets.is_some() => return Err(twice(key)),
            "type" => {
                let text = value.as_str().filter(|text| !text.is_empty());
                kind = Some(lower(text.ok_or_else(needs_type)?));
            }
            "targetref" => targets = Some(target_refs(value)?),
            _ => {
                return Err(ApiError::input(format!(
                    "Unsupported key \"{key}\" in $contains for \"relations\". Only \"type\" and \
                     \"targetRef\" are supported"
                )));
            }
        }
    }
    let kind = kind.ok_or_else(needs_type)?;
    let condition = targets.map_or(Condition::Exists, Condition::In);
    Ok(Filter::Field { path: format!("relations.{kind}"), condition })
}

fn needs_type() -> ApiError {
    ApiError::input("The $contains operator for \"relations\" requires a \"type\" string property")
}

fn target_refs(value: &Value) -> Result<Vec<String>, ApiError> {
    let unsupported = || {
        ApiError::input(format!(
            "Unsupported value in $contains for \"relations\": expected a string or {{ \"$in\": \
             [strings] }}, but got {}",
            shortened(value)
        ))
    };
    match value {
        Value::String(text) => Ok(vec![lower(text)]),
        Value::Object(object) if object.len() == 1 => {
            let list = object.get("$in").and_then(Value::as_array).ok_or_else(unsupported)?;
            if list.is_empty() {
                return Err(ApiError::input(
                    "Empty \"$in\" array for $contains on \"relations\" is not allowed",
                ));
            }
            let texts = list.iter().map(|one| one.as_str().map(lower));
            texts.map(|text| text.ok_or_else(unsupported)).collect()
        }
        _ => Err(unsupported()),
    }
}

pub(crate) fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn field(path: &str, condition: Condition) -> Filter {
        Filter::Field { path: path.into(), condition }
    }

    fn is(path: &str, values: &[&str]) -> Filter {
        field(path, Condition::In(values.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn predicates_become_filters() {
        let exists = || field("a", Condition::Exists);
        for (predicate, expected) in [
            (json!({}), Filter::All(vec![])),
            (json!({"Kind": "API"}), Filter::All(vec![is("kind", &["api"])])),
            (json!({"a": 1.0, "b": true}), Filter::All(vec![is("a", &["1"]), is("b", &["true"])])),
            (json!({"a": {"$exists": true}}), Filter::All(vec![exists()])),
            (json!({"a": {"$exists": false}}), Filter::All(vec![Filter::Not(Box::new(exists()))])),
            (json!({"a": {"$in": ["X", 2]}}), Filter::All(vec![is("a", &["x", "2"])])),
            (json!({"a": {"$contains": "X"}}), Filter::All(vec![is("a", &["x"])])),
            (json!({"a": {"$in": [], "x": 1}}), Filter::All(vec![is("a", &[])])),
            (
                json!({"a": {"$hasPrefix": "X", "$exists": true, "$in": 1}}),
                Filter::All(vec![exists()]),
            ),
            (
                json!({"a": {"$hasPrefix": "X"}}),
                Filter::All(vec![field("a", Condition::Prefix("x".into()))]),
            ),
            (json!({"$any": []}), Filter::Any(vec![])),
            (
                json!({"relations": {"$contains": {"type": "ownedBy", "targetRef": "G"}}}),
                Filter::All(vec![is("relations.ownedby", &["g"])]),
            ),
            (
                json!({"relations": {"$contains": {"type": "ownedBy"}}}),
                Filter::All(vec![field("relations.ownedby", Condition::Exists)]),
            ),
        ] {
            assert_eq!(Predicate::new(predicate.clone()).unwrap().filter, expected, "{predicate}");
        }
    }

    #[test]
    fn what_is_no_predicate_is_refused() {
        let mut deep = json!({"a": "b"});
        for _ in 0..30 {
            deep = json!({"$not": deep});
        }
        for (predicate, says) in [
            (json!("a"), "top-level primitive"),
            (json!([{"kind": "x"}]), "top-level primitive"),
            (json!({"kind": {"$regex": "x"}}), "at \"kind\""),
            (json!({"spec": {"type": "x"}}), "at \"spec\""),
            (json!({"$all": 1}), "Expected array"),
            (json!({"$nor": []}), "unknown operator \"$nor\""),
            (json!({"$all": [], "kind": "x"}), "beside other keys"),
            (json!({"relations": {"$contains": {"targetRef": "x"}}}), "requires a \"type\""),
            (json!({"links": {"$contains": {"type": "x"}}}), "field \"links\""),
            (json!({"a": null}), "at \"a\""),
            (json!({"a\nb": 1}), "line break"),
            (json!({"a": {"$contains": {"b": null}}}), "at \"a\""),
            (json!({"relations": {"$contains": {"type": "a", "Type": "b"}}}), "Duplicate key"),
            (deep, "20 deep"),
        ] {
            let error = Predicate::new(predicate.clone()).unwrap_err();
            assert!(error.message.contains(says), "{predicate}: {error}");
        }
    }
}
