//! The rows of the catalog's state, and their bytes.
//!
//! A row is encoded as one byte for the version of its form and then [postcard] of its fields; a
//! document stands verbatim behind them. The same bytes are stored and go into the history
//! digest. A form that changes gets a new version byte, and the old one stays readable.
//!
//! [postcard]: https://postcard.jamesmunns.com/wire-format

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use event::vocabulary::{ConnectorState, Fault, Orphans};
use event::{Kind, LogId, Offset, RecordId, Salt, Seal, SourceName, Timestamp};
use model::index::Terms;
use model::kinds::Kinds;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::{EntityId, RelationId, ScopeId};
use crate::relations::RelationNames;
use crate::why::Why;

/// The form in which rows are written.
const FORM: u8 = 1;

/// Why bytes are not a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// Written by a later version of Annals.
    #[error("a row is of form {form}, newer than form {FORM}")]
    Newer {
        /// The form's number.
        form: u8,
    },
    /// Not what a row of its table looks like.
    #[error("a row of `{table}` can't be read")]
    Malformed {
        /// Which table.
        table: &'static str,
    },
}

/// A row: its bytes, and back.
pub(crate) trait Row: Sized {
    const TABLE: &'static str;

    /// About how many bytes it has, and most often not more.
    fn size_hint(&self) -> usize {
        128
    }

    fn encode(&self, out: &mut Vec<u8>);

    fn decode(bytes: &Bytes) -> Result<Self, RowError>;
}

fn write<T: Serialize>(row: &T, out: &mut Vec<u8>) {
    out.push(FORM);
    if let Ok(written) = postcard::to_extend(row, std::mem::take(out)) {
        *out = written;
    } else {
        // Only a sequence of unknown length or a writer that fails could end here.
        debug_assert!(false, "a row that can't be encoded");
    }
}

fn read<T: DeserializeOwned>(bytes: &Bytes, table: &'static str) -> Result<(T, Bytes), RowError> {
    let malformed = RowError::Malformed { table };
    match bytes.first() {
        Some(&FORM) => {}
        Some(&form) if form > FORM => return Err(RowError::Newer { form }),
        _ => return Err(malformed),
    }
    let (row, rest) = postcard::take_from_bytes(&bytes[1..]).map_err(|_| malformed)?;
    Ok((row, bytes.slice_ref(rest)))
}

macro_rules! rows {
    ($($name:ident)*) => { $(
        impl Row for $name {
            const TABLE: &'static str = stringify!($name);

            fn encode(&self, out: &mut Vec<u8>) {
                write(self, out);
            }

            fn decode(bytes: &Bytes) -> Result<Self, RowError> {
                match read(bytes, Self::TABLE)? {
                    (row, rest) if rest.is_empty() => Ok(row),
                    _ => Err(RowError::Malformed { table: Self::TABLE }),
                }
            }
        }
    )* };
}

rows! { EntityId Offset Timestamp Claim Scope Source Refusal Aspect Activity Location Wanted LogInfo
Rules Counters Quarantined ScopeNameRow EntityRefRow }

/// Rows that are shared behind a pointer.
impl<T: Row> Row for Arc<T> {
    const TABLE: &'static str = T::TABLE;

    fn size_hint(&self) -> usize {
        (**self).size_hint()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }

    fn decode(bytes: &Bytes) -> Result<Self, RowError> {
        T::decode(bytes).map(Self::new)
    }
}

pub(crate) type ScopeNameRow = event::vocabulary::ScopeName;
pub(crate) type EntityRefRow = model::reference::EntityRef;

/// What made a version of an entity differ from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangeKind {
    /// It is there for the first time.
    Created,
    /// Its document changed, or another claim's document took its place.
    Updated,
    /// Nothing shows it any more, or a person removed it.
    Withdrawn,
    /// It was withdrawn, and is there again.
    Restored,
    /// Its status changed, and nothing else.
    Status,
}

/// Which record made a change, and on whose behalf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The record.
    pub record: RecordId,
    /// Its type, as [`Kind::code`].
    pub kind: u8,
    /// The connector instance that it came from.
    pub source: SourceName,
    /// The scope that it speaks of.
    pub scope: Option<ScopeId>,
    /// The person or token.
    pub author: Option<Box<str>>,
    /// Where in the source it was read.
    pub pointer: Option<Box<str>>,
    /// When it was appended.
    pub recorded: Timestamp,
    /// When it happened, where that is known.
    pub time: Option<Timestamp>,
}

impl Cause {
    /// The record's type.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        Kind::from_code(self.kind)
    }
}

/// A relation that an entity's document asserts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Edge {
    /// What the entity shows to the target.
    pub relation: RelationId,
    /// The other end, whether or not it exists.
    pub target: EntityId,
    /// The record that first asserted it.
    pub from: Offset,
}

/// A fault that an entity shows as its status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityFault {
    /// The scope in which the fault is.
    pub scope: ScopeId,
    /// The target that could not be read, where the fault is not of the entity's own document.
    pub item: Option<Box<str>>,
    /// What is wrong.
    pub fault: Fault,
    /// The salt of the record that said so.
    pub salt: Salt,
}

