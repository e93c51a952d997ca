//! Asking GitLab for pipelines that changed, in the order in which they did.

use std::collections::{BTreeMap, BTreeSet};

use asking::{Failure, Page, Site};
use connector::Activity;
use event::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::config::is_path;
use super::desk::{Desk, Stop, before};
use crate::map::gitlab::{ListedJob, PipelineAttributes};
use crate::map::moment;

/// What a page holds, and how many are read of one list.
const PAGE: usize = 100;
const PAGES_MAX: usize = 100;

/// About how many activities are told together, and how many bytes of answers they are of.
const TOGETHER_MAX: usize = 256;
const TOGETHER_BYTES_MAX: usize = 1 << 20;

/// Asks one GitLab.
pub(crate) struct GitLab {
    site: Site,
    groups: Vec<String>,
    projects: Vec<String>,
    jobs: bool,
    /// Projects of groups, as they were listed last.
    lists: BTreeMap<String, Vec<String>>,
    /// Pipelines that were over and are told, with when they last changed, by project.
    done: BTreeMap<String, BTreeMap<u64, Timestamp>>,
}

#[derive(Deserialize)]
struct Project {
    path_with_namespace: String,
    #[serde(default)]
    archived: bool,
    builds_access_level: Option<String>,
}

/// Why a project was not read.
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

impl GitLab {
    pub(crate) fn new(site: Site, groups: Vec<String>, projects: Vec<String>, jobs: bool) -> Self {
        Self { site, groups, projects, jobs, lists: BTreeMap::new(), done: BTreeMap::new() }
    }

    /// Tells what is new since the last look.
    pub(crate) async fn look(&mut self, desk: &mut Desk) -> Result<(), Stop> {
        let mut paths = self.projects.clone();
        for group in self.groups.clone() {
            if desk.is_given_up() {
                desk.leave(&group);
            } else {
                match self.list(&group, desk).await {
                    Ok(listed) => {
                        // It may be named by its number, and show what others share with it.
                        listed.iter().for_each(|path| desk.listed(&group, path));
                        self.lists.insert(group.clone(), listed);
                    }
                    Err(failure) => desk.lost(&group, &group, &failure),
                }
            }
            paths.extend(self.lists.get(&group).into_iter().flatten().cloned());
        }
        desk.order(&mut paths);
        let mut seen = BTreeSet::new();
        for path in paths {
            if !seen.insert(path.clone()) {
                continue;
            }
            if desk.is_given_up() {
                desk.skip(&path);
                continue;
            }
            let mut done = self.done.remove(&path).unwrap_or_default();
            let read = self.read(&path, &mut done, desk).await;
            if !done.is_empty() {
                self.done.insert(path.clone(), done);
            }
            match read {
                Ok(()) => desk.read(),
                Err(Trouble::Stop(stop)) => return Err(stop),
                Err(Trouble::Failure(failure)) => desk.failed(&path, &failure),
            }
        }
        self.done.retain(|path, _| seen.contains(path));
        Ok(())
    }

    /// Paths of a group's projects that have pipelines.
    pub(crate) async fn list(&self, group: &str, desk: &mut Desk) -> Result<Vec<String>, Failure> {
        let mut paths = Vec::new();
        for at in 1..=PAGES_MAX {
            let rest = "include_subgroups=true&archived=false&order_by=id&sort=asc";
            let path = format!(
                "/api/v4/groups/{}/projects?{rest}&per_page={PAGE}&page={at}",
                encoded(group)
            );
            let page = self.site.get(&path, None).await?;
            desk.answered(page.date());
            let projects = page.json::<Vec<Project>>()?.into_iter().filter(|project| {
                !project.archived && project.builds_access_level.as_deref() != Some("disabled")
            });
            paths.extend(projects.map(|of| of.path_with_namespace).filter(|path| is_path(path)));
            if !has_next(&page) {
                return Ok(paths);
            }
        }
        let why = format!("{group} has more than {} projects", PAGE * PAGES_MAX);
        Err(Failure::Broken { why })
    }

    /// Asks for one pipeline of a project: whether that may be done.
    pub(crate) async fn try_one(&self, path: &str) -> Result<(), Failure> {
        let path = format!("/api/v4/projects/{}/pipelines?per_page=1", encoded(path));
        self.site.get(&path, None).await?.json::<Vec<PipelineAttributes>>().map(|_| ())
    }

