//! `/api/events`: what changes, for those who follow: as a stream, or asked for again and again.

mod cloud;
mod stream;
pub(crate) mod topics;

pub(crate) use cloud::{CHANGED, STATE};

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};

use crate::connectors::run;
use crate::history::feed::{Budget, Cursor, Feed, Place};
use crate::history::moments::{FROM, moment, of_log};
use crate::history::selection::{CHANGE, KIND, OWNER, REFERENCE, SELECTED, Selection, UNDER};
use crate::openapi::{Operation, Routes};
use crate::params::{Form, Param, Params};
use crate::{Api, ApiError};

/// How many may follow at the same time.
pub(crate) const STREAMS_MAX: usize = 128;

/// How long a request may wait for something to happen, in seconds.
const TIMEOUT_S_MAX: usize = 30;

/// How many events an answer has at the most, unless told otherwise, and at all.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1000;

/// About how long an answer becomes.
const BYTES: usize = 1 << 20;

/// How many changes are looked at before it is asked whether anybody still waits.
const LOOKED_AT: usize = 2000;

/// Says where to go on.
pub(crate) const CURSOR_HEADER: HeaderName = HeaderName::from_static("annals-cursor");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

const CURSOR: Param = Param::new(
    "cursor",
    Form::Text,
    "Where to go on: the `cursor` of the last event that was taken, or of the last answer.",
);
const SNAPSHOT: Param = Param::new(
    "snapshot",
    Form::Flag,
    "Whether all entities come first, as of now, and then what changes of them.",
);

/// Parameters of `GET /api/events`.
const POLL: &[Param] = &[
    CURSOR,
    FROM,
    SNAPSHOT,
    CHANGE,
    KIND,
    REFERENCE,
    OWNER,
    UNDER,
    SELECTED,
    Param::new("limit", Form::Number, "At most so many: 1 to 1000; 100, unless told otherwise."),
    Param::new(
        "timeout",
        Form::Number,
        "So many seconds the answer waits for something to happen: 0 to 30; 0, unless told \
         otherwise.",
    ),
];

/// Parameters of `GET /api/events/stream`.
const STREAM: &[Param] = &[CURSOR, FROM, SNAPSHOT, CHANGE, KIND, REFERENCE, OWNER, UNDER, SELECTED];

/// The routes of this folder.
pub(crate) fn routes() -> Routes {
    let of = |id, summary| Operation::new(id, "Events", summary).refuses(&[503]);
    Routes::default()
        .get(
            "/events",
            poll,
            of("GetEvents", "What changed since a cursor")
                .about(
                    "Without a cursor, `from` or `snapshot`: what happens from now on. Each change \
                     comes once, in the order of the log; who goes on from `Annals-Cursor` misses \
                     none.",
                )
                .query(POLL)
                .gives_list_as::<cloud::CloudEvent>(
                    200,
                    cloud::BATCH,
                    "CloudEvents of the type `dev.annals.entity.changed.v1`.",
                )
                .says_cursor(),
        )
        .get(
            "/events/stream",
            follow,
            of("GetEventStream", "What changes, as it does")
                .about(
                    "Server-sent events without end. `id` is the cursor to go on from, as `cursor` \
                     or as the header `Last-Event-ID`, which comes before all parameters. The \
                     events: `change`; `snapshot` for each entity and `snapshot-complete` behind \
                     them, where a snapshot was asked for; `cut` before the server ends a stream \
                     that takes nothing, with the cursor.",
                )
                .query(STREAM)
                .gives_text(200, "text/event-stream", "Events, each a CloudEvent as JSON."),
        )
}

/// Somebody who follows.
struct Follower {
    feed: Feed,
    folded: watch::Receiver<Option<event::Offset>>,
    /// Says when the server stops.
    stopping: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    async fn new(api: &Api, params: Params, last: Option<String>) -> Result<Self, ApiError> {
        let selection = Selection::read(&params)?;
        let place = Arc::clone(api.streams()).try_acquire_owned().map_err(|_| {
            ApiError::unavailable(format!("{STREAMS_MAX} follow already, which is the most"))
        })?;
        // What is folded from here on wakes it up.
        let folded = api.folded();
        let begin = api.clone();
        let feed = run(move || {
            let cursor = cursor(&begin, &params, last.as_deref())?;
            Ok::<_, ApiError>(Feed::new(&begin, selection, cursor))
        });
        let feed = feed.await??;
        let stopping = api.stopping().unwrap_or_else(|| watch::Sender::new(false).subscribe());
        Ok(Self { feed, folded, stopping, _place: place })
    }
}

