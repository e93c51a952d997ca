//! Asking CI systems for what was never delivered, again and again.
//!
//! What is told has the same keys as what is delivered, so that it is one activity, whichever comes
//! first. The cursor is a time: what happened before is told. Each look goes back somewhat further,
//! and to what had not ended.
//!
//! Invariant: the cursor moves only after what is before it is durable.
//! Invariant: a place that can't be read is read from where it was, once it can be; nothing that was
//! told is taken back.
//! Invariant: in memory is one page, a few words for each repository or job, and what has not ended.

mod check;
pub(crate) mod config;
mod desk;
mod github;
mod gitlab;
mod jenkins;

use std::sync::Arc;
use std::time::Duration;

use asking::{Failure, Site, Tells};
use connector::{EmitError, Emitter, Start, Voice};
use event::Timestamp;
use event::vocabulary::ConnectorState;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::{Config, Projects};
use config::{Asks, Poll};
use desk::{Desk, Stop};

pub use check::check;

/// How long after something went wrong it is looked again: the first time.
const AGAIN: Duration = Duration::from_secs(30);

/// How far back what was read is read again, in seconds: runs that are run again keep the time at
/// which they were asked for first.
const OVERLAP_GITHUB_S: i64 = 3600;
/// Pipelines are listed by when they changed; what is written at the same time may show later.
const OVERLAP_GITLAB_S: i64 = 120;
const OVERLAP_JENKINS_S: i64 = 600;

/// Asks what is configured until it is told to stop (`stopping` becomes true, or its sender is
/// dropped) or the catalog takes nothing any more. Returns at once where nothing is to be asked. What
/// takes deliveries of the same connector is told of `projects`.
pub async fn run(
    config: &Config,
    start: Start,
    emitter: Emitter,
    projects: Projects,
    mut stopping: watch::Receiver<bool>,
) {
    let Some(poll) = config.poll.clone() else { return };
    let voice = Arc::new(Voice::new(emitter.clone()));
    let polling = async {
        let desk = Desk::new(emitter.clone(), start.cursor.as_deref(), poll.back.as_secs());
        let tells = Some((emitter.clone(), Arc::clone(&voice)));
        match Asker::new(&poll, tells, projects) {
            Ok(asker) => {
                again_and_again(&config.source(), &poll, asker, desk, &emitter, &voice).await
            }
            Err(failure) => voice.say(ConnectorState::Failing, Some(failure.to_string())).await,
        }
    };
    tokio::select! {
        biased;
        _ = stopping.wait_for(|stop| *stop) => {}
        // The catalog takes nothing any more: it is being stopped.
        _ = polling => {}
    }
}

async fn again_and_again(
    source: &str,
    poll: &Poll,
    mut asker: Asker,
    mut desk: Desk,
    emitter: &Emitter,
    voice: &Voice,
) -> Result<(), EmitError> {
    let mut failures = 0;
    loop {
        desk.begin();
        let looked = asker.look(&mut desk).await;
        match &looked {
            Ok(()) => {}
            Err(error @ (EmitError::Stopped | EmitError::Fenced { .. })) => {
                return Err(error.clone());
            }
            Err(other) => desk.trouble(&format!("the catalog did not take it: {other}")),
        }
        desk.end(looked.is_err(), asker.overlap_s());
        desk.mark(asker.open()).await?;
        let pause = match desk.why() {
            None => {
                failures = 0;
                voice.say(ConnectorState::Working, None).await?;
                emitter.looked().await?;
                poll.every
            }
            Some(why) => {
                tracing::warn!(source, why, "a CI system could not be asked for everything");
                voice.say(ConnectorState::Failing, Some(why)).await?;
                let pause = AGAIN * 2_u32.saturating_pow(failures);
                failures = (failures + 1).min(16);
                pause.min(poll.every)
            }
        };
        sleep(pause).await;
    }
}

/// Who asks.
enum Asker {
    GitHub(github::GitHub),
    GitLab(gitlab::GitLab),
    Jenkins(jenkins::Jenkins),
}

impl Asker {
    fn new(poll: &Poll, tells: Option<Tells>, projects: Projects) -> Result<Self, Failure> {
        let jobs = poll.jobs;
        Ok(match poll.asks.clone() {
            Asks::GitHub { host, credentials, owners, repositories } => Self::GitHub(
                github::GitHub::new(host, credentials, owners, repositories, jobs, tells),
            ),
            Asks::GitLab { base, login, groups, projects } => {
                let site = Site::new("GitLab", &base, Some(login), tells)?;
                Self::GitLab(gitlab::GitLab::new(site, groups, projects, jobs))
            }
            Asks::Jenkins { base, login, folders } => {
                let site = Site::new("Jenkins", &base, login, tells)?;
                Self::Jenkins(jenkins::Jenkins::new(site, folders, projects))
            }
        })
    }

    async fn look(&mut self, desk: &mut Desk) -> Result<(), Stop> {
        match self {
            Self::GitHub(asker) => asker.look(desk).await,
            Self::GitLab(asker) => asker.look(desk).await,
            Self::Jenkins(asker) => asker.look(desk).await,
        }
    }

    /// Since when something is open, the oldest of it.
    fn open(&self) -> Option<Timestamp> {
        match self {
            Self::GitHub(asker) => asker.open(),
            Self::GitLab(_) => None,
            Self::Jenkins(asker) => asker.open(),
        }
    }

    const fn overlap_s(&self) -> i64 {
        match self {
            Self::GitHub(_) => OVERLAP_GITHUB_S,
            Self::GitLab(_) => OVERLAP_GITLAB_S,
            Self::Jenkins(_) => OVERLAP_JENKINS_S,
        }
    }
}
