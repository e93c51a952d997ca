//! The hot sets as the writer has them: what readers see, and what the batch changes in them.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, DefaultHasher};

use fold::EntityId;
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

use super::Hot;
use super::idset::chunk_of;
use super::set_key::SetKey;

/// What a batch changed in one hot set.
#[derive(Serialize, Deserialize)]
pub(crate) struct HotChange {
    set: Box<[u8]>,
    /// Ascending, each but the first as its distance from the one before.
    added: Vec<u32>,
    removed: Vec<u32>,
}

/// Members that the batch adds to a set or takes from it, in the order in which it does: the last
/// word on each counts.
struct Pending {
    set: SetKey,
    members: Vec<(EntityId, bool)>,
    /// How many changes were logged since the set was put aside; not known after a start.
    logged: Option<u64>,
    /// How many the batch logs.
    logged_now: u64,
}

/// What a batch logs of a set.
pub(super) struct Logged {
    pub(super) slot: Slot,
    pub(super) set: SetKey,
    /// How many changes were logged before it, since the set was put aside, if that is known.
    pub(super) before: Option<u64>,
    pub(super) now: u64,
}

/// Where a hot set's pending changes stand.
#[derive(Clone, Copy)]
pub(super) struct Slot(usize);

/// The hot sets. A set is found by its name without comparing it with many others.
#[derive(Default)]
pub(super) struct HotSets {
    sets: Hot,
    slots: HashMap<SetKey, Slot, BuildHasherDefault<DefaultHasher>>,
    pending: Vec<Pending>,
    /// Slots that the batch has changed.
    touched: Vec<Slot>,
    /// Chunks that changed since the last checkpoint began.
    dirty: BTreeSet<(SetKey, u16)>,
}

impl HotSets {
    /// The sets as readers may see them: without what is pending.
    pub(super) fn published(&self) -> &Hot {
        &self.sets
    }

    /// A set, if it is hot.
    pub(super) fn find(&self, set: &[u8]) -> Option<Slot> {
        self.slots.get(set).copied()
    }

    /// A set, which becomes hot if it is not.
    pub(super) fn make(&mut self, set: &[u8]) -> Slot {
        if let Some(slot) = self.find(set) {
            return slot;
        }
        let set = SetKey(set.into());
        let slot = Slot(self.pending.len());
        let pending =
            Pending { set: set.clone(), members: Vec::new(), logged: None, logged_now: 0 };
        self.pending.push(pending);
        self.slots.insert(set, slot);
        slot
    }

    /// Adds a member, or takes it away.
    pub(super) fn change(&mut self, slot: Slot, id: EntityId, there: bool) {
        let members = &mut self.pending[slot.0].members;
        if members.is_empty() {
            self.touched.push(slot);
        }
        members.push((id, there));
    }

    /// Counts a change that is logged for those who ask about a moment.
    pub(super) fn logged(&mut self, slot: Slot) {
        self.pending[slot.0].logged_now += 1;
    }

    /// The sets of which the batch logs changes.
    pub(super) fn take_logged(&mut self) -> Vec<Logged> {
        let Self { touched, pending, .. } = self;
        let logged = touched.iter().filter_map(|slot| {
            let Pending { set, logged, logged_now, .. } = &mut pending[slot.0];
            let now = std::mem::take(logged_now);
            (now > 0).then(|| Logged { slot: *slot, set: set.clone(), before: *logged, now })
        });
        logged.collect()
    }

    /// Says how many changes of a set were logged since it was put aside.
    pub(super) fn count_logged(&mut self, slot: Slot, logged: u64) {
        self.pending[slot.0].logged = Some(logged);
    }

    /// Ends a batch: what it changes, as it is logged.
    pub(super) fn changes(&mut self) -> Vec<HotChange> {
        let Self { touched, pending, .. } = self;
        touched.sort_unstable_by(|a, b| pending[a.0].set.cmp(&pending[b.0].set));
        let change = |slot: &Slot| {
            let Pending { set, members, .. } = &mut pending[slot.0];
            // Most often they are in order already, which costs one look.
            members.sort_by_key(|(id, _)| *id);
            members.dedup_by(|later, kept| {
                let same = later.0 == kept.0;
                if same {
                    kept.1 = later.1;
                }
                same
            });
            HotChange::new(set, members)
        };
        touched.iter().map(change).collect()
    }

    /// Lets readers see what is pending.
    pub(super) fn publish(&mut self) {
        for slot in std::mem::take(&mut self.touched) {
            let Pending { set, members, .. } = &mut self.pending[slot.0];
            apply(&mut self.sets, &mut self.dirty, set, members.drain(..));
        }
    }

    /// Puts in a chunk as a checkpoint holds it.
    pub(super) fn load_chunk(&mut self, set: SetKey, chunk: u16, bitmap: RoaringBitmap) {
        self.make(&set.0);
        self.sets.entry(set).or_default().set_chunk(chunk, bitmap);
    }

    /// Puts in what was logged since.
    pub(super) fn load_change(&mut self, change: HotChange) {
        let set = SetKey(change.set.into());
        self.make(&set.0);
        let added = from_distances(&change.added).map(|id| (id, true));
        let removed = from_distances(&change.removed).map(|id| (id, false));
        apply(&mut self.sets, &mut self.dirty, &set, added.chain(removed));
    }

    /// The chunks that changed since this was asked last.
    pub(super) fn take_dirty(&mut self) -> BTreeSet<(SetKey, u16)> {
        std::mem::take(&mut self.dirty)
    }
}

fn apply(
    sets: &mut Hot,
    dirty: &mut BTreeSet<(SetKey, u16)>,
    set: &SetKey,
    members: impl Iterator<Item = (EntityId, bool)>,
) {
    let bitmap = sets.entry(set.clone()).or_default();
    let mut chunk_before = None;
    for (id, there) in members {
        if there {
            bitmap.insert(id);
        } else {
            bitmap.remove(id);
        }
        let chunk = chunk_of(id);
        if chunk_before != Some(chunk) {
            dirty.insert((set.clone(), chunk));
            chunk_before = Some(chunk);
        }
    }
}

impl HotChange {
    fn new(set: &SetKey, members: &[(EntityId, bool)]) -> Self {
        let of = |there: bool| {
            let ids = members.iter().filter(move |(_, is)| *is == there).map(|(id, _)| id.0);
            let mut before = 0;
            ids.map(|id| id - std::mem::replace(&mut before, id)).collect()
        };
        Self { set: set.0[..].into(), added: of(true), removed: of(false) }
    }
}

fn from_distances(distances: &[u32]) -> impl Iterator<Item = EntityId> + '_ {
    distances.iter().scan(0_u32, |last, distance| {
        *last = last.wrapping_add(*distance);
        Some(EntityId(*last))
    })
}
