//! The connector at work: looks at everything now and then, and at what is delivered at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use connector::{EmitError, Emitter, Start, Target, Voice};
use event::vocabulary::{ConnectorState, ScopeName};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::config::Config;
use crate::forge::Forge;
use crate::memory::Memory;
use crate::place::{FileUrl, repository_of, teams_scope};
use crate::read::Wanted;
use crate::receiver::{Refreshes, Request, Requests};
use asking::github::{Credentials, Owner};

/// How long after something went wrong everything is looked at again: the first time.
const AGAIN: Duration = Duration::from_secs(30);

/// Keeps a catalog in step with a GitHub, until it is told to stop (`stopping` becomes true, or its
/// sender is dropped) or the catalog takes nothing any more.
pub async fn run(
    config: Config,
    start: Start,
    emitter: Emitter,
    requests: Requests,
    mut stopping: watch::Receiver<bool>,
) {
    let runner = Runner::new(config, start, emitter, requests);
    tokio::select! {
        biased;
        _ = stopping.wait_for(|stop| *stop) => {}
        // The catalog takes nothing any more: it is being stopped.
        _ = runner.run() => {}
    }
}

pub(crate) struct Runner {
    pub(crate) config: Arc<Config>,
    pub(crate) source: String,
    pub(crate) emitter: Emitter,
    pub(crate) voice: Arc<Voice>,
    forges: BTreeMap<String, Arc<Forge>>,
    pub(crate) memory: Memory,
    /// Scopes that the catalog knows.
    pub(crate) scopes: BTreeSet<ScopeName>,
    /// Those that were shown since everything was begun to be looked at last.
    pub(crate) shown: BTreeSet<ScopeName>,
    targets: watch::Receiver<Arc<Vec<Target>>>,
    /// Whether somebody still tells of other targets.
    has_targets: bool,
    /// What Location entities want, by repository.
    pub(crate) wanted: Wanted,
    refreshes: watch::Receiver<Arc<Refreshes>>,
    /// Whether somebody still tells of others.
    has_refreshes: bool,
    /// Scopes that were wanted read again, as that was taken in last.
    pub(crate) refreshed: Arc<Refreshes>,
    pub(crate) changes: mpsc::Receiver<Request>,
    _open: mpsc::Sender<Request>,
    missed: Arc<AtomicBool>,
    /// Whether everything is to be looked at as soon as may be.
    pub(crate) hurries: bool,
    pub(crate) cursor: Option<String>,
}

impl Runner {
    fn new(config: Config, start: Start, emitter: Emitter, mut requests: Requests) -> Self {
        let Start { cursor, scopes, mut targets, observed: _ } = start;
        // What was asked for in an earlier life is a part of the marks.
        let refreshed = Arc::clone(&requests.refreshes.borrow_and_update());
        let wanted = wanted(&config, &targets.borrow_and_update());
        Self {
            source: config.source(),
            voice: Arc::new(Voice::new(emitter.clone())),
            forges: BTreeMap::new(),
            memory: Memory::new(cursor.as_deref()),
            scopes: scopes.into_iter().collect(),
            shown: BTreeSet::new(),
            targets,
            has_targets: true,
            wanted,
            refreshed,
            refreshes: requests.refreshes,
            has_refreshes: true,
            changes: requests.changes,
            _open: requests.open,
            missed: requests.missed,
            hurries: false,
            cursor,
            config: Arc::new(config),
            emitter,
        }
    }

    async fn run(mut self) -> Result<(), EmitError> {
        let mut failures = 0;
        loop {
            let every = self.config.every;
            let troubles = self.scan().await?;
            let pause = if troubles.is_empty() {
                failures = 0;
                self.voice.say(ConnectorState::Working, None).await?;
                self.emitter.looked().await?;
                every
            } else {
                let why = in_words(&troubles);
                let source = &self.source;
                tracing::warn!(source, why, "the repositories could not be read whole");
                self.voice.say(ConnectorState::Failing, Some(why)).await?;
                let pause = AGAIN * 2_u32.saturating_pow(failures);
                failures = (failures + 1).min(16);
                pause.min(every)
            };
            self.rest(Instant::now() + pause).await?;
        }
    }

