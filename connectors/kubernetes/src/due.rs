//! What is to be said, and when.

use std::collections::{BTreeMap, BTreeSet};

use model::reference::EntityRef;
use tokio::time::Instant;

/// An entity in a cluster.
pub(crate) type Key = (usize, EntityRef);

/// What is to be said, in the order of when.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// When, and whether it is more than health that changed.
    keys: BTreeMap<Key, (Instant, bool)>,
    order: BTreeSet<(Instant, Key)>,
}

impl Due {
    /// When the first is to be said.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Whether more than health is to be said of it already.
    pub(crate) fn is_steady(&self, key: &Key) -> bool {
        self.keys.get(key).is_some_and(|(_, is_steady)| *is_steady)
    }

    /// It is to be said then, or before if that was so already.
    pub(crate) fn put(&mut self, key: Key, at: Instant, is_steady: bool) {
        let stands = self.keys.get(&key).copied();
        let (mut first, mut steady) = (at, is_steady);
        if let Some((stands_at, stands_steady)) = stands {
            self.order.remove(&(stands_at, key.clone()));
            first = at.min(stands_at);
            steady |= stands_steady;
        }
        self.order.insert((first, key.clone()));
        self.keys.insert(key, (first, steady));
    }

    /// Up to so many that are to be said by now.
    pub(crate) fn by(&self, now: Instant, max: usize) -> Vec<(Key, bool)> {
        let by = self.order.iter().take_while(|(at, _)| *at <= now).take(max);
        by.map(|(_, key)| (key.clone(), self.is_steady(key))).collect()
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
        due.put(key("x"), at(9), false);
        due.put(key("y"), at(2), true);
        due.put(key("x"), at(1), false);
        due.put(key("x"), at(5), true);
        assert_eq!((due.first(), due.is_steady(&key("x"))), (Some(at(1)), true));
        assert_eq!(due.by(at(1), 9), [(key("x"), true)]);
        assert_eq!(due.by(at(9), 1), [(key("x"), true)]);
        due.remove(&key("x"));
        assert_eq!(due.by(at(9), 9), [(key("y"), true)]);
        due.remove(&key("y"));
        assert_eq!((due.first(), due.order.len()), (None, 0));
    }
}
