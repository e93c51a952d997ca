//! Errors, as Backstage's backends write them.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// The type of bodies, as Backstage writes it.
pub(crate) const JSON: &str = "application/json; charset=utf-8";

/// An error of a request.
///
/// The body is `{"error": {"name", "message"}, "request": {"method", "url"}, "response":
/// {"statusCode"}}`; the request is put in on the way out (`server.rs`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// The error's class, as Backstage names it.
    pub name: &'static str,
    /// What is wrong, for people.
    pub message: String,
}

macro_rules! errors {
    ($($(#[$doc:meta])* $function:ident = $status:ident $name:literal;)*) => {
        impl ApiError { $(
            $(#[$doc])*
            #[must_use]
            pub fn $function(message: impl Into<String>) -> Self {
                Self { status: StatusCode::$status, name: $name, message: message.into() }
            }
        )* }
    };
}

errors! {
    /// The request is not of its form.
    input = BAD_REQUEST "InputError";
    /// The caller has not said who it is, or is not known.
    authentication = UNAUTHORIZED "AuthenticationError";
    /// The caller may not do that.
    not_allowed = FORBIDDEN "NotAllowedError";
    /// There is no such thing.
    not_found = NOT_FOUND "NotFoundError";
    /// The body did not come in time.
    body_timeout = REQUEST_TIMEOUT "RequestTimeoutError";
    /// It can't be done as things stand.
    conflict = CONFLICT "ConflictError";
    /// The body is larger than it may be.
    too_large = PAYLOAD_TOO_LARGE "InputError";
    /// The catalog can't do it now.
    unavailable = SERVICE_UNAVAILABLE "ServiceUnavailableError";
    /// It was not there in time.
    timeout = GATEWAY_TIMEOUT "ServiceUnavailableError";
    /// A fault of ours. What happened is logged; the caller learns only that it did.
    internal = INTERNAL_SERVER_ERROR "InternalServerError";
}

/// The views could not be read.
impl From<views::Error> for ApiError {
    fn from(error: views::Error) -> Self {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        tracing::error!(%error, source, "the views could not be read");
        Self::internal("the catalog could not be read")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({
            "error": {"name": self.name, "message": self.message},
            "response": {"statusCode": self.status.as_u16()},
        });
        let mut response =
            (self.status, [(header::CONTENT_TYPE, JSON)], body.to_string()).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The whole body of an error.
pub(crate) fn body(error: &ApiError, method: &str, url: &str) -> serde_json::Value {
    json!({
        "error": {"name": error.name, "message": error.message},
        "request": {"method": method, "url": url},
        "response": {"statusCode": error.status.as_u16()},
    })
}
