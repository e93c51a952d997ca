//! Which position a request sees.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use event::{Position, Timestamp};
use views::Reader;

use crate::params::{Form, Param};
use crate::{Api, ApiError};

/// On every answer about the catalog: the position that it saw.
pub(crate) const POSITION: HeaderName = HeaderName::from_static("annals-position");

/// On a request: the position that has to be folded before it is answered.
const MIN_POSITION: HeaderName = HeaderName::from_static("annals-min-position");

/// How long a request waits for its position.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// The longest moment that is read, in bytes.
const MOMENT_BYTES_MAX: usize = 100;

/// The parameter that asks for the catalog as it was.
pub(crate) const AS_OF: Param = Param::new(
    "at",
    Form::Text,
    "The catalog as it was: at a time (RFC 3339), or at a position as an earlier answer gave it in \
     `Annals-Position`.",
)
.like("2026-11-23T18:00:00Z");

/// The parameters of what takes no other.
pub(crate) const MOMENT: &[Param] = &[AS_OF];

/// The catalog at the position that a request sees: now, or as of the moment that `at` names. A
/// handler that does not know the parameter refuses it.
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

/// The catalog as it is now, for what can't be asked as of a moment.
pub(crate) struct Now(pub(crate) Reader);

impl Now {
    /// The header that says which position was seen.
    pub(crate) fn header(&self) -> (HeaderName, HeaderValue) {
        position_header(self.0.position())
    }
}

impl FromRequestParts<Api> for Now {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        if moments(parts).next().is_some() {
            return Err(ApiError::input("Unknown query parameter 'at'"));
        }
        Ok(Self(At::from_request_parts(parts, api).await?.0))
    }
}

/// The moments that a request asks for.
fn moments(parts: &Parts) -> impl Iterator<Item = String> {
    let query = parts.uri.query().unwrap_or_default();
    let all = form_urlencoded::parse(query.as_bytes());
    all.filter(|(name, _)| name == AS_OF.name).map(|(_, moment)| moment.into_owned())
}

impl FromRequestParts<Api> for At {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        if let Some(wanted) = wanted(&parts.headers)? {
            wait(api, wanted).await?;
        }
        let reader = api.views().reader();
        let reader = reader.ok_or_else(|| ApiError::unavailable("nothing is folded yet"))?;
        let mut moments = moments(parts);
        match (moments.next(), moments.next()) {
            (None, _) => Ok(Self(reader)),
            (Some(moment), None) => as_of(&reader, &moment).map(Self),
            _ => Err(ApiError::input("request/query/at must be string")),
        }
    }
}

/// The catalog as it was at a time or a position.
fn as_of(now: &Reader, moment: &str) -> Result<Reader, ApiError> {
    if moment.len() > MOMENT_BYTES_MAX {
        return Err(ApiError::input(format!("at: it is longer than {MOMENT_BYTES_MAX} bytes")));
    }
    let refused = |why: &str| ApiError::input(format!("at: {moment} {why}"));
    if let Ok(position) = moment.parse::<Position>() {
        let here = now.position();
        if position.log != here.log {
            return Err(refused(&format!("is a position of another log than {}", here.log)));
        }
        if position.offset > here.offset {
            return Err(refused("is in the future: it is not folded yet"));
        }
        return Ok(now.at(position.offset)?);
    }
    // In a query string `+` stands for a space.
    let time = Timestamp::from_rfc3339(&moment.replace(' ', "+")).map_err(|_| {
        refused("is neither a time as of RFC 3339, such as 2026-11-23T18:00:00Z, nor a position")
    })?;
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    if i128::from(time.as_micros()) > clock.as_micros() as i128 {
        return Err(refused("is in the future"));
    }
    now.as_of(time)?.ok_or_else(|| refused("is before the first record of the log"))
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
