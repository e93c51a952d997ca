//! What is to be said, and when.

use std::collections::{BTreeMap, BTreeSet};

use model::reference::EntityRef;
use tokio::time::Instant;

use crate::calm::Weight;

/// An entity in a cluster.
pub(crate) type Key = (usize, EntityRef);

/// What is to be said, in the order of when.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// When, and how much it is worth.
    keys: BTreeMap<Key, (Instant, Weight)>,
    order: BTreeSet<(Instant, Key)>,
}

impl Due {
    /// When the first is to be said.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// How much what is to be said of it already is worth.
    fn weight(&self, key: &Key) -> Weight {
        self.keys.get(key).map(|(_, weight)| *weight).unwrap_or_default()
    }

    /// It is to be said then, or before if that was so already.
    pub(crate) fn put(&mut self, key: Key, at: Instant, weight: Weight) {
        let stands = self.keys.get(&key).copied();
        let (mut first, mut most) = (at, weight);
        if let Some((stands_at, stands_weight)) = stands {
            self.order.remove(&(stands_at, key.clone()));
            first = at.min(stands_at);
            most = weight.max(stands_weight);
        }
        self.order.insert((first, key.clone()));
        self.keys.insert(key, (first, most));
    }

    /// Up to so many that are to be said by now.
    pub(crate) fn by(&self, now: Instant, max: usize) -> Vec<(Key, Weight)> {
        let by = self.order.iter().take_while(|(at, _)| *at <= now).take(max);
        by.map(|(_, key)| (key.clone(), self.weight(key))).collect()
    }

    /// It was said.
    pub(crate) fn remove(&mut self, key: &Key) {
        if let Some((at, _)) = self.keys.remove(key) {
            self.order.remove(&(at, key.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_first_is_said_first() {
        let key = |name: &str| (0, EntityRef::canonical(&format!("a:b/{name}")).unwrap());
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut due = Due::default();
        assert_eq!(due.first(), None);
        due.put(key("x"), at(9), Weight::Health);
        due.put(key("y"), at(2), Weight::Routine);
        due.put(key("x"), at(1), Weight::Routine);
        assert_eq!(due.by(at(1), 9), [(key("x"), Weight::Health)]);
        due.put(key("x"), at(5), Weight::Steady);
        assert_eq!(due.first(), Some(at(1)));
        assert_eq!(due.by(at(1), 9), [(key("x"), Weight::Steady)]);
        assert_eq!(due.by(at(9), 1), [(key("x"), Weight::Steady)]);
        due.remove(&key("x"));
        assert_eq!(due.by(at(9), 9), [(key("y"), Weight::Routine)]);
        due.remove(&key("y"));
        assert_eq!((due.first(), due.order.len()), (None, 0));
    }
}
