//! Getting what a URL names, within bounds.

use std::fmt;
use std::io::Read as _;
use std::time::Duration;

use connector::shown;
use event::vocabulary::Fault;
use ureq::config::Config as AgentConfig;
use ureq::http::{Response, StatusCode, Uri, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Body};
use url::Url;

use crate::address::is_public;
use crate::allow::{Allow, Permit, permit};
use crate::words::fault;

/// The most that one URL may hold, in bytes.
pub(crate) const BYTES_MAX: usize = 10 << 20;

/// How long a URL may take, with all redirects of one step, from the first byte to the last.
const WHOLE_MAX: Duration = Duration::from_secs(30);

/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 5;

/// The longest time that a host may ask to be left alone for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// How a URL was when it was read, to be asked whether it still is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Validator {
    pub(crate) url: String,
    /// Its entity tag (RFC 9110, 8.8.3); absent where the host gives none.
    pub(crate) etag: Option<String>,
}

/// What a URL holds.
#[derive(Debug)]
pub(crate) enum Fetched {
    Page {
        bytes: Vec<u8>,
        etag: Option<String>,
    },
    /// As it was.
    Unchanged,
}

/// Why a URL could not be read.
#[derive(Clone, Debug)]
pub(crate) struct Unread {
    pub(crate) fault: Fault,
    /// Whether whoever wants it is not shown without it: not for what the configuration does not
    /// allow, or what is no URL, since reading again would mend neither.
    pub(crate) required: bool,
    /// There is nothing.
    pub(crate) is_missing: bool,
    /// The host asks to be left alone so long.
    pub(crate) retry_after: Option<Duration>,
}

impl Unread {
    pub(crate) fn new(class: &'static str, message: String) -> Self {
        let fault = fault(class, message);
        Self { fault, required: true, is_missing: false, retry_after: None }
    }

    fn unable(why: &str) -> Self {
        Self::new("Error", format!("Unable to read url, {why}"))
    }
}

/// What asks hosts. One for each permit, so that no connection serves another.
#[derive(Clone, Debug)]
pub(crate) struct Fetcher {
    allowed: Vec<Allow>,
    public: Agent,
    any: Agent,
}

impl Fetcher {
    pub(crate) fn new(allowed: Vec<Allow>) -> Self {
        Self {
            allowed,
            public: agent(PublicOnly::default()),
            any: agent(DefaultResolver::default()),
        }
    }

    /// Gets a URL, unless it is as the tag says.
    pub(crate) fn fetch(&self, text: &str, etag: Option<&str>) -> Result<Fetched, Unread> {
        let mut url = Url::parse(text).map_err(|error| {
            let message = format!("Unable to read url, {} is no URL: {error}", shown(text));
            Unread { required: false, ..Unread::new("InputError", message) }
        })?;
        for redirects in 0..=REDIRECTS_MAX {
            let permit = self.permit(&url, text, redirects > 0)?;
            let response = self.ask(&url, permit, etag).map_err(|error| failed(text, &error))?;
            match redirect(&url, &response) {
                Some(next) => url = next.map_err(|why| Unread::unable(&why))?,
                None => return answer(text, response, etag.is_some()),
            }
        }
        Err(Unread::unable(&format!("{} redirects more than {REDIRECTS_MAX} times", shown(text))))
    }

    fn permit(&self, url: &Url, asked: &str, is_redirected: bool) -> Result<Permit, Unread> {
        if !url.username().is_empty() || url.password().is_some() {
            let message = "Unable to read url, since it holds a user name or a password".to_owned();
            return Err(Unread { required: false, ..Unread::new("NotAllowedError", message) });
        }
        permit(&self.allowed, url).ok_or_else(|| {
            let host = url.host_str().map(shown).unwrap_or_default();
            let to =
                if is_redirected { format!(", which redirects to {host},") } else { String::new() };
            let message = format!(
                "Reading from '{}'{to} is not allowed: `reading.allow` in the configuration names \
                 the hosts that are",
                shown(asked)
            );
            Unread { required: false, ..Unread::new("NotAllowedError", message) }
        })
    }

    fn ask(
        &self,
        url: &Url,
        permit: Permit,
        etag: Option<&str>,
    ) -> Result<Response<Body>, ureq::Error> {
        let agent = match permit {
            Permit::Public => &self.public,
            Permit::Any => &self.any,
        };
        // Where a host of source code shows a page, what the page shows is meant.
        let raw = model::location::raw_url(url);
        let mut request = agent.get(raw.as_str());
        if let Some(etag) = etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        request.call()
    }
}

