//! Whether the node is well: `/healthz`, `/readyz`, `/metrics`; and what stands at `/`.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use event::Position;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Api;
use crate::openapi::{Operation, Routes};

/// Routes that anybody may ask.
pub(crate) fn routes() -> Routes {
    let of = |id, summary| Operation::new(id, "Node", summary).open();
    let text = "text/plain; charset=utf-8";
    Routes::default()
        .get("/", welcome, of("Welcome", "What there is").gives_text(200, text, "A few words."))
        .get(
            "/healthz",
            healthz,
            of("GetHealth", "The process is alive").gives_text(200, text, "It is."),
        )
        .get(
            "/readyz",
            readyz,
            of("GetReadiness", "Whether the node can answer requests")
                .gives::<Ready>(200, "It can.")
                .gives::<Ready>(503, "It can't, and why."),
        )
}

/// Those that need a token.
pub(crate) fn guarded_routes() -> Routes {
    let metrics_of = Operation::new("GetMetrics", "Node", "Figures for Prometheus").gives_text(
        200,
        "text/plain; charset=utf-8",
        "Prometheus' text format.",
    );
    Routes::default().get("/metrics", metrics, metrics_of)
}

/// Whether a node can answer requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Why not, in words; empty when it can.
    pub why_not: Vec<String>,
    /// Records of the log that are not folded yet.
    pub lag: u64,
    /// How search is. Where it is behind or is being built, all else is answered nevertheless.
    pub search: SearchReadiness,
    /// Why the log can't be read or written now, where its brokers are away; what is folded is
    /// answered nevertheless.
    pub log_away: Option<String>,
    /// How the topics are that others read.
    pub topics: Vec<TopicReadiness>,
}

/// How a topic is that others read; whatever it is, all else is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicReadiness {
    /// Its name.
    pub topic: String,
    /// In one word: `following`, `waiting`, `failed`, or `resting` where another node writes it.
    pub state: &'static str,
    /// Why it waits, or has failed.
    pub why: Option<String>,
    /// Records that are folded and not told yet; unknown where another node writes it.
    pub lag: Option<u64>,
}

/// How search is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchReadiness {
    /// In one word: `following`, `building`, `failed` or `stopped`.
    pub state: &'static str,
    /// The position that it answers for.
    pub position: Option<Position>,
    /// Records that are folded and not yet searchable.
    pub lag: u64,
}

/// The port through which the API learns how the node is.
pub trait Health: Send + Sync {
    /// Whether the node can answer requests.
    fn readiness(&self) -> Readiness;

    /// Sets what is only looked at when somebody asks for metrics.
    fn refresh_metrics(&self);
}

/// What somebody reads who opens the server in a browser.
pub(crate) async fn welcome() -> &'static str {
    "Annals, the software catalog that remembers.\n\n\
     /api/catalog/entities/by-query?limit=20    entities, as Backstage's catalog API serves them\n\
     /api/catalog/entity-facets?facet=kind      what there is of them\n\
     /api/search/query?term=WORDS               full text, as Backstage's search API answers\n\
     /api/history/entities/KIND/NAMESPACE/NAME  versions of an entity, with their causes\n\
     /api/connectors                            how sources are\n\
     /api/audit/checkpoint                      what is signed of the log, for auditors\n\
     /readyz, /metrics                          how this node is\n"
}

/// The process is alive.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// How a node is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ready {
    ready: bool,
    /// Why not.
    why: Vec<String>,
    /// What is folded.
    #[schema(required = true)]
    position: Option<String>,
    /// Records of the log that are not folded yet.
    lag: u64,
    search: SearchReady,
    log: LogReady,
    /// The topics beside the log.
    topics: Vec<TopicReady>,
}

/// How the log is; while it is away, what is folded is answered nevertheless.
#[derive(Serialize, ToSchema)]
pub(crate) struct LogReady {
    /// `here` or `away`.
    state: &'static str,
    /// Why it is away.
    #[schema(required = true)]
    why: Option<String>,
}

/// How a topic is that others read; whatever it is, all else is answered.
#[derive(Serialize, ToSchema)]
pub(crate) struct TopicReady {
    topic: String,
    /// `following`, `waiting`, `failed`, or `resting` where another node writes it.
    state: &'static str,
    /// Why it waits, or has failed.
    #[schema(required = true)]
    why: Option<String>,
    /// Records that are folded and not told yet.
    #[schema(required = true)]
    lag: Option<u64>,
}

/// How search is; where it is behind, all else is answered nevertheless.
#[derive(Serialize, ToSchema)]
pub(crate) struct SearchReady {
    /// `following`, `building`, `failed` or `stopped`.
    state: &'static str,
    /// What can be searched.
    #[schema(required = true)]
    position: Option<String>,
    /// Records that are folded and can't be searched yet.
    lag: u64,
}

/// The node can answer requests.
pub(crate) async fn readyz(State(api): State<Api>) -> Response {
    let Readiness { why_not, lag, search, log_away, topics } = api.health().readiness();
    let position = api.views().reader().map(|reader| reader.position().to_string());
    let status = if why_not.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let search = SearchReady {
        state: search.state,
        position: search.position.map(|position| position.to_string()),
        lag: search.lag,
    };
    let log = LogReady { state: if log_away.is_some() { "away" } else { "here" }, why: log_away };
    let topics = topics.into_iter().map(|TopicReadiness { topic, state, why, lag }| TopicReady {
        topic,
        state,
        why,
        lag,
    });
    let (ready, topics) = (why_not.is_empty(), topics.collect());
    let body = Ready { ready, why: why_not, position, lag, search, log, topics };
    (status, Json(body)).into_response()
}

/// Prometheus' text format.
pub(crate) async fn metrics(State(api): State<Api>) -> Response {
    api.health().refresh_metrics();
    let encoder = prometheus::TextEncoder::new();
    match encoder.encode_to_string(&api.registry().gather()) {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
            .into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
