use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::kinds::CustomKind;

/// A valid document, with one value put in (or taken out, where it is `None`).
fn with(pointer: &str, value: Option<Value>) -> Value {
    let mut document = json!({
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": "a", "annotations": {}, "labels": {}},
        "spec": {"type": "service", "lifecycle": "production", "owner": "team"},
    });
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let parent = document.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
    match value {
        Some(value) => parent.insert(key.to_owned(), value),
        None => parent.shift_remove(key),
    };
    document
}

fn verdict(document: &Value) -> String {
    let validator = Validator::new(&Kinds::builtin()).expect("no custom kinds");
    match validator.validate(document) {
        Ok(()) => "accepted".to_owned(),
        Err(refusal) => {
            assert_eq!(refusal.name, "InputError");
            format!("{:?} at {:?}: {}", refusal.step, refusal.path, refusal.message)
        }
    }
}

fn check(cases: Vec<(&str, Option<Value>)>, expected: &Expect) {
    let shown = cases.into_iter().map(|(pointer, value)| {
        let given = value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
        let given = js::shorten(&given, 60).into_owned();
        format!("{pointer} = {given}\n    {}\n", verdict(&with(pointer, value)))
    });
    expected.assert_eq(&shown.collect::<String>().replace('\0', "␀"));
}

