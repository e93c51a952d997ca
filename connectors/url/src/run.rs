//! The connector at work.

use std::sync::Arc;
use std::time::Duration;

use connector::{
    Approve, Broken, EmitError, Emitter, Outcome, Problem, Start, Status, Target, shown,
};
use event::vocabulary::{ConnectorState, ScopeName};
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep_until};

use crate::Config;
use crate::fetch::{Unread, Validator};
use crate::read::{Read, Reader};
use crate::schedule::{Done, Job, Schedule};

/// The source's name.
pub const SOURCE: &str = "url/locations";

/// What the names of its scopes begin with.
pub const SCOPES: &str = "url/locations/";

/// Targets that are read at the same time.
const JOBS_MAX: usize = 8;

/// How long a scope may go without a word that it was looked at; ingest says one a day.
const EMITTED_EVERY: Duration = Duration::from_secs(20 * 3600);

/// How long it waits after the catalog took nothing, and before it asks again for what is held.
const AGAIN: Duration = Duration::from_secs(30);

/// Longer than anything is read.
const AGES: Duration = Duration::from_hours(24);

/// Keeps a catalog in step with what URLs hold, until it is told to stop (`stopping` becomes true,
/// or its sender is dropped) or the catalog takes nothing any more.
pub async fn run(
    config: Config,
    start: Start,
    emitter: Emitter,
    mut stopping: watch::Receiver<bool>,
) {
    let runner = Runner::new(&config, start, emitter);
    tokio::select! {
        biased;
        _ = stopping.wait_for(|stop| *stop) => {}
        // The catalog takes nothing any more: it is being stopped.
        _ = runner.run() => {}
    }
}

/// Reads every target that is wanted once, and says of the source that it was looked at. Gives why
/// targets could not be read, in words.
///
/// # Errors
/// When the catalog takes nothing any more.
pub async fn once(
    config: &Config,
    start: Start,
    emitter: Emitter,
) -> Result<Vec<String>, EmitError> {
    // Nothing comes a second time while others are still being read.
    let mut runner = Runner { poll: AGES, ..Runner::new(config, start, emitter) };
    runner.look();
    let mut unread = Vec::new();
    runner.begin();
    while let Some(done) = runner.jobs.join_next().await {
        if let Ok((_, Ok(Done { unread: Some(why), .. }))) = &done {
            unread.push(why.clone());
        }
        runner.done(done)?;
        runner.begin();
    }
    runner.retire().await?;
    runner.emitter.looked().await?;
    Ok(unread)
}

struct Runner {
    reader: Reader,
    poll: Duration,
    schedule: Schedule,
    /// When scopes that nobody wants are retired next.
    retired_at: Instant,
    targets: watch::Receiver<Arc<Vec<Target>>>,
    emitter: Emitter,
    jobs: JoinSet<(Arc<str>, Result<Done, EmitError>)>,
}

impl Runner {
    fn new(config: &Config, start: Start, emitter: Emitter) -> Self {
        Self {
            reader: Reader::new(config),
            poll: config.poll,
            schedule: Schedule::new(start.scopes),
            retired_at: Instant::now(),
            targets: start.targets,
            emitter,
            jobs: JoinSet::new(),
        }
    }

    async fn run(mut self) -> Result<(), EmitError> {
        let working = Status { state: ConnectorState::Working, scope: None, why: None };
        self.emitter.status(working).await?;
        self.look();
        loop {
            self.retire().await?;
            self.begin();
            let is_free = self.jobs.len() < JOBS_MAX;
            let due = self.schedule.next_due().filter(|_| is_free);
            let retiring = Some(self.retired_at).filter(|_| !self.schedule.unwanted.is_empty());
            tokio::select! {
                changed = self.targets.changed() => match changed {
                    Ok(()) => self.look(),
                    Err(_) => return Ok(()),
                },
                Some(done) = self.jobs.join_next() => self.done(done)?,
                () = until(due) => {}
                () = until(retiring) => {}
            }
        }
    }

    fn look(&mut self) {
        let targets = Arc::clone(&self.targets.borrow_and_update());
        let before = self.schedule.unwanted.len();
        self.schedule.want(&targets, Instant::now());
        if self.schedule.unwanted.len() != before {
            self.retired_at = Instant::now();
        }
    }

    /// Begins what is due.
    fn begin(&mut self) {
        while self.jobs.len() < JOBS_MAX {
            let Some(job) = self.schedule.take(Instant::now(), EMITTED_EVERY) else { return };
            let (reader, emitter, poll) = (self.reader.clone(), self.emitter.clone(), self.poll);
            self.jobs.spawn(async move {
                let target = Arc::clone(&job.target);
                (target, read(reader, emitter, job, poll).await)
            });
        }
    }

    fn done(
        &mut self,
        done: Result<(Arc<str>, Result<Done, EmitError>), tokio::task::JoinError>,
    ) -> Result<(), EmitError> {
        let (target, done) = match done {
            Ok(done) => done,
            Err(error) => {
                // A panic of ours. The target is looked at again when the node is started again.
                tracing::error!(%error, "reading a URL broke off");
                return Ok(());
            }
        };
        let soon = |next| Done { validators: Vec::new(), emitted: false, next, unread: None };
        let done = match done {
            Ok(done) => done,
            Err(EmitError::Stopped) => return Err(EmitError::Stopped),
            Err(EmitError::Stale { .. }) => soon(Duration::ZERO),
            Err(error) => {
                tracing::warn!(%error, "the catalog did not take what a URL holds; it is read again");
                soon(AGAIN)
            }
        };
        self.schedule.done(&target, done, Instant::now());
        Ok(())
    }

