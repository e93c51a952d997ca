//! Where a GitHub is: github.com, or an Enterprise Server.

use connector::shown;
use url::Url;

use crate::check_scheme;

/// The addresses of one GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Scheme and authority of the API, without a path.
    pub api: String,
    /// The path of GraphQL there.
    pub graphql: &'static str,
    /// What paths of REST begin with there.
    pub rest: &'static str,
    /// Scheme and authority of its pages.
    pub web: String,
    /// The host's name in the URLs of pages.
    pub name: String,
}

impl Host {
    /// Reads the URL of an API: `https://api.github.com`, or that of an Enterprise Server, with or
    /// without `/api/v3` behind it.
    ///
    /// # Errors
    /// In a sentence, when it is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{}` is no URL of a GitHub's API", shown(text));
        let url = Url::parse(text).map_err(|_| wrong())?;
        let host = url.host_str().ok_or_else(wrong)?;
        let path = url.path().trim_end_matches('/');
        let is_plain = url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && matches!(path, "" | "/api/v3" | "/api");
        if !is_plain || !matches!(url.scheme(), "http" | "https") {
            return Err(wrong());
        }
        check_scheme(&url)?;
        let api = url.origin().ascii_serialization();
        if host == "api.github.com" {
            let name = "github.com".to_owned();
            return Ok(Self {
                api,
                graphql: "/graphql",
                rest: "",
                web: format!("https://{name}"),
                name,
            });
        }
        // GitHub with data residence has its API beside its pages, as github.com has.
        if let Some(rest) = host.strip_prefix("api.").filter(|rest| rest.ends_with(".ghe.com")) {
            let (web, name) = (format!("https://{rest}"), rest.to_owned());
            return Ok(Self { api, graphql: "/graphql", rest: "", web, name });
        }
        let name = host.to_owned();
        Ok(Self { web: api.clone(), api, graphql: "/api/graphql", rest: "/api/v3", name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_their_addresses() {
        for (url, expected) in [
            (
                "https://api.github.com/",
                "https://api.github.com/graphql https://api.github.com https://github.com",
            ),
            (
                "https://ghe.example:8443/api/v3",
                "https://ghe.example:8443/api/graphql https://ghe.example:8443/api/v3 \
                 https://ghe.example:8443",
            ),
            (
                "https://api.octo.ghe.com",
                "https://api.octo.ghe.com/graphql https://api.octo.ghe.com https://octo.ghe.com",
            ),
            (
                "http://127.0.0.1:9",
                "http://127.0.0.1:9/api/graphql http://127.0.0.1:9/api/v3 http://127.0.0.1:9",
            ),
        ] {
            let Host { api, graphql, rest, web, .. } = Host::parse(url).unwrap();
            assert_eq!(format!("{api}{graphql} {api}{rest} {web}"), expected, "{url}");
        }
        for url in ["", "x", "https://h/path", "https://u:p@h", "https://h?q", "http://10.0.0.1"] {
            Host::parse(url).expect_err(url);
        }
    }
}
