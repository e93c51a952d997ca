//! Cursors of lists.

use api::query::Cursor;
use data_encoding::BASE64URL_NOPAD;
use event::{LogId, Position};
use views::Start;

/// A cursor as a client sends it, or the JSON that is in it.
pub(crate) fn check(input: &[u8]) {
    read(&String::from_utf8_lossy(input));
    read(&BASE64URL_NOPAD.encode(input));
}

/// What is read is written again as what reads the same.
fn read(text: &str) {
    let now = Position { log: LogId::new(0x4f1c_0a9b_e2d3_4411), offset: 1 << 40 };
    let Ok((cursor, start)) = Cursor::read(text, now) else {
        return;
    };
    let written = match &start {
        Start::After(row) => cursor.after(row),
        Start::Before(row) => cursor.before(row),
        Start::Offset(_) => panic!("a cursor starts at a row"),
    };
    // One that was written with much white space left out may be much longer than before only by
    // what JSON makes of it, which is what a page would have given out.
    let again = Cursor::read(&written, now).expect("a cursor that was written");
    assert_eq!(again, (cursor, start));
}
