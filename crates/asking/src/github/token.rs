//! Clients with credentials in force: a token as it is configured, or those that an App is given
//! for its installation at an owner, each for an hour.

use std::time::Duration;

use connector::shown;
use event::Timestamp;
use http_body_util::{BodyExt, Limited};
use octocrab::Octocrab;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::client::in_words;
use super::{App, Credentials, Host, Owner};
use crate::{Failure, now_s};

/// How long before its end a token is renewed, in seconds.
const RENEWED_BEFORE_S: u64 = 300;

/// How long connecting, and one part of an answer, may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);
const READ_MAX: Duration = Duration::from_secs(30);

/// The most that an answer about tokens may hold, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Where clients come from.
pub struct Tokens {
    credentials: Credentials,
    /// For whom an App asks.
    owner: Option<Owner>,
    held: Mutex<Option<Lease>>,
}

/// A client, and until when it may be used.
#[derive(Clone)]
struct Lease {
    crab: Octocrab,
    /// In Unix time; absent for a token that counts until somebody takes it back.
    ends_s: Option<u64>,
}

impl Tokens {
    /// Those of credentials; for an App, at an owner.
    #[must_use]
    pub fn new(credentials: Credentials, owner: Option<Owner>) -> Self {
        Self { credentials, owner, held: Mutex::new(None) }
    }

    /// Whether another token can be had for one that is refused.
    pub(crate) const fn renews(&self) -> bool {
        matches!(self.credentials, Credentials::App(_))
    }

    /// The token that is configured, where one is.
    pub(crate) fn secret(&self) -> Option<&str> {
        match &self.credentials {
            Credentials::Token(token) => Some(token),
            Credentials::App(_) => None,
        }
    }

    /// Drops what is held: it is refused.
    pub(crate) async fn forget(&self) {
        *self.held.lock().await = None;
    }

    /// A client whose credentials are in force.
    pub(crate) async fn crab(&self, host: &Host) -> Result<Octocrab, Failure> {
        let mut held = self.held.lock().await;
        let now = now_s();
        if let Some(lease) = &*held
            && lease.ends_s.is_none_or(|ends| now + RENEWED_BEFORE_S < ends)
        {
            return Ok(lease.crab.clone());
        }
        let lease = match (&self.credentials, &self.owner) {
            (Credentials::Token(token), _) => Lease { crab: crab(host, token)?, ends_s: None },
            (Credentials::App(app), Some(owner)) => install(app, owner, host, now).await?,
            (Credentials::App(_), None) => {
                let why = "an App asks for an owner, and none is named".into();
                return Err(Failure::Broken { why });
            }
        };
        *held = Some(lease.clone());
        Ok(lease.crab)
    }
}

fn crab(host: &Host, token: &str) -> Result<Octocrab, Failure> {
    let broken = |error: octocrab::Error| Failure::Broken { why: in_words(&error) };
    let builder = Octocrab::builder().base_uri(host.api.as_str()).map_err(broken)?;
    builder
        .personal_token(token.to_owned())
        .set_connect_timeout(Some(CONNECT_MAX))
        .set_read_timeout(Some(READ_MAX))
        .build()
        .map_err(broken)
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
}

#[derive(Deserialize)]
struct Token {
    token: String,
    expires_at: Option<String>,
}

/// Gets a token for the App's installation at an owner.
async fn install(app: &App, owner: &Owner, host: &Host, now: u64) -> Result<Lease, Failure> {
    let signed = app.sign(now).map_err(|why| Failure::Broken { why })?;
    let own = crab(host, &signed)?;
    let Owner { login, is_organization } = owner;
    let of = if *is_organization { "orgs" } else { "users" };
    let path = format!("{}/{of}/{login}/installation", host.rest);
    let Installation { id } =
        exchange(&own, &path, None).await.map_err(|failure| match failure {
            Failure::Missing { .. } => {
                Failure::Refused { why: format!("the App is not installed at {login}") }
            }
            other => other,
        })?;
    let path = format!("{}/app/installations/{id}/access_tokens", host.rest);
    let Token { token, expires_at } = exchange(&own, &path, Some(())).await?;
    let ends = expires_at.and_then(|text| Timestamp::from_rfc3339(&text).ok());
    let ends = ends.and_then(|time| u64::try_from(time.as_micros() / 1_000_000).ok());
    let usable = Credentials::token(&token).map_err(|why| Failure::Broken { why })?;
    let Credentials::Token(token) = usable else {
        return Err(Failure::Broken { why: "GitHub gave no token".into() });
    };
    // One that does not say when it ends is asked for again soon.
    Ok(Lease { crab: crab(host, &token)?, ends_s: Some(ends.unwrap_or(now + 600)) })
}

/// Gets, or posts nothing to, a path.
async fn exchange<T: DeserializeOwned>(
    crab: &Octocrab,
    path: &str,
    posts: Option<()>,
) -> Result<T, Failure> {
    let broken = |why: String| Failure::Broken { why };
    let asked = timeout(READ_MAX, async {
        let response = match posts {
            None => crab._get(path).await,
            Some(()) => crab._post(path, Some(&json!({}))).await,
        };
        let (parts, body) = response.map_err(|error| in_words(&error))?.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
        let body = body.map_err(|error| shown(&error.to_string()))?.to_bytes();
        Ok::<_, String>((parts.status, body))
    });
    let (status, body) = asked
        .await
        .map_err(|_| broken(format!("GitHub took longer than {} s", READ_MAX.as_secs())))?
        .map_err(broken)?;
    match status.as_u16() {
        200 | 201 => serde_json::from_slice(&body).map_err(|_| {
            // It may hold a token: nothing of it is quoted.
            broken("GitHub's answer about the App's installation is not of its form".into())
        }),
        401 | 403 => {
            Err(Failure::Refused { why: format!("GitHub refuses the App's key ({status})") })
        }
        404 => Err(Failure::Missing { what: shown(path) }),
        _ => Err(broken(format!("GitHub answers {status} about the App's installation"))),
    }
}
