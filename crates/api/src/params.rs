//! Parameters of requests, checked as the OpenAPI document of Backstage's catalog has them checked.

use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::{Api, ApiError};

/// The longest query string that is read, in bytes. The longest URL that comes here at all has 65534.
const QUERY_BYTES_MAX: usize = 60 * 1024;

/// A parameter that a request may have: how it is read, and what the OpenAPI document says of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Param {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    pub(crate) is_required: bool,
    /// A value that it may have.
    pub(crate) example: &'static str,
    pub(crate) about: &'static str,
}

/// What the values of a parameter are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// A text.
    Text,
    /// Texts; the parameter is given several times.
    Texts,
    /// Texts between commas.
    List,
    /// A number from 0 on.
    Number,
    /// Yes or no.
    Flag,
    /// One of these texts.
    OneOf(&'static [&'static str]),
}

impl Param {
    pub(crate) const fn new(name: &'static str, form: Form, about: &'static str) -> Self {
        Self { name, form, is_required: false, example: "", about }
    }

    pub(crate) const fn like(self, example: &'static str) -> Self {
        Self { example, ..self }
    }

    pub(crate) const fn required(self) -> Self {
        Self { is_required: true, ..self }
    }
}

/// What stands in a path; what can't be read there is an error as all others are.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Api> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = axum::extract::Path::from_request_parts(parts, api).await;
        path.map(|path| Self(path.0)).map_err(|error| ApiError::input(error.body_text()))
    }
}

/// The parameters of a request.
#[derive(Debug, Default)]
pub(crate) struct Params {
    values: BTreeMap<String, Vec<String>>,
}

impl Params {
    /// Reads a query string, in which only these parameters may stand, each with a value.
    pub(crate) fn parse(query: Option<&str>, known: &[Param]) -> Result<Self, ApiError> {
        let query = query.unwrap_or_default();
        if query.len() > QUERY_BYTES_MAX {
            let message = format!("the query string is longer than {QUERY_BYTES_MAX} bytes");
            return Err(ApiError::input(message));
        }
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let name = without_index(&name);
            if name.is_empty() {
                continue;
            }
            if known.iter().all(|known| known.name != name) {
                let nearest = model::nearest::nearest(name, known.iter().map(|known| known.name));
                let hint = nearest.map(|near| format!(", did you mean '{near}'?"));
                let hint = hint.unwrap_or_default();
                return Err(ApiError::input(format!("Unknown query parameter '{name}'{hint}")));
            }
            values.entry(name.to_owned()).or_default().push(value.into_owned());
        }
        // Among several values, one may be empty.
        if let Some((name, _)) =
            values.iter().find(|(_, all)| matches!(&***all, [one] if one.is_empty()))
        {
            let message = format!("Empty value found for query parameter '{name}'");
            return Err(ApiError::input(message));
        }
        Ok(Self { values })
    }

    /// All values of a parameter.
    pub(crate) fn all(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// The one value of a parameter.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, ApiError> {
        match self.all(name) {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            _ => Err(ApiError::input(format!("request/query/{name} must be string"))),
        }
    }

    /// A parameter that is a number from 0 on.
    pub(crate) fn number(&self, name: &str) -> Result<Option<usize>, ApiError> {
        let whole = || ApiError::input(format!("request/query/{name} must be integer"));
        let text = match self.all(name) {
            [] => return Ok(None),
            [one] => one,
            _ => return Err(whole()),
        };
        let number = whole_number(text).ok_or_else(whole)?;
        if number < 0.0 {
            return Err(ApiError::input(format!("request/query/{name} must be >= 0")));
        }
        // Beyond the largest there is the largest does as well.
        Ok(Some(number as usize))
    }

    /// A parameter that is yes or no.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.one(name)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(ApiError::input(format!("request/query/{name} must be boolean"))),
        }
    }
}

/// Some clients write lists as `filter[]=…` or `filter[0]=…`.
fn without_index(name: &str) -> &str {
    let Some((bare, index)) = name.strip_suffix(']').and_then(|name| name.split_once('[')) else {
        return name;
    };
    if index.bytes().all(|b| b.is_ascii_digit()) { bare } else { name }
}

/// A whole number, as JavaScript's `Number` reads one.
fn whole_number(text: &str) -> Option<f64> {
    let text = text.trim();
    let number = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok().map(f64::from)?,
        None => text.parse().ok()?,
    };
    (number.is_finite() && number.fract() == 0.0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_checked_as_backstage_checks_them() {
        let known = &[Param::new("limit", Form::Number, ""), Param::new("filter", Form::Texts, "")];
        for (query, expected) in [
            ("bogus=1", "Unknown query parameter 'bogus'"),
            ("filte=1", "Unknown query parameter 'filte', did you mean 'filter'?"),
            ("filter=", "Empty value found for query parameter 'filter'"),
        ] {
            let error = Params::parse(Some(query), known).unwrap_err();
            assert_eq!(error, ApiError::input(expected));
        }
        for (query, expected) in [
            ("limit=x", "request/query/limit must be integer"),
            ("limit=1.5", "request/query/limit must be integer"),
            ("limit=1&limit=2", "request/query/limit must be integer"),
            ("limit=-1", "request/query/limit must be >= 0"),
        ] {
            let params = Params::parse(Some(query), known).unwrap();
            assert_eq!(params.number("limit"), Err(ApiError::input(expected)), "{query}");
        }
        let params = Params::parse(Some("limit=0&filter=a%3Db&filter=c"), known).unwrap();
        assert_eq!(params.number("limit"), Ok(Some(0)));
        assert_eq!(params.all("filter"), ["a=b", "c"]);
        let params = Params::parse(Some("filter[]=a&filter[1]=b&=x&limit=+1e2"), known).unwrap();
        assert_eq!(params.all("filter"), ["a", "b"]);
        assert_eq!(params.number("limit"), Ok(Some(100)));
        assert!(Params::parse(Some("filter[a]=b"), known).is_err());
        let params = Params::parse(Some("filter=&filter=a"), known).unwrap();
        assert_eq!(params.all("filter"), ["", "a"]);
        for (text, expected) in [
            ("007", Some(7.0)),
            ("0x10", Some(16.0)),
            ("5.0", Some(5.0)),
            ("-1", Some(-1.0)),
            ("1e99", Some(1e99)),
            ("inf", None),
            ("NaN", None),
            ("", None),
            ("0x", None),
        ] {
            assert_eq!(whole_number(text), expected, "{text}");
        }
    }
}
