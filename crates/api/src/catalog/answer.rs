//! Answers of the catalog: whole ones, those that are read while they are sent, and those that a
//! client has already.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use data_encoding::BASE64;
use event::Position;
use fold::EntityId;
use serde_json::Value;
use views::Reader;

use super::fields::Fields;
use crate::ApiError;
use crate::error::JSON;
use crate::position::position_header;
use crate::streamed::{self, Moment, PART_BYTES, Parts};

/// How many entities are read together, at the least and at the most.
const GROUP_MIN: usize = 16;
const GROUP_MAX: usize = 128;

/// An answer of up to so many bytes is put together before it is sent.
const WHOLE_BYTES_MAX: usize = 1024 * 1024;

/// How many letters of a hash make an ETag.
const TAG_LETTERS: usize = 27;

/// JSON that was put together, with an ETag.
pub(crate) fn json(position: Position, body: &Value) -> Response {
    tagged(position, body.to_string().into_bytes())
}

/// JSON that was put together, with an ETag.
pub(crate) fn tagged(position: Position, body: Vec<u8>) -> Response {
    let hash = BASE64.encode(&blake3::hash(&body).as_bytes()[..21]);
    let tag = format!("W/\"{:x}-{}\"", body.len(), &hash[..TAG_LETTERS]);
    let mut response = plain(position, body);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// JSON as it is stored; as from Backstage, it comes without an ETag.
pub(crate) fn plain(position: Position, body: impl Into<Body>) -> Response {
    ([position_header(position)], [(header::CONTENT_TYPE, JSON)], body.into()).into_response()
}

/// Where the entities of a list come from.
pub(crate) enum Source {
    /// These; `None` stands for one that is not there.
    Ids(Vec<Option<EntityId>>),
    /// Some after the other; none at the end.
    Pages(Box<Pages>),
}

/// Gives the entities of a list, some at a time; none at its end.
pub(crate) type Pages = dyn FnMut(&Reader) -> Result<Vec<Option<EntityId>>, ApiError> + Send;

/// A list of entities between two texts, as JSON.
pub(crate) struct Listing {
    moment: Moment,
    fields: Fields,
    source: Source,
    tail: String,
    /// Those that come next, and how many of them were written.
    ids: Vec<Option<EntityId>>,
    written: usize,
    /// How many are read together.
    group: usize,
    json: Vec<u8>,
    begins: bool,
    has_ended: bool,
}

impl Listing {
    pub(crate) fn new(moment: Moment, fields: Fields, source: Source) -> Self {
        let (ids, source) = match source {
            Source::Ids(ids) => (ids, Source::Ids(Vec::new())),
            pages @ Source::Pages(_) => (Vec::new(), pages),
        };
        Self {
            moment,
            fields,
            source,
            tail: "]".into(),
            ids,
            written: 0,
            group: GROUP_MIN,
            json: vec![b'['],
            begins: true,
            has_ended: false,
        }
    }

    /// The same list, but inside of something.
    pub(crate) fn between(mut self, head: &str, tail: &str) -> Self {
        self.json = format!("{head}[").into_bytes();
        self.tail = format!("]{tail}");
        self
    }

    /// The answer. What is not long is read before it begins, so that what goes wrong can be said,
    /// and has a tag if it holds parts of entities; the rest is read while it is sent.
    pub(crate) fn answer(mut self) -> Result<Response, ApiError> {
        let position = self.moment.position();
        let mut first = Vec::new();
        while first.len() < WHOLE_BYTES_MAX {
            match self.next_part()? {
                Some(part) => first.extend_from_slice(&part),
                None if self.is_tagged() => return Ok(tagged(position, first)),
                None => return Ok(plain(position, first)),
            }
        }
        let rest = WithFirst { first: Some(first.into()), rest: self };
        Ok(plain(position, streamed::body(rest)))
    }

    /// Whether its answer has a tag, as Backstage's has: with parts of entities, or where a whole
    /// list is empty.
    fn is_tagged(&self) -> bool {
        !self.fields.is_all() || (self.begins && matches!(self.source, Source::Pages(_)))
    }

    /// Reads some entities; `false` when there are no more.
    fn put_some(&mut self, reader: &Reader) -> Result<bool, ApiError> {
        if self.written == self.ids.len() {
            let Source::Pages(pages) = &mut self.source else { return Ok(false) };
            self.ids = pages(reader)?;
            self.written = 0;
            if self.ids.is_empty() {
                return Ok(false);
            }
        }
        let end = self.ids.len().min(self.written + self.group);
        let before = self.json.len();
        put_entities(
            reader,
            &self.ids[self.written..end],
            &self.fields,
            self.begins,
            &mut self.json,
        )?;
        self.written = end;
        self.begins = false;
        // Entities may be of 500 bytes or of four million.
        let bytes = self.json.len() - before;
        self.group = match self.group {
            group if bytes > PART_BYTES => (group / 4).max(1),
            group if bytes < PART_BYTES / 2 => (group * 2).min(GROUP_MAX),
            group => group,
        };
        Ok(true)
    }
}

impl Parts for Listing {
    fn next_part(&mut self) -> Result<Option<Bytes>, ApiError> {
        if self.has_ended {
            return Ok(None);
        }
        let reader = self.moment.reader()?;
        while self.json.len() < PART_BYTES {
            if !self.put_some(&reader)? {
                self.json.extend_from_slice(self.tail.as_bytes());
                self.has_ended = true;
                break;
            }
        }
        Ok(Some(std::mem::take(&mut self.json).into()))
    }

    fn rest(&mut self) {
        self.moment.rest();
    }
}

/// A list whose first part is there.
struct WithFirst {
    first: Option<Bytes>,
    rest: Listing,
}

impl Parts for WithFirst {
    fn next_part(&mut self) -> Result<Option<Bytes>, ApiError> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.rest.next_part(),
        }
    }

    fn rest(&mut self) {
        self.rest.rest();
    }
}

