//! Commitments and leaves: what of a record goes into the Merkle tree (RFC 6962).
//!
//! The leaf holds the attributes that name no one, in the clear, and a salted commitment to all
//! the rest. So personal data can be erased together with its salt, can't be guessed back from
//! the tree, and leaves the tree as it was.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::cloudevent::sequence_text;
use crate::record::{Body, Open, Record, Salt};

/// The name of the hash functions used by this version; stands in `log.created`.
pub const HASH_SUITE: &str = "sha256-blake3-v1";

/// SHA-256 over the commitments to subject, author, pointer and data, each with a salt of its own;
/// see [`commit`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Commitment(pub [u8; 32]);

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Commitment({})", data_encoding::HEXLOWER.encode(&self.0))
    }
}

/// A leaf of the tree: its bytes (an entry of `c2sp.org/tlog-tiles`) and its RFC 6962 hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Canonical JSON (RFC 8785).
    pub bytes: Vec<u8>,
    /// SHA-256 over 0x00 and the bytes.
    pub hash: [u8; 32],
}

impl Leaf {
    fn new(bytes: Vec<u8>) -> Self {
        let mut hasher = Sha256::new();
        hasher.update([0]);
        hasher.update(&bytes);
        Self { bytes, hash: hasher.finalize().into() }
    }
}

/// The commitment to what can be erased of a record.
///
/// `SHA-256("annals/commitment/v1" ‖ part(0) ‖ part(1) ‖ part(2) ‖ part(3))` over subject, author,
/// pointer and data, where `part(n)` is `SHA-256("annals/part/v1" ‖ n ‖ salt(n) ‖ 0)` for one that
/// is absent, and for one that is there the same with 1 in place of 0 and its bytes after it, and
/// `salt(n)` is the first 16 bytes of `SHA-256("annals/salt/v1" ‖ n ‖ salt)`. So one part, a
/// person's name say, can be erased with its salt while the others are kept with theirs.
#[must_use]
pub fn commit(open: &Open) -> Commitment {
    let texts = [&open.subject, &open.author, &open.pointer];
    let parts = texts.map(|text| text.as_deref().map(str::as_bytes));
    let parts = [parts[0], parts[1], parts[2], Some(&open.data[..])];
    let mut number = 0;
    commit_to_all(&parts.map(|part| {
        let committed = commit_to_part(number, salt_of_part(number, open.salt), part);
        number += 1;
        committed
    }))
}

/// The commitment to the commitments to the four parts.
pub(crate) fn commit_to_all(parts: &[[u8; 32]; 4]) -> Commitment {
    let mut hasher = Sha256::new();
    hasher.update(b"annals/commitment/v1");
    parts.iter().for_each(|part| hasher.update(part));
    Commitment(hasher.finalize().into())
}

/// The salt of one part, from which neither the record's salt nor that of another part follows.
pub(crate) fn salt_of_part(number: u8, salt: Salt) -> Salt {
    let mut hasher = Sha256::new();
    hasher.update(b"annals/salt/v1");
    hasher.update([number]);
    hasher.update(salt.0);
    let mut salt = Salt::default();
    salt.0.copy_from_slice(&hasher.finalize()[..16]);
    salt
}

/// The commitment to one part, under the part's own salt.
pub(crate) fn commit_to_part(number: u8, salt: Salt, part: Option<&[u8]>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(b"annals/part/v1");
    hasher.update([number]);
    hasher.update(salt.0);
    hasher.update([u8::from(part.is_some())]);
    hasher.update(part.unwrap_or_default());
    hasher.finalize().into()
}

/// The leaf of a record, the same before and after its erasure.
#[must_use]
pub fn leaf_of_record(record: &Record) -> Leaf {
    let commitment = match &record.body {
        Body::Open(open) => commit(open),
        Body::Erased(erased) => erased.commitment,
    };
    // Keys in the order of RFC 8785. No value needs escaping beyond what JSON itself asks for:
    // source and type are printable ASCII, the others are digits, hyphens and letters.
    let mut members: Vec<(&str, String)> = Vec::with_capacity(9);
    if let Some(causation) = record.causation {
        members.push(("causationid", causation.to_string()));
    }
    members.push(("commitment", data_encoding::HEXLOWER.encode(&commitment.0)));
    members.push(("epoch", sequence_text(record.epoch)));
    members.push(("id", record.id.to_string()));
    members.push(("recordedtime", record.recorded.to_string()));
    members.push(("sequence", sequence_text(record.sequence)));
    members.push(("source", record.source.to_string()));
    if let Some(time) = record.time {
        members.push(("time", time.to_string()));
    }
    members.push(("type", record.kind.to_string()));
    Leaf::new(canonical_object(&members))
}

/// The leaf of what stands in a log and is no record: its SHA-256, in an object of its own, so
/// that no bytes can pass for the leaf of a record that was never written.
#[must_use]
pub fn leaf_of_unreadable(raw: &[u8]) -> Leaf {
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(raw));
    Leaf::new(canonical_object(&[("unreadable", digest)]))
}

fn canonical_object(members: &[(&str, String)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    bytes.push(b'{');
    for (index, (key, value)) in members.iter().enumerate() {
        if index > 0 {
            bytes.push(b',');
        }
        bytes.push(b'"');
        bytes.extend_from_slice(key.as_bytes());
        bytes.extend_from_slice(b"\":\"");
        for byte in value.bytes() {
            if matches!(byte, b'"' | b'\\') {
                bytes.push(b'\\');
            }
            bytes.push(byte);
        }
        bytes.push(b'"');
    }
    bytes.push(b'}');
    bytes
}
