//! `GET` and `POST /entities/by-query`: pages by cursors, in both directions.

use axum::extract::{RawQuery, Request, State};
use axum::response::Response;
use model::index::lower;
use serde_json::{Map, Value};
use views::{Query, Reader, Sort, Start};

use super::answer::{Listing, Source};
use super::body::Body;
use super::cursor::{self, Cursor};
use super::fields::{FIELDS, Fields};
use super::filter::{self, FILTER};
use super::predicate::Predicate;
use super::text::Text;
use crate::connectors::run;
use crate::params::{Form, Param, Params};
use crate::position::{AS_OF, At, MOMENT};
use crate::streamed::Moment;
use crate::{Api, ApiError};

/// How many entities a page has, unless told otherwise.
const LIMIT: usize = 200;

/// Parameters of `GET /entities/by-query`.
pub(crate) const LIST: &[Param] = &[
    AS_OF,
    FIELDS,
    Param::new("limit", Form::Number, "At most so many; 200, unless told otherwise. 0 counts."),
    Param::new("offset", Form::Number, "So many are passed over; not with a cursor."),
    Param::new("orderField", Form::Texts, "`field,asc` or `field,desc`; only the first counts.")
        .like("metadata.name,asc"),
    Param::new(
        "cursor",
        Form::Text,
        "Where a page goes on; nothing but `limit` and `fields` counts.",
    ),
    FILTER,
    Param::new("totalItems", Form::OneOf(&["include", "exclude"]), "Whether to count."),
    Param::new("fullTextFilterTerm", Form::Text, "What values hold; at most 400 letters.")
        .like("pay"),
    Param::new("fullTextFilterFields", Form::List, "Where the term is looked for; at most 20.")
        .like("metadata.name"),
];

/// What a request asks for.
struct Asked {
    cursor: Cursor,
    start: Start,
    limit: usize,
    fields: Fields,
}

/// `GET /entities/by-query`
pub(crate) async fn by_query(
    at: At,
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::parse(query.as_deref(), LIST)?;
    let limit = params.number("limit")?.unwrap_or(LIMIT);
    let offset = params.number("offset")?.unwrap_or(0);
    let counts = match params.one("totalItems")? {
        None | Some("include") => true,
        Some("exclude") => false,
        Some(_) => {
            let message = "request/query/totalItems must be equal to one of the allowed values: \
                           include, exclude";
            return Err(ApiError::input(message));
        }
    };
    let term = params.one("fullTextFilterTerm")?;
    let fields = Fields::parse(params.all("fields"), &[])?;
    let (cursor, start) = match params.one("cursor")? {
        Some(text) => Cursor::read(text, at.0.position())?,
        None => {
            let filter = filter::parse(params.all("filter"))?;
            let sort = sort(params.all("orderField"))?;
            let text_fields = match params.all("fullTextFilterFields") {
                [] => None,
                [one] => Some(one.split(',').map(str::to_owned).collect()),
                many => Some(many.to_vec()),
            };
            let text = Text::new(term.unwrap_or_default(), text_fields)?;
            let cursor = Cursor::first(filter, sort, text, counts, cursor::Asked::InUrl)?;
            (cursor, Start::Offset(offset))
        }
    };
    let asked = Asked { cursor, start, limit, fields };
    run(move || list(&api, &at.0, asked)).await?
}

/// `field`, or `field,asc`, or `field,desc`. Only the first counts.
fn sort(texts: &[String]) -> Result<Option<Sort>, ApiError> {
    let sorts = texts.iter().map(|text| {
        let mut parts = text.split(',');
        let path = lower(parts.next().unwrap_or_default());
        let descending = match parts.next() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(_) => {
                return Err(ApiError::input("Invalid order field order, must be asc or desc"));
            }
        };
        Ok(Sort { path, descending })
    });
    let sorts: Vec<Sort> = sorts.collect::<Result<_, _>>()?;
    Ok(sorts.into_iter().next())
}

/// `POST /entities/by-query`
pub(crate) async fn by_predicate(
    at: At,
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, ApiError> {
    Params::parse(query.as_deref(), MOMENT)?;
    let body = Body::optional(request).await?;
    let limit = body.count("limit")?.unwrap_or(LIMIT);
    let offset = body.count("offset")?.unwrap_or(0);
    let mut sorts = Vec::new();
    for order in body.objects("orderBy")? {
        order.requires(&["field", "order"])?;
        let path = lower(order.text("field")?.unwrap_or_default());
        let descending = order.one_of("order", &["asc", "desc"])? == Some("desc");
        sorts.push(Sort { path, descending });
    }
    let text = match body.object("fullTextFilter")? {
        None => None,
        Some(text) => {
            let (term, fields) = (text.text("term")?, text.texts("fields")?);
            Text::new(term.unwrap_or_default(), fields)?
        }
    };
    let fields = Fields::parse(&body.texts("fields")?.unwrap_or_default(), &[])?;
    let counts = body.one_of("totalItems", &["include", "exclude"])? != Some("exclude");
    let predicate = body.predicate("query")?;
    let (cursor, start) = match body.text("cursor")? {
        Some("") => return Err(ApiError::input("Cursor cannot be empty")),
        Some(text) => Cursor::read(text, at.0.position())?,
        None => {
            let predicate = predicate.map(Predicate::new).transpose()?;
            let sort = sorts.into_iter().next();
            let cursor = Cursor::first(predicate, sort, text, counts, cursor::Asked::InBody)?;
            (cursor, Start::Offset(offset))
        }
    };
    let asked = Asked { cursor, start, limit, fields };
    run(move || list(&api, &at.0, asked)).await?
}

/// A page of a list, with the cursors around it.
fn list(api: &Api, now: &Reader, asked: Asked) -> Result<Response, ApiError> {
    let Asked { cursor, start, limit, fields } = asked;
    // All pages of a list come from the moment of the first.
    let reader = match cursor.offset() {
        Some(offset) => now.at(offset)?,
        None => now.clone(),
    };
    let back = matches!(start, Start::Before(_));
    let query = Query {
        filter: cursor.filter(),
        sort: cursor.sort().cloned(),
        start,
        limit,
        count: cursor.counts(),
    };
    let page = reader.query_like(&query, cursor.rows().as_ref())?;
    let total = cursor.total().or(page.total).unwrap_or(0);
    let cursor = cursor.on(reader.position(), total, page.rows.first());
    let more_behind = limit > 0 && (back || page.more);
    let more_before = page.rows.first().is_some_and(|first| !cursor.is_first(first));
    let mut info = Map::new();
    if more_behind && let Some(last) = page.rows.last() {
        info.insert("nextCursor".into(), cursor.after(last).into());
    }
    if more_before && let Some(first) = page.rows.first() {
        info.insert("prevCursor".into(), cursor.before(first).into());
    }
    let tail = format!(",\"totalItems\":{total},\"pageInfo\":{}}}", Value::Object(info));
    let ids: Vec<_> = page.rows.iter().map(|row| Some(row.id)).collect();
    Listing::new(Moment::of(api, reader), fields, Source::Ids(ids))
        .between("{\"items\":", &tail)
        .answer()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_order_counts_but_all_are_read() {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let ascending = |path: &str| Some(Sort { path: path.into(), descending: false });
        assert_eq!(sort(&texts(&["A.b"])), Ok(ascending("a.b")));
        assert_eq!(sort(&texts(&["a,asc,x", "b,desc"])), Ok(ascending("a")));
        assert_eq!(sort(&[]), Ok(None));
        assert!(sort(&texts(&["a", "b,up"])).is_err());
    }
}
