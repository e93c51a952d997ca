//! Bodies of requests: read, and checked as the OpenAPI document of Backstage's catalog has them
//! checked.

use std::time::Duration;

use axum::body::Body as HttpBody;
use axum::extract::Request;
use axum::http::header;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::time::timeout;

use crate::ApiError;

/// The largest body, in bytes: Backstage's limit.
pub(crate) const BODY_BYTES_MAX: usize = 100 * 1024;

/// How deep values of a body stand in one another at the most: as deep as serde_json reads.
const JSON_DEPTH_MAX: usize = 127;

/// How long a body may take to come.
const TIME_MAX: Duration = Duration::from_secs(30);

/// So much of a body that is too large is read all the same, so that its sender gets to read the
/// answer.
const DRAINED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A body that is an object, or a part of one, and where it stands.
#[derive(Debug)]
pub(crate) struct Body {
    object: Map<String, Value>,
    place: String,
}

impl Body {
    /// Reads a body that has to be there.
    pub(crate) async fn required(request: Request) -> Result<Self, ApiError> {
        Self::of_request(request, true).await
    }

    /// Reads a body that need not be there.
    pub(crate) async fn optional(request: Request) -> Result<Self, ApiError> {
        Self::of_request(request, false).await
    }

    async fn of_request(request: Request, is_required: bool) -> Result<Self, ApiError> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.map(|kind| String::from_utf8_lossy(kind.as_bytes()).into_owned());
        let essence = kind.as_deref().and_then(|kind| kind.split(';').next());
        let is_json =
            essence.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
        let bytes = timeout(TIME_MAX, collect(request.into_body())).await.map_err(|_| {
            ApiError::body_timeout(format!(
                "the body was not there within {} s",
                TIME_MAX.as_secs()
            ))
        })??;
        if !is_json {
            // A body without a type is passed over, as Backstage does.
            return match kind {
                None if !is_required => Ok(Self::of(Map::new())),
                kind => {
                    let kind = kind.as_deref().unwrap_or("undefined");
                    Err(ApiError::input(format!("unsupported media type {kind}")))
                }
            };
        }
        if bytes.is_empty() {
            return Ok(Self::of(Map::new()));
        }
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(object)) => Ok(Self::of(object)),
            Ok(Value::Array(_)) => Err(ApiError::input("request/body must be object")),
            Ok(_) => Err(ApiError::input("the body is neither an object nor an array")),
            // Said by nothing else than its words.
            Err(error) if error.to_string().starts_with("recursion limit") => {
                Err(ApiError::input(format!("the body is more than {JSON_DEPTH_MAX} deep")))
            }
            Err(error) => Err(ApiError::input(format!("the body is not valid JSON: {error}"))),
        }
    }

    /// The body as a type of its own.
    pub(crate) fn read<T: DeserializeOwned>(self) -> Result<T, ApiError> {
        serde_json::from_value(Value::Object(self.object))
            .map_err(|error| ApiError::input(format!("{}: {error}", self.place)))
    }

    fn of(object: Map<String, Value>) -> Self {
        Self { object, place: "request/body".into() }
    }

    fn wrong(&self, key: &str, must: &str) -> ApiError {
        ApiError::input(format!("{}/{key} must be {must}", self.place))
    }

    /// Asks for what must be there.
    pub(crate) fn requires(&self, keys: &[&str]) -> Result<(), ApiError> {
        match keys.iter().find(|key| !self.object.contains_key(**key)) {
            None => Ok(()),
            Some(key) => {
                let message = format!("{} must have required property '{key}'", self.place);
                Err(ApiError::input(message))
            }
        }
    }

    /// Refuses what else stands there.
    pub(crate) fn has_only(&self, keys: &[&str]) -> Result<(), ApiError> {
        if self.object.keys().all(|key| keys.contains(&key.as_str())) {
            return Ok(());
        }
        Err(ApiError::input(format!("{} must NOT have additional properties", self.place)))
    }

    /// The first key that is none of these.
    pub(crate) fn foreign(&self, keys: &[&str]) -> Option<&str> {
        self.object.keys().map(String::as_str).find(|key| !keys.contains(key))
    }

    /// A value of any type.
    pub(crate) fn value(&self, key: &str) -> Option<&Value> {
        self.object.get(key)
    }

    /// A text.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&str>, ApiError> {
        match self.object.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(key, "string")),
        }
    }

    /// A text that is one of these.
    pub(crate) fn one_of(&self, key: &str, allowed: &[&str]) -> Result<Option<&str>, ApiError> {
        let text = self.text(key)?;
        if text.is_none_or(|text| allowed.contains(&text)) {
            return Ok(text);
        }
        Err(self.wrong(key, &format!("equal to one of the allowed values: {}", allowed.join(", "))))
    }

    /// A list of texts.
    pub(crate) fn texts(&self, key: &str) -> Result<Option<Vec<String>>, ApiError> {
        let Some(list) = self.object.get(key) else { return Ok(None) };
        let list = list.as_array().ok_or_else(|| self.wrong(key, "array"))?;
        let texts = list.iter().enumerate().map(|(at, item)| match item {
            Value::String(text) => Ok(text.clone()),
            _ => Err(self.wrong(&format!("{key}/{at}"), "string")),
        });
        texts.collect::<Result<_, _>>().map(Some)
    }

    /// A number.
    pub(crate) fn number(&self, key: &str) -> Result<Option<f64>, ApiError> {
        match self.object.get(key) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(number.as_f64()),
            Some(_) => Err(self.wrong(key, "number")),
        }
    }

    /// A whole number from 0 on.
    pub(crate) fn count(&self, key: &str) -> Result<Option<usize>, ApiError> {
        let Some(number) = self.number(key)? else { return Ok(None) };
        if number.fract() != 0.0 {
            return Err(self.wrong(key, "integer"));
        }
        if number < 0.0 {
            return Err(self.wrong(key, ">= 0"));
        }
        Ok(self.object[key].as_u64().map_or(Some(usize::MAX), |count| usize::try_from(count).ok()))
    }

    /// An object.
    pub(crate) fn object(&self, key: &str) -> Result<Option<Self>, ApiError> {
        match self.object.get(key) {
            None => Ok(None),
            Some(Value::Object(object)) => {
                let place = format!("{}/{key}", self.place);
                Ok(Some(Self { object: object.clone(), place }))
            }
            Some(_) => Err(self.wrong(key, "object")),
        }
    }

    /// A list of objects.
    pub(crate) fn objects(&self, key: &str) -> Result<Vec<Self>, ApiError> {
        let Some(list) = self.object.get(key) else { return Ok(Vec::new()) };
        let list = list.as_array().ok_or_else(|| self.wrong(key, "array"))?;
        let objects = list.iter().enumerate().map(|(at, item)| match item {
            Value::Object(object) => {
                let place = format!("{}/{key}/{at}", self.place);
                Ok(Self { object: object.clone(), place })
            }
            _ => Err(self.wrong(&format!("{key}/{at}"), "object")),
        });
        objects.collect()
    }

    /// A predicate, as it is written.
    pub(crate) fn predicate(&self, key: &str) -> Result<Option<Value>, ApiError> {
        match self.object.get(key) {
            None => Ok(None),
            Some(value @ Value::Object(_)) => Ok(Some(value.clone())),
            Some(_) => Err(self.wrong(key, "object")),
        }
    }
}

async fn collect(mut body: HttpBody) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| ApiError::input(format!("the body broke off: {error}")))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        length += data.len();
        if length <= BODY_BYTES_MAX {
            bytes.extend_from_slice(&data);
        } else if length > DRAINED_BYTES_MAX {
            break;
        }
    }
    if length > BODY_BYTES_MAX {
        return Err(ApiError::input(format!(
            "request entity too large: a body has at most {BODY_BYTES_MAX} bytes"
        )));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let trickle = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, std::io::Error>(bytes::Bytes::from_static(b" ")), ()))
        });
        let body = HttpBody::from_stream(trickle);
        let request = Request::builder().header("content-type", "application/json").body(body);
        let error = Body::required(request.unwrap()).await.unwrap_err();
        assert_eq!(error.status, StatusCode::REQUEST_TIMEOUT);
        assert!(error.message.contains("30 s"), "{error}");
    }
}
