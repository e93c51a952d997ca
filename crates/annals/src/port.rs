//! The port from the API to ingest.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use api::{
    ApiError, Commands, IngestLine, IngestMode, IngestRequest, LocationChange, Refusal, Report,
    SourceBudget, SourceFare,
};
use connector::{Approve, Broken, EmitError, Found, Outcome, SnapshotItem};
use event::vocabulary::{EntityRemoved, Fault, RefreshAsked, ScopeName, WithdrawalApproved};
use event::{Event, LogId, Offset, Position};
use ingest::{ChangeItem, Draft, Fare, WantedLocation};
use model::reference::EntityRef;
use serde_json::Value;
use uuid::Uuid;
use views::Reader;

use crate::dry_run::dry_run;
use crate::node::WayIn;

/// What stands before the name that a caller gives a scope, so that nobody hands in what belongs
/// to a connector.
pub(crate) const SCOPE_PREFIX: &str = "ingest/";

/// Hands what the API is asked for to ingest, once the way into the log is open.
pub(crate) struct IngestPort {
    way_in: OnceLock<WayIn>,
    urls: urls::Reader,
    /// Who reads what with credentials.
    github: Vec<github::Config>,
}

impl IngestPort {
    /// A port that is closed yet. What has to be read for a caller is read under this
    /// configuration.
    pub(crate) fn new(reading: &urls::Config, github: Vec<github::Config>) -> Self {
        Self { way_in: OnceLock::new(), urls: urls::Reader::new(reading), github }
    }

    /// From now on documents are taken.
    pub(crate) fn open(&self, way_in: WayIn) {
        // It is opened once; a second way in would lead to the same log.
        let _ = self.way_in.set(way_in);
    }

    /// The way in, if it is open.
    pub(crate) fn way_in(&self) -> Option<&WayIn> {
        self.way_in.get()
    }

    fn opened(&self) -> Result<&WayIn, ApiError> {
        let closed = "the catalog still reads its log; GET /readyz says how far it is";
        self.way_in().ok_or_else(|| ApiError::unavailable(closed))
    }

    /// The way in, if anything can be appended now: callers are not kept waiting for brokers.
    fn writable(&self) -> Result<&WayIn, ApiError> {
        let way_in = self.opened()?;
        way_in.ingest.why_away().map_or(Ok(way_in), |why| Err(ApiError::unavailable(why)))
    }
}

impl WayIn {
    /// Whether what this node writes counts, as far as it is folded.
    fn check_life(&self) -> Result<(), ApiError> {
        self.ingest.check_life(&self.own).map_err(|error| refused(&error))
    }

    /// Appends a record and waits until it is folded.
    fn say(&self, draft: Draft) -> Result<Position, ApiError> {
        let last = self.own.append(vec![draft]).map_err(|error| refused(&error))?;
        self.folded(last)
    }

    fn folded(&self, last: Option<Offset>) -> Result<Position, ApiError> {
        let last = last.ok_or_else(|| ApiError::internal("nothing was appended"))?;
        self.ingest.wait(last).map_err(|error| refused(&error))?;
        self.check_life()?;
        Ok(Position { log: self.log, offset: last })
    }
}

/// The scope that documents handed in under a name belong to.
pub(crate) fn ingest_scope(name: &ScopeName) -> Result<ScopeName, event::vocabulary::NameError> {
    ScopeName::new(&format!("{SCOPE_PREFIX}{name}"))
}

impl Commands for IngestPort {
    fn ingest(
        &self,
        request: &IngestRequest,
        lines: &mut dyn Iterator<Item = IngestLine>,
    ) -> Result<Report, ApiError> {
        let way_in = self.writable()?;
        let WayIn { ingest, own, log } = way_in;
        let scope =
            ingest_scope(&request.scope).map_err(|error| ApiError::input(error.to_string()))?;
        let approve = if request.allow_withdrawals { Approve::Always } else { Approve::Guarded };
        let author = request.author.as_deref();
        let outcome = match request.mode {
            IngestMode::Snapshot => {
                let mut items = lines.map(item);
                ingest.take(own, &scope, approve, author, &mut items)
            }
            IngestMode::Changes => {
                let mut changes = lines.map(change);
                ingest.take_changes(own, &scope, author, &mut changes)
            }
        };
        way_in.check_life()?;
        let applied = || ingest.known().applied();
        outcome.map(|outcome| report(outcome, *log, applied)).map_err(|error| refused(&error))
    }

    fn approve(
        &self,
        scope: &ScopeName,
        at_most: u64,
        author: Option<&str>,
    ) -> Result<Position, ApiError> {
        let approved =
            Event::WithdrawalApproved(WithdrawalApproved { scope: scope.clone(), at_most });
        self.writable()?.say(Draft::new(&approved).by(author))
    }

    fn remove(&self, reference: &EntityRef, author: Option<&str>) -> Result<Position, ApiError> {
        let removed = Event::EntityRemoved(EntityRemoved { why: None });
        self.writable()?.say(Draft::new(&removed).about(reference.as_str()).by(author))
    }

