//! `filter=` of GET requests: `a=b,c` (all of them), given several times (any of them).

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::predicate::Predicate;
use crate::ApiError;
use crate::params::{Form, Param};

/// The parameter.
pub(crate) const FILTER: Param = Param::new(
    "filter",
    Form::Texts,
    "`kind=component,spec.type=service`: what has all of that; given several times: any of them.",
)
.like("kind=component");

/// The predicate that filters say: any of the parameters, each with all of its statements; a key
/// that is named several times in one parameter may have any of its values.
///
/// # Errors
/// A statement without a key, or more of them than may be asked.
pub fn parse(filters: &[String]) -> Result<Option<Predicate>, ApiError> {
    let any: Vec<Value> = filters
        .iter()
        .map(|filter| all(filter))
        .filter_map(Result::transpose)
        .collect::<Result<_, _>>()?;
    let predicate = match any.len() {
        0 => return Ok(None),
        1 => any.into_iter().next().unwrap_or_default(),
        _ => json!({"$any": any}),
    };
    Predicate::free(predicate).map(Some)
}

fn all(filter: &str) -> Result<Option<Value>, ApiError> {
    let mut keys: Vec<(String, Option<Vec<String>>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for statement in filter.split(',').map(str::trim).filter(|statement| !statement.is_empty()) {
        let (key, value) = match statement.split_once('=') {
            Some((key, value)) => (key.trim(), Some(value.trim())),
            None => (statement, None),
        };
        if key.is_empty() {
            return Err(ApiError::input(format!(
                "Invalid filter, '{statement}' is not a valid statement (expected a string on the \
                 form a=b or a= or a)"
            )));
        }
        let at = *places.entry(key).or_insert(keys.len());
        if at == keys.len() {
            keys.push((key.to_owned(), None));
        }
        if let Some(value) = value {
            keys[at].1.get_or_insert_default().push(value.to_owned());
        }
    }
    let mut all: Vec<Value> =
        keys.into_iter().map(|(key, values)| statement(key, values)).collect();
    Ok(match all.len() {
        0 => None,
        1 => all.pop(),
        _ => Some(json!({"$all": all})),
    })
}

fn statement(key: String, values: Option<Vec<String>>) -> Value {
    let condition = match values {
        None => json!({"$exists": true}),
        Some(values) if values.len() == 1 => json!(values[0]),
        Some(values) => json!({"$in": values}),
    };
    Value::Object(Map::from_iter([(key, condition)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_become_predicates() {
        for (filters, expected) in [
            (&[][..], None),
            (&[",, ,"], None),
            (&["kind"], Some(json!({"kind": {"$exists": true}}))),
            (&["kind=a"], Some(json!({"kind": "a"}))),
            (&["kind="], Some(json!({"kind": ""}))),
            (&[" kind = a = b "], Some(json!({"kind": "a = b"}))),
            (&["kind=a,kind=b"], Some(json!({"kind": {"$in": ["a", "b"]}}))),
            (&["kind,kind=b"], Some(json!({"kind": "b"}))),
            (&["kind=a,x"], Some(json!({"$all": [{"kind": "a"}, {"x": {"$exists": true}}]}))),
            (&["$x=1,a\nb"], Some(json!({"$all": [{"$x": "1"}, {"a\nb": {"$exists": true}}]}))),
            (&["a=1", "b=2"], Some(json!({"$any": [{"a": "1"}, {"b": "2"}]}))),
        ] {
            let filters: Vec<String> = filters.iter().map(ToString::to_string).collect();
            let predicate = parse(&filters).unwrap();
            assert_eq!(predicate.map(Predicate::into_json), expected, "{filters:?}");
        }
        let error = parse(&["a=1,=value".into()]).unwrap_err();
        assert!(error.message.contains("'=value' is not a valid statement"), "{error}");
    }
}
