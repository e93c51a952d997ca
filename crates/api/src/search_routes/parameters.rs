//! What is asked for, checked as Backstage checks it: first its form, then its bounds.

use data_encoding::{BASE64, BASE64_NOPAD};
use search::{Filter, Request, TYPE};
use serde_json::{Map, Value, json};

use super::qs;
use crate::ApiError;

/// The longest term, in UTF-16 code units, and the largest page.
const TERM_UNITS_MAX: usize = 100;
const PAGE_LIMIT_MAX: f64 = 100.0;

/// How many results a page has, unless told otherwise.
const PAGE_LIMIT: usize = 25;

/// What is asked for.
#[derive(Debug)]
pub(super) struct Asked {
    term: String,
    filters: Vec<Filter>,
    /// The page, as a number of JavaScript's: whatever a cursor holds is one.
    pub(super) page: f64,
    pub(super) page_size: usize,
}

/// Reads the parameters of a search, and says what is wrong with them.
///
/// # Errors
/// When they are not as they have to be.
pub fn check(query: &str) -> Result<(), ApiError> {
    Asked::parse(Some(query)).map(|_| ())
}

impl Asked {
    pub(super) fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let mut parameters = qs::parse(query)?;
        let term = text(&mut parameters, "term")?;
        let filters = filters(parameters.remove("filters"))?;
        let types = types(parameters.remove("types"))?;
        let cursor = text(&mut parameters, "pageCursor")?;
        let limit = text(&mut parameters, "pageLimit").ok().map(|limit| match limit {
            None => Some(0.0),
            Some(limit) => limit.parse::<f64>().ok().filter(|limit| limit.fract() == 0.0),
        });
        let must = |what: &str| ApiError::input(format!("request/query/pageLimit must be {what}"));
        let limit = limit.flatten().ok_or_else(|| must("integer"))?;
        let term = term.unwrap_or_default();
        check_bounds(&term, &types, limit)?;
        if limit < 0.0 {
            return Err(must(">= 0"));
        }
        let page = cursor.filter(|cursor| !cursor.is_empty()).map_or(0.0, |cursor| page(&cursor));
        if page < 0.0 {
            return Err(ApiError::input("the page cursor is of a page before the first"));
        }
        // It was looked at above that it is a whole number up to the largest page.
        #[expect(clippy::cast_possible_truncation, reason = "see above")]
        #[expect(clippy::cast_sign_loss, reason = "see above")]
        let page_size = if limit == 0.0 { PAGE_LIMIT } else { limit as usize };
        Ok(Self { term, filters, page, page_size })
    }

    pub(super) fn request(&self) -> Request {
        let offset = self.page * to_f64(self.page_size);
        // A page that is none begins at the first result; one beyond all is beyond all.
        #[expect(clippy::cast_possible_truncation, reason = "see above")]
        #[expect(clippy::cast_sign_loss, reason = "pages before the first are refused")]
        let offset = if offset.is_finite() { offset as usize } else { 0 };
        Request {
            term: self.term.clone(),
            filters: self.filters.clone(),
            offset,
            limit: self.page_size + 1,
        }
    }

    /// The cursor of another page.
    pub(super) fn cursor(&self, further: f64) -> String {
        let page = self.page + further;
        let page = match page {
            page if page.is_nan() => "NaN".to_owned(),
            page if page.is_infinite() => "Infinity".to_owned(),
            page => page.to_string(),
        };
        BASE64.encode(page.as_bytes())
    }

    /// The place of a result among all, which is none on a page that is none.
    pub(super) fn rank(&self, at: usize) -> Value {
        let rank = self.page * to_f64(self.page_size) + to_f64(at) + 1.0;
        // Whole numbers are written without a fraction.
        if rank.fract() == 0.0 && rank.abs() < 9e15 {
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and small")]
            let rank = rank as i64;
            return rank.into();
        }
        serde_json::Number::from_f64(rank).map_or(Value::Null, Value::Number)
    }
}

fn to_f64(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::from(u32::MAX), f64::from)
}

/// A parameter that is a text.
fn text(parameters: &mut Map<String, Value>, name: &str) -> Result<Option<String>, ApiError> {
    match parameters.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(ApiError::input(format!("request/query/{name} must be string"))),
    }
}

fn filters(value: Option<Value>) -> Result<Vec<Filter>, ApiError> {
    let filters = match value {
        None => return Ok(Vec::new()),
        Some(Value::Object(filters)) => filters,
        Some(_) => return Err(ApiError::input("request/query/filters must be object")),
    };
    let filter = |(key, value)| match value {
        Value::Array(values) => Filter { key, values },
        value => Filter { key, values: vec![value] },
    };
    Ok(filters.into_iter().map(filter).collect())
}

