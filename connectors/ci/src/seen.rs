//! Deliveries that were taken, by their ids.

use std::collections::{HashSet, VecDeque};

use parking_lot::Mutex;

/// How many ids are remembered. What is older and comes again makes no second activity: that goes
/// by keys, which stand in the log. So do these ids, of deliveries that told something.
const IDS_MAX: usize = 16_384;

/// The longest id that is remembered, in bytes.
pub(crate) const ID_BYTES_MAX: usize = 128;

/// Ids of deliveries.
#[derive(Default)]
pub(crate) struct Seen(Mutex<State>);

#[derive(Default)]
struct State {
    ids: HashSet<Box<str>>,
    order: VecDeque<Box<str>>,
}

/// A delivery that is being taken. It is forgotten if that comes to nothing, or is broken off.
pub(crate) struct Claim<'a> {
    seen: &'a Seen,
    id: &'a str,
    is_kept: bool,
}

impl Claim<'_> {
    /// It is taken, and remembered.
    pub(crate) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.seen.forget(self.id);
        }
    }
}

impl Seen {
    /// Begins to take a delivery, unless it was seen before.
    pub(crate) fn claim<'a>(&'a self, id: &'a str) -> Option<Claim<'a>> {
        self.remember(id).then_some(Claim { seen: self, id, is_kept: false })
    }

    /// Remembers a delivery; `false` where it was seen before.
    pub(crate) fn remember(&self, id: &str) -> bool {
        let mut state = self.0.lock();
        if !state.ids.insert(id.into()) {
            return false;
        }
        state.order.push_back(id.into());
        if state.order.len() > IDS_MAX
            && let Some(oldest) = state.order.pop_front()
        {
            state.ids.remove(&oldest);
        }
        true
    }

    fn forget(&self, id: &str) {
        let mut state = self.0.lock();
        state.ids.remove(id);
        state.order.retain(|other| **other != *id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_remembered_as_there_is_room_for() {
        let seen = Seen::default();
        for number in 0..=IDS_MAX {
            assert!(seen.remember(&number.to_string()));
        }
        assert!(!seen.remember("1"), "the last ones are known");
        assert!(seen.remember("0"), "the first one was forgotten");
        seen.forget("5");
        assert!(seen.remember("5"));
        assert_eq!(seen.0.lock().ids.len(), IDS_MAX);
    }
}
