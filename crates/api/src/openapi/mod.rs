//! `/openapi.json`: what can be asked, and what is answered.
//!
//! A route is registered together with its description, by [`Routes`] and in no other way, so
//! neither is there without the other. Query parameters are described by the tables that
//! handlers read them with, and answers of Annals' own by the types that are written.

mod document;
mod operation;
mod routes;
pub(crate) mod schemas;

pub(crate) use document::served;
pub(crate) use operation::Operation;
pub(crate) use routes::Routes;

#[cfg(test)]
mod tests;
