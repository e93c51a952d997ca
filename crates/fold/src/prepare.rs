//! Reading a record, without any state but the policy: the part of folding that can be done ahead
//! and on many cores.

use std::sync::Arc;

use bytes::Bytes;
use event::vocabulary::{EntityGone, EntityRefused, EntitySeen, PolicySet, is_key};
use event::{
    Body, Content, Entry, Erased, Event, Kind, LogId, Offset, Open, Record, RecordId, Residue,
    ResidueError, Salt, Seal, SourceName, Timestamp, Unfit,
};
use model::index::Terms;
use model::kinds::{CustomKind, Kinds, Unread};
use model::reference::EntityRef;
use model::relations::Assertion;
use serde_json::Value;
use uuid::Uuid;

use crate::act::{Act, Newer};
use crate::document::{uid_of, write};
use crate::prior::Prior;
use crate::rows::{Cause, Policy};
use crate::why::Why;

/// A record that was read, and what was computed from it alone.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Where it stands.
    pub offset: Offset,
    /// Its attributes; where it is no record, how many bytes stand there.
    pub stamp: Result<Stamp, u64>,
    /// What it says.
    pub act: Act,
    /// What it was read under.
    pub under: Under,
    /// What was read.
    content: Content,
}

/// What reading a record depends on beside the record. Where it turns out to be another by the
/// time the record is folded, it is read again.
#[derive(Clone, Debug, Default)]
pub struct Under {
    /// The log's id, once that is known.
    pub log: Option<LogId>,
    /// The policy in force.
    pub policy: Arc<Policy>,
    /// The version of the rules in force.
    pub rules: u32,
}

impl Under {
    /// What is in force after some record.
    #[must_use]
    pub fn of(prior: &Prior) -> Self {
        Self {
            log: prior.log().map(|log| log.id),
            policy: prior.policy(),
            // Before any was adopted, the first is in force.
            rules: prior.rules().version.max(1),
        }
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        self.log == other.log && self.policy.at == other.policy.at && self.rules == other.rules
    }
}

/// The attributes of a record that rows speak of.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// Its id.
    pub id: RecordId,
    /// Its type's number; 0 for one that is not of the vocabulary.
    pub kind: u8,
    /// Its source.
    pub source: SourceName,
    /// When it happened.
    pub time: Option<Timestamp>,
    /// When it was appended.
    pub recorded: Timestamp,
    /// The source's epoch.
    pub epoch: u64,
    /// Its number in the epoch.
    pub sequence: u64,
    /// Its salt; zeros once it is erased.
    pub salt: Salt,
    /// Who.
    pub author: Option<Box<str>>,
    /// Where in the source.
    pub pointer: Option<Box<str>>,
}

impl Stamp {
    /// What a record says of itself; of one that was erased, as far as it is kept.
    fn new(record: &Record, open: Option<&Open>) -> Self {
        Self {
            id: record.id,
            kind: Kind::from_name(&record.kind).map_or(0, Kind::code),
            source: record.source.clone(),
            time: record.time,
            recorded: record.recorded,
            epoch: record.epoch,
            sequence: record.sequence,
            salt: open.map(|open| open.salt).unwrap_or_default(),
            author: open.and_then(|open| open.author.clone()),
            pointer: open.and_then(|open| open.pointer.clone()),
        }
    }

    pub(crate) fn cause(&self, scope: Option<crate::ids::ScopeId>) -> Cause {
        Cause {
            record: self.id,
            kind: self.kind,
            source: self.source.clone(),
            scope,
            author: self.author.clone(),
            pointer: self.pointer.clone(),
            recorded: self.recorded,
            time: self.time,
        }
    }
}

/// An entity's document, read.
#[derive(Clone, Debug)]
pub struct Document {
    /// The entity.
    pub reference: EntityRef,
    /// Its uid; nil before the log's id is known.
    pub uid: Uuid,
    /// Its content hash.
    pub content: [u8; 32],
    /// The seal of that, with the record's salt.
    pub seal: Seal,
    /// What it asserts.
    pub assertions: Vec<Assertion>,
    /// Its terms of the filter index.
    pub terms: Arc<Terms>,
    /// The targets that it wants read, as `type:target`, if it is a Location.
    pub wants: Vec<Want>,
    /// Whether it brought an etag of its own.
    pub own_etag: bool,
    /// The document as it is served while it has no faults.
    pub served: Bytes,
}

/// A target that a Location entity wants read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Want {
    /// The target, as `type:target`.
    pub target: Box<str>,
    /// Whether it is no fault when there is nothing.
    pub optional: bool,
}