    /// Waits until everything is to be looked at again, and looks at what is told meanwhile.
    async fn rest(&mut self, until: Instant) -> Result<(), EmitError> {
        loop {
            if std::mem::take(&mut self.hurries) || self.missed.swap(false, Ordering::Relaxed) {
                return Ok(());
            }
            tokio::select! {
                () = sleep_until(until) => return Ok(()),
                changed = self.targets.changed(), if self.has_targets => match changed {
                    Ok(()) => self.look().await?,
                    Err(_) => self.has_targets = false,
                },
                changed = self.refreshes.changed(), if self.has_refreshes => match changed {
                    Ok(()) => self.refresh().await?,
                    Err(_) => self.has_refreshes = false,
                },
                Some(request) = self.changes.recv() => self.serve(request).await?,
            }
        }
    }

    /// Takes in what is wanted now, and reads the repositories of which something else is.
    async fn look(&mut self) -> Result<(), EmitError> {
        let now = wanted(&self.config, &self.targets.borrow_and_update());
        let before = std::mem::replace(&mut self.wanted, now);
        let all = before.keys().chain(self.wanted.keys());
        let changed: BTreeSet<(String, String)> =
            all.filter(|key| before.get(*key) != self.wanted.get(*key)).cloned().collect();
        self.read_named(changed.into_iter().collect()).await?;
        Ok(())
    }

    /// Takes in what is wanted read again now, if that is something else.
    pub(crate) async fn refresh_waiting(&mut self) -> Result<(), EmitError> {
        match self.refreshes.has_changed() {
            Ok(true) => self.refresh().await,
            Ok(false) | Err(_) => Ok(()),
        }
    }

    /// Reads what is wanted read again.
    async fn refresh(&mut self) -> Result<(), EmitError> {
        let now = Arc::clone(&self.refreshes.borrow_and_update());
        let before = std::mem::replace(&mut self.refreshed, Arc::clone(&now));
        let news = now.iter().filter(|(scope, at)| before.get(*scope) != Some(*at));
        let news: Vec<&ScopeName> = news.map(|(scope, _)| scope).collect();
        let names = news.iter().filter_map(|scope| repository_of(&self.source, scope));
        self.read_named(names.collect()).await?;
        for organization in self.organizations().collect::<Vec<_>>() {
            let teams = teams_scope(&self.source, &organization);
            if self.config.teams && teams.is_some_and(|teams| news.contains(&&teams)) {
                let trouble = self.read_teams_of(&organization).await?;
                trouble.iter().for_each(|why| self.stumbles(why));
            }
        }
        Ok(())
    }

    /// Who is asked for an owner.
    pub(crate) fn forge(&mut self, login: &str) -> Arc<Forge> {
        let key = self.group(login);
        let config = Arc::clone(&self.config);
        let tells = Some((self.emitter.clone(), Arc::clone(&self.voice)));
        let forge = self.forges.entry(key).or_insert_with(|| {
            let owner = config.owner(login).cloned();
            let unknown = || Owner { login: login.to_owned(), is_organization: true };
            Arc::new(Forge::of(&config, Some(owner.unwrap_or_else(unknown)), tells))
        });
        Arc::clone(forge)
    }

    /// Owners whose repositories may be asked for together.
    pub(crate) fn group(&self, login: &str) -> String {
        match self.config.credentials {
            Credentials::Token(_) => String::new(),
            Credentials::App(_) => login.to_ascii_lowercase(),
        }
    }
}

/// Why a look was not whole, for people.
fn in_words(troubles: &[String]) -> String {
    const SHOWN: usize = 3;
    let mut words = troubles[..troubles.len().min(SHOWN)].join("; ");
    if let Some(more) = troubles.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        words.push_str(&format!("; and {more} more"));
    }
    words
}

/// Sorts what Location entities want by repository.
fn wanted(config: &Config, targets: &[Target]) -> Wanted {
    let mut wanted = Wanted::new();
    for target in targets {
        if let Some(url) = FileUrl::parse(&config.host, &target.target) {
            let key = (url.owner.to_ascii_lowercase(), url.name.to_ascii_lowercase());
            wanted.entry(key).or_default().push(target.clone());
        }
    }
    wanted.values_mut().for_each(|targets| targets.sort_unstable());
    wanted
}