/// Where somebody begins: at a cursor, with a snapshot, after a moment, or now.
fn cursor(api: &Api, params: &Params, last: Option<&str>) -> Result<Cursor, ApiError> {
    let reader = api.views().reader();
    let reader = reader.ok_or_else(|| ApiError::unavailable("nothing is folded yet"))?;
    let now = reader.position();
    let given = match last {
        Some(last) => Some(last),
        None => params.one("cursor")?,
    };
    if let Some(text) = given {
        let cursor: Cursor = text.parse().map_err(|_| ApiError::input("Malformed cursor"))?;
        of_log(now.log, "cursor", event::Position { log: cursor.log, offset: cursor.offset })?;
        let end = api.log().end().map_err(|error| {
            tracing::error!(%error, "the log could not be read");
            ApiError::internal("the log could not be read")
        })?;
        if cursor.offset >= end.max(now.offset + 1) {
            return Err(ApiError::input("the cursor is beyond the end of the log"));
        }
        return Ok(cursor);
    }
    let (offset, place) = if params.flag("snapshot")? {
        (now.offset, Place::Snapshot(None))
    } else {
        let from = params.one("from")?.map(|text| moment(&reader, "from", text)).transpose()?;
        (from.map_or(now.offset, |from| from.unwrap_or(0)), Place::Done)
    };
    Ok(Cursor { log: now.log, offset, place })
}

/// `GET /api/events`
async fn poll(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let params = Params::parse(query.as_deref(), POLL)?;
    let items = params.number("limit")?.unwrap_or(LIMIT);
    if items == 0 || items > LIMIT_MAX {
        let message = format!("request/query/limit must be between 1 and {LIMIT_MAX}");
        return Err(ApiError::input(message));
    }
    let timeout = params.number("timeout")?.unwrap_or(0);
    if timeout > TIMEOUT_S_MAX {
        let message = format!("request/query/timeout must be between 0 and {TIMEOUT_S_MAX}");
        return Err(ApiError::input(message));
    }
    let until = Instant::now() + Duration::from_secs(timeout as u64);
    let mut follower = Follower::new(&api, params, None).await?;
    loop {
        follower.folded.borrow_and_update();
        let mut feed = follower.feed;
        let (rest, step) = run(move || {
            let step = feed.step(Budget { items, bytes: BYTES, looked_at: LOOKED_AT });
            (feed, step)
        })
        .await?;
        follower.feed = rest;
        let step = step?;
        let is_over = Instant::now() >= until || *follower.stopping.borrow();
        if !step.items.is_empty() || is_over {
            return Ok(answer(&follower.feed.cursor(), &cloud::batch(step.items)));
        }
        if step.is_at_end {
            tokio::select! {
                changed = follower.folded.changed() => if changed.is_err() {
                    return Err(ApiError::unavailable("the log is not followed any more"));
                },
                _ = follower.stopping.wait_for(|stop| *stop) => {}
                () = sleep_until(until) => {}
            }
        }
    }
}

fn answer(cursor: &Cursor, batch: &[u8]) -> Response {
    // What stands in a cursor can stand in a header.
    let cursor = HeaderValue::from_str(&cursor.to_string());
    let cursor = cursor.unwrap_or(HeaderValue::from_static(""));
    let headers = [
        (CURSOR_HEADER, cursor),
        (header::CONTENT_TYPE, HeaderValue::from_static(cloud::BATCH)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, batch.to_vec()).into_response()
}

/// `GET /api/events/stream`
async fn follow(
    State(api): State<Api>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::parse(query.as_deref(), STREAM)?;
    let last = headers.get(LAST_EVENT_ID).and_then(|last| last.to_str().ok());
    let last = last.filter(|last| !last.is_empty()).map(str::to_owned);
    let follower = Follower::new(&api, params, last).await?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, stream::body(follower)).into_response())
}
