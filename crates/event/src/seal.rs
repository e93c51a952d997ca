//! Seals: what views keep of a document to tell whether another one is the same.

use serde::{Deserialize, Serialize};

use crate::record::Salt;

/// The hash of a content, with the salt of the record that brought it: whoever holds the content
/// can tell whether this is it, and nobody can find it out once the salt is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Seal {
    /// The salt.
    pub salt: Salt,
    /// BLAKE3, keyed for seals, over the salt and the content's own hash.
    pub hash: [u8; 32],
}

impl Seal {
    /// Seals a content that has this hash.
    #[must_use]
    pub fn new(salt: Salt, content: &[u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("annals 2026 content seal v1");
        hasher.update(&salt.0);
        hasher.update(content);
        Self { salt, hash: hasher.finalize().into() }
    }

    /// Whether it is this content that was sealed.
    #[must_use]
    pub fn is_of(&self, content: &[u8; 32]) -> bool {
        Self::new(self.salt, content) == *self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn a_seal_tells_its_content_and_nothing_without_its_salt() {
        let seal = Seal::new(Salt([1; 16]), &[2; 32]);
        expect!["43a5e8a2544aa35ae5de7252cb03f0dda7f730a90cc3f7f91dd8afd69ba6f511"]
            .assert_eq(&data_encoding::HEXLOWER.encode(&seal.hash));
        assert!(seal.is_of(&[2; 32]));
        assert!(!seal.is_of(&[3; 32]));
        assert_ne!(Seal::new(Salt([2; 16]), &[2; 32]).hash, seal.hash);
    }
}
