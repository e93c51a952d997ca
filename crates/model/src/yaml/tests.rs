use std::io::{self, BufReader, Read};

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Reads a text and shows what comes of it, a document a line.
fn check(text: &str, expected: &Expect) {
    check_with(text.as_bytes(), &Limits::default(), expected);
}

fn check_with(bytes: &[u8], limits: &Limits, expected: &Expect) {
    let shown = read(bytes, limits).into_iter().map(|document| match document {
        Ok(document) => {
            format!("{} at line {}: {}\n", document.index, document.line, document.value)
        }
        Err(error) => format!("{} {error}\n", error.index),
    });
    expected.assert_eq(&shown.collect::<String>());
}

#[test]
fn documents_are_counted_with_the_empty_ones() {
    check(
        "# nothing\n---\na: 1\n---\n---\n# c\n\nb: 2\n...\nc: 3\n---\n~\n",
        &expect![[r#"
            0 at line 3: {"a":1}
            2 at line 8: {"b":2}
            3 at line 10: {"c":3}
        "#]],
    );
    check("", &expect![""]);
    check("# only a comment\n", &expect![""]);
}

#[test]
fn an_error_in_one_document_loses_no_other() {
    check(
        "a: 1\n---\nb: [1, 2\n---\nc: 'x\n---\nd: 4\nd: 5\n---\ne: 5\n",
        &expect![[r#"
            0 at line 1: {"a":1}
            1 line 3, column 4: unclosed bracket '['
            2 line 5, column 4: while scanning a quoted scalar, found unexpected document indicator
            3 line 8, column 1: the key "d" stands twice in one mapping
            4 at line 10: {"e":5}
        "#]],
    );
}

#[test]
fn a_line_that_does_not_belong_spoils_its_document() {
    check(
        " a: 1\nb: 2\n---\nc: 3\n",
        &expect![[r#"
            0 line 2, column 1: this line does not belong to the value before it; is it indented differently?
            1 at line 4: {"c":3}
        "#]],
    );
}

#[test]
fn a_missing_quote_is_reported_where_it_is_missing() {
    check(
        "metadata:\n  name: 'x\n  description: its\n  title: 'y'\n",
        &expect![[r#"
            0 line 2, column 9: the quoted text goes on in a line that is not indented; is its closing quote missing?
        "#]],
    );
}

#[test]
fn separators_count_at_the_start_of_a_line_only() {
    check(
        "a: |\n  x\n  ---\n  y\nb: x --- y\nc: \"- ---\"\n--- # comment\nd: 1\n---x: 2\n",
        &expect![[r#"
            0 at line 1: {"a":"x\n---\ny\n","b":"x --- y","c":"- ---"}
            1 at line 8: {"d":1,"---x":2}
        "#]],
    );
}

#[test]
fn aliases_are_copied_and_merge_keys_are_keys() {
    check(
        "a: &x {k: [1, 2]}\nb: *x\nc: {<<: *x}\n*x : d\n",
        &expect![[r#"
            0 line 4, column 1: a key that is a collection cannot have anchors and aliases in it
        "#]],
    );
    check(
        "a: &x {k: [1, 2]}\nb: *x\nc: {<<: *x}\nd: &n name\n*n : 1\n",
        &expect![[r#"
            0 at line 1: {"a":{"k":[1,2]},"b":{"k":[1,2]},"c":{"<<":{"k":[1,2]}},"d":"name","name":1}
        "#]],
    );
    check(
        "a: &x [*x]\n",
        &expect![[r#"
        0 line 1, column 8: an alias stands inside of the value that it refers to
    "#]],
    );
    check(
        "a: *x\n",
        &expect![[r#"
        0 line 1, column 4: while parsing node, found unknown anchor
    "#]],
    );
}

#[test]
fn keys_become_texts() {
    check(
        "1.50: a\ntrue: b\n~: c\n0x10: d\n{{ x.y }}: e\n[a, 'b']: f\n",
        &expect![[r#"
            0 at line 1: {"1.5":"a","true":"b","":"c","16":"d","{ ? { x.y } }":"e","[ a, 'b' ]":"f"}
        "#]],
    );
    check(
        "1: a\n'1': b\n",
        &expect![[r#"
        0 at line 1: {"1":"b"}
    "#]],
    );
    check(
        "1: a\n1.0: b\n",
        &expect![[r#"
        0 line 2, column 1: the key "1" stands twice in one mapping
    "#]],
    );
}

#[test]
fn odd_bytes() {
    check_with(
        b"\xef\xbb\xbfa: \xff\r\nb: \x1b[0m\r\n",
        &Limits::default(),
        &expect![[r#"
        0 at line 1: {"a":"�","b":"\u001b[0m"}
    "#]],
    );
    check(
        "a: \u{7}x\nb: \"\u{0}\"\n",
        &expect![[r#"
        0 at line 1: {"a":"\u0007x","b":"\u0000"}
    "#]],
    );
    check("a: \u{100007}\n", &expect!["0 at line 1: {\"a\":\"\u{100007}\"}\n"]);
}

#[test]
fn limits_end_reading() {
    let small = Limits {
        bytes_max: 100,
        documents_max: 2,
        depth_max: 3,
        nodes_max: 20,
        copied_nodes_max: 8,
        copied_bytes_max: 10,
    };
    let check = |text: &str, expected: &Expect| check_with(text.as_bytes(), &small, expected);
    check(
        &"a".repeat(101),
        &expect![[r#"
        0 line 1, column 1: more than 100 bytes
    "#]],
    );
    check(
        "a\n---\nb\n---\nc\n---\nd\n",
        &expect![[r#"
        0 at line 1: "a"
        1 at line 3: "b"
        2 line 1, column 1: more than 2 documents
    "#]],
    );
    check(
        "[[[1]]]\n---\n[[[[1]]]]\n",
        &expect![[r#"
        0 at line 1: [[[1]]]
        1 line 3, column 4: more than 3 levels of nesting
    "#]],
    );
    check(
        "a:\n  b:\n    c:\n      d: 1\n---\nok\n",
        &expect![[r#"
        0 line 4, column 7: more than 3 levels of nesting
        1 at line 6: "ok"
    "#]],
    );
    check(
        "[1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8,9,1,2,3]\n---\nlost\n",
        &expect![[r#"
        0 line 1, column 40: more than 20 values
    "#]],
    );
    check(
        "[&a 1, *a, *a, *a, *a, *a, *a, *a, *a]\n",
        &expect![[r#"
        0 line 1, column 36: more than 8 values copied by aliases
    "#]],
    );
    check(
        "? [[12345678]]\n: 1\n",
        &expect![[r#"
        0 line 1, column 13: more than 10 bytes copied by aliases
    "#]],
    );
    check(
        "[&a 12345678, *a]\n",
        &expect![[r#"
        0 line 1, column 15: more than 10 bytes copied by aliases
    "#]],
    );
    check(
        "- &a [[1]]\n- [[*a]]\n",
        &expect![[r#"
        0 line 2, column 5: more than 3 levels of nesting
    "#]],
    );
}

#[test]
fn an_avalanche_of_aliases_is_stopped() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..40 {
        let items = vec![format!("*a{}", level - 1); 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    let documents = read(text.as_bytes(), &Limits::default());
    assert!(matches!(&documents[..], [Err(error)] if error.problem.is_limit()), "{documents:?}");
    // A quadratic one: long text, many copies.
    let text = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 1000].join(","));
    let documents = read(text.as_bytes(), &Limits::default());
    assert!(matches!(&documents[..], [Err(error)] if error.problem.is_limit()));
    // Anchors inside of anchors are copied as well.
    let text = format!("{}x{}", "&a [".repeat(90), "]".repeat(90));
    assert!(read(text.as_bytes(), &Limits::default())[0].is_ok());
}

#[test]
fn depth_is_no_matter_of_stack() {
    for text in
        ["[".repeat(200_000), "{a: ".repeat(50_000), "- ".repeat(50_000), "? ".repeat(50_000)]
    {
        let documents = read(text.as_bytes(), &Limits::default());
        assert!(matches!(&documents[..], [Err(_), ..]), "{}", &text[..8]);
    }
    let deep = "[".repeat(100_000);
    assert!(read_json(deep.as_bytes(), &Limits::default()).is_err());
}

#[test]
fn json_is_read_as_javascript_reads_it() {
    let read = |text: &str| read_json(text.as_bytes(), &Limits::default());
    for (text, expected) in [
        (r#"{"a": 1.0, "b": -0, "a": 2}"#, json!({"a": 2, "b": 0})),
        ("[1e3, 0.5, 9007199254740993]", json!([1000, 0.5, 9_007_199_254_740_993_u64])),
        ("\u{feff}null", json!(null)),
    ] {
        assert_eq!(read(text).expect("json"), expected, "{text}");
    }
    for (text, expected) in [
        ("{\"a\":\n nope}", "line 2, column 3: expected ident"),
        ("", "line 1, column 1: EOF while parsing a value"),
        ("1 2", "line 1, column 3: trailing characters"),
        ("1e999", "line 1, column 5: number out of range"),
        ("\"\\ud800\"", "line 1, column 8: unexpected end of hex escape"),
    ] {
        assert_eq!(read(text).expect_err("no json").to_string(), expected, "{text}");
    }
}

fn lines(source: impl Read, bytes_max: usize) -> Vec<String> {
    let limits = Limits { bytes_max, ..Limits::default() };
    // A buffer of three bytes, so that lines are put together from pieces.
    read_ndjson(BufReader::with_capacity(3, source), &limits)
        .map(|document| match document {
            Ok(document) => format!("{}@{} {}", document.index, document.line, document.value),
            Err(NdjsonError::Syntax(error)) => format!("{} {error}", error.index),
            Err(error) => error.to_string(),
        })
        .collect()
}

#[test]
fn ndjson_is_read_line_by_line() {
    let text: &[u8] = b"{\"a\":1}\n\n  \r\n{\"b\":1.0}\r\nbroken\n[1]";
    assert_eq!(
        lines(text, 100),
        ["0@1 {\"a\":1}", "1@4 {\"b\":1}", "2 line 5, column 1: expected value", "3@6 [1]",]
    );
    assert_eq!(lines(&b""[..], 100), [""; 0]);
    assert_eq!(lines(&b"\n\n"[..], 100), [""; 0]);
}

#[test]
fn a_long_line_is_passed_over_without_holding_it() {
    let long = io::repeat(b'x').take(1_000_000).chain(&b"\n{}\n"[..]);
    assert_eq!(lines(long, 10), ["0 line 1, column 1: more than 10 bytes", "1@2 {}"]);
}

#[test]
fn a_source_that_fails_ends_the_documents() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("gone"))
        }
    }
    assert_eq!(lines((&b"{}\n"[..]).chain(Fails), 10), ["0@1 {}", "reading line 2"]);
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let limits = Limits::default();
        let _ = read(&bytes, &limits);
        let _ = read_json(&bytes, &limits);
        prop_assert!(read_ndjson(&bytes[..], &limits).count() <= bytes.len());
    }

    #[test]
    fn any_text_like_yaml_is_read(text in "([ \\n\\t]|[-?:] |[a-c&*!|>'\"%@`#,\\[\\]{}0-9.\\r\u{feff}\u{7}]|---\\n|\\.\\.\\.\\n){0,60}") {
        for document in read(text.as_bytes(), &Limits::default()).into_iter().flatten() {
            prop_assert!(document.line >= 1 && document.line <= text.len() + 1);
        }
    }

    #[test]
    fn json_read_as_yaml_is_the_same(value in any_json()) {
        let text = serde_json::to_string_pretty(&value).expect("json");
        let by_json = read_json(text.as_bytes(), &Limits::default()).expect("json");
        let by_yaml = read_all(text.as_bytes(), &Limits::default());
        prop_assert_eq!(by_yaml.len(), 1);
        let by_yaml = by_yaml[0].as_ref().map(|document| document.value.clone());
        prop_assert_eq!(by_yaml, Ok(by_json));
    }
}

/// Values whose keys are unlike, because YAML refuses double ones.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~äß😀\\n\\t\\\\\"']{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 30, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[ -~]{0,6}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}
