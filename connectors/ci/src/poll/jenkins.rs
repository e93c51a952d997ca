//! Asking Jenkins for builds: folder by folder, and of the jobs whose last build is another one, the
//! builds from the newest back to those that were read before.

use std::collections::{BTreeMap, BTreeSet};

use asking::{Failure, Site};
use event::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::desk::{Desk, Stop};
use crate::map::jenkins::{BUILD, Builds, ListedBuild};
use crate::projects::Projects;

/// Jobs and builds that are asked for at once.
const JOBS: usize = 100;
const BUILDS: usize = 50;

/// Pages that are read of one folder, and of one job.
const PAGES_MAX: usize = 200;

/// How deep folders may lie in one another, and how many are looked at.
const DEPTH_MAX: usize = 16;
const FOLDERS_MAX: usize = 10_000;

/// Jobs that are followed.
const FOLLOWED_MAX: usize = 100_000;

/// Builds that have not ended and are followed, of one job.
const OPEN_MAX: usize = 500;

/// The longest name of a job, in bytes.
const NAME_BYTES_MAX: usize = 1024;

/// What names keep in paths.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What of a job is asked. It is a folder if it has jobs.
const JOB: &str = "_class,name,lastBuild[number,building,timestamp],jobs[name]{0,1}";

/// Asks one Jenkins.
pub(crate) struct Jenkins {
    site: Site,
    folders: Vec<String>,
    projects: Projects,
    /// What is known of jobs, by their full names.
    jobs: BTreeMap<String, Known>,
}

/// What is known of a job.
#[derive(Default)]
struct Known {
    /// The last build that was told, with when it began: a job that was made anew counts from 1.
    last: u64,
    began: i64,
    /// Builds that had not ended, with when they began.
    open: BTreeMap<u64, Timestamp>,
    /// Whether no list showed it the last time.
    is_missed: bool,
}

/// A walk through the folders.
#[derive(Default)]
struct Walk {
    /// Folders that are still to be read, with how deep they lie.
    waiting: Vec<(String, usize)>,
    folders: BTreeSet<String>,
    /// Jobs that were seen.
    seen: BTreeSet<String>,
    /// Folders that could not be read, or not whole.
    lost: BTreeSet<String>,
    /// The job before which all others are left for another time.
    next: Option<String>,
}

impl Walk {
    /// Whether a job lies in a folder that could not be read.
    fn is_lost(&self, name: &str) -> bool {
        let ends = name.match_indices('/').map(|(at, _)| at);
        ends.chain([0]).any(|end| self.lost.contains(&name[..end]))
    }
}

#[derive(Deserialize)]
struct Folder {
    #[serde(rename = "_class")]
    class: Option<String>,
    /// Absent where it is no folder.
    jobs: Option<Vec<Listed>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    name: String,
    last_build: Option<Last>,
    jobs: Option<Vec<serde::de::IgnoredAny>>,
}

#[derive(Deserialize)]
struct Last {
    number: u64,
    #[serde(default)]
    building: bool,
    timestamp: i64,
}

/// Why a job was not read.
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

impl Jenkins {
    pub(crate) fn new(site: Site, folders: Vec<String>, projects: Projects) -> Self {
        Self { site, folders, projects, jobs: BTreeMap::new() }
    }

    /// Tells what is new since the last look.
    pub(crate) async fn look(&mut self, desk: &mut Desk) -> Result<(), Stop> {
        let named = self.folders.iter().rev();
        let waiting: Vec<(String, usize)> = named.map(|name| (name.clone(), 0)).collect();
        let mut walk = Walk { waiting, next: desk.next(), ..Walk::default() };
        if walk.waiting.is_empty() {
            walk.waiting.push((String::new(), 0));
        }
        if let Some(next) = &walk.next {
            desk.trouble(&format!("jobs before {next} are asked for another time"));
        }
        while let Some((folder, depth)) = walk.waiting.pop() {
            if desk.is_given_up() {
                desk.leave(&folder);
                walk.lost.insert(folder);
                continue;
            }
            if !walk.folders.insert(folder.clone()) {
                continue;
            }
            if walk.folders.len() > FOLDERS_MAX {
                desk.trouble(&format!("of more than {FOLDERS_MAX} folders not all were read"));
                break;
            }
            self.folder(folder, depth, &mut walk, desk).await?;
        }
        self.jobs.retain(|name, known| {
            // What a list does not show once may have moved, meanwhile, to a part of it that was read.
            let is_kept = walk.seen.contains(name) || walk.is_lost(name);
            is_kept || !std::mem::replace(&mut known.is_missed, true)
        });
        Ok(())
    }

