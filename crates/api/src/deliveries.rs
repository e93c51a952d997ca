//! `POST /api/events/http/{topic}`: what other systems deliver of what happened.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::openapi::{Operation, Routes};
use crate::params::{Form, Param, Params, Path};
use crate::{Api, ApiError};

/// The largest body, in bytes. Those of the events that matter have a tenth of that.
const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// How long a body may take to come. GitHub itself gives up after so long.
const TIME_MAX: Duration = Duration::from_secs(10);

/// Deliveries that may be under way; what they hold stands in memory before it is known whose it is.
pub(crate) const UNDER_WAY_MAX: usize = 64;

/// The routes of this file.
pub(crate) fn routes() -> Routes {
    let about = "Who delivers is known by a signature or a token of its own, not by a token of \
                 `server.tokens`: see `connectors` of the kind `ci`.";
    let delivered = Operation::new("Deliver", "Ingest", "Takes what a CI system delivers")
        .about(about)
        .query(DELIVER)
        .takes_object("As GitHub, GitLab, Jenkins or a sender of CDEvents delivers it.")
        .gives::<Delivered>(200, "It is durable.")
        .open()
        .refuses(&[400, 401, 404, 409, 503]);
    Routes::default().post("/events/http/{topic}", deliver, delivered)
}

/// Parameters of a delivery.
const DELIVER: &[Param] =
    &[Param::new("token", Form::Text, "The connector's secret, from who can't send headers.")];

/// One delivery.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    /// Its headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// `?token=`.
    pub token: Option<String>,
    /// Its body, as it came.
    pub body: Bytes,
}

/// What came of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Delivered {
    /// How many activities were new.
    pub new: u64,
    /// How many were known already.
    pub known: u64,
}

/// What comes of taking a delivery, later.
pub type Delivering<'a> = Pin<Box<dyn Future<Output = Result<Delivered, ApiError>> + Send + 'a>>;

/// The port through which deliveries reach their connectors.
pub trait Deliveries: Send + Sync {
    /// Whether deliveries of a topic are taken by anybody.
    fn knows(&self, topic: &str) -> bool;

    /// Takes a delivery.
    fn deliver<'a>(&'a self, topic: &'a str, delivery: Delivery) -> Delivering<'a>;

    /// Counts a delivery that did not get so far: why, in a word.
    fn refused(&self, topic: &str, why: &'static str);
}

pub(crate) async fn deliver(
    State(api): State<Api>,
    Path(topic): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let deliveries = api.deliveries().filter(|deliveries| deliveries.knows(&topic));
    let deliveries =
        deliveries.ok_or_else(|| ApiError::not_found("no connector takes deliveries there"))?;
    let refused = |why, error| {
        deliveries.refused(&topic, why);
        Err(error)
    };
    let Ok(_place) = api.under_way().try_acquire() else {
        let error = ApiError::unavailable("too many deliveries are under way; send it again");
        return refused("busy", error);
    };
    let token = match Params::parse(query.as_deref(), DELIVER)
        .and_then(|params| Ok(params.one("token")?.map(str::to_owned)))
    {
        Ok(token) => token,
        Err(error) => return refused("malformed", error),
    };
    let body = match timeout(TIME_MAX, collect(body)).await {
        Ok(Ok(body)) => body,
        Ok(Err((why, error))) => return refused(why, error),
        Err(_) => {
            let seconds = TIME_MAX.as_secs();
            let words = format!("the body was not there within {seconds} s");
            return refused("slow", ApiError::body_timeout(words));
        }
    };
    let headers = headers.iter().filter_map(|(name, value)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    });
    let delivery = Delivery { headers: headers.collect(), token, body };
    let delivered = deliveries.deliver(&topic, delivery).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(delivered)).into_response())
}

async fn collect(mut body: Body) -> Result<Bytes, (&'static str, ApiError)> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            ("truncated", ApiError::input(format!("the body broke off: {error}")))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > BODY_BYTES_MAX {
            let words = format!("a delivery has at most {BODY_BYTES_MAX} bytes");
            return Err(("oversized", ApiError::too_large(words)));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bodies_are_bounded() {
        for (length, passes) in [(0, true), (BODY_BYTES_MAX, true), (BODY_BYTES_MAX + 1, false)] {
            let collected = collect(Body::from(vec![b'x'; length])).await;
            let shown = collected.map(|bytes| bytes.len()).map_err(|(why, _)| why);
            assert_eq!(shown, if passes { Ok(length) } else { Err("oversized") });
        }
        let broken = futures_util::stream::iter([
            Ok(Bytes::from_static(b"{")),
            Err(std::io::Error::other("gone")),
        ]);
        let (why, _) = collect(Body::from_stream(broken)).await.expect_err("half a body");
        assert_eq!(why, "truncated");
    }
}
