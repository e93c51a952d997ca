//! Records as messages with headers: CloudEvents' [Kafka protocol binding], binary content mode.
//!
//! A record's attributes are headers `ce_<name>` with the texts that the JSON form has for them
//! (see `cloudevent.rs`), `ce_codec` is the number of this form, `content-type` is
//! `application/json`, and the value is the data as it is, byte for byte. A record that was erased
//! has `ce_commitment` instead of a salt, and its residue as the value.
//!
//! Anyone may produce to a topic, so any message reads as some content:
//! - one with neither key nor headers is the bytes of its value (and so bytes are written);
//! - one whose headers are those of a record is that record, whatever its key and other headers;
//! - any other is bytes that tell all of it: `annals/message/v1`, then key, value and each header's
//!   name and value, in their order, each as a byte that tells whether it is there (1) or not (0),
//!   four bytes big-endian with its length, and its bytes;
//! - if any of these would be more than a log takes, `annals/large/v1` and the SHA-256 of it.
//!
//! [Kafka protocol binding]: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use sha2::{Digest, Sha256};

use crate::cloudevent::{CONTENT_TYPE, LineError, hex, id, sequence_number, sequence_text};
use crate::codec::{CODEC_VERSION, CodecError, FORMS_END, encode};
use crate::leaf::Commitment;
use crate::record::{Body, Content, Erased, Open, RECORD_BYTES_MAX, Record, Salt, SourceName};

/// What an entry of a log may have at the most, so that every log takes it: the largest record,
/// less what the embedded log puts around it.
const CONTENT_BYTES_MAX: usize = RECORD_BYTES_MAX - 5;

/// What stands in the leaf of an offset at which a log holds no message (markers of transactions).
const NO_MESSAGE: &[u8] = b"annals/no-message/v1";

/// A message as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Names and values, in their order.
    pub headers: Vec<(&'static str, Cow<'a, str>)>,
    /// The value.
    pub value: Bytes,
}

/// A message as it is read.
#[derive(Clone, Debug, Default)]
pub struct RawMessage<'a> {
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value.
    pub value: Option<&'a [u8]>,
    /// Names and values, in their order.
    pub headers: Vec<(&'a str, Option<&'a [u8]>)>,
}

/// Writes content as a message, which [`read_message`] reads as the same content.
#[must_use]
pub fn write_message(content: &Content) -> Message<'_> {
    let record = match content {
        Ok(record) => record,
        Err(bytes) => return Message { headers: Vec::new(), value: bytes.clone() },
    };
    let mut headers: Vec<(&'static str, Cow<'_, str>)> = vec![
        ("ce_specversion", "1.0".into()),
        ("ce_codec", CODEC_VERSION.to_string().into()),
        ("ce_id", record.id.to_string().into()),
        ("ce_source", record.source.as_str().into()),
        ("ce_type", (&*record.kind).into()),
        ("ce_recordedtime", record.recorded.to_string().into()),
        ("ce_epoch", sequence_text(record.epoch).into()),
        ("ce_sequence", sequence_text(record.sequence).into()),
    ];
    if let Some(time) = record.time {
        headers.push(("ce_time", time.to_string().into()));
    }
    if let Some(causation) = record.causation {
        headers.push(("ce_causationid", causation.to_string().into()));
    }
    let value = match &record.body {
        Body::Open(open) => {
            headers.push(("content-type", CONTENT_TYPE.into()));
            headers.push(("ce_salt", data_encoding::HEXLOWER.encode(&open.salt.0).into()));
            let texts = [
                ("ce_subject", &open.subject),
                ("ce_authid", &open.author),
                ("ce_sourcepointer", &open.pointer),
            ];
            for (name, text) in texts {
                headers.extend(text.as_deref().map(|text| (name, text.into())));
            }
            open.data.clone()
        }
        Body::Erased(erased) => {
            let commitment = data_encoding::HEXLOWER.encode(&erased.commitment.0);
            headers.push(("ce_commitment", commitment.into()));
            erased.residue.clone()
        }
    };
    Message { headers, value }
}

/// Reads any message.
///
/// # Errors
/// When it is a record in a form that came later than this program.
pub fn read_message(message: &RawMessage<'_>) -> Result<Content, CodecError> {
    let value = Bytes::copy_from_slice(message.value.unwrap_or_default());
    if message.key.is_none() && message.headers.is_empty() {
        return Ok(Err(within_limit(value)));
    }
    if let Some(attributes) = Attributes::of(&message.headers) {
        if let Some(version) = attributes.newer() {
            return Err(CodecError::Newer { version });
        }
        if let Ok(record) = attributes.record(value)
            && is_within_limit(&record)
        {
            return Ok(Ok(record));
        }
    }
    Ok(Err(within_limit(framed(message))))
}

/// What stands where a log has an offset and no message.
pub fn no_message() -> Content {
    Err(Bytes::from_static(NO_MESSAGE))
}

fn is_within_limit(record: &Record) -> bool {
    // Attributes take less than 32 KiB: only data can make a record too large.
    let data = record.open().map_or(0, |open| open.data.len());
    let residue = match &record.body {
        Body::Open(_) => 0,
        Body::Erased(erased) => erased.residue.len(),
    };
    data + residue < CONTENT_BYTES_MAX - (32 << 10) || encode(record).len() <= CONTENT_BYTES_MAX
}

