//! Moments, as they stand in records.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A moment in microseconds since 1970-01-01T00:00:00Z, written as RFC 3339 in UTC with six
/// digits after the second: `2026-11-23T09:00:00.000000Z`.
///
/// There is one text for each moment, so that texts sort as moments do and a record's leaf does
/// not depend on who wrote the time down. The years run from 1970 to 9999, up to the last moment
/// whose text can be written in any time zone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// 9999-12-30T21:59:59.999999Z in microseconds.
const LATEST_US: i64 = 253_402_207_199_999_999;

impl Timestamp {
    /// The moment so many microseconds after 1970 began; `None` before it or after the last that
    /// has a text.
    #[must_use]
    pub const fn from_micros(us: i64) -> Option<Self> {
        if us >= 0 && us <= LATEST_US { Some(Self(us)) } else { None }
    }

    /// Microseconds since 1970 began, never negative.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Reads any RFC 3339 time (any offset, any precision; what is finer than a microsecond is
    /// cut off), as a person or another system writes it.
    ///
    /// # Errors
    /// When the text is not RFC 3339 or lies outside the years 1970 to 9999.
    pub fn from_rfc3339(text: &str) -> Result<Self, TimestampError> {
        let refused = || TimestampError { found: text.chars().take(40).collect() };
        let moment: jiff::Timestamp = text.parse().map_err(|_| refused())?;
        Self::from_micros(moment.as_microsecond()).ok_or_else(refused)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let us = i64::deserialize(deserializer)?;
        Self::from_micros(us).ok_or_else(|| serde::de::Error::custom("not a time"))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(moment) => write!(f, "{moment:.6}"),
            // The constructors keep the value inside what jiff can say.
            Err(_) => Err(fmt::Error),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({self})")
    }
}

/// Reads the one canonical text; use [`Timestamp::from_rfc3339`] for what others wrote.
impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let moment = Self::from_rfc3339(text)?;
        if moment.to_string() == text {
            Ok(moment)
        } else {
            Err(TimestampError { found: text.chars().take(40).collect() })
        }
    }
}

/// Why a text is not a moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a time as RFC 3339 writes it, between the years 1970 and 9999")]
pub struct TimestampError {
    /// What stood there, shortened.
    pub found: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn others_may_write_a_time_in_their_own_way() {
        for (text, canonical) in [
            ("2026-11-23T09:00:00Z", "2026-11-23T09:00:00.000000Z"),
            ("2026-11-23T10:00:00.5+01:00", "2026-11-23T09:00:00.500000Z"),
            ("2026-11-23T09:00:00.123456789Z", "2026-11-23T09:00:00.123456Z"),
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"),
        ] {
            assert_eq!(Timestamp::from_rfc3339(text).unwrap().to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "yesterday", "2026-11-23", "1969-12-31T23:59:59Z", "2026-13-01T00:00:00Z"]
        {
            assert!(Timestamp::from_rfc3339(text).is_err(), "{text}");
        }
        assert!("2026-11-23T09:00:00Z".parse::<Timestamp>().is_err(), "not the canonical text");
        assert_eq!(Timestamp::from_micros(-1), None);
        assert_eq!(Timestamp::from_micros(LATEST_US + 1), None);
    }

    #[test]
    fn the_last_moment_has_a_text() {
        let last = Timestamp::from_micros(LATEST_US).unwrap();
        assert_eq!(last.to_string(), "9999-12-30T21:59:59.999999Z");
        assert_eq!(last.to_string().parse(), Ok(last));
    }

    proptest! {
        #[test]
        fn one_text_a_moment_and_texts_sort_as_moments(a in 0..=LATEST_US, b in 0..=LATEST_US) {
            let (a, b) = (Timestamp(a), Timestamp(b));
            prop_assert_eq!(a.to_string().parse(), Ok(a));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }
    }
}
