//! Sets of entities.

use std::sync::Arc;

use fold::EntityId;
use roaring::RoaringBitmap;

/// Entities whose numbers agree in the bits above these stand in one chunk, which is what is
/// copied when a set changes while somebody reads it, and what a checkpoint writes.
const CHUNK_BITS: u32 = 18;

/// A set of entities: Roaring bitmaps of chunks, shared until they change. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct IdSet {
    /// By chunk; none of the bitmaps is empty.
    chunks: Arc<Vec<(u16, Arc<RoaringBitmap>)>>,
}

pub(crate) const fn chunk_of(id: EntityId) -> u16 {
    (id.0 >> CHUNK_BITS) as u16
}

impl IdSet {
    pub(crate) fn insert(&mut self, id: EntityId) -> bool {
        let chunks = Arc::make_mut(&mut self.chunks);
        match chunks.binary_search_by_key(&chunk_of(id), |(chunk, _)| *chunk) {
            Ok(at) => Arc::make_mut(&mut chunks[at].1).insert(id.0),
            Err(at) => {
                let bitmap = RoaringBitmap::from_iter([id.0]);
                chunks.insert(at, (chunk_of(id), Arc::new(bitmap)));
                true
            }
        }
    }

    pub(crate) fn remove(&mut self, id: EntityId) -> bool {
        let chunks = Arc::make_mut(&mut self.chunks);
        let Ok(at) = chunks.binary_search_by_key(&chunk_of(id), |(chunk, _)| *chunk) else {
            return false;
        };
        let removed = Arc::make_mut(&mut chunks[at].1).remove(id.0);
        if chunks[at].1.is_empty() {
            chunks.remove(at);
        }
        removed
    }

    pub(crate) fn contains(&self, id: EntityId) -> bool {
        self.bitmap(chunk_of(id)).is_some_and(|bitmap| bitmap.contains(id.0))
    }

    pub(crate) fn len(&self) -> u64 {
        self.chunks.iter().map(|(_, bitmap)| bitmap.len()).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = EntityId> + '_ {
        self.chunks.iter().flat_map(|(_, bitmap)| bitmap.iter().map(EntityId))
    }

