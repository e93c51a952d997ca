//! Logs, whatever stands in them.

use bytes::Bytes;
use event::{Content, Kind, Record, read_line};

use crate::naive::{Folding, Naive};

/// Lines of an exported log after its first two records; or, shorter, `NUMBER SUBJECT DATA`: the
/// number of a type, what it is about, and its data.
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
    let mut record = last?.clone();
    let (number, rest) = text.split_once(' ')?;
    let (subject, data) = rest.split_once(' ')?;
    record.kind = Kind::from_code(number.parse().ok()?)?.as_str().into();
    record.sequence = record.sequence.checked_add(1)?;
    if let event::Body::Open(open) = &mut record.body {
        open.subject = (!subject.is_empty()).then(|| subject.into());
        open.data = Bytes::copy_from_slice(data.as_bytes());
    }
    record.check().ok()?;
    Some(Ok(record))
}
