//! Comparing a snapshot with what is known of its scope: only what differs becomes drafts.

use std::collections::HashSet;

use connector::{Approve, Broken, EmitError, Found, Outcome, Refused, SnapshotItem};
use event::vocabulary::{
    ConnectorChanged, ConnectorState, EntityGone, EntityRefused, EntitySeen, Fault, ScopeName,
    ScopeVerified, SnapshotMark,
};
use event::{Event, Offset, RecordId, Seal};
use model::reference::EntityRef;
use uuid::Uuid;

use crate::appender::Ticket;
use crate::text::{fit_fault, fit_name};
use crate::verdict::{Accepted, Verdict, fingerprint};
use crate::{Appender, Draft, Ingest, KnownError, KnownScope, Pending};

/// Documents that are looked up together.
const CHUNK: usize = 256;

/// Drafts that are appended together at the most.
const DRAFTS_MAX: usize = 1024;

/// How a snapshot is taken.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct How<'a> {
    pub(crate) approve: Approve,
    pub(crate) author: Option<&'a str>,
}

/// A snapshot whose records are appended or handed in, and not yet known to be taken by the fold.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Its last records, where they wait to be appended.
    pub(crate) ticket: Option<Ticket>,
    pub(crate) outcome: Outcome,
    pub(crate) scope: ScopeName,
    /// The snapshot, where anything was appended for it.
    pub(crate) snapshot: Option<Uuid>,
}

impl Ingest {
    /// Takes a snapshot: compares, appends what differs, and waits until it is folded.
    ///
    /// # Errors
    /// When it can't be compared or appended, or another node changed the scope meanwhile.
    pub fn take(
        &self,
        appender: &Appender,
        scope: &ScopeName,
        approve: Approve,
        author: Option<&str>,
        items: &mut dyn Iterator<Item = SnapshotItem>,
    ) -> Result<Outcome, EmitError> {
        let taken = self.compare(appender, scope, How { approve, author }, items)?;
        match taken {
            Some(taken) => self.confirm(taken),
            None => Err(EmitError::Stopped),
        }
    }

    /// Compares a snapshot and appends what differs; `None` if it was broken off.
    pub(crate) fn compare(
        &self,
        appender: &Appender,
        scope: &ScopeName,
        how: How<'_>,
        items: &mut dyn Iterator<Item = SnapshotItem>,
    ) -> Result<Option<Taken>, EmitError> {
        self.check_clock()?;
        let _alone = self.occupy(scope);
        self.settle(scope)?;
        let known = self.known.scope(scope).map_err(unknown)?.unwrap_or_default();
        let mut comparison = Comparison::new(self, appender, scope, how, known);
        let mut chunk = Vec::with_capacity(CHUNK);
        loop {
            match items.next() {
                None => return Ok(None),
                Some(SnapshotItem::End) => break,
                Some(SnapshotItem::Broken(broken)) => comparison.unreadable(broken)?,
                Some(SnapshotItem::Found(found)) => chunk.push(found),
            }
            if chunk.len() == CHUNK {
                comparison.found(std::mem::take(&mut chunk))?;
            }
        }
        comparison.found(chunk)?;
        comparison.end().map(Some)
    }

    /// Waits until a snapshot is folded, and sees whether the fold took it.
    pub(crate) fn confirm(&self, mut taken: Taken) -> Result<Outcome, EmitError> {
        if let Some(ticket) = &taken.ticket {
            taken.outcome.last = Some(ticket.wait()?);
        }
        if let Some(last) = taken.outcome.last {
            self.wait(last)?;
        }
        if let Some(ticket) = &taken.ticket {
            let is_last =
                |last: &Pending| matches!(last, Pending::HandedIn(last) if last.is(ticket));
            let mut pending = self.pending.lock();
            if pending.get(&taken.scope).is_some_and(is_last) {
                pending.remove(&taken.scope);
            }
        }
        if let Some(snapshot) = taken.snapshot {
            let scope = self.known.scope(&taken.scope).map_err(unknown)?;
            let confirmed = scope.and_then(|scope| scope.verified).map(|(_, id)| id);
            if confirmed != Some(snapshot) {
                return Err(EmitError::Stale { scope: taken.scope.to_string() });
            }
        }
        Ok(taken.outcome)
    }

    pub(crate) fn note_pending(&self, scope: &ScopeName, last: Offset) {
        self.pending.lock().insert(scope.clone(), Pending::Appended(last));
    }
}

