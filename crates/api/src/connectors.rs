//! `/api/connectors`: how sources and their scopes are, and letting withdrawals pass.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::{Extension, RawQuery, Request, State};
use axum::response::{IntoResponse, Response};
use event::vocabulary::{ConnectorState, ScopeName};
use event::{SourceName, Timestamp};
use fold::{Condition, Scope, Source, Why};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::catalog::body::Body;
use crate::openapi::{Operation, Routes};
use crate::params::{Form, Param, Params};
use crate::position::{Now, position_header};
use crate::{Api, ApiError, SourceBudget, SourceFare};

/// The routes of this file.
pub(crate) fn routes() -> Routes {
    let of = |id, summary| Operation::new(id, "Connectors", summary).at_a_position();
    Routes::default()
        .get(
            "/connectors",
            list,
            of("GetConnectors", "How sources are")
                .gives::<Connectors>(200, "Sources, and scopes that hold something back.")
                .says_position(),
        )
        .get(
            "/connectors/refusals",
            refusals,
            of("GetRefusals", "What is refused, and why")
                .query(REFUSALS)
                .gives::<Refusals>(200, "What stands refused.")
                .says_position()
                .refuses(&[404]),
        )
        .post(
            "/connectors/approve",
            approve,
            of("ApproveWithdrawals", "Lets a held withdrawal pass")
                .takes::<Approval>(true, json!({"scope": "ingest/by-hand", "atMost": 1}))
                .gives::<Approved>(200, "It may pass.")
                .says_position()
                .refuses(&[404, 409]),
        )
}

/// How many refusals are listed at the most.
const REFUSALS_MAX: usize = 1000;

/// How sources are.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Connectors {
    sources: Vec<SourceShown>,
    /// Scopes that hold something back, or can't be read.
    scopes: Vec<ScopeShown>,
    /// Records that could not be folded; the first thousand.
    quarantined: Vec<Quarantined>,
    /// Targets of locations that were never looked at yet.
    targets_waiting: u64,
    /// API versions of the user's own kinds.
    api_versions: Vec<String>,
}

/// A source.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SourceShown {
    source: String,
    /// The node that it lives on.
    #[schema(required = true)]
    node: Option<Box<str>>,
    /// Its life.
    epoch: u64,
    /// How far it has read.
    #[schema(required = true)]
    cursor: Option<Box<str>>,
    /// When the last record of it was appended.
    last_time: String,
    #[schema(required = true)]
    condition: Option<ConditionShown>,
    /// Whether this node runs it.
    running: bool,
    /// When it was last read and what it held was taken: as this node saw it, or else as the log
    /// tells, where a scope that does not change is told of once a day.
    #[schema(required = true)]
    last_success: Option<String>,
    /// How long ago that was.
    #[schema(required = true)]
    lag_seconds: Option<u64>,
    /// What was wrong last, since this node was started.
    #[schema(required = true)]
    last_error: Option<ErrorShown>,
    /// What the source still lets itself be asked, where it counts that.
    #[schema(required = true)]
    budget: Option<BudgetShown>,
    /// How many scopes it has.
    scopes: u64,
    /// How many entities they show.
    entities: u64,
    /// How many withdrawals they hold back; `POST /api/connectors/approve` lets them pass.
    held: u64,
    /// Records that were dropped since they had been there before.
    duplicates: u64,
    /// Records that were dropped since they came from an older life.
    fenced: u64,
    /// Records that never came.
    missing: u64,
}

/// What was wrong with a source.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorShown {
    message: String,
    time: String,
}

/// How much a source may still be asked before it wants to be left alone.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BudgetShown {
    limit: u64,
    left: u64,
    /// When it is filled up again.
    #[schema(required = true)]
    resets: Option<String>,
    /// Until when the connector waits, where it does.
    #[schema(required = true)]
    waits_until: Option<String>,
}

impl From<SourceBudget> for BudgetShown {
    fn from(budget: SourceBudget) -> Self {
        let SourceBudget { limit, left, resets, waits_until } = budget;
        let text = |time: Option<Timestamp>| time.map(|time| time.to_string());
        Self { limit, left, resets: text(resets), waits_until: text(waits_until) }
    }
}