/// Reads what stands at a place of the log.
#[must_use]
pub fn prepare(entry: Entry, under: &Under) -> Prepared {
    let Entry { offset, content } = entry;
    let (stamp, act) = match &content {
        Err(bytes) => (Err(bytes.len() as u64), Act::Garbage(Why::NotARecord)),
        Ok(record) => match &record.body {
            Body::Open(open) => (Ok(Stamp::new(record, Some(open))), act_of(record, open, under)),
            Body::Erased(erased) => {
                let (open, act) = left_of(record, erased, under);
                (Ok(Stamp::new(record, open.as_ref())), act)
            }
        },
    };
    Prepared { offset, stamp, act, under: under.clone(), content }
}

impl Prepared {
    /// How many bytes of data there are.
    pub(crate) fn bytes(&self) -> u64 {
        let data = match &self.content {
            Ok(record) => record.open().map(|open| &open.data),
            Err(bytes) => Some(bytes),
        };
        data.map_or(0, |data| data.len() as u64)
    }

    /// The same record, read under what is in force now. All of it is read again: what could not
    /// be read before may be readable now, and the other way round.
    pub(crate) fn again(&self, under: &Under) -> Self {
        prepare(Entry { offset: self.offset, content: self.content.clone() }, under)
    }
}

fn act_of(record: &Record, open: &Open, under: &Under) -> Act {
    match Event::of(record) {
        Ok(event) => read_event(event, open, under).unwrap_or_else(Act::Garbage),
        Err(Unfit::Newer { name }) => Act::Newer(Newer::Type { name: name.into() }),
        Err(Unfit::Erased) => Act::Erased,
        Err(Unfit::Data { .. }) => Act::Garbage(Why::Data),
        Err(Unfit::Foreign { .. }) => Act::Garbage(Why::Foreign),
    }
}

/// What is left of a record of which something was erased, and what that still says. One whose data
/// is kept says what it said; of another's only what later records build upon is told.
fn left_of(record: &Record, erased: &Erased, under: &Under) -> (Option<Open>, Act) {
    if erased.residue.is_empty() {
        return (None, Act::Erased);
    }
    let residue = match Residue::decode(&erased.residue, erased.commitment) {
        Ok(residue) => residue,
        Err(ResidueError::Newer { .. }) => return (None, Act::Newer(Newer::Residue)),
        Err(_) => return (None, Act::Garbage(Why::Residue)),
    };
    if let Some(open) = residue.open() {
        let record = Record { body: Body::Open(open.clone()), ..record.clone() };
        let act = act_of(&record, &open, under);
        return (Some(open), act);
    }
    let about = residue.subject.value().and_then(|subject| reference(Some(subject)).ok());
    let left = residue.left;
    let act = match (Kind::from_name(&record.kind), left.scope) {
        (Some(Kind::EntitySeen), Some(scope)) => {
            Act::Withheld { scope, snapshot: left.snapshot, reference: about }
        }
        (Some(Kind::EntityGone | Kind::EntityRefused), Some(scope)) => {
            Act::Withheld { scope, snapshot: left.snapshot, reference: None }
        }
        (Some(Kind::AspectObserved), _) => match (about, left.aspect) {
            (Some(reference), Some(aspect)) => {
                Act::Aspect { reference, aspect: aspect.into(), value: "".into() }
            }
            _ => Act::Erased,
        },
        _ => Act::Erased,
    };
    (None, act)
}

fn read_event(event: Event<'_>, open: &Open, under: &Under) -> Result<Act, Why> {
    let subject = open.subject.as_deref();
    Ok(match event {
        Event::LogCreated(data) => Act::Created(data),
        Event::PolicySet(data) => read_policy(&data)?,
        Event::FoldAdopted(data) => Act::Adopted { version: data.version },
        Event::KeyRotated(_) | Event::LogAttested(_) | Event::LogErased(_) => Act::Statement,
        Event::ScopeVerified(data) => Act::Verified(data),
        Event::ScopeRetired(data) => Act::Retired { scope: data.scope },
        Event::WithdrawalApproved(data) => Act::Approved(data),
        Event::EntitySeen(seen) => read_seen(seen, open, under)?,
        Event::EntityGone(gone) => read_gone(gone, subject)?,
        Event::EntityRefused(refused) => read_refused(refused, subject)?,
        Event::EntityRemoved(_) => Act::Removed { reference: reference(subject)? },
        Event::AspectObserved(data) => Act::Aspect {
            reference: reference(subject)?,
            aspect: data.aspect.into(),
            value: data.value.get().into(),
        },
        Event::AspectEnded(data) => Act::Aspect {
            reference: reference(subject)?,
            aspect: data.aspect.into(),
            value: "".into(),
        },
        Event::ActivityRecorded(data) => Act::Activity {
            reference: subject.map(|_| reference(subject)).transpose()?,
            about: data.about,
            activity: data.activity.into(),
            key: data.key.into(),
            value: data.value.get().into(),
        },
        Event::LocationRegistered(data) => {
            Act::Location { id: data.id, kind: data.kind.into(), target: data.target.into() }
        }
        Event::LocationUpdated(data) => {
            Act::Location { id: data.id, kind: data.kind.into(), target: data.target.into() }
        }
        Event::LocationRemoved(data) => Act::LocationRemoved { id: data.id },
        Event::RefreshAsked(data) => Act::Refresh {
            reference: subject.map(|_| reference(subject)).transpose()?,
            target: data.target.map(Into::into),
        },
        Event::EpochBegun(data) => Act::Begun { node: data.node.into() },
        Event::ConnectorChanged(data) => Act::Condition {
            state: data.state,
            scope: data.scope,
            why: data.why.map(Into::into),
            withdrawals: data.withdrawals,
        },
        Event::CursorReached(data) => Act::Cursor { cursor: data.cursor.into() },
    })
}

