//! Looking at everything: lists, reads what changed, retires what is gone.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use connector::EmitError;
use event::vocabulary::ScopeName;
use tokio::time::Instant;

use crate::answer::Repository;
use crate::batch::{Queue, Waiting};
use crate::forge::Forge;
use crate::listing::Pages;
use crate::memory::{Key, mark, order};
use crate::organization::{self, Unread};
use crate::place::{owner_prefix, repository_scope, teams_scope};
use crate::read::Named;
use crate::retire::Retiring;
use crate::run::Runner;
use crate::show::goes_on;
use asking::github::Owner;
use asking::now_s;

/// How often the cursor is said while much is read.
const CURSOR_EVERY: Duration = Duration::from_secs(10);

/// How often a list that changed while it was read is read again at once.
const LISTED_AGAIN: u32 = 2;

/// A repository that is listed and read.
struct Listed {
    key: Key,
    mark: u64,
    id: Box<str>,
    /// Owner and name, in lower case.
    named: (String, String),
    group: String,
}

/// What a look at everything found so far.
#[derive(Default)]
pub(crate) struct Seen {
    listed: Vec<Listed>,
    pub(crate) scopes: BTreeSet<ScopeName>,
    /// What the names of scopes begin with that may be retired: of their owners all is listed.
    pub(crate) whole: Vec<String>,
    /// What was read and shows nothing any more.
    pub(crate) retiring: Vec<Retiring>,
    pub(crate) troubles: Vec<String>,
}

impl Runner {
    /// Looks at everything. Says what went wrong.
    pub(crate) async fn scan(&mut self) -> Result<Vec<String>, EmitError> {
        let mut seen = Seen::default();
        self.shown.clear();
        for owner in self.config.owners.clone() {
            self.list(&owner, &mut seen).await?;
        }
        let marks: Vec<(Key, u64)> = seen.listed.iter().map(|of| (of.key, of.mark)).collect();
        let changed = self.memory.changed(&marks);
        let listed = std::mem::take(&mut seen.listed);
        let names: BTreeSet<_> = listed.iter().map(|listed| listed.named.clone()).collect();
        let mut jobs: Vec<Listed> =
            listed.into_iter().filter(|listed| changed.contains(&listed.key)).collect();
        jobs.sort_by(|a, b| (&a.group, order(a.key)).cmp(&(&b.group, order(b.key))));
        let jobs = jobs.into_iter().map(|Listed { id, named, group, .. }| Waiting {
            named,
            by: Named::Id(id.into()),
            group,
        });
        self.read_all(Queue::new(jobs), &marks, &mut seen).await?;
        // What is wanted of repositories that are not among those.
        let others = self.wanted.keys().filter(|key| !names.contains(*key)).cloned();
        let others: Vec<(String, String)> = others.collect();
        for (owner, name) in &others {
            seen.scopes.extend(repository_scope(&self.source, owner, name));
        }
        self.read_named(others).await?;
        if self.config.teams {
            self.read_teams(&mut seen).await?;
        }
        self.retire(&mut seen).await?;
        self.reached(&marks, &seen).await?;
        Ok(seen.troubles)
    }

    /// Lists an owner's repositories.
    async fn list(&mut self, owner: &Owner, seen: &mut Seen) -> Result<(), EmitError> {
        let with_topics = self.config.filter.asks_topics();
        let forge = self.forge(&owner.login);
        let before = seen.listed.len();
        for again in 0..=LISTED_AGAIN {
            seen.listed.truncate(before);
            let mut pages = Pages::default();
            loop {
                match pages.next(&forge, owner, with_topics).await {
                    Ok(None) => break,
                    Ok(Some(page)) => page.into_iter().for_each(|of| self.listed(of, owner, seen)),
                    Err(failure) => {
                        seen.troubles.push(failure.to_string());
                        return Ok(());
                    }
                }
                self.serve_waiting().await?;
            }
            if pages.are_whole() {
                match self.lost(owner, &pages) {
                    Some(why) => seen.troubles.push(why),
                    None => seen.whole.push(owner_prefix(&self.source, &owner.login)),
                }
                return Ok(());
            }
            let (owner, again) = (&owner.login, again + 1);
            tracing::debug!(owner, again, "a list of repositories changed while it was read");
        }
        let login = &owner.login;
        seen.troubles.push(format!("of the repositories of {login} some may not be seen now"));
        Ok(())
    }

