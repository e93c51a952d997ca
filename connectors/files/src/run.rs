//! The connector at work: look, read what changed, retire what went, wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use connector::{EmitError, Emitter, Start, Status, Target};
use event::vocabulary::ConnectorState;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until};

use crate::Error;
use crate::config::Config;
use crate::emit::{self, Shared};
use crate::memory::{Job, Memory};
use crate::plan::{self, Asked, Plan};
use crate::recognise::Recognise;
use crate::watch::{Signal, Watch};

/// Scopes that are emitted at the same time.
const FILES_AT_ONCE: usize = 32;

/// When it is looked again where something was in motion.
const SOON: Duration = Duration::from_millis(250);

/// The longest wait after the catalog took nothing, and the first one.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
const BACKOFF_MIN: Duration = Duration::from_millis(250);

/// How long looking everything through may make changes wait.
const REST_MAX: Duration = Duration::from_secs(2);

/// Keeps a catalog in step with files, until it is told to stop (`stopping` becomes true, or its
/// sender is dropped) or the catalog takes nothing any more.
///
/// Documents of `api_versions` are those of a catalog, too, where a folder holds others besides.
///
/// # Errors
/// A configuration that can't be run with. What is wrong with files is emitted.
pub async fn run(
    config: Config,
    api_versions: Vec<String>,
    start: Start,
    emitter: Emitter,
    mut stopping: watch::Receiver<bool>,
) -> Result<(), Error> {
    config.check()?;
    let mut runner = Runner::new(config, api_versions, start, emitter);
    tokio::select! {
        biased;
        _ = stopping.wait_for(|stop| *stop) => Ok(()),
        end = runner.run() => end,
    }
}

struct Runner {
    config: Arc<Config>,
    targets: watch::Receiver<Arc<Vec<Target>>>,
    /// Whether the catalog may still tell of other targets.
    tells_targets: bool,
    emitter: Emitter,
    recognise: Arc<Recognise>,
    room: Arc<Semaphore>,
    signal: Signal,
    /// What goes with a look to another thread and comes back.
    kit: Option<Kit>,
    said: Option<(ConnectorState, Option<String>)>,
    foreign: usize,
    stop: Stop,
}

struct Kit {
    memory: Memory,
    watch: Watch,
}

/// Tells threads to end when it is dropped.
#[derive(Default)]
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a look found.
struct Look {
    plan: Plan,
    jobs: Vec<Job>,
    kit: Kit,
    /// Whether folders are watched that were not before.
    grew: bool,
}

/// What a round came to.
enum Round {
    Done,
    /// Something was in motion.
    Moving,
    /// The catalog took not everything.
    Failed(EmitError),
}

/// Why the connector ends.
enum Halt {
    Stopped,
    Error(Error),
}

impl Runner {
    fn new(config: Config, api_versions: Vec<String>, start: Start, emitter: Emitter) -> Self {
        let signal = Signal::default();
        let (memory, watch) = (Memory::new(start.scopes), Watch::new(signal.clone()));
        Self {
            config: Arc::new(config),
            targets: start.targets,
            tells_targets: true,
            emitter,
            recognise: Arc::new(Recognise::new(api_versions)),
            room: emit::room(),
            signal,
            kit: Some(Kit { memory, watch }),
            said: None,
            foreign: 0,
            stop: Stop::default(),
        }
    }

    async fn run(&mut self) -> Result<(), Error> {
        let (mut failures, mut is_due) = (0, true);
        loop {
            let began = Instant::now();
            let round = match self.round(is_due).await {
                Ok(round) => round,
                Err(Halt::Stopped) => return Ok(()),
                Err(Halt::Error(error)) => return Err(error),
            };
            let rest = began.elapsed().min(REST_MAX);
            is_due = match round {
                Round::Done => {
                    failures = 0;
                    self.wait(rest).await
                }
                Round::Moving => {
                    failures = 0;
                    sleep(SOON.max(rest)).await;
                    false
                }
                Round::Failed(error) => {
                    let why = format!("the catalog takes nothing: {error}");
                    if self.say(ConnectorState::Failing, Some(why)).await.is_err() {
                        return Ok(());
                    }
                    sleep(backoff(failures)).await;
                    failures += 1;
                    false
                }
            };
        }
    }

    /// Waits until something may have changed, or it is time to look anyway. Returns which.
    async fn wait(&mut self, rest: Duration) -> bool {
        let rested = Instant::now() + rest;
        let due = sleep(self.config.poll());
        tokio::select! {
            () = due => return true,
            () = self.signal.raised() => {}
            changed = self.targets.changed(), if self.tells_targets => {
                self.tells_targets = changed.is_ok();
            }
        }
        self.signal.settled().await;
        sleep_until(rested).await;
        false
    }

