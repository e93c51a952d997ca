//! What the parameters of queries say: the grammar of `filter=`, of predicates, of `fields=` and of
//! cursors, apart from the requests in which they stand.
//!
//! Invariant: any text is read or refused, in time that its length bounds.

pub use crate::catalog::cursor::Cursor;
pub use crate::catalog::fields::Fields;
pub use crate::catalog::filter::parse as parse_filters;
pub use crate::catalog::predicate::Predicate;
pub use crate::search_routes::check_parameters as check_search;
