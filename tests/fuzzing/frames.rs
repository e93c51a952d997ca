//! What the embedded log reads back from a disk.

use bytes::Bytes;
use event::{Content, decode};
use log::{read_frame, read_watermark, write_frame, write_watermark};

/// How many bytes in a row a checksum of 32 bits finds changed, whatever the change.
const BURST: usize = 4;

/// Four bytes to damage a frame with, and its content; and all of it as a frame.
pub(crate) fn check(input: &[u8]) {
    if let Ok(content) = read_frame(&Bytes::copy_from_slice(input)) {
        assert_eq!(write_frame(&content), input, "a frame has one form");
    }
    watermark(input);
    let Some((damage, body)) = input.split_first_chunk::<BURST>() else {
        return;
    };
    let body = Bytes::copy_from_slice(body);
    damaged(&Err(body.clone()), *damage);
    if let Ok(record) = decode(&body) {
        damaged(&Ok(record), *damage);
    }
}

/// A frame reads as it was written; damaged, it is an error, and never another content. One that
/// is cut off is an error too, but for one in 2^32, which a fuzzer finds: that a value is whole is
/// for the tables to say in which it stands.
fn damaged(content: &Content, damage: [u8; BURST]) {
    let frame = write_frame(content);
    assert_eq!(read_frame(&frame).as_ref(), Ok(content));
    if damage == [0; BURST] {
        return;
    }
    let at = usize::from(damage[0]) * 257 % frame.len();
    // The checksum stands before what it is of: a burst is in the one or in the other.
    let end = if at < 4 { 4 } else { frame.len() };
    let mut bad = frame.to_vec();
    for (byte, change) in bad[at..end].iter_mut().zip(damage) {
        *byte ^= change;
    }
    if bad != frame {
        assert!(read_frame(&bad.into()).is_err(), "garbled at {at}");
    }
    for torn in [at, frame.len() - 1] {
        let torn = frame.slice(..torn);
        if let Ok(content) = read_frame(&torn) {
            assert!(torn.len() >= 5, "torn in its head");
            assert_eq!(write_frame(&content), torn);
        }
    }
}

fn watermark(input: &[u8]) {
    let Some(bytes) = input.first_chunk::<12>() else {
        return;
    };
    if let Some(offset) = read_watermark(bytes) {
        assert_eq!(&write_watermark(offset), bytes);
    }
    let [number @ .., at, bit, _, _] = *bytes;
    let offset = u64::from_be_bytes(number);
    let mut file = write_watermark(offset);
    assert_eq!(read_watermark(&file), Some(offset));
    file[usize::from(at) % 12] ^= 1 << (bit % 8);
    assert_eq!(read_watermark(&file), None, "a flipped bit shows");
}