fn put_entities(
    reader: &Reader,
    ids: &[Option<EntityId>],
    fields: &Fields,
    begins: bool,
    json: &mut Vec<u8>,
) -> Result<(), ApiError> {
    let known: Vec<EntityId> = ids.iter().flatten().copied().collect();
    let mut served = reader.serve_all(&known)?.into_iter().peekable();
    for (number, id) in ids.iter().enumerate() {
        if number > 0 || !begins {
            json.push(b',');
        }
        match served.next_if(|served| Some(served.id) == *id) {
            Some(served) => fields.put(&served.json, json),
            None => json.extend_from_slice(b"null"),
        }
    }
    Ok(())
}

/// Answers 304 where a client has what it asks for.
pub(crate) async fn conditional(request: Request, next: Next) -> Response {
    let may = matches!(*request.method(), Method::GET | Method::HEAD);
    let wanted = if may { wanted(request.headers()) } else { None };
    let mut response = next.run(request).await;
    let Some(wanted) = wanted else { return response };
    let tag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
    if response.status() == StatusCode::OK && tag.is_some_and(|tag| has(&wanted, tag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(header::CONTENT_TYPE);
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    response
}

/// What stands in `If-None-Match`, unless the client wants it anew.
fn wanted(headers: &HeaderMap) -> Option<String> {
    let cache = headers.get(header::CACHE_CONTROL).and_then(|value| value.to_str().ok());
    if cache.is_some_and(|cache| cache.to_ascii_lowercase().contains("no-cache")) {
        return None;
    }
    headers.get(header::IF_NONE_MATCH)?.to_str().ok().map(str::to_owned)
}

/// Whether a list of tags has one, compared as weak ones are (RFC 9110, 8.8.3.2).
fn has(list: &str, tag: &str) -> bool {
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    list.trim() == "*" || list.split(',').any(|one| strong(one) == strong(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_as_weak_ones() {
        for (list, tag, expected) in [
            ("W/\"a\"", "W/\"a\"", true),
            ("\"a\"", "W/\"a\"", true),
            ("\"b\", W/\"a\"", "W/\"a\"", true),
            ("*", "W/\"a\"", true),
            ("\"b\"", "W/\"a\"", false),
            ("", "W/\"a\"", false),
        ] {
            assert_eq!(has(list, tag), expected, "{list}");
        }
    }
}