    fn listed(&self, repository: Repository, owner: &Owner, seen: &mut Seen) {
        if self.config.filter.leaves_out(&repository).is_some() {
            return;
        }
        let login = &owner.login;
        let Some(scope) = repository_scope(&self.source, login, &repository.name) else { return };
        let refresh = self.refreshed.get(&scope).copied();
        seen.scopes.insert(scope);
        let named = (login.to_ascii_lowercase(), repository.name.to_ascii_lowercase());
        let targets = self.wanted.get(&named).map_or(&[][..], Vec::as_slice);
        let wanted = (targets, refresh);
        let (key, mark) = mark(&self.config, &repository, wanted, now_s());
        let (id, group) = (repository.id.into_boxed_str(), self.group(login));
        seen.listed.push(Listed { key, mark, id, named, group });
    }

    /// Whether a whole list may come from a right that was lost rather than from repositories that
    /// are gone.
    fn lost(&mut self, owner: &Owner, pages: &Pages) -> Option<String> {
        let login = &owner.login;
        let prefix = owner_prefix(&self.source, login);
        let teams = teams_scope(&self.source, login);
        let known = self.scopes.iter().filter(|scope| scope.as_str().starts_with(&prefix));
        let known = known.filter(|scope| Some(*scope) != teams.as_ref()).count();
        if pages.count() == 0 && known > 0 {
            let who = self.config.host.who();
            return Some(format!(
                "{who} lists no repository of {login} any more, of which {known} were known; the \
                 credentials may have lost a right, and nothing is withdrawn"
            ));
        }
        // A classic token without `repo` sees what is public, as if there were nothing else.
        let has = pages.scopes.as_deref().map(|scopes| scopes.split(", ").any(|of| of == "repo"));
        let is_public = self.config.filter.visibility.iter().eq(["public"]);
        let lost = has == Some(false) && self.memory.saw_private && !is_public;
        if has == Some(true) {
            self.memory.saw_private = true;
        }
        lost.then(|| {
            "the token has lost its scope `repo`, and nothing is withdrawn; if that is meant so, \
             `filters: {visibility: [public]}` says it"
                .to_owned()
        })
    }

    /// Reads what changed, many repositories at a time.
    async fn read_all(
        &mut self,
        mut queue: Queue,
        marks: &[(Key, u64)],
        seen: &mut Seen,
    ) -> Result<(), EmitError> {
        let mut said = Instant::now();
        while let Some(group) = queue.group().map(str::to_owned) {
            self.serve_waiting().await?;
            match self.read_next(&mut queue).await? {
                Err(failure) => {
                    seen.troubles.push(failure.to_string());
                    queue.skip(&group);
                }
                Ok(shown) => {
                    seen.troubles.extend(shown.troubles);
                    seen.retiring.extend(shown.retiring);
                }
            }
            if said.elapsed() >= CURSOR_EVERY {
                self.reached(marks, seen).await?;
                said = Instant::now();
            }
        }
        Ok(())
    }

    /// Says how far it was read, if that is news.
    async fn reached(&mut self, marks: &[(Key, u64)], seen: &Seen) -> Result<(), EmitError> {
        if seen.whole.len() < self.config.owners.len() {
            // Of a part of the repositories it can't be told.
            return Ok(());
        }
        let cursor = Some(self.memory.cursor(marks));
        if self.cursor != cursor {
            self.emitter.cursor(cursor.clone().unwrap_or_default()).await?;
            self.cursor = cursor;
        }
        Ok(())
    }

    pub(crate) fn organizations(&self) -> impl Iterator<Item = String> {
        let owners = self.config.owners.iter().filter(|owner| owner.is_organization);
        owners.map(|owner| owner.login.clone())
    }

    async fn read_teams(&mut self, seen: &mut Seen) -> Result<(), EmitError> {
        for organization in self.organizations().collect::<Vec<_>>() {
            self.serve_waiting().await?;
            seen.troubles.extend(self.read_teams_of(&organization).await?);
        }
        Ok(())
    }

    /// Reads the teams and people of an organization. Says what went wrong.
    pub(crate) async fn read_teams_of(
        &mut self,
        organization: &str,
    ) -> Result<Option<String>, EmitError> {
        let Some(scope) = teams_scope(&self.source, organization) else { return Ok(None) };
        let forge = self.forge(organization);
        // Of a Gitea none are configured.
        let Forge::GitHub(client) = &*forge else { return Ok(None) };
        let (config, emitter) = (Arc::clone(&self.config), &self.emitter);
        match organization::read(&config, client, emitter, scope.clone(), organization).await {
            Ok(_) => {
                self.scopes.insert(scope);
                Ok(None)
            }
            Err(Unread::GitHub(failure)) => Ok(Some(failure.to_string())),
            Err(Unread::Emit(error)) => goes_on(error).map(Some),
        }
    }
}
