//! `/api/history`: what entities were, and why.

use axum::Json;
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use event::Position;
use fold::{ChangeKind, Version};
use model::reference::EntityRef;
use serde::Serialize;
use utoipa::ToSchema;
use views::Reader;

use crate::ApiError;
use crate::openapi::{Operation, Routes};
use crate::params::{Form, Param, Params, Path};
use crate::position::{AS_OF, At};

/// The routes of this file.
pub(crate) fn routes() -> Routes {
    let versions_of = Operation::new("GetHistory", "History", "The versions of an entity")
        .about("Newest first, each with its cause. A withdrawn entity keeps them.")
        .at_a_position()
        .query(VERSIONS)
        .gives::<History>(200, "A page of versions.")
        .says_position()
        .refuses(&[404]);
    Routes::default().get("/history/entities/{kind}/{namespace}/{name}", versions, versions_of)
}

/// How many versions a page has, unless told otherwise, and at the most.
const LIMIT: usize = 50;
const LIMIT_MAX: usize = 1000;

/// What an entity was.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct History {
    entity_ref: String,
    /// Newest first.
    versions: Vec<VersionShown>,
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

/// A version of an entity.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VersionShown {
    /// Where in the log it begins.
    position: String,
    /// `created`, `updated`, `withdrawn`, `restored` or `status`.
    change: &'static str,
    /// When it was appended.
    recorded_time: String,
    /// When it happened, if the source knows.
    #[schema(required = true)]
    time: Option<String>,
    cause: CauseShown,
}

/// The record that a version comes from.
#[derive(Serialize, ToSchema)]
pub(crate) struct CauseShown {
    id: String,
    #[schema(required = true)]
    r#type: Option<&'static str>,
    source: String,
    #[schema(required = true)]
    scope: Option<String>,
    /// Whose token it was.
    #[schema(required = true)]
    authid: Option<Box<str>>,
    /// Where it stands in the source.
    #[schema(required = true)]
    pointer: Option<Box<str>>,
}

/// Parameters of `GET /api/history/entities/…`.
pub(crate) const VERSIONS: &[Param] = &[
    AS_OF,
    Param::new("limit", Form::Number, "At most so many: 1 to 1000; 50, unless told otherwise."),
    Param::new("cursor", Form::Text, "Where a page goes on."),
];

/// The versions of an entity, newest first, each with its cause. A withdrawn entity keeps them.
pub(crate) async fn versions(
    at: At,
    Path((kind, namespace, name)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::parse(query.as_deref(), VERSIONS)?;
    let limit = params.number("limit")?.unwrap_or(LIMIT);
    if limit == 0 || limit > LIMIT_MAX {
        let message = format!("request/query/limit must be between 1 and {LIMIT_MAX}");
        return Err(ApiError::input(message));
    }
    let reader = &at.0;
    let before = params.one("cursor")?.map(|cursor| before(reader, cursor)).transpose()?;
    let reference = EntityRef::new(&kind, &namespace, &name)
        .map_err(|error| ApiError::input(error.to_string()))?;
    let unknown = || ApiError::not_found(format!("No entity {reference} is or ever was known"));
    let id = reader.entity_id(&reference)?.ok_or_else(unknown)?;
    let page = reader.history(id, before, limit)?;
    if page.entries.is_empty() && before.is_none() {
        return Err(unknown());
    }
    let versions = page.entries.iter().map(|version| entry(reader, version));
    let versions = versions.collect::<Result<_, _>>()?;
    let log = reader.position().log;
    let next_cursor = page.next.map(|offset| Position { log, offset }.to_string());
    let entity_ref = reference.to_string();
    let body = History { entity_ref, versions, page_info: PageInfo { next_cursor } };
    Ok(([at.header()], Json(body)).into_response())
}

/// A cursor is the position of the last version that was shown.
fn before(reader: &Reader, cursor: &str) -> Result<u64, ApiError> {
    let malformed = || ApiError::input("Malformed cursor");
    let position: Position = cursor.parse().map_err(|_| malformed())?;
    if position.log != reader.position().log {
        return Err(malformed());
    }
    Ok(position.offset)
}

fn entry(reader: &Reader, version: &Version) -> Result<VersionShown, ApiError> {
    let cause = &version.cause;
    let scope = cause.scope.map(|scope| reader.scope_name(scope)).transpose()?.flatten();
    let position = Position { log: reader.position().log, offset: version.offset };
    Ok(VersionShown {
        position: position.to_string(),
        change: change(version.change),
        recorded_time: cause.recorded.to_string(),
        time: cause.time.map(|time| time.to_string()),
        cause: CauseShown {
            id: cause.record.to_string(),
            r#type: cause.kind().map(event::Kind::as_str),
            source: cause.source.to_string(),
            scope: scope.map(|scope| scope.to_string()),
            authid: cause.author.clone(),
            pointer: cause.pointer.clone(),
        },
    })
}

fn change(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Created => "created",
        ChangeKind::Updated => "updated",
        ChangeKind::Withdrawn => "withdrawn",
        ChangeKind::Restored => "restored",
        ChangeKind::Status => "status",
    }
}