/// Where an answer leads to, if it leads elsewhere.
fn redirect(url: &Url, response: &Response<Body>) -> Option<Result<Url, String>> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let to = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
    let next = to.and_then(|to| url.join(to).ok());
    Some(next.ok_or_else(|| format!("{} redirects to no URL", shown(url.as_str()))))
}

fn agent(resolver: impl Resolver) -> Agent {
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    let config = AgentConfig::builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        // A proxy would resolve names by itself, private ones too.
        .proxy(None)
        .tls_config(tls)
        .timeout_global(Some(WHOLE_MAX))
        .timeout_connect(Some(CONNECT_MAX))
        .max_response_header_size(32 << 10)
        .max_idle_connections_per_host(2)
        .max_idle_age(Duration::from_secs(5))
        .user_agent(concat!("annals/", env!("CARGO_PKG_VERSION")))
        .build();
    Agent::with_parts(config, DefaultConnector::default(), resolver)
}

fn answer(asked: &str, response: Response<Body>, is_conditional: bool) -> Result<Fetched, Unread> {
    let status = response.status();
    if status == StatusCode::NOT_MODIFIED && is_conditional {
        return Ok(Fetched::Unchanged);
    }
    if status == StatusCode::NOT_FOUND || status == StatusCode::GONE {
        let message = format!("Unable to read url, no matching files found for {}", shown(asked));
        return Err(Unread { is_missing: true, ..Unread::new("NotFoundError", message) });
    }
    if status != StatusCode::OK {
        let retry_after = retry_after(&response);
        let why = format!("{} could not be read, {}", shown(asked), in_words(status));
        return Err(Unread { retry_after, ..Unread::unable(&why) });
    }
    let etag = response.headers().get(header::ETAG).and_then(|etag| etag.to_str().ok());
    let etag = etag.map(str::to_owned);
    let mut bytes = Vec::new();
    let body = response.into_body().into_reader();
    body.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(|error| {
        Unread::unable(&format!("{} broke off: {}", shown(asked), shown(&error.to_string())))
    })?;
    if bytes.len() > BYTES_MAX {
        let mib = BYTES_MAX >> 20;
        let message = format!("Unable to read url, {} is larger than {mib} MiB", shown(asked));
        return Err(Unread::new("InputError", message));
    }
    Ok(Fetched::Page { bytes, etag })
}

fn in_words(status: StatusCode) -> String {
    let reason = status.canonical_reason().unwrap_or_default();
    format!("{} {reason}", status.as_u16()).trim_end().to_owned()
}

/// RFC 9110, 10.2.3, as seconds; a date is as good as none.
fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let text = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    let wait = Duration::from_secs(text.trim().parse().ok()?);
    Some(wait.min(RETRY_AFTER_MAX))
}

fn failed(asked: &str, error: &ureq::Error) -> Unread {
    let asked = shown(asked);
    match error {
        ureq::Error::Other(inner) if inner.is::<Private>() => {
            let message = format!(
                "Reading from '{asked}' is not allowed: its address is a private one, and \
                 `reading.allow` in the configuration does not name it with its port"
            );
            Unread { required: false, ..Unread::new("NotAllowedError", message) }
        }
        ureq::Error::HostNotFound => Unread::unable(&format!("the host of {asked} is not known")),
        ureq::Error::Timeout(_) => Unread::unable(&format!("{asked} took too long")),
        other => {
            Unread::unable(&format!("{asked} could not be read, {}", shown(&other.to_string())))
        }
    }
}

/// Resolves names to public addresses only; what it resolves is what is connected to.
#[derive(Debug, Default)]
struct PublicOnly(DefaultResolver);

/// All addresses of a host are private.
#[derive(Debug)]
struct Private;

impl fmt::Display for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the host has private addresses only")
    }
}

impl std::error::Error for Private {}

impl Resolver for PublicOnly {
    fn resolve(
        &self,
        uri: &Uri,
        config: &AgentConfig,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut public = self.empty();
        for address in self.0.resolve(uri, config, timeout)?.iter() {
            if is_public(address.ip()) {
                public.push(*address);
            }
        }
        if public.is_empty() { Err(ureq::Error::Other(Box::new(Private))) } else { Ok(public) }
    }
}