    fn refresh(&self, reference: &EntityRef, author: Option<&str>) -> Result<Position, ApiError> {
        let asked = Event::RefreshAsked(RefreshAsked { target: None });
        self.writable()?.say(Draft::new(&asked).about(reference.as_str()).by(author))
    }

    fn validate(&self, document: &Value) -> Result<Result<(), Box<model::Refusal>>, ApiError> {
        Ok(self.opened()?.ingest.judge().check(document).map_err(Box::new))
    }

    fn read_location(&self, kind: &str, target: &str) -> Result<Vec<Value>, ApiError> {
        dry_run(&self.urls, self.opened()?.ingest.judge(), kind, target)
    }

    fn fares(&self) -> BTreeMap<String, SourceFare> {
        let Some(way_in) = self.way_in() else { return BTreeMap::new() };
        let fares = way_in.ingest.fares().into_iter().map(|(source, fare)| {
            let Fare { last_success, last_error, budget, .. } = fare;
            let budget = budget.map(|of| SourceBudget {
                limit: of.limit,
                left: of.left,
                resets: of.resets,
                waits_until: of.waits_until,
            });
            (source.to_string(), SourceFare { last_success, last_error, budget })
        });
        fares.collect()
    }

    fn targets_waiting(&self, reader: &Reader) -> Result<u64, ApiError> {
        let mut waiting = 0;
        for row in reader.wanted()? {
            let url = row.target.strip_prefix("url:").filter(|_| row.entity.is_some());
            let read = |url: &str| {
                let own = self.github.iter().find_map(|config| config.scope_of(url));
                own.or_else(|| urls::scope_of(url))
            };
            if let Some(scope) = url.and_then(read) {
                let is_read = reader.scope(&scope)?.is_some_and(|scope| scope.verified.is_some());
                waiting += u64::from(!is_read);
            }
        }
        Ok(waiting)
    }

    fn change_location(
        &self,
        change: &LocationChange<'_>,
        author: Option<&str>,
    ) -> Result<(Uuid, Position), ApiError> {
        let way_in = self.writable()?;
        let (ingest, appender) = (&way_in.ingest, &way_in.own);
        let appended = match *change {
            LocationChange::Register { kind, target } => {
                ingest.register_location(appender, WantedLocation { kind, target }, author)
            }
            LocationChange::Update { id, name, kind, target } => {
                let wanted = WantedLocation { kind, target };
                let last = ingest.update_location(appender, id, name, wanted, author);
                last.map(|last| (id, last))
            }
            LocationChange::Refresh { id, name, kind, target } => {
                let wanted = WantedLocation { kind, target };
                let last = ingest.refresh_location(appender, id, name, wanted, author);
                last.map(|last| (id, last))
            }
            LocationChange::Remove { id } => {
                ingest.remove_location(appender, id, author).map(|last| (id, last))
            }
        };
        let (id, last) = appended.map_err(|error| refused(&error))?;
        Ok((id, way_in.folded(last)?))
    }
}

fn item(line: IngestLine) -> SnapshotItem {
    match change(line) {
        ChangeItem::Found(found) => SnapshotItem::Found(found),
        ChangeItem::Broken(broken) => SnapshotItem::Broken(broken),
        // In a snapshot no line says that something is gone.
        ChangeItem::Gone(_) | ChangeItem::End => SnapshotItem::End,
    }
}

fn change(line: IngestLine) -> ChangeItem {
    match line {
        IngestLine::Document { document, pointer } => {
            ChangeItem::Found(Found { document, pointer: Some(pointer), time: None })
        }
        IngestLine::Gone(reference) => ChangeItem::Gone(reference),
        IngestLine::Broken { item, message } => ChangeItem::Broken(Broken {
            pointer: Some(item.clone()),
            item,
            about: None,
            required: false,
            fault: Fault { name: "InputError".into(), message },
        }),
        IngestLine::End => ChangeItem::End,
    }
}

fn report(outcome: Outcome, log: LogId, applied: impl Fn() -> Option<Offset>) -> Report {
    let refusals = outcome.refusals.into_iter().map(|refusal| Refusal {
        what: refusal.what,
        pointer: refusal.pointer,
        message: refusal.message,
    });
    let position = outcome.last.or_else(applied);
    Report {
        seen: outcome.seen,
        changed: outcome.changed,
        gone: outcome.gone,
        refused: outcome.refused,
        refusals: refusals.collect(),
        held: outcome.held,
        position: position.map(|offset| Position { log, offset }),
        searchable: None,
    }
}

fn refused(error: &EmitError) -> ApiError {
    match error {
        EmitError::Stale { .. } => ApiError::conflict(format!("{error}; send it again")),
        EmitError::Stopped | EmitError::Clock { .. } => ApiError::unavailable(error.to_string()),
        EmitError::Fenced { .. } => {
            let why = format!("{error}: is its data folder a copy? What was written may not count");
            tracing::error!(why, "another node has this one's name");
            ApiError::unavailable(why)
        }
        EmitError::TooLarge { .. } => ApiError::too_large(error.to_string()),
        EmitError::Log { .. } | EmitError::Known { .. } => {
            tracing::error!(%error, "documents could not be taken");
            ApiError::unavailable(error.to_string())
        }
    }
}
