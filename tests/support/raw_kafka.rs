//! A message as no client would send it: a request of Kafka's protocol, byte by byte.

use std::io::{Read, Write};
use std::net::TcpStream;

/// Produces one message whose one header has these bytes as its name (Produce, version 3, with a
/// record batch of version 2).
pub fn produce(address: &str, topic: &str, header: &[u8], value: &[u8]) {
    let batch = batch(&record(header, value));
    let mut body = Vec::new();
    // No transaction; all replicas; 30 s; one topic.
    body.extend_from_slice(&(-1_i16).to_be_bytes());
    body.extend_from_slice(&(-1_i16).to_be_bytes());
    body.extend_from_slice(&30_000_i32.to_be_bytes());
    body.extend_from_slice(&1_i32.to_be_bytes());
    text(&mut body, topic);
    // One partition, the first.
    body.extend_from_slice(&1_i32.to_be_bytes());
    body.extend_from_slice(&0_i32.to_be_bytes());
    sized(&mut body, &batch);
    let mut request = Vec::new();
    request.extend_from_slice(&0_i16.to_be_bytes());
    request.extend_from_slice(&3_i16.to_be_bytes());
    request.extend_from_slice(&7_i32.to_be_bytes());
    text(&mut request, "raw");
    request.extend_from_slice(&body);
    let mut stream = TcpStream::connect(address).unwrap();
    let mut framed = Vec::new();
    sized(&mut framed, &request);
    stream.write_all(&framed).unwrap();
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer).unwrap();
    // Correlation, topics, the topic's name, partitions, partition, and then the error.
    let at = 4 + 4 + 2 + topic.len() + 4 + 4;
    assert_eq!(answer[at..at + 2], [0, 0], "the broker refuses: {answer:?}");
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as i16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn sized(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// A number that is not negative, in zigzag and base 128.
fn varint(out: &mut Vec<u8>, number: usize) {
    let mut rest = number << 1;
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn record(header: &[u8], value: &[u8]) -> Vec<u8> {
    // Attributes, and no difference in time and offset; no key (-1).
    let mut out = vec![0, 0, 0, 1];
    varint(&mut out, value.len());
    out.extend_from_slice(value);
    varint(&mut out, 1);
    varint(&mut out, header.len());
    out.extend_from_slice(header);
    varint(&mut out, 1);
    out.push(b'v');
    let mut framed = Vec::new();
    varint(&mut framed, out.len());
    framed.extend_from_slice(&out);
    framed
}

fn batch(record: &[u8]) -> Vec<u8> {
    let mut checked = Vec::new();
    checked.extend_from_slice(&0_i16.to_be_bytes());
    checked.extend_from_slice(&0_i32.to_be_bytes());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    for _ in 0..2 {
        checked.extend_from_slice(&(now.as_millis() as i64).to_be_bytes());
    }
    // No producer's id, epoch and sequence.
    checked.extend_from_slice(&(-1_i64).to_be_bytes());
    checked.extend_from_slice(&(-1_i16).to_be_bytes());
    checked.extend_from_slice(&(-1_i32).to_be_bytes());
    checked.extend_from_slice(&1_i32.to_be_bytes());
    checked.extend_from_slice(record);
    let mut out = 0_i64.to_be_bytes().to_vec();
    // What follows: the leader's epoch, the version, the checksum, and what is checked.
    out.extend_from_slice(&((4 + 1 + 4 + checked.len()) as i32).to_be_bytes());
    out.extend_from_slice(&(-1_i32).to_be_bytes());
    out.push(2);
    out.extend_from_slice(&crc32c::crc32c(&checked).to_be_bytes());
    out.extend_from_slice(&checked);
    out
}
