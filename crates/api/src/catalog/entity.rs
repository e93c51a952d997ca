//! One entity: by name, by uid, with its ancestors; removed, and read again.

use std::collections::HashSet;

use axum::extract::{Extension, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use fold::EntityId;
use model::document::{ANNOTATION_LOCATION, Document};
use model::index::lower;
use model::reference::EntityRef;
use serde_json::Value;
use uuid::Uuid;
use views::{Reader, Served};

use super::answer::{plain, tagged};
use super::body::Body;
use super::refs::exact;
use crate::auth::Caller;
use crate::connectors::run;
use crate::params::{Params, Path};
use crate::position::{At, MOMENT, Now, position_header};
use crate::{Api, ApiError};

/// How many ancestors are told at the most.
const ANCESTORS_MAX: usize = 1000;

type Name = (String, String, String);

/// `GET /entities/by-name/{kind}/{namespace}/{name}`
pub(crate) async fn by_name(
    at: At,
    Path((kind, namespace, name)): Path<Name>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    Params::parse(query.as_deref(), MOMENT)?;
    let unknown = || {
        ApiError::not_found(format!(
            "No entity named '{name}' found, with kind '{kind}' in namespace '{namespace}'"
        ))
    };
    let reference = EntityRef::new(&kind, &namespace, &name).map_err(|_| unknown())?;
    let served = at.0.entity(&reference)?.ok_or_else(unknown)?;
    Ok(plain(at.0.position(), served.json))
}

/// `GET /entities/by-uid/{uid}`
pub(crate) async fn by_uid(
    at: At,
    Path(uid): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    Params::parse(query.as_deref(), MOMENT)?;
    let served = match find(&at.0, &lower(&uid))? {
        Some(id) => at.0.serve(id)?,
        None => None,
    };
    let served = served.ok_or_else(|| ApiError::not_found(format!("No entity with uid {uid}")))?;
    Ok(plain(at.0.position(), served.json))
}

/// The entity with a uid, as uids are written.
fn find(reader: &Reader, uid: &str) -> Result<Option<EntityId>, ApiError> {
    match Uuid::try_parse(uid) {
        Ok(parsed) if parsed.to_string() == uid => Ok(reader.entity_id_by_uid(parsed)?),
        _ => Ok(None),
    }
}

/// `DELETE /entities/by-uid/{uid}`: a record of its own, with its author. What is not there is gone
/// already.
pub(crate) async fn remove(
    at: Now,
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(uid): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    Params::parse(query.as_deref(), &[])?;
    let id = find(&at.0, &uid)?;
    let is_there = id.map(|id| at.0.version(id)).transpose()?.flatten().is_some_and(|v| v.live);
    let reference = id.filter(|_| is_there).map(|id| at.0.reference(id)).transpose()?.flatten();
    let Some(reference) = reference else {
        return Ok((StatusCode::NO_CONTENT, [at.header()]).into_response());
    };
    let commands = api.commands().clone();
    let position = run(move || commands.remove(&reference, caller.0.as_deref())).await??;
    Ok((StatusCode::NO_CONTENT, [position_header(position)]).into_response())
}

/// `GET /entities/by-name/{kind}/{namespace}/{name}/ancestry`
pub(crate) async fn ancestry(
    at: At,
    Path((kind, namespace, name)): Path<Name>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    Params::parse(query.as_deref(), MOMENT)?;
    run(move || {
        let unknown = || {
            let reference = lower(&format!("{kind}:{namespace}/{name}"));
            ApiError::not_found(format!("No such entity {reference}"))
        };
        let reference = EntityRef::new(&kind, &namespace, &name).map_err(|_| unknown())?;
        let root = at.0.entity(&reference)?.ok_or_else(unknown)?;
        let mut body = format!("{{\"rootEntityRef\":{},\"items\":[", quoted(&reference));
        let mut body = std::mem::take(&mut body).into_bytes();
        let mut seen = HashSet::from([root.id]);
        let mut next = vec![root];
        let mut count = 0;
        while let Some(served) = next.pop() {
            let parents = parents(&at.0, &served)?;
            if count > 0 {
                body.push(b',');
            }
            count += 1;
            body.extend_from_slice(b"{\"entity\":");
            body.extend_from_slice(&served.json);
            let names: Vec<String> = parents.iter().map(|(name, _)| quoted(name)).collect();
            body.extend_from_slice(
                format!(",\"parentEntityRefs\":[{}]}}", names.join(",")).as_bytes(),
            );
            for (_, parent) in parents {
                if seen.len() < ANCESTORS_MAX && seen.insert(parent.id) {
                    next.push(parent);
                }
            }
        }
        body.extend_from_slice(b"]}");
        Ok(tagged(at.0.position(), body))
    })
    .await?
}

fn quoted(reference: &EntityRef) -> String {
    Value::from(reference.as_str()).to_string()
}

/// The Location entities that led to an entity: those that want the location read that it says it
/// was read from.
fn parents(reader: &Reader, served: &Served) -> Result<Vec<(EntityRef, Served)>, ApiError> {
    let document: Value = serde_json::from_slice(&served.json).unwrap_or_default();
    let Some(location) = Document::new(&document).annotation(ANNOTATION_LOCATION) else {
        return Ok(Vec::new());
    };
    let mut parents = Vec::new();
    for id in reader.wanters(location)? {
        if id == served.id {
            continue;
        }
        if let (Some(name), Some(parent)) = (reader.reference(id)?, reader.serve(id)?) {
            parents.push((name, parent));
        }
    }
    parents.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(parents)
}

/// `POST /refresh`: the source of an entity is wanted read again.
pub(crate) async fn refresh(
    at: Now,
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, ApiError> {
    Params::parse(query.as_deref(), &[])?;
    let body = Body::required(request).await?;
    body.requires(&["entityRef"])?;
    body.has_only(&["entityRef", "authorizationToken"])?;
    let text = body.text("entityRef")?.unwrap_or_default().to_owned();
    body.text("authorizationToken")?;
    let unknown = || ApiError::not_found(format!("Entity {text} not found"));
    let reference = exact(&text).ok_or_else(unknown)?;
    at.0.entity(&reference)?.ok_or_else(unknown)?;
    let commands = api.commands().clone();
    let position = run(move || commands.refresh(&reference, caller.0.as_deref())).await??;
    Ok((StatusCode::OK, [position_header(position)]).into_response())
}