struct Comparison<'a> {
    ingest: &'a Ingest,
    appender: &'a Appender,
    scope: &'a ScopeName,
    how: How<'a>,
    known: KnownScope,
    snapshot: Uuid,
    /// Whether anything was drafted for the snapshot.
    begun: bool,
    /// Hashes of the references, and of the names of items, that the snapshot showed.
    seen: HashSet<[u8; 16]>,
    /// What could not be read, and may be anything that the snapshot does not show.
    unreadable: Option<Fault>,
    digest: blake3::Hasher,
    /// What the snapshot showed and was not refused: seals, so that their digest in the log gives
    /// nothing away of a document that is erased.
    seals: Vec<([u8; 16], [u8; 32])>,
    drafts: Vec<Draft>,
    outcome: Outcome,
}

impl<'a> Comparison<'a> {
    fn new(
        ingest: &'a Ingest,
        appender: &'a Appender,
        scope: &'a ScopeName,
        how: How<'a>,
        known: KnownScope,
    ) -> Self {
        Self {
            ingest,
            appender,
            scope,
            how,
            known,
            snapshot: Uuid::now_v7(),
            begun: false,
            seen: HashSet::new(),
            unreadable: None,
            digest: blake3::Hasher::new_derive_key("annals 2026 scope content v1"),
            seals: Vec::new(),
            drafts: Vec::new(),
            outcome: Outcome::default(),
        }
    }

    /// The mark of the next record: the first one of a snapshot tells what it was compared with.
    fn mark(&mut self) -> SnapshotMark {
        let compared = (!self.begun).then_some(self.known.version.0);
        self.begun = true;
        SnapshotMark { id: self.snapshot, compared }
    }

    fn found(&mut self, chunk: Vec<Found>) -> Result<(), EmitError> {
        let mut accepted = Vec::with_capacity(chunk.len());
        for found in chunk {
            self.outcome.seen += 1;
            match self.ingest.judge.judge(found.document) {
                Verdict::Refused { reference, fault, fingerprint } => {
                    self.refused(reference, fault, fingerprint, found.pointer)?;
                }
                Verdict::Accepted(document) => {
                    if self.seen.insert(key_of(document.reference.as_str())) {
                        accepted.push((document, found.pointer, found.time));
                    } else {
                        self.doubled(&document, found.pointer)?;
                    }
                }
            }
        }
        let references: Vec<EntityRef> =
            accepted.iter().map(|(document, ..)| document.reference.clone()).collect();
        let known = self.ingest.known.seals(self.scope, &references).map_err(unknown)?;
        for ((document, pointer, time), known) in accepted.into_iter().zip(known) {
            let key = key_of(document.reference.as_str());
            if let Some(seal) = known.filter(|seal| seal.is_of(&document.hash)) {
                self.seals.push((key, seal.hash));
                continue;
            }
            self.outcome.changed += 1;
            let snapshot = Some(self.mark());
            let seen = EntitySeen { scope: self.scope.clone(), snapshot, entity: &document.raw };
            let draft = Draft::new(&Event::EntitySeen(seen)).about(document.reference.as_str());
            self.seals.push((key, Seal::new(draft.salt, &document.hash).hash));
            self.draft(Draft { time, ..draft.at(pointer.as_deref()) })?;
        }
        Ok(())
    }

    /// The same reference twice in a snapshot: the second is refused, by its place in the source.
    fn doubled(&mut self, document: &Accepted, pointer: Option<String>) -> Result<(), EmitError> {
        let reference = &document.reference;
        let message = format!("{reference} stands in this scope already; the first one counts");
        let item = match &pointer {
            Some(pointer) => pointer.clone(),
            None => format!("{reference} (again)"),
        };
        let fault = Fault { name: "ConflictError".into(), message };
        self.outcome.seen -= 1;
        self.broken(Broken { item, about: None, required: false, fault, pointer })
    }

    fn refused(
        &mut self,
        reference: Option<EntityRef>,
        fault: Fault,
        fingerprint: [u8; 32],
        pointer: Option<String>,
    ) -> Result<(), EmitError> {
        let Some(reference) = reference else {
            let item = pointer.clone();
            let item = item.unwrap_or_else(|| format!("document {}", self.outcome.seen));
            self.outcome.seen -= 1;
            return self.unreadable(Broken { item, about: None, required: false, fault, pointer });
        };
        if !self.seen.insert(key_of(reference.as_str())) {
            let item = pointer.clone().unwrap_or_else(|| format!("{reference} (again)"));
            self.outcome.seen -= 1;
            return self.broken(Broken { item, about: None, required: false, fault, pointer });
        }
        self.note_refusal(reference.to_string(), pointer.as_deref(), &fault);
        self.refuse(&reference, fault, fingerprint, pointer.as_deref())
    }

