//! The routes, and what they share.

use std::sync::{Arc, Mutex};

use axum::Extension;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, Uri, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use event::Offset;
use log::Log;
use prometheus::Registry;
use search::Search;
use tokio::sync::{Semaphore, watch};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use views::Views;

use crate::asyncapi::{self, TopicNames};
use crate::auth::Tokens;
use crate::backup::Backups;
use crate::cors::Cors;
use crate::deliveries::{self, Deliveries};
use crate::health::Health;
use crate::ingest::Commands;
use crate::openapi::{Operation, Routes, schemas};
use crate::telemetry::HttpMetrics;
use crate::{
    ApiError, audit, auth, backup, catalog, connectors, error, events, health, history, ingest,
    log_routes, openapi, search_routes, telemetry,
};

/// The largest body of a request that is not streamed, in bytes: Backstage's limit.
const BODY_BYTES_MAX: usize = 100 * 1024;

/// What handlers share. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    shared: Arc<Shared>,
    cors: Arc<Cors>,
    search: Search,
    stopping: Option<watch::Receiver<bool>>,
    backups: Option<Arc<dyn Backups>>,
    deliveries: Option<Arc<dyn Deliveries>>,
    topics: Arc<TopicNames>,
}

struct Shared {
    views: Arc<Views>,
    log: Arc<dyn Log>,
    folded: watch::Receiver<Option<Offset>>,
    commands: Arc<dyn Commands>,
    health: Arc<dyn Health>,
    registry: Registry,
    http_metrics: HttpMetrics,
    tokens: Tokens,
    locations: Mutex<()>,
    streams: Arc<Semaphore>,
    under_way: Semaphore,
}

impl Api {
    /// An API over views and a log.
    #[expect(clippy::too_many_arguments, reason = "one place wires all of it together")]
    #[must_use]
    pub fn new(
        views: Arc<Views>,
        log: Arc<dyn Log>,
        folded: watch::Receiver<Option<Offset>>,
        commands: Arc<dyn Commands>,
        health: Arc<dyn Health>,
        registry: Registry,
        http_metrics: HttpMetrics,
        tokens: Tokens,
    ) -> Self {
        let shared = Shared {
            views,
            log,
            folded,
            commands,
            health,
            registry,
            http_metrics,
            tokens,
            locations: Mutex::default(),
            streams: Arc::new(Semaphore::new(events::STREAMS_MAX)),
            under_way: Semaphore::new(deliveries::UNDER_WAY_MAX),
        };
        let shared = Arc::new(shared);
        Self {
            shared,
            cors: Arc::default(),
            search: Search::default(),
            stopping: None,
            backups: None,
            deliveries: None,
            topics: Arc::default(),
        }
    }

    /// The same, but pages of other sites may ask.
    #[must_use]
    pub fn with_cors(self, cors: Cors) -> Self {
        Self { cors: Arc::new(cors), ..self }
    }

    /// The same, with what answers searches.
    #[must_use]
    pub fn with_search(self, search: Search) -> Self {
        Self { search, ..self }
    }

    /// The same, but answers without end are ended when this says so.
    #[must_use]
    pub fn until(self, stopping: watch::Receiver<bool>) -> Self {
        Self { stopping: Some(stopping), ..self }
    }

    /// The same, with what makes backups.
    #[must_use]
    pub fn with_backups(self, backups: Arc<dyn Backups>) -> Self {
        Self { backups: Some(backups), ..self }
    }

    /// The same, with what takes deliveries.
    #[must_use]
    pub fn with_deliveries(self, deliveries: Arc<dyn Deliveries>) -> Self {
        Self { deliveries: Some(deliveries), ..self }
    }

    /// The same, with topics of other names in its description of them.
    #[must_use]
    pub fn with_topics(self, topics: TopicNames) -> Self {
        Self { topics: Arc::new(topics), ..self }
    }

    pub(crate) fn deliveries(&self) -> Option<&Arc<dyn Deliveries>> {
        self.deliveries.as_ref()
    }

    /// Places for deliveries that are under way.
    pub(crate) fn under_way(&self) -> &Semaphore {
        &self.shared.under_way
    }

    pub(crate) fn backups(&self) -> Option<&Arc<dyn Backups>> {
        self.backups.as_ref()
    }

    pub(crate) fn stopping(&self) -> Option<watch::Receiver<bool>> {
        self.stopping.clone()
    }

    /// Places for those who follow.
    pub(crate) fn streams(&self) -> &Arc<Semaphore> {
        &self.shared.streams
    }

    pub(crate) fn search(&self) -> &Search {
        &self.search
    }

    pub(crate) fn cors(&self) -> &Cors {
        &self.cors
    }

