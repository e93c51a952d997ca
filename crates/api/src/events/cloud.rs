//! Events as CloudEvents 1.0, in the [JSON event format].
//!
//! [JSON event format]: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::history::feed::{Cursor, Item, Place};

/// The type of a batch of them.
pub(super) const BATCH: &str = "application/cloudevents-batch+json";

pub(crate) const CHANGED: &str = "dev.annals.entity.changed.v1";
pub(crate) const STATE: &str = "dev.annals.entity.state.v1";
const COMPLETE: &str = "dev.annals.snapshot.completed.v1";

/// An event.
#[derive(Serialize, ToSchema)]
pub(crate) struct CloudEvent {
    specversion: &'static str,
    /// Which no other event of the log has.
    id: String,
    /// The log.
    source: String,
    r#type: &'static str,
    /// The entity's reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    subject: Option<String>,
    /// When it happened, or else when it was appended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    time: Option<String>,
    /// Where to go on behind this event.
    cursor: String,
    datacontenttype: &'static str,
    /// A change with the documents, as `/api/history/changes?documents=true` shows it; of an entity
    /// of a snapshot `change` (`snapshot`), `entityRef`, `position` and `after`.
    #[schema(value_type = Object)]
    data: Value,
}

impl CloudEvent {
    pub(super) fn new(cursor: Cursor, item: Item) -> Self {
        let position = event::Position { log: cursor.log, offset: cursor.offset };
        let (id, r#type, subject, time, data) = match item {
            Item::Change { shown, reference, time } => {
                let data = serde_json::to_value(&*shown).unwrap_or_default();
                let id = data["id"].as_str().unwrap_or_default().to_owned();
                (id, CHANGED, Some(reference.to_string()), Some(time), data)
            }
            Item::State { state, of_change } => {
                let reference = Some(state.reference.to_string());
                let (id, time) = match of_change {
                    Some(change) => (change.id, change.time),
                    None => (cursor.to_string(), None),
                };
                (id, STATE, reference, time, state.entity.unwrap_or_default())
            }
            Item::Entity { reference, entity } => {
                let data = json!({
                    "change": "snapshot",
                    "entityRef": reference.as_str(),
                    "position": position.to_string(),
                    "after": entity,
                });
                (cursor.to_string(), CHANGED, Some(reference.to_string()), None, data)
            }
            Item::Complete => {
                let whole = Cursor { place: Place::Snapshot(None), ..cursor };
                let data = json!({"position": position.to_string()});
                (whole.to_string(), COMPLETE, None, None, data)
            }
        };
        Self {
            specversion: "1.0",
            id,
            source: Self::source(cursor.log),
            r#type,
            subject,
            time,
            cursor: cursor.to_string(),
            datacontenttype: "application/json",
            data,
        }
    }
}

/// An event with its attributes apart from its data, as messages have it: CloudEvents' [binary
/// content mode] on Kafka.
///
/// [binary content mode]: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
pub(super) struct Binary {
    pub(super) subject: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) data: Value,
}

impl CloudEvent {
    pub(super) fn source(log: event::LogId) -> String {
        format!("urn:annals:log:{log}")
    }

    pub(super) fn into_binary(self) -> Binary {
        let Self { specversion, id, source, r#type, subject, time, cursor, datacontenttype, data } =
            self;
        let mut headers: Vec<(String, String)> = Vec::new();
        let mut put = |name: &str, value: String| headers.push((name.to_owned(), value));
        put("ce_specversion", specversion.to_owned());
        put("ce_id", id);
        put("ce_source", source);
        put("ce_type", r#type.to_owned());
        let subject = subject.unwrap_or_default();
        put("ce_subject", subject.clone());
        if let Some(time) = time {
            put("ce_time", time);
        }
        put("ce_cursor", cursor);
        put("content-type", datacontenttype.to_owned());
        Binary { subject, headers, data }
    }
}

/// Events as one list.
pub(super) fn batch(items: Vec<(Cursor, Item)>) -> Vec<u8> {
    let events: Vec<CloudEvent> =
        items.into_iter().map(|(cursor, item)| CloudEvent::new(cursor, item)).collect();
    // Writing to memory does not fail.
    serde_json::to_vec(&events).unwrap_or_default()
}

/// Events as a stream has them.
pub(super) fn lines(items: Vec<(Cursor, Item)>) -> String {
    let mut text = String::new();
    for (cursor, item) in items {
        let name = match &item {
            Item::Change { .. } => "change",
            Item::Entity { .. } | Item::State { .. } => "snapshot",
            Item::Complete => "snapshot-complete",
        };
        let event = CloudEvent::new(cursor, item);
        let data = serde_json::to_string(&event).unwrap_or_default();
        text.push_str(&format!("id: {}\nevent: {name}\ndata: {data}\n\n", event.cursor));
    }
    text
}
