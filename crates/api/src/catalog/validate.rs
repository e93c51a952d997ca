//! `POST /validate-entity`: the verdict on a document, in Backstage's words.

use axum::extract::{RawQuery, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::location::LocationRef;
use model::validate::{Step, WireError};
use serde_json::json;

use super::body::Body;
use crate::connectors::run;
use crate::error::JSON;
use crate::params::Params;
use crate::{Api, ApiError};

/// `POST /validate-entity`
pub(crate) async fn validate(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, ApiError> {
    Params::parse(query.as_deref(), &[])?;
    let body = Body::required(request).await?;
    body.requires(&["location", "entity"])?;
    let location = body.text("location")?.unwrap_or_default().to_owned();
    body.object("entity")?;
    let entity = body.value("entity").cloned().unwrap_or_default();
    let commands = api.commands().clone();
    let verdict = run(move || commands.validate(&entity)).await??;
    // What no reference can be made of is refused before the location is looked at.
    if let Err(refusal) = &verdict
        && refusal.step == Step::Envelope
    {
        let error = refusal.backstage.cause.as_deref().unwrap_or(&refusal.backstage);
        return Ok(errors(error));
    }
    if let Err(message) = check_location(&location) {
        return Ok(errors(&WireError { name: "TypeError", message, cause: None }));
    }
    Ok(match verdict {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refusal) => errors(&refusal.backstage),
    })
}

fn check_location(text: &str) -> Result<(), String> {
    match LocationRef::parse(text) {
        Err(error) => Err(error.to_string()),
        Ok(location) if location.kind != "url" => Err(format!(
            "Invalid location ref {text}, only 'url:<target>' is supported, e.g. url:https://host/path"
        )),
        Ok(_) => Ok(()),
    }
}

fn errors(error: &WireError) -> Response {
    let body = json!({"errors": [error]}).to_string();
    (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, JSON)], body).into_response()
}
