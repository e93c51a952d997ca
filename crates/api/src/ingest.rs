//! `POST /api/ingest/{scope}`: documents by hand.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use event::vocabulary::ScopeName;
use event::{Position, Timestamp};
use http_body::Frame;
use http_body_util::BodyExt;
use model::reference::EntityRef;
use model::validate::Refusal as Refused;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use utoipa::ToSchema;
use uuid::Uuid;
use views::Reader;

use crate::auth::{Bound, Caller};
use crate::connectors::{run, scope_name};
use crate::openapi::{Operation, Routes};
use crate::params::{Form, Param, Params, Path};
use crate::position::position_header;
use crate::{Api, ApiError};

/// The routes of this file.
pub(crate) fn routes() -> Routes {
    let about = "A line is a document; or `{\"entity\": {…}, \"pointer\": \"a.yaml#2\"}`; or \
                 `{\"broken\": \"why\", \"item\": \"a.yaml#3\"}`, which could not be read; or, \
                 among changes, `{\"gone\": \"component:default/a\"}`.";
    let ingested = Operation::new("Ingest", "Ingest", "Takes documents of a scope")
        .query(INGEST)
        .takes_lines(about)
        .gives::<Report>(200, "What came of it.")
        .refuses(&[409, 503, 504]);
    Routes::default().post("/ingest/{*scope}", ingest, ingested)
}

/// The longest line, in bytes: an entity of 4 MB with room around it.
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024 + 4096;

/// A sender is waited for so long until so many more bytes have come. The time that lines take to
/// be taken is not counted.
const PACE_TIME: Duration = Duration::from_secs(60);
const PACE_BYTES: usize = 4096;

/// Lines that wait before the sender is made to wait.
const LINES_WAITING: usize = 512;

/// How long is waited at the most until what was taken is searchable, if that is asked for.
const SEARCHABLE_WAIT_MAX: Duration = Duration::from_mins(10);

/// The port through which the API changes the catalog.
pub trait Commands: Send + Sync {
    /// Takes documents as a snapshot of a scope, or as single changes.
    ///
    /// # Errors
    /// When they can't be compared or appended.
    fn ingest(
        &self,
        request: &IngestRequest,
        lines: &mut dyn Iterator<Item = IngestLine>,
    ) -> Result<Report, ApiError>;

    /// Lets a withdrawal of a scope pass.
    ///
    /// # Errors
    /// When that can't be appended.
    fn approve(
        &self,
        scope: &ScopeName,
        at_most: u64,
        author: Option<&str>,
    ) -> Result<Position, ApiError>;

    /// Removes an entity, whoever shows it.
    ///
    /// # Errors
    /// When that can't be appended.
    fn remove(&self, reference: &EntityRef, author: Option<&str>) -> Result<Position, ApiError>;

    /// Asks that the source of an entity be read again.
    ///
    /// # Errors
    /// When that can't be appended.
    fn refresh(&self, reference: &EntityRef, author: Option<&str>) -> Result<Position, ApiError>;

    /// Gives the verdict on a document: why it can't become an entity, if it can't.
    ///
    /// # Errors
    /// When nothing is judged yet.
    fn validate(&self, document: &Value) -> Result<Result<(), Box<Refused>>, ApiError>;

    /// Reads what a location would bring in, and keeps none of it: the Location entity first, as
    /// they would be kept.
    ///
    /// # Errors
    /// What of it can't be read or is not valid.
    fn read_location(&self, kind: &str, target: &str) -> Result<Vec<Value>, ApiError>;

    /// How the sources fare that this node runs, by their names.
    fn fares(&self) -> BTreeMap<String, SourceFare>;

    /// How many targets of locations were never looked at yet, of those that something reads.
    ///
    /// # Errors
    /// When that can't be read.
    fn targets_waiting(&self, reader: &Reader) -> Result<u64, ApiError>;

    /// Registers, updates or removes a location; gives its id, and when that is folded.
    ///
    /// # Errors
    /// When that can't be appended.
    fn change_location(
        &self,
        change: &LocationChange<'_>,
        author: Option<&str>,
    ) -> Result<(Uuid, Position), ApiError>;
}

/// How a source fares since this node was started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFare {
    /// When it was last read and what it held was taken.
    pub last_success: Option<Timestamp>,
    /// When something was last wrong, and what.
    pub last_error: Option<(Timestamp, String)>,
    /// What the source still lets itself be asked.
    pub budget: Option<SourceBudget>,
}

