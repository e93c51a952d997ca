//! From a filter to the set of those that it lets pass.

use fold::EntityId;
use model::reference::EntityRef;
use uuid::Uuid;

use super::values::Field;
use super::{Condition, Filter};
use crate::index::{IdSet, Lookup, SetKey};
use crate::{Error, Reader};

/// How many entities are looked at together where a field has no index.
const CHUNK: usize = 512;

impl Reader {
    /// Those that exist and that a filter lets pass.
    pub(crate) fn evaluate(
        &self,
        lookup: &Lookup<'_>,
        filter: Option<&Filter>,
    ) -> Result<IdSet, Error> {
        let alive = lookup.alive()?;
        match filter {
            None => Ok(alive),
            Some(filter) => Ok(self.passing(lookup, &alive, filter)?.and(&alive)),
        }
    }

    /// For each entity, whether it exists and a filter lets it pass.
    ///
    /// # Errors
    /// When the views can't be read.
    pub fn passes(&self, filter: Option<&Filter>, ids: &[EntityId]) -> Result<Vec<bool>, Error> {
        let passing = self.evaluate(&self.lookup(), filter)?;
        Ok(ids.iter().map(|id| passing.contains(*id)).collect())
    }

    /// Those of some entities that a filter lets pass; others may be among them.
    fn passing(&self, lookup: &Lookup<'_>, alive: &IdSet, filter: &Filter) -> Result<IdSet, Error> {
        match filter {
            Filter::All(filters) => {
                let mut all = alive.clone();
                for filter in filters {
                    if all.is_empty() {
                        break;
                    }
                    // What does not pass the ones before need not be looked at.
                    let passing = self.passing(lookup, &all, filter)?;
                    all = all.and(&passing);
                }
                Ok(all)
            }
            Filter::Any(filters) => {
                let mut any = IdSet::default();
                for filter in filters {
                    any.add_all(&self.passing(lookup, alive, filter)?);
                }
                Ok(any)
            }
            Filter::Not(filter) => Ok(alive.minus(&self.passing(lookup, alive, filter)?)),
            Filter::Field { path, condition } => {
                let field = Field::new(self, lookup, path);
                self.field(lookup, alive, &field, condition)
            }
        }
    }

    /// Those whose field is so.
    fn field(
        &self,
        lookup: &Lookup<'_>,
        alive: &IdSet,
        field: &Field<'_>,
        condition: &Condition,
    ) -> Result<IdSet, Error> {
        let mut found = IdSet::default();
        if let Some(path) = field.plain {
            match condition {
                Condition::Exists => {
                    found.add_all(&lookup.members(&SetKey::any(path))?);
                    found.add_all(&lookup.members(&SetKey::no_value(path))?);
                }
                Condition::In(values) => {
                    for value in values {
                        found.add_all(&lookup.with_value(path, value, false)?);
                    }
                }
                Condition::Prefix(prefix) => found.add_all(&lookup.with_prefix(path, prefix)?),
                Condition::Like(like) => match self.column(lookup, path, field.path)? {
                    Some(column) => found.add_all(&column.matching(like)),
                    None => {
                        found.add_all(&lookup.with_matching(path, &|value| like.matches(value))?);
                    }
                },
            }
        }
        if passes(condition, "true") {
            for (array, item) in &field.items {
                found.add_all(&lookup.with_value(*array, item, true)?);
            }
        }
        if !field.relations.is_empty() {
            found.add_all(&self.related_so(lookup, field, condition)?);
        }
        if field.is_uid {
            found.add_all(&self.with_uid(alive, condition)?);
        }
        Ok(found)
    }

    fn related_so(
        &self,
        lookup: &Lookup<'_>,
        field: &Field<'_>,
        condition: &Condition,
    ) -> Result<IdSet, Error> {
        let mut found = IdSet::default();
        if let Condition::In(values) = condition {
            for value in values {
                // What is no full reference is nobody's.
                let target = EntityRef::canonical(value).ok();
                let id = target.map(|target| self.entity_id(&target)).transpose()?.flatten();
                if let Some(id) = id {
                    found.add_all(&self.showing(lookup, &field.relations, id)?);
                }
            }
            return Ok(found);
        }
        let values = self.relation_values(lookup, &field.relations)?;
        let ids: Vec<_> = values.keys().copied().collect();
        for (name, members) in self.references(&ids)?.into_iter().zip(values.values()) {
            if name.is_some_and(|name| passes(condition, name.as_str())) {
                found.add_all(members);
            }
        }
        Ok(found)
    }

    fn with_uid(&self, alive: &IdSet, condition: &Condition) -> Result<IdSet, Error> {
        let mut found = IdSet::default();
        match condition {
            Condition::Exists => found.add_all(alive),
            Condition::In(values) => {
                for value in values {
                    if let Ok(uid) = Uuid::try_parse(value)
                        && uid.to_string() == *value
                        && let Some(id) = self.entity_id_by_uid(uid)?
                    {
                        found.insert(id);
                    }
                }
            }
            Condition::Prefix(_) | Condition::Like(_) => {
                let log = self.position().log;
                let ids: Vec<_> = alive.iter().collect();
                for ids in ids.chunks(CHUNK) {
                    for (id, name) in ids.iter().zip(self.references(ids)?) {
                        let uid = name.map(|name| fold::uid_of(log, &name).to_string());
                        if uid.is_some_and(|uid| passes(condition, &uid)) {
                            found.insert(*id);
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    /// Those that have any value in a field; what order and counts of ordered lists go by.
    pub(crate) fn with_any_value(
        &self,
        lookup: &Lookup<'_>,
        alive: &IdSet,
        field: &Field<'_>,
    ) -> Result<IdSet, Error> {
        let mut found = match field.plain {
            Some(path) => lookup.members(&SetKey::any(path))?,
            None => IdSet::default(),
        };
        let others = Field {
            plain: None,
            items: field.items.clone(),
            relations: field.relations.clone(),
            ..*field
        };
        found.add_all(&self.field(lookup, alive, &others, &Condition::Exists)?);
        Ok(found)
    }
}

fn passes(condition: &Condition, value: &str) -> bool {
    match condition {
        Condition::Exists => true,
        Condition::In(values) => values.iter().any(|wanted| wanted == value),
        Condition::Prefix(prefix) => value.starts_with(prefix.as_str()),
        Condition::Like(like) => like.matches(value),
    }
}
