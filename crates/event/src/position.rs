//! Where a record stands: a log's id and an offset in it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The place of a record in its log, counted from 0 without gaps.
pub type Offset = u64;

/// The name of one log: 64 random bits, written as 16 lower-case hexadecimal digits.
///
/// It stands in the log's first record and is part of every position, so that a log that was
/// exchanged for another one is noticed, and several logs can be read side by side.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(u64);

impl LogId {
    /// The log's id from its number.
    #[must_use]
    pub const fn new(bits: u64) -> Self {
        Self(bits)
    }

    /// The number behind the id.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogId({self})")
    }
}

impl FromStr for LogId {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = text.len() == 16
            && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match u64::from_str_radix(text, 16) {
            Ok(bits) if hex => Ok(Self(bits)),
            _ => Err(PositionError::Log { found: shortened(text) }),
        }
    }
}

/// The state of a catalog after one record: the log's id and that record's offset.
///
/// Its text, `LOG-OFFSET`, is opaque to clients: they hand back what they were given. A comma never
/// stands in it: it is kept for joining positions of several logs, `LOG-OFFSET,LOG-OFFSET`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which log.
    pub log: LogId,
    /// The last record that was taken in.
    pub offset: Offset,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.log, self.offset)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Position({self})")
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shape = || PositionError::Shape { found: shortened(text) };
        let (log, offset) = text.split_once('-').ok_or_else(shape)?;
        let canonical = offset == "0"
            || (!offset.starts_with('0') && offset.bytes().all(|b| b.is_ascii_digit()));
        if !canonical {
            return Err(shape());
        }
        Ok(Self { log: log.parse()?, offset: offset.parse().map_err(|_| shape())? })
    }
}

/// Why a text is not a position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PositionError {
    /// Not of the form `LOG-OFFSET`.
    #[error("`{found}` is not a position (16 hexadecimal digits, `-`, and an offset)")]
    Shape {
        /// What stood there, shortened.
        found: String,
    },
    /// The part before the hyphen is no log id.
    #[error("`{found}` is not a log id (16 lower-case hexadecimal digits)")]
    Log {
        /// What stood there, shortened.
        found: String,
    },
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

impl Serialize for LogId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LogId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for LogId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LogId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[0-9a-f]{16}$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_reads_what_it_writes() {
        for (log, offset, text) in [
            (0, 0, "0000000000000000-0"),
            (0x4f1c_0a9b_e2d3_4411, 1234, "4f1c0a9be2d34411-1234"),
            (u64::MAX, u64::MAX, "ffffffffffffffff-18446744073709551615"),
        ] {
            let position = Position { log: LogId::new(log), offset };
            assert_eq!(position.to_string(), text);
            assert_eq!(text.parse(), Ok(position));
        }
    }

    #[test]
    fn what_is_no_position_is_refused() {
        for text in [
            "",
            "-",
            "12",
            "4f1c0a9be2d34411",
            "4f1c0a9be2d34411-",
            "4f1c0a9be2d34411-01",
            "4f1c0a9be2d34411-+1",
            "4f1c0a9be2d34411- 1",
            "4F1C0A9BE2D34411-1",
            "4f1c0a9be2d3441-1",
            "+f1c0a9be2d34411-1",
            "4f1c0a9be2d34411-18446744073709551616",
            "2026-01-01T00:00:00Z",
            "4f1c0a9be2d34411-1,",
            "4f1c0a9be2d34411-1,0000000000000000-7",
        ] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }
}
