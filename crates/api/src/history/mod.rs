//! `/api/history`: what entities were, and why.

mod beside;
pub(crate) mod change;
mod changes;
mod diff;
pub(crate) mod feed;
pub(crate) mod moments;
pub(crate) mod selection;

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use event::{Offset, Position};
use fold::EntityId;
use model::reference::EntityRef;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use views::Reader;

use self::change::{ChangeShown, Changes};
use crate::ApiError;
use crate::connectors::run;
use crate::openapi::{Operation, Routes};
use crate::params::{Form, Param, Params, Path};
use crate::position::{AS_OF, At, MOMENT};

const ENTITY: &str = "/history/entities/{kind}/{namespace}/{name}";

/// The routes of this folder.
pub(crate) fn routes() -> Routes {
    let of = |id, summary| Operation::new(id, "History", summary).at_a_position().refuses(&[404]);
    Routes::default()
        .get(
            ENTITY,
            versions,
            of("GetHistory", "The changes of an entity")
                .about(
                    "Newest first, each with its cause: versions of its document, relations that \
                     documents of others began or ended, and aspects. A withdrawn entity keeps \
                     them.",
                )
                .query(VERSIONS)
                .gives::<History>(200, "A page of changes.")
                .says_position(),
        )
        .get(
            &format!("{ENTITY}/versions/{{position}}"),
            version,
            of("GetVersion", "An entity as it was at a position")
                .query(MOMENT)
                .gives::<VersionShown>(200, "The entity, and the change that made it so.")
                .says_position(),
        )
        .get(
            &format!("{ENTITY}/diff"),
            difference,
            of("GetDifference", "In what an entity differs between two moments")
                .query(DIFFERENCE)
                .gives::<Difference>(200, "The differences.")
                .says_position(),
        )
        .merge(beside::routes(ENTITY))
        .merge(changes::routes())
}

/// How many changes a page has, unless told otherwise, and at the most.
const LIMIT: usize = 50;
const LIMIT_MAX: usize = 1000;

/// What an entity was.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct History {
    entity_ref: String,
    /// Newest first.
    versions: Vec<ChangeShown>,
    page_info: PageInfo,
}

/// Where it goes on.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PageInfo {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_cursor: Option<String>,
}

/// Parameters of `GET /api/history/entities/…`.
pub(crate) const VERSIONS: &[Param] = &[AS_OF, LIMIT_PARAM, CURSOR_PARAM];

const LIMIT_PARAM: Param =
    Param::new("limit", Form::Number, "At most so many: 1 to 1000; 50, unless told otherwise.");
const CURSOR_PARAM: Param = Param::new("cursor", Form::Text, "Where a page goes on.");

type Name = (String, String, String);

/// An entity that is or was known.
struct Known {
    reference: EntityRef,
    id: EntityId,
}

impl Known {
    fn find(reader: &Reader, (kind, namespace, name): &Name) -> Result<Self, ApiError> {
        let reference = EntityRef::new(kind, namespace, name)
            .map_err(|error| ApiError::input(error.to_string()))?;
        let id = reader.entity_id(&reference)?;
        // What was only referred to has a number, too.
        let id = id.map(|id| Ok(reader.version(id)?.map(|_| id))).transpose();
        let id = id.map_err(|error: views::Error| ApiError::from(error))?.flatten();
        let unknown = || ApiError::not_found(format!("No entity {reference} is or ever was known"));
        let id = id.ok_or_else(unknown)?;
        Ok(Self { reference, id })
    }
}

fn limit(params: &Params) -> Result<usize, ApiError> {
    let limit = params.number("limit")?.unwrap_or(LIMIT);
    if limit == 0 || limit > LIMIT_MAX {
        let message = format!("request/query/limit must be between 1 and {LIMIT_MAX}");
        return Err(ApiError::input(message));
    }
    Ok(limit)
}

/// The changes of an entity, newest first, each with its cause. A withdrawn entity keeps them.
pub(crate) async fn versions(
    at: At,
    Path(name): Path<Name>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::parse(query.as_deref(), VERSIONS)?;
    let limit = limit(&params)?;
    let reader = &at.0;
    let before = params.one("cursor")?.map(|cursor| before(reader, cursor)).transpose()?;
    run(move || {
        let reader = &at.0;
        let known = Known::find(reader, &name)?;
        let (offsets, next) = change_offsets(reader, known.id, before, limit)?;
        let mut versions = Vec::with_capacity(offsets.len());
        for offset in offsets {
            versions.extend(change_at(reader, known.id, offset)?);
        }
        let log = reader.position().log;
        let next_cursor = next.map(|offset| Position { log, offset }.to_string());
        let entity_ref = known.reference.to_string();
        let body = History { entity_ref, versions, page_info: PageInfo { next_cursor } };
        Ok(([at.header()], Json(body)).into_response())
    })
    .await?
}

/// The records that changed an entity, newest first: at most so many and before one; and where it
/// goes on.
fn change_offsets(
    reader: &Reader,
    id: EntityId,
    before: Option<Offset>,
    limit: usize,
) -> Result<(Vec<Offset>, Option<Offset>), ApiError> {
    let most = limit + 1;
    let versions = reader.history(id, before, most)?.entries.into_iter().map(|v| v.offset);
    let mut offsets: BTreeSet<Offset> = versions.collect();
    offsets.extend(reader.relation_records(id, before, most)?);
    let aspects = reader.aspects(id, (None, before), None, most)?;
    offsets.extend(aspects.into_iter().map(|row| row.aspect.offset));
    let mut offsets: Vec<Offset> = offsets.into_iter().rev().collect();
    let more = offsets.len() > limit;
    offsets.truncate(limit);
    let next = offsets.last().copied().filter(|_| more);
    Ok((offsets, next))
}

