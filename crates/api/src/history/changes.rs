//! `GET /api/history/changes`: what changed in the whole catalog between two moments.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::change::ChangeShown;
use super::feed::{Budget, Cursor, Feed, Item, Place};
use super::moments::{FROM, TO, Window};
use super::selection::{CHANGE, KIND, OWNER, REFERENCE, SELECTED, Selection, UNDER};
use super::{LIMIT_PARAM, PageInfo, limit};
use crate::connectors::run;
use crate::openapi::{Operation, Routes};
use crate::params::{Form, Param, Params};
use crate::position::{AS_OF, At};
use crate::{Api, ApiError};

/// How many changes one request looks at, and how long the documents of a page are, about.
const LOOKED_AT: usize = 20_000;
const BYTES: usize = 4 << 20;

/// The routes of this file.
pub(crate) fn routes() -> Routes {
    let changes = Operation::new("GetChanges", "History", "What changed in the catalog")
        .about(
            "In the order of the log. A request looks at 20,000 changes at the most, or at the \
             documents of 2,000: a page may be short, or empty, and still lead on. What was \
             withdrawn between two moments: `change=withdrawn&from=…&to=…`. What changed of what a \
             group owns: `owner=group:default/shop&from=…`.",
        )
        .at_a_position()
        .query(CHANGES)
        .gives::<ChangesShown>(200, "A page of changes.")
        .says_position();
    Routes::default().get("/history/changes", list, changes)
}

/// Parameters of `GET /api/history/changes`.
pub(crate) const CHANGES: &[Param] = &[
    AS_OF,
    FROM,
    TO,
    CHANGE,
    KIND,
    REFERENCE,
    OWNER,
    UNDER,
    SELECTED,
    Param::new(
        "documents",
        Form::Flag,
        "Whether changes come with the entity before and after, and what makes the one of the \
         other.",
    ),
    LIMIT_PARAM,
    Param::new("cursor", Form::Text, "Where a page goes on; the rest as it was before."),
];

/// What changed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChangesShown {
    items: Vec<ChangeShown>,
    page_info: PageInfo,
}

/// `GET /api/history/changes`
pub(crate) async fn list(
    at: At,
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::parse(query.as_deref(), CHANGES)?;
    let selection = Selection::read(&params)?;
    let (limit, documents) = (limit(&params)?, params.flag("documents")?);
    run(move || {
        let reader = &at.0;
        let window = Window::read(reader, &params)?;
        let log = reader.position().log;
        let start = Cursor { log, offset: window.after.unwrap_or(0), place: Place::Done };
        let cursor = params.one("cursor")?.map(|text| text.parse::<Cursor>()).transpose();
        let malformed = || ApiError::input("Malformed cursor");
        let cursor = cursor.map_err(|_| malformed())?.unwrap_or(start);
        let is_of_here = cursor.log == log && cursor.offset <= reader.position().offset;
        if !is_of_here || matches!(cursor.place, Place::Snapshot(_)) {
            return Err(malformed());
        }
        let mut feed = Feed::new(&api, selection, cursor);
        feed = feed.up_to(window.until.unwrap_or(0), documents);
        let step = feed.step(Budget { items: limit, bytes: BYTES, looked_at: LOOKED_AT })?;
        let next_cursor = (!step.is_at_end).then(|| feed.cursor().to_string());
        let items = step.items.into_iter().filter_map(|(_, item)| match item {
            Item::Change { shown, .. } => Some(*shown),
            Item::Entity { .. } | Item::State { .. } | Item::Complete => None,
        });
        let body = ChangesShown { items: items.collect(), page_info: PageInfo { next_cursor } };
        Ok(([at.header()], Json(body)).into_response())
    })
    .await?
}
