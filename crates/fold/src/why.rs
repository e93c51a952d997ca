//! Why something that stands in the log could not be folded.

use serde::{Deserialize, Serialize};

/// Why something could not be folded. A number, since words would be those of libraries, which
/// change them, and would quote what the record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
#[repr(u8)]
pub enum Why {
    /// It is not a record.
    NotARecord = 1,
    /// Its type is not one of ours.
    Foreign = 2,
    /// Its data is not of its type.
    Data = 3,
    /// Its subject is not there, or not a canonical reference.
    Subject = 4,
    /// It names neither an entity nor an item.
    Nameless = 5,
    /// Its fingerprint is none.
    Fingerprint = 6,
    /// Its document can't be read, or has no reference.
    Document = 7,
    /// Its subject is not the reference of its document.
    OtherSubject = 8,
    /// Its document refers to what can't be referred to.
    Relations = 9,
    /// The kinds of a policy can't be read.
    Policy = 10,
    /// There is no number left for what it names.
    Full = 11,
    /// Something of it was erased, and what is left can't be read or is not what stood there.
    Residue = 12,
}

impl Why {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Self; 12] = [
        Self::NotARecord,
        Self::Foreign,
        Self::Data,
        Self::Subject,
        Self::Nameless,
        Self::Fingerprint,
        Self::Document,
        Self::OtherSubject,
        Self::Relations,
        Self::Policy,
        Self::Full,
        Self::Residue,
    ];
}

impl From<Why> for u8 {
    fn from(why: Why) -> Self {
        why as Self
    }
}

impl TryFrom<u8> for Why {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        Self::ALL.into_iter().find(|why| *why as u8 == number).ok_or("not a reason")
    }
}