#[test]
fn envelope_and_entity() {
    check(
        vec![
            ("/kind", None),
            ("/kind", Some(json!(5))),
            ("/kind", Some(json!(""))),
            ("/metadata", Some(json!(["a"]))),
            ("/metadata/name", None),
            ("/metadata/namespace", Some(json!(null))),
            ("/metadata/title", Some(json!(""))),
            ("/metadata/description", Some(json!({"long": "x".repeat(1000)}))),
            ("/metadata/labels", Some(json!({"acme.example/tier": 2}))),
            ("/metadata/tags", Some(json!(null))),
            ("/metadata/links", Some(json!([{"title": "x"}]))),
            ("/metadata/annotations", Some(json!([]))),
            ("/metadata/annotations", Some(json!(null))),
            ("/extra", Some(json!(1))),
            ("/Spec", Some(json!({}))),
            ("/status", Some(json!({}))),
            ("/spec", Some(json!(null))),
        ],
        &expect![[r#"
            /kind = nothing
                Envelope at "": <root> must have the property "kind", a non-empty string; found an object with apiVersion, metadata, spec
            /kind = 5
                Envelope at "/kind": /kind must be a non-empty string; found 5
            /kind = ""
                Envelope at "/kind": /kind must be a non-empty string; found ""
            /metadata = ["a"]
                Envelope at "/metadata": /metadata must be an object; found a list of 1
            /metadata/name = nothing
                Envelope at "/metadata": /metadata must have the property "name", a non-empty string; found an object with annotations, labels
            /metadata/namespace = null
                Envelope at "/metadata/namespace": /metadata/namespace must be a non-empty string; found null
            /metadata/title = ""
                Policy at "/metadata/title": /metadata/title must be a non-empty string; found ""
            /metadata/description = {"long":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
                Policy at "/metadata/description": /metadata/description must be a string; found an object with long
            /metadata/labels = {"acme.example/tier":2}
                Policy at "/metadata/labels/acme.example~1tier": /metadata/labels/acme.example~1tier must be a string; found 2
            /metadata/tags = null
                Policy at "/metadata/tags": /metadata/tags must be a list of strings; found null
            /metadata/links = [{"title":"x"}]
                Policy at "/metadata/links/0": /metadata/links/0 must have the property "url", a non-empty string; found an object with title
            /metadata/annotations = []
                Policy at "/metadata/annotations": /metadata/annotations must be an object; found an empty list
            /metadata/annotations = null
                accepted
            /extra = 1
                Policy at "/extra": /extra is not allowed at the root of a document, only apiVersion, kind, metadata and spec are
            /Spec = {}
                Policy at "/Spec": /Spec is not allowed at the root of a document, only apiVersion, kind, metadata and spec are, did you mean "spec"?
            /status = {}
                Policy at "/status": /status is not allowed at the root of a document, only apiVersion, kind, metadata and spec are
            /spec = null
                Policy at "/spec": /spec must be an object; found null
        "#]],
    );
}

#[test]
fn formats() {
    check(
        vec![
            ("/apiVersion", Some(json!("Backstage.io/v1"))),
            ("/kind", Some(json!("a-b"))),
            ("/metadata/name", Some(json!("bad name!"))),
            ("/metadata/name", Some(json!("x".repeat(10_000)))),
            ("/metadata/namespace", Some(json!("Default"))),
            ("/metadata/labels/a b", Some(json!("x"))),
            ("/metadata/labels/a", Some(json!("x y"))),
            ("/metadata/annotations", Some(json!({"a//b": "x"}))),
            ("/metadata/tags", Some(json!(["ok", "Bad Tag"]))),
            ("/metadata/links", Some(json!([{"url": "nope"}]))),
            ("/metadata/links", Some(json!([{"url": "https://x", "title": " "}]))),
        ],
        &expect![[r#"
            /apiVersion = "Backstage.io/v1"
                Policy at "/apiVersion": /apiVersion must be letters and digits, after a domain in lower case and a slash if need be, such as backstage.io/v1alpha1; found "Backstage.io/v1"
            /kind = "a-b"
                Policy at "/kind": /kind must be a letter, then letters and digits, at most 63 characters in total; found "a-b"
            /metadata/name = "bad name!"
                Policy at "/metadata/name": /metadata/name must be sequences of [a-zA-Z0-9] separated by any of [-_.], at most 63 characters in total; found "bad name!"
            /metadata/name = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
                Policy at "/metadata/name": /metadata/name must be sequences of [a-zA-Z0-9] separated by any of [-_.], at most 63 characters in total; found "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…"
            /metadata/namespace = "Default"
                Policy at "/metadata/namespace": /metadata/namespace must be sequences of [a-z0-9] separated by [-], at most 63 characters in total; found "Default"
            /metadata/labels/a b = "x"
                Policy at "/metadata/labels/a b": /metadata/labels/a b must be a key of sequences of [a-zA-Z0-9] separated by any of [-_.], at most 63 characters, after a domain in lower case and a slash if need be; found "a b"
            /metadata/labels/a = "x y"
                Policy at "/metadata/labels/a": /metadata/labels/a must be empty, or sequences of [a-zA-Z0-9] separated by any of [-_.], at most 63 characters in total; found "x y"
            /metadata/annotations = {"a//b":"x"}
                Policy at "/metadata/annotations/a~1~1b": /metadata/annotations/a~1~1b must be a key of sequences of [a-zA-Z0-9] separated by any of [-_.], at most 63 characters, after a domain in lower case and a slash if need be; found "a//b"
            /metadata/tags = ["ok","Bad Tag"]
                Policy at "/metadata/tags/1": /metadata/tags/1 must be sequences of [a-z0-9:+#] separated by [-], at most 63 characters in total; found "Bad Tag"
            /metadata/links = [{"url":"nope"}]
                Policy at "/metadata/links/0/url": /metadata/links/0/url must be a URL with its scheme, such as https://example.com; found "nope"
            /metadata/links = [{"url":"https://x","title":" "}]
                Policy at "/metadata/links/0/title": /metadata/links/0/title must be more than white space; found " "
        "#]],
    );
}

#[test]
fn kinds_and_their_schemas() {
    check(
        vec![
            ("/kind", Some(json!("Componnt"))),
            ("/kind", Some(json!("component"))),
            ("/kind", Some(json!("Zebra"))),
            ("/apiVersion", Some(json!("backstage.io/v1"))),
            ("/spec", None),
            ("/spec/owner", None),
            ("/spec/lifecycle", Some(json!({"a": 1}))),
            ("/spec/dependsOn", Some(json!("component:a"))),
            ("/spec/dependsOn", Some(json!(["component:a", 5]))),
            ("/spec/dependsOn", Some(json!(["a"]))),
            ("/spec/dependencyOf", Some(json!([{"kind": "Component", "name": "b"}]))),
            ("/spec/dependencyOf", Some(json!([true]))),
            ("/spec/owner", Some(json!("group:"))),
            ("/spec/owner", Some(json!("a\u{0}b"))),
            ("/spec/owner", Some(json!("o".repeat(2000)))),
            ("/spec/more", Some(json!({"any": ["thing", 1, null]}))),
        ],
        &expect![[r#"
            /kind = "Componnt"
                Kind at "/kind": /kind: unknown kind "Componnt", did you mean "Component"?
            /kind = "component"
                Kind at "/kind": /kind: unknown kind "component", did you mean "Component"?
            /kind = "Zebra"
                Kind at "/kind": /kind: unknown kind "Zebra", known: API, AiResource, Component, Domain, Group, Location, Resource, System, Template, User
            /apiVersion = "backstage.io/v1"
                Kind at "/apiVersion": /apiVersion: unknown apiVersion "backstage.io/v1" of kind Component, did you mean "backstage.io/v1beta1"?
            /spec = nothing
                Kind at "": <root> must have the property "spec", an object; found an object with apiVersion, kind, metadata
            /spec/owner = nothing
                Kind at "/spec": /spec must have the property "owner", a non-empty string; found an object with type, lifecycle
            /spec/lifecycle = {"a":1}
                Kind at "/spec/lifecycle": /spec/lifecycle must be a non-empty string; found an object with a
            /spec/dependsOn = "component:a"
                Kind at "/spec/dependsOn": /spec/dependsOn must be a list of strings; found "component:a"
            /spec/dependsOn = ["component:a",5]
                Kind at "/spec/dependsOn/1": /spec/dependsOn/1 must be a non-empty string; found 5
            /spec/dependsOn = ["a"]
                Relations at "/spec/dependsOn/0": /spec/dependsOn/0: Entity reference "a" had missing or empty kind (e.g. did not start with "component:" or similar)
            /spec/dependencyOf = [{"kind":"Component","name":"b"}]
                accepted
            /spec/dependencyOf = [true]
                Relations at "/spec/dependencyOf/0": /spec/dependencyOf/0: Entity reference true had missing or empty kind (e.g. did not start with "component:" or similar)
            /spec/owner = "group:"
                Relations at "/spec/owner": /spec/owner: Entity reference "group:" was not on the form [<kind>:][<namespace>/]<name>
            /spec/owner = "a\u0000b"
                Relations at "/spec/owner": /spec/owner: Entity reference "group:default/a␀b" holds a NUL character
            /spec/owner = "ooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo…
                Relations at "/spec/owner": /spec/owner: Entity reference "group:default/oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo…" is 2014 bytes long, more than the 1024 allowed
            /spec/more = {"any":["thing",1,null]}
                accepted
        "#]],
    );
}

#[test]
fn what_cannot_be_indexed() {
    check(
        vec![
            ("/spec/Type", Some(json!("x"))),
            ("/metadata/UID", Some(json!("x"))),
            ("/metadata/ETAG", Some(json!("x"))),
            ("/metadata/tags", Some(json!(["a"]))),
            ("/spec/x", Some(json!(["a", "A"]))),
            ("/spec/x", Some(json!([{"a": 1}, "A"]))),
            ("/spec/ä", Some(json!({"É": 1, "é": 2}))),
            ("/spec/x", Some(json!("a\u{0}b"))),
            ("/spec/x", Some(json!(format!("\u{0}{}", "b".repeat(200))))),
            ("/spec/a\u{0}b", Some(json!(1))),
        ],
        &expect![[r#"
            /spec/Type = "x"
                Index at "": the keys "spec.type" and "spec.Type" differ only in case, which filters ignore
            /metadata/UID = "x"
                Index at "": the keys "metadata.UID" and "metadata.uid" differ only in case, which filters ignore
            /metadata/ETAG = "x"
                accepted
            /metadata/tags = ["a"]
                accepted
            /spec/x = ["a","A"]
                accepted
            /spec/x = [{"a":1},"A"]
                Index at "": the keys "spec.x.a" and "spec.x.A" differ only in case, which filters ignore
            /spec/ä = {"É":1,"é":2}
                Index at "": the keys "spec.ä.É" and "spec.ä.é" differ only in case, which filters ignore
            /spec/x = "a\u0000b"
                Index at "": spec.x holds a NUL character, which cannot be indexed
            /spec/x = "\u0000bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb…
                accepted
            /spec/a␀b = 1
                Index at "": spec.a␀b holds a NUL character, which cannot be indexed
        "#]],
    );
}

#[test]
fn depth_is_limited() {
    let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    // The document and its spec are two levels.
    assert_eq!(verdict(&with("/spec/x", Some(nested(DEPTH_MAX - 2)))), "accepted");
    assert_eq!(
        verdict(&with("/spec/x", Some(nested(DEPTH_MAX - 1)))),
        "Index at \"\": the document is nested deeper than 100 levels"
    );
}

#[test]
fn the_other_kinds() {
    let check = |api_version: &str, kind: &str, spec: Value, expected: &str| {
        let document = json!({
            "apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}, "spec": spec,
        });
        assert_eq!(verdict(&document), expected, "{document}");
    };
    let core = "backstage.io/v1beta1";
    check(core, "Group", json!({"type": "t", "children": []}), "accepted");
    check(core, "User", json!({"memberOf": []}), "accepted");
    check(core, "Location", json!({}), "accepted");
    check(
        core,
        "Location",
        json!({"presence": "maybe"}),
        "Kind at \"/spec/presence\": /spec/presence must be one of \"required\", \"optional\"; found \"maybe\"",
    );
    let api = json!({"type": "mcp-server", "lifecycle": "x", "owner": "o"});
    let with = |key: &str, value: Value| {
        let mut api = api.clone();
        api[key] = value;
        api
    };
    check(core, "API", with("definition", json!("d")), "accepted");
    check(core, "API", with("remotes", json!([{"type": "sse", "url": "u"}])), "accepted");
    check(
        core,
        "API",
        with("remotes", json!([])),
        "Kind at \"/spec/remotes\": /spec/remotes must have at least 1 item; found an empty list",
    );
    let skill =
        json!({"type": "skill", "lifecycle": "x", "owner": "o", "compatibility": "x".repeat(501)});
    check(
        "backstage.io/v1alpha1",
        "AiResource",
        skill,
        &format!(
            "Kind at \"/spec/compatibility\": /spec/compatibility must be at most 500 characters long; found \"{}…\"",
            "x".repeat(100)
        ),
    );
    let template = "scaffolder.backstage.io/v1beta3";
    check(
        template,
        "Template",
        json!({"type": "t", "steps": [{"action": "a", "if": true}]}),
        "accepted",
    );
    check(
        template,
        "Template",
        json!({"type": "t", "steps": [], "parameters": 5}),
        "Kind at \"/spec/parameters\": /spec/parameters must be an object or a list of objects; found 5",
    );
}

#[test]
fn a_custom_kind_is_held_against_its_schema() {
    let kind: CustomKind = serde_json::from_value(json!({
        "kind": "Cluster",
        "apiVersion": "acme.example/v1",
        "schema": {
            "type": "object",
            "required": ["spec"],
            "properties": {"spec": {"type": "object", "properties": {"nodes": {"minimum": 1}}}},
        },
        "relations": [
            {"field": "spec.owner", "relation": "ownedBy", "inverse": "ownerOf", "defaultKind": "Group"},
        ],
    }))
    .expect("a kind");
    let kinds = Kinds::new(vec![kind]).expect("good kinds");
    let validator = Validator::new(&kinds).expect("good schemas");
    let document = |spec: Value| json!({"apiVersion": "acme.example/v1", "kind": "Cluster", "metadata": {"name": "a", "annotations": null}, "spec": spec});
    for (spec, expected) in [
        (json!({"nodes": 1, "owner": "team"}), None),
        (json!({"owner": 5}), None),
        (json!({"nodes": 0}), Some("/spec/nodes must be at least 1; found 0")),
        (
            json!({"owner": "a:"}),
            Some(
                "/spec/owner: Entity reference \"a:\" was not on the form [<kind>:][<namespace>/]<name>",
            ),
        ),
    ] {
        let verdict = validator.validate(&document(spec.clone()));
        let message = verdict.as_ref().err().map(|refusal| refusal.message.as_str());
        assert_eq!(message, expected, "{spec}");
    }
}

#[test]
fn backstage_words() {
    let validator = Validator::new(&Kinds::builtin()).expect("no custom kinds");
    let refusal = validator.validate(&with("/metadata/tags", Some(json!(["A"])))).expect_err("bad");
    expect![[r#"
        {
          "name": "InputError",
          "message": "Policy check failed for component:default/a; caused by Error: \"tags.0\" is not valid; expected a string that is sequences of [a-z0-9+#] separated by [-], at most 63 characters in total but found \"A\". To learn more about catalog file format, visit: https://github.com/backstage/backstage/blob/master/docs/architecture-decisions/adr002-default-catalog-file-format.md",
          "cause": {
            "name": "Error",
            "message": "\"tags.0\" is not valid; expected a string that is sequences of [a-z0-9+#] separated by [-], at most 63 characters in total but found \"A\". To learn more about catalog file format, visit: https://github.com/backstage/backstage/blob/master/docs/architecture-decisions/adr002-default-catalog-file-format.md"
          }
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&refusal.backstage).expect("json"));
}

proptest! {
    #[test]
    fn any_value_gets_a_verdict(value in any_document()) {
        let kinds = Kinds::builtin();
        let validator = Validator::new(&kinds).expect("no custom kinds");
        if validator.validate(&value).is_ok() {
            prop_assert!(crate::assertions(&value, &kinds).is_ok());
            prop_assert!(Document::new(&value).reference().is_ok());
            let mut normal = value.clone();
            crate::normalize(&mut normal, &kinds);
            prop_assert!(validator.validate(&normal).is_ok());
            for term in crate::terms(&normal) {
                prop_assert!(!term.path.contains('\0'));
                prop_assert!(!term.value.unwrap_or_default().contains('\0'));
            }
        }
        let _ = crate::terms(&value);
        let _ = crate::assertions(&value, &kinds);
        let _ = crate::content_hash(&value);
        let _ = crate::placeholder::find(&value);
    }
}

/// Values that look like documents, or nearly so.
fn any_document() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        Just("Component".to_owned()),
        Just("User".to_owned()),
        Just("backstage.io/v1alpha1".to_owned()),
        "[a-zA-Z:/\\x00 é-]{0,6}",
        any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    let key = prop_oneof![
        prop::sample::select(vec![
            "apiVersion",
            "kind",
            "metadata",
            "spec",
            "name",
            "namespace",
            "annotations",
            "tags",
            "owner",
            "type",
            "lifecycle",
            "dependsOn",
            "dependencyOf",
            "memberOf",
            "$text",
            "__proto__",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    let value = leaf.prop_recursive(4, 40, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    (value.clone(), value, any::<bool>()).prop_map(|(metadata, spec, is_user)| {
        let kind = if is_user { "User" } else { "Component" };
        let mut document =
            json!({"apiVersion": "backstage.io/v1alpha1", "kind": kind, "metadata": {"name": "a"}});
        if let Value::Object(more) = metadata {
            document["metadata"].as_object_mut().expect("an object").extend(more);
        }
        document["spec"] = json!({"memberOf": [], "type": "t", "lifecycle": "l", "owner": "o"});
        if let Value::Object(more) = spec {
            document["spec"].as_object_mut().expect("an object").extend(more);
        }
        document
    })
}
