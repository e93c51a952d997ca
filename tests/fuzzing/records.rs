//! Logs, whatever stands in them.

use bytes::Bytes;
use event::{Body, Content, Erased, Kind, Left, Open, Record, Residue, read_line};

use crate::naive::{Folding, Naive};

/// Lines of an exported log after its first two records; or, shorter, `NUMBER SUBJECT DATA`: the
/// number of a type, what it is about, and its data; with `~PARTS ` before that, a record of which
/// these parts were erased (1 what it is about, 2 its data, 4 without what a replay needs of it).
pub(crate) fn check(input: &[u8]) {
    let mut naive = Naive::begun();
    let mut again = Naive::begun();
    let mut last = None;
    for line in input.split(|byte| *byte == b'\n') {
        let Some(content) = content(line, last.as_ref()) else { continue };
        if let Ok(record) = &content {
            last = Some(record.clone());
        }
        let folded = naive.content(content.clone());
        same(folded.as_ref(), again.content(content).as_ref());
        if folded.is_none() {
            return;
        }
    }
}

/// The same log gives the same rows.
fn same(first: Option<&Folding>, second: Option<&Folding>) {
    let changes = |folding: Option<&Folding>| folding.map(|folding| folding.changes.clone());
    assert_eq!(changes(first), changes(second));
}

fn content(line: &[u8], last: Option<&Record>) -> Option<Content> {
    let text = String::from_utf8_lossy(line);
    if text.starts_with('{') {
        return Some(read_line(&text).ok()?.content);
    }
    let (parts, text) = match text.strip_prefix('~') {
        Some(text) => text.split_once(' ')?,
        None => ("", &*text),
    };
    let mut record = last?.clone();
    let (number, rest) = text.split_once(' ')?;
    let (subject, data) = rest.split_once(' ')?;
    record.kind = Kind::from_code(number.parse().ok()?)?.as_str().into();
    record.sequence = record.sequence.checked_add(1)?;
    let salt = record.open().map(|open| open.salt).unwrap_or_default();
    let subject = (!subject.is_empty()).then(|| subject.into());
    let data = Bytes::copy_from_slice(data.as_bytes());
    let open = Open { salt, subject, author: None, pointer: None, data };
    record.body = match parts.parse::<u8>() {
        Ok(parts) => erased(&open, parts),
        Err(_) => Body::Open(open),
    };
    record.check().ok()?;
    Some(Ok(record))
}

fn erased(open: &Open, parts: u8) -> Body {
    let mut residue = Residue::of(open);
    if parts & 1 != 0 {
        residue.erase_subject();
    }
    if parts & 2 != 0 {
        let left: Left = match parts & 4 {
            0 => left_of(&open.data),
            _ => Left::default(),
        };
        residue.erase_data(left);
    }
    let (commitment, bytes) = (residue.commitment(), residue.encode());
    assert_eq!(Residue::decode(&bytes, commitment), Ok(residue));
    Body::Erased(Erased { commitment, residue: bytes })
}

/// What a replay needs of data that goes.
fn left_of(data: &[u8]) -> Left {
    let mut data: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(data).unwrap_or_default();
    data.retain(|key, _| matches!(key.as_str(), "scope" | "snapshot" | "aspect"));
    serde_json::from_value(data.into()).unwrap_or_default()
}
