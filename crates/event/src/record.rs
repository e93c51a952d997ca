//! A record: the attributes of one CloudEvent and its data.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::position::Offset;
use crate::time::Timestamp;

/// The largest record that a log takes, encoded, in bytes: room for an entity of 4 MB.
pub const RECORD_BYTES_MAX: usize = 5 * 1024 * 1024;

/// The longest text of an attribute (subject, author, pointer), in bytes.
pub const ATTRIBUTE_BYTES_MAX: usize = 4096;

/// The largest epoch and sequence, so that the number after each still is one.
pub const NUMBER_MAX: u64 = i64::MAX.unsigned_abs();

/// A record's id (CloudEvents `id`): a UUIDv7, unique in its log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordId(pub Uuid);

impl RecordId {
    /// The id of no record.
    pub const NONE: Self = Self(Uuid::nil());
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordId({self})")
    }
}

/// Which connector instance a record came from (CloudEvents `source`): `files/local`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SourceName(Box<str>);

impl SourceName {
    /// The longest name, in bytes.
    pub const BYTES_MAX: usize = 256;

    /// A source's name from its text: 1 to 256 bytes of printable ASCII without spaces.
    ///
    /// # Errors
    /// When the text is not of that form.
    pub fn new(text: &str) -> Result<Self, PartError> {
        let fits = !text.is_empty() && text.len() <= Self::BYTES_MAX;
        if fits && text.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(text.into()))
        } else {
            Err(PartError { part: "source", found: text.chars().take(40).collect() })
        }
    }

    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for SourceName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceName({self})")
    }
}

/// 128 random bits that hide what a commitment commits to; erased together with it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Salt(pub [u8; 16]);

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

/// One record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// CloudEvents `id`.
    pub id: RecordId,
    /// CloudEvents `source`.
    pub source: SourceName,
    /// CloudEvents `type`: `dev.annals.entity.seen.v1`. Kept as text, since a log may hold types
    /// that this program does not know.
    pub kind: Box<str>,
    /// CloudEvents `time`: when it happened, where the source knows that.
    pub time: Option<Timestamp>,
    /// `recordedtime`: when it was appended, by the clock of the node that did.
    pub recorded: Timestamp,
    /// `causationid`: the record that this one follows from.
    pub causation: Option<RecordId>,
    /// `epoch`: which life of the source wrote this; a lower one than the last seen is fenced off.
    pub epoch: u64,
    /// `sequence`: counts the source's records in its epoch, from 0, without gaps.
    pub sequence: u64,
    /// What may name a person, and goes when it is erased.
    pub body: Body,
}

/// The part of a record that can be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// As it was written.
    Open(Open),
    /// Erased: the commitment is left, and with it the record's leaf.
    Erased(Erased),
}

/// What is left of an erased body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// What was committed to.
    pub commitment: crate::leaf::Commitment,
    /// What a replay needs to know of the record although it was erased, and that names no one.
    /// Whoever erases writes it, `log.erased` holds its hash, and its first byte tells its form.
    pub residue: Bytes,
}

/// Subject, author, pointer and data, with the salt of their commitment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// `salt`.
    pub salt: Salt,
    /// CloudEvents `subject`: what it is about, an entity's reference most often.
    pub subject: Option<Box<str>>,
    /// `authid`: the person or token on whose behalf it was written.
    pub author: Option<Box<str>>,
    /// `sourcepointer`: where in the source it was read (file and document, commit,
    /// resourceVersion, delivery id).
    pub pointer: Option<Box<str>>,
    /// CloudEvents `data`: JSON, carried verbatim.
    pub data: Bytes,
}

impl Record {
    /// The open body, unless it was erased.
    #[must_use]
    pub fn open(&self) -> Option<&Open> {
        match &self.body {
            Body::Open(open) => Some(open),
            Body::Erased(_) => None,
        }
    }

    /// Whether every attribute keeps to its limits. Decoders and logs both ask, so that what was
    /// appended can always be read. The limits are part of the record's form: what is a record
    /// under one version of Annals is one under every later version.
    ///
    /// # Errors
    /// Names the first attribute that does not.
    pub fn check(&self) -> Result<(), PartError> {
        let fault = |part, found: &str| {
            Err(PartError { part, found: found.chars().take(40).collect::<String>() })
        };
        let printable = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
        if self.kind.is_empty() || self.kind.len() > 128 || !printable(&self.kind) {
            return fault("type", &self.kind);
        }
        for (part, number) in [("epoch", self.epoch), ("sequence", self.sequence)] {
            if number > NUMBER_MAX {
                return fault(part, &number.to_string());
            }
        }
        let Body::Open(open) = &self.body else {
            return Ok(());
        };
        for (part, text) in
            [("subject", &open.subject), ("authid", &open.author), ("sourcepointer", &open.pointer)]
        {
            if let Some(text) = text
                && (text.is_empty() || text.len() > ATTRIBUTE_BYTES_MAX || text.contains('\0'))
            {
                return fault(part, text);
            }
        }
        Ok(())
    }
}

/// What stands at one place of a log: a record, or bytes that are none (on Kafka anyone may
/// produce), which are kept, counted and listed, never skipped.
pub type Content = Result<Record, Bytes>;

/// What a log hands out at an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub offset: Offset,
    /// What stands there.
    pub content: Content,
}

/// An attribute that is not of its form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` can't be a record's {part}")]
pub struct PartError {
    /// The attribute's name.
    pub part: &'static str,
    /// What stood there, shortened.
    pub found: String,
}
