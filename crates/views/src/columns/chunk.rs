//! A part of a column: the values of entities whose numbers stand side by side.

use std::sync::Arc;

use fold::EntityId;
use memchr::memmem::Finder;

use crate::query::Like;

/// Entities of one chunk.
pub(super) const CHUNK: usize = 1024;

/// Values for places of a chunk.
pub(super) type Values = Vec<(usize, Option<Arc<str>>)>;

/// Values, one behind the other in memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Chunk {
    /// Where each value ends; empty, or one for every place.
    ends: Vec<u32>,
    /// A bit for every place that has a value.
    present: Vec<u64>,
    text: Box<str>,
}

impl Chunk {
    /// From the values by their places.
    fn of<'a>(values: impl Iterator<Item = Option<&'a str>>) -> Self {
        let mut ends = Vec::with_capacity(CHUNK);
        let mut present = vec![0; CHUNK / 64];
        let mut text = String::new();
        for (place, value) in values.take(CHUNK).enumerate() {
            if let Some(value) = value {
                present[place / 64] |= 1 << (place % 64);
                text.push_str(value);
            }
            // A chunk holds 1,024 values of at most 200 letters each.
            ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        Self { ends, present, text: text.into() }
    }

    fn is_present(&self, place: usize) -> bool {
        self.present.get(place / 64).is_some_and(|bits| bits >> (place % 64) & 1 == 1)
    }

    fn start(&self, place: usize) -> usize {
        place.checked_sub(1).map_or(0, |before| self.ends[before] as usize)
    }

    pub(super) fn value(&self, place: usize) -> Option<&str> {
        if !self.is_present(place) {
            return None;
        }
        self.text.get(self.start(place)..*self.ends.get(place)? as usize)
    }

    /// The same with other values at some places.
    pub(super) fn with(&self, values: &[(usize, Option<Arc<str>>)]) -> Self {
        let mut all: Vec<Option<&str>> = (0..CHUNK).map(|place| self.value(place)).collect();
        for (place, value) in values {
            all[*place] = value.as_deref();
        }
        Self::of(all.into_iter())
    }

    /// The places of values that hold something.
    pub(super) fn each_matching(
        &self,
        like: &Like,
        plain: Option<&Finder<'_>>,
        visit: &mut dyn FnMut(usize),
    ) {
        let Some(wanted) = plain else {
            for place in 0..self.ends.len() {
                if self.value(place).is_some_and(|value| like.matches(value)) {
                    visit(place);
                }
            }
            return;
        };
        // All texts are searched at once; what is found across an end is not in a value.
        let mut from = 0;
        while let Some(found) = wanted.find(self.text.get(from..).unwrap_or_default().as_bytes()) {
            let at = from + found;
            let place = self.ends.partition_point(|end| *end as usize <= at);
            let Some(end) = self.ends.get(place).map(|end| *end as usize) else { return };
            if at + wanted.needle().len() <= end {
                visit(place);
                from = end;
            } else {
                from = at + 1;
                while !self.text.is_char_boundary(from) {
                    from += 1;
                }
            }
        }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.ends.len() * 4 + self.present.len() * 8 + self.text.len()
    }
}

/// Makes chunks from values that come in any order.
pub(super) struct Builder {
    bytes_max: usize,
    text_bytes: usize,
    /// Each value once, and for each entity which one it has, from 1.
    values: Vec<Box<str>>,
    of: Vec<u32>,
}

impl Builder {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, text_bytes: 0, values: Vec::new(), of: Vec::new() }
    }

    /// Takes a value in; `false` if one of its entities has another one already, or it is too much.
    pub(super) fn add(&mut self, value: &str, ids: impl Iterator<Item = EntityId>) -> bool {
        if self.values.last().is_none_or(|last| **last != *value) {
            self.values.push(value.into());
        }
        let Ok(number) = u32::try_from(self.values.len()) else { return false };
        for id in ids {
            let place = id.0 as usize;
            if place >= self.of.len() {
                self.of.resize(place + 1, 0);
            }
            if !matches!(self.of[place], 0) && self.of[place] != number {
                return false;
            }
            self.of[place] = number;
            self.text_bytes += value.len();
        }
        self.text_bytes + self.of.len() * 5 <= self.bytes_max
    }

    pub(super) fn finish(self) -> Vec<Arc<Chunk>> {
        let Self { values, of, .. } = self;
        let value = |number: &u32| {
            let at = number.checked_sub(1)?;
            values.get(at as usize).map(|value| &**value)
        };
        of.chunks(CHUNK).map(|of| Arc::new(Chunk::of(of.iter().map(value)))).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts() -> impl Strategy<Value = Vec<Option<String>>> {
        prop::collection::vec(prop::option::of("[abü]{0,4}"), 0..60)
    }

    proptest! {
        #[test]
        fn chunks_hold_what_they_were_given(
            before in texts(),
            after in prop::collection::vec((0_usize..80, prop::option::of("[abü]{0,4}")), 0..30),
            term in "[abü%_]{0,3}",
        ) {
            let mut builder = Builder::new(usize::MAX);
            let mut by_value: Vec<(&str, u32)> = before
                .iter()
                .enumerate()
                .filter_map(|(at, value)| Some((value.as_deref()?, u32::try_from(at).ok()?)))
                .collect();
            by_value.sort_unstable();
            for (value, id) in by_value {
                prop_assert!(builder.add(value, std::iter::once(EntityId(id))));
            }
            let chunk = builder.finish().first().map(|chunk| Chunk::clone(chunk)).unwrap_or_default();
            let changes: Vec<(usize, Option<Arc<str>>)> =
                after.iter().map(|(at, value)| (*at, value.as_deref().map(Arc::from))).collect();
            let chunk = chunk.with(&changes);
            let mut expected = before;
            expected.resize(CHUNK, None);
            for (at, value) in after {
                expected[at] = value;
            }
            for (place, value) in expected.iter().enumerate() {
                prop_assert_eq!(chunk.value(place), value.as_deref());
            }
            let like = Like::containing(&term);
            let mut found = Vec::new();
            chunk.each_matching(&like, like.plain().as_ref(), &mut |place| found.push(place));
            let matches = |value: &Option<String>| value.as_ref().is_some_and(|v| like.matches(v));
            let wanted: Vec<usize> = (0..CHUNK).filter(|at| matches(&expected[*at])).collect();
            prop_assert_eq!(found, wanted, "{}", term);
        }
    }
}
