//! Which pages of other sites may ask.

use std::time::Duration;

use axum::http::{HeaderValue, Method, header};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer, ExposeHeaders};

use crate::position::POSITION;

/// How long a browser keeps what it was told, unless told otherwise.
const MAX_AGE_S: u64 = 600;

/// Which pages of other sites may ask, and how.
#[derive(Clone, Debug, Default)]
pub struct Cors {
    origins: Vec<HeaderValue>,
    credentials: bool,
    max_age: Duration,
}

/// Why that can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorsError {
    /// It is no origin.
    #[error("`{origin}` is not an origin, such as https://backstage.example.org, nor `*`")]
    Origin {
        /// The text.
        origin: String,
    },
    /// Browsers refuse it.
    #[error("credentials can't be allowed to every origin (`*`); name the origins")]
    Credentials,
}

impl Cors {
    /// Lets pages of these origins ask; `*` is every one. With credentials they may send cookies.
    ///
    /// # Errors
    /// What is no origin; credentials for every one.
    pub fn new(
        origins: &[String],
        credentials: bool,
        max_age_s: Option<u64>,
    ) -> Result<Self, CorsError> {
        if credentials && origins.iter().any(|origin| origin == "*") {
            return Err(CorsError::Credentials);
        }
        let origins = origins.iter().map(|origin| {
            let wrong = || CorsError::Origin { origin: origin.clone() };
            let host = origin.split_once("://").map(|(_, host)| host);
            let is_origin =
                host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', ' ']));
            if origin != "*" && !is_origin {
                return Err(wrong());
            }
            HeaderValue::from_str(origin).map_err(|_| wrong())
        });
        let max_age = Duration::from_secs(max_age_s.unwrap_or(MAX_AGE_S));
        Ok(Self { origins: origins.collect::<Result<_, _>>()?, credentials, max_age })
    }

    /// Whether pages of an origin were named.
    pub(crate) fn names(&self, origin: &str) -> bool {
        self.origins.iter().any(|known| known == origin)
    }

    /// The layer that answers browsers; none where no page may ask.
    pub(crate) fn layer(&self) -> Option<CorsLayer> {
        if self.origins.is_empty() {
            return None;
        }
        let every = self.origins.iter().any(|origin| origin == "*");
        let origins =
            if every { AllowOrigin::any() } else { AllowOrigin::list(self.origins.clone()) };
        let methods =
            [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::PATCH];
        let exposed = [POSITION, crate::events::CURSOR_HEADER, header::LINK, header::ETAG];
        let layer = CorsLayer::new()
            .allow_origin(origins)
            .allow_methods(AllowMethods::list(methods))
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(ExposeHeaders::list(exposed))
            .allow_credentials(self.credentials)
            .max_age(self.max_age);
        Some(layer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_checked() {
        let new = |origin: &str, credentials| Cors::new(&[origin.to_owned()], credentials, None);
        assert!(new("https://a.example", true).unwrap().names("https://a.example"));
        assert!(!new("*", false).unwrap().names("https://a.example"));
        assert!(new("*", false).unwrap().layer().is_some());
        assert!(Cors::default().layer().is_none());
        assert_eq!(new("*", true).unwrap_err(), CorsError::Credentials);
        for wrong in ["", "a.example", "https://", "https://a.example/", "https://a b", "x://ü\n"]
        {
            assert!(matches!(new(wrong, false), Err(CorsError::Origin { .. })), "{wrong}");
        }
    }
}
