//! What changed in the sets of a path, by stretches of the log: what takes all values of a path back
//! to an earlier moment.
//!
//! A stretch of level 0 holds every change of 4,096 records, one of each level above the first
//! change to each member in sixteen of the level below, which is all that it takes to go back
//! before them. So a moment costs a few stretches of each level, however long the log is, and one
//! of level 0 in which the moment stands.
//!
//! Stretches are made from the rows of the log of terms when they are asked for first. They are a
//! cache, bounded in bytes: those that were not asked for longest go.
//!
//! Invariant: a stretch that is done never changes, whoever reads it at whatever position.

use std::collections::HashMap;
use std::sync::Arc;

use event::Offset;
use fold::EntityId;
use parking_lot::Mutex;

use super::set_key::PathId;
use super::stretch::{Collector, Stretch};
use crate::Error;
use crate::keys::{KeyBytes, KeyReader, Table};
use crate::store::OwnedSnapshot;

/// How many stretches make one of the level above, as a power of two.
const FANOUT_BITS: u32 = 4;

/// The highest level.
const LEVEL_MAX: u32 = 3;

/// Up to this level a stretch is read from the rows where those below are not at hand: beyond it
/// that would take too much memory at once.
const LEVEL_READ_MAX: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Place {
    path: PathId,
    level: u32,
    number: u64,
}

/// The stretches that are in memory.
pub(crate) struct Past {
    bytes_max: usize,
    /// How many records a stretch of level 0 is of, as a power of two.
    bits: u32,
    kept: Mutex<Kept>,
    /// Stretches are made by one reader at a time: others most often want the same.
    making: Mutex<()>,
}

#[derive(Default)]
struct Kept {
    /// None where a stretch would take too much memory: then those below serve.
    stretches: HashMap<Place, (Option<Arc<Stretch>>, u64)>,
    bytes: usize,
    /// Counts what is asked, to tell what was not asked for longest.
    asked: u64,
}

/// What changed since a moment, the newest stretch first.
pub(crate) struct Since {
    /// The moment, and the last record that is seen.
    pub(super) at: Offset,
    pub(super) last: Offset,
    pub(super) stretches: Vec<Arc<Stretch>>,
}

impl Past {
    pub(crate) fn new(bytes_max: usize, bits: u32) -> Self {
        // The offsets within a stretch of level 0 are kept in 16 bits.
        let bits = bits.clamp(1, 16);
        Self { bytes_max, bits, kept: Mutex::default(), making: Mutex::default() }
    }

