//! Asking GitHub for runs of workflows: the newest first, until they are old. A page that is still
//! the same costs nothing (304).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use asking::github::{Client, Credentials, Host, Owner, Tokens, is_name};
use asking::{Failure, Tells};
use event::Timestamp;
use serde::Deserialize;

use super::desk::{Desk, Stop};
use crate::map::github::{Jobs, Run, Runs};

/// What a page holds, and how many are read of one list.
const PAGE: usize = 100;
const PAGES_MAX: usize = 100;

/// Runs that have not ended and are followed, of one repository.
const OPEN_MAX: usize = 500;

/// Asks one GitHub.
pub(crate) struct GitHub {
    host: Host,
    credentials: Credentials,
    owners: Vec<Owner>,
    repositories: Vec<String>,
    jobs: bool,
    tells: Option<Tells>,
    clients: BTreeMap<String, Arc<Client>>,
    /// Repositories of owners, as they were listed last.
    lists: BTreeMap<String, Vec<Listed>>,
    places: BTreeMap<String, Place>,
}

/// A page of a list of repositories.
struct Listed {
    tag: Option<String>,
    names: Vec<String>,
    has_next: bool,
}

/// What is known of a repository.
#[derive(Default)]
struct Place {
    /// The entity tag of the first page.
    tag: Option<String>,
    /// When the oldest run on it was asked for, where another page follows.
    oldest: Option<Timestamp>,
    /// Runs that had not ended.
    open: BTreeMap<u64, Open>,
    /// Runs whose jobs were told, with their attempts.
    done: BTreeSet<(u64, u64)>,
}

struct Open {
    created: Timestamp,
    tag: Option<String>,
    /// Whether it stands on the first page: it is as it was while that is.
    is_on_first: bool,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    disabled: bool,
}

/// What an App may see.
#[derive(Deserialize)]
struct Installed {
    repositories: Vec<Repository>,
}

impl GitHub {
    pub(crate) fn new(
        host: Host,
        credentials: Credentials,
        owners: Vec<Owner>,
        repositories: Vec<String>,
        jobs: bool,
        tells: Option<Tells>,
    ) -> Self {
        let (clients, lists, places) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { host, credentials, owners, repositories, jobs, tells, clients, lists, places }
    }

    /// Tells what is new since the last look.
    pub(crate) async fn look(&mut self, desk: &mut Desk) -> Result<(), Stop> {
        let mut slugs: Vec<String> = self.repositories.clone();
        for owner in self.owners.clone() {
            if desk.is_given_up() {
                desk.leave(&owner.login);
            } else if let Err(failure) = self.list(&owner, desk).await {
                desk.lost(&owner.login, &owner.login, &failure);
            }
            let pages = self.lists.get(&owner.login).into_iter().flatten();
            slugs.extend(pages.flat_map(|page| page.names.iter().cloned()));
        }
        desk.order(&mut slugs);
        let mut seen = BTreeSet::new();
        for slug in slugs {
            let key = slug.to_ascii_lowercase();
            if !seen.insert(key.clone()) {
                continue;
            }
            if desk.is_given_up() {
                desk.skip(&slug);
                continue;
            }
            let mut place = self.places.remove(&key).unwrap_or_default();
            let read = self.read(&slug, &mut place, desk).await;
            self.places.insert(key, place);
            match read {
                Ok(()) => desk.read(),
                Err(Trouble::Stop(stop)) => return Err(stop),
                Err(Trouble::Failure(failure)) => desk.failed(&slug, &failure),
            }
        }
        self.places.retain(|key, _| seen.contains(key));
        Ok(())
    }

    /// When the oldest run that has not ended was asked for.
    pub(crate) fn open(&self) -> Option<Timestamp> {
        self.places.values().flat_map(|place| place.open.values()).map(|open| open.created).min()
    }

