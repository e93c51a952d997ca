//! `GET` and `POST /entity-facets`: the values of fields, counted.

use std::collections::HashSet;

use axum::extract::{RawQuery, Request};
use axum::response::Response;
use model::index::lower;
use serde_json::{Map, Value, json};
use views::Filter;

use super::answer::json as answer;
use super::body::Body;
use super::filter::{self, FILTER};
use super::predicate::Predicate;
use crate::ApiError;
use crate::connectors::run;
use crate::params::{Form, Param, Params};
use crate::position::{AS_OF, At, MOMENT};

/// How many fields one request counts.
const FACETS_MAX: usize = 100;

/// Parameters of `GET /entity-facets`.
pub(crate) const FACETS: &[Param] = &[
    Param::new("facet", Form::Texts, "A field whose values are counted; at most 100.")
        .like("kind")
        .required(),
    FILTER,
    AS_OF,
];

/// `GET /entity-facets`
pub(crate) async fn facets(at: At, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let params = Params::parse(query.as_deref(), FACETS)?;
    if params.all("facet").is_empty() {
        return Err(ApiError::input("request/query must have required property 'facet'"));
    }
    let facets = params.all("facet").iter().filter(|facet| !facet.is_empty());
    let facets: Vec<String> = facets.cloned().collect();
    if facets.is_empty() {
        return Err(ApiError::input("Missing facet parameter"));
    }
    let filter = filter::parse(params.all("filter"))?;
    count(at, facets, filter).await
}

/// `POST /entity-facets`
pub(crate) async fn by_predicate(
    at: At,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, ApiError> {
    Params::parse(query.as_deref(), MOMENT)?;
    let body = Body::required(request).await?;
    body.requires(&["facets"])?;
    let facets = body.texts("facets")?.unwrap_or_default();
    let facets: Vec<String> = facets.into_iter().filter(|facet| !facet.is_empty()).collect();
    if facets.is_empty() {
        return Err(ApiError::input("Missing or empty facets parameter"));
    }
    let predicate = body.predicate("query")?.map(Predicate::new).transpose()?;
    count(at, facets, predicate).await
}

async fn count(
    at: At,
    facets: Vec<String>,
    predicate: Option<Predicate>,
) -> Result<Response, ApiError> {
    let mut facets = facets;
    let mut seen = HashSet::new();
    facets.retain(|facet| seen.insert(facet.clone()));
    if facets.len() > FACETS_MAX {
        let message = format!("a request can ask for at most {FACETS_MAX} facets");
        return Err(ApiError::input(message));
    }
    let filter: Option<Filter> = predicate.map(|predicate| predicate.filter().clone());
    run(move || {
        let paths: Vec<String> = facets.iter().map(|facet| lower(facet)).collect();
        let found = at.0.facets(&paths, filter.as_ref())?;
        let lists = facets.into_iter().zip(found).map(|(facet, values)| {
            let values =
                values.into_iter().map(|facet| json!({"value": facet.value, "count": facet.count}));
            (facet, Value::Array(values.collect()))
        });
        let lists: Map<String, Value> = lists.collect();
        Ok(answer(at.0.position(), &json!({"facets": lists})))
    })
    .await?
}
