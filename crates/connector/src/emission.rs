//! What a connector emits, and the channel on which it does.

use std::sync::Arc;

use event::vocabulary::{ConnectorState, Fault, ScopeName};
use event::{Offset, Timestamp};
use model::reference::EntityRef;
use serde_json::Value;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{Budget, Said};

/// Emissions that may wait before [`Emitter`] makes its caller wait.
const EMISSIONS_WAITING: usize = 64;

/// Documents of one snapshot that may wait.
const DOCUMENTS_WAITING: usize = 256;

/// A document that was found, resolved (no placeholders are left in it) but not validated.
#[derive(Clone, Debug)]
pub struct Found {
    /// The document.
    pub document: Value,
    /// Where in the source it stands: file and document, commit, resourceVersion.
    pub pointer: Option<String>,
    /// When it came to be so, where the source knows that.
    pub time: Option<Timestamp>,
}

impl Found {
    /// A document of which nothing more is known.
    #[must_use]
    pub const fn new(document: Value) -> Self {
        Self { document, pointer: None, time: None }
    }
}

/// Something in a scope that could not be read. What the scope showed before and a snapshot with
/// something broken in it does not show is not withdrawn: it may be what could not be read. It
/// shows the fault as its status.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Its name in the scope: the file and the document's number in it, or a target.
    pub item: String,
    /// The entity that shows the fault as its status: the Location that wanted the target.
    pub about: Option<EntityRef>,
    /// Whether the Location is not shown until the target could be read once.
    pub required: bool,
    /// What is wrong.
    pub fault: Fault,
    /// Where in the source it stands.
    pub pointer: Option<String>,
}

/// One thing in a snapshot.
#[derive(Debug)]
pub enum SnapshotItem {
    /// A document.
    Found(Found),
    /// What could not be read.
    Broken(Broken),
    /// That was all of the scope.
    End,
}

/// Whether withdrawals pass the guard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Approve {
    /// A snapshot that would withdraw more than the guard's share is held.
    #[default]
    Guarded,
    /// A person said that this snapshot may withdraw whatever it does.
    Always,
}

/// What a connector says of itself or of one of its scopes.
#[derive(Clone, Debug)]
pub struct Status {
    /// What it is.
    pub state: ConnectorState,
    /// The scope that it is of; absent where it is the connector's as a whole.
    pub scope: Option<ScopeName>,
    /// Why, in words for the person who has to mend it.
    pub why: Option<String>,
}

/// A snapshot, as the catalog's side of the channel gets it.
#[derive(Debug)]
pub struct SnapshotRequest {
    /// Which scope.
    pub scope: ScopeName,
    /// Whether withdrawals pass the guard.
    pub approve: Approve,
    /// What is in it. Closed without [`SnapshotItem::End`], it is broken off.
    pub items: mpsc::Receiver<SnapshotItem>,
    /// Where the outcome goes.
    pub done: oneshot::Sender<Result<Outcome, EmitError>>,
}

/// What a connector emits.
#[derive(Debug)]
pub enum Emission {
    /// A scope, whole.
    Snapshot(SnapshotRequest),
    /// Scopes are no more.
    Retired {
        /// Which. Whether the guard lets that pass is asked for all of them together.
        scopes: Vec<ScopeName>,
        /// Whether that passes the guard.
        approve: Approve,
        /// Why, in words.
        why: Option<String>,
        /// Where the outcome goes.
        done: oneshot::Sender<Result<Outcome, EmitError>>,
    },
    /// Single changes, aspects and activities, in their order.
    Said {
        /// What.
        said: Vec<Said>,
        /// Where the outcome goes.
        done: oneshot::Sender<Result<Outcome, EmitError>>,
    },
    /// A word about the connector, or about a scope.
    Status(Status),
    /// How far the source was read.
    Cursor(String),
    /// The source was looked at, whole, and there was nothing wrong.
    Looked,
    /// What the source still lets itself be asked.
    Budget(Budget),
}

/// What came of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many documents there were, with those that were refused.
    pub seen: u64,
    /// How many of them the log did not hold so.
    pub changed: u64,
    /// How many entities went.
    pub gone: u64,
    /// How many documents were refused.
    pub refused: u64,
    /// What was refused, the first [`Outcome::REFUSALS_MAX`] of it.
    pub refusals: Vec<Refused>,
    /// How many withdrawals the guard holds back.
    pub held: Option<u64>,
    /// The last record that was appended; absent where there was nothing to say.
    pub last: Option<Offset>,
}

