//! The state digest: a multiset hash that elements can be added to and taken from.
//!
//! LtHash (Bellare and Micciancio's "A New Paradigm for Collision-free Hashing", 1997; the
//! parameters are those of Lewi, Kim, Maykov and Weis, "Securing Update Propagation with
//! Homomorphic Hashing", 2019): an element is hashed to 1,024 numbers of 16 bits (here by BLAKE3
//! as an extendable-output function), which are added to the digest's numbers or taken from them,
//! modulo 2^16 each.

use std::fmt;

const LANES: usize = 1024;
const BYTES: usize = LANES * 2;

/// A multiset of elements, as 1,024 sums.
#[derive(Clone, PartialEq, Eq)]
pub struct StateDigest {
    lanes: Box<[u16; LANES]>,
}

/// The hash of one element, before it is stretched to the digest's width.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ElementHash(pub [u8; 32]);

impl ElementHash {
    /// Hashes an element's bytes.
    #[must_use]
    pub fn of(element: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("annals 2026 state element v1");
        hasher.update(element);
        Self(hasher.finalize().into())
    }

    /// What an element's hash, already in this form, adds to the digest.
    fn stretch(self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        blake3::Hasher::new_keyed(&self.0).finalize_xof().fill(&mut bytes);
        bytes
    }
}

impl Default for StateDigest {
    fn default() -> Self {
        Self { lanes: Box::new([0; LANES]) }
    }
}

impl StateDigest {
    /// Adds an element.
    pub fn add(&mut self, element: ElementHash) {
        for (lane, bytes) in self.lanes.iter_mut().zip(element.stretch().chunks_exact(2)) {
            *lane = lane.wrapping_add(u16::from_le_bytes([bytes[0], bytes[1]]));
        }
    }

    /// Takes an element away that was added before.
    pub fn remove(&mut self, element: ElementHash) {
        for (lane, bytes) in self.lanes.iter_mut().zip(element.stretch().chunks_exact(2)) {
            *lane = lane.wrapping_sub(u16::from_le_bytes([bytes[0], bytes[1]]));
        }
    }

    /// The sums as bytes, to be stored.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect()
    }

    /// The sums from bytes; `None` if they are not so many.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != BYTES {
            return None;
        }
        let mut digest = Self::default();
        for (lane, bytes) in digest.lanes.iter_mut().zip(bytes.chunks_exact(2)) {
            *lane = u16::from_le_bytes([bytes[0], bytes[1]]);
        }
        Some(digest)
    }

    /// The digest as it is published: BLAKE3 over the sums.
    #[must_use]
    pub fn finish(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("annals 2026 state digest v1");
        hasher.update(&self.to_bytes());
        hasher.finalize().into()
    }
}

impl fmt::Display for StateDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.finish()))
    }
}

impl fmt::Debug for StateDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateDigest({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use proptest::prelude::*;

    #[test]
    fn golden_digests() {
        let mut digest = StateDigest::default();
        expect!["60d3e55022d38d6b65e70745266b1650721e2d6b39acd6e4883365b01db1ccdf"]
            .assert_eq(&digest.to_string());
        digest.add(ElementHash::of(b"one"));
        expect!["8cd924caa95b236f881d5e672c616c50aa0806411fb68c34eba8369459576894"]
            .assert_eq(&digest.to_string());
        digest.add(ElementHash::of(b"two"));
        expect!["8e34717025afb3efb3c7dbfb25bd62964d282fb4096f088e6fc2e5a65646ef76"]
            .assert_eq(&digest.to_string());
    }

    proptest! {
        #[test]
        fn order_and_detours_leave_no_trace(
            mut elements in proptest::collection::vec(any::<u8>(), 1..20),
            detour in any::<u8>(),
        ) {
            let hash = |element: u8| ElementHash::of(&[element]);
            let mut straight = StateDigest::default();
            elements.iter().for_each(|element| straight.add(hash(*element)));
            let mut winding = StateDigest::default();
            elements.reverse();
            winding.add(hash(detour));
            elements.iter().for_each(|element| winding.add(hash(*element)));
            winding.remove(hash(detour));
            prop_assert_eq!(&straight, &winding);
            let read = StateDigest::from_bytes(&straight.to_bytes());
            prop_assert_eq!(read.as_ref(), Some(&straight));
            straight.add(hash(detour));
            prop_assert_ne!(straight.finish(), winding.finish(), "an element twice is not once");
        }
    }
}
