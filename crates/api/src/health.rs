//! Whether the node is well: `/healthz`, `/readyz`, `/metrics`; and what stands at `/`.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::Api;

/// Whether a node can answer requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Why not, in words; empty when it can.
    pub why_not: Vec<String>,
    /// Records of the log that are not folded yet.
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
     /api/history/entities/KIND/NAMESPACE/NAME  versions of an entity, with their causes\n\
     /api/connectors                            how sources are\n\
     /readyz, /metrics                          how this node is\n"
}

/// The process is alive.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// The node can answer requests.
pub(crate) async fn readyz(State(api): State<Api>) -> Response {
    let Readiness { why_not, lag } = api.health().readiness();
    let position = api.views().reader().map(|reader| reader.position().to_string());
    let status = if why_not.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "ready": why_not.is_empty(), "why": why_not, "position": position, "lag": lag,
    });
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