impl Outcome {
    /// How many refusals an outcome names.
    pub const REFUSALS_MAX: usize = 1000;
}

/// One refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The entity's reference, or the item's name.
    pub what: String,
    /// Where it stands.
    pub pointer: Option<String>,
    /// Why.
    pub message: String,
}

/// A target that a Location entity wants read, for the connector that reads targets of its type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The target, without its type: a path, a glob, a URL.
    pub target: String,
    /// The Location entity.
    pub entity: EntityRef,
    /// The scope that shows the Location entity.
    pub scope: ScopeName,
    /// Whether it is no fault when there is nothing.
    pub optional: bool,
    /// The origin location of what the target holds, as `type:target`: that of the Location entity.
    pub origin: Arc<str>,
    /// The last record by which somebody wanted it read again.
    pub refresh: Option<Offset>,
}

/// What a connector is given when it starts.
#[derive(Clone, Debug)]
pub struct Start {
    /// The cursor that it last reached.
    pub cursor: Option<String>,
    /// Its scopes that the catalog knows. Their names all begin with the source's name and `/`.
    pub scopes: Vec<ScopeName>,
    /// What it observed in earlier lives, by entity and aspect, and has not ended.
    pub observed: Vec<(EntityRef, Box<str>)>,
    /// The targets that Location entities want it to read, as they change.
    pub targets: watch::Receiver<Arc<Vec<Target>>>,
}

/// Why emitting failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmitError {
    /// The catalog is being stopped, or can't append any more.
    #[error("the catalog takes nothing any more")]
    Stopped,
    /// The log could not be written; what was emitted may or may not stand in it.
    #[error("the log could not be written: {why}")]
    Log {
        /// What the log said.
        why: String,
    },
    /// What is known of the scope could not be read.
    #[error("what is known of the scope could not be read: {why}")]
    Known {
        /// What the views said.
        why: String,
    },
    /// Another node changed the scope while it was being compared; read it again.
    #[error("the scope `{scope}` was changed from elsewhere meanwhile")]
    Stale {
        /// Which.
        scope: String,
    },
    /// Another node speaks for the source now; what was emitted does not count.
    #[error("another node speaks for `{source_name}` now")]
    Fenced {
        /// The source.
        source_name: String,
    },
    /// Something is larger than the log takes; nothing that came with it was appended.
    #[error("a record of {bytes} bytes is larger than the {limit} that the log takes")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The clock of this machine is behind the log.
    #[error("the clock of this machine is {behind_s} s behind the log; nothing is appended")]
    Clock {
        /// By how much, in seconds.
        behind_s: u64,
    },
}

/// Where a connector emits. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Emitter {
    emissions: mpsc::Sender<Emission>,
}

/// A channel for emissions: the connector's end and the catalog's.
#[must_use]
pub fn channel() -> (Emitter, mpsc::Receiver<Emission>) {
    let (sender, receiver) = mpsc::channel(EMISSIONS_WAITING);
    (Emitter { emissions: sender }, receiver)
}

impl Emitter {
    /// Begins a snapshot of a scope.
    ///
    /// # Errors
    /// When the catalog takes nothing any more.
    pub async fn snapshot(&self, scope: ScopeName) -> Result<Snapshot, EmitError> {
        self.snapshot_with(scope, Approve::default()).await
    }

    /// Begins a snapshot of a scope, with or without the guard.
    ///
    /// # Errors
    /// When the catalog takes nothing any more.
    pub async fn snapshot_with(
        &self,
        scope: ScopeName,
        approve: Approve,
    ) -> Result<Snapshot, EmitError> {
        let (sender, items) = mpsc::channel(DOCUMENTS_WAITING);
        let (done, outcome) = oneshot::channel();
        self.emit(Emission::Snapshot(SnapshotRequest { scope, approve, items, done })).await?;
        Ok(Snapshot { items: sender, outcome })
    }

    /// Says that scopes are no more, and waits until that is durable. Scopes that went at the same
    /// time belong into one call: the guard holds them back if they are too many together.
    ///
    /// # Errors
    /// When it could not be appended.
    pub async fn retired(
        &self,
        scopes: Vec<ScopeName>,
        why: Option<String>,
    ) -> Result<Outcome, EmitError> {
        self.retired_with(scopes, Approve::default(), why).await
    }

