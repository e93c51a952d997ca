//! Entities: their versions, and the claims that hold them.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use event::vocabulary::Fault;
use event::{Kind, Offset, RecordId, Salt, Seal, SourceName, Timestamp};
use model::index::Terms;
use serde::{Deserialize, Serialize};

use super::{Row, RowError, read, write};
use crate::ids::{EntityId, RelationId, ScopeId};

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
    /// Its document was erased. Nothing is shown until a scope shows one again.
    Erased,
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
    /// Whether it is a Location entity of which a target that it requires was never read; such a
    /// one is not listed, as in Backstage, and what is wrong stands in its faults.
    pub unread: bool,
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
    /// Whether the catalog shows the entity.
    #[must_use]
    pub const fn is_listed(&self) -> bool {
        self.live && !self.unread
    }

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
