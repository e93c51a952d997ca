//! `/api/catalog`: the catalog as Backstage serves it.

mod cursor;
mod fields;
mod filter;
mod predicate;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, RawQuery};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use model::index::lower;
use model::reference::EntityRef;
use serde_json::{Value, json};
use tokio_stream::wrappers::ReceiverStream;
use views::{Query, Reader, Row, Sort, Start};

use crate::ApiError;
use crate::connectors::run;
use crate::params::Params;
use crate::position::At;
use cursor::Cursor;
use fields::Fields;

/// How many entities a page of by-query has, unless told otherwise.
const LIMIT: usize = 200;

/// Up to so many entities, an answer is put together before it is sent.
const WHOLE_MAX: usize = 500;

/// How many entities are read together while an answer is sent.
const CHUNK: usize = 200;

const JSON: &str = "application/json; charset=utf-8";

/// `GET /entities/by-name/{kind}/{namespace}/{name}`
pub(crate) async fn by_name(
    at: At,
    Path((kind, namespace, name)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    Params::parse(query.as_deref(), &[])?;
    let unknown = || {
        ApiError::not_found(format!(
            "No entity named '{name}' found, with kind '{kind}' in namespace '{namespace}'"
        ))
    };
    let reference = EntityRef::new(&kind, &namespace, &name).map_err(|_| unknown())?;
    let served = at.0.entity(&reference)?.ok_or_else(unknown)?;
    Ok(([at.header()], [(header::CONTENT_TYPE, JSON)], served.json).into_response())
}

/// `GET /entities/by-query`
pub(crate) async fn by_query(at: At, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let params = Params::parse(
        query.as_deref(),
        &["cursor", "fields", "filter", "limit", "offset", "orderField", "totalItems"],
    )?;
    let fields = Fields::parse(params.all("fields"))?;
    let limit = params.number("limit")?.unwrap_or(LIMIT);
    let (cursor, start) = match params.one("cursor")? {
        Some(text) => Cursor::read(text, at.0.position())?,
        None => first_page(&params)?,
    };
    run(move || list(&at.0, cursor, start, limit, &fields)).await?
}

/// What the parameters of a first page ask for.
fn first_page(params: &Params) -> Result<(Cursor, Start), ApiError> {
    let count = match params.one("totalItems")? {
        None | Some("include") => true,
        Some("exclude") => false,
        Some(_) => {
            let message = "request/query/totalItems must be equal to one of the allowed values: \
                           include, exclude";
            return Err(ApiError::input(message));
        }
    };
    let filter = filter::parse(params.all("filter"))?;
    let sort = params.all("orderField").first().map(|text| sort(text)).transpose()?;
    let start = Start::Offset(params.number("offset")?.unwrap_or(0));
    Ok((Cursor::first(filter, sort, count), start))
}

/// `field`, or `field,asc`, or `field,desc`.
fn sort(text: &str) -> Result<Sort, ApiError> {
    let mut parts = text.split(',');
    let path = parts.next().unwrap_or_default();
    let path = lower(path);
    let descending = match parts.next() {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(_) => {
            return Err(ApiError::input("Invalid order field order, must be asc or desc"));
        }
    };
    Ok(Sort { path, descending })
}

/// A page of a list, with the cursors around it.
fn list(
    now: &Reader,
    cursor: Cursor,
    start: Start,
    limit: usize,
    fields: &Fields,
) -> Result<Response, ApiError> {
    // All pages of a list come from the moment of the first.
    let reader = match cursor.offset() {
        Some(offset) => now.at(offset)?,
        None => now.clone(),
    };
    let back = matches!(start, Start::Before(_));
    let query = Query {
        filter: cursor.predicate().map(|predicate| predicate.filter().clone()),
        sort: cursor.sort().cloned(),
        start,
        limit,
        count: cursor.counts(),
    };
    let page = reader.query(&query)?;
    let total = cursor.total().or(page.total).unwrap_or(0);
    let cursor = cursor.on(reader.position(), total, page.rows.first());
    let more_behind = limit > 0 && (back || page.more);
    let more_before = page.rows.first().is_some_and(|first| !cursor.is_first(first));
    let mut info = serde_json::Map::new();
    if more_before && let Some(first) = page.rows.first() {
        info.insert("prevCursor".into(), cursor.before(first).into());
    }
    if more_behind && let Some(last) = page.rows.last() {
        info.insert("nextCursor".into(), cursor.after(last).into());
    }
    let tail = format!(",\"totalItems\":{total},\"pageInfo\":{}}}", Value::Object(info));
    let position = At(reader.clone()).header();
    let body = items(reader, page.rows, fields, "{\"items\":", tail)?;
    Ok(([position], [(header::CONTENT_TYPE, JSON)], body).into_response())
}

/// A list of entities as JSON, between two texts. A long one is read while it is sent.
fn items(
    reader: Reader,
    rows: Vec<Row>,
    fields: &Fields,
    head: &'static str,
    tail: String,
) -> Result<Body, ApiError> {
    if rows.len() <= WHOLE_MAX {
        let mut json = Vec::from(head);
        json.push(b'[');
        put_entities(&reader, &rows, fields, true, &mut json)?;
        json.push(b']');
        json.extend_from_slice(tail.as_bytes());
        return Ok(json.into());
    }
    let fields = fields.clone();
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(2);
    tokio::task::spawn_blocking(move || {
        let mut json = Vec::from(head);
        json.push(b'[');
        for (number, rows) in rows.chunks(CHUNK).enumerate() {
            let put = put_entities(&reader, rows, &fields, number == 0, &mut json);
            let broken = put.is_err();
            // The answer has begun; breaking it off is the only way left to say so.
            let chunk = put
                .map(|()| std::mem::take(&mut json).into())
                .map_err(|error| std::io::Error::other(error.to_string()));
            if sender.blocking_send(chunk).is_err() || broken {
                return;
            }
        }
        json.push(b']');
        json.extend_from_slice(tail.as_bytes());
        let _ = sender.blocking_send(Ok(json.into()));
    });
    Ok(Body::from_stream(ReceiverStream::new(receiver)))
}

fn put_entities(
    reader: &Reader,
    rows: &[Row],
    fields: &Fields,
    first: bool,
    json: &mut Vec<u8>,
) -> Result<(), ApiError> {
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    for (number, served) in reader.serve_all(&ids)?.into_iter().enumerate() {
        if number > 0 || !first {
            json.push(b',');
        }
        fields.put(&served.json, json);
    }
    Ok(())
}

/// `GET /entity-facets`
pub(crate) async fn facets(at: At, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let params = Params::parse(query.as_deref(), &["facet", "filter"])?;
    let facets = params.all("facet").to_vec();
    if facets.is_empty() {
        return Err(ApiError::input("request/query must have required property 'facet'"));
    }
    let predicate = filter::parse(params.all("filter"))?;
    let filter = predicate.map(|predicate| predicate.filter().clone());
    run(move || {
        let paths: Vec<String> = facets.iter().map(|facet| lower(facet)).collect();
        let found = at.0.facets(&paths, filter.as_ref())?;
        let lists = facets.into_iter().zip(found).map(|(facet, values)| {
            let values =
                values.into_iter().map(|facet| json!({"value": facet.value, "count": facet.count}));
            (facet, Value::Array(values.collect()))
        });
        let body = json!({"facets": Value::Object(lists.collect())});
        Ok(([at.header()], Json(body)).into_response())
    })
    .await?
}
