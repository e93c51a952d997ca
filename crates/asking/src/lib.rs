//! Asking sources over HTTP, for the connectors that do: with credentials, within the limits that a
//! source tells, and within bounds of time and size.
//!
//! [`github`] asks a GitHub, with GraphQL and REST, by a token or as an App. [`Site`] asks others.
//! Both ask again what may be over soon, and wait for limits ([`Failure`] is what is left).
//!
//! What is absent: what answers mean, and when something is asked.
//!
//! Invariant: no answer takes more memory, nor more time, than is allowed.
//! Invariant: what a source says of its limits is waited for, and said.
//! Invariant: no redirect is followed, so that credentials go to the configured host alone.
//! Invariant: tokens, keys and passwords stand in no error.

mod budget;
mod failure;
pub mod github;
mod judge;
mod page;
mod patience;
mod site;

use std::time::{SystemTime, UNIX_EPOCH};

use connector::shown;
use url::Url;

pub use failure::Failure;
pub use page::Page;
pub use patience::Tells;
pub use site::{Login, Site};

/// Unix time, as this machine tells it.
#[must_use]
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Looks whether credentials may go to a URL: by https, or within this machine.
///
/// # Errors
/// In a sentence, that they may not.
pub fn check_scheme(url: &Url) -> Result<(), String> {
    let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_here => Ok(()),
        _ => {
            let text = shown(url.as_str().trim_end_matches('/'));
            Err(format!("`{text}` has to be https: a token goes with each request"))
        }
    }
}

/// What is at the bottom of an error; what is above it names this program's parts.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(inner) = error.source() {
        error = inner;
    }
    error.to_string()
}