fn within_limit(bytes: Bytes) -> Bytes {
    if bytes.len() <= CONTENT_BYTES_MAX {
        return bytes;
    }
    let mut digest = b"annals/large/v1".to_vec();
    digest.extend_from_slice(&Sha256::digest(&bytes));
    digest.into()
}

fn framed(message: &RawMessage<'_>) -> Bytes {
    let mut out = BytesMut::from(&b"annals/message/v1"[..]);
    let mut part = |bytes: Option<&[u8]>| {
        let bytes = match bytes {
            None => return out.put_u8(0),
            Some(bytes) => bytes,
        };
        out.put_u8(1);
        // No broker takes a message with a part of 4 GB.
        out.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        out.put_slice(bytes);
    };
    part(message.key);
    part(message.value);
    for (name, value) in &message.headers {
        part(Some(name.as_bytes()));
        part(*value);
    }
    out.freeze()
}

/// The headers of a record, each there at the most once.
#[derive(Default)]
struct Attributes<'a> {
    specversion: Option<&'a str>,
    codec: Option<&'a str>,
    id: Option<&'a str>,
    source: Option<&'a str>,
    kind: Option<&'a str>,
    recorded: Option<&'a str>,
    epoch: Option<&'a str>,
    sequence: Option<&'a str>,
    time: Option<&'a str>,
    causation: Option<&'a str>,
    content_type: Option<&'a str>,
    salt: Option<&'a str>,
    subject: Option<&'a str>,
    author: Option<&'a str>,
    pointer: Option<&'a str>,
    commitment: Option<&'a str>,
    /// There is an attribute that no record of this form has.
    has_other: bool,
}

impl<'a> Attributes<'a> {
    fn of(headers: &[(&'a str, Option<&'a [u8]>)]) -> Option<Self> {
        let mut all = Self::default();
        for (name, value) in headers {
            let attribute = match *name {
                "ce_specversion" => &mut all.specversion,
                "ce_codec" => &mut all.codec,
                "ce_id" => &mut all.id,
                "ce_source" => &mut all.source,
                "ce_type" => &mut all.kind,
                "ce_recordedtime" => &mut all.recorded,
                "ce_epoch" => &mut all.epoch,
                "ce_sequence" => &mut all.sequence,
                "ce_time" => &mut all.time,
                "ce_causationid" => &mut all.causation,
                "content-type" => &mut all.content_type,
                "ce_salt" => &mut all.salt,
                "ce_subject" => &mut all.subject,
                "ce_authid" => &mut all.author,
                "ce_sourcepointer" => &mut all.pointer,
                "ce_commitment" => &mut all.commitment,
                other => {
                    all.has_other |= other.starts_with("ce_");
                    continue;
                }
            };
            if attribute.is_some() {
                return None;
            }
            *attribute = Some(std::str::from_utf8((*value)?).ok()?);
        }
        (all.specversion == Some("1.0")).then_some(all)
    }

    /// The number of a form that came later.
    fn newer(&self) -> Option<u8> {
        let version: u8 = self.codec?.parse().ok()?;
        (version > CODEC_VERSION && version < FORMS_END).then_some(version)
    }

    fn record(&self, value: Bytes) -> Result<Record, LineError> {
        let there = |attribute: Option<&'a str>, name: &'static str| {
            attribute.ok_or(LineError::Attribute { attribute: name, must: "there" })
        };
        if self.has_other || there(self.codec, "codec")? != CODEC_VERSION.to_string() {
            return Err(LineError::Attribute { attribute: "codec", must: "1, without others" });
        }
        let record = Record {
            id: id(there(self.id, "id")?, "id")?,
            source: SourceName::new(there(self.source, "source")?)?,
            kind: there(self.kind, "type")?.into(),
            time: self.time.map(str::parse).transpose()?,
            recorded: there(self.recorded, "recordedtime")?.parse()?,
            causation: self.causation.map(|text| id(text, "causationid")).transpose()?,
            epoch: sequence_number(there(self.epoch, "epoch")?, "epoch")?,
            sequence: sequence_number(there(self.sequence, "sequence")?, "sequence")?,
            body: self.body(value)?,
        };
        record.check()?;
        Ok(record)
    }

    fn body(&self, value: Bytes) -> Result<Body, LineError> {
        match (self.salt, self.commitment) {
            (Some(salt), None) if self.content_type == Some(CONTENT_TYPE) => Ok(Body::Open(Open {
                salt: Salt(hex(salt, "salt")?),
                subject: self.subject.map(Into::into),
                author: self.author.map(Into::into),
                pointer: self.pointer.map(Into::into),
                data: value,
            })),
            (None, Some(commitment))
                if [self.subject, self.author, self.pointer, self.content_type]
                    .iter()
                    .all(Option::is_none) =>
            {
                let commitment = Commitment(hex(commitment, "commitment")?);
                Ok(Body::Erased(Erased { commitment, residue: value }))
            }
            _ => Err(LineError::Attribute { attribute: "salt", must: "there, or a commitment" }),
        }
    }
}
