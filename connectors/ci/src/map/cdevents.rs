//! CDEvents, in CloudEvents: binary, structured, or many in a batch. Of whatever version: of an
//! event the type without its version counts, its subject, and whose it is.

use connector::{Activity, Whom};
use model::reference::EntityRef;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Told, annotated, cloudevents, jenkins, known, moment, shape};

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
    content: Option<Map<String, Value>>,
}

/// What an event says itself of whose it is: in `customData`, `{"entity": "component:default/a"}`.
#[derive(Deserialize)]
struct Ours {
    entity: String,
}

/// What a delivery tells. `attribute` gives an attribute of a CloudEvent in the headers.
///
/// # Errors
/// When it is not of its form as a whole.
pub fn read<'a>(
    content_type: &str,
    attribute: &dyn Fn(&str) -> Option<&'a str>,
    body: &[u8],
    matching: &Matching,
) -> Result<Told, String> {
    let events = cloudevents::read(content_type, attribute, body)?.into_iter();
    Ok(Told::of(events.map(|event| one(event?.data, matching))))
}

/// Whose an event of a source is. Jenkins' CDEvents plugin calls itself by the run of a job, so
/// that each run is another source: that is the job's.
fn by_source(source: &str, annotation: &str) -> Whom {
    match jenkins::full_name(source) {
        Some(job) => annotated(jenkins::ANNOTATION, &job),
        None => annotated(annotation, source),
    }
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
        None => match matching.by {
            By::Source => by_source(&context.source, &matching.annotation),
            By::Subject => annotated(&matching.annotation, &subject.id),
        },
    };
    let value = known([
        ("subject", json!(subject.id)),
        ("source", json!(context.source)),
        ("content", Value::Object(subject.content.unwrap_or_default())),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What tells whose an event is, and whose it is.
    #[test]
    fn events_are_somebodys() {
        let read = |source: &str, more: Value, by: By| {
            let mut data = json!({
                "context": {"id": "1", "source": source, "type": "dev.cdevents.build.started.0.1.0"},
                "subject": {"id": "s"},
            });
            data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let matching = Matching { by, ..Matching::default() };
            let attribute = |_: &str| Some("x");
            let told = read("", &attribute, data.to_string().as_bytes(), &matching).unwrap();
            match told.activities.as_slice() {
                [Activity { whom: Whom::Entity(entity), .. }] => entity.to_string(),
                [Activity { whom: Whom::Annotated(about), .. }] => {
                    format!("{}={}", about.annotation, about.value)
                }
                _ => told.wrong.join(";"),
            }
        };
        let none = || json!({});
        let ours = |entity: &str| json!({"customData": {"entity": entity, "more": 1}});
        for (source, more, by, expected) in [
            ("/tekton/shop", none(), By::Source, "cdevents.dev/source=/tekton/shop"),
            ("/tekton/shop", none(), By::Subject, "cdevents.dev/source=s"),
            ("/a", json!({"customData": "text"}), By::Source, "cdevents.dev/source=/a"),
            ("/a", ours("component:default/B"), By::Source, "component:default/b"),
            // As Jenkins' plugin has it: queued, and each run.
            ("job/team/job/a%20b/", none(), By::Source, "jenkins.io/job-full-name=team/a b"),
            ("job/team/job/a%20b/17/", none(), By::Source, "jenkins.io/job-full-name=team/a b"),
            ("job/a/17/", none(), By::Subject, "cdevents.dev/source=s"),
        ] {
            assert_eq!(read(source, more, by), expected, "{source}");
        }
        assert!(read("/a", ours("?"), By::Source).starts_with("event 0: "));
    }
}