fn read_policy(data: &PolicySet) -> Result<Act, Why> {
    let mut kinds = Vec::with_capacity(data.kinds.len());
    for kind in &data.kinds {
        match CustomKind::recorded(kind) {
            Ok(kind) => kinds.push(kind),
            Err(Unread::Newer) => return Ok(Act::Newer(Newer::Policy)),
            Err(Unread::Malformed) => return Err(Why::Policy),
        }
    }
    let custom = if data.kinds.is_empty() {
        "".into()
    } else {
        serde_json::to_string(&data.kinds).unwrap_or_default().into()
    };
    Ok(Act::PolicySet { orphans: data.orphans, kinds: Kinds::recorded(kinds), custom })
}

fn read_seen(seen: EntitySeen<'_>, open: &Open, under: &Under) -> Result<Act, Why> {
    let document = Document::read(seen.entity.get(), open.salt, under)?;
    if reference(open.subject.as_deref())? != document.reference {
        return Err(Why::OtherSubject);
    }
    Ok(Act::Seen { scope: seen.scope, snapshot: seen.snapshot, document: Arc::new(document) })
}

fn read_gone(gone: EntityGone, subject: Option<&str>) -> Result<Act, Why> {
    let reference = subject.map(|_| reference(subject)).transpose()?;
    if reference.is_none() && gone.item.is_none() {
        return Err(Why::Nameless);
    }
    let item = gone.item.map(Into::into);
    Ok(Act::Gone { scope: gone.scope, snapshot: gone.snapshot, reference, item })
}

fn read_refused(refused: EntityRefused, subject: Option<&str>) -> Result<Act, Why> {
    let reference = subject.map(|_| reference(subject)).transpose()?;
    if reference.is_none() && refused.item.is_none() {
        return Err(Why::Nameless);
    }
    let fingerprint = data_encoding::HEXLOWER.decode(refused.fingerprint.as_bytes()).ok();
    let fingerprint = fingerprint.and_then(|bytes| bytes.try_into().ok());
    Ok(Act::Refused {
        scope: refused.scope,
        snapshot: refused.snapshot,
        reference,
        item: refused.item.map(Into::into),
        required: refused.required,
        fingerprint: fingerprint.ok_or(Why::Fingerprint)?,
        fault: refused.error,
    })
}

fn reference(subject: Option<&str>) -> Result<EntityRef, Why> {
    let text = subject.ok_or(Why::Subject)?;
    EntityRef::canonical(text)
        .ok()
        .filter(|reference| reference.as_str() == text)
        .ok_or(Why::Subject)
}

impl Document {
    fn read(raw: &str, salt: Salt, under: &Under) -> Result<Self, Why> {
        let value: Value = serde_json::from_str(raw).map_err(|_| Why::Document)?;
        let view = model::document::Document::new(&value);
        let reference = view.reference().map_err(|_| Why::Document)?;
        let kinds = &under.policy.kinds;
        let assertions = model::relations::assertions(&value, kinds).map_err(|_| Why::Relations)?;
        let content = model::canonical::content_hash_under(&value, kinds);
        let mut terms = Terms::default();
        terms.fill(&value);
        let wants = wants_of(&value);
        let uid = under.log.map(|log| uid_of(log, &reference)).unwrap_or_default();
        let seal = Seal::new(salt, &content);
        let (served, own_etag) = write(value, raw.len(), uid, &seal.hash);
        Ok(Self {
            reference,
            uid,
            content,
            seal,
            assertions,
            terms: Arc::new(terms),
            wants,
            own_etag,
            served,
        })
    }
}

/// The targets that a Location entity wants read, sorted, each once.
pub(crate) fn wants_of(document: &Value) -> Vec<Want> {
    let wanted = model::location::targets_of(document);
    let mut wants: Vec<Want> = wanted
        .map(|(location, optional)| Want { target: location.to_string().into(), optional })
        .filter(|want| is_key(&want.target))
        .collect();
    wants.sort_unstable();
    wants.dedup_by(|a, b| a.target == b.target);
    wants
}
