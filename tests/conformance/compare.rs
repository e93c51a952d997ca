//! Comparing answers. What may differ is what `conformance/README.md` names: uids and etags, the
//! texts of cursors, times, the order of relations, and of whatever a request asks for as a set.

use std::sync::LazyLock;

use fancy_regex::Regex;
use serde_json::{Map, Value, json};

use crate::ask::Response;

/// How many differences of one request are told.
const TOLD_MAX: usize = 12;

static UUID: LazyLock<Regex> = LazyLock::new(|| {
    let digits = "(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    Regex::new(digits).unwrap()
});
static TIME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?").unwrap());
static CURSOR: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("([?&](?:cursor|after)=)[^&>]+").unwrap());

/// In what answers differ.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// In what they must not.
    pub(crate) hard: Vec<String>,
    /// In the words of errors, and in headers.
    pub(crate) soft: Vec<String>,
}

/// In what answers differ from the recorded ones.
pub(crate) fn differences(recorded: &Value, responses: &[Response]) -> Found {
    let recorded_responses: Vec<Response> = recorded["responses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|response| Response {
            status: response["status"].as_u64().unwrap().try_into().unwrap(),
            headers: response["headers"].as_object().unwrap().clone(),
            body: response["body"].clone(),
        })
        .collect();
    let compare = recorded["compare"].as_str().unwrap_or("exact");
    let mut found = Found::default();
    let (theirs, their_words) = view(compare, &recorded_responses);
    let (ours, our_words) = view(compare, responses);
    tell(&theirs, &ours, "", &mut found.hard);
    tell(&their_words, &our_words, "/message", &mut found.soft);
    for (at, (theirs, ours)) in recorded_responses.iter().zip(responses).enumerate() {
        for name in ["content-type", "link", "location"] {
            let header = |of: &Response| of.headers.get(name).map(|value| masked(value, None));
            let (theirs, ours) = (header(theirs), header(ours));
            if theirs != ours {
                let show = |value: Option<Value>| value.map_or("none".into(), |v| v.to_string());
                found.soft.push(format!("{at}: {name}: {} != {}", show(theirs), show(ours)));
            }
        }
    }
    found
}

/// What is compared of answers, and the words of their errors.
fn view(compare: &str, responses: &[Response]) -> (Value, Value) {
    let (compare, responses) = match compare {
        "first" => ("exact", &responses[..1]),
        other => (other, responses),
    };
    let (mode, path) = compare.split_once(':').unwrap_or((compare, ""));
    let statuses: Vec<u16> = responses.iter().map(|response| response.status).collect();
    let bodies: Vec<Value> =
        responses.iter().map(|response| masked(&response.body, None)).collect();
    let words: Vec<Value> = bodies.iter().filter_map(words).collect();
    if mode == "status" {
        return (json!({"statuses": statuses}), json!(words));
    }
    let lists: Vec<Option<&Vec<Value>>> = bodies.iter().map(items).collect();
    if mode == "exact" || lists.iter().any(Option::is_none) {
        let bodies: Vec<Value> = bodies
            .iter()
            .map(|body| without_words(&if mode == "exact" { body.clone() } else { sorted(body) }))
            .collect();
        return (json!({"statuses": statuses, "bodies": bodies}), json!(words));
    }
    let lists: Vec<&Vec<Value>> = lists.into_iter().flatten().collect();
    let all = || lists.iter().flat_map(|list| list.iter());
    let mut view = json!({
        "statuses": statuses,
        "pages": lists.iter().map(|list| list.len()).collect::<Vec<_>>(),
        "envelope": bodies.iter().map(envelope).collect::<Vec<_>>(),
    });
    if matches!(mode, "set" | "keyset") {
        let item =
            |item: &Value| if mode == "set" { sorted(&unranked(item)) } else { item.clone() };
        let mut set: Vec<String> = all().map(|one| item(one).to_string()).collect();
        set.sort_unstable();
        view["set"] = json!(set);
    }
    if matches!(mode, "keys" | "keyset") {
        let pointer = format!("/{}", path.replace('.', "/"));
        let key = |item: &Value| match item.pointer(&pointer) {
            Some(Value::String(text)) => json!(text.to_lowercase()),
            Some(other) => other.clone(),
            None => Value::Null,
        };
        view["keys"] = all().map(key).collect();
    }
    (view, json!(words))
}

