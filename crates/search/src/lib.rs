//! Full text search over the views: a Tantivy index, fed from what the views say has changed.
//!
//! [`Search`] answers, and can be cloned and asked from anywhere; [`Feed`] is the one thread that
//! writes the index. Which entities a term finds, and how they are shown, is what Backstage's
//! search backend answers over PostgreSQL: words are cut, stemmed and looked for by their
//! beginnings as PostgreSQL's `english` does (`text`). Where that finds nothing, tags, labels and
//! API definitions are looked through, too, and then words that differ by a letter or two. What
//! comes first is our own: exact names, then words of names, then all else.
//!
//! What is absent: the log, folding, and HTTP. The index is a cache. It is thrown away and built
//! anew from the views when it is damaged, and never read for anything but searching.
//!
//! Invariant: an index answers for the position that it says, and for nothing before it.
//! Invariant: while an index is built anew, the one before goes on answering, if it can be read.
//! Invariant: no term can make a search panic, or take longer than the index is large.

mod active;
mod backup;
mod document;
mod error;
mod feed;
mod folder;
mod query;
mod schema;
mod text;

pub use active::{Search, State};
pub use backup::back_up;
pub use error::Error;
pub use feed::{Busy, Feed, Follow};
pub use query::{Answer, Filter, Highlight, Hit, POST_TAG, PRE_TAG, Request};

/// The one type of documents that there is, as Backstage calls it.
pub const TYPE: &str = "software-catalog";

#[cfg(test)]
mod tests;
