//! What a line of a program may say.
//!
//! | line | meaning |
//! |---|---|
//! | `{"begin": "NAME"}` … `{"end": "NAME"}` | a snapshot: all that the scope shows; what stands between is in it |
//! | `{"kind": "Component", …}` or `{"entity": {…}, "pointer": "…", "time": "…"}` | a document of the snapshot |
//! | `{"broken": "why", "item": "…"}` | something of the snapshot that could not be read |
//! | `{"entity": {…}, "scope": "NAME"}`, `{"gone": "component:default/a", "scope": "NAME"}` | a single change, outside of snapshots |
//! | `{"retired": ["NAME"], "why": "…"}` | scopes that are no more |
//! | `{"activity": "dev.cdevents.…", "key": "…", "entity": "component:default/a", "value": {…}}` | something happened; instead of `entity`: `"about": {"annotation": "…", "value": "…"}` |
//! | `{"aspect": "NAME", "entity": "component:default/a", "value": {…}}` | something is observed; with `"value": null`, no more |
//! | `{"cursor": "…"}` | how far the program has read; it gets this back when it starts again |
//! | `{"status": "working", "why": "…", "scope": "NAME"}` | how the source, or a scope, is: `working`, `stale`, `failing` |
//!
//! Names of scopes are the program's own: in the catalog they stand behind `process/<id>/`.

use connector::{Activity, Found, Observation, Whom};
use event::Timestamp;
use event::vocabulary::{About, ConnectorState, is_key};
use model::reference::EntityRef;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The longest line, in bytes: an entity of 4 MB with room around it.
pub const LINE_BYTES_MAX: usize = 4 * 1024 * 1024 + 4096;

