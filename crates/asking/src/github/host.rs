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
    /// Whether it is a Gitea, which tells the same in other words.
    pub is_gitea: bool,
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
                is_gitea: false,
            });
        }
        // GitHub with data residence has its API beside its pages, as github.com has.
        if let Some(rest) = host.strip_prefix("api.").filter(|rest| rest.ends_with(".ghe.com")) {
            let (web, name) = (format!("https://{rest}"), rest.to_owned());
            return Ok(Self { api, graphql: "/graphql", rest: "", web, name, is_gitea: false });
        }
        let name = host.to_owned();
        let web = api.clone();
        Ok(Self { api, graphql: "/api/graphql", rest: "/api/v3", web, name, is_gitea: false })
    }

    /// Reads the URL of a Gitea, or of a Forgejo.
    ///
    /// # Errors
    /// In a sentence, when it is none.
    pub fn gitea(text: &str) -> Result<Self, String> {
        let text = text.trim_end_matches('/');
        let host = Self::parse(text.strip_suffix("/api/v1").unwrap_or(text));
        let host = host.map_err(|why| why.replace("of a GitHub's API", "of a Gitea"))?;
        let web = host.api.clone();
        Ok(Self { graphql: "", rest: "/api/v1", web, is_gitea: true, ..host })
    }

    /// Who it is, for people.
    #[must_use]
    pub const fn who(&self) -> &'static str {
        if self.is_gitea { "Gitea" } else { "GitHub" }
    }

    /// What stands before a revision in the URL of a file's page.
    #[must_use]
    pub fn view(&self, revision: &str) -> &'static str {
        let is_commit = matches!(revision.len(), 40 | 64)
            && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
        match (self.is_gitea, is_commit) {
            (false, _) => "blob",
            (true, true) => "src/commit",
            (true, false) => "src/branch",
        }
    }

    /// Revision and path of a file's page, of what stands behind the repository in its URL; none,
    /// where it is another page.
    #[must_use]
    pub fn revision_and_path<'a>(&self, view: &str, rest: &'a str) -> Option<&'a str> {
        match (self.is_gitea, view) {
            (false, "blob" | "tree" | "raw" | "edit") => Some(rest),
            (true, "src" | "raw") => {
                rest.strip_prefix("branch/").or_else(|| rest.strip_prefix("commit/"))
            }
            _ => None,
        }
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