/// What the scopes of a source come to.
#[derive(Default)]
struct Sum {
    scopes: u64,
    entities: u64,
    held: u64,
    verified: Option<Timestamp>,
}

/// A scope.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScopeShown {
    scope: String,
    source: String,
    /// How many entities it shows.
    entities: u64,
    #[schema(required = true)]
    condition: Option<ConditionShown>,
    /// How many withdrawals may pass.
    #[schema(required = true)]
    approved: Option<u64>,
    /// What lets pass the withdrawals that are held, where any are.
    #[schema(required = true)]
    approve: Option<WayToApprove>,
}

/// The request that lets held withdrawals pass.
#[derive(Serialize, ToSchema)]
pub(crate) struct WayToApprove {
    method: &'static str,
    path: &'static str,
    body: ToApprove,
}

/// Its body.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ToApprove {
    scope: String,
    at_most: u64,
}

impl WayToApprove {
    fn of(scope: &ScopeName, at_most: u64) -> Self {
        let body = ToApprove { scope: scope.to_string(), at_most };
        Self { method: "POST", path: "/api/connectors/approve", body }
    }
}

/// How a source or a scope is.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConditionShown {
    #[schema(value_type = String)]
    state: ConnectorState,
    #[schema(required = true)]
    why: Option<Box<str>>,
    /// How many withdrawals are held.
    #[schema(required = true)]
    withdrawals: Option<u64>,
    since: String,
}

/// A record that could not be folded.
#[derive(Serialize, ToSchema)]
pub(crate) struct Quarantined {
    offset: u64,
    why: &'static str,
}

/// Sources, with how they are, and scopes that hold something back.
pub(crate) async fn list(at: Now, State(api): State<Api>) -> Result<Response, ApiError> {
    let reader = &at.0;
    let scopes = reader.scopes("")?;
    let mut sums: BTreeMap<SourceName, Sum> = BTreeMap::new();
    for (_, scope) in scopes.iter().filter(|(_, scope)| !scope.retired) {
        let sum = sums.entry(scope.source.clone()).or_default();
        sum.scopes += 1;
        sum.entities += scope.claims;
        sum.held += withdrawals(scope).unwrap_or(0);
        sum.verified = sum.verified.max(scope.verified.as_ref().map(|verified| verified.recorded));
    }
    let (mut fares, now) = (api.commands().fares(), SystemTime::now());
    let sources = reader.sources()?.into_iter().map(|(name, source)| {
        let fare = fares.remove(name.as_str());
        shown(&name, &source, &sums.remove(&name).unwrap_or_default(), fare, now)
    });
    let scopes = scopes.into_iter().filter(|(_, scope)| scope.condition.is_some());
    let scopes = scopes.map(|(name, scope)| ScopeShown {
        scope: name.to_string(),
        source: scope.source.to_string(),
        entities: scope.claims,
        condition: scope.condition.as_ref().map(condition),
        approved: scope.approval.as_ref().map(|approval| approval.at_most),
        approve: withdrawals(&scope).map(|held| WayToApprove::of(&name, held)),
    });
    let quarantined = reader.quarantine(REFUSALS_MAX)?.into_iter();
    let quarantined = quarantined.map(|(offset, row)| Quarantined { offset, why: words(row.why) });
    // By these, whoever hands in a folder tells which of its files are a catalog's.
    let policy = reader.policy();
    let api_versions = policy.kinds.custom().flat_map(|kind| &kind.api_versions);
    let body = Connectors {
        sources: sources.collect(),
        scopes: scopes.collect(),
        quarantined: quarantined.collect(),
        targets_waiting: api.commands().targets_waiting(reader)?,
        api_versions: api_versions.cloned().collect(),
    };
    Ok(([at.header()], Json(body)).into_response())
}

/// How many withdrawals a scope holds back, if any.
fn withdrawals(scope: &Scope) -> Option<u64> {
    scope.condition.as_ref().and_then(|of| of.withdrawals)
}

