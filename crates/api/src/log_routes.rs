//! `/api/log`: the log itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use event::{Entry, Offset, Position, write_line};
use log::{Budget, Log};
use serde::Serialize;
use utoipa::ToSchema;

use crate::openapi::{Operation, Routes};
use crate::params::{Form, Param, Params};
use crate::position::Now;
use crate::streamed::{self, Parts};
use crate::{Api, ApiError};

/// The routes of this file.
pub(crate) fn routes() -> Routes {
    let of = |id, summary| Operation::new(id, "Log", summary);
    Routes::default()
        .get(
            "/log",
            stat,
            of("GetLog", "How long the log is")
                .at_a_position()
                .gives::<LogShown>(200, "The log.")
                .says_position(),
        )
        .get(
            "/log/records",
            records,
            of("GetRecords", "The log's records").query(RECORDS).gives_text(
                200,
                "application/x-ndjson",
                "CloudEvents, one a line.",
            ),
        )
}

/// How much of the log is read at once.
const READ: Budget = Budget { entries: 500, bytes: 1 << 20 };

/// How long the log is.
#[derive(Serialize, ToSchema)]
pub(crate) struct LogShown {
    /// The log's id.
    log: String,
    records: u64,
    /// The last record.
    #[schema(required = true)]
    position: Option<String>,
    /// The last record that is folded.
    folded: String,
}

/// How many records there are, and where the log ends.
pub(crate) async fn stat(at: Now, State(api): State<Api>) -> Result<Response, ApiError> {
    let end = api.log().end().map_err(|error| unreadable(&error))?;
    let log = at.0.position().log;
    let last = end.checked_sub(1).map(|offset| Position { log, offset }.to_string());
    let folded = at.0.position().to_string();
    let body = LogShown { log: log.to_string(), records: end, position: last, folded };
    Ok(([at.header()], Json(body)).into_response())
}

/// Parameters of `GET /api/log/records`.
pub(crate) const RECORDS: &[Param] = &[
    Param::new("from", Form::Number, "The offset of the first; 0, unless told otherwise."),
    Param::new("limit", Form::Number, "At most so many."),
];

/// Records as lines of JSON, in their order.
pub(crate) async fn records(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::parse(query.as_deref(), RECORDS)?;
    let from = params.number("from")?.unwrap_or(0) as Offset;
    let limit = params.number("limit")?.map_or(Offset::MAX, |limit| limit as Offset);
    let log = Arc::clone(api.log());
    let end = log.end().map_err(|error| unreadable(&error))?.min(from.saturating_add(limit));
    let body = streamed::body(Records { log, next: from, end });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// Records that are sent.
struct Records {
    log: Arc<dyn Log>,
    next: Offset,
    end: Offset,
}

impl Parts for Records {
    fn next_part(&mut self) -> Result<Option<Bytes>, ApiError> {
        if self.next >= self.end {
            return Ok(None);
        }
        let left = usize::try_from(self.end - self.next).unwrap_or(usize::MAX);
        let budget = Budget { entries: READ.entries.min(left), ..READ };
        let entries = self.log.read(self.next, budget).map_err(|error| unreadable(&error))?;
        self.next += entries.len() as Offset;
        Ok((!entries.is_empty()).then(|| lines(&entries)))
    }

    fn rest(&mut self) {}
}

fn lines(entries: &[Entry]) -> Bytes {
    let mut text = String::new();
    for entry in entries {
        text.push_str(&write_line(entry));
        text.push('\n');
    }
    text.into()
}

fn unreadable(error: &log::Error) -> ApiError {
    tracing::error!(%error, "the log could not be read");
    ApiError::internal("the log could not be read")
}