    /// Who is asked for an owner.
    fn client(&mut self, login: &str) -> Arc<Client> {
        let key = match self.credentials {
            Credentials::Token(_) => String::new(),
            Credentials::App(_) => login.to_ascii_lowercase(),
        };
        if let Some(client) = self.clients.get(&key) {
            return Arc::clone(client);
        }
        let unknown = || Owner { login: login.to_owned(), is_organization: true };
        let owner = self.owners.iter().find(|owner| owner.is(login)).cloned();
        let owner = Some(owner.unwrap_or_else(unknown));
        let tokens = Tokens::new(self.credentials.clone(), owner);
        let client = Arc::new(Client::of_rest(self.host.clone(), tokens, self.tells.clone()));
        self.clients.insert(key, Arc::clone(&client));
        client
    }

    /// Brings the list of an owner's repositories up to date, as far as it can be read.
    pub(crate) async fn list(&mut self, owner: &Owner, desk: &mut Desk) -> Result<(), Failure> {
        let client = self.client(&owner.login);
        let mut pages = self.lists.remove(&owner.login).unwrap_or_default();
        let listed = list(&client, &self.credentials, owner, &mut pages, desk).await;
        self.lists.insert(owner.login.clone(), pages);
        listed
    }

    /// How many repositories of an owner are listed, and the first of them.
    pub(crate) fn listed(&self, owner: &Owner) -> (usize, Option<&str>) {
        let names = || self.lists.get(&owner.login).into_iter().flatten().flat_map(|of| &of.names);
        (names().count(), names().next().map(String::as_str))
    }

    /// Asks for one run of a repository: whether that may be done.
    pub(crate) async fn try_one(&mut self, slug: &str) -> Result<(), Failure> {
        let login = slug.split('/').next().unwrap_or_default().to_owned();
        let page = self.client(&login).get(&runs_path(slug, 1, 1), None).await?;
        page.json::<Runs>().map(|_| ())
    }

    async fn read(
        &mut self,
        slug: &str,
        place: &mut Place,
        desk: &mut Desk,
    ) -> Result<(), Trouble> {
        let login = slug.split('/').next().unwrap_or_default();
        let client = self.client(login);
        let reading = Reading { client: &client, slug, jobs: self.jobs, since: desk.since(slug) };
        let met = reading.newest(place, desk).await?;
        reading.others(place, &met, desk).await
    }
}

async fn list(
    client: &Client,
    credentials: &Credentials,
    owner: &Owner,
    pages: &mut Vec<Listed>,
    desk: &mut Desk,
) -> Result<(), Failure> {
    let Owner { login, is_organization } = owner;
    let is_app = matches!(credentials, Credentials::App(_));
    for at in 0..PAGES_MAX {
        let of = match (is_app, is_organization) {
            (true, _) => "/installation/repositories?".to_owned(),
            (false, true) => format!("/orgs/{login}/repos?sort=full_name&"),
            (false, false) => format!("/users/{login}/repos?sort=full_name&"),
        };
        let path = format!("{of}per_page={PAGE}&page={}", at + 1);
        let tag = pages.get(at).and_then(|page| page.tag.as_deref());
        let page = client.get(&path, tag).await?;
        desk.answered(page.date());
        if !page.is_unchanged() {
            let repositories = match is_app {
                true => page.json::<Installed>()?.repositories,
                false => page.json::<Vec<Repository>>()?,
            };
            let names = repositories.into_iter().filter(|of| !of.archived && !of.disabled);
            let names = names.map(|of| of.full_name).filter(|slug| {
                slug.split_once('/').is_some_and(|(of, name)| owner.is(of) && is_name(name))
            });
            let (tag, has_next) = (page.tag().map(str::to_owned), page.has_next());
            let listed = Listed { tag, names: names.collect(), has_next };
            match pages.get_mut(at) {
                Some(page) => *page = listed,
                None => pages.push(listed),
            }
        }
        if !pages.get(at).is_some_and(|page| page.has_next) {
            pages.truncate(at + 1);
            return Ok(());
        }
    }
    let why = format!("{login} has more than {} repositories", PAGE * PAGES_MAX);
    Err(Failure::Broken { why })
}

