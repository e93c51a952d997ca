//! An answer that was had.

use bytes::Bytes;
use connector::shown;
use event::Timestamp;
use http::HeaderMap;
use http::header::{DATE, ETAG, LINK};
use serde::Deserialize;

use crate::Failure;

/// The longest entity tag that is kept, in bytes: one for each of very many pages may be.
const TAG_BYTES_MAX: usize = 256;

/// An answer with its headers.
#[derive(Clone, Debug)]
pub struct Page {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
}

impl Page {
    /// Whether it is still what the entity tag stands for that it was asked with.
    #[must_use]
    pub const fn is_unchanged(&self) -> bool {
        self.body.is_none()
    }

    /// Its entity tag, where it is of a length that one has.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.headers.get(ETAG)?.to_str().ok().filter(|tag| tag.len() <= TAG_BYTES_MAX)
    }

    /// How many bytes its body has.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.body.as_ref().map_or(0, Bytes::len)
    }

    /// A header by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// When it was given, by the clock of whoever gave it.
    #[must_use]
    pub fn date(&self) -> Option<Timestamp> {
        let date = httpdate::parse_http_date(self.headers.get(DATE)?.to_str().ok()?).ok()?;
        let date = date.duration_since(std::time::UNIX_EPOCH).ok()?;
        Timestamp::from_micros(i64::try_from(date.as_micros()).ok()?)
    }

    /// Whether a page follows: `Link: <…>; rel="next"` (RFC 8288). Where it leads is not gone by.
    #[must_use]
    pub fn has_next(&self) -> bool {
        let links = self.headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
        links.flat_map(|links| links.split(',')).any(|link| {
            link.split(';').skip(1).any(|part| matches!(part.trim(), "rel=\"next\"" | "rel=next"))
        })
    }

    /// What stands in it.
    ///
    /// # Errors
    /// [`Failure::Broken`], where it is not of its form.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Failure> {
        let body = self.body.as_deref().unwrap_or_default();
        serde_json::from_slice(body).map_err(|error| {
            let why = shown(&error.to_string());
            Failure::Broken { why: format!("the answer is not of its form: {why}") }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_they_are_written() {
        for (link, expected) in [
            (r#"<https://h/a?page=2>; rel="next", <https://h/a?page=9>; rel="last""#, true),
            (r#"<https://h/a?page=1>; rel="prev", <https://h/a?page=2>; rel=next"#, true),
            (r#"<https://h/a?rel="next">; rel="last""#, false),
            ("", false),
        ] {
            let headers = [(LINK, link.parse().unwrap())].into_iter().collect();
            assert_eq!(Page { headers, body: None }.has_next(), expected, "{link}");
        }
        for (date, expected) in [
            ("Tue, 24 Nov 2026 03:44:07 GMT", Some("2026-11-24T03:44:07Z")),
            ("yesterday", None),
            ("Thu, 01 Jan 1869 00:00:00 GMT", None),
        ] {
            let headers = [(DATE, date.parse().unwrap())].into_iter().collect();
            let expected = expected.map(|text| Timestamp::from_rfc3339(text).unwrap());
            assert_eq!(Page { headers, body: None }.date(), expected, "{date}");
        }
        for (length, is_kept) in [(1, true), (TAG_BYTES_MAX, true), (TAG_BYTES_MAX + 1, false)] {
            let headers = [(ETAG, "x".repeat(length).parse().unwrap())].into_iter().collect();
            assert_eq!(Page { headers, body: None }.tag().is_some(), is_kept, "{length}");
        }
    }
}