impl EntityFault {
    /// Whether another one says the same, whichever record it came from.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        (self.scope, &self.item, &self.fault) == (other.scope, &other.item, &other.fault)
    }
}

/// One version of an entity, the current one or one before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// The record that made it.
    pub offset: Offset,
    /// In what it differs from the version before.
    pub change: ChangeKind,
    /// Whether the entity exists; a withdrawn one keeps its last document.
    pub live: bool,
    /// Whether it is kept although nothing shows it any more.
    pub orphan: bool,
    /// The scope whose document this is.
    pub holder: ScopeId,
    /// The record that began the holder's claim.
    pub since: Offset,
    /// The record that created the entity for the first time.
    pub born: Offset,
    /// The seal of the holder's document, with the salt of the record that brought it.
    pub content: Seal,
    /// Whether the document brought an etag of its own.
    pub own_etag: bool,
    /// What the document asserts, by relation and target; none while withdrawn.
    pub edges: Vec<Edge>,
    /// What is shown as its status.
    pub faults: Vec<EntityFault>,
    /// Why it is there.
    pub cause: Cause,
    /// The document as it is served, without its relations.
    #[serde(skip)]
    pub document: Bytes,
    #[serde(skip)]
    pub(crate) terms: Memo,
}

impl Version {
    /// The document's terms of the filter index; read from the document where they are not known
    /// from folding it.
    #[must_use]
    pub fn terms(&self) -> Arc<Terms> {
        let read = || {
            let document = serde_json::from_slice(&self.document).unwrap_or_default();
            let mut terms = Terms::default();
            terms.fill(&document);
            Arc::new(terms)
        };
        Arc::clone(self.terms.0.get_or_init(read))
    }
}

/// Terms that were computed once; no part of what a version is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memo(OnceLock<Arc<Terms>>);

impl Memo {
    pub(crate) fn known(terms: Arc<Terms>) -> Self {
        Self(OnceLock::from(terms))
    }
}

impl PartialEq for Memo {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Row for Version {
    const TABLE: &'static str = "Version";

    fn size_hint(&self) -> usize {
        384 + self.document.len()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        write(self, out);
        out.extend_from_slice(&self.document);
    }

    fn decode(bytes: &Bytes) -> Result<Self, RowError> {
        let (row, document) = read::<Self>(bytes, Self::TABLE)?;
        Ok(Self { document, ..row })
    }
}

/// What a scope last said of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The seal of the document, or of the fingerprint of what was refused: a scan that finds the
    /// same has nothing to say.
    pub content: Seal,
    /// The record that began the claim.
    pub since: Offset,
    /// Whether the scope ever showed a good document; only such a claim can hold the entity.
    pub good: bool,
    /// Whether the last thing said was a refusal.
    pub refused: bool,
}

/// A claim that waits behind the one that holds the entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// The seal of its document, with the salt of the record that brought it.
    pub content: Seal,
    /// Whether the document brought an etag of its own.
    pub own_etag: bool,
    /// Why it is there.
    pub cause: Cause,
    /// The document as it will be served.
    #[serde(skip)]
    pub document: Bytes,
}

impl Row for Standing {
    const TABLE: &'static str = "Standing";

    fn size_hint(&self) -> usize {
        256 + self.document.len()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        write(self, out);
        out.extend_from_slice(&self.document);
    }

    fn decode(bytes: &Bytes) -> Result<Self, RowError> {
        let (row, document) = read::<Self>(bytes, Self::TABLE)?;
        Ok(Self { document, ..row })
    }
}

/// What is known of a scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Its number.
    pub id: ScopeId,
    /// The source that spoke of it last.
    pub source: SourceName,
    /// The last record that was taken for it.
    pub version: Offset,
    /// How many references it speaks of.
    pub claims: u64,
    /// The snapshot that is being taken in.
    pub snapshot: Option<Uuid>,
    /// When it was last looked at, whole.
    pub verified: Option<Verified>,
    /// A withdrawal that a person let pass.
    pub approval: Option<Approval>,
    /// What its connector says of it.
    pub condition: Option<Condition>,
    /// Whether it was retired and not heard of since.
    pub retired: bool,
    /// How many records were refused since they were compared with an older version.
    pub stale: u64,
    /// The last time that somebody wanted it read again.
    pub refresh: Option<Offset>,
}

/// That a scope was looked at, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// The record that says so.
    pub offset: Offset,
    /// When it was appended.
    pub recorded: Timestamp,
    /// The snapshot.
    pub snapshot: Uuid,
    /// How many documents it held.
    pub seen: u64,
    /// How many of them were refused.
    pub refused: u64,
    /// The digest of what was not refused.
    pub digest: Box<str>,
}

/// A withdrawal that a person let pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The record that says so.
    pub offset: Offset,
    /// How many entities may go at the most.
    pub at_most: u64,
}

