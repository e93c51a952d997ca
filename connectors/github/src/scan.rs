//! Looking at everything: lists, reads what changed, retires what is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use connector::{EmitError, Target};
use event::vocabulary::ScopeName;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::answer::Repository;
use crate::forge::Forge;
use crate::listing::Pages;
use crate::memory::{Key, mark, order};
use crate::organization::{self, Unread};
use crate::place::{owner_prefix, repository_scope, teams_scope};
use crate::read::{Job, Named, Read, TOGETHER_MAX, read};
use crate::run::Runner;
use crate::show::{goes_on, show};
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
struct Seen {
    listed: Vec<Listed>,
    scopes: BTreeSet<ScopeName>,
    /// What the names of scopes begin with that may be retired: of their owners all is listed.
    whole: Vec<String>,
    troubles: Vec<String>,
}

/// What came of emitting.
#[derive(Default)]
struct Shown {
    troubles: Vec<String>,
    /// What is not there, or not to be seen.
    missing: Vec<ScopeName>,
}

impl Runner {
    /// Looks at everything. Says what went wrong.
    pub(crate) async fn scan(&mut self) -> Result<Vec<String>, EmitError> {
        let mut seen = Seen::default();
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
        self.read_all(jobs, &marks, &mut seen).await?;
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
        seen.scopes.insert(scope);
        let named = (login.to_ascii_lowercase(), repository.name.to_ascii_lowercase());
        let targets = self.wanted.get(&named).map_or(&[][..], Vec::as_slice);
        let (key, mark) = mark(&self.config, &repository, targets, now_s());
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
        jobs: Vec<Listed>,
        marks: &[(Key, u64)],
        seen: &mut Seen,
    ) -> Result<(), EmitError> {
        let mut said = Instant::now();
        let mut refused: BTreeSet<String> = BTreeSet::new();
        let mut jobs = jobs.into_iter().peekable();
        while let Some(first) = jobs.next() {
            let group = first.group.clone();
            let mut batch = vec![first];
            while batch.len() < TOGETHER_MAX
                && let Some(next) = jobs.next_if(|next| next.group == group)
            {
                batch.push(next);
            }
            if refused.contains(&group) {
                continue;
            }
            self.serve_waiting().await?;
            let forge = self.forge(&batch[0].named.0);
            let asks = batch.iter().map(|listed| Job {
                named: Named::Id(listed.id.to_string()),
                targets: self.targets_of(&listed.named),
            });
            match read(&self.config, &forge, asks.collect()).await {
                Err(failure) => {
                    seen.troubles.push(failure.to_string());
                    refused.insert(group);
                }
                Ok(reads) => {
                    let reads = batch.into_iter().map(|of| of.named).zip(reads);
                    seen.troubles.extend(self.show_all(reads.collect()).await?.troubles);
                }
            }
            if said.elapsed() >= CURSOR_EVERY {
                self.reached(marks, seen).await?;
                said = Instant::now();
            }
        }
        Ok(())
    }

    fn targets_of(&self, named: &(String, String)) -> Vec<Target> {
        self.wanted.get(named).cloned().unwrap_or_default()
    }

    /// Reads repositories by their names: those that deliveries and Location entities name. Gives
    /// the scopes of those that are not there, or not to be seen.
    pub(crate) async fn read_named(
        &mut self,
        names: Vec<(String, String)>,
    ) -> Result<Vec<ScopeName>, EmitError> {
        let mut missing = Vec::new();
        let mut groups: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for named in names {
            groups.entry(self.group(&named.0)).or_default().push(named);
        }
        for names in groups.into_values() {
            for names in names.chunks(TOGETHER_MAX) {
                let forge = self.forge(&names[0].0);
                let asks = names.iter().map(|(owner, name)| Job {
                    named: Named::Name { owner: owner.clone(), name: name.clone() },
                    targets: self.targets_of(&(owner.clone(), name.clone())),
                });
                match read(&self.config, &forge, asks.collect()).await {
                    Err(failure) => self.stumbles(&failure.to_string()),
                    Ok(reads) => {
                        let reads = names.iter().cloned().zip(reads).collect();
                        let shown = self.show_all(reads).await?;
                        for why in shown.troubles {
                            self.stumbles(&why);
                        }
                        missing.extend(shown.missing);
                    }
                }
            }
        }
        Ok(missing)
    }

