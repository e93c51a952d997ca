//! Query parameters, checked as the OpenAPI document of Backstage's catalog has them checked.

use std::collections::BTreeMap;

use crate::ApiError;

/// The longest query string that is read, in bytes.
const QUERY_BYTES_MAX: usize = 64 * 1024;

/// The parameters of a request.
#[derive(Debug, Default)]
pub(crate) struct Params {
    values: BTreeMap<String, Vec<String>>,
}

impl Params {
    /// Reads a query string, in which only these parameters may stand, each with a value.
    pub(crate) fn parse(query: Option<&str>, known: &[&str]) -> Result<Self, ApiError> {
        let query = query.unwrap_or_default();
        if query.len() > QUERY_BYTES_MAX {
            let message = format!("the query string is longer than {QUERY_BYTES_MAX} bytes");
            return Err(ApiError::input(message));
        }
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if !known.contains(&&*name) {
                let nearest = model::nearest::nearest(&name, known.iter().copied());
                let hint = nearest.map(|near| format!(", did you mean '{near}'?"));
                let hint = hint.unwrap_or_default();
                return Err(ApiError::input(format!("Unknown query parameter '{name}'{hint}")));
            }
            if value.is_empty() {
                let message = format!("Empty value found for query parameter '{name}'");
                return Err(ApiError::input(message));
            }
            values.entry(name.into_owned()).or_default().push(value.into_owned());
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
        let number: i64 = text.parse().map_err(|_| whole())?;
        usize::try_from(number)
            .map(Some)
            .map_err(|_| ApiError::input(format!("request/query/{name} must be >= 0")))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_checked_as_backstage_checks_them() {
        let known = &["limit", "filter"];
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
    }
}
