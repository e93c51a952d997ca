//! JSON schemas of custom kinds, against ajv as Backstage sets it up.

use model::{CustomKind, Kinds, Validator};
use serde_json::{Value, json};

use crate::entities::Outcome;
use crate::oracle::Oracle;

/// Holds every value against every schema.
pub(crate) fn compare(oracle: &Oracle) -> Outcome {
    let values = list("values");
    let mut outcome = Outcome::default();
    let schemas = list("schemas");
    let questions: Vec<Value> = schemas
        .iter()
        .map(|schema| {
            let instances: Vec<Value> = values.iter().map(document).collect();
            json!({"op": "schema", "schema": whole(schema), "instances": instances})
        })
        .collect();
    for (schema, answer) in schemas.iter().zip(oracle.ask(&questions)) {
        let kinds = Kinds::new(vec![CustomKind {
            kind: "Thing".to_owned(),
            api_versions: vec!["v1".to_owned()],
            schema: Some(whole(schema)),
            relations: Vec::new(),
        }]);
        let kinds = match (kinds, answer["ok"] == true) {
            (Ok(kinds), true) => kinds,
            (Err(_), false) => {
                outcome.refused += 1;
                continue;
            }
            (ours, _) => {
                match DIFFERENCES.iter().find(|known| schema.get(known.0).is_some()) {
                    Some(known) => outcome.known.push(known.1),
                    None => outcome.unknown.push(format!(
                        "{schema}\n  ours:   {:?}\n  theirs: {}",
                        ours.map_err(|error| error.to_string()).err(),
                        answer["message"]
                    )),
                }
                continue;
            }
        };
        let validator = Validator::new(&kinds).expect("it compiles");
        for (value, theirs) in values.iter().zip(answer["results"].as_array().expect("a list")) {
            let ours = validator.validate(&document(value));
            if ours.is_ok() == (*theirs == json!(true)) {
                outcome.accepted += 1;
            } else {
                let ours = ours.map_err(|refusal| refusal.message);
                outcome
                    .unknown
                    .push(format!("{schema} {value}\n  ours:   {ours:?}\n  theirs: {theirs}"));
            }
        }
    }
    outcome
}

/// A keyword of a schema, and why it is taken differently.
const DIFFERENCES: &[(&str, &str)] = &[
    ("format", "format annotates, where ajv knows no format at all"),
    ("pattern", "a pattern may be written in the older way, without the strictness of /u"),
    ("x-extra", "keywords with x- annotate"),
    ("additionalItems", "additionalItems without a list of items is without effect"),
    ("then", "then and else without if are without effect"),
    ("$defs", "definitions that nothing refers to are checked as well"),
];

fn document(value: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "x"}, "spec": {"value": value}})
}

/// A part of `schemas.json`: `schemas`, `values` or `definitions`.
fn data(name: &str) -> Value {
    let mut data: Value = serde_json::from_str(include_str!("schemas.json")).expect("JSON");
    data[name].take()
}

fn list(name: &str) -> Vec<Value> {
    serde_json::from_value(data(name)).expect("a list")
}

fn whole(schema: &Value) -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema",
        "$id": "Thing",
        "allOf": [
            {"$ref": "Entity"},
            {
                "type": "object",
                "required": ["spec"],
                "properties": {
                    "kind": {"enum": ["Thing"]},
                    "spec": {"type": "object", "properties": {"value": schema}},
                },
            },
        ],
        "definitions": data("definitions"),
    })
}
