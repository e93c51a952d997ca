//! Tests of `index.rs`.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// The terms as `path=value`, with the original in brackets where it differs, and `*` for items.
fn check(document: &Value, expected: &[&str]) {
    let shown: Vec<String> = terms(document)
        .into_iter()
        .map(|term| {
            let star = if term.array_item { "*" } else { "" };
            match (&term.value, &term.original) {
                (Some(value), Some(original)) if value == original => {
                    format!("{star}{}={value}", term.path)
                }
                (Some(value), Some(original)) => {
                    format!("{star}{}={value} [{original}]", term.path)
                }
                (None, None) => format!("{star}{} exists", term.path),
                odd => panic!("{odd:?}"),
            }
        })
        .collect();
    assert_eq!(shown, expected);
}

#[test]
fn every_scalar_has_a_path() {
    check(
        &json!({
            "kind": "API",
            "metadata": {
                "name": "A", "namespace": "N", "uid": "u", "etag": "e", "Title": "X",
                "tags": ["Go", "go", "x.y"], "labels": {"a.b/C": "D"},
            },
            "spec": {"n": 1.50, "big": 18_446_744_073_709_551_615_u64, "b": true, "z": null, "e": [], "o": {}},
            "relations": [{"type": "ownedBy", "targetRef": "x"}],
            "status": {"items": [{"level": "error"}]},
            "attachments": {"x": 1},
        }),
        &[
            "kind=api [API]",
            "metadata.title=x [X]",
            "*metadata.tags=go [Go]",
            "*metadata.tags=x.y",
            "metadata.labels.a.b/c=d [D]",
            "spec.n=1.5",
            "spec.big=18446744073709551615",
            "spec.b=true",
            "spec.z exists",
            "metadata.name=a [A]",
            "metadata.namespace=n [N]",
        ],
    );
}

#[test]
fn arrays_are_looked_through() {
    check(
        &json!({"spec": {"l": [{"a": 1}, {"a": "1"}, ["1", "b"], "b", 2, null]}}),
        &[
            "spec.l.a=1",
            "*spec.l=1",
            "*spec.l=b",
            "spec.l=2",
            "spec.l exists",
            "metadata.name exists",
            "metadata.namespace exists",
            "metadata.namespace=default",
        ],
    );
}

#[test]
fn lengths_are_counted_as_javascript_counts() {
    let path = |units: usize| "k".repeat(units - "spec.".len());
    let document = json!({"metadata": {"name": "a", "namespace": "b"}, "spec": {
        path(200): 1,
        path(201): 2,
        "a": "x".repeat(200),
        "b": "x".repeat(201),
        "c": "😀".repeat(100),
        "d": "😀".repeat(101),
        "e": "İ".repeat(100),
        "f": "İ".repeat(101),
    }});
    let found = terms(&document);
    let value = |path: &str| {
        let found = found.iter().find(|term| term.path == path)?;
        Some(found.value.as_ref().map(|value| value.encode_utf16().count()))
    };
    assert_eq!(value(&format!("spec.{}", path(200))), Some(Some(1)));
    assert_eq!(value(&format!("spec.{}", path(201))), None);
    for (path, units) in [
        ("a", Some(200)),
        ("b", None),
        ("c", Some(200)),
        ("d", None),
        ("e", Some(200)),
        ("f", None),
    ] {
        assert_eq!(value(&format!("spec.{path}")), Some(units), "{path}");
    }
}

#[test]
fn what_stands_behind_a_long_key_is_passed_over() {
    // One path for each of the values would be 10 GB.
    let (key, values) = ("é".repeat(50_000), vec![json!("a"); 100_000]);
    let document = json!({"metadata": {"name": "a"}, "spec": {key: values, "b": 1}});
    let found = terms(&document);
    assert!(found.iter().any(|term| term.path == "spec.b"));
    assert!(found.iter().all(|term| term.path.len() <= 200));
    assert_eq!(super::check(&document), Ok(()));
}

#[test]
fn many_keys_that_are_alike_are_refused_soon() {
    let spelled = |number: usize| -> String {
        let letters = "abcdefghijklmnop".char_indices();
        let upper = |(at, c): (usize, char)| {
            if number >> at & 1 == 1 { c.to_ascii_uppercase() } else { c }
        };
        letters.map(upper).collect()
    };
    let keys = (0..1 << 16).map(|number| (spelled(number), json!(1)));
    let document = json!({"spec": keys.collect::<serde_json::Map<_, _>>()});
    assert!(matches!(super::check(&document), Err(IndexProblem::Case { .. })));
}

#[test]
fn memory_is_used_again() {
    let mut buffer = Terms::default();
    let (a, b) = (json!({"spec": {"x": ["A", "b"]}}), json!({"kind": "K"}));
    for document in [&a, &b, &a] {
        buffer.fill(document);
        let again: Vec<Term> = buffer
            .iter()
            .map(|term| Term {
                path: term.path.to_owned(),
                value: term.value.map(str::to_owned),
                original: term.original.map(str::to_owned),
                array_item: term.array_item,
            })
            .collect();
        assert_eq!(again, terms(document));
    }
}

proptest! {
    #[test]
    fn no_two_terms_are_the_same(
        items in prop::collection::vec("[abAB]{0,2}", 0..20),
        keys in prop::collection::vec("[ab.]{1,3}", 0..10),
    ) {
        let object: serde_json::Map<String, Value> =
            keys.into_iter().map(|key| (key, json!(items))).collect();
        let found = terms(&json!({"spec": [object, items]}));
        let mut unique: Vec<_> = found.iter().map(|term| (&term.path, &term.value)).collect();
        unique.sort_unstable();
        unique.dedup();
        prop_assert_eq!(unique.len(), found.len());
    }

    #[test]
    fn the_quick_check_agrees_with_the_thorough_one(
        keys in prop::collection::vec("[aAbB@`\\[{_É é.]{1,9}", 0..8),
        items in prop::collection::vec("[aAbB]{0,2}", 0..3),
    ) {
        let object: serde_json::Map<String, Value> =
            keys.into_iter().map(|key| (key, json!(items))).collect();
        let document = json!({"metadata": {"name": "x"}, "spec": object});
        prop_assert_eq!(check_keys(&document), keys_differ_in_more_than_case(&document));
    }
}

fn check_keys(document: &Value) -> Result<(), IndexProblem> {
    super::check(document)
}
