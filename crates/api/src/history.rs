//! `/api/history`: what entities were, and why.

use axum::Json;
use axum::extract::{Path, RawQuery};
use axum::response::{IntoResponse, Response};
use event::Position;
use fold::{ChangeKind, Version};
use model::reference::EntityRef;
use serde_json::{Value, json};
use views::Reader;

use crate::ApiError;
use crate::params::Params;
use crate::position::At;

/// How many versions a page has, unless told otherwise, and at the most.
const LIMIT: usize = 50;
const LIMIT_MAX: usize = 1000;

/// The versions of an entity, newest first, each with its cause. A withdrawn entity keeps them.
pub(crate) async fn versions(
    at: At,
    Path((kind, namespace, name)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::parse(query.as_deref(), &["limit", "cursor"])?;
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
    let versions: Vec<Value> = versions.collect::<Result<_, _>>()?;
    let log = reader.position().log;
    let next = page.next.map(|offset| Position { log, offset }.to_string());
    let mut info = serde_json::Map::new();
    info.extend(next.map(|cursor| ("nextCursor".to_owned(), cursor.into())));
    let body = json!({
        "entityRef": reference.as_str(), "versions": versions, "pageInfo": info,
    });
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

fn entry(reader: &Reader, version: &Version) -> Result<Value, ApiError> {
    let cause = &version.cause;
    let scope = cause.scope.map(|scope| reader.scope_name(scope)).transpose()?.flatten();
    let position = Position { log: reader.position().log, offset: version.offset };
    Ok(json!({
        "position": position.to_string(),
        "change": change(version.change),
        "recordedTime": cause.recorded.to_string(),
        "time": cause.time.map(|time| time.to_string()),
        "cause": {
            "id": cause.record.to_string(),
            "type": cause.kind().map(event::Kind::as_str),
            "source": cause.source.as_str(),
            "scope": scope.map(|scope| scope.to_string()),
            "authid": cause.author,
            "pointer": cause.pointer,
        },
    }))
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