/// A result of a search without its place, which is everybody's own.
fn unranked(item: &Value) -> Value {
    let mut item = item.clone();
    if let Some(result) = item.as_object_mut().filter(|item| item.contains_key("document")) {
        result.shift_remove("rank");
    }
    item
}

fn items(body: &Value) -> Option<&Vec<Value>> {
    body.as_array().or_else(|| {
        ["items", "entities", "results"].iter().find_map(|key| body.get(key)?.as_array())
    })
}

fn envelope(body: &Value) -> Value {
    let Value::Object(object) = body else { return json!([]) };
    let kept = object
        .iter()
        .filter(|(key, _)| !matches!(key.as_str(), "items" | "entities" | "results"))
        .map(|(key, value)| (key.clone(), value.clone()));
    Value::Object(kept.collect())
}

/// What an error says.
fn words(body: &Value) -> Option<Value> {
    if let Some(error) = body.get("error") {
        return Some(error["message"].clone());
    }
    let errors = body.get("errors")?.as_array()?;
    Some(errors.iter().map(|error| error["message"].clone()).collect())
}

fn without_words(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(error) = body.get_mut("error").and_then(Value::as_object_mut) {
        error.shift_remove("message");
        error.shift_remove("cause");
    }
    if let Some(errors) = body.get_mut("errors").and_then(Value::as_array_mut) {
        for error in errors {
            *error = json!({"name": error["name"]});
        }
    }
    body
}

/// A value with its keys in order, and without what may differ.
fn masked(value: &Value, key: Option<&str>) -> Value {
    match value {
        Value::String(text) => match key {
            Some(key @ ("uid" | "etag")) => json!(format!("<{key}>")),
            Some("nextCursor" | "prevCursor" | "nextPageCursor" | "previousPageCursor") => {
                json!("<cursor>")
            }
            _ => {
                let text = UUID.replace_all(text, "<uuid>");
                let text = TIME.replace_all(&text, "<time>");
                json!(CURSOR.replace_all(&text, "$1<cursor>"))
            }
        },
        Value::Array(list) => {
            let mut list: Vec<Value> = list.iter().map(|item| masked(item, None)).collect();
            if key == Some("relations") {
                list.sort_by_key(Value::to_string);
            }
            list.into()
        }
        Value::Object(object) => {
            let mut members: Vec<(&String, &Value)> = object.iter().collect();
            members.sort_unstable_by_key(|(key, _)| *key);
            let kept = members
                .into_iter()
                .filter(|(key, _)| *key != "stack" || !object.contains_key("message"))
                .map(|(key, value)| (key.clone(), masked(value, Some(key))));
            Value::Object(kept.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(list) => {
            let mut list: Vec<Value> = list.iter().map(sorted).collect();
            list.sort_by_key(Value::to_string);
            list.into()
        }
        Value::Object(object) => {
            Value::Object(object.iter().map(|(key, value)| (key.clone(), sorted(value))).collect())
        }
        other => other.clone(),
    }
}

/// Tells where two values differ.
fn tell(theirs: &Value, ours: &Value, place: &str, told: &mut Vec<String>) {
    if theirs == ours || told.len() >= TOLD_MAX {
        return;
    }
    match (theirs, ours) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            for key in keys {
                tell(&theirs[key], &ours[key], &format!("{place}/{key}"), told);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                tell(a, b, &format!("{place}/{at}"), told);
            }
        }
        (Value::Array(a), Value::Array(b)) if place.ends_with("/set") => {
            let only = |a: &[Value], b: &[Value]| -> Vec<String> {
                a.iter().filter(|item| !b.contains(item)).map(short).collect()
            };
            told.push(format!("{place}: missing {:?}", only(a, b)));
            told.push(format!("{place}: too many {:?}", only(b, a)));
        }
        _ => told.push(format!("{place}: {} != {}", short(theirs), short(ours))),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    let end = text.char_indices().nth(200).map_or(text.len(), |(end, _)| end);
    text[..end].to_owned()
}