    /// Reads a folder: notes the folders in it, and follows its jobs.
    async fn folder(
        &mut self,
        folder: String,
        depth: usize,
        walk: &mut Walk,
        desk: &mut Desk,
    ) -> Result<(), Stop> {
        for at in 0..PAGES_MAX {
            let listed = match self.list(&folder, at, desk).await {
                Ok(listed) => listed,
                Err(failure) => {
                    let shown = if folder.is_empty() { "all jobs" } else { &folder };
                    desk.lost(&folder, shown, &failure);
                    walk.lost.insert(folder);
                    return Ok(());
                }
            };
            let Some(jobs) = listed.jobs else {
                desk.trouble(&format!("{folder}: it is no folder"));
                return Ok(());
            };
            if listed.class.is_some_and(|class| class.ends_with("MultiBranchProject")) {
                self.projects.note(&folder);
            }
            let is_last = jobs.len() < JOBS;
            for job in jobs.into_iter().filter(|job| is_name(&job.name)) {
                let name = below(&folder, &job.name);
                if job.jobs.is_none() {
                    self.job(name, job.last_build, walk, desk).await?;
                } else if depth < DEPTH_MAX {
                    walk.waiting.push((name, depth + 1));
                } else {
                    desk.trouble(&format!("{name}: it lies too deep, and is not read"));
                }
            }
            if is_last {
                return Ok(());
            }
            if desk.is_given_up() {
                desk.leave(&folder);
                walk.lost.insert(folder);
                return Ok(());
            }
        }
        let most = PAGES_MAX * JOBS;
        desk.trouble(&format!("{folder}: of more than {most} jobs and folders not all were read"));
        Ok(())
    }

    /// Follows a job, unless it is left for another time.
    async fn job(
        &mut self,
        name: String,
        last: Option<Last>,
        walk: &mut Walk,
        desk: &mut Desk,
    ) -> Result<(), Stop> {
        let Some(last) = last else { return Ok(()) };
        if walk.seen.len() >= FOLLOWED_MAX {
            desk.trouble(&format!("{name}: {FOLLOWED_MAX} other jobs are followed already"));
            return Ok(());
        }
        if walk.next.take_if(|next| *next == name).is_none() && walk.next.is_some() {
            desk.leave(&name);
        } else if desk.is_given_up() {
            desk.skip(&name);
        } else {
            self.follow(&name, &last, desk).await?;
        }
        walk.seen.insert(name);
        Ok(())
    }

    /// When the oldest build that has not ended began.
    pub(crate) fn open(&self) -> Option<Timestamp> {
        self.jobs.values().flat_map(|job| job.open.values()).copied().min()
    }

    async fn list(&self, folder: &str, at: usize, desk: &mut Desk) -> Result<Folder, Failure> {
        let (from, to) = (at * JOBS, (at + 1) * JOBS);
        let tree = format!("_class,jobs[{JOB}]{{{from},{to}}}");
        let page = self.site.get(&path(folder, &tree), None).await?;
        desk.answered(page.date());
        page.json()
    }

    /// How many jobs and folders there are at the top, or in the first of the folders.
    pub(crate) async fn try_one(&self) -> Result<u64, Failure> {
        let first = self.folders.first().map_or("", String::as_str);
        let tree = format!("_class,jobs[{JOB}]{{0,{JOBS}}}");
        let folder: Folder = self.site.get(&path(first, &tree), None).await?.json()?;
        Ok(folder.jobs.map_or(0, |jobs| jobs.len() as u64))
    }