/// What a connector says of itself or of a scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// What it is.
    pub state: ConnectorState,
    /// Why.
    pub why: Option<Box<str>>,
    /// How many withdrawals are held.
    pub withdrawals: Option<u64>,
    /// Since when.
    pub recorded: Timestamp,
}

/// What is known of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its life.
    pub epoch: u64,
    /// The sequence number that comes next.
    pub next: u64,
    /// Records that were dropped since they had been there before.
    pub duplicates: u64,
    /// Records that were dropped since they came from an older life.
    pub fenced: u64,
    /// Sequence numbers that never came.
    pub missing: u64,
    /// The last record that was taken.
    pub last: Offset,
    /// When that was appended.
    pub recorded: Timestamp,
    /// The node that it lives on.
    pub node: Option<Box<str>>,
    /// How far it has read.
    pub cursor: Option<Box<str>>,
    /// What it says of itself.
    pub condition: Option<Condition>,
}

/// What was refused in a scope, by the entity's number or by the item's own name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Item {
    /// A document that gave its reference.
    Entity(EntityId),
    /// One that did not, or a target that could not be read.
    Unnamed(Box<str>),
}

/// A refusal that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The record that said so.
    pub offset: Offset,
    /// The seal of the fingerprint of what was refused and why.
    pub fingerprint: Seal,
    /// What is wrong.
    pub fault: Fault,
    /// The entity that shows it as its status, where that is another than the item.
    pub about: Option<EntityId>,
    /// Where it came from.
    pub cause: Cause,
}

/// What a source observes of an entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aspect {
    /// The record that said so last.
    pub offset: Offset,
    /// The salt of that record.
    pub salt: Salt,
    /// The entity.
    pub about: EntityRefRow,
    /// Where it came from.
    pub cause: Cause,
    /// What is observed, as JSON; empty for one that ended.
    pub value: Box<str>,
}

/// What an activity is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// An entity.
    Entity(EntityId),
    /// Whatever entity carries this annotation, with this value.
    Annotation(Box<str>, Box<str>),
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// What.
    pub activity: Box<str>,
    /// The source's own id of it.
    pub key: Box<str>,
    /// Where it came from.
    pub cause: Cause,
    /// What is known of it, as JSON.
    pub value: Box<str>,
}

/// A registered location.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// The record that said so last.
    pub offset: Offset,
    /// The salt of that record.
    pub salt: Salt,
    /// `url` or `file`.
    pub kind: Box<str>,
    /// What is to be read.
    pub target: Box<str>,
    /// Where it came from.
    pub cause: Cause,
}

/// Who wants a target to be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Wanter {
    /// A Location entity.
    Entity(EntityId),
    /// A registered location.
    Location(Uuid),
}

/// That somebody wants a target to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Whether it is no fault when there is nothing.
    pub optional: bool,
}

/// What the log's first record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogInfo {
    /// The log's id.
    pub id: LogId,
    /// The name in its checkpoints.
    pub origin: Box<str>,
    /// The codec when it was made.
    pub codec: u8,
    /// Its hash functions.
    pub hashes: Box<str>,
    /// The identity key that it began with, where it had one.
    pub key: Option<Box<str>>,
}

/// Which rules are in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Their version; 0 before any was adopted.
    pub version: u32,
    /// The record that adopted them.
    pub at: Offset,
}

/// The numbers that come next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// The next entity's.
    pub entities: u32,
    /// The next scope's.
    pub scopes: u32,
}

/// The policy in force.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The record that set it; 0 before any did.
    pub at: Offset,
    /// What happens to an entity that nothing shows any more.
    pub orphans: Orphans,
    /// The user's own kinds, as JSON.
    pub custom: Box<str>,
    /// All relations that were ever known.
    pub relations: RelationNames,
    /// The kinds, ready for use.
    pub kinds: Kinds,
}

impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.orphans, &self.custom, &self.relations)
            == (other.at, other.orphans, &other.custom, &other.relations)
    }
}

impl Row for Policy {
    const TABLE: &'static str = "Policy";

    fn encode(&self, out: &mut Vec<u8>) {
        write(&(self.at, self.orphans, &self.custom, &self.relations), out);
    }

    fn decode(bytes: &Bytes) -> Result<Self, RowError> {
        let malformed = || RowError::Malformed { table: Self::TABLE };
        let (row, rest) = read::<(Offset, Orphans, Box<str>, RelationNames)>(bytes, Self::TABLE)?;
        let (at, orphans, custom, relations) = row;
        let kinds = if custom.is_empty() {
            Vec::new()
        } else {
            serde_json::from_str(&custom).map_err(|_| malformed())?
        };
        if !rest.is_empty() {
            return Err(malformed());
        }
        Ok(Self { at, orphans, custom, relations, kinds: Kinds::recorded(kinds) })
    }
}

/// What stands in the log and could not be folded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Why.
    pub why: Why,
    /// How many bytes of data it has.
    pub bytes: u64,
    /// Its source and type, where it is a record.
    pub record: Option<(SourceName, Box<str>)>,
}
