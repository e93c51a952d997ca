//! `/api/connectors`: how sources and their scopes are, and letting withdrawals pass.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, RawQuery, State};
use axum::response::{IntoResponse, Response};
use event::vocabulary::ScopeName;
use fold::{Condition, Why};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::Caller;
use crate::params::Params;
use crate::position::At;
use crate::{Api, ApiError};

/// How many refusals are listed at the most.
const REFUSALS_MAX: usize = 1000;

/// Sources, with how they are, and scopes that hold something back.
pub(crate) async fn list(at: At, State(api): State<Api>) -> Result<Response, ApiError> {
    let reader = &at.0;
    let sources = reader.sources()?.into_iter().map(|(name, source)| {
        json!({
            "source": name.as_str(),
            "node": source.node,
            "epoch": source.epoch,
            "cursor": source.cursor,
            "lastTime": source.recorded.to_string(),
            "condition": source.condition.as_ref().map(condition),
            "duplicates": source.duplicates,
            "fenced": source.fenced,
            "missing": source.missing,
        })
    });
    let sources: Vec<Value> = sources.collect();
    let scopes = reader.scopes("")?.into_iter().filter(|(_, scope)| scope.condition.is_some());
    let scopes: Vec<Value> = scopes
        .map(|(name, scope)| {
            json!({
                "scope": name.as_str(),
                "source": scope.source.as_str(),
                "entities": scope.claims,
                "condition": scope.condition.as_ref().map(condition),
                "approved": scope.approval.as_ref().map(|approval| approval.at_most),
            })
        })
        .collect();
    let quarantined: Vec<Value> = reader
        .quarantine(REFUSALS_MAX)?
        .into_iter()
        .map(|(offset, row)| json!({"offset": offset, "why": words(row.why)}))
        .collect();
    // By these, whoever hands in a folder tells which of its files are a catalog's.
    let policy = reader.policy();
    let api_versions = policy.kinds.custom().flat_map(|kind| &kind.api_versions);
    let body = json!({
        "sources": sources,
        "scopes": scopes,
        "quarantined": quarantined,
        "targetsWaiting": api.commands().targets_waiting(reader)?,
        "apiVersions": api_versions.collect::<Vec<&String>>(),
    });
    Ok(([at.header()], Json(body)).into_response())
}

/// Why something could not be folded, in words that quote nothing of it.
const fn words(why: Why) -> &'static str {
    match why {
        Why::NotARecord => "it is not a record",
        Why::Foreign => "its type is not one that belongs here",
        Why::Data => "its data is not of its type",
        Why::Subject => "its subject is not a full reference in lower case",
        Why::Nameless => "it names neither an entity nor an item",
        Why::Fingerprint => "its fingerprint is not 64 hexadecimal digits",
        Why::Document => "its document can't be read, or has no reference",
        Why::OtherSubject => "its subject is not the reference of its document",
        Why::Relations => "its document refers to what can't be referred to",
        Why::Policy => "the kinds of its policy can't be read",
        Why::Full => "the catalog has no numbers left for what it names",
    }
}

fn condition(condition: &Condition) -> Value {
    json!({
        "state": condition.state,
        "why": condition.why,
        "withdrawals": condition.withdrawals,
        "since": condition.recorded.to_string(),
    })
}

/// What was refused and stands refused, by scope.
pub(crate) async fn refusals(at: At, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let params = Params::parse(query.as_deref(), &["scope"])?;
    let scope = params.one("scope")?.map(scope_name).transpose()?;
    let reader = &at.0;
    let id = match &scope {
        None => None,
        Some(name) => {
            let unknown = || ApiError::not_found(format!("no scope `{name}` is known"));
            Some(reader.scope(name)?.ok_or_else(unknown)?.id)
        }
    };
    let rows = reader.refusals(id, REFUSALS_MAX)?.into_iter().map(|row| {
        json!({
            "scope": row.scope.as_str(),
            "what": row.what,
            "error": {"name": row.refusal.fault.name, "message": row.refusal.fault.message},
            "pointer": row.refusal.cause.pointer,
            "recordedTime": row.refusal.cause.recorded.to_string(),
        })
    });
    let body = json!({"items": rows.collect::<Vec<Value>>()});
    Ok(([at.header()], Json(body)).into_response())
}

/// Lets a withdrawal pass.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Approval {
    scope: String,
    #[serde(default)]
    at_most: Option<u64>,
}

/// Lets the withdrawal pass that a scope holds back, or one of at most so many entities.
pub(crate) async fn approve(
    at: At,
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    body: Result<Json<Approval>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(approval) = body.map_err(|error| ApiError::input(error.body_text()))?;
    let name = scope_name(&approval.scope)?;
    let known = at.0.scope(&name)?;
    let known = known.ok_or_else(|| ApiError::not_found(format!("no scope `{name}` is known")))?;
    let held = known.condition.as_ref().and_then(|condition| condition.withdrawals);
    let at_most = approval.at_most.or(held).ok_or_else(|| {
        ApiError::conflict(format!("the scope `{name}` holds nothing back; say `atMost`"))
    })?;
    let commands = api.commands().clone();
    let position = run(move || commands.approve(&name, at_most, caller.0.as_deref())).await??;
    Ok(Json(json!({"position": position.to_string()})).into_response())
}

pub(crate) fn scope_name(text: &str) -> Result<ScopeName, ApiError> {
    ScopeName::new(text).map_err(|error| ApiError::input(error.to_string()))
}

/// Runs what waits for a disk or for the fold, aside.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a handler broke off");
        ApiError::internal("the request could not be finished")
    })
}