    /// What was to be read at once could not be: it is looked at with everything else.
    pub(crate) fn stumbles(&self, why: &str) {
        tracing::warn!(source = self.source, why, "a change could not be read");
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

    /// Retires what whole lists do not name any more, and what is configured no more.
    async fn retire(&mut self, seen: &mut Seen) -> Result<(), EmitError> {
        let owners: Vec<String> =
            self.config.owners.iter().map(|of| owner_prefix(&self.source, &of.login)).collect();
        let teams: BTreeSet<ScopeName> = match self.config.teams {
            true => self.organizations().filter_map(|of| teams_scope(&self.source, &of)).collect(),
            false => BTreeSet::new(),
        };
        let begins = |scope: &ScopeName, prefixes: &[String]| {
            prefixes.iter().any(|prefix| scope.as_str().starts_with(prefix.as_str()))
        };
        let gone = self.scopes.iter().filter(|scope| {
            let is_known = seen.scopes.contains(*scope) || teams.contains(*scope);
            !is_known && (begins(scope, &seen.whole) || !begins(scope, &owners))
        });
        let gone: Vec<(ScopeName, Option<Key>)> = gone.map(|scope| (scope.clone(), None)).collect();
        let why = "it is gone, or not among what is configured any more";
        self.retire_scopes(gone, why, &mut seen.troubles).await
    }

    fn organizations(&self) -> impl Iterator<Item = String> {
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

    /// Emits what was read. Says what went wrong.
    async fn show_all(&mut self, reads: Vec<((String, String), Read)>) -> Result<Shown, EmitError> {
        let Shown { mut troubles, mut missing } = Shown::default();
        let mut retired = Vec::new();
        let mut shows = JoinSet::new();
        for (named, read) in reads {
            let Some(scope) = repository_scope(&self.source, &named.0, &named.1) else { continue };
            match read {
                Read::Whole { repository, items } => {
                    let (key, mark) =
                        mark(&self.config, &repository, &self.targets_of(&named), now_s());
                    if items.is_empty() {
                        // Nothing is said of a repository that never showed anything.
                        retired.extend(self.scopes.contains(&scope).then_some((scope, Some(key))));
                        self.memory.done(key, mark);
                        continue;
                    }
                    self.scopes.insert(scope.clone());
                    let emitter = self.emitter.clone();
                    shows.spawn(async move { (key, mark, show(emitter, scope, items).await) });
                }
                Read::LeftOut { repository, why } => {
                    tracing::debug!(%scope, why, "a repository is left out");
                    let key = Key::of(&repository.id);
                    retired.extend(self.scopes.contains(&scope).then_some((scope, Some(key))));
                }
                // Whether it is gone, or only not seen, a whole list tells.
                Read::Missing => missing.push(scope),
                Read::Failed(why) => {
                    troubles.push(format!("{}/{}: {why}", named.0, named.1));
                }
            }
        }
        while let Some(shown) = shows.join_next().await {
            match shown {
                // A panic of ours; it is read again with everything else.
                Err(error) => troubles.push(format!("emitting broke off: {error}")),
                Ok((key, mark, Ok(outcome))) if outcome.held.is_none() => {
                    self.memory.done(key, mark);
                }
                // What is held back has to be asked for again until it passes.
                Ok((key, _, Ok(_))) => self.memory.forget(key),
                Ok((key, _, Err(error))) => {
                    self.memory.forget(key);
                    troubles.push(goes_on(error)?);
                }
            }
        }
        let why = "there is no catalog file in it any more, or it is not read any more";
        self.retire_scopes(retired, why, &mut troubles).await?;
        Ok(Shown { troubles, missing })
    }

    pub(crate) async fn retire_scopes(
        &mut self,
        scopes: Vec<(ScopeName, Option<Key>)>,
        why: &str,
        troubles: &mut Vec<String>,
    ) -> Result<(), EmitError> {
        if scopes.is_empty() {
            return Ok(());
        }
        let names: Vec<ScopeName> = scopes.iter().map(|(scope, _)| scope.clone()).collect();
        match self.emitter.retired(names, Some(why.to_owned())).await {
            Ok(outcome) if outcome.held.is_none() => {
                for (scope, _) in &scopes {
                    self.scopes.remove(scope);
                }
            }
            // What is held back, or could not be said, is said again with the next look.
            other => {
                scopes.iter().filter_map(|(_, key)| *key).for_each(|key| self.memory.forget(key));
                if let Err(error) = other {
                    troubles.push(goes_on(error)?);
                }
            }
        }
        Ok(())
    }
}
