//! Hosts that may be read from.

use url::{Host, Url};

use crate::Error;

/// One host, or all below one, as the configuration allows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Allow {
    /// In lower case; of `*.example.com` what begins with the dot.
    host: String,
    below: bool,
    port: Option<u16>,
}

/// What may be done for a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permit {
    /// HTTPS, from a public address.
    Public,
    /// HTTP or HTTPS, from any address: host and port are named.
    Any,
}

impl Allow {
    /// Reads `host`, `*.host`, `host:port`.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let wrong = || Error::Host { text: connector::shown(text) };
        let (rest, below) = match text.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        // What a URL would make of it, so that both are written the same way.
        let url = Url::parse(&format!("https://{rest}/")).map_err(|_| wrong())?;
        let is_host = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && !rest.contains(['/', '@', '\\', '*', ' ']);
        let host = url.host().filter(|_| is_host).ok_or_else(wrong)?;
        if below && !matches!(host, Host::Domain(_)) {
            return Err(wrong());
        }
        // A port that is the usual one is a port that was named, too.
        let named = rest.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
        let port = named.map(|(_, port)| port.parse().map_err(|_| wrong())).transpose()?;
        let dot = if below { "." } else { "" };
        Ok(Self { host: format!("{dot}{host}"), below, port })
    }

    fn permit(&self, url: &Url) -> Option<Permit> {
        let host = url.host_str()?;
        let is_host =
            if self.below { host.ends_with(self.host.as_str()) } else { host == self.host };
        match (is_host, self.port) {
            (true, None) if url.scheme() == "https" && url.port().is_none() => Some(Permit::Public),
            (true, Some(port)) if url.port_or_known_default() == Some(port) => Some(Permit::Any),
            _ => None,
        }
    }
}

/// What a list of hosts permits for a URL; `None` if nothing.
pub(crate) fn permit(allowed: &[Allow], url: &Url) -> Option<Permit> {
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    let permits = || allowed.iter().filter_map(|allow| allow.permit(url));
    permits().find(|permit| *permit == Permit::Any).or_else(|| permits().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read() {
        for text in [
            "example.com",
            "*.example.com",
            "Example.COM:8443",
            "127.0.0.1:7799",
            "[::1]:80",
            "[2606:50c0::1]",
            "bücher.example",
            "localhost:80",
        ] {
            assert!(Allow::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "*",
            "*.",
            "https://example.com",
            "example.com/path",
            "user@example.com",
            "example.com:port",
            "example.com:",
            "a b",
            "*.127.0.0.1",
            "ex*mple.com",
            "example.com?x",
        ] {
            assert!(Allow::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn urls_are_permitted() {
        let list =
            ["example.com", "*.example.org", "127.0.0.1:7799", "[::1]:443", "bücher.example"];
        let list: Vec<Allow> = list.iter().map(|text| Allow::parse(text).unwrap()).collect();
        for (url, expected) in [
            ("https://example.com/x", Some(Permit::Public)),
            ("https://EXAMPLE.com:443/x", Some(Permit::Public)),
            ("http://example.com/x", None),
            ("https://example.com:8443/x", None),
            ("https://www.example.com/x", None),
            ("https://example.com.evil.org/x", None),
            ("https://example.com./x", None),
            ("https://a.example.org/x", Some(Permit::Public)),
            ("https://a.b.example.org/x", Some(Permit::Public)),
            ("https://example.org/x", None),
            ("https://evilexample.org/x", None),
            ("http://127.0.0.1:7799/x", Some(Permit::Any)),
            ("https://127.0.0.1:7799/x", Some(Permit::Any)),
            ("http://2130706433:7799/x", Some(Permit::Any)),
            ("http://127.0.0.1:7798/x", None),
            ("http://127.0.0.1/x", None),
            ("https://[::1]/x", Some(Permit::Any)),
            ("http://[::1]/x", None),
            ("https://b%C3%BCcher.example/x", Some(Permit::Public)),
            ("ftp://example.com/x", None),
            ("file:///etc/passwd", None),
            ("data:text/plain,x", None),
        ] {
            assert_eq!(permit(&list, &Url::parse(url).unwrap()), expected, "{url}");
        }
        assert_eq!(permit(&[], &Url::parse("https://example.com/").unwrap()), None);
    }
}
