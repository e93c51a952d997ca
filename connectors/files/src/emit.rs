//! Emitting one scope.
//!
//! Invariant: a snapshot is ended only if all of its file was read in one state.

use std::sync::Arc;

use connector::{Broken, EmitError, Emitter, Found, Outcome, Snapshot};
use event::vocabulary::ScopeName;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{self, JoinError};

use crate::documents::{self, End, Lenient, Origin, Report, Under, limits};
use crate::memory::{Emitted, Job, Key, Work};
use crate::plan::Wanted;
use crate::recognise::Recognise;
use crate::resolve::Dependencies;
use crate::roots::Roots;
use crate::words;

/// Bytes of files that are read at the same time: one that is as large as may be, or many.
const BYTES_AT_ONCE: u64 = 10 << 20;

/// Bytes that an NDJSON file counts at the most, since it is not held as a whole.
const BYTES_STREAMED: u64 = 1 << 20;

/// What one permit of the semaphore stands for.
const BYTES_A_PERMIT: u64 = 1 << 10;

/// Documents that wait between a file and its snapshot.
const DOCUMENTS_WAITING: usize = 64;

/// How often a snapshot that was overtaken by another node is read again at once.
const STALE_MAX: usize = 5;

/// What all jobs of a round share.
#[derive(Debug)]
pub(crate) struct Shared {
    emitter: Emitter,
    recognise: Arc<Recognise>,
    room: Arc<Semaphore>,
    roots: Roots,
}

impl Shared {
    pub(crate) fn new(
        emitter: Emitter,
        recognise: Arc<Recognise>,
        room: Arc<Semaphore>,
        roots: Roots,
    ) -> Arc<Self> {
        Arc::new(Self { emitter, recognise, room, roots })
    }
}

/// The room for files that are read at the same time.
pub(crate) fn room() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(usize::try_from(BYTES_AT_ONCE / BYTES_A_PERMIT).unwrap_or(1)))
}

/// Does a job.
pub(crate) async fn emit(shared: Arc<Shared>, job: &Job) -> Result<Emitted, EmitError> {
    for _ in 0..STALE_MAX {
        let emitted = match &job.work {
            Work::Say(faults) => say(&shared.emitter, &job.scope, faults).await,
            Work::Read(wanted) => read(&shared, job, wanted).await,
        };
        match emitted {
            Err(EmitError::Stale { .. }) => {}
            other => return other,
        }
    }
    Ok(Emitted::Fleeting)
}

async fn say(
    emitter: &Emitter,
    scope: &ScopeName,
    faults: &[Broken],
) -> Result<Emitted, EmitError> {
    let mut snapshot = emitter.snapshot(scope.clone()).await?;
    for fault in faults {
        snapshot.broken(fault.clone()).await?;
    }
    let outcome = snapshot.end().await?;
    Ok(shown(&outcome, false, Dependencies::new()))
}

/// Withdrawals that are held have to be asked for again until they pass.
fn shown(outcome: &Outcome, is_young: bool, dependencies: Dependencies) -> Emitted {
    Emitted::Shown { again: is_young || outcome.held.is_some(), dependencies }
}

async fn read(shared: &Arc<Shared>, job: &Job, wanted: &Wanted) -> Result<Emitted, EmitError> {
    let _room = shared.room.acquire_many(permits(&job.key, &wanted.name)).await;
    let (sender, mut items) = mpsc::channel(DOCUMENTS_WAITING);
    let reading = {
        let (shared, wanted) = (Arc::clone(shared), wanted.clone());
        let (is_known, takes_unsteady) = (job.is_known, job.is_last_try);
        task::spawn_blocking(move || blocking(&shared, &wanted, is_known, takes_unsteady, &sender))
    };
    let mut sending = Sending { emitter: &shared.emitter, scope: &job.scope, snapshot: None };
    // The snapshot begins with the first item. By then the file is being read, so that a snapshot
    // for which the catalog waits never waits for a file that waits for the catalog.
    while let Some(item) = items.recv().await {
        sending.send(item).await?;
    }
    let Report { end, dependencies, is_young } = match reading.await {
        Ok(report) => report,
        Err(error) => sending.defect(wanted, &error).await?,
    };
    match end {
        End::PassedOver => return Ok(Emitted::Foreign { again: is_young }),
        End::Unsteady | End::Enough => return Ok(Emitted::Fleeting),
        End::Gone if !job.is_last_try => return Ok(Emitted::Fleeting),
        End::Gone => sending.send(Err(gone(wanted))).await?,
        End::Done => {}
    }
    let outcome = sending.end().await?;
    tracing::debug!(
        file = &*wanted.name,
        seen = outcome.seen,
        changed = outcome.changed,
        refused = outcome.refused,
        "read a file"
    );
    Ok(shown(&outcome, is_young, dependencies))
}

