//! The history digest: a chain of hashes over what every record changed.

use std::fmt;

/// The digest of all changes up to a record.
///
/// A link is BLAKE3 over the digest before, the record's offset and step, its salt, and each
/// change's key and row with their lengths. The salt is erased with the record, so that the chain
/// gives nothing away about what was in it.
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
    pub fn link(self, offset: u64, step: u32, salt: &[u8; 16]) -> Link {
        let mut hasher = blake3::Hasher::new_derive_key("annals 2026 history digest v1");
        hasher.update(&self.0);
        hasher.update(&offset.to_be_bytes());
        hasher.update(&step.to_be_bytes());
        hasher.update(salt);
        Link { hasher }
    }
}

impl Link {
    /// Adds a change: the key of a row, and the row as it is now, or that it is gone.
    pub fn change(&mut self, key: &[u8], row: Option<&[u8]>) {
        self.part(key);
        match row {
            None => {
                self.hasher.update(&[0]);
            }
            Some(row) => {
                self.hasher.update(&[1]);
                self.part(row);
            }
        }
    }

    /// The digest up to here.
    #[must_use]
    pub fn finish(self) -> HistoryDigest {
        HistoryDigest(self.hasher.finalize().into())
    }

    fn part(&mut self, bytes: &[u8]) {
        self.hasher.update(&(bytes.len() as u64).to_be_bytes());
        self.hasher.update(bytes);
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

    type Changes<'a> = &'a [(&'a [u8], Option<&'a [u8]>)];

    fn digest(offset: u64, step: u32, salt: u8, changes: Changes<'_>) -> HistoryDigest {
        let mut link = HistoryDigest::default().link(offset, step, &[salt; 16]);
        changes.iter().for_each(|(key, row)| link.change(key, *row));
        link.finish()
    }

    #[test]
    fn golden_link() {
        let link = digest(7, 0, 1, &[(b"key", Some(b"row")), (b"gone", None)]);
        expect!["5df614cf4589f52874e8a60c42056bc619e57dd4916d7f2ad7f5047edbcbf15d"]
            .assert_eq(&link.to_string());
    }

    #[test]
    fn any_difference_shows() {
        let all = [
            digest(0, 0, 0, &[]),
            digest(1, 0, 0, &[]),
            digest(0, 1, 0, &[]),
            digest(0, 0, 1, &[]),
            digest(0, 0, 0, &[(b"a", None)]),
            digest(0, 0, 0, &[(b"a", Some(b""))]),
            digest(0, 0, 0, &[(b"a", Some(b"b"))]),
            digest(0, 0, 0, &[(b"ab", Some(b""))]),
            digest(0, 0, 0, &[(b"a", None), (b"b", None)]),
            digest(0, 0, 0, &[(b"b", None), (b"a", None)]),
        ];
        for (i, one) in all.iter().enumerate() {
            for other in &all[i + 1..] {
                assert_ne!(one, other);
            }
        }
    }
}