/// What a record did to an entity.
fn change_at(
    reader: &Reader,
    id: EntityId,
    offset: Offset,
) -> Result<Option<ChangeShown>, ApiError> {
    let touched = reader.touched(offset, &reader.changes_of(offset)?)?;
    let Some(touch) = touched.into_iter().find(|touch| touch.entity == id) else {
        return Ok(None);
    };
    let change = Changes::of(reader, offset)?.read(&touch, &|_, _| true)?;
    change.map(|change| change.shown(reader, false, None)).transpose()
}

/// A cursor is the position of the last change that was shown.
fn before(reader: &Reader, cursor: &str) -> Result<u64, ApiError> {
    let malformed = || ApiError::input("Malformed cursor");
    let position: Position = cursor.parse().map_err(|_| malformed())?;
    if position.log != reader.position().log {
        return Err(malformed());
    }
    Ok(position.offset)
}

/// An entity as it was.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VersionShown {
    entity_ref: String,
    /// The position that was asked for.
    position: String,
    /// The change that made the version that was in force then.
    #[schema(required = true)]
    version: Option<ChangeShown>,
    /// The entity as the catalog served it then; null where it was not there.
    #[schema(value_type = Option<Object>, required = true)]
    entity: Option<Value>,
}

/// `GET …/versions/{position}`
pub(crate) async fn version(
    at: At,
    Path((kind, namespace, name, position)): Path<(String, String, String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    Params::parse(query.as_deref(), MOMENT)?;
    run(move || {
        let reader = &at.0;
        let known = Known::find(reader, &(kind, namespace, name))?;
        let position: Position = position
            .parse()
            .map_err(|error: event::PositionError| ApiError::input(error.to_string()))?;
        let then = reader.at(moments::at_position(reader, "version", position)?)?;
        let unknown =
            || ApiError::not_found(format!("{} was not known at {position}", known.reference));
        let made = then.version(known.id)?.ok_or_else(unknown)?.offset;
        let body = VersionShown {
            entity_ref: known.reference.to_string(),
            position: position.to_string(),
            version: change_at(reader, known.id, made)?,
            entity: served(&then, known.id)?,
        };
        Ok(([at.header()], Json(body)).into_response())
    })
    .await?
}

fn served(reader: &Reader, id: EntityId) -> Result<Option<Value>, ApiError> {
    let served = reader.serve(id)?;
    Ok(served.and_then(|served| serde_json::from_slice(&served.json).ok()))
}

/// Parameters of `GET …/diff`.
pub(crate) const DIFFERENCE: &[Param] = &[
    AS_OF,
    Param::new(
        "from",
        Form::Text,
        "A position or a time (RFC 3339); what was before the last change, unless told otherwise.",
    ),
    Param::new("to", Form::Text, "A position or a time; now, unless told otherwise."),
];

/// In what an entity differs between two moments.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Difference {
    entity_ref: String,
    /// The position of the first moment; null before the first record.
    #[schema(required = true)]
    from: Option<String>,
    #[schema(required = true)]
    to: Option<String>,
    /// Where they differ, as JSON pointers.
    changed_paths: Vec<String>,
    /// What makes the one of the other (RFC 6902); an entity that is not there is null.
    #[schema(value_type = Vec<Object>)]
    patch: Vec<Value>,
    /// For people: the lines of YAML that differ, as a unified diff.
    yaml: String,
}

/// `GET …/diff`
pub(crate) async fn difference(
    at: At,
    Path(name): Path<Name>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::parse(query.as_deref(), DIFFERENCE)?;
    run(move || {
        let reader = &at.0;
        let known = Known::find(reader, &name)?;
        let window = moments::Window::read(reader, &params)?;
        let from = match params.one("from")? {
            Some(_) => window.after,
            None => {
                let (last, _) = change_offsets(reader, known.id, Some(window.end()), 1)?;
                last.first().and_then(|last| last.checked_sub(1))
            }
        };
        let entity = |offset: Option<Offset>| match offset {
            Some(offset) => served(&reader.at(offset)?, known.id),
            None => Ok(None),
        };
        let log = reader.position().log;
        let name =
            |offset: Option<Offset>| offset.map(|at| Position { log, offset: at }.to_string());
        let (before, after) = (entity(from)?, entity(window.until)?);
        let (from, to) = (name(from), name(window.until));
        let shown = |name: &Option<String>| name.clone().unwrap_or_else(|| "nothing".to_owned());
        let patch = diff::patch(before.as_ref(), after.as_ref());
        let body = Difference {
            entity_ref: known.reference.to_string(),
            changed_paths: diff::paths(&patch),
            yaml: diff::yaml((before.as_ref(), &shown(&from)), (after.as_ref(), &shown(&to))),
            patch: patch.iter().map(|one| serde_json::to_value(one).unwrap_or_default()).collect(),
            from,
            to,
        };
        Ok(([at.header()], Json(body)).into_response())
    })
    .await?
}
