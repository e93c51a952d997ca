//! Types of relations, as numbers.
//!
//! A relation has two types, one for each end: what `ownedBy` is on the one is `ownerOf` on the
//! other. A pair of them has a number; a [`RelationId`] is that number and an end.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::RelationId;

/// The pairs that the built-in kinds use. Their numbers are the places in this list, for ever.
const BUILTIN: &[(&str, &str)] = &[
    ("ownedBy", "ownerOf"),
    ("partOf", "hasPart"),
    ("providesApi", "apiProvidedBy"),
    ("consumesApi", "apiConsumedBy"),
    ("dependsOn", "dependencyOf"),
    ("childOf", "parentOf"),
    ("memberOf", "hasMember"),
];

/// Where the numbers of pairs begin that custom kinds bring.
const CUSTOM: u16 = 64;

/// Which end of a pair of types an entity is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// The entity shows the pair's first type.
    Forward,
    /// The entity shows the pair's second type.
    Backward,
}

impl RelationId {
    /// The relation as its other end shows it.
    #[must_use]
    pub const fn inverse(self) -> Self {
        Self(self.0 ^ 1)
    }

    const fn new(pair: u16, direction: Direction) -> Self {
        Self(pair << 1 | matches!(direction, Direction::Backward) as u16)
    }
}

/// The names of all types of relations that a log has known so far. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelationNames {
    /// Pairs of custom kinds, in the order in which policies brought them; never taken away.
    custom: Arc<Vec<(Box<str>, Box<str>)>>,
}

impl RelationNames {
    /// The number of a relation by its type and its inverse; `None` for a pair that no policy of
    /// the log named.
    #[must_use]
    pub fn id(&self, relation: &str, inverse: &str) -> Option<RelationId> {
        self.pairs().find_map(|(pair, first, second)| {
            if (first, second) == (relation, inverse) {
                Some(RelationId::new(pair, Direction::Forward))
            } else if (second, first) == (relation, inverse) {
                Some(RelationId::new(pair, Direction::Backward))
            } else {
                None
            }
        })
    }

    /// The type that an entity with this relation shows.
    #[must_use]
    pub fn name(&self, id: RelationId) -> Option<&str> {
        let pair = usize::from(id.0 >> 1);
        let (first, second) = match pair.checked_sub(usize::from(CUSTOM)) {
            None => BUILTIN.get(pair).copied()?,
            Some(custom) => self.custom.get(custom).map(|(first, second)| (&**first, &**second))?,
        };
        Some(if id.0 & 1 == 0 { first } else { second })
    }

    /// All relations of a type, in whatever case it is written: one, or more where custom kinds
    /// pair a type anew.
    pub fn ids_of<'a>(&'a self, relation: &'a str) -> impl Iterator<Item = RelationId> + 'a {
        self.all().filter_map(move |(id, name)| name.eq_ignore_ascii_case(relation).then_some(id))
    }

    /// Every relation, with the type that an entity shows for it.
    pub fn all(&self) -> impl Iterator<Item = (RelationId, &str)> {
        self.pairs().flat_map(|(pair, first, second)| {
            [
                (RelationId::new(pair, Direction::Forward), first),
                (RelationId::new(pair, Direction::Backward), second),
            ]
        })
    }

    /// With another pair, unless it is known.
    #[must_use]
    pub(crate) fn with(self, relation: &str, inverse: &str) -> Self {
        let room = usize::from(u16::MAX >> 1) - usize::from(CUSTOM);
        if self.id(relation, inverse).is_some() || self.custom.len() >= room {
            return self;
        }
        let mut custom = self.custom.to_vec();
        custom.push((relation.into(), inverse.into()));
        Self { custom: Arc::new(custom) }
    }

    fn pairs(&self) -> impl Iterator<Item = (u16, &str, &str)> {
        let builtin = (0..).zip(BUILTIN).map(|(pair, (first, second))| (pair, *first, *second));
        let custom = (CUSTOM..).zip(self.custom.iter());
        builtin.chain(custom.map(|(pair, (first, second))| (pair, &**first, &**second)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_ever() {
        let names = RelationNames::default().with("feeds", "fedBy").with("ownedBy", "possesses");
        for (relation, inverse, number) in [
            ("ownedBy", "ownerOf", 0),
            ("ownerOf", "ownedBy", 1),
            ("hasMember", "memberOf", 13),
            ("feeds", "fedBy", 128),
            ("fedBy", "feeds", 129),
            ("ownedBy", "possesses", 130),
        ] {
            let id = names.id(relation, inverse).unwrap();
            assert_eq!(id, RelationId(number), "{relation}");
            assert_eq!(names.name(id), Some(relation));
            assert_eq!(names.name(id.inverse()), Some(inverse));
        }
        assert_eq!(names.id("feeds", "ownedBy"), None);
        assert_eq!(names.name(RelationId(200)), None);
        assert_eq!(names.name(RelationId(20)), None);
        assert_eq!(names.ids_of("OWNEDBY").count(), 2);
        assert_eq!(names.clone().with("fedBy", "feeds"), names, "a pair has one number");
    }

    /// Every pair of the built-in kinds has a number.
    #[test]
    fn the_model_brings_no_pair_without_a_number() {
        let names = RelationNames::default();
        for (relation, inverse) in model::kinds::Kinds::builtin().relation_types() {
            assert!(names.id(relation.as_str(), inverse.as_str()).is_some(), "{relation}");
        }
    }
}
