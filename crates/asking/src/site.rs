//! Asking a site that is no GitHub: a GitLab, a Jenkins.

use std::time::Duration;

use bytes::Bytes;
use connector::shown;
use data_encoding::BASE64;
use http::header::{ACCEPT, AUTHORIZATION, HeaderName, HeaderValue, IF_NONE_MATCH, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;
use url::Url;

use crate::judge::judge;
use crate::page::Page;
use crate::patience::{Patience, Tells, Tried};
use crate::{Failure, check_scheme, innermost};

/// The most that an answer may hold, in bytes.
const BODY_BYTES_MAX: usize = 32 << 20;

/// How long connecting may take, and an answer, from the first byte to the last.
const CONNECT_MAX: Duration = Duration::from_secs(10);
const ANSWER_MAX: Duration = Duration::from_secs(30);

const NOT_MODIFIED: StatusCode = StatusCode::NOT_MODIFIED;

/// What a request is sent with, so that it is known who asks.
const AGENT: &str = concat!("annals/", env!("CARGO_PKG_VERSION"));

/// What a site is shown. It is never printed.
#[derive(Clone)]
pub struct Login {
    name: HeaderName,
    value: HeaderValue,
    /// What of it no error may repeat.
    secrets: Vec<Box<str>>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login")
    }
}

impl Login {
    /// A token in a header of its own.
    ///
    /// # Errors
    /// When it holds what no token holds.
    pub fn header(name: &'static str, token: &str) -> Result<Self, String> {
        let token = token.trim();
        if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
            return Err("its `token` holds characters that no token has, or none".into());
        }
        Self::new(HeaderName::from_static(name), token, [token])
    }

    /// A token as a bearer (RFC 6750).
    ///
    /// # Errors
    /// When it holds what no token holds.
    pub fn bearer(token: &str) -> Result<Self, String> {
        let plain = Self::header("authorization", token)?;
        let token = plain.value.to_str().unwrap_or_default();
        Self::new(plain.name, &format!("Bearer {token}"), [token])
    }

    /// A name with a token or a password (RFC 7617).
    ///
    /// # Errors
    /// When the name can't be one.
    pub fn basic(user: &str, token: &str) -> Result<Self, String> {
        if user.is_empty() || user.contains(':') || user.chars().any(char::is_control) {
            return Err("its `user` can't be a user's name".into());
        }
        let token = token.trim();
        let given = BASE64.encode(format!("{user}:{token}").as_bytes());
        Self::new(AUTHORIZATION, &format!("Basic {given}"), [&given, token])
    }

    fn new<'a>(
        name: HeaderName,
        value: &str,
        secrets: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, String> {
        let wrong = |_| "its `token` holds characters that no token has".to_owned();
        let mut value = HeaderValue::from_str(value).map_err(wrong)?;
        value.set_sensitive(true);
        Ok(Self { name, value, secrets: secrets.into_iter().map(Into::into).collect() })
    }
}

/// A site, and what asks it.
pub struct Site {
    who: &'static str,
    /// Scheme, authority and path, without a slash at the end.
    base: String,
    login: Option<Login>,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    patience: Patience,
    /// Whether what is elsewhere by now counts as missing.
    moves: bool,
}

impl Site {
    /// Reads the address of a site.
    ///
    /// # Errors
    /// When it is none, or one to which no token may be sent.
    pub fn address(text: &str) -> Result<String, String> {
        let wrong = || format!("`{}` is no URL of a site", shown(text));
        let url = Url::parse(text).map_err(|_| wrong())?;
        let is_plain = url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && url.has_host();
        if !is_plain {
            return Err(wrong());
        }
        check_scheme(&url)?;
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }

    /// What asks the site at an address that [`Site::address`] gave.
    ///
    /// # Errors
    /// When nobody can be asked from this machine: it knows no certificates.
    pub fn new(
        who: &'static str,
        base: &str,
        login: Option<Login>,
        tells: Option<Tells>,
    ) -> Result<Self, Failure> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT_MAX));
        let https = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            .map_err(|error| {
                let why = format!("certificates of this machine can't be read: {error}");
                Failure::Broken { why }
            })?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new()).build(https);
        let secrets = login.iter().flat_map(|login| login.secrets.iter().cloned());
        let patience = Patience::new(who, tells, true).hiding(secrets);
        Ok(Self { who, base: base.to_owned(), login, client, patience, moves: false })
    }

    /// It, where what is elsewhere by now (a redirect, which is not followed) is not there.
    #[must_use]
    pub fn missing_what_moved(self) -> Self {
        Self { moves: true, ..self }
    }

    /// Gets what a path names, with its query; with an entity tag, if it is something else by now.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn get(&self, path: &str, tag: Option<&str>) -> Result<Page, Failure> {
        let (headers, body) = self.patience.ask(|| self.attempt(path, tag)).await?;
        Ok(Page { headers, body })
    }

    async fn attempt(&self, path: &str, tag: Option<&str>) -> Tried<Option<Bytes>> {
        let mut request = Request::get(format!("{}{path}", self.base))
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, AGENT);
        if let Some(tag) = tag {
            request = request.header(IF_NONE_MATCH, tag);
        }
        if let Some(Login { name, value, .. }) = &self.login {
            request = request.header(name, value);
        }
        let request = match request.body(Empty::new()) {
            Ok(request) => request,
            Err(error) => return Tried::Failed(Failure::Broken { why: shown(&error.to_string()) }),
        };
        let answer = timeout(ANSWER_MAX, async {
            let response = self.client.request(request).await;
            let (parts, body) = response.map_err(|error| innermost(&error))?.into_parts();
            let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
            let body = body.map_err(|error| match error.is::<LengthLimitError>() {
                true => format!("its answer is larger than {} MiB", BODY_BYTES_MAX >> 20),
                false => innermost(error.as_ref()),
            });
            let body = body?.to_bytes();
            Ok::<_, String>((parts.status, parts.headers, body))
        });
        let base = &self.base;
        match answer.await {
            Err(_) => Tried::Again(format!("{base} took longer than {} s", ANSWER_MAX.as_secs())),
            Ok(Err(why)) => Tried::Again(format!("{base} could not be asked: {}", shown(&why))),
            Ok(Ok((status, ..)))
                if self.moves && status.is_redirection() && status != NOT_MODIFIED =>
            {
                Tried::Failed(Failure::Missing { what: shown(path) })
            }
            Ok(Ok((status, headers, body))) => judge(self.who, path, status, headers, body),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_take_credentials() {
        for (url, expected) in [
            ("https://gitlab.example.com/", Some("https://gitlab.example.com")),
            ("https://h/jenkins/", Some("https://h/jenkins")),
            ("http://127.0.0.1:9", Some("http://127.0.0.1:9")),
            ("http://jenkins", None),
            ("https://u:p@h", None),
            ("https://h?q", None),
            ("ftp://h", None),
            ("x", None),
        ] {
            assert_eq!(Site::address(url).ok().as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn what_is_shown_to_a_site_is_not_printed() {
        let login = Login::basic("me", "secretsecret").unwrap();
        let value = login.value.to_str().unwrap();
        assert_eq!(value, "Basic bWU6c2VjcmV0c2VjcmV0");
        assert!(!format!("{login:?} {:?}", login.value).contains("bWU6"));
        for wrong in ["", "a b", "a\nb", "ä"] {
            let why = Login::header("private-token", wrong).unwrap_err();
            assert!(wrong.is_empty() || !why.contains(wrong), "{why}");
        }
        Login::basic("a:b", "x").unwrap_err();
    }
}
