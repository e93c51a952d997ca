//! Upwards from an entity: who owns it, and the groups that these belong to.

use std::collections::HashSet;

use fold::{EntityId, RelationId};

use crate::index::Lookup;
use crate::{Error, Reader};

/// The relations that lead upwards from what is owned, and from a group.
const OWNED_BY: &str = "ownedBy";
const CHILD_OF: &str = "childOf";

/// So many groups are looked at above one entity; a catalog in which there are more is no
/// organization.
const ABOVE_MAX: usize = 256;

impl Reader {
    /// Whether an entity is owned by one of some entities or by a group below them, or is itself
    /// a group below them, by the relations that are shown at the position.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn is_under(&self, id: EntityId, above: &[EntityId]) -> Result<bool, Error> {
        let lookup = self.lookup();
        let ids = |kind| self.policy().relations.ids_of(kind).collect::<Vec<RelationId>>();
        let (owned_by, child_of) = (ids(OWNED_BY), ids(CHILD_OF));
        let mut next = self.shown_targets(&lookup, id, &owned_by)?;
        next.extend(self.shown_targets(&lookup, id, &child_of)?);
        let mut seen = HashSet::new();
        while let Some(group) = next.pop() {
            if above.contains(&group) {
                return Ok(true);
            }
            // Groups may stand in a circle.
            if seen.len() < ABOVE_MAX && seen.insert(group) {
                next.extend(self.shown_targets(&lookup, group, &child_of)?);
            }
        }
        Ok(false)
    }

    /// The entities to which one shows some relations, by what its own document or theirs assert.
    fn shown_targets(
        &self,
        lookup: &Lookup<'_>,
        id: EntityId,
        relations: &[RelationId],
    ) -> Result<Vec<EntityId>, Error> {
        let mut targets = Vec::new();
        // An entity that is not there shows nothing, whoever names it.
        let Some(version) = self.version(id)?.filter(|version| version.is_listed()) else {
            return Ok(targets);
        };
        let own = version.edges.iter().filter(|edge| relations.contains(&edge.relation));
        targets.extend(own.map(|edge| edge.target));
        for relation in relations {
            targets.extend(lookup.related(relation.inverse(), id)?.iter());
        }
        Ok(targets)
    }
}
