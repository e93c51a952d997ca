//! Lists by several orders, in which an entity without a value stands at the end.

use std::collections::HashMap;

use fold::EntityId;

use super::values::Field;
use super::{Filter, Sort};
use crate::index::{IdSet, Lookup};
use crate::keys::{KeyBytes, KeyReader, Table};
use crate::{Error, Reader};

/// Up to so many entities, their names are read and sorted; beyond, all names are walked.
const NAMES_MAX: u64 = 1024;

/// How many entities are looked at together.
const CHUNK: usize = 256;

/// At how many places one entity stands at the most.
const PLACES_MAX: usize = 1000;

/// Where an entity stands in an order: at each of its values, by their ranks.
type Ranks = HashMap<EntityId, Vec<u32>>;

impl Reader {
    /// Entities by several orders, one after the other, and among those that agree by their
    /// numbers; without any, by their references. One with several values in a field stands at
    /// each of them, one without behind all others. Gives at most `limit`, behind the first
    /// `offset`, and whether there are more.
    ///
    /// # Errors
    /// When the views can't be read.
    pub fn ordered(
        &self,
        filter: Option<&Filter>,
        sorts: &[Sort],
        offset: usize,
        limit: usize,
    ) -> Result<(Vec<EntityId>, bool), Error> {
        let lookup = self.lookup();
        let candidates = self.evaluate(&lookup, filter)?;
        let mut page = Page { skip: offset, limit, ids: Vec::new(), more: false };
        if sorts.is_empty() {
            self.by_reference(&candidates, &mut page)?;
            return Ok((page.ids, page.more));
        }
        let ranks: Vec<Ranks> = sorts
            .iter()
            .map(|sort| self.ranks(&lookup, &candidates, sort))
            .collect::<Result<_, _>>()?;
        let mut rows: Vec<(Vec<u32>, EntityId)> = Vec::new();
        for id in candidates.iter() {
            let mut places: Vec<Vec<u32>> = vec![Vec::with_capacity(sorts.len())];
            for ranks in &ranks {
                let mut ranks = ranks.get(&id).map_or(&[u32::MAX][..], Vec::as_slice);
                if places.len() * ranks.len() > PLACES_MAX {
                    ranks = &ranks[..1];
                }
                let next = places.iter().flat_map(|place| {
                    ranks.iter().map(|rank| {
                        let mut place = place.clone();
                        place.push(*rank);
                        place
                    })
                });
                places = next.collect();
            }
            rows.extend(places.into_iter().map(|place| (place, id)));
        }
        rows.sort_unstable();
        for (_, id) in rows {
            if !page.take(id) {
                break;
            }
        }
        Ok((page.ids, page.more))
    }

    fn by_reference(&self, candidates: &IdSet, page: &mut Page) -> Result<(), Error> {
        if candidates.len() <= NAMES_MAX {
            let ids: Vec<EntityId> = candidates.iter().collect();
            let mut rows: Vec<_> = self.references(&ids)?.into_iter().zip(ids).collect();
            rows.sort_unstable();
            for (_, id) in rows {
                if !page.take(id) {
                    break;
                }
            }
            return Ok(());
        }
        let damaged = || Error::Damaged { table: "Ref" };
        self.snapshot().prefix(Table::Ref, &KeyBytes::new(Table::Ref)).each(|key, row| {
            let reference = KeyReader::new(Table::Ref, key).and_then(|mut key| key.text());
            let reference = model::reference::EntityRef::canonical(&reference.ok_or_else(damaged)?);
            let key = fold::Key::Ref(reference.map_err(|_| damaged())?);
            let row = bytes::Bytes::copy_from_slice(row);
            let fold::Change::Ref(_, Some(id)) = fold::Change::read(key, Some(&row))? else {
                return Ok(true);
            };
            Ok(!candidates.contains(id) || page.take(id))
        })
    }

    /// The ranks of the values of a field, from the one that comes first.
    fn ranks(&self, lookup: &Lookup<'_>, of: &IdSet, sort: &Sort) -> Result<Ranks, Error> {
        let field = Field::new(self, lookup, &sort.path);
        let mut ranks = Ranks::new();
        if let (Some(path), true) = (field.plain, field.is_plain(lookup)?) {
            let mut values = lookup.values(path, None, sort.descending)?;
            let (mut rank, mut last) = (0, None);
            while let Some(value) = values.next_value()? {
                // Forms of one value stand side by side.
                rank += u32::from(last.as_ref() != Some(&value.form.lower));
                for id in value.members.and(of).iter() {
                    ranks.entry(id).or_default().push(rank);
                }
                last = Some(value.form.lower);
            }
            return Ok(ranks);
        }
        let valued = self.with_any_value(lookup, &lookup.alive()?, &field)?.and(of);
        let ids: Vec<EntityId> = valued.iter().collect();
        let mut rows = Vec::new();
        for ids in ids.chunks(CHUNK) {
            for (id, version) in ids.iter().zip(self.versions(ids)?) {
                let Some(version) = version else { continue };
                for (lower, _) in self.field_values(&field, *id, &version)? {
                    rows.push((lower, *id));
                }
            }
        }
        rows.sort_unstable();
        if sort.descending {
            rows.reverse();
        }
        let (mut rank, mut last) = (0, None);
        for (value, id) in rows {
            rank += u32::from(last.as_ref() != Some(&value));
            ranks.entry(id).or_default().push(rank);
            last = Some(value);
        }
        Ok(ranks)
    }
}

/// A part of a list that comes in its order.
struct Page {
    skip: usize,
    limit: usize,
    ids: Vec<EntityId>,
    more: bool,
}

impl Page {
    /// Takes an entity, or passes over it; `false` when the page is full.
    fn take(&mut self, id: EntityId) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return true;
        }
        if self.ids.len() == self.limit {
            self.more = true;
            return false;
        }
        self.ids.push(id);
        true
    }
}
