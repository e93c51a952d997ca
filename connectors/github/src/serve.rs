//! Reading at once what deliveries say has changed.

use std::collections::BTreeSet;

use connector::EmitError;
use event::vocabulary::ScopeName;

use crate::map::changes::Change;
use crate::place::repository_scope;
use crate::receiver::Request;
use crate::retire::Retiring;
use crate::run::Runner;

/// Changes that are looked at together.
const TOGETHER_MAX: usize = 64;

impl Runner {
    /// Looks at what was delivered, or asked for, meanwhile.
    pub(crate) async fn serve_waiting(&mut self) -> Result<(), EmitError> {
        self.refresh_waiting().await?;
        while let Ok(request) = self.changes.try_recv() {
            self.serve(request).await?;
        }
        Ok(())
    }

    /// Looks at what was delivered, with whatever else waits.
    pub(crate) async fn serve(&mut self, first: Request) -> Result<(), EmitError> {
        let mut requests = vec![first];
        while requests.len() < TOGETHER_MAX
            && let Ok(request) = self.changes.try_recv()
        {
            requests.push(request);
        }
        let mut names: BTreeSet<(String, String)> = BTreeSet::new();
        let mut organizations: BTreeSet<String> = BTreeSet::new();
        let mut told_gone: BTreeSet<ScopeName> = BTreeSet::new();
        for Request { change, touches, .. } in &requests {
            match change {
                Change::Repository { owner, name, .. } => {
                    let named = (owner.to_ascii_lowercase(), name.to_ascii_lowercase());
                    if self.concerns(&named, *touches) {
                        names.insert(named);
                    }
                }
                Change::Gone { owner, name, why } => {
                    tracing::debug!(owner, name, why, "a repository is said to be gone");
                    let scope = repository_scope(&self.source, owner, name);
                    if let Some(scope) = scope.filter(|scope| self.scopes.contains(scope)) {
                        // It is asked for: another one may have its name by now.
                        names.insert((owner.to_ascii_lowercase(), name.to_ascii_lowercase()));
                        told_gone.insert(scope);
                    }
                }
                Change::Teams { organization } => {
                    let owner = self.config.owner(organization).filter(|of| of.is_organization);
                    organizations
                        .extend(owner.filter(|_| self.config.teams).map(|of| of.login.clone()));
                }
                Change::Everything => self.hurries = true,
            }
        }
        let missing = self.read_named(names.into_iter().collect()).await?;
        let gone = missing.into_iter().filter(|scope| told_gone.contains(scope));
        let gone = gone.map(Retiring::gone).collect();
        let mut troubles = Vec::new();
        let why = "it was said that the repository is there no more";
        self.retire_scopes(gone, why, &mut troubles).await?;
        for organization in organizations {
            troubles.extend(self.read_teams_of(&organization).await?);
        }
        troubles.iter().for_each(|why| self.stumbles(why));
        // Only now whoever delivered it is answered.
        drop(requests);
        Ok(())
    }

    /// Whether a change of a repository may change what its scope shows.
    fn concerns(&self, named: &(String, String), touches: bool) -> bool {
        let is_wanted = self.wanted.contains_key(named);
        let scope = repository_scope(&self.source, &named.0, &named.1);
        // What its files name besides is not kept in mind: whatever is touched may be that.
        let is_shown = scope.is_some_and(|scope| self.scopes.contains(&scope));
        is_wanted || self.config.owner(&named.0).is_some() && (is_shown || touches)
    }
}
