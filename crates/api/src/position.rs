//! Which position a request sees.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use event::Position;
use views::Reader;

use crate::{Api, ApiError};

/// On every answer about the catalog: the position that it saw.
pub(crate) const POSITION: HeaderName = HeaderName::from_static("annals-position");

/// On a request: the position that has to be folded before it is answered.
const MIN_POSITION: HeaderName = HeaderName::from_static("annals-min-position");

/// How long a request waits for its position.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// The catalog at the position that a request sees.
pub(crate) struct At(pub(crate) Reader);

impl At {
    /// The header that says which position was seen.
    pub(crate) fn header(&self) -> (HeaderName, HeaderValue) {
        position_header(self.0.position())
    }
}

pub(crate) fn position_header(position: Position) -> (HeaderName, HeaderValue) {
    // Digits and a hyphen can stand in a header.
    let value = HeaderValue::from_str(&position.to_string());
    (POSITION, value.unwrap_or(HeaderValue::from_static("")))
}

impl FromRequestParts<Api> for At {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        if let Some(wanted) = wanted(&parts.headers)? {
            wait(api, wanted).await?;
        }
        let reader = api.views().reader();
        reader.map(Self).ok_or_else(|| ApiError::unavailable("nothing is folded yet"))
    }
}

fn wanted(headers: &HeaderMap) -> Result<Option<Position>, ApiError> {
    let Some(value) = headers.get(&MIN_POSITION) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let position = text.parse().map_err(|error: event::PositionError| {
        ApiError::input(format!("Annals-Min-Position: {error}"))
    })?;
    Ok(Some(position))
}

/// Waits until search has the position that a request asks for.
pub(crate) async fn wait_for_search(api: &Api, headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(wanted) = wanted(headers)? else {
        return Ok(());
    };
    wait(api, wanted).await?;
    let mut searched = api.search().want(wanted.offset);
    let reached = searched.wait_for(|offset| offset.is_some_and(|offset| offset >= wanted.offset));
    match tokio::time::timeout(WAIT_MAX, reached).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) => Err(ApiError::unavailable("search does not follow the catalog any more")),
        Err(_) => Err(ApiError::timeout(format!(
            "position {wanted} was not searchable within {} s",
            WAIT_MAX.as_secs()
        ))),
    }
}

async fn wait(api: &Api, wanted: Position) -> Result<(), ApiError> {
    let mut folded = api.folded();
    let reached = folded.wait_for(|offset| offset.is_some_and(|offset| offset >= wanted.offset));
    let late = || {
        ApiError::timeout(format!(
            "position {wanted} was not folded within {} s",
            WAIT_MAX.as_secs()
        ))
    };
    // A position of another log would not be reached however long it were waited for.
    if let Some((log, _)) = api.views().offset()
        && log != wanted.log
    {
        return Err(ApiError::input(format!(
            "Annals-Min-Position: position {wanted} is of another log than {log}"
        )));
    }
    match tokio::time::timeout(WAIT_MAX, reached).await {
        Ok(Ok(_)) => {}
        Ok(Err(_)) => return Err(ApiError::unavailable("the log is not followed any more")),
        Err(_) => return Err(late()),
    }
    match api.views().offset() {
        Some((log, offset)) if log == wanted.log && offset >= wanted.offset => Ok(()),
        _ => Err(late()),
    }
}