/// What a line says.
#[derive(Debug)]
pub enum Line {
    /// A snapshot of a scope begins.
    Begin(String),
    /// It has ended.
    End(String),
    /// A document: of the snapshot, or of a scope that is named.
    Entity(Option<String>, Found),
    /// Something of the snapshot that could not be read: its name, and why.
    Broken(String, String),
    /// An entity of a scope is gone.
    Gone(String, EntityRef),
    /// Scopes are no more, and why.
    Retired(Vec<String>, Option<String>),
    /// Something happened.
    Activity(Activity),
    /// Something is observed.
    Observed(Observation),
    /// How far the program has read.
    Cursor(String),
    /// How the source, or one of its scopes, is.
    Status(ConnectorState, Option<String>, Option<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BeginForm {
    begin: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndForm {
    end: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntityForm {
    entity: Value,
    scope: Option<String>,
    pointer: Option<String>,
    time: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BrokenForm {
    broken: String,
    item: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GoneForm {
    gone: String,
    scope: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RetiredForm {
    retired: Vec<String>,
    why: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActivityForm {
    activity: String,
    key: String,
    entity: Option<String>,
    about: Option<About>,
    #[serde(default)]
    value: Map<String, Value>,
    pointer: Option<String>,
    time: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AspectForm {
    aspect: String,
    entity: String,
    value: Option<Map<String, Value>>,
    pointer: Option<String>,
    time: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CursorForm {
    cursor: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusForm {
    status: ConnectorState,
    why: Option<String>,
    scope: Option<String>,
}

/// Reads a line. What is said without a pointer into the source has the line's number as one.
///
/// # Errors
/// Why it is none, in words that quote nothing of it but names.
pub fn read(text: &[u8], number: u64) -> Result<Line, String> {
    let value: Value =
        serde_json::from_slice(text).map_err(|error| format!("it is not JSON: {error}"))?;
    let Some(object) = value.as_object() else { return Err("it is not an object".into()) };
    let has = |key: &str| object.contains_key(key);
    let place = Some(format!("line {number}"));
    if has("kind") || has("apiVersion") {
        let found = Found { document: value, pointer: place, time: None };
        return Ok(Line::Entity(None, found));
    }
    if has("begin") {
        form(value).map(|BeginForm { begin }| Line::Begin(begin))
    } else if has("end") {
        form(value).map(|EndForm { end }| Line::End(end))
    } else if has("activity") {
        activity(form(value)?, place)
    } else if has("aspect") {
        aspect(form(value)?, place)
    } else if has("gone") {
        let GoneForm { gone, scope } = form(value)?;
        Ok(Line::Gone(scope, reference(&gone)?))
    } else if has("entity") {
        let EntityForm { entity, scope, pointer, time } = form(value)?;
        let pointer = pointer.or(place);
        Ok(Line::Entity(scope, Found { document: entity, pointer, time: moment(time)? }))
    } else if has("broken") {
        form(value).map(|BrokenForm { broken, item }| Line::Broken(item, broken))
    } else if has("retired") {
        form(value).map(|RetiredForm { retired, why }| Line::Retired(retired, why))
    } else if has("cursor") {
        let CursorForm { cursor } = form(value)?;
        let fits = is_key(&cursor);
        fits.then_some(Line::Cursor(cursor))
            .ok_or_else(|| "a cursor has 1 to 1024 bytes, and no NUL".into())
    } else if has("status") {
        let StatusForm { status, why, scope } = form(value)?;
        if status == ConnectorState::Held {
            return Err(
                "`held` is the catalog's word; a program says working, stale or failing".into()
            );
        }
        Ok(Line::Status(status, why, scope))
    } else {
        Err("it says none of begin, end, entity, broken, gone, retired, activity, aspect, \
             cursor and status, and is no entity"
            .into())
    }
}

fn activity(form: ActivityForm, place: Option<String>) -> Result<Line, String> {
    let ActivityForm { activity, key, entity, about, value, pointer, time } = form;
    let whom = match (entity, about) {
        (Some(entity), None) => Whom::Entity(reference(&entity)?),
        (None, Some(about)) => Whom::Annotated(about),
        _ => return Err("an activity has either `entity` or `about`".into()),
    };
    let (pointer, time) = (pointer.or(place), moment(time)?);
    Ok(Line::Activity(Activity { activity, key, whom, value, pointer, time }))
}

fn aspect(form: AspectForm, place: Option<String>) -> Result<Line, String> {
    let AspectForm { aspect, entity, value, pointer, time } = form;
    let (entity, pointer, time) = (reference(&entity)?, pointer.or(place), moment(time)?);
    Ok(Line::Observed(Observation { entity, aspect, value, pointer, time }))
}

fn form<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| format!("it is not of its form: {error}"))
}

fn reference(text: &str) -> Result<EntityRef, String> {
    EntityRef::canonical(text).map_err(|error| error.to_string())
}

fn moment(text: Option<String>) -> Result<Option<Timestamp>, String> {
    let read = |text: String| {
        Timestamp::from_rfc3339(&text)
            .map_err(|_| "`time` is not a time as RFC 3339 has it: 2026-11-23T10:00:00Z".to_owned())
    };
    text.map(read).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_one_thing_each() {
        for (text, expected) in [
            (r#"{"begin":"all"}"#, r#"Begin("all")"#),
            (r#"{"end":"all"}"#, r#"End("all")"#),
            (r#"{"kind":"A","begin":1}"#, r#"pointer: Some("line 7")"#),
            (r#"{"entity":{},"pointer":"p"}"#, r#"Entity(None, Found"#),
            (r#"{"entity":{},"scope":"s"}"#, r#"Entity(Some("s"), Found"#),
            (r#"{"broken":"why","item":"i"}"#, r#"Broken("i", "why")"#),
            (r#"{"gone":"component:default/a","scope":"s"}"#, r#"Gone("s", "#),
            (r#"{"retired":["s"]}"#, r#"Retired(["s"], None)"#),
            (r#"{"activity":"a","key":"k","entity":"component:default/a"}"#, "whom: Entity("),
            (
                r#"{"activity":"a","key":"k","about":{"annotation":"x","value":"y"},"time":"2026-01-01T00:00:00Z"}"#,
                "whom: Annotated(",
            ),
            (r#"{"aspect":"a","entity":"component:default/a","value":{"n":1}}"#, "value: Some("),
            (r#"{"aspect":"a","entity":"component:default/a","value":null}"#, "value: None"),
            (r#"{"cursor":"5"}"#, r#"Cursor("5")"#),
            (r#"{"status":"stale","why":"w"}"#, r#"Status(Stale, Some("w"), None)"#),
        ] {
            let line = read(text.as_bytes(), 7).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert!(format!("{line:?}").contains(expected), "{text}: {line:?}");
        }
    }

    #[test]
    fn what_is_no_line_says_why() {
        for (text, expected) in [
            ("{", "not JSON"),
            ("[]", "not an object"),
            ("{}", "none of begin"),
            (r#"{"begin":"a","end":"a"}"#, "unknown field `end`"),
            (r#"{"gone":"a","scope":"s"}"#, "missing or empty kind"),
            (r#"{"gone":"component:default/a"}"#, "missing field `scope`"),
            (r#"{"activity":"a","key":"k"}"#, "either `entity` or `about`"),
            (r#"{"entity":{},"time":"today"}"#, "RFC 3339"),
            (r#"{"cursor":""}"#, "1 to 1024 bytes"),
            (r#"{"status":"held"}"#, "the catalog's word"),
            (r#"{"status":"fine"}"#, "unknown variant"),
        ] {
            let why = read(text.as_bytes(), 7).expect_err(text);
            assert!(why.contains(expected), "{text}: {why}");
        }
    }
}