    async fn read(
        &self,
        path: &str,
        done: &mut BTreeMap<u64, Timestamp>,
        desk: &mut Desk,
    ) -> Result<(), Trouble> {
        let start = desk.since(path);
        done.retain(|_, changed| *changed >= start);
        let (mut since, mut number) = (start, 1);
        for _ in 0..PAGES_MAX {
            let rest = format!(
                "updated_after={since}&order_by=updated_at&sort=asc&per_page={PAGE}&page={number}"
            );
            let list = format!("/api/v4/projects/{}/pipelines?{rest}", encoded(path));
            let page = self.site.get(&list, None).await?;
            desk.answered(page.date());
            let pipelines = page.json::<Vec<PipelineAttributes>>()?;
            let has_next = has_next(&page);
            let batch = Batch { bytes: page.bytes(), ..Batch::default() };
            drop(page);
            let times = pipelines.iter().filter_map(changed);
            let (first, last) = (times.clone().min(), times.max());
            self.tell(path, pipelines, batch, done, desk).await?;
            if !has_next {
                return Ok(());
            }
            // What changes meanwhile moves to the end, and would move others to pages that were
            // read: it is gone on by time, and by pages only where that does not lead on, because
            // all of a page changed within a second.
            let next = last.map(|last| before(last, 1));
            let next = next.filter(|next| first <= Some(*next) && *next > since);
            (since, number) = next.map_or((since, number + 1), |next| (next, 1));
        }
        if since > start {
            // The next look goes on from here.
            desk.reached(path, since);
        }
        let most = PAGE * PAGES_MAX;
        desk.trouble(&format!("{path}: more than {most} pipelines changed; not all were read yet"));
        Ok(())
    }

    async fn tell(
        &self,
        path: &str,
        pipelines: Vec<PipelineAttributes>,
        mut batch: Batch,
        done: &mut BTreeMap<u64, Timestamp>,
        desk: &mut Desk,
    ) -> Result<(), Trouble> {
        for pipeline in pipelines {
            if !pipeline.is_done() {
                batch.activities.extend(pipeline.told(path));
                continue;
            }
            let (id, changed) = (pipeline.id, changed(&pipeline).unwrap_or_default());
            if done.get(&id) == Some(&changed) {
                continue;
            }
            // Lists do not say when a pipeline was over.
            let one = format!("/api/v4/projects/{}/pipelines/{id}", encoded(path));
            let whole: PipelineAttributes = match self.site.get(&one, None).await {
                Ok(page) => {
                    batch.bytes += page.bytes();
                    page.json()?
                }
                // Whoever may deletes pipelines.
                Err(Failure::Missing { .. }) => continue,
                Err(failure) => return Err(failure.into()),
            };
            batch.activities.extend(whole.told(path));
            if self.jobs {
                self.jobs(path, id, &mut batch, done, desk).await?;
            }
            batch.over.push((id, changed));
            if batch.is_large() {
                batch.tell(done, desk).await?;
            }
        }
        Ok(batch.tell(done, desk).await?)
    }

    async fn jobs(
        &self,
        path: &str,
        pipeline: u64,
        batch: &mut Batch,
        done: &mut BTreeMap<u64, Timestamp>,
        desk: &mut Desk,
    ) -> Result<(), Trouble> {
        for at in 1..=PAGES_MAX {
            let rest = format!("include_retried=true&per_page={PAGE}&page={at}");
            let of = encoded(path);
            let list = format!("/api/v4/projects/{of}/pipelines/{pipeline}/jobs?{rest}");
            let page = self.site.get(&list, None).await?;
            let jobs = page.json::<Vec<ListedJob>>()?;
            batch.bytes += page.bytes();
            batch.activities.extend(jobs.into_iter().filter_map(|job| job.told(path)));
            // One pipeline may have very many.
            if batch.is_large() {
                batch.tell(done, desk).await?;
            }
            if !has_next(&page) {
                return Ok(());
            }
        }
        let most = PAGE * PAGES_MAX;
        desk.trouble(&format!(
            "{path}: pipeline {pipeline} has more than {most} jobs; not all were read"
        ));
        Ok(())
    }
}

/// What waits to be told together.
#[derive(Default)]
struct Batch {
    activities: Vec<Activity>,
    /// Of how many bytes of answers they are.
    bytes: usize,
    /// Pipelines that are over and of which all is told with them.
    over: Vec<(u64, Timestamp)>,
}

impl Batch {
    const fn is_large(&self) -> bool {
        self.activities.len() >= TOGETHER_MAX || self.bytes >= TOGETHER_BYTES_MAX
    }

    async fn tell(
        &mut self,
        done: &mut BTreeMap<u64, Timestamp>,
        desk: &mut Desk,
    ) -> Result<(), Stop> {
        let Self { activities, over, .. } = std::mem::take(self);
        desk.tell(activities).await?;
        done.extend(over);
        Ok(())
    }
}

fn changed(pipeline: &PipelineAttributes) -> Option<Timestamp> {
    pipeline.updated_at.as_deref().and_then(moment)
}

fn encoded(path: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(path, NON_ALPHANUMERIC)
}

/// Whether a page follows: some proxies drop one of these headers.
fn has_next(page: &Page) -> bool {
    page.has_next() || page.header("x-next-page").is_some_and(|next| !next.trim().is_empty())
}
