//! Bodies of `/api/search`, as the OpenAPI document of `@backstage/plugin-search-backend` 2.1.7 has
//! them.
#![expect(dead_code, reason = "the types describe; only their schemas are used")]

use serde_json::Value;
use utoipa::ToSchema;

/// A page of results.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct SearchResultSet {
    /// How many there are on all pages.
    number_of_results: u64,
    #[schema(nullable = false)]
    next_page_cursor: Option<String>,
    #[schema(nullable = false)]
    previous_page_cursor: Option<String>,
    results: Vec<SearchResult>,
}

/// A result.
#[derive(ToSchema)]
pub(crate) struct SearchResult {
    /// The type of the document.
    r#type: String,
    /// The document, as it was found.
    #[schema(value_type = Object)]
    document: Value,
    /// The place among all results; none on a page that is none.
    #[schema(required = true)]
    rank: Option<u64>,
    highlight: SearchHighlight,
}

/// What was found, marked.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct SearchHighlight {
    /// What stands before it.
    pre_tag: String,
    /// What stands behind it.
    post_tag: String,
    /// Fields of the document.
    #[schema(value_type = Object)]
    fields: Value,
}
