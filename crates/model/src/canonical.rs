//! One text for each JSON value, and a hash of it: equal documents have equal hashes, however they
//! are written.
//!
//! Invariant: [`to_vec`] is the canonical form of RFC 8785 (members sorted by UTF-16 code units, no
//! white space, numbers as ECMAScript prints them), except that integers beyond ±2^53 keep their
//! digits: RFC 8785 would map different ones to one text, and a change would go unnoticed.

use serde_json::{Map, Value};

use crate::js;
use crate::kinds::Kinds;

/// The canonical form of a value, in UTF-8.
#[must_use]
pub fn to_vec(value: &Value) -> Vec<u8> {
    to_string(value).into_bytes()
}

/// The canonical form of a value.
#[must_use]
pub fn to_string(value: &Value) -> String {
    let mut out = String::with_capacity(1024);
    write(&mut out, value);
    out
}

/// BLAKE3 of the canonical form: neither the order of keys nor the formatting of a file changes it.
#[must_use]
pub fn content_hash(value: &Value) -> [u8; 32] {
    *blake3::hash(to_string(value).as_bytes()).as_bytes()
}

/// The content hash of a document under the kinds in force: that of [`content_hash`], but for a
/// document of a custom kind another one under another definition of its kind, so that such a
/// document is looked at again when the definition changes.
#[must_use]
pub fn content_hash_under(document: &Value, kinds: &Kinds) -> [u8; 32] {
    let content = content_hash(document);
    let Some(definition) = kinds.definition(document) else {
        return content;
    };
    let mut hasher = blake3::Hasher::new();
    hasher.update(&content);
    hasher.update(&definition);
    hasher.finalize().into()
}

fn write(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => js::push_number(out, number),
        Value::String(text) => write_text(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => write_object(out, map),
    }
}

fn write_object(out: &mut String, map: &Map<String, Value>) {
    let mut members: Vec<(&String, &Value)> = map.iter().collect();
    members.sort_unstable_by(|a, b| js::compare(a.0, b.0));
    out.push('{');
    for (index, (key, value)) in members.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_text(out, key);
        out.push(':');
        write(out, value);
    }
    out.push('}');
}

/// RFC 8785, section 3.2.2.2: only what JSON has to escape is escaped.
fn write_text(out: &mut String, text: &str) {
    out.push('"');
    let mut start = 0;
    for (index, byte) in text.bytes().enumerate() {
        let escaped = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\x08' => "\\b",
            b'\t' => "\\t",
            b'\n' => "\\n",
            b'\x0c' => "\\f",
            b'\r' => "\\r",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[start..index]);
        if escaped.is_empty() {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            out.push_str("\\u00");
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        } else {
            out.push_str(escaped);
        }
        start = index + 1;
    }
    out.push_str(&text[start..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_keys_and_the_formatting_do_not_matter() {
        let parse = |text: &str| serde_json::from_str::<Value>(text).expect("json");
        for (a, b, equal) in [
            (r#"{"a":1,"b":[1.0,-0]}"#, r#"{ "b": [1, 0.0], "a": 1e0 }"#, true),
            (r#"{"a":"\u00e4"}"#, r#"{"a":"ä"}"#, true),
            (r#"[1,2]"#, r#"[2,1]"#, false),
            (r#"{"a":null}"#, r#"{}"#, false),
            (r#"1"#, r#""1""#, false),
            ("9007199254740993", "9007199254740992", false),
            ("18446744073709551615", "18446744073709551614", false),
        ] {
            assert_eq!(content_hash(&parse(a)) == content_hash(&parse(b)), equal, "{a} {b}");
        }
    }

    #[test]
    fn a_number_is_the_same_after_it_was_written_and_read() {
        // One of many that a parser which is content with the nearest double but one gets wrong.
        let value = json!(18_446_488_114_741_947_419_103_232_f64);
        let again: Value = serde_json::from_str(&to_string(&value)).expect("json");
        assert_eq!(content_hash(&again), content_hash(&value));
    }

    #[test]
    fn the_examples_of_the_rfc() {
        // RFC 8785, sections 3.2.2 and 3.2.3.
        let value = json!({
            "numbers": [333_333_333.333_333_3, 1e30, 4.5, 2e-3, 1e-27],
            "string": "\u{20ac}$\u{f}\nA'B\"\\\\\"/",
            "literals": [null, true, false],
        });
        assert_eq!(
            to_string(&value),
            concat!(
                r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"#,
                r#""string":"€$\u000f\nA'B\"\\\\\"/"}"#
            )
        );
        let keys =
            json!({"\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "😀": 5, "\u{80}": 6, "ö": 7});
        assert_eq!(
            to_string(&keys),
            "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\u{fb33}\":3}"
        );
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-9_007_199_254_740_992_i64..=9_007_199_254_740_992).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,8}".prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn agrees_with_another_implementation(value in any_value()) {
            let expected = serde_json_canonicalizer::to_string(&value).expect("canonical");
            prop_assert_eq!(to_string(&value), expected);
        }

        #[test]
        fn reading_it_gives_the_value_back(value in any_value()) {
            let again: Value = serde_json::from_str(&to_string(&value)).expect("json");
            prop_assert_eq!(content_hash(&again), content_hash(&value));
        }
    }
}