fn permits(key: &Key, name: &str) -> u32 {
    let size = match key {
        Key::File(Some(stamp), ..) => stamp.size(),
        _ => 0,
    };
    let is_streamed = name.ends_with(".ndjson") || name.ends_with(".jsonl");
    let most = if is_streamed { BYTES_STREAMED } else { BYTES_AT_ONCE };
    u32::try_from(size.min(most) / BYTES_A_PERMIT).unwrap_or(1).max(1)
}

fn blocking(
    shared: &Shared,
    wanted: &Wanted,
    is_known: bool,
    takes_unsteady: bool,
    sender: &mpsc::Sender<Result<Found, Broken>>,
) -> Report {
    let origin = Origin {
        name: &wanted.name,
        path: Some(&wanted.path),
        locations: Some((&wanted.location, &wanted.origin)),
        about: wanted.about.as_ref(),
    };
    let under = Under { roots: &shared.roots, limits: limits(), takes_unsteady };
    let lenient = wanted.is_lenient.then_some(Lenient { recognise: &shared.recognise, is_known });
    let real = wanted.real.as_ref().unwrap_or(&wanted.path);
    documents::read(real, origin, under, lenient, &mut |item| match sender
        .blocking_send(item.content)
    {
        Ok(()) => std::ops::ControlFlow::Continue(()),
        Err(_) => std::ops::ControlFlow::Break(()),
    })
}

fn gone(wanted: &Wanted) -> Broken {
    let message = format!("{} is listed, but can't be found", wanted.name);
    whole(wanted, words::fault("NotFoundError", message))
}

fn whole(wanted: &Wanted, fault: event::vocabulary::Fault) -> Broken {
    let item = wanted.name.to_string();
    Broken {
        item: item.clone(),
        about: wanted.about.clone(),
        required: false,
        fault,
        pointer: Some(item),
    }
}

struct Sending<'a> {
    emitter: &'a Emitter,
    scope: &'a ScopeName,
    snapshot: Option<Snapshot>,
}

impl Sending<'_> {
    async fn send(&mut self, item: Result<Found, Broken>) -> Result<(), EmitError> {
        let snapshot = self.snapshot().await?;
        match item {
            Ok(found) => snapshot.seen(found).await,
            Err(broken) => snapshot.broken(broken).await,
        }
    }

    async fn snapshot(&mut self) -> Result<&mut Snapshot, EmitError> {
        if self.snapshot.is_none() {
            self.snapshot = Some(self.emitter.snapshot(self.scope.clone()).await?);
        }
        self.snapshot.as_mut().ok_or(EmitError::Stopped)
    }

    async fn end(mut self) -> Result<Outcome, EmitError> {
        self.snapshot().await?;
        match self.snapshot {
            Some(snapshot) => snapshot.end().await,
            None => Err(EmitError::Stopped),
        }
    }

    /// A file that broke the reader is one that can't be read.
    async fn defect(&mut self, wanted: &Wanted, error: &JoinError) -> Result<Report, EmitError> {
        if error.is_cancelled() {
            return Err(EmitError::Stopped);
        }
        tracing::error!(file = &*wanted.name, "reading a file broke off");
        let message = format!("{}: reading it broke off, which is a defect of Annals", wanted.name);
        self.send(Err(whole(wanted, words::fault("Error", message)))).await?;
        Ok(Report { end: End::Done, dependencies: Dependencies::new(), is_young: false })
    }
}