    /// Says that a document of an entity is refused, unless that is what was said last.
    fn refuse(
        &mut self,
        reference: &EntityRef,
        fault: Fault,
        fingerprint: [u8; 32],
        pointer: Option<&str>,
    ) -> Result<(), EmitError> {
        let known = self.ingest.known.seals(self.scope, std::slice::from_ref(reference));
        let known = known.map_err(unknown)?.first().copied().flatten();
        if known.is_some_and(|seal| seal.is_of(&fingerprint)) {
            return Ok(());
        }
        let event = self.refusal(None, false, fingerprint, fault);
        let draft = Draft::new(&event).about(reference.as_str()).at(pointer);
        self.outcome.changed += 1;
        self.draft(draft)
    }

    /// Something that could not be read, and that may be anything.
    fn unreadable(&mut self, broken: Broken) -> Result<(), EmitError> {
        if self.unreadable.is_none() {
            let message = format!("{} can't be read: {}", broken.item, broken.fault.message);
            self.unreadable = Some(fit_fault(Fault { name: broken.fault.name.clone(), message }));
        }
        self.broken(broken)
    }

    fn broken(&mut self, broken: Broken) -> Result<(), EmitError> {
        let Broken { item, about, required, fault, pointer } = broken;
        let (item, fault) = (fit_name(item), fit_fault(fault));
        self.outcome.seen += 1;
        self.seen.insert(key_of_item(&item));
        self.note_refusal(item.clone(), pointer.as_deref(), &fault);
        let fingerprint = fingerprint(item.as_bytes(), &fault);
        let known = self.ingest.known.item(self.scope, &item).map_err(unknown)?;
        if known.is_some_and(|seal| seal.is_of(&fingerprint)) {
            return Ok(());
        }
        let event = self.refusal(Some(item), required, fingerprint, fault);
        let mut draft = Draft::new(&event).at(pointer.as_deref());
        if let Some(about) = about {
            draft = draft.about(about.as_str());
        }
        self.outcome.changed += 1;
        self.draft(draft)
    }

