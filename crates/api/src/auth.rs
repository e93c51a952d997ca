//! Who may do what.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use event::vocabulary::ScopeName;

use crate::{Api, ApiError};

/// What a token lets its bearer do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Read the catalog, its history and the log.
    Read,
    /// Hand in documents, and remove entities.
    Ingest,
    /// Approve withdrawals, and whatever else is the operator's.
    Admin,
}

/// A named token. Only a hash of its secret is kept.
#[derive(Clone)]
pub struct Token {
    name: String,
    secret: blake3::Hash,
    may: Vec<Permission>,
    scopes: Option<Arc<[ScopeName]>>,
}

impl Token {
    /// A token by its name and secret.
    #[must_use]
    pub fn new(name: String, secret: &str, may: Vec<Permission>) -> Self {
        Self { name, secret: blake3::hash(secret.as_bytes()), may, scopes: None }
    }

    /// The same, but that it changes nothing else than these scopes, and those whose names go on
    /// behind a `/`.
    #[must_use]
    pub fn bound_to(self, scopes: Vec<ScopeName>) -> Self {
        Self { scopes: Some(scopes.into()), ..self }
    }
}

/// The tokens that are known. Without any, everybody on this machine may do everything, and
/// nobody else anything.
#[derive(Clone, Default)]
pub struct Tokens(Vec<Token>);

