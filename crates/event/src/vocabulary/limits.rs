//! What texts of the vocabulary may hold, and how long they may be. The limits belong to the
//! types: another one makes a new version of a type.

use serde::{Deserialize, Deserializer};

/// The longest text that stands in keys of tables (an item, an aspect, a target, the id of an
/// activity, a cursor), in bytes.
pub const KEY_BYTES_MAX: usize = 1024;

/// The longest text for a person to read (why, a fault's message), in bytes.
pub const WORDS_BYTES_MAX: usize = 16 * 1024;

/// Whether a text can stand in keys: 1 to 1,024 bytes without NUL.
#[must_use]
pub fn is_key(text: &str) -> bool {
    !text.is_empty() && text.len() <= KEY_BYTES_MAX && !text.contains('\0')
}

fn is_words(text: &str) -> bool {
    text.len() <= WORDS_BYTES_MAX && !text.contains('\0')
}

fn checked<E: serde::de::Error>(text: String, fits: fn(&str) -> bool) -> Result<String, E> {
    if fits(&text) { Ok(text) } else { Err(E::custom("a text of another length, or with NUL")) }
}

pub(super) fn key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    checked(String::deserialize(deserializer)?, is_key)
}

pub(super) fn key_if_any<'de, D>(deserializer: D) -> Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| checked(text, is_key)).transpose()
}

pub(super) fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    checked(String::deserialize(deserializer)?, is_words)
}

pub(super) fn words_if_any<'de, D>(deserializer: D) -> Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| checked(text, is_words)).transpose()
}

/// The name of a class of errors.
pub(super) fn name<'de, D>(deserializer: D) -> Result<std::borrow::Cow<'static, str>, D::Error>
where
    D: Deserializer<'de>,
{
    key(deserializer).map(Into::into)
}