    /// Says that scopes are no more, with or without the guard, and waits until that is durable.
    ///
    /// # Errors
    /// When it could not be appended.
    pub async fn retired_with(
        &self,
        scopes: Vec<ScopeName>,
        approve: Approve,
        why: Option<String>,
    ) -> Result<Outcome, EmitError> {
        let (done, outcome) = oneshot::channel();
        self.emit(Emission::Retired { scopes, approve, why, done }).await?;
        outcome.await.map_err(|_| EmitError::Stopped)?
    }

    /// Says single changes, aspects and activities, in their order, and waits until what of them
    /// the log did not hold is durable and folded.
    ///
    /// # Errors
    /// When it could not be appended; those before may stand in the log.
    pub async fn say(&self, said: Vec<Said>) -> Result<Outcome, EmitError> {
        let (done, outcome) = oneshot::channel();
        self.emit(Emission::Said { said, done }).await?;
        outcome.await.map_err(|_| EmitError::Stopped)?
    }

    /// Says how the connector, or one of its scopes, is.
    ///
    /// # Errors
    /// When the catalog takes nothing any more.
    pub async fn status(&self, status: Status) -> Result<(), EmitError> {
        self.emit(Emission::Status(status)).await
    }

    /// Says that the source was looked at and all is well, whether anything was new or not.
    /// Nothing of it stands in the log: it is for those who ask this node.
    ///
    /// # Errors
    /// When the catalog takes nothing any more.
    pub async fn looked(&self) -> Result<(), EmitError> {
        self.emit(Emission::Looked).await
    }

    /// Says how much the source still lets itself be asked. Nothing of it stands in the log, and
    /// it is never waited for: while the catalog is behind it is not said, and the next one is.
    ///
    /// # Errors
    /// When the catalog takes nothing any more.
    pub fn budget(&self, budget: Budget) -> Result<(), EmitError> {
        match self.emissions.try_send(Emission::Budget(budget)) {
            Ok(()) | Err(TrySendError::Full(_)) => Ok(()),
            Err(TrySendError::Closed(_)) => Err(EmitError::Stopped),
        }
    }

    /// Says how far the source was read.
    ///
    /// # Errors
    /// When the catalog takes nothing any more.
    pub async fn cursor(&self, cursor: String) -> Result<(), EmitError> {
        self.emit(Emission::Cursor(cursor)).await
    }

    async fn emit(&self, emission: Emission) -> Result<(), EmitError> {
        self.emissions.send(emission).await.map_err(|_| EmitError::Stopped)
    }
}

/// A snapshot that is being emitted.
#[derive(Debug)]
pub struct Snapshot {
    items: mpsc::Sender<SnapshotItem>,
    outcome: oneshot::Receiver<Result<Outcome, EmitError>>,
}

impl Snapshot {
    /// Emits a document of the scope.
    ///
    /// # Errors
    /// When the catalog can't take it; the snapshot is broken off then.
    pub async fn seen(&mut self, found: Found) -> Result<(), EmitError> {
        self.send(SnapshotItem::Found(found)).await
    }

    /// Emits that something in the scope could not be read.
    ///
    /// # Errors
    /// When the catalog can't take it; the snapshot is broken off then.
    pub async fn broken(&mut self, broken: Broken) -> Result<(), EmitError> {
        self.send(SnapshotItem::Broken(broken)).await
    }

    /// Ends the snapshot: what it did not show is gone. Waits until all of it is durable.
    ///
    /// # Errors
    /// When it could not be appended, or the scope was changed from elsewhere meanwhile.
    pub async fn end(mut self) -> Result<Outcome, EmitError> {
        self.send(SnapshotItem::End).await?;
        self.outcome.await.map_err(|_| EmitError::Stopped)?
    }

    async fn send(&mut self, item: SnapshotItem) -> Result<(), EmitError> {
        if self.items.send(item).await.is_ok() {
            return Ok(());
        }
        // The other side hung up; it may have said why.
        match self.outcome.try_recv() {
            Ok(Err(error)) => Err(error),
            _ => Err(EmitError::Stopped),
        }
    }
}
