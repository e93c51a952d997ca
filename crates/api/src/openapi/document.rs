//! The document as a whole.

use std::sync::Arc;

use axum::Extension;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::content::Content;
use utoipa::openapi::info::InfoBuilder;
use utoipa::openapi::path::Paths;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, OpenApi, OpenApiBuilder, Ref};
use utoipa::{PartialSchema, ToSchema};

use super::routes::Described;
use super::schemas::Error;
use crate::error::JSON;

const ABOUT: &str = "The software catalog that remembers. `/api/catalog` is Backstage's catalog \
    API; the rest is Annals' own. Every GET may be asked as HEAD. Answers may come packed (gzip). \
    Errors have Backstage's body and say what is wrong for people to read; what is beyond a limit \
    is told the limit. Not said at each operation: a path longer than 64 KiB is 414, headers \
    beyond what fits are 431, a fault of the server is 500.";

/// What is answered instead of what was asked for: the status, a name, and when.
const REFUSALS: &[(u16, &str, &str)] = &[
    (400, "InputError", "The request is not of its form, or beyond a limit."),
    (401, "AuthenticationError", "A token is needed, or the one that came is not known."),
    (403, "NotAllowedError", "The token may not do that; without tokens: not from elsewhere."),
    (404, "NotFoundError", "There is no such thing."),
    (408, "TimeoutError", "The body did not come in time."),
    (409, "ConflictError", "It can't be done as things stand."),
    (413, "TooLargeError", "A line of the body is too long."),
    (503, "UnavailableError", "Not now: nothing is folded yet, or the log can't be written."),
    (504, "LateError", "The position that was asked for was not folded in time."),
];

/// The name of a refusal among the document's parts.
pub(super) fn refusal_name(status: u16) -> &'static str {
    let known = REFUSALS.iter().find(|(known, ..)| *known == status);
    known.map_or("InputError", |(_, name, _)| name)
}

/// Writes the document.
pub(super) fn write(described: Vec<Described>) -> OpenApi {
    let mut paths = Paths::new();
    let mut schemas = vec![(Error::name().into_owned(), Error::schema())];
    Error::schemas(&mut schemas);
    for Described { method, path, operation } in described {
        let path = path.replace("{*", "{");
        let (operation, named) = operation.build(&path);
        paths.add_path_operation(path, vec![method], operation);
        schemas.extend(named);
    }
    schemas.sort_by(|(a, _), (b, _)| a.cmp(b));
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A token of the configuration (`server.tokens`)."))
        .build();
    let mut components = ComponentsBuilder::new()
        .security_scheme("token", SecurityScheme::Http(token))
        .schemas_from_iter(schemas);
    for (_, name, about) in REFUSALS {
        let content = Content::new(Some(Ref::from_schema_name(Error::name())));
        let answer =
            ResponseBuilder::new().description(*about).content("application/json", content);
        components = components.response(*name, answer.build());
    }
    let info = InfoBuilder::new()
        .title("Annals")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT));
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components.build())).build()
}

/// `GET /openapi.json`
pub(crate) async fn served(Extension(document): Extension<Arc<str>>) -> Response {
    ([(header::CONTENT_TYPE, JSON)], document.to_string()).into_response()
}
