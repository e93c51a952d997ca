//! What a record says, read.

use std::sync::Arc;

use event::vocabulary::{About, ConnectorState, Fault, Orphans, ScopeName, SnapshotMark};
use model::kinds::Kinds;
use model::reference::EntityRef;
use uuid::Uuid;

use crate::prepare::Document;
use crate::why::Why;

/// What a record says.
#[derive(Clone, Debug)]
pub enum Act {
    /// `log.created`
    Created(event::vocabulary::LogCreated),
    /// `policy.set`
    PolicySet {
        /// What happens to an entity that nothing shows any more.
        orphans: Orphans,
        /// The user's own kinds.
        kinds: Kinds,
        /// The same as JSON; empty where there are none.
        custom: Box<str>,
    },
    /// `fold.adopted`
    Adopted {
        /// The version of the rules.
        version: u32,
    },
    /// `key.rotated`, `log.attested` and `log.erased`, which change no row: whether they are true
    /// is for those to say who check signatures.
    Statement,
    /// `scope.verified`
    Verified(event::vocabulary::ScopeVerified),
    /// `scope.retired`
    Retired {
        /// Which scope.
        scope: ScopeName,
    },
    /// `withdrawal.approved`
    Approved(event::vocabulary::WithdrawalApproved),
    /// `entity.seen`
    Seen {
        /// Which scope.
        scope: ScopeName,
        /// The snapshot that it belongs to.
        snapshot: Option<SnapshotMark>,
        /// The document.
        document: Arc<Document>,
    },
    /// `entity.gone`
    Gone {
        /// Which scope.
        scope: ScopeName,
        /// The snapshot that it belongs to.
        snapshot: Option<SnapshotMark>,
        /// The entity.
        reference: Option<EntityRef>,
        /// The item that has no reference.
        item: Option<Box<str>>,
    },
    /// `entity.refused`
    Refused {
        /// Which scope.
        scope: ScopeName,
        /// The snapshot that it belongs to.
        snapshot: Option<SnapshotMark>,
        /// The entity.
        reference: Option<EntityRef>,
        /// The item that has no reference.
        item: Option<Box<str>>,
        /// Whether the entity that wants the item is not shown without it.
        required: bool,
        /// The fingerprint of what was refused and why.
        fingerprint: [u8; 32],
        /// What is wrong.
        fault: Fault,
    },
    /// `entity.removed`
    Removed {
        /// The entity.
        reference: EntityRef,
    },
    /// `aspect.observed`, and `aspect.ended` with an empty value.
    Aspect {
        /// The entity.
        reference: EntityRef,
        /// The aspect's name.
        aspect: Box<str>,
        /// What is observed, as JSON.
        value: Box<str>,
    },
    /// `activity.recorded`
    Activity {
        /// The entity, where the source knows it.
        reference: Option<EntityRef>,
        /// How to find it, where it does not.
        about: Option<About>,
        /// What.
        activity: Box<str>,
        /// The source's own id.
        key: Box<str>,
        /// What is known of it, as JSON.
        value: Box<str>,
    },
    /// `location.registered` and `location.updated`
    Location {
        /// Its id.
        id: Uuid,
        /// `url` or `file`.
        kind: Box<str>,
        /// What is to be read.
        target: Box<str>,
    },
    /// `location.removed`
    LocationRemoved {
        /// Its id.
        id: Uuid,
    },
    /// `refresh.asked`
    Refresh {
        /// The entity, where one was named.
        reference: Option<EntityRef>,
        /// The target, where one was.
        target: Option<Box<str>>,
    },
    /// `epoch.begun`
    Begun {
        /// The node.
        node: Box<str>,
    },
    /// `connector.changed`
    Condition {
        /// What it is.
        state: ConnectorState,
        /// The scope that it is of.
        scope: Option<ScopeName>,
        /// Why.
        why: Option<Box<str>>,
        /// How many withdrawals are held.
        withdrawals: Option<u64>,
    },
    /// `cursor.reached`
    Cursor {
        /// How far the source was read.
        cursor: Box<str>,
    },
    /// An event whose data was erased, and that changes nothing any more.
    Erased,
    /// `entity.seen`, `entity.gone` or `entity.refused` of which the data was erased.
    Withheld {
        /// Which scope.
        scope: ScopeName,
        /// The snapshot that it belongs to.
        snapshot: Option<SnapshotMark>,
        /// The entity whose document is gone, where it was one and what it is about is kept.
        reference: Option<EntityRef>,
    },
    /// What can't be folded, and why.
    Garbage(Why),
    /// One of ours that came later than this program.
    Newer(Newer),
}

/// What came later than this program. Passing over it would make this node disagree with those
/// that know it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Newer {
    /// A type.
    #[error("the log holds an event of type `{name}`, which this version of Annals does not know")]
    Type {
        /// The type.
        name: Box<str>,
    },
    /// What is left of a record that was erased.
    #[error(
        "the log holds what is left of an erased record in a form that this version of Annals does \
         not know"
    )]
    Residue,
    /// A policy whose kinds say what this program does not know.
    #[error("the log holds a policy whose kinds say more than this version of Annals knows")]
    Policy,
}
