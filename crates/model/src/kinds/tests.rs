use serde_json::json;

use super::*;

fn kinds(definition: Value) -> Result<Kinds, String> {
    let kinds: Vec<CustomKind> =
        serde_json::from_value(definition).map_err(|error| error.to_string())?;
    Kinds::new(kinds).map_err(|error| error.to_string())
}

#[test]
fn a_definition_is_read_and_written() {
    let definition = json!([{
        "kind": "Cluster",
        "apiVersion": "acme.example/v1",
        "jsonSchema": {"type": "object"},
        "relationFields": [
            {"field": "spec.owner", "relation": "ownedBy", "inverse": "ownerOf", "defaultKind": "Group"},
            {"field": "spec.a.b-c", "relation": "runs", "inverse": "runsOn", "allowedKinds": ["Component"],
                "defaultNamespace": "default"},
        ],
    }]);
    let read: Vec<CustomKind> = serde_json::from_value(definition).expect("kinds");
    let written = json!([{
        "kind": "Cluster",
        "apiVersion": ["acme.example/v1"],
        "schema": {"type": "object"},
        "relations": [
            {"field": "spec.owner", "relation": "ownedBy", "inverse": "ownerOf", "defaultKind": "Group"},
            {"field": "spec.a.b-c", "relation": "runs", "inverse": "runsOn",
                "defaultNamespace": "default", "allowedKinds": ["Component"]},
        ],
    }]);
    assert_eq!(serde_json::to_value(&read).expect("json"), written);
    let again: Vec<CustomKind> = serde_json::from_value(written).expect("kinds");
    assert_eq!(again, read);

    let kinds = Kinds::new(read).expect("good kinds");
    assert!(kinds.names().contains(&"Cluster"));
    assert_eq!(kinds.api_versions("Cluster"), ["acme.example/v1"]);
    assert_eq!(kinds.api_versions("Group"), ["backstage.io/v1alpha1", "backstage.io/v1beta1"]);
    let types = kinds.relation_types();
    let inverse = |name: &str| types.get(name).map(RelationType::as_str);
    assert_eq!(inverse("runsOn"), Some("runs"));
    assert_eq!(inverse("ownedBy"), Some("ownerOf"));
    assert_eq!(inverse("partOf"), Some("hasPart"));
    assert_eq!(inverse("nothing"), None);
}

/// Definitions, each with a part of the error that it causes; none if it is good.
fn check(cases: &[(Value, &str)]) {
    for (definition, expected) in cases {
        let actual = kinds(definition.clone()).err().unwrap_or_default();
        let is_expected =
            if expected.is_empty() { actual.is_empty() } else { actual.contains(expected) };
        assert!(is_expected, "{definition}: {actual}");
    }
}

#[test]
fn names_are_checked_and_errors_name_the_place() {
    check(&[
        (json!([{"kind": "A", "apiVersion": "v1"}]), ""),
        (json!([{"kind": "A-b", "apiVersion": "v1"}]), "kinds[0].kind: \"A-b\" is no kind"),
        (
            json!([{"kind": "A", "apiVersion": "v 1"}]),
            "kinds[0].apiVersion: \"v 1\" is no apiVersion",
        ),
        (
            json!([{"kind": "A", "apiVersion": []}]),
            "kinds[0].apiVersion: a kind needs at least one",
        ),
        (
            json!([{"kind": "component", "apiVersion": "v1"}]),
            "kinds[0].kind: the kind Component is built in",
        ),
        (
            json!([{"kind": "A", "apiVersion": "v1"}, {"kind": "A", "apiVersion": ["v2", "v1"]}]),
            "kinds[1].apiVersion: the kind A is defined twice for the apiVersion v1",
        ),
        (json!([{"kind": "A", "apiVersion": "v1"}, {"kind": "A", "apiVersion": "v2"}]), ""),
        (
            json!([{"kind": "Ab", "apiVersion": "v1"}, {"kind": "AB", "apiVersion": "v2"}]),
            "kinds[1].kind: the kinds AB and Ab differ only in case",
        ),
        (json!([{"kind": "A", "apiVersion": "v1", "spec": 1}]), "unknown field `spec`"),
        (
            json!([{"kind": "A", "apiVersion": "v1", "schema": {"properties": {"x": {"tpye": 1}}}}]),
            "kinds[0].schema: /properties/x has the unknown keyword \"tpye\", did you mean \"type\"?",
        ),
    ]);
}

#[test]
fn relations_are_checked_and_errors_name_the_place() {
    let relation =
        |relation: Value| json!([{"kind": "A", "apiVersion": "v1", "relations": [relation]}]);
    let field = |field: &str| relation(json!({"field": field, "relation": "r", "inverse": "s"}));
    let pair = |a: &str, b: &str| relation(json!({"field": "spec.x", "relation": a, "inverse": b}));
    let kind = |key: &str, value: Value| {
        relation(json!({"field": "spec.x", "relation": "r", "inverse": "s", key: value}))
    };
    check(&[
        (field("spec.x"), ""),
        (field("metadata.x.y"), ""),
        (field("spec"), "kinds[0].relations[0].field: \"spec\" is no field of a document"),
        (field("kind.x"), "\"kind.x\" is no field"),
        (field("spec..x"), "\"spec..x\" is no field"),
        (field("spec.x/y"), "\"spec.x/y\" is no field"),
        (pair("a b", "s"), "kinds[0].relations[0].relation: a relation type consists of"),
        (pair("r", ""), "kinds[0].relations[0].inverse: a relation type consists of"),
        (
            pair("ownedBy", "has"),
            "kinds[0].relations[0].inverse: the inverse of ownedBy is ownerOf, not has",
        ),
        (
            pair("ownedby", "x"),
            "kinds[0].relations[0].relation: the relations ownedby and ownedBy differ only",
        ),
        (pair("knows", "knows"), ""),
        (
            kind("defaultKind", json!("a b")),
            "kinds[0].relations[0].defaultKind: \"a b\" is no kind",
        ),
        (
            kind("allowedKinds", json!(["A", ""])),
            "kinds[0].relations[0].allowedKinds: \"\" is no kind",
        ),
    ]);
}

#[test]
fn recorded_definitions_never_fail() {
    let kind: CustomKind = serde_json::from_value(json!({
        "kind": "Component", "apiVersion": "backstage.io/v1alpha1", "schema": {"type": 5},
        "relations": [{"field": "spec.x", "relation": "no name", "inverse": "s"}],
    }))
    .expect("a kind");
    let kinds = Kinds::recorded(vec![kind]);
    assert_eq!(kinds.custom().len(), 1);
    let component = json!({"apiVersion": "backstage.io/v1alpha1", "kind": "Component"});
    assert_eq!(kinds.relation_fields(&component).len(), 7, "built-in kinds come first");
    assert!(crate::Validator::new(&kinds).is_err());
}

#[test]
fn every_relation_of_the_table_has_its_inverse() {
    let types = Kinds::builtin().relation_types();
    assert_eq!(types.len(), RelationType::BUILTIN.len());
    for (relation, inverse) in &types {
        assert_eq!(types.get(inverse), Some(relation));
    }
}
