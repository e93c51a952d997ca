//! `fullTextFilter`: entities with a value that holds a term.

use model::index::lower;
use serde::{Deserialize, Serialize};
use views::{Condition, Filter, Like, Sort};

use crate::ApiError;

/// Where a term is looked for, unless told otherwise, in a list without an order.
const FIELD: &str = "metadata.uid";

/// In how many fields a term is looked for at the most. All values of each are looked at.
const FIELDS_MAX: usize = 20;

/// How many letters a term has at the most: no value that is kept is longer.
const TERM_LETTERS_MAX: usize = 400;

/// A term, and the fields in which it is looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Text {
    term: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fields: Option<Vec<String>>,
}

impl Text {
    /// A filter, unless the term is empty.
    pub(crate) fn new(term: &str, fields: Option<Vec<String>>) -> Result<Option<Self>, ApiError> {
        Self { term: lower(term.trim()), fields }.checked()
    }

    /// The same, if it keeps to the limits.
    pub(crate) fn checked(self) -> Result<Option<Self>, ApiError> {
        if self.fields.as_ref().is_some_and(|fields| fields.len() > FIELDS_MAX) {
            let message = format!("a term is looked for in at most {FIELDS_MAX} fields");
            return Err(ApiError::input(message));
        }
        if self.term.chars().count() > TERM_LETTERS_MAX {
            let message = format!("a term has at most {TERM_LETTERS_MAX} letters");
            return Err(ApiError::input(message));
        }
        Ok((!self.term.is_empty()).then_some(self))
    }

    /// The filter that it is. Without fields, those of the order are looked at.
    pub(crate) fn filter(&self, sort: Option<&Sort>) -> Filter {
        let fields = self.fields(sort);
        let like = self.like();
        let fields = fields.iter().map(|field| Filter::Field {
            path: lower(field),
            condition: Condition::Like(like.clone()),
        });
        Filter::Any(fields.collect())
    }

    /// What the rows of an ordered list have to hold, where they are ordered by what is looked at:
    /// of an entity with several values there, only those are listed that do.
    pub(crate) fn rows(&self, sort: Option<&Sort>) -> Option<Like> {
        let sort = sort?;
        matches!(&*self.fields(Some(sort)), [one] if *one == sort.path).then(|| self.like())
    }

    fn fields(&self, sort: Option<&Sort>) -> Vec<String> {
        let other = || {
            let path = sort.map(|sort| sort.path.as_str()).filter(|path| !path.is_empty());
            vec![path.unwrap_or(FIELD).to_owned()]
        };
        self.fields.clone().unwrap_or_else(other)
    }

    fn like(&self) -> Like {
        Like::containing(&self.term)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_is_looked_for_in_its_fields_or_in_those_of_the_order() {
        let sort = Sort { path: "metadata.name".into(), descending: false };
        let field = |path: &str| Filter::Field {
            path: path.into(),
            condition: Condition::Like(Like::containing("pay")),
        };
        let of = |fields: Option<&[&str]>| {
            let fields = fields.map(|fields| fields.iter().map(ToString::to_string).collect());
            Text::new(" PAY ", fields).unwrap().unwrap()
        };
        assert_eq!(Text::new(" ", None), Ok(None));
        assert!(Text::new("x", Some(vec!["a".into(); 21])).is_err());
        assert!(Text::new(&"x".repeat(401), None).is_err());
        assert_eq!(of(None).filter(None), Filter::Any(vec![field("metadata.uid")]));
        assert_eq!(of(None).filter(Some(&sort)), Filter::Any(vec![field("metadata.name")]));
        let both = of(Some(&["Metadata.Name", "x"]));
        assert_eq!(both.filter(None), Filter::Any(vec![field("metadata.name"), field("x")]));
        assert_eq!(of(Some(&[])).filter(None), Filter::Any(vec![]));
        assert!(of(None).rows(Some(&sort)).is_some());
        assert!(of(Some(&["metadata.name"])).rows(Some(&sort)).is_some());
        assert!(both.rows(Some(&sort)).is_none());
        assert!(of(None).rows(None).is_none());
    }
}