    /// Bytes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.kept.lock().bytes
    }

    /// What changed after one record, up to and with another.
    pub(super) fn since(
        &self,
        snapshot: &OwnedSnapshot,
        path: PathId,
        at: Offset,
        last: Offset,
    ) -> Result<Since, Error> {
        let mut stretches = Vec::new();
        let mut next = at + 1;
        while next <= last {
            let mut level = 0;
            while level < LEVEL_MAX && self.is_within(next, level + 1, last) {
                level += 1;
            }
            loop {
                let number = next >> self.span_bits(level);
                if let Some(stretch) = self.get(snapshot, Place { path, level, number }, last)? {
                    stretches.push(stretch);
                    next = (number + 1) << self.span_bits(level);
                    break;
                }
                level = level.saturating_sub(1);
            }
        }
        stretches.reverse();
        stretches.retain(|stretch| !stretch.is_empty());
        Ok(Since { at, last, stretches })
    }

    const fn span_bits(&self, level: u32) -> u32 {
        self.bits + level * FANOUT_BITS
    }

    /// Whether a stretch of a level begins with a record and is done with another.
    const fn is_within(&self, first: Offset, level: u32, last: Offset) -> bool {
        let span = 1 << self.span_bits(level);
        first.is_multiple_of(span) && first + span - 1 <= last
    }

    /// The stretch at a place, as far as a record; `None` where it is too large. None of level 0 is.
    fn get(
        &self,
        snapshot: &OwnedSnapshot,
        place: Place,
        last: Offset,
    ) -> Result<Option<Arc<Stretch>>, Error> {
        let until = last.min(((place.number + 1) << self.span_bits(place.level)) - 1);
        match self.known(place) {
            Some(Some(known)) if known.until >= until => return Ok(Some(known)),
            Some(None) => return Ok(None),
            _ => {}
        }
        let _alone = self.making.lock();
        self.made(snapshot, place, until)
    }

    fn known(&self, place: Place) -> Option<Option<Arc<Stretch>>> {
        let mut kept = self.kept.lock();
        kept.asked += 1;
        let now = kept.asked;
        let (stretch, asked) = kept.stretches.get_mut(&place)?;
        *asked = now;
        Some(stretch.clone())
    }

    /// Makes a stretch, or goes on with one that was not done.
    fn made(
        &self,
        snapshot: &OwnedSnapshot,
        place: Place,
        until: Offset,
    ) -> Result<Option<Arc<Stretch>>, Error> {
        let base = place.number << self.span_bits(place.level);
        let whole =
            |from| Part { path: place.path, base, from, until, first_only: place.level > 0 };
        let stretch = match self.known(place) {
            Some(Some(known)) if known.until >= until => return Ok(Some(known)),
            Some(None) => return Ok(None),
            Some(Some(known)) => {
                let rest = read(snapshot, &whole(known.until + 1), usize::MAX)?;
                rest.map(|rest| Stretch::merged(&known, &rest, false))
            }
            None if place.level == 0 => read(snapshot, &whole(base), usize::MAX)?,
            None => self.of_those_below(snapshot, place, &whole(base))?,
        };
        let stretch = stretch.map(Arc::new);
        self.keep(place, stretch.clone());
        Ok(stretch)
    }

    fn of_those_below(
        &self,
        snapshot: &OwnedSnapshot,
        place: Place,
        whole: &Part,
    ) -> Result<Option<Stretch>, Error> {
        let level = place.level - 1;
        let first = place.number << FANOUT_BITS;
        let mut parts = Vec::new();
        let mut bytes = 0;
        for number in first..first + (1 << FANOUT_BITS) {
            let below = Place { path: place.path, level, number };
            let until = ((number + 1) << self.span_bits(level)) - 1;
            let part = match self.known(below) {
                Some(Some(known)) if known.until >= until => Some(known),
                Some(None) => None,
                _ if place.level <= LEVEL_READ_MAX => {
                    return read(snapshot, whole, self.bytes_max);
                }
                _ => self.made(snapshot, below, until)?,
            };
            let Some(part) = part else { return Ok(None) };
            bytes += part.bytes();
            if bytes > self.bytes_max / 2 {
                return Ok(None);
            }
            parts.push(part);
        }
        // Halves of halves, so that no change is moved more often than there are such.
        while parts.len() > 1 {
            let pairs = parts.chunks(2).map(|pair| match pair {
                [older, newer] => Arc::new(Stretch::merged(older, newer, true)),
                pair => Arc::clone(&pair[0]),
            });
            parts = pairs.collect();
        }
        Ok(parts.pop().map(Arc::unwrap_or_clone))
    }

    fn keep(&self, place: Place, stretch: Option<Arc<Stretch>>) {
        let mut kept = self.kept.lock();
        kept.bytes += bytes_of(stretch.as_ref());
        let asked = kept.asked;
        if let Some((before, _)) = kept.stretches.insert(place, (stretch, asked)) {
            kept.bytes -= bytes_of(before.as_ref());
        }
        if kept.bytes <= self.bytes_max {
            return;
        }
        let mut oldest: Vec<(u64, Place)> =
            kept.stretches.iter().map(|(place, (_, asked))| (*asked, *place)).collect();
        oldest.sort_unstable_by_key(|(asked, _)| *asked);
        // Some room is made, so that the next one does not look for the oldest again.
        for (_, place) in oldest {
            if kept.bytes <= self.bytes_max / 8 * 7 {
                break;
            }
            if let Some((gone, _)) = kept.stretches.remove(&place) {
                kept.bytes -= bytes_of(gone.as_ref());
            }
        }
    }
}

/// What an entry takes beside its stretch, in bytes, about.
const ENTRY_BYTES: usize = 80;

fn bytes_of(stretch: Option<&Arc<Stretch>>) -> usize {
    ENTRY_BYTES + stretch.map_or(0, |stretch| stretch.bytes())
}

/// A stretch, or what is missing of it: what it is of, its first record, the records that are to be
/// read, and whether the first change to each member is enough.
struct Part {
    path: PathId,
    base: Offset,
    from: Offset,
    until: Offset,
    first_only: bool,
}

