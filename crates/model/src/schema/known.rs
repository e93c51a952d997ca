//! The schemas that Backstage's own refer to by name, so that a kind's schema written for Backstage
//! works unchanged. Facts from `@backstage/catalog-model` 1.10.1, in our words.
//!
//! `metadata.annotations` is not in here: it is settled before (see [`crate::document::normalize`]).

use std::sync::LazyLock;

use serde_json::{Value, json};

static SCHEMAS: LazyLock<Vec<(&'static str, Value)>> = LazyLock::new(|| {
    let name = json!({"type": "string", "minLength": 1});
    vec![
        ("EntityEnvelope", envelope(&name)),
        ("Entity", entity(&name)),
        ("EntityMeta", meta(&name)),
        ("common", common(&name)),
    ]
});

/// The known schemas with their names.
pub(super) fn schemas() -> &'static [(&'static str, Value)] {
    &SCHEMAS
}

fn envelope(name: &Value) -> Value {
    let metadata = json!({
        "type": "object",
        "required": ["name"],
        "properties": {"name": name, "namespace": name},
    });
    json!({
        "type": "object",
        "required": ["apiVersion", "kind", "metadata"],
        "properties": {"apiVersion": name, "kind": name, "metadata": metadata},
    })
}

fn entity(name: &Value) -> Value {
    json!({
        "type": "object",
        "required": ["apiVersion", "kind", "metadata"],
        "additionalProperties": false,
        "properties": {
            "apiVersion": name,
            "kind": name,
            "metadata": {"$ref": "EntityMeta"},
            "spec": {"type": "object"},
            "relations": {"type": "array", "items": {"$ref": "common#relation"}},
            "status": {"$ref": "common#status"},
        },
    })
}

fn meta(name: &Value) -> Value {
    let text = json!({"type": "string"});
    let link = json!({
        "type": "object",
        "required": ["url"],
        "properties": {"url": name, "title": name, "icon": name, "type": name},
    });
    json!({
        "type": "object",
        "required": ["name"],
        "properties": {
            "uid": name,
            "etag": name,
            "name": name,
            "namespace": name,
            "title": name,
            "description": text,
            "labels": {"type": "object", "patternProperties": {"^.+$": text}},
            "tags": {"type": "array", "items": name},
            "links": {"type": "array", "items": link},
        },
    })
}

fn common(name: &Value) -> Value {
    let text = json!({"type": "string"});
    json!({
        "definitions": {
            "reference": {
                "$id": "#reference",
                "type": "object",
                "required": ["kind", "namespace", "name"],
                "additionalProperties": false,
                "properties": {"kind": name, "namespace": name, "name": name},
            },
            "relation": {
                "$id": "#relation",
                "type": "object",
                "required": ["type", "targetRef"],
                "additionalProperties": false,
                "properties": {
                    "type": {"type": "string", "minLength": 1, "pattern": "^\\w+$"},
                    "target": {"$ref": "#reference"},
                    "targetRef": name,
                },
            },
            "status": {
                "$id": "#status",
                "type": "object",
                "properties": {"items": {"type": "array", "items": {"$ref": "#statusItem"}}},
            },
            "statusItem": {
                "$id": "#statusItem",
                "type": "object",
                "required": ["type", "level", "message"],
                "properties": {
                    "type": name,
                    "level": {"$ref": "#statusLevel"},
                    "message": text,
                    "error": {"$ref": "#error"},
                },
            },
            "statusLevel": {
                "$id": "#statusLevel",
                "type": "string",
                "enum": ["info", "warning", "error"],
            },
            "error": {
                "$id": "#error",
                "type": "object",
                "required": ["name", "message"],
                "properties": {"name": name, "message": text, "code": text, "stack": text},
            },
        },
    })
}
