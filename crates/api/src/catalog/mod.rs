//! `/api/catalog`: the catalog as Backstage serves it.
//!
//! One file an endpoint, or a few that belong together; `params` and `body` check requests as the
//! OpenAPI document of `@backstage/plugin-catalog-backend` 4.0.0 has them checked.

mod analyze;
mod answer;
mod body;
pub(crate) mod cursor;
mod entity;
mod facets;
pub(crate) mod fields;
pub(crate) mod filter;
mod list;
mod locations;
pub(crate) mod predicate;
mod query;
mod refs;
mod text;
mod validate;

use axum::Router;
use axum::routing::{delete, get, post};

use crate::Api;
pub(crate) use answer::conditional;

/// The routes of the catalog.
pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .route("/entities", get(list::entities))
        .route("/entities/by-query", get(query::by_query).post(query::by_predicate))
        .route("/entities/by-refs", post(refs::by_refs))
        .route("/entities/by-uid/{uid}", get(entity::by_uid).delete(entity::remove))
        .route("/entities/by-name/{kind}/{namespace}/{name}", get(entity::by_name))
        .route("/entities/by-name/{kind}/{namespace}/{name}/ancestry", get(entity::ancestry))
        .route("/entity-facets", get(facets::facets).post(facets::by_predicate))
        .route("/refresh", post(entity::refresh))
        .route("/validate-entity", post(validate::validate))
        .route("/analyze-location", post(analyze::analyze))
        .route("/locations", get(locations::list).post(locations::create))
        .route("/locations/by-query", post(locations::by_query))
        .route(
            "/locations/{id}",
            delete(locations::remove).get(locations::by_id).put(locations::update),
        )
        .route("/locations/by-entity/{kind}/{namespace}/{name}", get(locations::by_entity))
}
