//! Files: YAML, JSON, NDJSON.

use model::yaml::{Limits, read, read_json, read_ndjson};
use serde_json::Value;

/// Keys of JSON may be longer than keys of YAML without a mark before them.
const KEY_CHARS_MAX: usize = 1000;

/// What is read keeps to the limits, is read the same again, and is the same value as JSON.
pub(crate) fn check(input: &[u8]) {
    let limits = Limits { bytes_max: 1 << 20, ..Limits::default() };
    let documents = read(input, &limits);
    assert_eq!(documents, read(input, &limits), "reading is a function");
    let lines = input.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    let mut last = None;
    for document in documents {
        let index = match document {
            Ok(document) => {
                assert!((1..=lines).contains(&document.line), "line {}", document.line);
                value(&document.value, &limits);
                document.index
            }
            Err(error) => {
                assert!(error.line >= 1 && error.column >= 1, "{error:?}");
                error.index
            }
        };
        assert!(last < Some(index), "documents are counted");
        last = Some(index);
    }
    json(input, &limits);
}

fn value(value: &Value, limits: &Limits) {
    assert!(depth(value) <= limits.depth_max);
    let text = value.to_string();
    // Aliases make more of a file than it has bytes.
    let limits = &Limits { bytes_max: usize::MAX, ..*limits };
    let again = read_json(text.as_bytes(), limits).expect("JSON that was written");
    assert_eq!(&again, value, "as JSON");
    let is_plain = |text: &str| {
        // As it is written, with its escapes. The others stand for control characters while YAML is
        // read.
        Value::from(text).to_string().len() <= KEY_CHARS_MAX
            && !text.chars().any(|c| c >= '\u{100000}')
    };
    if !value.is_null() && all_texts(value, &is_plain) {
        let again = read(text.as_bytes(), limits);
        let again: Vec<&Value> = again.iter().flatten().map(|document| &document.value).collect();
        assert_eq!(again, [value], "JSON is YAML");
    }
}

fn json(input: &[u8], limits: &Limits) {
    if let Ok(read) = read_json(input, limits) {
        assert!(depth(&read) <= limits.depth_max);
        let canonical = model::canonical::to_vec(&read);
        let again = read_json(&canonical, limits).expect("the canonical form is JSON");
        assert_eq!(again, read);
        assert_eq!(model::canonical::to_vec(&again), canonical, "the canonical form is one");
    }
    let lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    let mut last = 0;
    for document in read_ndjson(input, limits).flatten() {
        assert!(last < document.line && document.line <= lines.len());
        last = document.line;
        let line = lines[document.line - 1];
        assert_eq!(read_json(line, limits), Ok(document.value), "a line is JSON");
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn all_texts(value: &Value, is: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => !text.chars().any(|c| c >= '\u{100000}'),
        Value::Array(items) => items.iter().all(|item| all_texts(item, is)),
        Value::Object(map) => map.iter().all(|(key, item)| is(key) && all_texts(item, is)),
        _ => true,
    }
}
