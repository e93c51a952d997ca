//! Retiring what is there no more, all of it together, so that the guard sees how much it is.

use std::collections::{BTreeMap, BTreeSet};

use connector::EmitError;
use event::vocabulary::ScopeName;

use crate::memory::Key;
use crate::place::{owner_prefix, repository_of, teams_scope};
use crate::read::{Job, Named, Read, TOGETHER_MAX, read};
use crate::run::Runner;
use crate::scan::Seen;
use crate::show::goes_on;

/// A scope that is to be retired.
pub(crate) struct Retiring {
    pub(crate) scope: ScopeName,
    /// The repository that it showed, where that is known.
    pub(crate) key: Option<Key>,
    /// Its mark, where it was read and shows nothing.
    pub(crate) mark: Option<u64>,
}

impl Retiring {
    pub(crate) fn gone(scope: ScopeName) -> Self {
        Self { scope, key: None, mark: None }
    }
}

impl Runner {
    /// Retires what whole lists do not name any more, what is configured no more, and what was read
    /// and shows nothing.
    pub(crate) async fn retire(&mut self, seen: &mut Seen) -> Result<(), EmitError> {
        let owners: Vec<String> =
            self.config.owners.iter().map(|of| owner_prefix(&self.source, &of.login)).collect();
        let teams: BTreeSet<ScopeName> = match self.config.teams {
            true => self.organizations().filter_map(|of| teams_scope(&self.source, &of)).collect(),
            false => BTreeSet::new(),
        };
        let begins = |scope: &ScopeName, prefixes: &[String]| {
            prefixes.iter().any(|prefix| scope.as_str().starts_with(prefix.as_str()))
        };
        let unknown = self.scopes.iter().filter(|scope| {
            // What was shown since the lists were begun may be newer than they are.
            let is_new = self.shown.contains(*scope);
            !seen.scopes.contains(*scope) && !teams.contains(*scope) && !is_new
        });
        let gone = unknown
            .filter(|scope| begins(scope, &seen.whole) || !begins(scope, &owners))
            .cloned()
            .collect();
        let gone = self.really_gone(gone, seen).await?;
        let mut retiring = std::mem::take(&mut seen.retiring);
        // Since it was read, a delivery may have brought something into it.
        retiring.retain(|of| !self.shown.contains(&of.scope));
        retiring.extend(gone.into_iter().map(Retiring::gone));
        let why = "it is gone, holds no catalog file any more, or is not among what is configured";
        self.retire_scopes(retiring, why, &mut seen.troubles).await
    }

    /// Leaves out repositories that are there although a list does not name them: pages of a list
    /// shift where something goes while they are read. Each is asked for by its name.
    async fn really_gone(
        &mut self,
        scopes: Vec<ScopeName>,
        seen: &mut Seen,
    ) -> Result<Vec<ScopeName>, EmitError> {
        let (mut gone, mut groups) = (Vec::new(), BTreeMap::<String, Vec<_>>::new());
        for scope in scopes {
            let named = repository_of(&self.source, &scope);
            match named.filter(|(owner, _)| self.config.owner(owner).is_some()) {
                Some(named) => groups.entry(self.group(&named.0)).or_default().push((scope, named)),
                None => gone.push(scope),
            }
        }
        for asked in groups.values().flat_map(|group| group.chunks(TOGETHER_MAX)) {
            let Some((_, (owner, _))) = asked.first() else { continue };
            let forge = self.forge(owner);
            let jobs = asked.iter().map(|(_, (owner, name))| Job {
                named: Named::Name { owner: owner.clone(), name: name.clone() },
                targets: Vec::new(),
            });
            let reads = match read(&self.config, &forge, jobs.collect()).await {
                Ok(reads) => reads,
                Err(failure) => {
                    seen.troubles.push(failure.to_string());
                    continue;
                }
            };
            let mut there = Vec::new();
            for ((scope, named), read) in asked.iter().zip(reads) {
                match read {
                    Read::Missing | Read::LeftOut { .. } => gone.push(scope.clone()),
                    read => there.push((named.clone(), read)),
                }
            }
            let shown = self.show_all(there).await?;
            seen.troubles.extend(shown.troubles);
            seen.retiring.extend(shown.retiring);
        }
        Ok(gone)
    }

    /// Retires scopes, all together.
    pub(crate) async fn retire_scopes(
        &mut self,
        retiring: Vec<Retiring>,
        why: &str,
        troubles: &mut Vec<String>,
    ) -> Result<(), EmitError> {
        if retiring.is_empty() {
            return Ok(());
        }
        let names: Vec<ScopeName> = retiring.iter().map(|of| of.scope.clone()).collect();
        match self.emitter.retired(names, Some(why.to_owned())).await {
            Ok(outcome) if outcome.held.is_none() => {
                for Retiring { scope, key, mark } in &retiring {
                    self.scopes.remove(scope);
                    if let (Some(key), Some(mark)) = (key, mark) {
                        self.memory.done(*key, *mark);
                    }
                }
            }
            // What is held back, or could not be said, is said again with the next look.
            other => {
                retiring.iter().filter_map(|of| of.key).for_each(|key| self.memory.forget(key));
                if let Err(error) = other {
                    troubles.push(goes_on(error)?);
                }
            }
        }
        Ok(())
    }
}
