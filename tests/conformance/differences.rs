//! The requests whose answers differ from the recorded ones, each with why: none does.
//!
//! Not listed, since only its first answer is compared: `orderField=x` without a direction, whose
//! next cursor Backstage refuses. Here the cursor leads to the next page.

/// Id of the request, and why its answer differs.
pub(crate) const ALL: &[(&str, &str)] = &[];

/// The same for searches.
pub(crate) const SEARCH: &[(&str, &str)] = &[];