    /// Looks, reads and retires once.
    async fn round(&mut self, is_due: bool) -> Result<Round, Halt> {
        let Look { mut plan, jobs, mut kit, grew } = self.look(is_due).await?;
        let roots = std::mem::take(&mut plan.roots);
        let (recognise, room) = (Arc::clone(&self.recognise), Arc::clone(&self.room));
        let shared = Shared::new(self.emitter.clone(), recognise, room, roots);
        let emitted = emit_all(&shared, jobs, &mut kit.memory).await?;
        let retired = match &emitted {
            Round::Failed(error) => Err(error.clone()),
            Round::Done | Round::Moving => self.retire(&plan, &mut kit.memory).await,
        };
        kit.memory.forget(&plan);
        let foreign = kit.memory.foreign(&plan);
        self.kit = Some(kit);
        match retired {
            Ok(()) => {}
            Err(EmitError::Stopped) => return Err(Halt::Stopped),
            Err(error) => return Ok(Round::Failed(error)),
        }
        if foreign != std::mem::replace(&mut self.foreign, foreign) {
            let source = self.config.source();
            tracing::info!(
                source,
                files = foreign,
                "files without a catalog document are passed over"
            );
        }
        let (state, why) = match plan.problems.as_slice() {
            [] => (ConnectorState::Working, None),
            problems => (ConnectorState::Failing, Some(problems.join("; "))),
        };
        self.say(state, why).await.map_err(|_| Halt::Stopped)?;
        if state == ConnectorState::Working {
            self.emitter.looked().await.map_err(|_| Halt::Stopped)?;
        }
        Ok(if grew || matches!(emitted, Round::Moving) { Round::Moving } else { Round::Done })
    }

    /// Finds out what is wanted and what of that changed.
    async fn look(&mut self, is_due: bool) -> Result<Look, Halt> {
        let broke = |config: &Config| Halt::Error(Error::Broke { paths: config.paths().to_vec() });
        let Some(mut kit) = self.kit.take() else { return Err(broke(&self.config)) };
        let config = Arc::clone(&self.config);
        let targets = Arc::clone(&self.targets.borrow_and_update());
        let stop = Arc::clone(&self.stop.0);
        let look = spawn_blocking(move || {
            let graced = kit.memory.graced();
            let mut plan = plan::plan(Asked {
                config: &config,
                targets: &targets,
                known: &kit.memory.known,
                graced: &graced,
                origins: &kit.memory.origins,
                stop: &stop,
            })?;
            let mut points = std::mem::take(&mut plan.points);
            kit.memory.watch(&mut points);
            let grew = kit.watch.set(points, is_due);
            let jobs = kit.memory.due(&plan);
            Ok::<_, crate::walk::Stopped>(Look { plan, jobs, kit, grew })
        });
        match look.await {
            Ok(Ok(look)) => Ok(look),
            Ok(Err(crate::walk::Stopped)) => Err(Halt::Stopped),
            Err(error) if error.is_cancelled() => Err(Halt::Stopped),
            Err(_) => Err(broke(&self.config)),
        }
    }

    /// Retires the scopes that are not wanted any more, all in one, so that the guard sees how
    /// many there are.
    async fn retire(&self, plan: &Plan, memory: &mut Memory) -> Result<(), EmitError> {
        let scopes = memory.unwanted(plan);
        if scopes.is_empty() {
            return Ok(());
        }
        let why = "no configured path and no Location entity leads to a catalog file of that name";
        let outcome = self.emitter.retired(scopes.clone(), Some(why.to_owned())).await?;
        match outcome.held {
            // It is asked for again at the next look, and passes when a person says so.
            Some(held) => {
                tracing::warn!(source = self.config.source(), held, "files that went are held")
            }
            None => memory.retired(scopes),
        }
        Ok(())
    }

    /// Says how the connector is, if that is something new.
    async fn say(&mut self, state: ConnectorState, why: Option<String>) -> Result<(), EmitError> {
        let says = Some((state, why));
        if self.said == says {
            return Ok(());
        }
        if let Some((ConnectorState::Failing, Some(why))) = &says {
            tracing::warn!(source = self.config.source(), why, "the connector fails");
        }
        self.said = says;
        let why = self.said.as_ref().and_then(|(_, why)| why.clone());
        self.emitter.status(Status { state, scope: None, why }).await
    }
}

/// Emits scopes, several at a time. When the catalog does not take one, no more are begun.
async fn emit_all(
    shared: &Arc<Shared>,
    jobs: Vec<Job>,
    memory: &mut Memory,
) -> Result<Round, Halt> {
    let mut jobs = jobs.into_iter();
    let mut tasks = JoinSet::new();
    let mut round = Round::Done;
    loop {
        while tasks.len() < FILES_AT_ONCE
            && !matches!(round, Round::Failed(_))
            && let Some(job) = jobs.next()
        {
            let shared = Arc::clone(shared);
            tasks.spawn(async move {
                let emitted = emit::emit(shared, &job).await;
                (job, emitted)
            });
        }
        let Some(done) = tasks.join_next().await else { return Ok(round) };
        match done {
            Ok((job, Ok(emitted))) => {
                if memory.note(job.scope, job.key, emitted) && matches!(round, Round::Done) {
                    round = Round::Moving;
                }
            }
            Ok((_, Err(EmitError::Stopped))) => return Err(Halt::Stopped),
            Ok((job, Err(error))) => {
                memory.may_be_shown(job.scope);
                round = Round::Failed(error);
            }
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return Err(Halt::Stopped),
            },
        }
    }
}

fn backoff(failures: u32) -> Duration {
    BACKOFF_MIN.saturating_mul(2_u32.saturating_pow(failures)).min(BACKOFF_MAX)
}
