//! The history digest: a chain of hashes over every record and what it changed.

use std::fmt;

use crate::state::ElementHash;

/// The digest of all changes up to a record.
///
/// A link is BLAKE3 over the digest before, the record's offset, its step, its leaf in the log's
/// Merkle tree, and each element of the state that it took away or added. So it says what became of
/// which record, and nothing of how that is stored. What is hashed is salted, each element with the
/// salts of the records that it came from, so that the chain gives nothing away of what is erased.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct HistoryDigest(pub [u8; 32]);

/// The link of one record, or of one step of it, while its changes are added.
#[derive(Debug)]
pub struct Link {
    hasher: blake3::Hasher,
}

impl HistoryDigest {
    /// Begins the next link.
    #[must_use]
    pub fn link(self, offset: u64, step: u32, leaf: &[u8; 32]) -> Link {
        let mut hasher = blake3::Hasher::new_derive_key("annals 2026 history digest v1");
        hasher.update(&self.0);
        hasher.update(&offset.to_be_bytes());
        hasher.update(&step.to_be_bytes());
        hasher.update(leaf);
        Link { hasher }
    }
}

impl Link {
    /// Adds that the record took an element away.
    pub fn removed(&mut self, element: ElementHash) {
        self.hasher.update(&[0]);
        self.hasher.update(&element.0);
    }

    /// Adds that the record added an element.
    pub fn added(&mut self, element: ElementHash) {
        self.hasher.update(&[1]);
        self.hasher.update(&element.0);
    }

    /// The digest up to here.
    #[must_use]
    pub fn finish(self) -> HistoryDigest {
        HistoryDigest(self.hasher.finalize().into())
    }
}

impl fmt::Display for HistoryDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for HistoryDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HistoryDigest({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn digest(offset: u64, step: u32, leaf: u8, elements: &[(bool, u8)]) -> HistoryDigest {
        let mut link = HistoryDigest::default().link(offset, step, &[leaf; 32]);
        for (is_added, element) in elements {
            let element = ElementHash([*element; 32]);
            if *is_added { link.added(element) } else { link.removed(element) }
        }
        link.finish()
    }

    #[test]
    fn golden_link() {
        let link = digest(7, 0, 1, &[(false, 2), (true, 3)]);
        expect!["9ae1bca3dba5c687a184244bab616aeb8c1958205acf59272b917b8ed7157e1a"]
            .assert_eq(&link.to_string());
    }

    #[test]
    fn any_difference_shows() {
        let all = [
            digest(0, 0, 0, &[]),
            digest(1, 0, 0, &[]),
            digest(0, 1, 0, &[]),
            digest(0, 0, 1, &[]),
            digest(0, 0, 0, &[(true, 0)]),
            digest(0, 0, 0, &[(false, 0)]),
            digest(0, 0, 0, &[(true, 1)]),
            digest(0, 0, 0, &[(true, 0), (true, 1)]),
            digest(0, 0, 0, &[(true, 1), (true, 0)]),
            digest(0, 0, 0, &[(false, 1), (true, 0)]),
        ];
        for (i, one) in all.iter().enumerate() {
            for other in &all[i + 1..] {
                assert_ne!(one, other);
            }
        }
    }
}
