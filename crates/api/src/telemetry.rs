//! What requests leave behind: counters and one line of log each.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use prometheus::{HistogramOpts, HistogramVec, IntGauge, Registry};

use crate::Api;

/// Counters of requests.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    seconds: HistogramVec,
    active: IntGauge,
}

impl HttpMetrics {
    /// Counters in a registry.
    ///
    /// # Errors
    /// When the registry has some of that name already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let buckets = prometheus::exponential_buckets(0.000_1, 2.5, 14)?;
        let help = "Time to answer a request, in seconds, by route, method and status.";
        let options = HistogramOpts::new("annals_http_request_seconds", help).buckets(buckets);
        let metrics = Self {
            seconds: HistogramVec::new(options, &["route", "method", "status"])?,
            active: IntGauge::new("annals_http_requests_active", "Requests being answered.")?,
        };
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.active.clone()))?;
        Ok(metrics)
    }
}

/// Counts a request. Its route is the pattern that it matched, so that no caller can make labels.
pub(crate) async fn observe(State(api): State<Api>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = request.method().clone();
    let metrics = api.http_metrics();
    metrics.active.inc();
    let response = next.run(request).await;
    metrics.active.dec();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let method = match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS") => known,
        _ => "other",
    };
    let status = response.status();
    let seconds = began.elapsed().as_secs_f64();
    metrics.seconds.with_label_values(&[route, method, status.as_str()]).observe(seconds);
    tracing::debug!(route, method, status = status.as_u16(), seconds, "answered");
    response
}
