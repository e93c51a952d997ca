//! Queries over the whole catalog: filters, order, counts and facets.
//!
//! The rules are those of Backstage's catalog: keys and values are compared in lower case; a field
//! is where its value stands (`spec.type`), an item of an array of texts also makes
//! `path.item=true`, and relations are found as `relations.<type>=<reference>`.

mod above;
mod evaluate;
mod facets;
mod like;
mod ordered;
mod page;
mod values;

pub use facets::Facet;
pub use like::Like;
pub use page::{Page, Query, Row, Sort, Start};

/// What entities are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Those that every one lets pass; all, if there is none.
    All(Vec<Filter>),
    /// Those that any one lets pass; none, if there is none.
    Any(Vec<Filter>),
    /// Those that it does not let pass.
    Not(Box<Filter>),
    /// Those whose field is so.
    Field {
        /// Where the value stands, in lower case.
        path: String,
        /// How it has to be.
        condition: Condition,
    },
}

/// How a field has to be. Values are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It is there.
    Exists,
    /// It has one of these values.
    In(Vec<String>),
    /// It has a value that begins so.
    Prefix(String),
    /// It has a value that holds this.
    Like(Like),
}
