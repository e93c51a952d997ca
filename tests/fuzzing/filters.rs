//! `filter=`, predicates, `fields=`.

use api::ApiError;
use api::query::{Fields, Predicate, parse_filters};
use serde_json::{Value, json};

/// Lines that are filters, and fields of them; or a predicate as JSON.
pub(crate) fn check(input: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<Value>(input)
        && let Ok(read) = Predicate::new(value)
    {
        predicate(&read, Predicate::new);
    }
    let text = String::from_utf8_lossy(input);
    let lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    if let Ok(Some(read)) = parse_filters(&lines) {
        predicate(&read, Predicate::free);
        let spaced: Vec<String> = lines.iter().map(|line| format!(" ,{line} , ")).collect();
        assert_eq!(parse_filters(&spaced), Ok(Some(read)), "spaces and empty statements");
    }
    fields(&lines);
}

/// A predicate is told by its JSON, which is how cursors keep it.
fn predicate(read: &Predicate, parse: fn(Value) -> Result<Predicate, ApiError>) {
    let json = read.json().to_string();
    let again = parse(serde_json::from_str(&json).expect("JSON")).expect("a predicate");
    assert_eq!(again.filter(), read.filter());
}

/// What fields leave of an entity is a part of it, and all that they leave of that.
fn fields(texts: &[String]) {
    let Ok(fields) = Fields::parse(texts, &[]) else {
        return;
    };
    let entity = json!({
        "kind": "Component", "a": {"b": {"c": 1}, "b.c": 2, "": {"": 3}}, "a.b": {"d": [4]},
        "metadata": {"name": "n", "annotations": {"a.b/c": "x", "a": "y"}, "tags": ["t"]},
    });
    let put = |entity: &Value| -> Value {
        let mut json = Vec::new();
        fields.put(entity.to_string().as_bytes(), &mut json);
        serde_json::from_slice(&json).expect("JSON")
    };
    let part = put(&entity);
    assert!(is_part(&part, &entity), "{part}");
    assert_eq!(put(&part), part, "{texts:?}");
}

fn is_part(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part
            .iter()
            .all(|(key, value)| whole.get(key).is_some_and(|whole| is_part(value, whole))),
        _ => part == whole,
    }
}
