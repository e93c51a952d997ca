//! `GET /entities`: all entities, or a page by place.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use event::Position;
use model::index::lower;
use serde::{Deserialize, Serialize};
use views::{Filter, Query, Sort, Start};

use super::answer::{Listing, Source};
use super::fields::{FIELDS, Fields};
use super::filter::{self, FILTER};
use crate::connectors::run;
use crate::params::{Form, Param, Params};
use crate::position::{AS_OF, At};
use crate::streamed::Moment;
use crate::{Api, ApiError};

/// How many entities are looked up together while a whole list is sent. Each time costs as much as
/// happened since the list began.
const PAGE: usize = 10_000;

/// How many orders a list can have.
const ORDERS_MAX: usize = 10;

/// Parameters of `GET /entities`.
pub(crate) const LIST: &[Param] = &[
    AS_OF,
    FIELDS,
    Param::new("limit", Form::Number, "At most so many; 0 is refused. Without it: all."),
    FILTER,
    Param::new("offset", Form::Number, "So many are passed over."),
    Param::new("after", Form::Text, "Where a page goes on, as the header `Link` gave it."),
    Param::new("order", Form::Texts, "`asc:field` or `desc:field`; at most 10.")
        .like("asc:metadata.name"),
];

/// Where a page begins, as the links of the page before say it. To clients it is opaque.
#[derive(Debug, Default, Serialize, Deserialize)]
struct After {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offset: Option<usize>,
    /// The moment that the list comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<String>,
}

/// `GET /entities`
pub(crate) async fn entities(
    at: At,
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::parse(query.as_deref(), LIST)?;
    let (limit, offset) = (params.number("limit")?, params.number("offset")?);
    let after = params.one("after")?;
    let filter = filter::parse(params.all("filter"))?;
    let filter = filter.map(|predicate| predicate.filter().clone());
    let fields = Fields::parse(params.all("fields"), &[])?;
    let sorts = orders(params.all("order"))?;
    if (limit, offset, after) == (None, None, None) {
        let sort = sorts.into_iter().next();
        return run(move || whole(&api, at, filter, sort, fields).answer()).await?;
    }
    if limit == Some(0) {
        return Err(ApiError::input("Invalid limit, must be greater than zero"));
    }
    let after = after.map(read_after).transpose()?.unwrap_or_default();
    let offset = after.offset.or(offset).unwrap_or(0);
    let limit = after.limit.or(limit);
    let reader = match &after.at {
        None => at.0,
        Some(position) => at_position(&at, position)?,
    };
    run(move || {
        let (ids, more) =
            reader.ordered(filter.as_ref(), &sorts, offset, limit.unwrap_or(usize::MAX))?;
        let position = reader.position();
        let ids = Source::Ids(ids.into_iter().map(Some).collect());
        let mut response = Listing::new(Moment::of(&api, reader), fields, ids).answer()?;
        if let (true, Some(limit)) = (more, limit) {
            let link = link(query.as_deref(), limit, offset.saturating_add(limit), position);
            // What stands in it is encoded, so that it can stand in a header.
            if let Ok(link) = HeaderValue::from_str(&link) {
                response.headers_mut().insert(header::LINK, link);
            }
        }
        Ok(response)
    })
    .await?
}

/// All entities. By an order only those that have a value there, and only the first order counts,
/// as in Backstage, where this is a chain of by-query's pages.
fn whole(api: &Api, at: At, filter: Option<Filter>, sort: Option<Sort>, fields: Fields) -> Listing {
    let mut start = Some(Start::Offset(0));
    let pages = move |reader: &views::Reader| {
        let Some(from) = start.take() else { return Ok(Vec::new()) };
        let (filter, sort) = (filter.clone(), sort.clone());
        let page = reader.query(&Query { filter, sort, start: from, limit: PAGE, count: false })?;
        if page.more {
            start = page.rows.last().cloned().map(Start::After);
        }
        Ok(page.rows.into_iter().map(|row| Some(row.id)).collect())
    };
    Listing::new(Moment::of(api, at.0), fields, Source::Pages(Box::new(pages)))
}

