//! `/api/log`: the log itself.

use axum::Json;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use event::{Entry, Offset, Position, write_line};
use log::Budget;
use serde_json::json;
use tokio_stream::wrappers::ReceiverStream;

use crate::params::Params;
use crate::position::At;
use crate::{Api, ApiError};

/// How much of the log is read at once.
const READ: Budget = Budget { entries: 500, bytes: 1 << 20 };

/// How many records there are, and where the log ends.
pub(crate) async fn stat(at: At, State(api): State<Api>) -> Result<Response, ApiError> {
    let end = api.log().end().map_err(|error| unreadable(&error))?;
    let log = at.0.position().log;
    let last = end.checked_sub(1).map(|offset| Position { log, offset }.to_string());
    let body = json!({
        "log": log.to_string(),
        "records": end,
        "position": last,
        "folded": at.0.position().to_string(),
    });
    Ok(([at.header()], Json(body)).into_response())
}

/// Records as lines of JSON, in their order.
pub(crate) async fn records(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::parse(query.as_deref(), &["from", "limit"])?;
    let from = params.number("from")?.unwrap_or(0) as Offset;
    let limit = params.number("limit")?.map_or(Offset::MAX, |limit| limit as Offset);
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(2);
    let log = api.log().clone();
    let end = log.end().map_err(|error| unreadable(&error))?.min(from.saturating_add(limit));
    tokio::task::spawn_blocking(move || {
        let mut next = from;
        while next < end {
            let left = usize::try_from(end - next).unwrap_or(usize::MAX);
            let budget = Budget { entries: READ.entries.min(left), ..READ };
            let chunk = match log.read(next, budget) {
                Ok(entries) if entries.is_empty() => return,
                Ok(entries) => {
                    next += entries.len() as Offset;
                    Ok(lines(&entries))
                }
                // The answer has begun; breaking it off is the only way left to say so.
                Err(error) => Err(std::io::Error::other(error.to_string())),
            };
            let broken = chunk.is_err();
            if sender.blocking_send(chunk).is_err() || broken {
                return;
            }
        }
    });
    let body = Body::from_stream(ReceiverStream::new(receiver));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
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