/// How much a source may still be asked before it wants to be left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceBudget {
    /// How much there is in all.
    pub limit: u64,
    /// How much of it is left.
    pub left: u64,
    /// When it is filled up again.
    pub resets: Option<Timestamp>,
    /// Until when the connector waits, where it does.
    pub waits_until: Option<Timestamp>,
}

/// What becomes of a location. `name` is the name of the Location entity that came with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocationChange<'a> {
    /// It is new.
    Register {
        /// Its type.
        kind: &'a str,
        /// What is to be read.
        target: &'a str,
    },
    /// It is given another type or target.
    Update {
        /// Its id.
        id: Uuid,
        /// The entity's name.
        name: &'a str,
        /// Its type.
        kind: &'a str,
        /// What is to be read.
        target: &'a str,
    },
    /// It is wanted read again; its entity comes back if a person removed it.
    Refresh {
        /// Its id.
        id: Uuid,
        /// The entity's name.
        name: &'a str,
        /// Its type.
        kind: &'a str,
        /// What is to be read.
        target: &'a str,
    },
    /// It is no more.
    Remove {
        /// Its id.
        id: Uuid,
    },
}

/// What is to be done with documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestRequest {
    /// The scope's name as the caller gave it.
    pub scope: ScopeName,
    /// Whether they are all of the scope.
    pub mode: IngestMode,
    /// Whether withdrawals pass the guard.
    pub allow_withdrawals: bool,
    /// The token of the caller.
    pub author: Option<String>,
}

/// Whether documents are all of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IngestMode {
    /// They are; what is not among them is gone.
    Snapshot,
    /// They are changes.
    Changes,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub enum IngestLine {
    /// A document.
    Document {
        /// The document.
        document: Value,
        /// Where in the source it stands.
        pointer: String,
    },
    /// An entity that is gone.
    Gone(EntityRef),
    /// Something that could not be read.
    Broken {
        /// Its name in the scope.
        item: String,
        /// What is wrong with it.
        message: String,
    },
    /// That was all.
    End,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Report {
    /// How many documents there were.
    pub seen: u64,
    /// How many of them the catalog did not hold so.
    pub changed: u64,
    /// How many entities went.
    pub gone: u64,
    /// How many documents were refused.
    pub refused: u64,
    /// What was refused, and why; the first thousand.
    pub refusals: Vec<Refusal>,
    /// How many withdrawals the guard holds back.
    #[schema(required = true)]
    pub held: Option<u64>,
    /// The position at which all of it is folded.
    #[serde(serialize_with = "position_text")]
    #[schema(required = true, value_type = Option<String>)]
    pub position: Option<Position>,
    /// Whether all of it can be searched, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub searchable: Option<bool>,
}

fn position_text<S: Serializer>(
    position: &Option<Position>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    position.map(|position| position.to_string()).serialize(serializer)
}

/// One refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Refusal {
    /// The entity, or the line.
    pub what: String,
    /// Where it stands.
    #[schema(required = true)]
    pub pointer: Option<String>,
    /// Why.
    pub message: String,
}

/// Parameters of `POST /api/ingest/{scope}`.
pub(crate) const INGEST: &[Param] = &[
    Param::new(
        "mode",
        Form::OneOf(&["snapshot", "changes"]),
        "Whether the documents are all of the scope (what is not among them goes), or changes.",
    ),
    Param::new("allowWithdrawals", Form::Flag, "Withdrawals pass the guard."),
    Param::new("searchable", Form::Flag, "It is answered once the documents can be searched."),
];

