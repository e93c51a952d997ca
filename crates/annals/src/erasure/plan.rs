//! What an erasure takes from which record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use event::vocabulary::ScopeName;
use event::{
    Body, Content, Entry, Erased, Kind, Left, Offset, Open, Part, Record, RecordId, Residue,
};
use fold::{Act, Under};
use model::reference::EntityRef;
use serde_json::Value;

use super::names::{Names, each_text};
use crate::exit::Wrong;

/// How many examples are kept of a sort.
const EXAMPLES: usize = 5;

/// What is to be erased.
#[derive(Debug)]
pub(crate) enum What {
    /// Of these records, what they say, who wrote them and where they were read.
    Events(BTreeSet<RecordId>),
    /// Everything that names a subject.
    Subject(Names),
}

/// Examples of something, and how many there are.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) count: u64,
    pub(crate) examples: Vec<String>,
}

impl Found {
    fn add(&mut self, example: impl FnOnce() -> String) {
        self.count += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(example());
        }
    }
}

/// What an erasure does.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// What is left of which record, by ascending offset.
    pub(crate) left: Vec<(Offset, Record)>,
    /// How many of which type.
    pub(crate) types: BTreeMap<Box<str>, u64>,
    /// Entities that are not shown until a source is read again.
    pub(crate) unshown: BTreeSet<EntityRef>,
    /// Records that hold the subject's bare name as a word and are kept.
    pub(crate) mentions: Found,
    /// What names the subject and can't be erased, as it stands in the tree.
    pub(crate) stuck: Found,
    /// The epoch that the log's own source has not used yet.
    pub(crate) epoch: u64,
}

/// Goes through a log and finds what is to be erased.
pub(crate) struct Planner {
    what: What,
    plan: Plan,
    under: Under,
}

/// Which parts of a record go.
#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    subject: bool,
    author: bool,
    pointer: bool,
    data: bool,
}

impl Planner {
    pub(crate) fn new(what: What) -> Self {
        Self { what, plan: Plan::default(), under: Under::default() }
    }

    /// Looks at what stands at a place of the log.
    pub(crate) fn take(&mut self, offset: Offset, content: Content) -> Result<()> {
        let record = match content {
            Ok(record) => record,
            Err(bytes) => {
                self.look_at_foreign(offset, &bytes);
                return Ok(());
            }
        };
        if record.source.as_str() == ingest::LOG_SOURCE {
            self.plan.epoch = self.plan.epoch.max(record.epoch.saturating_add(1));
        }
        let Some(before) = residue_of(&record) else { return Ok(()) };
        let open = before.open();
        // What a document refers to, and the kinds by which it does, are read as the fold does.
        let readable = match &open {
            Some(open) => Record { body: Body::Open(open.clone()), ..record.clone() },
            None => record.clone(),
        };
        let act = fold::prepare(Entry { offset, content: Ok(readable) }, &self.under).act;
        if let Act::PolicySet { kinds, .. } = &act {
            let policy = fold::Policy { at: offset, kinds: kinds.clone(), ..Default::default() };
            self.under.policy = Arc::new(policy);
        }
        let parts = match &self.what {
            What::Events(ids) => {
                if !ids.contains(&record.id) {
                    return Ok(());
                }
                parts_of_event(&record)?
            }
            What::Subject(names) => match self.parts_of(names, &record, &before, &act) {
                Some(parts) => parts,
                None => {
                    if self.is_stuck(&record, open.as_ref()) {
                        let place =
                            || format!("record {offset}, {} of {}", record.kind, record.source);
                        self.plan.stuck.add(place);
                    }
                    return Ok(());
                }
            },
        };
        self.erase(offset, record, &before, parts, &act);
        Ok(())
    }

    /// What is to be done, once all of the log was looked at.
    pub(crate) fn finish(self) -> (What, Plan) {
        (self.what, self.plan)
    }

    fn look_at_foreign(&mut self, offset: Offset, bytes: &[u8]) {
        if let What::Subject(names) = &self.what
            && names.are_in(&String::from_utf8_lossy(bytes))
        {
            self.plan.stuck.add(|| format!("what stands at {offset} and is no record"));
        }
    }

    /// Which parts name a subject; none where the record can't be erased.
    fn parts_of(
        &self,
        names: &Names,
        record: &Record,
        before: &Residue,
        act: &Act,
    ) -> Option<Parts> {
        if is_of_the_log(record) {
            return None;
        }
        let subject = before.subject.value();
        if subject.is_some_and(|subject| **subject == *names.reference.as_str()) {
            return Some(Parts { subject: true, author: true, pointer: true, data: true });
        }
        let refers = match act {
            Act::Seen { document, .. } => {
                document.assertions.iter().any(|assertion| assertion.target == names.reference)
            }
            _ => false,
        };
        let data = match &before.data {
            Part::Kept { value, .. } => refers || are_in_data(names, value),
            Part::Gone(_) => is_left(names, &before.left),
        };
        let in_attribute =
            |part: &Part<Option<Box<str>>>| part.value().is_some_and(|t| names.are_in_attribute(t));
        Some(Parts {
            subject: subject.is_some_and(|subject| names.are_in(subject)),
            author: in_attribute(&before.author),
            pointer: in_attribute(&before.pointer),
            data,
        })
    }

    /// Whether something that can't be erased names the subject.
    fn is_stuck(&self, record: &Record, open: Option<&Open>) -> bool {
        let What::Subject(names) = &self.what else { return false };
        open.is_some_and(|open| {
            let texts = [&open.subject, &open.author, &open.pointer];
            texts.iter().any(|text| text.as_ref().is_some_and(|text| names.are_in(text)))
                || are_in_data(names, &open.data)
        }) || names.are_in_attribute(record.source.as_str())
    }

