//! `/locations`: what somebody wants the catalog to read.
//!
//! A registered location is a record, and a Location entity in a scope of its own comes with it,
//! which wants the target read like any other; so faults show where Backstage shows them.

mod filter;

use std::sync::PoisonError;

use axum::extract::{Extension, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use model::document::{ANNOTATION_ORIGIN_LOCATION, Document};
use model::location::{LocationRef, generated_name};
use model::reference::EntityRef;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;
use views::{LocationRow, Reader};

use super::answer::json as answer;
use super::body::Body;
use super::cursor::Asked;
use crate::auth::Caller;
use crate::connectors::run;
use crate::ingest::LocationChange;
use crate::params::{Form, Param, Params, Path};
use crate::position::{At, MOMENT, position_header};
use crate::{Api, ApiError};
use filter::LocationFilter;

/// How many locations a page has, unless told otherwise.
const LIMIT: usize = 1000;

/// The longest target, in bytes.
const TARGET_BYTES_MAX: usize = 4096;

/// What may be registered. Files are the operator's: a connector's configuration names them.
const KINDS: &[&str] = &["url"];

/// A location, as the API shows it.
fn shown(row: &LocationRow) -> Map<String, Value> {
    let location = &row.location;
    let mut shown = Map::new();
    shown.insert("id".into(), row.id.to_string().into());
    shown.insert("type".into(), (*location.kind).into());
    shown.insert("target".into(), (*location.target).into());
    shown.insert("entityRef".into(), entity_ref(row).into());
    shown
}

/// The Location entity that came with a location; it keeps its name when the target changes.
fn entity_ref(row: &LocationRow) -> String {
    format!("location:default/{}", row.location.name)
}

fn new_ref(kind: &str, target: &str) -> String {
    format!("location:default/{}", generated_name(kind, target))
}

fn unknown(id: &str) -> ApiError {
    ApiError::not_found(format!("Found no location with ID {id}"))
}

fn find(reader: &Reader, id: &str) -> Result<LocationRow, ApiError> {
    let parsed = Uuid::try_parse(id).ok().filter(|parsed| parsed.to_string() == id);
    let row = parsed.map(|id| reader.location(id)).transpose()?.flatten();
    row.ok_or_else(|| unknown(id))
}

fn with_target(reader: &Reader, kind: &str, target: &str) -> Result<Option<LocationRow>, ApiError> {
    let all = reader.locations()?.into_iter();
    let mut same = all.filter(|row| (&*row.location.kind, &*row.location.target) == (kind, target));
    Ok(same.next())
}

/// `GET /locations`
pub(crate) async fn list(at: At, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    Params::parse(query.as_deref(), MOMENT)?;
    run(move || {
        let rows = at.0.locations()?;
        let rows: Vec<Value> = rows.iter().map(|row| json!({"data": shown(row)})).collect();
        Ok(answer(at.0.position(), &rows.into()))
    })
    .await?
}

/// `GET /locations/{id}`
pub(crate) async fn by_id(
    at: At,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    Params::parse(query.as_deref(), MOMENT)?;
    let row = find(&at.0, &id)?;
    Ok(answer(at.0.position(), &shown(&row).into()))
}

/// `GET /locations/by-entity/{kind}/{namespace}/{name}`
pub(crate) async fn by_entity(
    at: At,
    Path((kind, namespace, name)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    Params::parse(query.as_deref(), MOMENT)?;
    let unknown = || {
        let text = model::index::lower(&format!("{kind}:{namespace}/{name}"));
        ApiError::not_found(format!("found no entity for ref {text}"))
    };
    let reference = EntityRef::new(&kind, &namespace, &name).map_err(|_| unknown())?;
    let served = at.0.entity(&reference)?.ok_or_else(unknown)?;
    let document: Value = serde_json::from_slice(&served.json).unwrap_or_default();
    let origin = Document::new(&document).annotation(ANNOTATION_ORIGIN_LOCATION);
    let origin = origin.and_then(|origin| LocationRef::parse(origin).ok()).ok_or_else(|| {
        ApiError::not_found(format!("found no origin annotation for ref {reference}"))
    })?;
    run(move || {
        let LocationRef { kind, target } = &origin;
        let row = with_target(&at.0, kind, target)?.ok_or_else(|| {
            let message = format!("Found no location with type {kind} and target {target}");
            ApiError::not_found(message)
        })?;
        Ok(answer(at.0.position(), &shown(&row).into()))
    })
    .await?
}

/// Where the next page of locations starts. To clients it is opaque.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cursor {
    limit: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    query: Option<Value>,
}

impl Cursor {
    fn read(text: &str) -> Result<Self, ApiError> {
        if text.is_empty() {
            return Err(ApiError::input("Cursor cannot be empty"));
        }
        let bytes = BASE64.decode(text.as_bytes());
        let bytes = bytes.map_err(|_| ApiError::input("Malformed cursor, unknown encoding"))?;
        let cursor: Self = serde_json::from_slice(&bytes)
            .map_err(|error| ApiError::input(format!("Malformed cursor: {error}")))?;
        if cursor.limit == 0 {
            return Err(ApiError::input("Malformed cursor: its limit is 0"));
        }
        Ok(cursor)
    }

    fn asked(body: &Body) -> Result<Self, ApiError> {
        let limit = body.number("limit")?.unwrap_or(LIMIT as f64);
        if limit.fract() != 0.0 || limit < 1.0 {
            return Err(ApiError::input("Limit must be a positive integer >= 1"));
        }
        let limit = body.count("limit")?.unwrap_or(LIMIT);
        let query = body.predicate("query")?;
        let bytes = query.as_ref().map_or(0, |query| query.to_string().len());
        let bytes_max = Asked::InBody.bytes_max();
        if bytes > bytes_max {
            return Err(ApiError::input(format!(
                "a query takes at most {bytes_max} bytes as JSON, and this one takes {bytes}"
            )));
        }
        Ok(Self { limit, after_id: None, query })
    }
}

/// `POST /locations/by-query`
pub(crate) async fn by_query(
    at: At,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, ApiError> {
    Params::parse(query.as_deref(), MOMENT)?;
    let body = Body::optional(request).await?;
    body.number("limit")?;
    body.predicate("query")?;
    let cursor = match body.text("cursor")? {
        Some(text) => Cursor::read(text)?,
        None => Cursor::asked(&body)?,
    };
    let filter = cursor.query.as_ref().map(LocationFilter::parse).transpose()?;
    run(move || {
        let mut total = 0;
        let mut items: Vec<Value> = Vec::new();
        let mut next = Value::Null;
        for row in at.0.locations()? {
            let shown = shown(&row);
            if filter.as_ref().is_some_and(|filter| !filter.passes(&shown)) {
                continue;
            }
            total += 1;
            let id = row.id.to_string();
            if cursor.after_id.as_ref().is_some_and(|after| id <= *after) {
                continue;
            }
            if items.len() < cursor.limit {
                items.push(shown.into());
            } else if next.is_null() {
                let last = items.last().and_then(|item| item["id"].as_str()).map(str::to_owned);
                let query = cursor.query.clone();
                let form = Cursor { limit: cursor.limit, after_id: last, query };
                next = BASE64.encode(&serde_json::to_vec(&form).unwrap_or_default()).into();
            }
        }
        let info = if next.is_null() { json!({}) } else { json!({"nextCursor": next}) };
        let body = json!({"items": items, "totalItems": total, "pageInfo": info});
        Ok(answer(at.0.position(), &body))
    })
    .await?
}

/// A location as somebody asks for it.
struct Wanted {
    kind: String,
    target: String,
}

impl Wanted {
    fn read(body: &Body) -> Result<Self, ApiError> {
        let kind = body.text("type")?.unwrap_or_default().to_owned();
        let target = body.text("target")?.unwrap_or_default().to_owned();
        if let Some(key) = body.foreign(&["type", "target", "presence"]) {
            let message = format!("Malformed request: Unrecognized key in object: '{key}'");
            return Err(ApiError::input(message));
        }
        body.one_of("presence", &["required", "optional"])?;
        if !KINDS.contains(&kind.as_str()) {
            let message =
                format!("Registered locations must be of an allowed type {}", json!(KINDS));
            return Err(ApiError::input(message));
        }
        let malformed = |why: &str| ApiError::input(format!("Malformed request: the target {why}"));
        if target.len() > TARGET_BYTES_MAX {
            return Err(malformed(&format!("is longer than {TARGET_BYTES_MAX} bytes")));
        }
        let is_kept = LocationRef::parse(&format!("{kind}:{target}"))
            .is_ok_and(|location| location.target == target);
        if !is_kept || target.contains('\0') {
            return Err(malformed("is not one that can be read"));
        }
        // It would stand in the log for ever, and in every answer.
        let is_secret = Url::parse(&target)
            .is_ok_and(|url| !url.username().is_empty() || url.password().is_some());
        if is_secret {
            return Err(malformed("holds a user name or a password"));
        }
        Ok(Self { kind, target })
    }

    fn exists(&self) -> ApiError {
        ApiError::conflict(format!("Location {}:{} already exists", self.kind, self.target))
    }
}

/// Changes locations, one at a time, so that no two of a target are made.
async fn change<T: Send + 'static>(
    api: &Api,
    work: impl FnOnce(&Api, &Reader) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let api = api.clone();
    run(move || {
        // What a panic could leave behind is nothing: the lock guards no value.
        let _alone = api.location_lock().lock().unwrap_or_else(PoisonError::into_inner);
        let reader = api.views().reader();
        let reader = reader.ok_or_else(|| ApiError::unavailable("nothing is folded yet"))?;
        work(&api, &reader)
    })
    .await?
}

/// Parameters of `POST /locations`.
pub(crate) const CREATE: &[Param] = &[
    Param::new(
        "dryRun",
        Form::Text,
        "`true`: nothing is registered; what it would bring in is told.",
    ),
    Param::new("onConflict", Form::OneOf(&["refresh", "reject"]), "What if it is there already."),
];

/// `POST /locations`
pub(crate) async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, ApiError> {
    let params = Params::parse(query.as_deref(), CREATE)?;
    let is_dry = params.one("dryRun")?.is_some_and(is_yes);
    let refreshes = match params.one("onConflict")? {
        None | Some("reject") => false,
        Some("refresh") => true,
        Some(_) => {
            let message = "request/query/onConflict must be equal to one of the allowed values: \
                           refresh, reject";
            return Err(ApiError::input(message));
        }
    };
    let body = Body::required(request).await?;
    body.requires(&["target", "type"])?;
    let asked = Wanted::read(&body)?;
    if is_dry {
        return dry_run(api, asked).await;
    }
    change(&api, move |api, reader| {
        let known = with_target(reader, &asked.kind, &asked.target)?;
        let change = match &known {
            None => LocationChange::Register { kind: &asked.kind, target: &asked.target },
            Some(row) if refreshes => LocationChange::Refresh {
                id: row.id,
                name: &name_of(&entity_ref(row)),
                kind: &asked.kind,
                target: &asked.target,
            },
            Some(_) => return Err(asked.exists()),
        };
        let (id, position) = api.commands().change_location(&change, caller.0.as_deref())?;
        let entity_ref = match &known {
            Some(row) => entity_ref(row),
            None => new_ref(&asked.kind, &asked.target),
        };
        let location = json!({
            "id": id.to_string(),
            "type": asked.kind,
            "target": asked.target,
            "entityRef": entity_ref,
        });
        let body = json!({"location": location, "entities": []});
        let mut response = answer(position, &body);
        *response.status_mut() = StatusCode::CREATED;
        Ok(response)
    })
    .await
}

/// What a location would bring in.
async fn dry_run(api: Api, asked: Wanted) -> Result<Response, ApiError> {
    run(move || {
        let Wanted { kind, target } = &asked;
        let entities = api.commands().read_location(kind, target)?;
        let reader = api.views().reader();
        let reader = reader.ok_or_else(|| ApiError::unavailable("nothing is folded yet"))?;
        let location = json!({
            "type": kind,
            "target": target,
            "id": format!("{kind}:{target}"),
            "entityRef": new_ref(kind, target),
        });
        let exists = with_target(&reader, kind, target)?.is_some();
        let body = json!({"exists": exists, "location": location, "entities": entities});
        let mut response = answer(reader.position(), &body);
        *response.status_mut() = StatusCode::CREATED;
        Ok(response)
    })
    .await?
}

/// What the `yn` package of npm takes for yes.
fn is_yes(text: &str) -> bool {
    let text = text.trim();
    ["y", "yes", "true", "1", "on"].iter().any(|yes| text.eq_ignore_ascii_case(yes))
}

fn name_of(reference: &str) -> String {
    reference.rsplit('/').next().unwrap_or_default().to_owned()
}

/// `PUT /locations/{id}`
pub(crate) async fn update(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, ApiError> {
    Params::parse(query.as_deref(), &[])?;
    let body = Body::required(request).await?;
    body.requires(&["type", "target"])?;
    body.has_only(&["type", "target"])?;
    let asked = Wanted::read(&body)?;
    change(&api, move |api, reader| {
        let other = with_target(reader, &asked.kind, &asked.target)?;
        if other.is_some_and(|other| other.id.to_string() != id) {
            return Err(asked.exists());
        }
        let row = find(reader, &id)?;
        let entity_ref = entity_ref(&row);
        let change = LocationChange::Update {
            id: row.id,
            name: &name_of(&entity_ref),
            kind: &asked.kind,
            target: &asked.target,
        };
        let (_, position) = api.commands().change_location(&change, caller.0.as_deref())?;
        let body = json!({
            "id": id, "type": asked.kind, "target": asked.target, "entityRef": entity_ref,
        });
        Ok(answer(position, &body))
    })
    .await
}

/// `DELETE /locations/{id}`
pub(crate) async fn remove(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    Params::parse(query.as_deref(), &[])?;
    change(&api, move |api, reader| {
        let row = find(reader, &id)?;
        let change = LocationChange::Remove { id: row.id };
        let (_, position) = api.commands().change_location(&change, caller.0.as_deref())?;
        Ok((StatusCode::NO_CONTENT, [position_header(position)]).into_response())
    })
    .await
}
