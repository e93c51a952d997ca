//! Randomness from a seed.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A generator that gives the same numbers for the same seed.
pub struct Random(StdRng);

impl Random {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end.max(1))
    }

    /// Whether something happens that does so `percent` times of a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of some things.
    pub fn pick<T: Clone>(&mut self, things: &[T]) -> T {
        things[self.below(things.len())].clone()
    }

    pub fn bits(&mut self) -> u128 {
        self.0.random()
    }
}