/// `asc:field` or `desc:field`
fn orders(texts: &[String]) -> Result<Vec<Sort>, ApiError> {
    if texts.len() > ORDERS_MAX {
        return Err(ApiError::input(format!("a list can have at most {ORDERS_MAX} orders")));
    }
    let orders = texts.iter().map(|text| {
        let parts = text
            .split_once(':')
            .filter(|(order, field)| matches!(*order, "asc" | "desc") && !field.is_empty());
        let (order, field) = parts.ok_or_else(|| {
            ApiError::input(format!(
                "Invalid order parameter \"{text}\", expected \"<asc or desc>:<field name>\""
            ))
        })?;
        Ok(Sort { path: lower(field), descending: order == "desc" })
    });
    orders.collect()
}

fn read_after(text: &str) -> Result<After, ApiError> {
    let malformed = || ApiError::input("Malformed after cursor, could not be parsed");
    let text = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| malformed())?;
    serde_json::from_slice(&bytes).map_err(|_| malformed())
}

/// The catalog as it was when the first page was read.
fn at_position(at: &At, text: &str) -> Result<views::Reader, ApiError> {
    let malformed = || ApiError::input("Malformed after cursor, could not be parsed");
    let position: Position = text.parse().map_err(|_| malformed())?;
    let now = at.0.position();
    if position.log != now.log || position.offset > now.offset {
        let why = "its position is not of this catalog, or not folded yet here";
        return Err(ApiError::input(format!("Malformed after cursor, {why}")));
    }
    Ok(at.0.at(position.offset)?)
}

/// The header that leads to the next page. Its URL is as the catalog sees itself.
fn link(query: Option<&str>, limit: usize, offset: usize, position: Position) -> String {
    let after = After { limit: Some(limit), offset: Some(offset), at: Some(position.to_string()) };
    let after = BASE64.encode(&serde_json::to_vec(&after).unwrap_or_default());
    let mut written = form_urlencoded::Serializer::new(String::new());
    let mut is_there = false;
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match &*name {
            "offset" => {}
            "after" if is_there => {}
            "after" => {
                is_there = true;
                written.append_pair("after", &after);
            }
            name => {
                written.append_pair(name, &value);
            }
        }
    }
    if !is_there {
        written.append_pair("after", &after);
    }
    format!("</entities?{}>; rel=\"next\"", written.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_as_backstage_reads_them() {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            orders(&texts(&["asc:A.b", "desc:c:d"])),
            Ok(vec![
                Sort { path: "a.b".into(), descending: false },
                Sort { path: "c:d".into(), descending: true },
            ])
        );
        for wrong in ["a", "up:a", "asc:", "", "asc"] {
            let error = orders(&texts(&[wrong])).unwrap_err();
            assert!(error.message.contains(&format!("\"{wrong}\"")), "{error}");
        }
        assert!(orders(&vec!["asc:a".into(); 11]).unwrap_err().message.contains("10"));
    }

    #[test]
    fn a_link_keeps_the_query() {
        let position = Position { log: event::LogId::new(7), offset: 3 };
        let link = link(Some("filter=kind=user&offset=3&limit=6&fields=a,b"), 6, 9, position);
        assert!(link.starts_with("</entities?filter=kind%3Duser&limit=6&fields=a%2Cb&after="));
        let after = link.split("after=").nth(1).unwrap().split('>').next().unwrap();
        let after: String =
            form_urlencoded::parse(format!("x={after}").as_bytes()).map(|(_, v)| v).collect();
        let after = read_after(&after).unwrap();
        assert_eq!((after.limit, after.offset), (Some(6), Some(9)));
        assert_eq!(after.at, Some(position.to_string()));
        // One that Backstage gave.
        let after = read_after("eyJsaW1pdCI6MTAsIm9mZnNldCI6MjEwfQ==").unwrap();
        assert_eq!((after.limit, after.offset, after.at), (Some(10), Some(210), None));
        assert!(read_after("bm9wZQ==").is_err());
    }
}
