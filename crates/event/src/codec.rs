//! The binary form of a record, as the embedded log keeps it.
//!
//! ```text
//! version    1 byte, 1
//! flags      1 byte: 1 time, 2 causation, 4 erased, 8 subject, 16 author, 32 pointer
//! id         16 bytes
//! recorded   8 bytes, microseconds, big-endian
//! time       8 bytes, if flagged
//! causation  16 bytes, if flagged
//! epoch      LEB128
//! sequence   LEB128
//! type       LEB128 length, bytes
//! source     LEB128 length, bytes
//! then either
//!   salt     16 bytes
//!   subject, author, pointer: LEB128 length, bytes, each if flagged
//!   data     the rest
//! or, erased,
//!   commitment 32 bytes
//!   residue    the rest
//! ```
//! The first byte is never `{`, so that a CloudEvent as JSON can't be taken for this form.

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use crate::leaf::Commitment;
use crate::record::{
    Body, Erased, Open, PartError, RECORD_BYTES_MAX, Record, RecordId, Salt, SourceName,
};
use crate::time::Timestamp;

/// The version that [`encode`] writes; every version ever written can be decoded.
pub const CODEC_VERSION: u8 = 1;

/// Form numbers stay below this, under every byte that begins a text, so that a record of a newer
/// program is told from bytes that are no record at all.
pub(crate) const FORMS_END: u8 = 9;

const TIME: u8 = 1;
const CAUSATION: u8 = 2;
const ERASED: u8 = 4;
const SUBJECT: u8 = 8;
const AUTHOR: u8 = 16;
const POINTER: u8 = 32;
const ALL_FLAGS: u8 = 63;

/// Why bytes are not a record that this program can read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The first byte names a form that this program does not know.
    #[error("the record is written in form {version}, newer than form {CODEC_VERSION}")]
    Newer {
        /// The form's number.
        version: u8,
    },
    /// The flags say that there is something that this program does not know.
    #[error(
        "the record holds parts (flags {flags:#010b}) that this version of Annals does not know"
    )]
    NewerFlags {
        /// The flags.
        flags: u8,
    },
    /// The bytes do not follow the form.
    #[error("the record's bytes end or go wrong at its {part}")]
    Malformed {
        /// Which part.
        part: &'static str,
    },
    /// An attribute is not of its form.
    #[error("the record has an attribute that is not of its form")]
    Part(#[from] PartError),
    /// More bytes than a record may have.
    #[error("the record has {bytes} bytes, more than {RECORD_BYTES_MAX}")]
    TooLarge {
        /// How many.
        bytes: usize,
    },
}

impl CodecError {
    /// Whether the record is of a later version of this program.
    #[must_use]
    pub const fn is_newer(&self) -> bool {
        matches!(self, Self::Newer { .. } | Self::NewerFlags { .. })
    }
}

/// The binary form of a record.
#[must_use]
pub fn encode(record: &Record) -> Bytes {
    let mut out = BytesMut::with_capacity(160 + record.open().map_or(32, |open| open.data.len()));
    let open = record.open();
    let mut flags = 0;
    for (flag, set) in [
        (TIME, record.time.is_some()),
        (CAUSATION, record.causation.is_some()),
        (ERASED, open.is_none()),
        (SUBJECT, open.is_some_and(|open| open.subject.is_some())),
        (AUTHOR, open.is_some_and(|open| open.author.is_some())),
        (POINTER, open.is_some_and(|open| open.pointer.is_some())),
    ] {
        flags |= if set { flag } else { 0 };
    }
    out.put_u8(CODEC_VERSION);
    out.put_u8(flags);
    out.put_slice(record.id.0.as_bytes());
    out.put_i64(record.recorded.as_micros());
    if let Some(time) = record.time {
        out.put_i64(time.as_micros());
    }
    if let Some(causation) = record.causation {
        out.put_slice(causation.0.as_bytes());
    }
    put_varint(&mut out, record.epoch);
    put_varint(&mut out, record.sequence);
    put_text(&mut out, &record.kind);
    put_text(&mut out, record.source.as_str());
    match &record.body {
        Body::Open(open) => {
            out.put_slice(&open.salt.0);
            for text in [&open.subject, &open.author, &open.pointer].into_iter().flatten() {
                put_text(&mut out, text);
            }
            out.put_slice(&open.data);
        }
        Body::Erased(erased) => {
            out.put_slice(&erased.commitment.0);
            out.put_slice(&erased.residue);
        }
    }
    out.freeze()
}

