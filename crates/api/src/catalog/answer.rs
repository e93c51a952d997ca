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
use tokio_stream::wrappers::ReceiverStream;
use views::Reader;

use super::fields::Fields;
use crate::ApiError;
use crate::error::JSON;
use crate::position::position_header;

/// How many entities are read together while an answer is sent.
const CHUNK: usize = 200;

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

/// A list of entities between two texts, as JSON.
pub(crate) struct Listing<'a> {
    pub(crate) reader: &'a Reader,
    pub(crate) fields: &'a Fields,
    pub(crate) head: &'static str,
    pub(crate) tail: String,
}

impl Listing<'_> {
    /// The answer with these entities; `None` stands for one that is not there.
    pub(crate) fn answer(self, ids: &[Option<EntityId>]) -> Result<Response, ApiError> {
        let mut json = Vec::from(self.head);
        json.push(b'[');
        for (number, ids) in ids.chunks(CHUNK).enumerate() {
            put_entities(self.reader, ids, self.fields, number == 0, &mut json)?;
        }
        json.push(b']');
        json.extend_from_slice(self.tail.as_bytes());
        let position = self.reader.position();
        Ok(if self.fields.is_all() { plain(position, json) } else { tagged(position, json) })
    }
}

/// Gives the entities of a list, some at a time; none at its end.
pub(crate) type Pages = dyn FnMut(&Reader) -> Result<Vec<EntityId>, ApiError> + Send;

/// A whole list, which is read while it is sent. The first part is read before the answer begins,
/// so that what goes wrong can still be said.
pub(crate) fn stream(
    reader: Reader,
    fields: Fields,
    mut pages: Box<Pages>,
) -> Result<Response, ApiError> {
    let position = reader.position();
    let first = pages(&reader)?;
    if first.is_empty() {
        return Ok(tagged(position, b"[]".to_vec()));
    }
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(2);
    tokio::task::spawn_blocking(move || {
        let mut ids = first;
        let mut json = vec![b'['];
        let mut begins = true;
        loop {
            for some in ids.chunks(CHUNK) {
                let some: Vec<_> = some.iter().copied().map(Some).collect();
                let put = put_entities(&reader, &some, &fields, begins, &mut json);
                begins = false;
                let chunk = put.map(|()| std::mem::take(&mut json));
                if !send(&sender, chunk) {
                    return;
                }
            }
            ids = match pages(&reader) {
                Ok(ids) if ids.is_empty() => break,
                Ok(ids) => ids,
                Err(error) => {
                    send(&sender, Err(error));
                    return;
                }
            };
        }
        send(&sender, Ok(vec![b']']));
    });
    Ok(plain(position, Body::from_stream(ReceiverStream::new(receiver))))
}

/// Sends a part of an answer; `false` when that was the last. The answer has begun: breaking it
/// off is the only way left to say that something went wrong.
fn send(
    sender: &tokio::sync::mpsc::Sender<Result<Bytes, std::io::Error>>,
    chunk: Result<Vec<u8>, ApiError>,
) -> bool {
    let is_broken = chunk.is_err();
    let chunk = chunk.map(Bytes::from).map_err(|error| std::io::Error::other(error.to_string()));
    sender.blocking_send(chunk).is_ok() && !is_broken
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
