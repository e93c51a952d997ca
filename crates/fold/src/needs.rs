//! What the fold has to see before it can go on.

use event::Offset;

use crate::act::Act;
use crate::ids::{EntityId, ScopeId};
use crate::prepare::Prepared;
use crate::prior::{Key, Prior};
use crate::rows::Item;

/// A row, or the next page of a range of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// One row.
    Row(Key),
    /// Claims of a scope, by the number of the entity, after one.
    Claims {
        /// The scope.
        scope: ScopeId,
        /// After this entity; from the first where absent.
        after: Option<EntityId>,
    },
    /// Claims that wait for an entity, by the record that began them, after one.
    Standing {
        /// The entity.
        entity: EntityId,
        /// After this claim; from the first where absent.
        after: Option<(Offset, ScopeId)>,
    },
    /// Refusals of a scope whose items have no reference, after one.
    Unnamed {
        /// The scope.
        scope: ScopeId,
        /// After this item; from the first where absent.
        after: Option<Item>,
    },
}

/// What a rule has to see before it can go on. One that needs many rows names them together:
/// whoever folds fetches them and asks again, and asking again row by row would take quadratic time.
#[derive(Debug, Default)]
pub(crate) struct Needs(Vec<Need>);

impl From<Need> for Needs {
    fn from(need: Need) -> Self {
        Self(vec![need])
    }
}

impl Needs {
    /// What was found, or else what is needed for it, which is noted.
    pub(crate) fn note<T>(&mut self, found: Result<T, Self>) -> Option<T> {
        found.map_err(|needs| self.0.extend(needs.0)).ok()
    }

    /// Goes on if nothing is needed.
    pub(crate) fn met(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    pub(crate) fn into_vec(self) -> Vec<Need> {
        self.0
    }
}

/// The rows that a record names itself, for reading those of a whole batch at once: the first
/// round. What is left over, the fold asks for record by record.
pub fn first_needs(record: &Prepared, mut need: impl FnMut(Key)) {
    let Ok(stamp) = &record.stamp else { return };
    need(Key::Source(stamp.source.clone()));
    match &record.act {
        Act::Seen { scope, document, .. } => {
            need(Key::Scope(scope.clone()));
            need(Key::Ref(document.reference.clone()));
            for assertion in &document.assertions {
                need(Key::Ref(assertion.target.clone()));
            }
        }
        Act::Gone { scope, reference, .. }
        | Act::Refused { scope, reference, .. }
        | Act::Withheld { scope, reference, .. } => {
            need(Key::Scope(scope.clone()));
            if let Some(reference) = reference {
                need(Key::Ref(reference.clone()));
            }
        }
        Act::Removed { reference } => need(Key::Ref(reference.clone())),
        _ => {}
    }
}

/// The rows behind the numbers that the first round brought: the second round.
pub fn second_needs(prior: &Prior, record: &Prepared, mut need: impl FnMut(Key)) {
    let (scope, reference) = match &record.act {
        Act::Seen { scope, document, .. } => (Some(scope), Some(&document.reference)),
        Act::Gone { scope, reference, .. }
        | Act::Refused { scope, reference, .. }
        | Act::Withheld { scope, reference, .. } => (Some(scope), reference.as_ref()),
        Act::Removed { reference } => (None, Some(reference)),
        _ => return,
    };
    let Some(id) = reference.and_then(|reference| prior.known_id(reference)) else {
        return;
    };
    need(Key::Entity(id));
    if let Some(scope) = scope.and_then(|name| prior.known_scope(name)) {
        need(Key::Claim((scope.id, id)));
    }
}
