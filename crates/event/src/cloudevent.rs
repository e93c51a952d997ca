//! Records as lines of JSON, in the [JSON event format] of CloudEvents 1.0: what `annals log
//! export` writes and `import` reads.
//!
//! The data stands in a line exactly as it stands in the log, byte for byte; data that is not
//! JSON on one line is written as `data_base64`. Bytes that stand in a log and are no record get
//! a line of their own form: `{"unreadable":"BASE64","offset":"…"}`.
//!
//! [JSON event format]: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md

use std::borrow::Cow;

use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::leaf::Commitment;
use crate::position::Offset;
use crate::record::{
    Body, Content, Entry, Erased, Open, PartError, Record, RecordId, Salt, SourceName,
};
use crate::time::{Timestamp, TimestampError};

/// What every type of the vocabulary begins with.
pub const TYPE_PREFIX: &str = "dev.annals.";

pub(crate) const CONTENT_TYPE: &str = "application/json";

/// A line that was read: a log's entry, and its offset where the line tells one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where the entry stood in the log that it was exported from.
    pub offset: Option<Offset>,
    /// The record, or the bytes that are none.
    pub content: Content,
}

/// Why a line is not an entry of a log.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Not JSON, or not with these members.
    #[error("the line is not a record as a CloudEvent in JSON")]
    Json(#[from] serde_json::Error),
    /// A member is missing, there once too often, or not of its form.
    #[error("the record's `{attribute}` is not what it must be ({must})")]
    Attribute {
        /// The member's name.
        attribute: &'static str,
        /// What it must be.
        must: &'static str,
    },
    /// A time is not of its form.
    #[error("a time of the record is not of its form")]
    Time(#[from] TimestampError),
    /// Another attribute is not of its form.
    #[error("an attribute of the record is not of its form")]
    Part(#[from] PartError),
}

/// CloudEvents' `sequence` as text that sorts as the number does: 20 digits.
pub(crate) fn sequence_text(number: u64) -> String {
    format!("{number:020}")
}

pub(crate) fn sequence_number(text: &str, attribute: &'static str) -> Result<u64, LineError> {
    let digits = text.len() == 20 && text.bytes().all(|b| b.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|_| digits)
        .ok_or(LineError::Attribute { attribute, must: "20 digits, at most 2^64 - 1" })
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form<'a> {
    specversion: Cow<'a, str>,
    id: Cow<'a, str>,
    source: Cow<'a, str>,
    #[serde(rename = "type")]
    kind: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    datacontenttype: Option<Cow<'a, str>>,
    recordedtime: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    causationid: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authid: Option<Cow<'a, str>>,
    epoch: Cow<'a, str>,
    sequence: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sourcepointer: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    salt: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commitment: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    residue: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offset: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data_base64: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UnreadableForm<'a> {
    unreadable: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offset: Option<Cow<'a, str>>,
}

/// Writes an entry as one line, without the line's end.
#[must_use]
pub fn write_line(entry: &Entry) -> String {
    let offset = Some(Cow::Owned(sequence_text(entry.offset)));
    let written = match &entry.content {
        Ok(record) => write_record(record, offset),
        Err(bytes) => serde_json::to_string(&UnreadableForm {
            unreadable: BASE64.encode(bytes).into(),
            offset,
        }),
    };
    // Strings and raw JSON can always be written.
    written.unwrap_or_default()
}

fn write_record(
    record: &Record,
    offset: Option<Cow<'_, str>>,
) -> Result<String, serde_json::Error> {
    let (open, erased) = match &record.body {
        Body::Open(open) => (Some(open), None),
        Body::Erased(erased) => (None, Some(erased)),
    };
    let data = open.and_then(|open| one_line_json(&open.data));
    let text = |text: &Option<Box<str>>| text.as_deref().map(|text| Cow::Owned(text.to_owned()));
    serde_json::to_string(&Form {
        specversion: "1.0".into(),
        id: record.id.to_string().into(),
        source: record.source.as_str().into(),
        kind: (&*record.kind).into(),
        subject: open.and_then(|open| text(&open.subject)),
        time: record.time.map(|time| time.to_string().into()),
        datacontenttype: open.map(|_| CONTENT_TYPE.into()),
        recordedtime: record.recorded.to_string().into(),
        causationid: record.causation.map(|id| id.to_string().into()),
        authid: open.and_then(|open| text(&open.author)),
        epoch: sequence_text(record.epoch).into(),
        sequence: sequence_text(record.sequence).into(),
        sourcepointer: open.and_then(|open| text(&open.pointer)),
        salt: open.map(|open| HEXLOWER.encode(&open.salt.0).into()),
        commitment: erased.map(|erased| HEXLOWER.encode(&erased.commitment.0).into()),
        residue: erased
            .filter(|erased| !erased.residue.is_empty())
            .map(|erased| BASE64.encode(&erased.residue).into()),
        offset,
        data,
        data_base64: open.filter(|_| data.is_none()).map(|open| BASE64.encode(&open.data).into()),
    })
}

/// The bytes as JSON that can stand in a line unchanged: valid, without line breaks or the white
/// space around it that a reader would not give back, and not `null`, which reads as absent.
fn one_line_json(bytes: &[u8]) -> Option<&RawValue> {
    let trimmed = bytes.trim_ascii().len() == bytes.len();
    if !trimmed || bytes == b"null" || bytes.iter().any(|b| matches!(b, b'\n' | b'\r')) {
        return None;
    }
    serde_json::from_slice(bytes).ok()
}

/// Reads a line.
///
/// # Errors
/// When it is not what [`write_line`] writes.
pub fn read_line(line: &str) -> Result<Line, LineError> {
    if line.trim_start().starts_with("{\"unreadable\"") {
        let form: UnreadableForm<'_> = serde_json::from_str(line)?;
        let bytes = BASE64.decode(form.unreadable.as_bytes()).map_err(|_| {
            LineError::Attribute { attribute: "unreadable", must: "bytes in base64" }
        })?;
        let offset = form.offset.map(|text| sequence_number(&text, "offset")).transpose()?;
        return Ok(Line { offset, content: Err(bytes.into()) });
    }
    let form: Form<'_> = serde_json::from_str(line)?;
    let offset = form.offset.as_deref().map(|t| sequence_number(t, "offset")).transpose()?;
    Ok(Line { offset, content: Ok(record(form)?) })
}

fn record(form: Form<'_>) -> Result<Record, LineError> {
    if form.specversion != "1.0" {
        return Err(LineError::Attribute { attribute: "specversion", must: "1.0" });
    }
    if form.datacontenttype.as_deref().is_some_and(|found| found != CONTENT_TYPE) {
        return Err(LineError::Attribute { attribute: "datacontenttype", must: CONTENT_TYPE });
    }
    let record = Record {
        id: id(&form.id, "id")?,
        source: SourceName::new(&form.source)?,
        kind: form.kind.as_ref().into(),
        time: form.time.as_deref().map(str::parse).transpose()?,
        recorded: form.recordedtime.parse::<Timestamp>()?,
        causation: form.causationid.as_deref().map(|t| id(t, "causationid")).transpose()?,
        epoch: sequence_number(&form.epoch, "epoch")?,
        sequence: sequence_number(&form.sequence, "sequence")?,
        body: body(form)?,
    };
    record.check()?;
    Ok(record)
}

fn body(form: Form<'_>) -> Result<Body, LineError> {
    let text = |text: Option<Cow<'_, str>>| text.map(|text| text.into_owned().into_boxed_str());
    let Some(salt) = form.salt else {
        let commitment = form.commitment.ok_or(LineError::Attribute {
            attribute: "salt",
            must: "there, or `commitment` in a record that was erased",
        })?;
        let named = [&form.subject, &form.authid, &form.sourcepointer, &form.data_base64];
        if form.data.is_some() || named.iter().any(|member| member.is_some()) {
            let must = "alone, without subject, authid, sourcepointer and data";
            return Err(LineError::Attribute { attribute: "commitment", must });
        }
        let commitment = Commitment(hex(&commitment, "commitment")?);
        let residue = form.residue.map(|text| base64(&text, "residue")).transpose()?;
        return Ok(Body::Erased(Erased { commitment, residue: residue.unwrap_or_default() }));
    };
    if form.commitment.is_some() || form.residue.is_some() {
        let must = "absent where there is a salt";
        return Err(LineError::Attribute { attribute: "commitment", must });
    }
    let data = match (form.data, form.data_base64) {
        (Some(json), None) => Bytes::copy_from_slice(json.get().as_bytes()),
        (None, Some(text)) => base64(&text, "data_base64")?,
        _ => {
            let must = "there once, as `data` or `data_base64`";
            return Err(LineError::Attribute { attribute: "data", must });
        }
    };
    Ok(Body::Open(Open {
        salt: Salt(hex(&salt, "salt")?),
        subject: text(form.subject),
        author: text(form.authid),
        pointer: text(form.sourcepointer),
        data,
    }))
}

pub(crate) fn id(text: &str, attribute: &'static str) -> Result<RecordId, LineError> {
    Uuid::parse_str(text)
        .ok()
        .map(RecordId)
        .filter(|id| id.to_string() == text)
        .ok_or(LineError::Attribute { attribute, must: "a UUID in lower case with hyphens" })
}

fn base64(text: &str, attribute: &'static str) -> Result<Bytes, LineError> {
    let bytes = BASE64.decode(text.as_bytes());
    Ok(bytes.map_err(|_| LineError::Attribute { attribute, must: "base64" })?.into())
}

pub(crate) fn hex<const N: usize>(
    text: &str,
    attribute: &'static str,
) -> Result<[u8; N], LineError> {
    HEXLOWER
        .decode(text.as_bytes())
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(LineError::Attribute { attribute, must: "lower-case hexadecimal of its length" })
}