    fn erase(&mut self, offset: Offset, record: Record, before: &Residue, parts: Parts, act: &Act) {
        let mut after = before.clone();
        let names = match &self.what {
            What::Subject(names) => Some(names),
            What::Events(_) => None,
        };
        if parts.subject {
            after.erase_subject();
        }
        if parts.author {
            after.erase_author();
        }
        if parts.pointer {
            after.erase_pointer();
        }
        if parts.data {
            after.erase_data(left_of(names, before, act));
        }
        if let Some(names) = names
            && names.are_in_attribute(record.source.as_str())
        {
            self.plan.stuck.add(|| format!("record {offset}, whose source is {}", record.source));
        }
        self.note_shown(act, &after);
        if after == *before {
            self.note_mention(offset, &record, before);
            return;
        }
        *self.plan.types.entry(record.kind.clone()).or_default() += 1;
        let erased = Erased { commitment: after.commitment(), residue: after.encode() };
        self.plan.left.push((offset, Record { body: Body::Erased(erased), ..record }));
    }

    /// Keeps which entities are not shown once their documents are erased.
    fn note_shown(&mut self, act: &Act, after: &Residue) {
        match act {
            Act::Seen { document, .. } => {
                let is_own = matches!(&self.what, What::Subject(names)
                    if names.reference == document.reference);
                if matches!(after.data, Part::Kept { .. }) || is_own {
                    self.plan.unshown.remove(&document.reference);
                } else if after.subject.value().is_some() {
                    self.plan.unshown.insert(document.reference.clone());
                }
            }
            Act::Gone { reference: Some(reference), .. } | Act::Removed { reference } => {
                self.plan.unshown.remove(reference);
            }
            _ => {}
        }
    }

    fn note_mention(&mut self, offset: Offset, record: &Record, before: &Residue) {
        let (What::Subject(names), Some(open)) = (&self.what, before.open()) else { return };
        let is_in = |text: &str| names.bare_is_in(text);
        let is_in_data = match serde_json::from_slice::<Value>(&open.data) {
            Ok(data) => each_text(&data, &mut |text| is_in(text)),
            Err(_) => is_in(&String::from_utf8_lossy(&open.data)),
        };
        if is_in_data || open.subject.as_deref().is_some_and(is_in) {
            let about = open.subject.as_deref().map_or(String::new(), |it| format!(" of {it}"));
            self.plan.mentions.add(|| format!("record {offset}, {}{about}", record.kind));
        }
    }
}

/// A record's parts; none where nothing of them is left.
fn residue_of(record: &Record) -> Option<Residue> {
    match &record.body {
        Body::Open(open) => Some(Residue::of(open)),
        Body::Erased(erased) => Residue::decode(&erased.residue, erased.commitment).ok(),
    }
}

/// Whether a record speaks of the log itself, so that nothing of it may go.
fn is_of_the_log(record: &Record) -> bool {
    matches!(
        Kind::from_name(&record.kind),
        Some(
            Kind::LogCreated
                | Kind::KeyRotated
                | Kind::PolicySet
                | Kind::FoldAdopted
                | Kind::LogAttested
                | Kind::LogErased
                | Kind::EpochBegun
        )
    )
}

/// What goes of a record that is named. What only says what became of a scope or an entity is
/// kept, or the catalog would turn back.
fn parts_of_event(record: &Record) -> Result<Parts> {
    if is_of_the_log(record) {
        let (id, kind) = (record.id, &record.kind);
        let why = format!("record {id} is a `{kind}`, of which nothing can be erased");
        return Err(Wrong(why).into());
    }
    let data = !matches!(
        Kind::from_name(&record.kind),
        Some(
            Kind::ScopeVerified
                | Kind::ScopeRetired
                | Kind::WithdrawalApproved
                | Kind::EntityGone
                | Kind::EntityRemoved
                | Kind::AspectEnded
                | Kind::LocationRemoved
        )
    );
    Ok(Parts { subject: false, author: true, pointer: true, data })
}

fn are_in_data(names: &Names, data: &[u8]) -> bool {
    match serde_json::from_slice::<Value>(data) {
        Ok(value) => names.are_in_json(&value),
        Err(_) => names.are_in(&String::from_utf8_lossy(data)),
    }
}

fn is_left(names: &Names, left: &Left) -> bool {
    left.scope.as_ref().is_some_and(|scope| names.are_in(scope.as_str()))
        || left.aspect.as_ref().is_some_and(|aspect| names.are_in(aspect))
}

/// What of a record's data a replay needs, as far as it names no subject.
fn left_of(names: Option<&Names>, before: &Residue, act: &Act) -> Left {
    let mut left = match act {
        _ if matches!(before.data, Part::Gone(_)) => before.left.clone(),
        Act::Seen { scope, snapshot, .. }
        | Act::Gone { scope, snapshot, .. }
        | Act::Refused { scope, snapshot, .. } => {
            Left { scope: Some(ScopeName::clone(scope)), snapshot: *snapshot, aspect: None }
        }
        Act::Aspect { aspect, .. } => Left { aspect: Some((**aspect).into()), ..Left::default() },
        _ => Left::default(),
    };
    if let Some(names) = names {
        left.scope = left.scope.filter(|scope| !names.are_in(scope.as_str()));
        left.aspect = left.aspect.filter(|aspect| !names.are_in(aspect));
    }
    left
}
