//! `/asyncapi.json`: what stands on the topics of Kafka, as [AsyncAPI 3.0].
//!
//! Payloads are described by the types that are written and read: records by the vocabulary,
//! changes by what `/api/events` sends, entities by what `/api/catalog` answers.
//!
//! [AsyncAPI 3.0]: https://www.asyncapi.com/docs/reference/specification/v3.0.0

use std::collections::BTreeMap;

use axum::Extension;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use event::Kind;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use utoipa::ToSchema;

use crate::error::JSON;
use crate::events::topics::{ERASURE, EXPECTED, POSITION, RELATIONS};
use crate::events::{CHANGED, STATE};
use crate::history::change::ChangeShown;
use crate::openapi::schemas::Entity;

/// The names of the topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicNames {
    /// The log's.
    pub events: String,
    /// Of the topic with each entity as it is.
    pub state: String,
    /// Of the topic with every change.
    pub changes: String,
}

impl Default for TopicNames {
    fn default() -> Self {
        let named = |name: &str| format!("annals.{name}");
        Self { events: named("events"), state: named("state"), changes: named("changes") }
    }
}

/// The document, as it is served.
#[derive(Clone)]
pub(crate) struct Document(pub(crate) Arc<str>);

const ABOUT: &str = "What stands on Annals' topics of Kafka. Each has one partition, and is written \
    by Annals alone. Messages are CloudEvents 1.0 in binary mode: attributes as headers `ce_…`, data \
    as the value. `events` is the log, the truth of which all else is made; `changes` and `state` \
    are there where the configuration names them (`log.kafka.changes`, `log.kafka.state`).";

/// Writes the document.
pub(crate) fn document(names: &TopicNames) -> Value {
    let mut parts = Parts::default();
    let records: Map<String, Value> = Kind::ALL.iter().map(|kind| parts.record(*kind)).collect();
    let change = parts.change();
    let (state, gone) = (parts.state(), parts.gone());
    let refer =
        |name: &String| (name.clone(), json!({"$ref": format!("#/components/messages/{name}")}));
    let of = |messages: &[&Map<String, Value>]| {
        let all = messages.iter().flat_map(|messages| messages.keys());
        all.map(refer).collect::<Map<String, Value>>()
    };
    let channels = json!({
        "events": channel(&names.events, "The log: every record, in its order.", "delete",
            &of(&[&records])),
        "changes": channel(&names.changes, "Every change of an entity, as `/api/events` sends it, at \
            least once; those of one record are told one after the other, and those that come again \
            have the same `ce_id`.", "delete", &of(&[&change])),
        "state": channel(&names.state, "Each entity as the catalog serves it, by its reference; an \
            entity that is there no more is a tombstone. Where one comes with a lower \
            `annals-position` than before, a later one follows.", "compact", &of(&[&state, &gone])),
    });
    let operation = |channel: &str, about: &str| {
        let channel = format!("#/channels/{channel}");
        json!({"action": "send", "channel": {"$ref": channel}, "summary": about})
    };
    let messages: Map<String, Value> =
        [records, change, state, gone].into_iter().flatten().collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Annals",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "Apache 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": {
            "appendRecords": operation("events", "Whatever happens is appended."),
            "tellChanges": operation("changes", "What the records changed is told."),
            "tellState": operation("state", "What there is now is told."),
        },
        "components": {"messages": messages, "schemas": parts.schemas},
    })
}

fn channel(topic: &str, about: &str, policy: &str, messages: &Map<String, Value>) -> Value {
    let mut configuration = json!({"cleanup.policy": [policy]});
    if policy == "delete" {
        configuration["retention.ms"] = json!(-1);
        configuration["retention.bytes"] = json!(-1);
    }
    json!({
        "address": topic,
        "description": about,
        "messages": messages,
        "bindings": {"kafka": {
            "topic": topic,
            "partitions": 1,
            "topicConfiguration": configuration,
            "bindingVersion": "0.5.0",
        }},
    })
}

/// The parts that the document's messages name.
#[derive(Default)]
struct Parts {
    schemas: BTreeMap<String, Value>,
}

impl Parts {
    /// The message of a type of record.
    fn record(&mut self, kind: Kind) -> (String, Value) {
        let mut schema = kind.schema().to_value();
        let prefix = format!("{}.", kind.as_str());
        moved(&mut schema, "#/$defs/", &format!("#/components/schemas/{prefix}"));
        if let Some(schema) = schema.as_object_mut() {
            schema.remove("$schema");
            let inner = schema.remove("$defs");
            for (name, inner) in inner.as_ref().and_then(Value::as_object).into_iter().flatten() {
                self.schemas.insert(format!("{prefix}{name}"), inner.clone());
            }
        }
        self.schemas.insert(kind.as_str().to_owned(), schema);
        let own = [
            ("ce_codec", "The number of the record's form."),
            ("ce_recordedtime", "When it was appended."),
            ("ce_epoch", "Which life of the source wrote it."),
            ("ce_sequence", "Counts the source's records in its epoch."),
            ("ce_salt", "Hides what the record's leaf commits to."),
        ];
        let may = [
            ("ce_time", "When it happened, where that is known."),
            ("ce_causationid", "The record that it follows from."),
            ("ce_subject", "What it is about."),
            ("ce_authid", "Whose token it was."),
            ("ce_sourcepointer", "Where it stands in the source."),
        ];
        let mut message = self.message(kind.as_str(), kind.as_str(), &own, &may);
        message["payload"] = schema_at(kind.as_str());
        message["summary"] = json!(
            "A record; one that was erased has `ce_commitment` instead of \
            `ce_salt`, no content type, and as its value what is left of it."
        );
        (kind.as_str().to_owned(), message)
    }

