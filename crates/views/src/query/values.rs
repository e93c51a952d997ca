//! Where the values of a field come from.

use std::collections::BTreeMap;

use fold::{EntityId, RelationId, Version, uid_of};
use model::index::PATH_UNITS_MAX;

use crate::index::{IdSet, Lookup, PathId};
use crate::{Error, Reader};

/// The path of an entity's uid, which is no part of what its source wrote.
pub(crate) const UID: &str = "metadata.uid";

/// What the paths of relations begin with.
pub(crate) const RELATIONS: &str = "relations.";

/// Where the values of one field come from, in the index at hand.
pub(crate) struct Field<'a> {
    pub(crate) path: &'a str,
    /// Documents have it as a path of their own.
    pub(crate) plain: Option<PathId>,
    /// Documents have arrays of texts with an item that makes this path: the array's path and the
    /// item.
    pub(crate) items: Vec<(PathId, &'a str)>,
    /// It is a type of relation: as such numbers.
    pub(crate) relations: Vec<RelationId>,
    /// It is the uid.
    pub(crate) is_uid: bool,
}

impl<'a> Field<'a> {
    pub(crate) fn new(reader: &'a Reader, lookup: &Lookup<'_>, path: &'a str) -> Self {
        let mut items = Vec::new();
        if path.encode_utf16().count() <= PATH_UNITS_MAX {
            for (at, _) in path.match_indices('.') {
                if let Some(array) = lookup.path(&path[..at]) {
                    items.push((array, &path[at + 1..]));
                }
            }
        }
        let names = &reader.policy().relations;
        let relations =
            path.strip_prefix(RELATIONS).map_or_else(Vec::new, |kind| names.ids_of(kind).collect());
        Self { path, plain: lookup.path(path), items, relations, is_uid: path == UID }
    }

    /// Whether all values come from the path itself, so that the index holds them in order.
    pub(crate) fn is_plain(&self, lookup: &Lookup<'_>) -> Result<bool, Error> {
        if self.is_uid || !self.relations.is_empty() {
            return Ok(false);
        }
        for (array, item) in &self.items {
            if !lookup.with_value(*array, item, true)?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Reader {
    /// Entities that show a relation to a target, by what their own documents or the target's
    /// assert.
    pub(crate) fn showing(
        &self,
        lookup: &Lookup<'_>,
        relations: &[RelationId],
        target: EntityId,
    ) -> Result<IdSet, Error> {
        let mut all = IdSet::default();
        for relation in relations {
            all.add_all(&lookup.related(*relation, target)?);
        }
        if let Some(version) = self.version(target)?.filter(|version| version.is_listed()) {
            for edge in &version.edges {
                if relations.contains(&edge.relation.inverse()) {
                    all.insert(edge.target);
                }
            }
        }
        Ok(all)
    }

    /// For each entity that a relation leads to, those that show it.
    pub(crate) fn relation_values(
        &self,
        lookup: &Lookup<'_>,
        relations: &[RelationId],
    ) -> Result<BTreeMap<EntityId, IdSet>, Error> {
        let alive = lookup.alive()?;
        let mut values: BTreeMap<EntityId, IdSet> = BTreeMap::new();
        for relation in relations {
            for target in lookup.targets(*relation)? {
                let holders = lookup.related(*relation, target)?.and(&alive);
                if !holders.is_empty() {
                    values.entry(target).or_default().add_all(&holders);
                }
            }
            // What others' documents assert the other way round.
            for target in lookup.targets(relation.inverse())? {
                for holder in lookup.related(relation.inverse(), target)?.and(&alive).iter() {
                    values.entry(holder).or_default().insert(target);
                }
            }
        }
        Ok(values)
    }

    /// The values that one entity has in a field: in lower case, and as they are written.
    pub(crate) fn field_values(
        &self,
        field: &Field<'_>,
        id: EntityId,
        version: &Version,
    ) -> Result<Vec<(String, String)>, Error> {
        let mut values = Vec::new();
        if field.is_uid
            && let Some(reference) = self.reference(id)?
        {
            let uid = uid_of(self.position().log, &reference).to_string();
            values.push((uid.clone(), uid));
        }
        for term in version.terms().iter() {
            let Some(lower) = term.value else { continue };
            let original = term.original.unwrap_or(lower);
            if term.path == field.path {
                values.push((lower.to_owned(), original.to_owned()));
            }
            let is_item = term.array_item
                && field.path.len() == term.path.len() + 1 + lower.len()
                && field.path.starts_with(term.path)
                && field.path.ends_with(lower)
                && field.path.as_bytes()[term.path.len()] == b'.';
            if is_item {
                values.push(("true".into(), "true".into()));
            }
        }
        if !field.relations.is_empty() {
            let kind = &field.path[RELATIONS.len()..];
            for relation in self.relations(id, version)? {
                if relation.kind.eq_ignore_ascii_case(kind) {
                    let target = relation.target.to_string();
                    values.push((target.clone(), target));
                }
            }
        }
        values.sort_unstable();
        values.dedup_by(|a, b| a.0 == b.0);
        Ok(values)
    }
}
