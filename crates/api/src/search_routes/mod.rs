//! `/api/search/query`, as Backstage's search backend answers it over PostgreSQL.

mod parameters;
mod qs;
pub(crate) mod schemas;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use search::{Answer, Highlight, Hit, POST_TAG, PRE_TAG, TYPE};
use serde_json::{Map, Value, json};

use self::parameters::Asked;
use crate::connectors::run;
use crate::error::JSON;
use crate::openapi::{Operation, Routes};
use crate::params::{Form, Param};
use crate::position::{position_header, wait_for_search};
use crate::{Api, ApiError};

pub use self::parameters::check as check_parameters;

/// The routes of searches.
pub(crate) fn routes() -> Routes {
    let about = "As Backstage's search backend answers it over PostgreSQL. Where a term finds \
                 nothing, tags, labels, links and definitions are looked through, and then words \
                 that differ by a letter or two. Exact names come first.";
    let query_of = Operation::new("Query", "Search", "Entities that hold the words of a term")
        .about(about)
        .at_a_position()
        .query(QUERY)
        .gives::<schemas::SearchResultSet>(200, "A page of results.")
        .says_position()
        .tagged();
    Routes::default().get("/query", query, query_of)
}

/// Parameters of a search. They are read by `parameters.rs`, since filters are objects.
const QUERY: &[Param] = &[
    Param::new(
        "term",
        Form::Text,
        "Words, each of which has to begin a word; at most 100 characters.",
    )
    .like("checkout"),
    Param::new("types", Form::Texts, "Types of documents; there is one.").like(TYPE),
    Param::new("filters[kind]", Form::Texts, "Values of a field; other fields go as well.")
        .like("Component"),
    Param::new("pageLimit", Form::Number, "How many results a page has: 25, at most 100."),
    Param::new("pageCursor", Form::Text, "The page, from an answer.").like("MA=="),
];

/// Documents that hold the words of a term.
async fn query(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let asked = Asked::parse(query.as_deref())?;
    wait_for_search(&api, &headers).await?;
    let search = api.search().clone();
    let request = asked.request();
    let found = run(move || search.search(&request)).await?;
    let answer = found?;
    let headers =
        [(header::CONTENT_TYPE, HeaderValue::from_static(JSON)), position_header(answer.position)];
    Ok((headers, body(&asked, answer).to_string()).into_response())
}

impl From<search::Error> for ApiError {
    fn from(error: search::Error) -> Self {
        if !matches!(error, search::Error::NotReady) {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, source, "a search could not be answered");
            // If its files are damaged, it is built anew.
            return Self::unavailable("the search index can't be read");
        }
        Self::unavailable(error.to_string())
    }
}

fn body(asked: &Asked, answer: Answer) -> Value {
    let Answer { total, hits, .. } = answer;
    let more = hits.len() > asked.page_size;
    // Beyond the last page Backstage knows of no results.
    let total = if hits.is_empty() { 0 } else { total };
    let hits = hits.into_iter().take(asked.page_size).enumerate();
    let results: Vec<Value> = hits.map(|(at, hit)| result(asked, at, hit)).collect();
    let mut body = Map::new();
    body.insert("numberOfResults".into(), total.into());
    if more {
        body.insert("nextPageCursor".into(), asked.cursor(1.0).into());
    }
    if asked.page > 0.0 {
        body.insert("previousPageCursor".into(), asked.cursor(-1.0).into());
    }
    body.insert("results".into(), results.into());
    body.into()
}

fn result(asked: &Asked, at: usize, hit: Hit) -> Value {
    let fields = match hit.highlight {
        Some(Highlight { text, title, location }) => {
            json!({"text": text, "title": title, "location": location, "path": ""})
        }
        None => json!({}),
    };
    json!({
        "type": TYPE,
        "document": hit.document,
        "rank": asked.rank(at),
        "highlight": {"preTag": PRE_TAG, "postTag": POST_TAG, "fields": fields},
    })
}