/// Reads the binary form; the data shares the memory of `bytes`.
///
/// # Errors
/// When the bytes are not a record that [`encode`] could have written.
pub fn decode(bytes: &Bytes) -> Result<Record, CodecError> {
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(CodecError::TooLarge { bytes: bytes.len() });
    }
    let mut cursor = Cursor { rest: bytes };
    let version = cursor.byte("version")?;
    if version != CODEC_VERSION {
        return Err(match version {
            CODEC_VERSION..FORMS_END => CodecError::Newer { version },
            _ => CodecError::Malformed { part: "version" },
        });
    }
    let flags = cursor.byte("flags")?;
    let erased = flags & ERASED != 0;
    if flags & !ALL_FLAGS != 0 {
        return Err(CodecError::NewerFlags { flags });
    }
    if erased && flags & (SUBJECT | AUTHOR | POINTER) != 0 {
        return Err(CodecError::Malformed { part: "flags" });
    }
    let id = cursor.id("id")?;
    let recorded = cursor.timestamp("recordedtime")?;
    let time = if flags & TIME != 0 { Some(cursor.timestamp("time")?) } else { None };
    let causation = if flags & CAUSATION != 0 { Some(cursor.id("causationid")?) } else { None };
    let epoch = cursor.varint("epoch")?;
    let sequence = cursor.varint("sequence")?;
    let kind = cursor.text("type")?.into();
    let source = SourceName::new(cursor.text("source")?)?;
    let body = if erased { cursor.erased(bytes)? } else { cursor.open(flags, bytes)? };
    let record = Record { id, source, kind, time, recorded, causation, epoch, sequence, body };
    record.check()?;
    Ok(record)
}

fn put_varint(out: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

fn put_text(out: &mut BytesMut, text: &str) {
    put_varint(out, text.len() as u64);
    out.put_slice(text.as_bytes());
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize, part: &'static str) -> Result<&'a [u8], CodecError> {
        let (taken, rest) =
            self.rest.split_at_checked(count).ok_or(CodecError::Malformed { part })?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, part: &'static str) -> Result<[u8; N], CodecError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, part)?);
        Ok(array)
    }

    fn byte(&mut self, part: &'static str) -> Result<u8, CodecError> {
        self.array(part).map(|[byte]| byte)
    }

    fn id(&mut self, part: &'static str) -> Result<RecordId, CodecError> {
        self.array(part).map(|bytes| RecordId(Uuid::from_bytes(bytes)))
    }

    fn timestamp(&mut self, part: &'static str) -> Result<Timestamp, CodecError> {
        let us = i64::from_be_bytes(self.array(part)?);
        Timestamp::from_micros(us).ok_or(CodecError::Malformed { part })
    }

    fn erased(&mut self, bytes: &Bytes) -> Result<Body, CodecError> {
        let commitment = Commitment(self.array("commitment")?);
        Ok(Body::Erased(Erased { commitment, residue: bytes.slice_ref(self.rest) }))
    }

    fn open(&mut self, flags: u8, bytes: &Bytes) -> Result<Body, CodecError> {
        let salt = Salt(self.array("salt")?);
        let mut optional = |flag, part| {
            if flags & flag == 0 { Ok(None) } else { self.text(part).map(|t| Some(t.into())) }
        };
        let subject = optional(SUBJECT, "subject")?;
        let author = optional(AUTHOR, "authid")?;
        let pointer = optional(POINTER, "sourcepointer")?;
        Ok(Body::Open(Open { salt, subject, author, pointer, data: bytes.slice_ref(self.rest) }))
    }

    /// Only the shortest form is taken: one record has one encoding.
    fn varint(&mut self, part: &'static str) -> Result<u64, CodecError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(part)?;
            let low = u64::from(byte & 0x7f);
            if shift == 63 && low > 1 {
                break;
            }
            value |= low << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    break;
                }
                return Ok(value);
            }
        }
        Err(CodecError::Malformed { part })
    }

    fn text(&mut self, part: &'static str) -> Result<&'a str, CodecError> {
        let length = self.varint(part)?;
        let length = usize::try_from(length).map_err(|_| CodecError::Malformed { part })?;
        let bytes = self.take(length, part)?;
        std::str::from_utf8(bytes).map_err(|_| CodecError::Malformed { part })
    }
}