    fn refusal(
        &mut self,
        item: Option<String>,
        required: bool,
        fingerprint: [u8; 32],
        error: Fault,
    ) -> Event<'static> {
        Event::EntityRefused(EntityRefused {
            scope: self.scope.clone(),
            snapshot: Some(self.mark()),
            item,
            required,
            fingerprint: data_encoding::HEXLOWER.encode(&fingerprint),
            error,
        })
    }

    fn note_refusal(&mut self, what: String, pointer: Option<&str>, fault: &Fault) {
        self.outcome.refused += 1;
        if self.outcome.refusals.len() < Outcome::REFUSALS_MAX {
            let pointer = pointer.map(str::to_owned);
            self.outcome.refusals.push(Refused { what, pointer, message: fault.message.clone() });
        }
    }

    fn draft(&mut self, draft: Draft) -> Result<(), EmitError> {
        self.drafts.push(draft.by(self.how.author));
        if self.drafts.len() >= DRAFTS_MAX { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), EmitError> {
        if let Some(last) = self.appender.append(std::mem::take(&mut self.drafts))? {
            self.outcome.last = Some(last);
            self.ingest.note_pending(self.scope, last);
        }
        Ok(())
    }

    /// Hands in the last drafts, and leaves it to whoever confirms the snapshot to wait for them:
    /// so many small snapshots share one sync of the log.
    fn hand_in(&mut self) -> Result<Option<Ticket>, EmitError> {
        if self.appender.waiting() >= DRAFTS_MAX {
            self.flush()?;
        }
        let ticket = self.appender.hand_in(std::mem::take(&mut self.drafts))?;
        if let Some(ticket) = &ticket {
            let pending = Pending::HandedIn(ticket.clone());
            self.ingest.pending.lock().insert(self.scope.clone(), pending);
        }
        Ok(ticket)
    }

    fn end(mut self) -> Result<Taken, EmitError> {
        let (references, items) = self.missing()?;
        let gone = references.len() as u64;
        if let Some(fault) = self.unreadable.take() {
            // They may be what could not be read: they stay, and show that.
            for reference in references {
                let fingerprint = fingerprint(reference.as_str().as_bytes(), &fault);
                self.refuse(&reference, fault.clone(), fingerprint, None)?;
            }
        } else if self.passes(gone) {
            self.outcome.gone = gone;
            for reference in references {
                let draft = self.gone(None);
                self.draft(draft.about(reference.as_str()))?;
            }
        } else {
            self.outcome.held = Some(gone);
            self.report_held(gone)?;
        }
        for item in items {
            let draft = self.gone(Some(item));
            self.draft(draft)?;
        }
        // While something is held back the log does not agree with the scope. Once nothing is any
        // more, that has to be said.
        let freed = self.known.held.is_some();
        let says = self.outcome.held.is_none() && (self.begun || freed || self.is_time_to_verify());
        if says {
            self.verify()?;
        }
        let ticket = self.hand_in()?;
        let snapshot = says.then_some(self.snapshot);
        Ok(Taken { ticket, outcome: self.outcome, scope: self.scope.clone(), snapshot })
    }

    /// What is known of the scope and was not shown.
    fn missing(&self) -> Result<(Vec<EntityRef>, Vec<String>), EmitError> {
        let (mut references, mut items) = (Vec::new(), Vec::new());
        if self.known.version == RecordId::NONE {
            return Ok((references, items));
        }
        let known = &self.ingest.known;
        known
            .each_reference(self.scope, &mut |reference| {
                if !self.seen.contains(&key_of(reference.as_str())) {
                    references.push(reference);
                }
            })
            .map_err(unknown)?;
        known
            .each_item(self.scope, &mut |item| {
                if !self.seen.contains(&key_of_item(item)) {
                    items.push(item.to_owned());
                }
            })
            .map_err(unknown)?;
        Ok((references, items))
    }

    fn passes(&self, gone: u64) -> bool {
        self.how.approve == Approve::Always
            || self.known.approved.is_some_and(|at_most| gone <= at_most)
            || self.ingest.options.guard.lets_pass(gone, self.known.claims)
    }

    fn gone(&mut self, item: Option<String>) -> Draft {
        let snapshot = Some(self.mark());
        Draft::new(&Event::EntityGone(EntityGone { scope: self.scope.clone(), snapshot, item }))
    }

    /// Says that a withdrawal is held, once for the same number.
    fn report_held(&mut self, gone: u64) -> Result<(), EmitError> {
        if self.known.held == Some(gone) {
            return Ok(());
        }
        let claims = self.known.claims;
        let why = format!("{gone} of {claims} entities of this scope would be withdrawn");
        self.draft(held(self.scope.clone(), gone, why))
    }

    fn is_time_to_verify(&self) -> bool {
        let Some((last, _)) = self.known.verified else {
            return true;
        };
        let now = (self.ingest.clock)();
        let passed_us = now.as_micros().saturating_sub(last.as_micros());
        u64::try_from(passed_us).unwrap_or(0)
            >= u64::try_from(self.ingest.options.verified_every.as_micros()).unwrap_or(u64::MAX)
    }

    fn verify(&mut self) -> Result<(), EmitError> {
        self.seals.sort_unstable();
        for (reference, content) in &self.seals {
            self.digest.update(reference);
            self.digest.update(content);
        }
        let event = Event::ScopeVerified(ScopeVerified {
            scope: self.scope.clone(),
            snapshot: self.mark(),
            seen: self.outcome.seen,
            refused: self.outcome.refused,
            digest: self.digest.finalize().to_hex().to_string(),
        });
        self.draft(Draft::new(&event))
    }
}

/// A word that a withdrawal is held back.
pub(crate) fn held(scope: ScopeName, gone: u64, why: String) -> Draft {
    Draft::new(&Event::ConnectorChanged(ConnectorChanged {
        state: ConnectorState::Held,
        scope: Some(scope),
        why: Some(why),
        withdrawals: Some(gone),
    }))
}

fn key_of(reference: &str) -> [u8; 16] {
    let hash = blake3::hash(reference.as_bytes());
    let mut key = [0; 16];
    key.copy_from_slice(&hash.as_bytes()[..16]);
    key
}

/// Items are told from references by a byte that no reference holds.
fn key_of_item(item: &str) -> [u8; 16] {
    key_of(&format!("\0{item}"))
}

pub(crate) fn unknown(error: KnownError) -> EmitError {
    EmitError::Known { why: error.0 }
}