/// Reads a part of a stretch; `None` where that takes too many bytes.
fn read(snapshot: &OwnedSnapshot, part: &Part, bytes_max: usize) -> Result<Option<Stretch>, Error> {
    let Part { base, from, until, .. } = *part;
    let mut collector = Collector::default();
    let mut add = |offset, id, form: &[u8], there| {
        collector.add(form, id, offset - base, there);
        collector.bytes() <= bytes_max
    };
    read_terms(snapshot, part.path, (from, until), &mut add)?;
    let fits = collector.bytes() <= bytes_max;
    Ok(fits.then(|| collector.finish(base, until, part.first_only)))
}

/// Tells record, entity, form, and whether the entity was there before; `false` is enough.
type Visit<'a> = dyn FnMut(Offset, EntityId, &[u8], bool) -> bool + 'a;

fn read_terms(
    snapshot: &OwnedSnapshot,
    path: PathId,
    (from, until): (Offset, Offset),
    visit: &mut Visit<'_>,
) -> Result<(), Error> {
    let damaged = || Error::Damaged { table: "TermLog" };
    let key = |offset| KeyBytes::new(Table::TermLog).u32(path.0).newest(offset);
    snapshot.range(Table::TermLog, &key(until).0, &key(from).end()).each(|key, row| {
        let mut rest = KeyReader::new(Table::TermLog, key).ok_or_else(damaged)?;
        let parts = (rest.u32(), rest.newest(), rest.entity());
        let (_, Some(offset), Some(id)) = parts else { return Err(damaged()) };
        Ok(visit(offset, id, rest.rest(), row.first() != Some(&1)))
    })
}

impl Since {
    /// Tells each form with the entities that changed in its set, and whether they were there
    /// before; the oldest word on each first.
    pub(crate) fn each(&self, mut visit: impl FnMut(&[u8], &[(EntityId, bool)])) {
        for stretch in self.stretches.iter().rev() {
            for form in 0..stretch.len() {
                let members: Vec<(EntityId, bool)> =
                    stretch.changes(form, self.at, self.last).collect();
                visit(stretch.form(form), &members);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::pending::Rows;
    use crate::store::Store;

    const PATH: PathId = PathId(7);
    /// With stretches of two records, more than one of the highest level.
    const RECORDS: Offset = 20_000;

    /// Offset, entity, form, and whether it was added.
    type Change = (Offset, u32, u8, bool);

    fn changes() -> impl Strategy<Value = Vec<Change>> {
        prop::collection::btree_map((0..RECORDS, 0_u32..40, 0_u8..4), any::<bool>(), 0..400)
            .prop_map(|changes| {
                changes.into_iter().map(|((at, id, form), there)| (at, id, form, there)).collect()
            })
    }

    /// A path's changes, as the writer logs them.
    fn stored(store: &Store, changes: &[Change]) {
        let mut rows = Rows::default();
        for (offset, id, form, there) in changes {
            let key = KeyBytes::new(Table::TermLog).u32(PATH.0).newest(*offset);
            rows.put(Table::TermLog, key.u32(*id).u8(*form), [u8::from(*there)]);
        }
        store.write(rows.take_batch(store)).unwrap();
    }

    /// What each form's members were before the first change to them, change by change.
    fn naive(changes: &[Change], at: Offset, last: Offset) -> BTreeMap<(u8, u32), bool> {
        let mut before = BTreeMap::new();
        for (offset, id, form, there) in changes {
            if (at + 1..=last).contains(offset) {
                before.entry((*form, *id)).or_insert(!there);
            }
        }
        before
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn what_stretches_tell_is_what_was_before_each_change(
            changes in changes(),
            asked in prop::collection::vec((0..RECORDS, 0..RECORDS), 1..20),
            bytes_max in prop_oneof![Just(0_usize), 500_usize..20_000, Just(1 << 24)],
        ) {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(folder.path(), 0).unwrap();
            stored(&store, &changes);
            let snapshot = store.snapshot();
            let past = Past::new(bytes_max, 1);
            for (a, b) in asked {
                let (at, last) = (a.min(b), a.max(b));
                let since = past.since(&snapshot, PATH, at, last).unwrap();
                let mut before = BTreeMap::new();
                since.each(|form, members| {
                    for (id, was_there) in members {
                        before.entry((form[0], id.0)).or_insert(*was_there);
                    }
                });
                prop_assert_eq!(before, naive(&changes, at, last));
                prop_assert!(past.bytes() <= bytes_max);
            }
        }
    }
}