    fn change(&mut self) -> Map<String, Value> {
        self.described::<ChangeShown>();
        let own = [
            ("ce_subject", "The entity's reference."),
            ("ce_time", "When it happened, or else when it was appended."),
            ("ce_cursor", "Where `/api/events` goes on behind it."),
            (POSITION, "The record that it comes from."),
            (EXPECTED, "Where in the topic its writer expected it, or those before it."),
        ];
        let mut message = self.message("change", CHANGED, &own, &[ERASED]);
        message["summary"] = json!(
            "A change. Of one that is too large for a message, what it is \
            and where it stands (`tooLarge`): `/api/events` has the rest."
        );
        message["payload"] = schema_at(&ChangeShown::name());
        [keyed("change", message)].into_iter().collect()
    }

    fn state(&mut self) -> Map<String, Value> {
        self.described::<Entity>();
        let mut message = self.message(
            "entity",
            STATE,
            &STATE_HEADERS,
            &[
                ("ce_time", "When it came to be so; absent where it was told as it stood."),
                (RELATIONS, "`left-out` where more than 2,000 relations point or pointed to it."),
                ERASED,
            ],
        );
        message["summary"] = json!("An entity as it is, with its relations.");
        message["payload"] = schema_at(&Entity::name());
        [keyed("entity", message)].into_iter().collect()
    }

    fn gone(&mut self) -> Map<String, Value> {
        let may = [("ce_time", "When it went; absent where it was told as it stood."), ERASED];
        let mut message = self.message("gone", STATE, &STATE_HEADERS, &may);
        message["summary"] = json!("A tombstone: the entity is there no more.");
        message["payload"] = json!({"type": "null"});
        [keyed("gone", message)].into_iter().collect()
    }

    /// A message with the headers that each has, its own, and those that may be absent.
    fn message(
        &mut self,
        name: &str,
        kind: &str,
        own: &[(&str, &str)],
        may: &[(&str, &str)],
    ) -> Value {
        let common =
            [("ce_id", "Which no other event of the source has."), ("ce_source", "Whose.")];
        let mut properties = Map::new();
        for (name, about) in common.iter().chain(own).chain(may) {
            properties.insert((*name).to_owned(), json!({"type": "string", "description": about}));
        }
        let required = common.iter().chain(own).map(|(name, _)| json!(name));
        let fixed = [("ce_specversion", "1.0"), ("ce_type", kind)];
        let required: Vec<Value> =
            fixed.iter().map(|(name, _)| json!(name)).chain(required).collect();
        for (name, value) in fixed {
            properties.insert(name.to_owned(), json!({"type": "string", "const": value}));
        }
        json!({
            "name": name,
            "contentType": "application/json",
            "headers": {"type": "object", "required": required, "properties": properties},
        })
    }

    /// Takes in the schemas of a type.
    fn described<T: ToSchema>(&mut self) {
        let mut all = Vec::new();
        T::schemas(&mut all);
        all.push((T::name().into_owned(), T::schema()));
        for (name, schema) in all {
            self.schemas.insert(name, serde_json::to_value(schema).unwrap_or_default());
        }
    }
}

const ERASED: (&str, &str) =
    (ERASURE, "The last record before that tells of an erasure, where there is one.");

const STATE_HEADERS: [(&str, &str); 4] = [
    ("ce_subject", "The entity's reference."),
    ("ce_cursor", "How far the topic's writer was."),
    (POSITION, "The position at which the entity is so; a lower one than before is a double."),
    (EXPECTED, "Where in the topic its writer expected it, or those before it."),
];

/// A message whose key is an entity's reference.
fn keyed(name: &str, mut message: Value) -> (String, Value) {
    let key = json!({"type": "string", "description": "The entity's reference."});
    message["bindings"] = json!({"kafka": {"key": key, "bindingVersion": "0.5.0"}});
    (name.to_owned(), message)
}

fn schema_at(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Lets references lead elsewhere.
fn moved(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| moved(item, from, to)),
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                match field {
                    Value::String(text) if name == "$ref" && text.starts_with(from) => {
                        *text = format!("{to}{}", &text[from.len()..]);
                    }
                    field => moved(field, from, to),
                }
            }
        }
        _ => {}
    }
}

/// `GET /asyncapi.json`
pub(crate) async fn served(Extension(Document(text)): Extension<Document>) -> Response {
    ([(header::CONTENT_TYPE, JSON)], text.to_string()).into_response()
}
