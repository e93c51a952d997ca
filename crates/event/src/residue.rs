//! Residues: what is left of a record of which something was erased.
//!
//! The four parts that a record's commitment is made of (subject, author, pointer, data) are kept
//! or gone one by one. A kept one has its own salt beside it, so that everybody can check that it
//! is what was committed to; of one that is gone only its commitment is left. What a replay needs
//! beside that, so that the scope's later snapshots still fit, is copied out of the data by whoever
//! erases it, and `log.erased` holds the hash of all of it.
//!
//! ```text
//! 1                       the form
//! length                  4 bytes big-endian
//! head                    JSON, so many bytes
//! data                    the rest, where it is kept
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::leaf::{Commitment, commit_to_all, commit_to_part, salt_of_part};
use crate::record::{Open, Salt};
use crate::vocabulary::{ScopeName, SnapshotMark};

/// The form that this program writes, and the latest that it reads.
const FORM: u8 = 1;

/// One part of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Part<T> {
    /// It was erased; this is the commitment to it.
    #[serde(with = "hex")]
    Gone([u8; 32]),
    /// It stands as it was written, under this salt.
    Kept {
        /// The salt of this part alone.
        #[serde(with = "hex")]
        salt: [u8; 16],
        /// The part, where the record had one.
        value: T,
    },
}

/// A text of a record.
type Text = Part<Option<Box<str>>>;

/// What stood in data that is gone, as far as a replay needs it and as it names no one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Left {
    /// The scope that the record is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<ScopeName>,
    /// The snapshot that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotMark>,
    /// The aspect that it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aspect: Option<String>,
}

/// What is left of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Residue {
    /// What it is about.
    pub subject: Text,
    /// On whose behalf it was written.
    pub author: Text,
    /// Where in the source it was read.
    pub pointer: Text,
    /// Its data.
    pub data: Part<Bytes>,
    /// What is left of data that is gone.
    pub left: Left,
}

/// Why bytes are not a residue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResidueError {
    /// A later version of Annals wrote it.
    #[error("what is left of the record is of form {form}, newer than form {FORM}")]
    Newer {
        /// The form's number.
        form: u8,
    },
    /// It is none.
    #[error("what is left of the record can't be read")]
    Malformed,
    /// What it keeps is not what the record was committed to.
    #[error("what is left of the record is not what stood there")]
    Other,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    subject: Text,
    author: Text,
    pointer: Text,
    data: Part<()>,
    #[serde(default, skip_serializing_if = "is_nothing")]
    left: Left,
}

fn is_nothing(left: &Left) -> bool {
    *left == Left::default()
}

impl Residue {
    /// All of a record, as parts that can be taken away one by one.
    #[must_use]
    pub fn of(open: &Open) -> Self {
        let salt = |number| salt_of_part(number, open.salt).0;
        Self {
            subject: Part::Kept { salt: salt(0), value: open.subject.clone() },
            author: Part::Kept { salt: salt(1), value: open.author.clone() },
            pointer: Part::Kept { salt: salt(2), value: open.pointer.clone() },
            data: Part::Kept { salt: salt(3), value: open.data.clone() },
            left: Left::default(),
        }
    }

    /// Takes away what a record is about.
    pub fn erase_subject(&mut self) {
        self.subject = Part::Gone(committed_text(0, &self.subject));
    }

    /// Takes away on whose behalf it was written.
    pub fn erase_author(&mut self) {
        self.author = Part::Gone(committed_text(1, &self.author));
    }

    /// Takes away where in the source it was read.
    pub fn erase_pointer(&mut self) {
        self.pointer = Part::Gone(committed_text(2, &self.pointer));
    }

    /// Takes away its data, but for what is said to be left.
    pub fn erase_data(&mut self, left: Left) {
        self.data = Part::Gone(committed_data(&self.data));
        self.left = left;
    }