/// Takes NDJSON. A line is a document, or one of
/// - `{"entity": {…}, "pointer": "a.yaml#2"}`: a document, and where in the source it stands;
/// - `{"broken": "why", "item": "a.yaml#3"}`: something of the scope that could not be read;
/// - `{"gone": "component:default/a"}`, with `mode=changes`: an entity that is gone.
pub(crate) async fn ingest(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Extension(bound): Extension<Bound>,
    Path(scope): Path<String>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, ApiError> {
    let params = Params::parse(query.as_deref(), INGEST)?;
    let mode = match params.one("mode")? {
        None | Some("snapshot") => IngestMode::Snapshot,
        Some("changes") => IngestMode::Changes,
        Some(_) => {
            let allowed =
                "request/query/mode must be equal to one of the allowed values: snapshot, changes";
            return Err(ApiError::input(allowed));
        }
    };
    let allow_withdrawals = params.flag("allowWithdrawals")?;
    let searchable = params.flag("searchable")?;
    let scope = scope_name(&scope)?;
    // In the catalog it stands behind the prefix that all scopes have that are handed in.
    bound.check(&scope_name(&format!("ingest/{scope}"))?)?;
    let request = IngestRequest { scope, mode, allow_withdrawals, author: caller.0 };
    let (sender, mut receiver) = mpsc::channel(LINES_WAITING);
    let commands = api.commands().clone();
    let taking = tokio::spawn(run(move || {
        let mut lines = std::iter::from_fn(|| receiver.blocking_recv());
        commands.ingest(&request, &mut lines)
    }));
    let read = read_lines(body, mode, &sender).await;
    if read.is_ok() {
        // What is broken off before this has not ended, and withdraws nothing.
        let _ = sender.send(IngestLine::End).await;
    }
    drop(sender);
    let taken =
        taking.await.map_err(|_| ApiError::internal("the request could not be finished"))??;
    read?;
    let mut report = taken?;
    let position = report.position;
    if let Some(position) = position.filter(|_| searchable) {
        let search = api.search().clone();
        let waited = run(move || search.wait(position.offset, SEARCHABLE_WAIT_MAX)).await;
        report.searchable = Some(waited.unwrap_or(false));
    }
    let body = Json(report);
    Ok(match position {
        Some(position) => ([position_header(position)], body).into_response(),
        None => body.into_response(),
    })
}

/// Cuts a body into lines and hands them on as they come.
async fn read_lines(
    mut body: Body,
    mode: IngestMode,
    sender: &mpsc::Sender<IngestLine>,
) -> Result<(), ApiError> {
    let mut rest = BytesMut::new();
    let mut number = 0;
    let mut scanned = 0;
    let mut pace = Pace::default();
    while let Some(frame) = pace.next(&mut body).await? {
        let frame =
            frame.map_err(|error| ApiError::input(format!("the body broke off: {error}")))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        rest.extend_from_slice(&data);
        while let Some(end) = rest[scanned..].iter().position(|byte| *byte == b'\n') {
            let line = rest.split_to(scanned + end + 1);
            scanned = 0;
            number += 1;
            check_length(line.len() - 1, number)?;
            if !send_line(&line, number, mode, sender).await {
                return Ok(());
            }
        }
        scanned = rest.len();
        check_length(rest.len(), number + 1)?;
    }
    send_line(&rest, number + 1, mode, sender).await;
    Ok(())
}

fn check_length(bytes: usize, number: usize) -> Result<(), ApiError> {
    if bytes <= LINE_BYTES_MAX {
        return Ok(());
    }
    Err(ApiError::too_large(format!("line {number} is longer than {LINE_BYTES_MAX} bytes")))
}

/// How fast a body comes.
#[derive(Default)]
struct Pace {
    waited: Duration,
    bytes: usize,
}

impl Pace {
    /// What comes next, unless the body comes too slowly.
    async fn next(
        &mut self,
        body: &mut Body,
    ) -> Result<Option<Result<Frame<Bytes>, axum::Error>>, ApiError> {
        let began = Instant::now();
        let left = PACE_TIME.saturating_sub(self.waited);
        let frame = timeout(left, body.frame()).await.map_err(|_| {
            ApiError::body_timeout(format!(
                "less than {PACE_BYTES} bytes of the body came within {} s",
                PACE_TIME.as_secs()
            ))
        })?;
        self.waited += began.elapsed();
        let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()).and_then(Frame::data_ref);
        self.bytes += data.map_or(0, Bytes::len);
        if self.bytes >= PACE_BYTES {
            *self = Self::default();
        }
        Ok(frame)
    }
}

/// Hands a line on; `false` when nobody takes lines any more.
async fn send_line(
    line: &[u8],
    number: usize,
    mode: IngestMode,
    sender: &mpsc::Sender<IngestLine>,
) -> bool {
    let line = line.trim_ascii();
    line.is_empty() || sender.send(read_line(line, number, mode)).await.is_ok()
}

fn read_line(line: &[u8], number: usize, mode: IngestMode) -> IngestLine {
    let place = format!("line {number}");
    let broken = |message: String| IngestLine::Broken { item: place.clone(), message };
    let value: Value = match serde_json::from_slice(line) {
        Ok(value) => value,
        Err(error) => return broken(format!("the line is not JSON: {error}")),
    };
    let is_document = |object: &serde_json::Map<String, Value>| {
        object.contains_key("kind") || object.contains_key("apiVersion")
    };
    let object = value.as_object().filter(|object| !is_document(object));
    let Some(object) = object else {
        return IngestLine::Document { document: value, pointer: place };
    };
    let form = |key: &str| object.contains_key(key);
    if form("entity") || form("broken") || form("gone") {
        match serde_json::from_value(value) {
            Ok(form) => read_form(form, place, mode),
            Err(error) => broken(format!("the line is not of its form: {error}")),
        }
    } else {
        // No document either, which the verdict says better.
        IngestLine::Document { document: value, pointer: place }
    }
}

