//! Listing the repositories of an owner, whole or not at all.

use crate::answer::{Connection, Repository};
use crate::forge::Forge;
use asking::Failure;
use asking::github::Data;
use asking::github::Owner;
use connector::shown;

/// Pages of one list. An owner with more has a million repositories.
const PAGES_MAX: u32 = 10_000;

/// How far a page was read.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    after: Option<String>,
    total: Option<u64>,
    seen: u64,
    pages: u32,
    /// Whether something of it was not shown, or it changed while it was read.
    is_broken: bool,
    /// Scopes of the token, where GitHub tells them.
    pub(crate) scopes: Option<String>,
    is_done: bool,
}

impl Pages {
    /// Whether all there is was listed.
    pub(crate) fn are_whole(&self) -> bool {
        self.is_done && !self.is_broken && self.total == Some(self.seen)
    }

    /// How many repositories there are.
    pub(crate) const fn count(&self) -> u64 {
        self.seen
    }

    /// The next page, until there is none.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) async fn next(
        &mut self,
        forge: &Forge,
        owner: &Owner,
        with_topics: bool,
    ) -> Result<Option<Vec<Repository>>, Failure> {
        if self.is_done {
            return Ok(None);
        }
        let login = &owner.login;
        let listed = forge.list(owner, self.after.as_deref(), with_topics).await?;
        let Data { data, errors, scopes } = listed;
        self.scopes = scopes;
        let first = errors.first();
        let repositories = data.repository_owner.and_then(|owner| owner.repositories);
        let Some(Connection { total_count, page_info, nodes }) = repositories else {
            let said = first.map(|error| format!(": {}", shown(&error.message)));
            let why = format!(
                "the repositories of {login} may not be seen, or there is no such owner{}",
                said.unwrap_or_default()
            );
            return Err(Failure::Refused { why });
        };
        self.is_broken |= first.is_some() || self.total.is_some() && self.total != total_count;
        self.total = total_count;
        self.seen += nodes.len() as u64;
        self.pages += 1;
        // What may not be seen is null, and there all the same.
        self.is_broken |= nodes.iter().any(Option::is_none);
        let is_stuck = page_info.end_cursor.is_none()
            || page_info.end_cursor == self.after
            || self.pages >= PAGES_MAX;
        self.is_broken |= page_info.has_next_page && is_stuck;
        self.is_done = !page_info.has_next_page || is_stuck;
        self.after = page_info.end_cursor;
        Ok(Some(nodes.into_iter().flatten().collect()))
    }
}