fn runs_path(slug: &str, page: usize, per_page: usize) -> String {
    // What a run was asked for by is not looked at, and is large.
    let rest = format!("per_page={per_page}&page={page}&exclude_pull_requests=true");
    format!("/repos/{slug}/actions/runs?{rest}")
}

/// Why a repository was not read.
enum Trouble {
    Failure(Failure),
    Stop(Stop),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

struct Reading<'a> {
    client: &'a Client,
    slug: &'a str,
    jobs: bool,
    since: Timestamp,
}

/// What the newest runs came to.
#[derive(Default)]
struct Met {
    /// Those that were seen.
    ids: BTreeSet<u64>,
    /// Those whose jobs are told, with their attempts.
    done: BTreeSet<(u64, u64)>,
    /// Whether the first page was read.
    is_read: bool,
    /// The entity tag of the first page, and when the oldest run on it was asked for, where another
    /// page follows.
    first: (Option<String>, Option<Timestamp>),
    /// Whether the first page is what it was.
    is_unchanged: bool,
}

impl Reading<'_> {
    /// Reads the newest runs, back to those that were read before.
    async fn newest(&self, place: &mut Place, desk: &mut Desk) -> Result<Met, Trouble> {
        let mut met = Met::default();
        let read = self.pages(place, &mut met, desk).await;
        let Met { is_unchanged, done, first, .. } = &mut met;
        let done = std::mem::take(done);
        match (&read, *is_unchanged) {
            // What was not read whole is read again, but the jobs of its runs are not asked for again.
            (Err(_), _) | (_, true) => place.done.extend(done),
            (Ok(()), false) => {
                (place.tag, place.oldest) = std::mem::take(first);
                place.done = done;
            }
        }
        read.map(|()| met)
    }

    async fn pages(
        &self,
        place: &mut Place,
        met: &mut Met,
        desk: &mut Desk,
    ) -> Result<(), Trouble> {
        let (mut at, mut count) = (1, 0);
        for _ in 0..PAGES_MAX {
            let tag = place.tag.as_deref().filter(|_| at == 1 && !met.is_read);
            let page = self.client.get(&runs_path(self.slug, at, PAGE), tag).await?;
            desk.answered(page.date());
            if page.is_unchanged() {
                met.is_unchanged = true;
                // One that is run again may stand on the next page, where the first is not old.
                if place.oldest.is_none_or(|oldest| oldest < self.since) {
                    return Ok(());
                }
                at += 1;
                continue;
            }
            let Runs { total_count, workflow_runs: runs } = page.json()?;
            let (has_next, tag) = (page.has_next(), page.tag().map(str::to_owned));
            drop(page);
            let oldest = runs.iter().filter_map(|run| run.times().0).min();
            if at == 1 && !met.is_read {
                met.first = (tag, oldest.filter(|_| has_next));
                (met.is_read, met.is_unchanged) = (true, false);
            }
            self.tell(runs, at == 1, place, met, desk).await?;
            let total = total_count.unwrap_or(count);
            if total < count && at > 1 {
                // One that was deleted meanwhile moved others to pages that were read.
                at -= 1;
            } else if !has_next || oldest.is_none_or(|oldest| oldest < self.since) {
                return Ok(());
            } else {
                at += 1;
            }
            count = total;
        }
        let most = PAGE * PAGES_MAX;
        desk.trouble(&format!("{}: of more than {most} runs the oldest were not read", self.slug));
        Ok(())
    }

    /// Tells the runs of a page, the oldest first.
    async fn tell(
        &self,
        runs: Vec<Run>,
        is_first: bool,
        place: &mut Place,
        met: &mut Met,
        desk: &mut Desk,
    ) -> Result<(), Trouble> {
        let mut activities = Vec::with_capacity(runs.len());
        let mut ended = Vec::new();
        for run in runs.into_iter().rev() {
            met.ids.insert(run.id);
            let was_open = place.open.contains_key(&run.id);
            let (_, changed) = run.times();
            if !run.is_done() {
                self.follow(&run, is_first, place, desk);
            } else if was_open {
                ended.push(run.id);
            } else if changed.is_some_and(|at| at < self.since) {
                continue;
            }
            let of = (run.id, run.attempt());
            if run.is_done() && self.jobs {
                if !place.done.contains(&of) && !met.done.contains(&of) {
                    self.jobs(of.0, desk).await?;
                }
                met.done.insert(of);
            }
            activities.extend(run.told(self.slug));
        }
        desk.tell(activities).await?;
        // Only now: one that was not told after all is still looked for.
        ended.iter().for_each(|id| drop(place.open.remove(id)));
        Ok(())
    }

    /// Follows a run that has not ended.
    fn follow(&self, run: &Run, is_on_first: bool, place: &mut Place, desk: &mut Desk) {
        let created = run.times().0.unwrap_or_default();
        if place.open.contains_key(&run.id) || place.open.len() < OPEN_MAX {
            place.open.insert(run.id, Open { created, tag: None, is_on_first });
        } else {
            let (slug, id) = (self.slug, run.id);
            desk.trouble(&format!(
                "{slug}: {OPEN_MAX} runs have not ended besides {id}; how that ends may be missed"
            ));
        }
    }

    /// Looks at runs that had not ended and are not among the newest any more.
    async fn others(&self, place: &mut Place, met: &Met, desk: &mut Desk) -> Result<(), Trouble> {
        let is_other =
            |id: &u64, open: &Open| !(met.ids.contains(id) || met.is_unchanged && open.is_on_first);
        let others = place.open.iter().filter(|(id, open)| is_other(id, open));
        let others: Vec<(u64, Option<String>)> =
            others.map(|(id, open)| (*id, open.tag.clone())).collect();
        for (id, tag) in others {
            let path = format!("/repos/{}/actions/runs/{id}?exclude_pull_requests=true", self.slug);
            let page = match self.client.get(&path, tag.as_deref()).await {
                Ok(page) => page,
                Err(Failure::Missing { .. }) => {
                    // Whoever may deletes runs.
                    place.open.remove(&id);
                    continue;
                }
                Err(failure) => return Err(failure.into()),
            };
            if page.is_unchanged() {
                continue;
            }
            let run: Run = page.json()?;
            let of = (run.id, run.attempt());
            let is_done = run.is_done();
            if is_done && self.jobs {
                self.jobs(of.0, desk).await?;
            }
            let tag = page.tag().map(str::to_owned);
            desk.tell(run.told(self.slug).into_iter().collect()).await?;
            match place.open.get_mut(&id) {
                Some(_) if is_done => drop(place.open.remove(&id)),
                Some(open) => (open.tag, open.is_on_first) = (tag, false),
                None => {}
            }
        }
        Ok(())
    }

    async fn jobs(&self, run: u64, desk: &mut Desk) -> Result<(), Trouble> {
        for at in 1..=PAGES_MAX {
            let rest = format!("per_page={PAGE}&page={at}");
            let path = format!("/repos/{}/actions/runs/{run}/jobs?{rest}", self.slug);
            let page = self.client.get(&path, None).await?;
            let jobs = page.json::<Jobs>()?.jobs;
            desk.tell(jobs.into_iter().filter_map(|job| job.told(self.slug)).collect()).await?;
            if !page.has_next() {
                return Ok(());
            }
        }
        let (slug, most) = (self.slug, PAGE * PAGES_MAX);
        desk.trouble(&format!("{slug}: run {run} has more than {most} jobs; not all were read"));
        Ok(())
    }
}