    /// The commitment to all the parts, kept and gone.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        commit_to_all(&[
            committed_text(0, &self.subject),
            committed_text(1, &self.author),
            committed_text(2, &self.pointer),
            committed_data(&self.data),
        ])
    }

    /// The bytes that stand in the log.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let (data, kept) = match &self.data {
            Part::Gone(hash) => (Part::Gone(*hash), None),
            Part::Kept { salt, value } => (Part::Kept { salt: *salt, value: () }, Some(value)),
        };
        let head = Head {
            subject: self.subject.clone(),
            author: self.author.clone(),
            pointer: self.pointer.clone(),
            data,
            left: self.left.clone(),
        };
        // Strings can always be written.
        let head = serde_json::to_vec(&head).unwrap_or_default();
        let mut out = BytesMut::with_capacity(5 + head.len() + kept.map_or(0, Bytes::len));
        out.put_u8(FORM);
        out.put_u32(head.len() as u32);
        out.put_slice(&head);
        out.put_slice(kept.map(|data| &data[..]).unwrap_or_default());
        out.freeze()
    }

    /// Reads what is left of a record that this was committed to.
    ///
    /// # Errors
    /// When it can't be read, or is not what the record held.
    pub fn decode(bytes: &Bytes, commitment: Commitment) -> Result<Self, ResidueError> {
        let malformed = ResidueError::Malformed;
        match bytes.first() {
            Some(&FORM) => {}
            Some(&form) if form > FORM => return Err(ResidueError::Newer { form }),
            _ => return Err(malformed),
        }
        let (length, rest) = bytes[1..].split_first_chunk().ok_or(malformed)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| malformed)?;
        let (head, data) = rest.split_at_checked(length).ok_or(malformed)?;
        let head: Head = serde_json::from_slice(head).map_err(|_| malformed)?;
        let data = match head.data {
            Part::Gone(_) if !data.is_empty() => return Err(malformed),
            Part::Gone(hash) => Part::Gone(hash),
            Part::Kept { salt, value: () } => Part::Kept { salt, value: bytes.slice_ref(data) },
        };
        let residue = Self {
            subject: head.subject,
            author: head.author,
            pointer: head.pointer,
            data,
            left: head.left,
        };
        if residue.commitment() == commitment { Ok(residue) } else { Err(ResidueError::Other) }
    }

    /// The record's body as far as it is kept, if its data is. It stands under the data's own
    /// salt.
    #[must_use]
    pub fn open(&self) -> Option<Open> {
        let Part::Kept { salt, value } = &self.data else { return None };
        let text = |part: &Text| match part {
            Part::Gone(_) => None,
            Part::Kept { value, .. } => value.clone(),
        };
        Some(Open {
            salt: Salt(*salt),
            subject: text(&self.subject),
            author: text(&self.author),
            pointer: text(&self.pointer),
            data: value.clone(),
        })
    }

    /// The SHA-256 of a residue's bytes, of which `log.erased` speaks.
    #[must_use]
    pub fn hash(bytes: &[u8]) -> [u8; 32] {
        Sha256::digest(bytes).into()
    }
}

impl<T> Part<Option<T>> {
    /// The part, where the record had one and it is kept.
    #[must_use]
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Kept { value, .. } => value.as_ref(),
            Self::Gone(_) => None,
        }
    }
}

fn committed_text(number: u8, part: &Text) -> [u8; 32] {
    match part {
        Part::Gone(hash) => *hash,
        Part::Kept { salt, value } => {
            commit_to_part(number, Salt(*salt), value.as_deref().map(str::as_bytes))
        }
    }
}

fn committed_data(part: &Part<Bytes>) -> [u8; 32] {
    match part {
        Part::Gone(hash) => *hash,
        Part::Kept { salt, value } => commit_to_part(3, Salt(*salt), Some(value)),
    }
}