fn shown(
    name: &SourceName,
    source: &Source,
    sum: &Sum,
    fare: Option<SourceFare>,
    now: SystemTime,
) -> SourceShown {
    let running = fare.is_some();
    let SourceFare { last_success, last_error, budget } = fare.unwrap_or_default();
    let last_success = last_success.or(sum.verified);
    let since = last_success.map(|time| {
        let us = u64::try_from(time.as_micros()).unwrap_or(0);
        let age = now.duration_since(UNIX_EPOCH + Duration::from_micros(us));
        // A clock that was set back makes nothing older than it is.
        age.unwrap_or_default().as_secs()
    });
    SourceShown {
        source: name.to_string(),
        node: source.node.clone(),
        epoch: source.epoch,
        cursor: source.cursor.clone(),
        last_time: source.recorded.to_string(),
        condition: source.condition.as_ref().map(condition),
        running,
        last_success: last_success.map(|time| time.to_string()),
        lag_seconds: since,
        last_error: last_error
            .map(|(time, message)| ErrorShown { message, time: time.to_string() }),
        budget: budget.map(BudgetShown::from),
        scopes: sum.scopes,
        entities: sum.entities,
        held: sum.held,
        duplicates: source.duplicates,
        fenced: source.fenced,
        missing: source.missing,
    }
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
        Why::Residue => "what an erasure left of it is not what stood there",
        Why::Full => "the catalog has no numbers left for what it names",
    }
}

fn condition(condition: &Condition) -> ConditionShown {
    ConditionShown {
        state: condition.state,
        why: condition.why.clone(),
        withdrawals: condition.withdrawals,
        since: condition.recorded.to_string(),
    }
}

/// What stands refused.
#[derive(Serialize, ToSchema)]
pub(crate) struct Refusals {
    /// The first thousand.
    items: Vec<RefusalShown>,
}

/// Something that stands refused.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RefusalShown {
    scope: String,
    /// The entity, or the item.
    what: String,
    error: Fault,
    /// Where it stands in the source.
    #[schema(required = true)]
    pointer: Option<Box<str>>,
    recorded_time: String,
}

/// What is wrong with it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Fault {
    name: String,
    message: String,
}

/// Parameters of `GET /api/connectors/refusals`.
pub(crate) const REFUSALS: &[Param] = &[Param::new("scope", Form::Text, "Only of this scope.")];

/// What was refused and stands refused, by scope.
pub(crate) async fn refusals(at: Now, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let params = Params::parse(query.as_deref(), REFUSALS)?;
    let scope = params.one("scope")?.map(scope_name).transpose()?;
    let reader = &at.0;
    let id = match &scope {
        None => None,
        Some(name) => {
            let unknown = || ApiError::not_found(format!("no scope `{name}` is known"));
            Some(reader.scope(name)?.ok_or_else(unknown)?.id)
        }
    };
    let rows = reader.refusals(id, REFUSALS_MAX)?.into_iter().map(|row| RefusalShown {
        scope: row.scope.to_string(),
        what: row.what,
        error: Fault {
            name: row.refusal.fault.name.to_string(),
            message: row.refusal.fault.message.clone(),
        },
        pointer: row.refusal.cause.pointer.clone(),
        recorded_time: row.refusal.cause.recorded.to_string(),
    });
    let body = Refusals { items: rows.collect() };
    Ok(([at.header()], Json(body)).into_response())
}

/// Lets a withdrawal pass.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Approval {
    scope: String,
    /// How many withdrawals may pass; as many as are held, unless told otherwise.
    #[serde(default)]
    at_most: Option<u64>,
}

/// When it is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Approved {
    /// The position at which it is folded.
    position: String,
}

/// Lets the withdrawal pass that a scope holds back, or one of at most so many entities.
pub(crate) async fn approve(
    at: Now,
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, ApiError> {
    let approval: Approval = Body::required(request).await?.read()?;
    let name = scope_name(&approval.scope)?;
    let known = at.0.scope(&name)?;
    let known = known.ok_or_else(|| ApiError::not_found(format!("no scope `{name}` is known")))?;
    let held = known.condition.as_ref().and_then(|condition| condition.withdrawals);
    let at_most = approval.at_most.or(held).ok_or_else(|| {
        ApiError::conflict(format!("the scope `{name}` holds nothing back; say `atMost`"))
    })?;
    let commands = api.commands().clone();
    let position = run(move || commands.approve(&name, at_most, caller.0.as_deref())).await??;
    let body = Approved { position: position.to_string() };
    Ok(([position_header(position)], Json(body)).into_response())
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
