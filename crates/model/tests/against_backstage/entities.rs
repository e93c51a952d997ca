//! Verdicts on documents, their normal form, their relations and their terms.

use std::collections::BTreeSet;

use model::validate::Step;
use model::{EntityRef, Kinds, Validator, assertions, normalize, visit_terms};
use serde_json::{Value, json};

use crate::oracle::Oracle;

/// What a comparison found.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) accepted: usize,
    pub(crate) refused: usize,
    /// Differences that are known, with their reasons.
    pub(crate) known: Vec<&'static str>,
    /// Differences that are not.
    pub(crate) unknown: Vec<String>,
}

/// Asks Backstage about documents and compares everything that this crate says about them.
pub(crate) fn compare(oracle: &Oracle, documents: &[Value]) -> Outcome {
    let questions: Vec<Value> =
        documents.iter().map(|entity| json!({"op": "entity", "entity": entity})).collect();
    let kinds = Kinds::builtin();
    let validator = Validator::new(&kinds).expect("no custom schemas");
    let mut outcome = Outcome::default();
    for (document, answer) in documents.iter().zip(oracle.ask(&questions)) {
        let mut differ = |what: &str, ours: String, theirs: String| {
            let reason = DIFFERENCES.iter().find(|known| (known.applies)(document, &ours, &theirs));
            match reason {
                Some(known) => outcome.known.push(known.reason),
                None => outcome.unknown.push(format!(
                    "{what}\n  ours:   {ours}\n  theirs: {theirs}\n  of: {document}"
                )),
            }
        };
        match (validator.validate(document), answer["ok"] == true) {
            (Ok(()), true) => {
                outcome.accepted += 1;
                accepted(document, &answer, &kinds, &mut differ);
            }
            (Err(refusal), false) => {
                outcome.refused += 1;
                let theirs = answer["message"].as_str().unwrap_or_default();
                // Only the text of the cause is raised for an envelope.
                let ours = match (refusal.step, refusal.backstage.cause) {
                    (Step::Envelope, Some(cause)) => cause.message,
                    _ => refusal.backstage.message,
                };
                if ours != theirs {
                    differ("message", ours, theirs.to_owned());
                }
                assert!(refusal.message.chars().count() < 800, "{}", refusal.message);
            }
            (Ok(()), false) => {
                differ("verdict", "accepted".to_owned(), answer["message"].to_string());
            }
            (Err(refusal), true) => {
                differ("verdict", refusal.message, "accepted".to_owned());
            }
        }
    }
    outcome
}

fn accepted(
    document: &Value,
    answer: &Value,
    kinds: &Kinds,
    differ: &mut dyn FnMut(&str, String, String),
) {
    // The reference adds its location annotations: take them over, then compare all else.
    let mut normal = document.clone();
    normalize(&mut normal, kinds);
    let entity = &answer["entity"];
    for key in ["backstage.io/managed-by-location", "backstage.io/managed-by-origin-location"] {
        normal["metadata"]["annotations"][key] = entity["metadata"]["annotations"][key].clone();
    }
    if !same(&normal, entity) {
        differ("normal form", normal.to_string(), entity.to_string());
    }
    let mut again = normal.clone();
    normalize(&mut again, kinds);
    assert_eq!(again, normal, "normalize is idempotent");

    let own = model::Document::new(&normal).reference().expect("valid").to_string();
    let mut ours = BTreeSet::new();
    for assertion in assertions(document, kinds).expect("valid") {
        let (relation, inverse) = (assertion.relation.as_str(), assertion.inverse.as_str());
        let target = assertion.target.as_str();
        ours.insert([own.clone(), relation.to_owned(), target.to_owned()]);
        ours.insert([target.to_owned(), inverse.to_owned(), own.clone()]);
    }
    let theirs: BTreeSet<[String; 3]> =
        serde_json::from_value(answer["relations"].clone()).expect("triples");
    if ours != theirs {
        differ("relations", format!("{ours:?}"), format!("{theirs:?}"));
    }
    assert_eq!(Some(own.as_str()), answer["self"].as_str());
    for [source, _, target] in &theirs {
        for text in [source, target] {
            assert_eq!(EntityRef::canonical(text).expect("canonical").as_str(), text);
        }
    }

    let ours = terms(entity);
    let theirs: BTreeSet<Row> =
        serde_json::from_value(answer["search"].clone()).expect("rows of three");
    let theirs: BTreeSet<Row> = theirs.into_iter().filter(|row| row.0 != "metadata.uid").collect();
    if ours != theirs {
        let only = |a: &BTreeSet<Row>, b: &BTreeSet<Row>| format!("{:?}", a - b);
        differ("terms", only(&ours, &theirs), only(&theirs, &ours));
    }
}

