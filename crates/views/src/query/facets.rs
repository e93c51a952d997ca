//! Facets: the values of a field, and how many entities have each.

use std::collections::BTreeMap;

use fold::EntityId;

use super::Filter;
use super::values::Field;
use crate::{Error, Reader};

/// Up to so many entities, their values are read from their documents.
const READ_MAX: u64 = 128;

/// A value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facet {
    /// As it is written.
    pub value: String,
    /// How many entities have it.
    pub count: u64,
}

impl Reader {
    /// For each field (in lower case) its values, as they are written, with the number of entities
    /// that a filter lets pass and that have them; in the order of the values.
    ///
    /// # Errors
    /// When the views can't be read.
    pub fn facets(
        &self,
        fields: &[String],
        filter: Option<&Filter>,
    ) -> Result<Vec<Vec<Facet>>, Error> {
        let lookup = self.lookup();
        let candidates = self.evaluate(&lookup, filter)?;
        let mut facets = Vec::with_capacity(fields.len());
        for path in fields {
            let field = Field::new(self, &lookup, path);
            let mut counts: BTreeMap<String, u64> = BTreeMap::new();
            if candidates.len() <= READ_MAX || field.is_uid {
                let ids: Vec<EntityId> = candidates.iter().collect();
                for (id, version) in ids.iter().zip(self.versions(&ids)?) {
                    let Some(version) = version else { continue };
                    for (_, original) in self.field_values(&field, *id, &version)? {
                        *counts.entry(original).or_default() += 1;
                    }
                }
            } else {
                self.count_values(&lookup, &field, &candidates, &mut counts)?;
            }
            let counts = counts.into_iter().filter(|(_, count)| *count > 0);
            facets.push(counts.map(|(value, count)| Facet { value, count }).collect());
        }
        Ok(facets)
    }

    fn count_values(
        &self,
        lookup: &crate::index::Lookup<'_>,
        field: &Field<'_>,
        candidates: &crate::index::IdSet,
        counts: &mut BTreeMap<String, u64>,
    ) -> Result<(), Error> {
        if let Some(path) = field.plain {
            let mut values = lookup.values(path, None, false)?;
            while let Some(value) = values.next_value()? {
                *counts.entry(value.form.original).or_default() +=
                    value.members.and_len(candidates);
            }
        }
        let mut items = crate::index::IdSet::default();
        for (array, item) in &field.items {
            items.add_all(&lookup.with_value(*array, item, true)?);
        }
        if let Some(path) = field.plain {
            // Who says `true` there itself is counted already.
            items = items.minus(&lookup.with_value(path, "true", false)?);
        }
        *counts.entry("true".into()).or_default() += items.and_len(candidates);
        if !field.relations.is_empty() {
            let values = self.relation_values(lookup, &field.relations)?;
            let ids: Vec<EntityId> = values.keys().copied().collect();
            for (name, members) in self.references(&ids)?.into_iter().zip(values.values()) {
                if let Some(name) = name {
                    *counts.entry(name.to_string()).or_default() += members.and_len(candidates);
                }
            }
        }
        Ok(())
    }
}
