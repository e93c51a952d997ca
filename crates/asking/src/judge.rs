//! What an answer means by its status.

use bytes::Bytes;
use connector::shown;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::Failure;
use crate::budget::Limits;
use crate::patience::Tried;

/// What the answer to a GET means; unchanged is an answer without a body.
pub(crate) fn judge(
    who: &str,
    path: &str,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
) -> Tried<Option<Bytes>> {
    let limits = Limits::of(&headers);
    let said = message(&body);
    match status.as_u16() {
        200 => Tried::Answer(headers, Some(body)),
        304 => Tried::Answer(headers, None),
        429 => Tried::Limited(limits),
        403 if is_limit(limits, &said) => Tried::Limited(limits),
        401 | 403 => {
            let why = format!("{who} refuses the credentials ({status}): {said}");
            Tried::Failed(Failure::Refused { why })
        }
        404 => Tried::Failed(Failure::Missing { what: shown(path) }),
        300..=399 => {
            let why = format!(
                "{who} answers {status}, that {} is elsewhere; where credentials go is not \
                 changed by that",
                shown(path)
            );
            Tried::Failed(Failure::Broken { why })
        }
        500.. => Tried::Again(format!("{who} answers {status}")),
        _ => {
            let why = format!("{who} answers {status}: {said}");
            Tried::Failed(Failure::Broken { why })
        }
    }
}

/// Whether it is refused since too much was asked, and not for what is asked.
fn is_limit(limits: Limits, said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    limits.retry_after.is_some()
        || limits.told.is_some_and(|told| told.left == 0)
        || said.contains("rate limit")
        || said.contains("abuse detection")
}

/// What is said in an answer that is none.
fn message(body: &[u8]) -> String {
    let body: Option<Value> = serde_json::from_slice(body).ok();
    let said = body.as_ref().and_then(|body| body["message"].as_str().or(body["error"].as_str()));
    shown(said.unwrap_or("it says no more"))
}
