//! Taking what a connector emits, on threads of its own.

use std::sync::Arc;
use std::sync::mpsc as std_mpsc;

use connector::{Approve, Emission, EmitError, Outcome, SnapshotRequest, Status};
use event::vocabulary::{
    ConnectorChanged, ConnectorState, CursorReached, ScopeName, ScopeRetired, is_key,
};
use event::{Event, RecordId};
use tokio::sync::{mpsc, oneshot};

use crate::compare::{How, Taken, held, unknown};
use crate::text::fit_words;
use crate::{Appender, Draft, Ingest};

/// Snapshots, retirements and cursors that wait for the one before them, which may be open as long
/// as its source takes to be read.
const WAITING_MAX: usize = 64;

/// Snapshots that are appended and wait to be confirmed, before the next one is taken.
const UNCONFIRMED_MAX: usize = 256;

type Reply = oneshot::Sender<Result<Outcome, EmitError>>;

/// What has its turn: one after the other, as it came.
enum InTurn {
    Snapshot(SnapshotRequest),
    Retired { scopes: Vec<ScopeName>, approve: Approve, why: Option<String>, done: Reply },
    Cursor(String),
}

impl Ingest {
    /// Takes what a connector emits until it is done or the log fails. Snapshots, retirements and
    /// cursors are compared and appended in the order in which they came; that the fold took them is
    /// waited for aside. A snapshot that is open, since its source is still being read, holds up
    /// nothing that is said by itself.
    pub fn serve(self: &Arc<Self>, appender: &Appender, mut emissions: mpsc::Receiver<Emission>) {
        let (unconfirmed, confirming) = std_mpsc::sync_channel::<(Taken, Reply)>(UNCONFIRMED_MAX);
        let (in_turn, waiting) = std_mpsc::sync_channel::<InTurn>(WAITING_MAX);
        std::thread::scope(|threads| {
            threads.spawn(move || {
                for (taken, reply) in confirming {
                    let outcome = self.confirm(taken);
                    self.fare_takes(appender.source(), &outcome);
                    // A connector that no longer listens does not mind.
                    let _ = reply.send(outcome);
                }
            });
            threads.spawn(move || {
                for next in waiting {
                    self.in_turn(appender, next, &unconfirmed);
                }
            });
            self.fare_begins(appender.source());
            while let Some(emission) = emissions.blocking_recv() {
                let next = match emission {
                    Emission::Snapshot(request) => InTurn::Snapshot(request),
                    Emission::Retired { scopes, approve, why, done } => {
                        InTurn::Retired { scopes, approve, why, done }
                    }
                    Emission::Cursor(cursor) => InTurn::Cursor(cursor),
                    Emission::Said { said, done } => {
                        let outcome = self.take_said(appender, said, None);
                        self.fare_takes(appender.source(), &outcome);
                        let _ = done.send(outcome);
                        continue;
                    }
                    Emission::Status(status) => {
                        self.status(appender, status);
                        continue;
                    }
                    Emission::Looked => {
                        self.fare_looked(appender.source());
                        continue;
                    }
                    Emission::Budget(budget) => {
                        self.fare_budget(appender.source(), budget);
                        continue;
                    }
                };
                if in_turn.send(next).is_err() {
                    // That thread broke off; whoever emits is told so.
                    break;
                }
            }
            drop(in_turn);
        });
        self.fare_ends(appender.source());
    }

    fn in_turn(
        &self,
        appender: &Appender,
        next: InTurn,
        unconfirmed: &std_mpsc::SyncSender<(Taken, Reply)>,
    ) {
        match next {
            InTurn::Snapshot(request) => self.snapshot(appender, request, unconfirmed),
            InTurn::Retired { scopes, approve, why, done } => {
                let retired = self.retire(appender, &scopes, approve, why.as_deref());
                confirm_later(retired, done, unconfirmed);
            }
            InTurn::Cursor(cursor) => self.cursor(appender, cursor),
        }
    }

    fn snapshot(
        &self,
        appender: &Appender,
        request: SnapshotRequest,
        unconfirmed: &std_mpsc::SyncSender<(Taken, Reply)>,
    ) {
        let SnapshotRequest { scope, approve, mut items, done } = request;
        let mut items = std::iter::from_fn(|| items.blocking_recv());
        let how = How { approve, author: None };
        match self.compare(appender, &scope, how, &mut items) {
            Ok(Some(taken)) => {
                tell(&taken);
                confirm_later(Ok(taken), done, unconfirmed);
            }
            // Broken off: what it showed is taken as it came, nothing is withdrawn.
            Ok(None) => {}
            Err(error) => {
                self.fare_fails(appender.source(), error.to_string());
                confirm_later(Err(error), done, unconfirmed);
            }
        }
    }