impl Tokens {
    /// These tokens.
    #[must_use]
    pub fn new(tokens: Vec<Token>) -> Self {
        Self(tokens)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The token with a secret. Hashes are compared in constant time (as `blake3::Hash` does).
    fn find(&self, secret: &str) -> Option<&Token> {
        let hash = blake3::hash(secret.as_bytes());
        self.0.iter().find(|token| token.secret == hash)
    }
}

/// Who sent a request: the token's name, which stands in what they write as `authid`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller(pub(crate) Option<String>);

/// The scopes that the bearer of a token may hand documents in for, where they are not all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bound(Option<Arc<[ScopeName]>>);

impl Bound {
    /// Lets documents of a scope through, or says why not.
    pub(crate) fn check(&self, scope: &ScopeName) -> Result<(), ApiError> {
        let holds = |of: &ScopeName| {
            let rest = scope.as_str().strip_prefix(of.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if self.0.as_ref().is_none_or(|scopes| scopes.iter().any(holds)) {
            return Ok(());
        }
        Err(ApiError::not_allowed(format!("the token may not hand in documents of `{scope}`")))
    }
}

/// Lets a request through if its bearer may do that.
pub(crate) async fn check(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    // Who delivers is known by the connector that it delivers to.
    if *request.method() == Method::POST && request.uri().path().starts_with(DELIVERIES) {
        return next.run(request).await;
    }
    let needed = needed(request.method(), request.uri().path());
    match caller(&api, &request, needed) {
        Ok((caller, bound)) => {
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(bound);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

/// Where deliveries arrive. They are signed, or carry a secret of their own.
const DELIVERIES: &str = "/api/events/http/";

/// Queries that come as POST read all the same.
const READING_POSTS: &[&str] = &[
    "/api/catalog/entities/by-query",
    "/api/catalog/entities/by-refs",
    "/api/catalog/entity-facets",
    "/api/catalog/locations/by-query",
    "/api/catalog/validate-entity",
    "/api/catalog/analyze-location",
];

fn needed(method: &Method, path: &str) -> Permission {
    let administers = path.starts_with("/api/connectors") || path == "/api/backup";
    if administers && method == Method::POST {
        Permission::Admin
    } else if method == Method::GET || method == Method::HEAD || READING_POSTS.contains(&path) {
        Permission::Read
    } else {
        Permission::Ingest
    }
}

fn caller(api: &Api, request: &Request, needed: Permission) -> Result<(Caller, Bound), ApiError> {
    let tokens = api.tokens();
    if tokens.is_empty() {
        if needed != Permission::Read {
            check_local(api, request)?;
        }
        return Ok(Default::default());
    }
    let secret = bearer(request.headers())
        .ok_or_else(|| ApiError::authentication("a token is needed (Authorization: Bearer …)"))?;
    let token = tokens
        .find(secret)
        .ok_or_else(|| ApiError::authentication("the token is not known here"))?;
    if !token.may.contains(&needed) {
        let message = format!("the token `{}` may not do that", token.name);
        return Err(ApiError::not_allowed(message));
    }
    // What names no scope can't be seen to be of one: the handler of documents asks for theirs.
    let hands_in = request.uri().path().starts_with("/api/ingest/");
    if token.scopes.is_some() && needed == Permission::Ingest && !hands_in {
        let name = &token.name;
        let message = format!("the token `{name}` may hand in documents of its scopes, no more");
        return Err(ApiError::not_allowed(message));
    }
    Ok((Caller(Some(token.name.clone())), Bound(token.scopes.clone())))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(secret.trim())
}

/// Without tokens only this machine may write, and no page of another site that a browser on this
/// machine shows, unless the configuration names the site: such requests name where they come from, or a host that is not this one.
fn check_local(api: &Api, request: &Request) -> Result<(), ApiError> {
    let refused = |why: &str| {
        Err(ApiError::not_allowed(format!(
            "without tokens in the configuration only this machine may write, and {why}"
        )))
    };
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    if !peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback()) {
        return refused("the request comes from elsewhere");
    }
    let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = header(header::HOST).unwrap_or("localhost");
    if !is_this_machine(host) {
        return refused("the request is meant for another host");
    }
    let origin = header(header::ORIGIN);
    let is_own = |origin: &str| origin.split_once("://").is_some_and(|(_, from)| from == host);
    if origin.is_some_and(|origin| !is_own(origin) && !api.cors().names(origin)) {
        return refused("the request comes from a page of another site");
    }
    Ok(())
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_told_from_others() {
        for (host, is) in [
            ("localhost", true),
            ("LOCALHOST:7007", true),
            ("127.0.0.1:7007", true),
            ("127.9.9.9", true),
            ("[::1]:7007", true),
            ("[::1]", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("example.org", false),
            ("localhost.example.org", false),
            ("10.0.0.1:7007", false),
            ("", false),
        ] {
            assert_eq!(is_this_machine(host), is, "{host}");
        }
    }

    #[test]
    fn a_token_is_bound_to_its_scopes_by_whole_names() {
        let bound = |scopes: &[&str]| {
            let scopes = scopes.iter().map(|scope| ScopeName::new(scope).unwrap());
            Bound(Some(scopes.collect()))
        };
        for (scopes, scope, passes) in [
            (&["ingest/a"][..], "ingest/a", true),
            (&["ingest/a"], "ingest/a/b", true),
            (&["ingest/a"], "ingest/ab", false),
            (&["ingest/a/b"], "ingest/a", false),
            (&["ingest/x", "ingest/a"], "ingest/a", true),
            (&["ingest/a"], "ingest/A", false),
            (&[], "ingest/a", false),
        ] {
            let scope = ScopeName::new(scope).unwrap();
            assert_eq!(bound(scopes).check(&scope).is_ok(), passes, "{scopes:?} {scope}");
        }
    }

    #[test]
    fn reading_and_writing_are_told_apart() {
        for (method, path, needs) in [
            (Method::GET, "/api/catalog/entities", Permission::Read),
            (Method::HEAD, "/api/log", Permission::Read),
            (Method::POST, "/api/catalog/entities/by-query", Permission::Read),
            (Method::POST, "/api/catalog/refresh", Permission::Ingest),
            (Method::POST, "/api/ingest/x", Permission::Ingest),
            (Method::DELETE, "/api/catalog/entities/by-uid/x", Permission::Ingest),
            (Method::POST, "/api/connectors/approve", Permission::Admin),
            (Method::POST, "/api/backup", Permission::Admin),
        ] {
            assert_eq!(needed(&method, path), needs, "{method} {path}");
        }
    }
}