    /// Held while locations are changed.
    pub(crate) fn location_lock(&self) -> &Mutex<()> {
        &self.shared.locations
    }

    pub(crate) fn views(&self) -> &Views {
        &self.shared.views
    }

    pub(crate) fn log(&self) -> &Arc<dyn Log> {
        &self.shared.log
    }

    pub(crate) fn folded(&self) -> watch::Receiver<Option<Offset>> {
        self.shared.folded.clone()
    }

    pub(crate) fn commands(&self) -> &Arc<dyn Commands> {
        &self.shared.commands
    }

    pub(crate) fn health(&self) -> &dyn Health {
        &*self.shared.health
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.shared.registry
    }

    pub(crate) fn http_metrics(&self) -> &HttpMetrics {
        &self.shared.http_metrics
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.shared.tokens
    }
}

/// All routes.
pub fn router(api: Api) -> Router {
    let cors = api.cors().layer();
    let (routes, document) = routes(&api).finish();
    let document = document.to_json().unwrap_or_default();
    let topics = asyncapi::document(&api.topics).to_string();
    let routes = routes
        .layer(Extension(asyncapi::Document(topics.into())))
        .layer(Extension(Arc::<str>::from(document)))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(api.clone(), telemetry::observe))
        .with_state(api);
    let compression = CompressionLayer::new().quality(CompressionLevel::Fastest);
    // Around all routes, so that it comes before they are looked up.
    let whole = Router::new().fallback_service(routes).layer(from_fn(without_slash));
    let whole = whole.layer(compression);
    match cors {
        Some(cors) => whole.layer(cors),
        None => whole,
    }
}

/// All routes with their descriptions.
pub(crate) fn routes(api: &Api) -> Routes {
    let catalog = catalog::routes().within(|routes| {
        routes
            .fallback(nothing)
            .method_not_allowed_fallback(nothing)
            .layer(from_fn(catalog::conditional))
            .layer(from_fn(|request, next| with_request("/api/catalog", request, next)))
    });
    let searches = search_routes::routes().within(|routes| {
        routes
            .fallback(nothing)
            .method_not_allowed_fallback(nothing)
            .layer(from_fn(catalog::conditional))
            .layer(from_fn(|request, next| with_request("/api/search", request, next)))
    });
    let own = history::routes().merge(ingest::routes()).merge(connectors::routes());
    let own = own.merge(audit::routes()).merge(backup::routes()).merge(deliveries::routes());
    let own = own
        .merge(log_routes::routes())
        .merge(events::routes())
        .within(|routes| routes.layer(from_fn(|request, next| with_request("", request, next))));
    let guarded = Routes::default().nest("/api/catalog", catalog);
    let guarded = guarded.nest("/api/search", searches).nest("/api", own);
    let guarded = guarded
        .merge(health::guarded_routes())
        .within(|routes| routes.layer(from_fn_with_state(api.clone(), auth::check)));
    let about = Operation::new("GetOpenApi", "Node", "This document")
        .open()
        .gives::<schemas::Document>(200, "OpenAPI 3.1.");
    let of_topics = Operation::new("GetAsyncApi", "Node", "What stands on topics of Kafka")
        .open()
        .gives::<schemas::AsyncDocument>(200, "AsyncAPI 3.0.");
    Routes::default()
        .merge(guarded)
        .merge(health::routes())
        .get("/openapi.json", openapi::served, about)
        .get("/asyncapi.json", asyncapi::served, of_topics)
}

/// A path with a slash at its end is the same without.
async fn without_slash(mut request: Request, next: Next) -> Response {
    let uri = request.uri();
    let path = uri.path().trim_end_matches('/');
    if !path.is_empty() && path.len() < uri.path().len() {
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        if let Ok(uri) = format!("{path}{query}").parse::<Uri>() {
            *request.uri_mut() = uri;
        }
    }
    next.run(request).await
}

/// What there is nothing at: 404 without a body, as Backstage answers.
async fn nothing(State(_): State<Api>) -> StatusCode {
    StatusCode::NOT_FOUND
}

/// Puts the request into the body of an error, with its path as the part of the API sees it.
async fn with_request(prefix: &'static str, request: Request, next: Next) -> Response {
    let method = request.method().to_string();
    let original = request.extensions().get::<axum::extract::OriginalUri>();
    let uri = original.map_or_else(|| request.uri().clone(), |uri| uri.0.clone());
    let response = next.run(request).await;
    let Some(error) = response.extensions().get::<ApiError>() else {
        return response;
    };
    let url = uri.path_and_query().map_or("/", |path| path.as_str());
    let url = url.strip_prefix(prefix).unwrap_or(url);
    let body = error::body(error, &method, url);
    (error.status, [(header::CONTENT_TYPE, error::JSON)], body.to_string()).into_response()
}