fn types(value: Option<Value>) -> Result<Vec<String>, ApiError> {
    let types = match value {
        None => return Ok(Vec::new()),
        Some(Value::String(text)) => return Ok(vec![text]),
        Some(Value::Array(types)) => types,
        Some(_) => return Err(ApiError::input("request/query/types must be array")),
    };
    let text = |(at, value)| match value {
        Value::String(text) => Ok(text),
        _ => Err(ApiError::input(format!("request/query/types/{at} must be string"))),
    };
    types.into_iter().enumerate().map(text).collect()
}

/// All that is out of bounds, in one error, as zod writes it.
fn check_bounds(term: &str, types: &[String], limit: f64) -> Result<(), ApiError> {
    let mut issues = Vec::new();
    let mut issue = |message: String, path: Value| {
        issues.push(json!({"code": "custom", "message": message, "path": path}));
    };
    let units = term.encode_utf16().count();
    if units > TERM_UNITS_MAX {
        let message = format!("The term length \"{units}\" is greater than \"{TERM_UNITS_MAX}\"");
        issue(message, json!(["term"]));
    }
    for (at, _) in types.iter().enumerate().filter(|(_, of)| *of != TYPE) {
        issue("Invalid input".to_owned(), json!(["types", at]));
    }
    if limit > PAGE_LIMIT_MAX {
        let message = format!("The page limit \"{limit}\" is greater than \"{PAGE_LIMIT_MAX}\"");
        issue(message, json!(["pageLimit"]));
    }
    if issues.is_empty() {
        return Ok(());
    }
    let issues = serde_json::to_string_pretty(&issues).unwrap_or_default();
    Err(ApiError::input(format!("Invalid query string: {issues}")))
}

/// The page that a cursor holds, as JavaScript's `Number` reads it.
fn page(cursor: &str) -> f64 {
    let digits = cursor.bytes().take_while(|byte| *byte != b'=').filter_map(|byte| match byte {
        b'-' => Some(b'+'),
        b'_' => Some(b'/'),
        byte => (byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')).then_some(byte),
    });
    let mut digits: Vec<u8> = digits.collect();
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    // Bits that are left over say nothing.
    let mut lenient = BASE64_NOPAD.specification();
    lenient.check_trailing_bits = false;
    let decoded = lenient.encoding().ok().and_then(|encoding| encoding.decode(&digits).ok());
    let text = String::from_utf8_lossy(&decoded.unwrap_or_default()).trim().to_owned();
    if text.is_empty() {
        return 0.0;
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return u32::from_str_radix(hex, 16).map_or(f64::NAN, f64::from);
    }
    match text.as_str() {
        "Infinity" | "+Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        // What Rust reads and JavaScript does not.
        text if text
            .bytes()
            .any(|byte| byte.is_ascii_alphabetic() && byte != b'e' && byte != b'E') =>
        {
            f64::NAN
        }
        text => text.parse().unwrap_or(f64::NAN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(query: &str) -> String {
        Asked::parse(Some(query)).unwrap_err().message
    }

    #[test]
    fn pages_are_what_a_cursor_holds() {
        for (cursor, expected) in [
            ("MA==", 0.0),
            ("MQ==", 1.0),
            ("MQ", 1.0),
            ("Mi41", 2.5),
            ("SW5maW5pdHk=", f64::INFINITY),
            ("====", 0.0),
        ] {
            assert_eq!(page(cursor), expected, "{cursor}");
        }
        assert!(page("zz").is_nan());
        assert!(page("TmFO").is_nan());
        let asked = Asked::parse(Some("pageCursor=MQ==&pageLimit=3")).unwrap();
        assert_eq!((asked.request().offset, asked.request().limit), (3, 4));
        assert_eq!(asked.rank(0), 4);
        assert_eq!(asked.cursor(1.0), "Mg==");
        assert_eq!(asked.cursor(-1.0), "MA==");
        assert_eq!(Asked::parse(Some("pageCursor=zz")).unwrap().rank(0), Value::Null);
        assert_eq!(Asked::parse(Some("pageLimit=0")).unwrap().page_size, 25);
    }

    #[test]
    fn parameters_are_refused_in_backstages_words() {
        let too_large = "Invalid query string: [\n  {\n    \"code\": \"custom\",\n    \
                         \"message\": \"The page limit \\\"1000\\\" is greater than \\\"100\\\"\",\n    \
                         \"path\": [\n      \"pageLimit\"\n    ]\n  }\n]";
        assert_eq!(error("term=service&pageLimit=1000"), too_large);
        assert_eq!(error("pageLimit=x"), "request/query/pageLimit must be integer");
        assert_eq!(error("pageLimit=-1"), "request/query/pageLimit must be >= 0");
        assert_eq!(error("term=a&term=b"), "request/query/term must be string");
        assert_eq!(error("filters=a"), "request/query/filters must be object");
        assert_eq!(error("types[a]=b"), "request/query/types must be array");
        assert!(error("types=nope").contains("\"types\",\n      0"));
        assert!(
            error(&format!("term={}", "x".repeat(101))).contains("The term length \\\"101\\\"")
        );
        assert!(Asked::parse(Some("types=software-catalog&term=&other=1")).is_ok());
    }
}