    /// The entities of both sets.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let chunks = self.chunks.iter().filter_map(|(chunk, mine)| {
            let both = &**mine & other.bitmap(*chunk)?;
            (!both.is_empty()).then(|| (*chunk, Arc::new(both)))
        });
        Self { chunks: Arc::new(chunks.collect()) }
    }

    /// How many entities are in both sets.
    pub(crate) fn and_len(&self, other: &Self) -> u64 {
        let both = self
            .chunks
            .iter()
            .filter_map(|(chunk, mine)| Some(mine.intersection_len(other.bitmap(*chunk)?)));
        both.sum()
    }

    /// The entities of this set that are not in the other.
    pub(crate) fn minus(&self, other: &Self) -> Self {
        let chunks = self.chunks.iter().filter_map(|(chunk, mine)| {
            let Some(taken) = other.bitmap(*chunk) else {
                return Some((*chunk, Arc::clone(mine)));
            };
            let left = &**mine - taken;
            (!left.is_empty()).then(|| (*chunk, Arc::new(left)))
        });
        Self { chunks: Arc::new(chunks.collect()) }
    }

    /// Adds the entities of another set.
    pub(crate) fn add_all(&mut self, other: &Self) {
        if self.is_empty() {
            self.chunks = Arc::clone(&other.chunks);
            return;
        }
        let chunks = Arc::make_mut(&mut self.chunks);
        for (chunk, theirs) in other.chunks.iter() {
            match chunks.binary_search_by_key(chunk, |(chunk, _)| *chunk) {
                Ok(at) => *Arc::make_mut(&mut chunks[at].1) |= &**theirs,
                Err(at) => chunks.insert(at, (*chunk, Arc::clone(theirs))),
            }
        }
    }

    /// The set of numbers that come in their order.
    pub(crate) fn from_sorted(ids: &[u32]) -> Self {
        let chunks = ids.chunk_by(|a, b| a >> CHUNK_BITS == b >> CHUNK_BITS).filter_map(|ids| {
            let bitmap = RoaringBitmap::from_sorted_iter(ids.iter().copied()).ok()?;
            Some((chunk_of(EntityId(*ids.first()?)), Arc::new(bitmap)))
        });
        Self { chunks: Arc::new(chunks.collect()) }
    }

    /// Its chunks, in their order.
    pub(super) fn chunks(&self) -> impl Iterator<Item = (u16, &RoaringBitmap)> {
        self.chunks.iter().map(|(chunk, bitmap)| (*chunk, &**bitmap))
    }

    /// How many bytes it takes when it is written.
    pub(super) fn serialized_size(&self) -> usize {
        self.chunks.iter().map(|(_, bitmap)| bitmap.serialized_size()).sum()
    }

    /// Adds a chunk behind all others; `None` where it does not belong there, or is none.
    pub(super) fn add_chunk(&mut self, bitmap: RoaringBitmap) -> Option<()> {
        let (first, last) = (EntityId(bitmap.min()?), EntityId(bitmap.max()?));
        let chunk = chunk_of(first);
        let chunks = Arc::make_mut(&mut self.chunks);
        let follows = chunks.last().is_none_or(|(before, _)| *before < chunk);
        (follows && chunk_of(last) == chunk).then(|| chunks.push((chunk, Arc::new(bitmap))))
    }

    pub(crate) fn bitmap(&self, chunk: u16) -> Option<&RoaringBitmap> {
        let at = self.chunks.binary_search_by_key(&chunk, |(chunk, _)| *chunk).ok()?;
        Some(&self.chunks[at].1)
    }

    /// Puts a chunk in its place; an empty one takes it away.
    pub(crate) fn set_chunk(&mut self, chunk: u16, bitmap: RoaringBitmap) {
        let chunks = Arc::make_mut(&mut self.chunks);
        match chunks.binary_search_by_key(&chunk, |(chunk, _)| *chunk) {
            Ok(at) if bitmap.is_empty() => {
                chunks.remove(at);
            }
            Ok(at) => chunks[at].1 = Arc::new(bitmap),
            Err(_) if bitmap.is_empty() => {}
            Err(at) => chunks.insert(at, (chunk, Arc::new(bitmap))),
        }
    }
}

impl FromIterator<EntityId> for IdSet {
    fn from_iter<I: IntoIterator<Item = EntityId>>(ids: I) -> Self {
        let mut set = Self::default();
        for id in ids {
            set.insert(id);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn ids() -> impl Strategy<Value = BTreeSet<u32>> {
        // Some close together, some chunks apart.
        proptest::collection::btree_set(prop_oneof![0..40_u32, any::<u32>()], 0..40)
    }

    fn set(ids: &BTreeSet<u32>) -> IdSet {
        ids.iter().copied().map(EntityId).collect()
    }

    fn list(set: &IdSet) -> BTreeSet<u32> {
        set.iter().map(|id| id.0).collect()
    }

    proptest! {
        #[test]
        fn sets_are_sets(a in ids(), b in ids(), probe in any::<u32>()) {
            let (x, y) = (set(&a), set(&b));
            prop_assert_eq!(list(&x), a.clone());
            prop_assert_eq!(x.len(), a.len() as u64);
            prop_assert_eq!(list(&x.and(&y)), &a & &b);
            prop_assert_eq!(x.and_len(&y), (&a & &b).len() as u64);
            prop_assert_eq!(list(&x.minus(&y)), &a - &b);
            let mut both = x.clone();
            both.add_all(&y);
            prop_assert_eq!(list(&both), &a | &b);
            let mut with = x.clone();
            prop_assert_eq!(with.insert(EntityId(probe)), !a.contains(&probe));
            prop_assert_eq!(with.len(), a.len() as u64 + u64::from(!a.contains(&probe)));
            let mut emptied = x.clone();
            for id in &a {
                prop_assert!(emptied.remove(EntityId(*id)));
            }
            prop_assert!(emptied.is_empty());
            let sorted: Vec<u32> = a.iter().copied().collect();
            prop_assert_eq!(&IdSet::from_sorted(&sorted), &x);
            prop_assert_eq!(list(&x), a, "a clone is not changed");
        }
    }
}
