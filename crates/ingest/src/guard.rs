//! The guard: a source that would suddenly withdraw much of what it showed is asked first.

/// What withdrawals pass without being asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// At most this share of what the scope speaks of, in percent.
    pub percent_max: u8,
    /// This many pass always.
    pub count_min: u64,
}

impl Default for Guard {
    fn default() -> Self {
        Self { percent_max: 20, count_min: 10 }
    }
}

impl Guard {
    /// Whether `gone` of `claims` references may be withdrawn.
    #[must_use]
    pub const fn lets_pass(self, gone: u64, claims: u64) -> bool {
        gone <= self.count_min
            || gone.saturating_mul(100) <= claims.saturating_mul(self.percent_max as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_fifth_and_more_than_ten_are_held() {
        for (gone, claims, passes) in [
            (0, 0, true),
            (10, 10, true),
            (11, 11, false),
            (11, 54, false),
            (11, 55, true),
            (200, 1000, true),
            (201, 1000, false),
            (u64::MAX, u64::MAX, true),
            (u64::MAX, 5, false),
        ] {
            assert_eq!(Guard::default().lets_pass(gone, claims), passes, "{gone} of {claims}");
        }
    }
}