    /// Retires what nobody wants any more: what a person removed, and apart from that the rest,
    /// which the guard may hold.
    async fn retire(&mut self) -> Result<(), EmitError> {
        if self.schedule.unwanted.is_empty() || Instant::now() < self.retired_at {
            return Ok(());
        }
        for approve in [Approve::Always, Approve::Guarded] {
            let unwanted = self.schedule.unwanted.iter();
            let scopes: Vec<ScopeName> = unwanted
                .filter(|(_, other)| **other == approve)
                .map(|(scope, _)| scope.clone())
                .collect();
            if scopes.is_empty() {
                continue;
            }
            let why = Some("no location wants it read any more".to_owned());
            match self.emitter.retired_with(scopes.clone(), approve, why).await {
                Ok(outcome) if outcome.held.is_none() => {
                    self.schedule.unwanted.retain(|scope, _| !scopes.contains(scope));
                }
                Ok(_) => {}
                Err(EmitError::Stopped) => return Err(EmitError::Stopped),
                Err(error) => tracing::warn!(%error, "scopes could not be retired"),
            }
        }
        self.retired_at = Instant::now() + AGAIN;
        Ok(())
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// What a look at a target came to.
enum Look {
    Unchanged,
    Read(Read),
    Unread(Unread),
}

async fn read(
    reader: Reader,
    emitter: Emitter,
    job: Job,
    poll: Duration,
) -> Result<Done, EmitError> {
    let Job { target, scope, wanters, validators } = job;
    let origin = wanters.first().map(|wanter| Arc::clone(&wanter.origin)).unwrap_or_default();
    let look = {
        let (target, validators) = (Arc::clone(&target), validators.clone());
        spawn_blocking(move || {
            if reader.is_unchanged(&validators) {
                return Look::Unchanged;
            }
            match reader.get(&target, &origin) {
                Ok(read) => Look::Read(read),
                Err(unread) => Look::Unread(unread),
            }
        })
        .await
    };
    let look = look.unwrap_or_else(|_| {
        let message = format!("{}: reading it broke off, which is a defect", shown(&target));
        Look::Unread(Unread::new("Error", message))
    });
    match look {
        Look::Unchanged => {
            emitter.looked().await?;
            Ok(Done { validators, emitted: false, next: poll, unread: None })
        }
        Look::Read(read) => {
            let validators = read.validators;
            let outcome = show(&emitter, scope, &target, &wanters, read.items).await?;
            Ok(shown_as(&outcome, validators, poll))
        }
        Look::Unread(unread) => {
            let next = unread.retry_after.unwrap_or_default().max(poll);
            let outcome = say(&emitter, scope, &target, &wanters, &unread).await?;
            let is_minded = outcome.refused > 0;
            let why = is_minded.then(|| unread.fault.message.clone());
            Ok(Done { unread: why, ..shown_as(&outcome, Vec::new(), next) })
        }
    }
}

/// What is held back has to be asked for again until it passes.
fn shown_as(outcome: &Outcome, validators: Vec<Validator>, next: Duration) -> Done {
    match outcome.held {
        Some(_) => {
            let next = next.max(AGAIN);
            Done { validators: Vec::new(), emitted: false, next, unread: None }
        }
        None => Done { validators, emitted: true, next, unread: None },
    }
}

async fn show(
    emitter: &Emitter,
    scope: ScopeName,
    target: &str,
    wanters: &[Target],
    items: Vec<Result<connector::Found, Problem>>,
) -> Result<Outcome, EmitError> {
    let mut snapshot = emitter.snapshot(scope).await?;
    for item in items {
        match item {
            Ok(found) => snapshot.seen(found).await?,
            Err(Problem { index, about, fault }) => {
                let item = format!("{}#{index}", shown(target));
                // Who wants the target shows what is wrong with it, unless the document tells
                // whose fault it is.
                let required = about.is_none();
                let about = about.or_else(|| wanters.first().map(|wanter| wanter.entity.clone()));
                let pointer = Some(item.clone());
                snapshot.broken(Broken { item, about, required, fault, pointer }).await?;
            }
        }
    }
    snapshot.end().await
}

/// Says that a target can't be read, to everyone who wants it.
async fn say(
    emitter: &Emitter,
    scope: ScopeName,
    target: &str,
    wanters: &[Target],
    unread: &Unread,
) -> Result<Outcome, EmitError> {
    let mut snapshot = emitter.snapshot(scope).await?;
    let mut is_said = false;
    for wanter in wanters {
        if unread.is_missing && wanter.optional {
            continue;
        }
        // The first one's has the target's own name, so that it stays the same when others come.
        let item =
            if is_said { format!("{} ({})", shown(target), wanter.entity) } else { shown(target) };
        is_said = true;
        snapshot
            .broken(Broken {
                item: item.clone(),
                about: Some(wanter.entity.clone()),
                required: unread.required,
                fault: unread.fault.clone(),
                pointer: Some(item),
            })
            .await?;
    }
    // Where nobody minds that there is nothing, what it held before is gone.
    snapshot.end().await
}