    /// Reads a job, if something may be new.
    async fn follow(&mut self, name: &str, last: &Last, desk: &mut Desk) -> Result<(), Stop> {
        let mut known = self.jobs.remove(name).unwrap_or_default();
        known.is_missed = false;
        let since = desk.since(name);
        let began = last.timestamp.checked_mul(1000).and_then(Timestamp::from_micros);
        let is_recent = known.last > 0 || began.is_none_or(|began| began >= since);
        let is_new = (last.number, last.timestamp) != (known.last, known.began) && is_recent;
        let is_new = is_new || last.building && !known.open.contains_key(&last.number);
        let read = if is_new || !known.open.is_empty() {
            self.read(name, since, &mut known, desk).await
        } else {
            Ok(())
        };
        if read.is_ok() {
            (known.last, known.began) = (last.number, last.timestamp);
        }
        self.jobs.insert(name.to_owned(), known);
        match read {
            Ok(()) => desk.read(),
            Err(Trouble::Stop(stop)) => return Err(stop),
            Err(Trouble::Failure(failure)) => desk.failed(name, &failure),
        }
        Ok(())
    }

    async fn read(
        &self,
        name: &str,
        since: Timestamp,
        known: &mut Known,
        desk: &mut Desk,
    ) -> Result<(), Trouble> {
        let shown_on = self.projects.shown_on(name);
        // Those before are told; what has not ended is looked at however old it is.
        let until = known.open.values().copied().min().map_or(since, |open| open.min(since));
        let (mut open, mut lowest) = (BTreeMap::new(), u64::MAX);
        for at in 0..PAGES_MAX {
            // Only the first hundred are `builds`; all are dearer to list.
            let of = if (at + 1) * BUILDS <= 100 { "builds" } else { "allBuilds" };
            let (from, to) = (at * BUILDS, (at + 1) * BUILDS);
            let tree = format!("{of}[{BUILD}]{{{from},{to}}}");
            let page = self.site.get(&path(name, &tree), None).await?;
            let builds = page.json::<Builds>()?.builds;
            let is_last = builds.len() < BUILDS;
            let oldest = builds.iter().filter_map(ListedBuild::began).min();
            lowest = builds.iter().map(|build| build.number).min().unwrap_or(lowest).min(lowest);
            let mut activities = Vec::with_capacity(builds.len());
            for build in builds.into_iter().rev() {
                let began = build.began().unwrap_or_default();
                let was_open = known.open.contains_key(&build.number);
                if build.building && open.len() < OPEN_MAX {
                    open.insert(build.number, began);
                } else if build.building {
                    let number = build.number;
                    desk.trouble(&format!("{name}: {OPEN_MAX} builds run besides #{number}; how that ends may be missed"));
                }
                // One that waited long may begin with an old time.
                let is_next = known.last > 0 && build.number > known.last;
                if was_open || is_next || build.building || began >= since {
                    activities.push(build.told(name, shown_on));
                }
            }
            desk.tell(activities).await?;
            if is_last || oldest.is_none_or(|oldest| oldest < until) {
                // What was open and was not met has ended, or was deleted.
                known.open.retain(|number, _| *number < lowest && !is_last);
                known.open.extend(open);
                return Ok(());
            }
        }
        known.open.extend(open);
        let most = PAGES_MAX * BUILDS;
        desk.trouble(&format!("{name}: of more than {most} builds the oldest were not read"));
        Ok(())
    }
}

/// Whether a text can be the name of a job: it becomes a part of a path.
fn is_name(text: &str) -> bool {
    let is_odd = |c: char| c == '/' || c.is_control();
    !matches!(text, "" | "." | "..") && text.len() <= NAME_BYTES_MAX && !text.contains(is_odd)
}

fn below(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The API of a folder or job, with what of it is asked.
fn path(name: &str, tree: &str) -> String {
    let names = name.split('/').filter(|part| !part.is_empty());
    let jobs: String =
        names.map(|part| format!("/job/{}", utf8_percent_encode(part, KEPT))).collect();
    format!("{jobs}/api/json?tree={}", utf8_percent_encode(tree, KEPT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below_their_folder() {
        for (name, expected) in [
            ("a b", true),
            ("..c", true),
            ("..", false),
            ("", false),
            ("a/b", false),
            ("a\u{1b}", false),
        ] {
            assert_eq!(is_name(name), expected, "{name}");
        }
    }

    #[test]
    fn paths_name_jobs_as_their_urls_do() {
        for (name, expected) in [
            ("", "/api/json?tree=a%5B%5D"),
            ("team/a b", "/job/team/job/a%20b/api/json?tree=a%5B%5D"),
            ("app/feature%2Fx", "/job/app/job/feature%252Fx/api/json?tree=a%5B%5D"),
        ] {
            assert_eq!(path(name, "a[]"), expected);
        }
    }
}