type Row = (String, Option<String>, Option<String>);

/// The rows of Backstage's search table: our terms, and what follows from their marks.
fn terms(entity: &Value) -> BTreeSet<Row> {
    let mut rows = BTreeSet::new();
    visit_terms(entity, &mut |term: model::TermRef<'_>| {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let row = (term.path.to_owned(), owned(term.value), owned(term.original));
        assert!(rows.insert(row), "no doubles");
    });
    let mut items = BTreeSet::new();
    visit_terms(entity, &mut |term: model::TermRef<'_>| {
        if let (true, Some(value)) = (term.array_item, term.value) {
            let key = format!("{}.{value}", term.path);
            if key.encode_utf16().count() <= model::index::PATH_UNITS_MAX {
                let yes = Some("true".to_owned());
                items.insert((key, yes.clone(), yes));
            }
        }
    });
    for item in items {
        if !rows.iter().any(|row| (&row.0, &row.1) == (&item.0, &item.1)) {
            rows.insert(item);
        }
    }
    rows
}

/// Equality as JavaScript has it: numbers by value.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

/// A difference that stays, and why.
struct Difference {
    reason: &'static str,
    /// Whether it is this one: the document, and what either side said.
    applies: fn(&Value, &str, &str) -> bool,
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        reason: "a message repeats at most 100 characters of a text",
        applies: |_, ours, _| ours.contains('…'),
    },
    Difference {
        reason: "a model lists all violations of a schema, we name the first",
        applies: |_, ours, theirs| {
            theirs.contains("Validation of ") && theirs.starts_with(&format!("{ours};"))
        },
    },
    Difference {
        reason: "PostgreSQL, in which Backstage keeps entities, takes no NUL; nor do our keys",
        applies: |_, ours, _| ours.contains("holds a NUL character"),
    },
    Difference {
        reason: "relations and status are refused, whatever they hold",
        applies: |_, ours, theirs| {
            ["relations", "status"].iter().any(|field| {
                ours.ends_with(&format!("Unknown field {field}"))
                    && theirs.contains(&format!("Malformed envelope, /{field}"))
            })
        },
    },
    Difference {
        reason: "an MCP server by its model may be owned by anyone, as any other API",
        applies: |document, ours, theirs| {
            document["spec"]["type"] == "mcp-server"
                && ours.contains("ownedBy")
                && theirs.starts_with('{')
                && !theirs.contains("ownedBy")
        },
    },
    Difference {
        reason: "lodash loses a __proto__ that is an object",
        applies: |document, ours, theirs| {
            document.to_string().contains("__proto__")
                && ours.contains("__proto__")
                && !theirs.contains("__proto__")
        },
    },
    Difference {
        reason: "of several faults the first in the document is named, not in sorted order",
        applies: |_, ours, theirs| {
            let is_reference = |message: &str| {
                message.contains("threw an error while postprocessing; caused by")
                    && message.contains("Entity reference")
            };
            let words = |message: &str| message.replace(|c: char| c.is_ascii_digit(), "");
            (is_reference(ours) && is_reference(theirs)) || words(ours) == words(theirs)
        },
    },
    Difference {
        reason: "JavaScript puts keys that are numbers first, so another fault may come first",
        applies: |_, ours, theirs| {
            let words = |message: &str| {
                let (words, _) = message.split_once("Malformed envelope, /metadata/")?;
                Some(words.to_owned())
            };
            words(ours).is_some() && words(ours) == words(theirs)
        },
    },
    Difference {
        reason: "a reference in parts that are no texts makes Backstage stumble",
        applies: |_, ours, theirs| {
            ours.contains("{\"kind\"") && theirs.ends_with("is not a function")
        },
    },
    Difference {
        reason: "a model refuses unknown versions before anything else, with words of its own",
        applies: |_, ours, theirs| {
            ours != "accepted" && theirs.contains("exists, but has no version matching apiVersion")
        },
    },
    Difference {
        reason: "annotations that are no object are refused with everything else, not before",
        applies: |_, ours, theirs| {
            ours != "accepted" && theirs == "metadata.annotations must be a valid object"
        },
    },
];
