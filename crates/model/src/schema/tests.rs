//! Agreement with ajv is tested against ajv itself, in `tests/against_backstage`. Here is what that
//! cannot show: the words of errors, and that everything ends.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn problem(schema: &Value) -> String {
    Schema::compile(schema).map(|_| ()).expect_err("a bad schema").to_string()
}

#[test]
fn errors_name_the_place() {
    for (schema, expected) in [
        (json!(5), "<root> must be a schema: an object, true or false"),
        (
            json!({"properties": {"spec": {"requierd": ["a"]}}}),
            "/properties/spec has the unknown keyword \"requierd\", did you mean \"required\"?",
        ),
        (json!({"x": 1}), "<root> has the unknown keyword \"x\""),
        (
            json!({"properties": {"a/b": {"type": "text"}}}),
            "/properties/a~1b/type must be one or more of null, boolean, object, array, number, string, integer; found \"text\"",
        ),
        (
            json!({"allOf": [{"minLength": -1}]}),
            "/allOf/0/minLength must be a whole number, 0 or more; found -1",
        ),
        (
            json!({"$schema": "https://json-schema.org/draft/2020-12/schema"}),
            "/$schema the dialect \"https://json-schema.org/draft/2020-12/schema\" is not supported, only http://json-schema.org/draft-07/schema",
        ),
        (
            json!({"items": {"$ref": "https://example.com/x"}}),
            "/items/$ref refers to \"https://example.com/x\", which is neither in this schema nor one of Entity, EntityMeta, EntityEnvelope and common",
        ),
        (json!({"$ref": "#"}), "<root> refers to itself without end"),
        (
            json!({"allOf": [{"$ref": "#/definitions/a"}], "definitions": {"a": {"not": {"$ref": "#"}}}}),
            "<root> refers to itself without end",
        ),
    ] {
        assert_eq!(problem(&schema), expected);
    }
    assert!(
        problem(&json!({"pattern": "("})).starts_with("/pattern \"(\" is no regular expression")
    );
}

#[test]
fn violations_name_the_place_and_what_was_found() {
    let schema = json!({
        "required": ["a"],
        "properties": {
            "a": {"items": {"type": ["string", "null"]}},
            "b": {"enum": ["x", 1]},
            "c": {"pattern": "^x+$"},
        },
        "additionalProperties": false,
    });
    let schema = Schema::compile(&schema).expect("a good schema");
    for (value, expected) in [
        (json!({}), "<root> must have required property 'a'; found an empty object"),
        (json!({"a": [null, "x", 5]}), "/a/2 must be of type null or string; found 5"),
        (json!({"a": 1, "b": "y"}), "/b must be one of \"x\", 1; found \"y\""),
        (json!({"a": 1, "c": "xy"}), "/c must match pattern \"^x+$\"; found \"xy\""),
        (json!({"a": 1, "d/e": 2}), "/d~1e must not be here; found 2"),
    ] {
        assert_eq!(schema.check(&value).expect_err("bad").to_string(), expected, "{value}");
    }
    assert_eq!(schema.check(&json!({"a": [], "b": 1.0, "c": "xx"})), Ok(()));
}

#[test]
fn everything_ends() {
    // A long chain of references, a wide one, a deep value under a schema that follows it.
    let chain: serde_json::Map<String, Value> = (0..200)
        .map(|link| (link.to_string(), json!({"$ref": format!("#/definitions/{}", link + 1)})))
        .chain([("200".to_owned(), json!(true))])
        .collect();
    assert_eq!(
        problem(&json!({"$ref": "#/definitions/0", "definitions": chain})),
        "<root> is too large or nested too deep"
    );
    let double: serde_json::Map<String, Value> = (0..30)
        .map(|link| {
            let next = json!({"$ref": format!("#/definitions/{}", link + 1)});
            (link.to_string(), json!({"allOf": [next, next]}))
        })
        .chain([("30".to_owned(), json!({"type": "integer"}))])
        .collect();
    match Schema::compile(&json!({"$ref": "#/definitions/0", "definitions": double})) {
        Ok(schema) => {
            let violation = schema.check(&json!(1)).expect_err("too many steps");
            assert!(violation.to_string().contains("takes too long"), "{violation}");
        }
        Err(error) => assert_eq!(error.problem, SchemaProblem::TooLarge),
    }
    let tree = Schema::compile(&json!({"items": {"$ref": "#"}})).expect("a good schema");
    let deep = (0..120).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(tree.check(&deep), Ok(()));
    // A pattern that is quadratic or worse for engines that go back.
    let schema =
        Schema::compile(&json!({"pattern": "^(a+)+$|(?=b)(x|y)*z"})).expect("a good schema");
    let _ = schema.check(&json!(format!("{}!", "a".repeat(50_000))));
    let unique = Schema::compile(&json!({"uniqueItems": true})).expect("a good schema");
    let many: Vec<u32> = (0..5_000).collect();
    assert!(unique.check(&json!(many)).is_err(), "too many to compare");
}

proptest! {
    #[test]
    fn any_schema_ends(schema in any_schema(), value in any_schema()) {
        if let Ok(schema) = Schema::compile(&schema) {
            let _ = schema.check(&value);
        }
    }
}

/// Values that look like schemas, or nearly so.
fn any_schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!("string")),
        Just(json!("object")),
        Just(json!("#")),
        Just(json!("#/definitions/a")),
        Just(json!("#/properties/a/items")),
        Just(json!("Entity")),
        Just(json!("^(a|b)*$")),
        Just(json!(["a"])),
        Just(json!(1)),
        Just(json!(true)),
        Just(json!(null)),
        Just(json!({})),
    ];
    let keyword = prop::sample::select(vec![
        "$ref",
        "type",
        "const",
        "enum",
        "not",
        "anyOf",
        "oneOf",
        "allOf",
        "if",
        "then",
        "else",
        "maximum",
        "multipleOf",
        "minLength",
        "pattern",
        "uniqueItems",
        "items",
        "additionalItems",
        "contains",
        "required",
        "propertyNames",
        "additionalProperties",
        "dependencies",
        "properties",
        "patternProperties",
        "definitions",
        "a",
        "$id",
    ]);
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            4 => prop::collection::btree_map(keyword.clone(), inner, 0..4).prop_map(|members| {
                Value::Object(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            }),
        ]
    })
}
