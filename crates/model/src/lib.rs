//! The catalog model of Backstage: what an entity is, when a document describes one, and what it
//! says about others. Annals serves the same model, so that files, clients and front ends that
//! people have work unchanged; where this crate differs, the module says so.
//!
//! | module | what it answers |
//! |---|---|
//! | [`yaml`] | which documents does a file hold? |
//! | [`placeholder`], [`location`] | what is to be read besides, and where? |
//! | [`document`] | what do the fields say, and what is the form to keep? |
//! | [`kinds`] | which kinds are known, the user's included? |
//! | [`validate`] | is the document accepted, and if not, why? |
//! | [`reference`](mod@reference), [`relations`] | whom does it speak of? |
//! | [`index`] | under which terms is it found? |
//! | [`canonical`] | has it changed? |
//! | [`nearest`](mod@nearest) | what may have been meant? |
//!
//! Not here: reading files and URLs, stored formats, status, what other documents say.
//!
//! Invariant: everything is a function of its arguments: no IO, no clock, no randomness, no state.
//! Invariant: no result depends on the order of a hash map, or on a locale.
//! Invariant: no input makes a function panic, hang, or use memory out of proportion to it.

mod annotate;
pub mod canonical;
pub mod document;
pub mod index;
mod js;
pub mod kinds;
pub mod location;
pub mod nearest;
pub mod placeholder;
pub mod reference;
pub mod relations;
mod schema;
pub mod validate;
pub mod yaml;

pub use annotate::{annotate, annotate_source};
pub use canonical::content_hash;
pub use document::{Document, normalize};
pub use index::{Term, TermRef, Terms, terms, visit_terms};
pub use kinds::{CustomKind, Kinds, KindsError};
pub use reference::{EntityRef, RefError};
pub use relations::{Assertion, RelationType, assertions};
pub use schema::{SchemaError, SchemaProblem};
pub use validate::{Refusal, Validator};
