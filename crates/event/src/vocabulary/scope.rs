//! Events about scopes: what a source lists in one piece.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::vocabulary::entity::SnapshotMark;
use crate::vocabulary::limits;

/// The name of a scope: `files/local/catalog/all.yaml`, `kubernetes/prod/payments`.
///
/// Scopes are the catalog's, not a node's: whichever node reads a scope gives it the same name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct ScopeName(Box<str>);

impl ScopeName {
    /// The longest name, in bytes.
    pub const BYTES_MAX: usize = 1024;

    /// A scope's name from its text: 1 to 1,024 bytes without control characters.
    ///
    /// # Errors
    /// When the text is not of that form.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let fits = !text.is_empty() && text.len() <= Self::BYTES_MAX;
        if fits && !text.chars().any(char::is_control) {
            Ok(Self(text.into()))
        } else {
            Err(NameError { found: text.chars().take(40).collect() })
        }
    }

    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that can't be a scope's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` can't be the name of a scope (1 to 1,024 bytes, no control characters)")]
pub struct NameError {
    /// What stood there, shortened.
    pub found: String,
}

impl fmt::Display for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScopeName({self})")
    }
}

impl<'de> Deserialize<'de> for ScopeName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// A scope was looked at, whole, and the log agrees with it. Ends every snapshot that appended
/// something, and is appended now and again (daily at most) where nothing changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScopeVerified {
    /// Which scope.
    pub scope: ScopeName,
    /// The snapshot that this ends, and, where nothing was appended before it, also begins.
    pub snapshot: SnapshotMark,
    /// How many documents it held.
    pub seen: u64,
    /// How many of them were refused.
    pub refused: u64,
    /// BLAKE3, in lower-case hexadecimal, over the sorted references and content hashes of the
    /// documents that were not refused.
    #[serde(deserialize_with = "limits::key")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^\u0000]*$"))]
    pub digest: String,
}

/// A scope is no more: its source, file or target went, or nobody wants it. All that it claimed
/// is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScopeRetired {
    /// Which scope.
    pub scope: ScopeName,
    /// Why, in words.
    #[serde(
        default,
        deserialize_with = "limits::words_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(max = 16384), regex(pattern = r"^[^\u0000]*$"))]
    pub why: Option<String>,
}

/// A person let the next withdrawal of a scope pass the guard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WithdrawalApproved {
    /// Which scope.
    pub scope: ScopeName,
    /// How many entities may go at the most.
    pub at_most: u64,
}
