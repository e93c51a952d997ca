//! Records in their binary form, and as lines of CloudEvents.

use bytes::Bytes;
use event::{Content, Entry, Event, decode, encode, leaf_of_record, read_line, write_line};

/// Bytes are a record in one way only; whatever stands in a log is a line, and a line what stood
/// there.
pub(crate) fn check(input: &[u8]) {
    let bytes = Bytes::copy_from_slice(input);
    content(&Err(bytes.clone()));
    if let Ok(record) = decode(&bytes) {
        assert_eq!(encode(&record), bytes, "a record has one form");
        content(&Ok(record));
    }
    let text = String::from_utf8_lossy(input);
    if let Ok(line) = read_line(&text) {
        content(&line.content);
    }
}

fn content(content: &Content) {
    let entry = Entry { offset: 7, content: content.clone() };
    let line = write_line(&entry);
    assert!(!line.contains(['\n', '\r']), "{line}");
    let read = read_line(&line).expect("a line that was written");
    assert_eq!(read.offset, Some(7));
    assert_eq!(&read.content, content);
    let Ok(record) = content else {
        return;
    };
    assert_eq!(decode(&encode(record)).as_ref(), Ok(record));
    if let event::Body::Erased(erased) = &record.body
        && let Ok(residue) = event::Residue::decode(&erased.residue, erased.commitment)
    {
        let again = event::Residue::decode(&residue.encode(), erased.commitment);
        assert_eq!(again, Ok(residue), "what is left is read as it is written");
    }
    let leaf: serde_json::Value =
        serde_json::from_slice(&leaf_of_record(record).bytes).expect("a leaf is JSON");
    assert_eq!(leaf.to_string().as_bytes(), leaf_of_record(record).bytes, "and canonical");
    if let Ok(event) = Event::of(record) {
        let mut again = record.clone();
        if let event::Body::Open(open) = &mut again.body {
            open.data = event.to_data();
        }
        assert_eq!(Event::of(&again).expect("an event that was written"), event);
    }
}