/// A line that is more than a document.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Entity(EntityForm),
    Broken(BrokenForm),
    Gone(GoneForm),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntityForm {
    entity: Value,
    pointer: Option<String>,
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
}

fn read_form(form: Line, place: String, mode: IngestMode) -> IngestLine {
    match form {
        Line::Entity(EntityForm { entity, pointer }) => {
            let pointer = pointer.filter(|pointer| !pointer.is_empty()).unwrap_or(place);
            IngestLine::Document { document: entity, pointer }
        }
        Line::Broken(BrokenForm { broken, item }) if item.is_empty() => {
            IngestLine::Broken { item: place, message: broken }
        }
        Line::Broken(BrokenForm { broken, item }) => IngestLine::Broken { item, message: broken },
        Line::Gone(_) if mode == IngestMode::Snapshot => IngestLine::Broken {
            item: place,
            message: "`gone` has its place among changes (mode=changes), not in a snapshot".into(),
        },
        Line::Gone(GoneForm { gone }) => match EntityRef::canonical(&gone) {
            Ok(reference) => IngestLine::Gone(reference),
            Err(error) => IngestLine::Broken { item: place, message: format!("`gone`: {error}") },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;
    use serde_json::json;

    /// Reads a body of so many pieces, one a second.
    async fn read(piece: &'static [u8], pieces: usize) -> Result<usize, ApiError> {
        let trickle = futures_util::stream::unfold(0, move |count| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let next = (Ok::<_, std::io::Error>(Bytes::from_static(piece)), count + 1);
            (count < pieces).then_some(next)
        });
        let (sender, mut receiver) = mpsc::channel(pieces + 1);
        read_lines(Body::from_stream(trickle), IngestMode::Snapshot, &sender).await?;
        drop(sender);
        let mut lines = 0;
        while receiver.recv().await.is_some() {
            lines += 1;
        }
        Ok(lines)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_not_waited_for_without_end() {
        assert_eq!(read(b"{}\n", 50).await, Ok(50));
        assert_eq!(read(&[b'\n'; 100], 500).await, Ok(0));
        let error = read(b"{}\n", 500).await.unwrap_err();
        assert_eq!(error.status, StatusCode::REQUEST_TIMEOUT);
        assert!(error.message.contains("4096 bytes") && error.message.contains("60 s"), "{error}");
    }

    #[test]
    fn lines_have_their_forms() {
        let document = |document: Value, pointer: &str| IngestLine::Document {
            document,
            pointer: pointer.into(),
        };
        let broken = |item: &str, message: &str| (item.to_owned(), message.to_owned());
        for (line, expected) in [
            (r#"{"kind":"A"}"#, document(json!({"kind": "A"}), "line 7")),
            (r#"{"kind":"A","gone":"x"}"#, document(json!({"kind": "A", "gone": "x"}), "line 7")),
            (r#"{}"#, document(json!({}), "line 7")),
            (r#"[1]"#, document(json!([1]), "line 7")),
            (r#"{"entity":{"a":1},"pointer":"f#1"}"#, document(json!({"a": 1}), "f#1")),
            (r#"{"entity":{"a":1},"pointer":""}"#, document(json!({"a": 1}), "line 7")),
            (r#"{"entity":{"a":1}}"#, document(json!({"a": 1}), "line 7")),
        ] {
            assert_eq!(read_line(line.as_bytes(), 7, IngestMode::Snapshot), expected, "{line}");
        }
        let gone = r#"{"gone":"component:default/a"}"#;
        let reference = EntityRef::canonical("component:default/a").unwrap();
        let read = read_line(gone.as_bytes(), 7, IngestMode::Changes);
        assert_eq!(read, IngestLine::Gone(reference));
        for (line, (item, says)) in [
            ("{", broken("line 7", "not JSON")),
            (gone, broken("line 7", "mode=changes")),
            (r#"{"gone":"a"}"#, broken("line 7", "mode=changes")),
            (r#"{"broken":"why","item":"f#2"}"#, broken("f#2", "why")),
            (r#"{"broken":"why","item":""}"#, broken("line 7", "why")),
            (r#"{"entity":1,"pointr":"x"}"#, broken("line 7", "not of its form")),
        ] {
            let read = read_line(line.as_bytes(), 7, IngestMode::Snapshot);
            let IngestLine::Broken { item: found, message } = read else {
                panic!("{line} was taken");
            };
            assert_eq!(found, item, "{line}");
            assert!(message.contains(&says), "{line}: {message}");
        }
    }
}
