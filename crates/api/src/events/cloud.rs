//! Events as CloudEvents 1.0, in the [JSON event format].
//!
//! [JSON event format]: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::history::feed::{Cursor, Item, Place};

/// The type of a batch of them.
pub(super) const BATCH: &str = "application/cloudevents-batch+json";

const CHANGED: &str = "dev.annals.entity.changed.v1";
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
    fn new(cursor: Cursor, item: Item) -> Self {
        let position = event::Position { log: cursor.log, offset: cursor.offset };
        let (id, r#type, subject, time, data) = match item {
            Item::Change { shown, reference, time } => {
                let data = serde_json::to_value(&*shown).unwrap_or_default();
                let id = data["id"].as_str().unwrap_or_default().to_owned();
                (id, CHANGED, Some(reference.to_string()), Some(time), data)
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
            source: format!("urn:annals:log:{}", cursor.log),
            r#type,
            subject,
            time,
            cursor: cursor.to_string(),
            datacontenttype: "application/json",
            data,
        }
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
            Item::Entity { .. } => "snapshot",
            Item::Complete => "snapshot-complete",
        };
        let event = CloudEvent::new(cursor, item);
        let data = serde_json::to_string(&event).unwrap_or_default();
        text.push_str(&format!("id: {}\nevent: {name}\ndata: {data}\n\n", event.cursor));
    }
    text
}