/// Bytes as lower-case hexadecimal.
mod hex {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&data_encoding::HEXLOWER.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        from: D,
    ) -> Result<[u8; N], D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok();
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| serde::de::Error::custom("lower-case hexadecimal of its length"))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::leaf::commit;

    fn open() -> Open {
        Open {
            salt: Salt([7; 16]),
            subject: Some("component:default/a".into()),
            author: Some("user:default/jane".into()),
            pointer: None,
            data: Bytes::from_static(br#"{"scope":"s"}"#),
        }
    }

    #[test]
    fn what_is_kept_is_what_was_committed_to() {
        let commitment = commit(&open());
        type Erase = fn(&mut Residue);
        let erasures: [Erase; 4] =
            [Residue::erase_subject, Residue::erase_author, Residue::erase_pointer, |residue| {
                residue.erase_data(Left { aspect: Some("x".into()), ..Left::default() })
            }];
        for which in 0..16_usize {
            let mut residue = Residue::of(&open());
            let chosen = erasures.iter().enumerate().filter(|(bit, _)| which >> bit & 1 == 1);
            chosen.for_each(|(_, erase)| erase(&mut residue));
            let bytes = residue.encode();
            assert_eq!(Residue::decode(&bytes, commitment), Ok(residue.clone()));
            let text = String::from_utf8_lossy(&bytes).into_owned();
            assert_eq!(text.contains("component:default/a"), which & 1 == 0);
            assert_eq!(text.contains("jane"), which & 2 == 0);
            assert_eq!(text.contains(r#""s""#), which & 8 == 0);
            // Erasing a second time leaves what is gone as it was.
            residue.erase_subject();
            assert_eq!(residue.commitment(), commitment);
            for end in 0..bytes.len() {
                assert!(Residue::decode(&bytes.slice(..end), commitment).is_err(), "cut at {end}");
            }
            for at in 0..bytes.len() {
                let mut other = bytes.to_vec();
                other[at] ^= 1;
                let other = Bytes::from(other);
                let read = Residue::decode(&other, commitment);
                assert!(read.is_err() || read.is_ok_and(|read| read.left != residue.left), "{at}");
            }
        }
    }

    #[test]
    fn golden_residue() {
        let mut residue = Residue::of(&open());
        residue.erase_author();
        let text = String::from_utf8_lossy(&residue.encode()).into_owned();
        expect![[r#"\u{1}\0\0\u{1}H{\"subject\":{\"kept\":{\"salt\":\"2e20b7164af9b93a57d32d82916d456f\",\"value\":\"component:default/a\"}},\"author\":{\"gone\":\"5ec1d416ff7747a76d6fed30b2eea39a4ffe42788201c0908f95790f75f4c2db\"},\"pointer\":{\"kept\":{\"salt\":\"46aa0cc8d0c496ce5a44e61daadba088\",\"value\":null}},\"data\":{\"kept\":{\"salt\":\"ebf8ce87b4c10f3b45f2493bbbc443fb\",\"value\":null}}}{\"scope\":\"s\"}"#]].assert_eq(&text.escape_debug().to_string());
        residue.erase_data(Left { scope: ScopeName::new("s").ok(), ..Left::default() });
        let text = String::from_utf8_lossy(&residue.encode()).into_owned();
        expect![[r#"\u{1}\0\0\u{1}g{\"subject\":{\"kept\":{\"salt\":\"2e20b7164af9b93a57d32d82916d456f\",\"value\":\"component:default/a\"}},\"author\":{\"gone\":\"5ec1d416ff7747a76d6fed30b2eea39a4ffe42788201c0908f95790f75f4c2db\"},\"pointer\":{\"kept\":{\"salt\":\"46aa0cc8d0c496ce5a44e61daadba088\",\"value\":null}},\"data\":{\"gone\":\"fc5a754bf462c6c07bc08aa26b853e240959792f584afd40ac32134496d221d6\"},\"left\":{\"scope\":\"s\"}}"#]].assert_eq(&text.escape_debug().to_string());
        assert_eq!(
            Residue::decode(&Bytes::from_static(&[2]), commit(&open())),
            Err(ResidueError::Newer { form: 2 })
        );
    }
}
