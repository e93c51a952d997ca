//! CDEvents, in CloudEvents: binary, structured, or many in a batch. Of whatever version: of an
//! event the type without its version counts, its subject, and whose it is.

use connector::{Activity, Whom};
use model::reference::EntityRef;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{annotated, cloudevents, known, moment, shape};

/// What the types of CDEvents begin with.
const PREFIX: &str = "dev.cdevents.";

/// How the entity of an event is found, where the event does not say it itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matching {
    /// The annotation.
    pub annotation: String,
    /// What of the event its value is.
    pub by: By,
}

impl Default for Matching {
    fn default() -> Self {
        Self { annotation: "cdevents.dev/source".into(), by: By::Source }
    }
}

/// A part of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// Its source.
    Source,
    /// The id of its subject.
    Subject,
}

#[derive(Deserialize)]
struct Event {
    context: Context,
    subject: Subject,
    #[serde(rename = "customData")]
    custom: Option<Value>,
}

#[derive(Deserialize)]
struct Context {
    /// Since 0.5 `specversion`; which one it is does not matter.
    #[serde(alias = "specversion")]
    version: Option<String>,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    timestamp: Option<String>,
}

#[derive(Deserialize)]
struct Subject {
    id: String,
    #[serde(default)]
    content: Map<String, Value>,
}

/// What an event says itself of whose it is: in `customData`, `{"entity": "component:default/a"}`.
#[derive(Deserialize)]
struct Ours {
    entity: String,
}

/// What a delivery tells. `attribute` gives an attribute of a CloudEvent in the headers.
///
/// # Errors
/// When it is not of its form, or one event of it is not.
pub fn read<'a>(
    content_type: &str,
    attribute: &dyn Fn(&str) -> Option<&'a str>,
    body: &[u8],
    matching: &Matching,
) -> Result<Vec<Activity>, String> {
    let events = cloudevents::read(content_type, attribute, body)?;
    let mut activities = Vec::new();
    for (at, event) in events.into_iter().enumerate() {
        let told = one(event.data, matching).map_err(|why| format!("event {at}: {why}"))?;
        activities.extend(told);
    }
    Ok(activities)
}

fn one(data: Value, matching: &Matching) -> Result<Option<Activity>, String> {
    let Event { context, subject, custom } = shape(data)?;
    let Some(name) = context.kind.strip_prefix(PREFIX) else {
        // Others' own types, `dev.cdeventsx.…` among them, are none of the vocabulary.
        return Ok(None);
    };
    let mut parts = name.split('.');
    let (Some(what), Some(how)) = (parts.next(), parts.next()) else {
        return Err("its type names no subject and predicate".into());
    };
    let is_word = |word: &str| {
        !word.is_empty() && word.len() <= 64 && word.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    if !is_word(what) || !is_word(how) {
        return Err("its type names no subject and predicate".into());
    }
    let given = custom.and_then(|custom| serde_json::from_value::<Ours>(custom).ok());
    let whom = match given {
        Some(Ours { entity }) => {
            Whom::Entity(EntityRef::canonical(&entity).map_err(|error| error.to_string())?)
        }
        None => {
            let value = match matching.by {
                By::Source => &context.source,
                By::Subject => &subject.id,
            };
            annotated(&matching.annotation, value)
        }
    };
    let value = known([
        ("subject", json!(subject.id)),
        ("source", json!(context.source)),
        ("content", Value::Object(subject.content)),
        ("version", json!(context.version)),
    ]);
    // CloudEvents are told from one another by source and id.
    let key = format!("{}#{}", context.source, context.id);
    let time = context.timestamp.as_deref().and_then(moment);
    let pointer = Some(context.id);
    Ok(Some(Activity {
        activity: format!("{PREFIX}{what}.{how}"),
        key,
        whom,
        value,
        pointer,
        time,
    }))
}