    /// Retires scopes, unless they are too many together.
    fn retire(
        &self,
        appender: &Appender,
        scopes: &[ScopeName],
        approve: Approve,
        why: Option<&str>,
    ) -> Result<Taken, EmitError> {
        self.check_clock()?;
        let source = appender.source().as_str();
        let whole = ScopeName::new(source).map_err(|_| EmitError::Stopped)?;
        let mut outcome = Outcome::default();
        let mut retiring = Vec::new();
        for scope in scopes {
            self.settle(scope)?;
            let known = self.known.scope(scope).map_err(unknown)?;
            if let Some(known) =
                known.filter(|known| known.version != RecordId::NONE && !known.retired)
            {
                outcome.gone += known.claims;
                retiring.push(scope);
            }
        }
        let of = self.known.scopes(&format!("{source}/")).map_err(unknown)?;
        let of: u64 = of.iter().map(|(_, scope)| scope.claims).sum();
        let known = self.known.scope(&whole).map_err(unknown)?.unwrap_or_default();
        let approved = approve == Approve::Always
            || known.approved.is_some_and(|at_most| outcome.gone <= at_most);
        let mut drafts = Vec::new();
        if approved || self.options.guard.lets_pass(outcome.gone, of) {
            for scope in retiring {
                let _alone = self.occupy(scope);
                let why = why.map(fit_words);
                let event = Event::ScopeRetired(ScopeRetired { scope: scope.clone(), why });
                drafts.push(Draft::new(&event));
            }
        } else {
            let gone = std::mem::take(&mut outcome.gone);
            outcome.held = Some(gone);
            if known.held != Some(gone) {
                let why = format!("{gone} of {of} entities of {source} would be withdrawn");
                drafts.push(held(whole.clone(), gone, why));
            }
        }
        outcome.last = appender.append(drafts)?;
        if let Some(last) = outcome.last {
            scopes.iter().for_each(|scope| self.note_pending(scope, last));
        }
        Ok(Taken { ticket: None, outcome, scope: whole, snapshot: None })
    }

    fn status(&self, appender: &Appender, status: Status) {
        let Status { state, scope, why } = status;
        let why = why.as_deref().map(fit_words);
        if matches!(state, ConnectorState::Failing | ConnectorState::Stale) {
            let words = why.clone().unwrap_or_else(|| "it says no more than that".into());
            self.fare_fails(appender.source(), words);
        }
        let changed = ConnectorChanged { state, scope, why, withdrawals: None };
        self.say(appender, &Event::ConnectorChanged(changed));
    }

    fn cursor(&self, appender: &Appender, cursor: String) {
        // A cursor that was cut would lead elsewhere; without it the source is read from the last
        // one on, or anew.
        if !is_key(&cursor) {
            let bytes = cursor.len();
            tracing::error!(source = %appender.source(), bytes, "a cursor can't be kept");
            return;
        }
        self.say(appender, &Event::CursorReached(CursorReached { cursor }));
    }

    fn say(&self, appender: &Appender, event: &Event<'_>) {
        let said = self.check_clock().and_then(|()| appender.append(vec![Draft::new(event)]));
        if let Err(error) = said {
            tracing::error!(source = %appender.source(), %error, "a word of a connector is lost");
        }
    }
}

/// A line in the log for whoever changes files and watches. What is wrong stands in the catalog
/// only, since it may quote the document.
fn tell(taken: &Taken) {
    let (scope, outcome) = (&taken.scope, &taken.outcome);
    if outcome.refused > 0 && outcome.changed > 0 {
        let refused = outcome.refused;
        tracing::warn!(%scope, refused, "documents are refused; GET /api/connectors/refusals says why");
    }
    if let Some(held) = outcome.held {
        tracing::warn!(%scope, held, "withdrawals are held until somebody approves them");
    }
}

fn confirm_later(
    taken: Result<Taken, EmitError>,
    reply: Reply,
    unconfirmed: &std_mpsc::SyncSender<(Taken, Reply)>,
) {
    match taken {
        Ok(taken) => {
            if let Err(std_mpsc::SendError((_, reply))) = unconfirmed.send((taken, reply)) {
                let _ = reply.send(Err(EmitError::Stopped));
            }
        }
        Err(error) => {
            let _ = reply.send(Err(error));
        }
    }
}
