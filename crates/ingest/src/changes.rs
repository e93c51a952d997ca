//! Taking single changes of a scope: what differs is appended, nothing is withdrawn that is not
//! said to be gone.

use std::collections::HashMap;

use connector::{Broken, EmitError, Found, Outcome, Refused};
use event::vocabulary::{EntityGone, EntityRefused, EntitySeen, Fault, ScopeName};
use event::{Event, Seal};
use model::reference::EntityRef;

use crate::compare::unknown;
use crate::verdict::Verdict;
use crate::{Appender, Draft, Ingest};

/// Drafts that are appended together at the most.
const DRAFTS_MAX: usize = 256;

/// One change of a scope.
#[derive(Debug)]
pub enum ChangeItem {
    /// An entity is so now.
    Found(Found),
    /// An entity is gone.
    Gone(EntityRef),
    /// Something could not be read; it is reported, and changes nothing.
    Broken(Broken),
    /// That was all.
    End,
}

impl Ingest {
    /// Takes changes, in their order, and waits until they are folded.
    ///
    /// # Errors
    /// When they can't be compared or appended. Those before may stand in the log.
    pub fn take_changes(
        &self,
        appender: &Appender,
        scope: &ScopeName,
        author: Option<&str>,
        items: &mut dyn Iterator<Item = ChangeItem>,
    ) -> Result<Outcome, EmitError> {
        self.check_clock()?;
        let _alone = self.occupy(scope);
        self.settle(scope)?;
        let mut changes = Changes {
            ingest: self,
            appender,
            scope,
            author,
            said: HashMap::new(),
            drafts: Vec::new(),
            outcome: Outcome::default(),
        };
        let mut ended = false;
        for item in items {
            match item {
                ChangeItem::Found(found) => changes.found(found)?,
                ChangeItem::Gone(reference) => changes.gone(&reference)?,
                ChangeItem::Broken(broken) => {
                    changes.outcome.seen += 1;
                    changes.note(broken.item, broken.pointer, &broken.fault);
                }
                ChangeItem::End => {
                    ended = true;
                    break;
                }
            }
        }
        changes.flush()?;
        if let Some(last) = changes.outcome.last {
            self.wait(last)?;
        }
        if ended { Ok(changes.outcome) } else { Err(EmitError::Stopped) }
    }
}

struct Changes<'a> {
    ingest: &'a Ingest,
    appender: &'a Appender,
    scope: &'a ScopeName,
    author: Option<&'a str>,
    /// What these changes said last of an entity: its hash, or that it is gone.
    said: HashMap<EntityRef, Option<[u8; 32]>>,
    drafts: Vec<Draft>,
    outcome: Outcome,
}

impl Changes<'_> {
    fn found(&mut self, found: Found) -> Result<(), EmitError> {
        self.outcome.seen += 1;
        let scope = self.scope.clone();
        match self.ingest.judge().judge(found.document) {
            Verdict::Accepted(document) => {
                if self.said_last(&document.reference, &document.hash)? {
                    return Ok(());
                }
                let seen = EntitySeen { scope, snapshot: None, entity: &document.raw };
                let draft = Draft::new(&Event::EntitySeen(seen)).about(document.reference.as_str());
                let draft = Draft { time: found.time, ..draft.at(found.pointer.as_deref()) };
                self.outcome.changed += 1;
                self.say(document.reference, Some(document.hash), draft)
            }
            Verdict::Refused { reference: Some(reference), fault, fingerprint } => {
                self.note(reference.to_string(), found.pointer.clone(), &fault);
                if self.said_last(&reference, &fingerprint)? {
                    return Ok(());
                }
                let event = Event::EntityRefused(EntityRefused {
                    scope,
                    snapshot: None,
                    item: None,
                    required: false,
                    fingerprint: data_encoding::HEXLOWER.encode(&fingerprint),
                    error: fault,
                });
                let draft = Draft::new(&event).about(reference.as_str());
                let draft = draft.at(found.pointer.as_deref());
                self.outcome.changed += 1;
                self.say(reference, Some(fingerprint), draft)
            }
            Verdict::Refused { reference: None, fault, .. } => {
                let what = found.pointer.clone();
                let what = what.unwrap_or_else(|| format!("document {}", self.outcome.seen));
                self.note(what, found.pointer, &fault);
                Ok(())
            }
        }
    }

    fn gone(&mut self, reference: &EntityRef) -> Result<(), EmitError> {
        if !self.speaks_of(reference)? {
            return Ok(());
        }
        let gone = EntityGone { scope: self.scope.clone(), snapshot: None, item: None };
        let draft = Draft::new(&Event::EntityGone(gone)).about(reference.as_str());
        self.outcome.gone += 1;
        self.say(reference.clone(), None, draft)
    }

    /// Whether this is what the scope said last of an entity.
    fn said_last(&self, reference: &EntityRef, content: &[u8; 32]) -> Result<bool, EmitError> {
        match self.said.get(reference) {
            Some(said) => Ok(*said == Some(*content)),
            None => Ok(self.known(reference)?.is_some_and(|seal| seal.is_of(content))),
        }
    }

    /// Whether the scope says anything of an entity.
    fn speaks_of(&self, reference: &EntityRef) -> Result<bool, EmitError> {
        match self.said.get(reference) {
            Some(said) => Ok(said.is_some()),
            None => Ok(self.known(reference)?.is_some()),
        }
    }

    /// The seal of what the scope said last before these changes.
    fn known(&self, reference: &EntityRef) -> Result<Option<Seal>, EmitError> {
        let known = self.ingest.known().seals(self.scope, std::slice::from_ref(reference));
        Ok(known.map_err(unknown)?.first().copied().flatten())
    }

    fn say(
        &mut self,
        reference: EntityRef,
        hash: Option<[u8; 32]>,
        draft: Draft,
    ) -> Result<(), EmitError> {
        self.said.insert(reference, hash);
        self.drafts.push(draft.by(self.author));
        if self.drafts.len() >= DRAFTS_MAX { self.flush() } else { Ok(()) }
    }

    fn note(&mut self, what: String, pointer: Option<String>, fault: &Fault) {
        self.outcome.refused += 1;
        if self.outcome.refusals.len() < Outcome::REFUSALS_MAX {
            self.outcome.refusals.push(Refused { what, pointer, message: fault.message.clone() });
        }
    }

    fn flush(&mut self) -> Result<(), EmitError> {
        if let Some(last) = self.appender.append(std::mem::take(&mut self.drafts))? {
            self.outcome.last = Some(last);
            self.ingest.note_pending(self.scope, last);
        }
        Ok(())
    }
}
