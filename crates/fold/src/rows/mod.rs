//! The rows of the catalog's state, and their bytes.
//!
//! A row is encoded as one byte for the version of its form and then [postcard] of its fields; a
//! document stands verbatim behind them. A form that changes gets a new version byte, and the old
//! one stays readable; digests go by meaning, so they stay as they are.
//!
//! [postcard]: https://postcard.jamesmunns.com/wire-format

mod about;
mod entity;
mod log;
mod scope;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use event::{Offset, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use about::{Activity, Aspect, Location, Subject, Wanted, Wanter};
pub(crate) use entity::Memo;
pub use entity::{Cause, ChangeKind, Claim, Edge, EntityFault, Standing, Version};
pub use log::{Counters, LogInfo, Policy, Quarantined, Rules};
pub use scope::{Approval, Condition, Item, Refusal, Scope, Source, Verified};

use crate::ids::EntityId;

/// The form in which rows are written.
const FORM: u8 = 1;

/// Why bytes are not a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// Written by a later version of Annals.
    #[error("a row is of form {form}, newer than form {FORM}")]
    Newer {
        /// The form's number.
        form: u8,
    },
    /// Not what a row of its table looks like.
    #[error("a row of `{table}` can't be read")]
    Malformed {
        /// Which table.
        table: &'static str,
    },
}

/// A row: its bytes, and back.
pub(crate) trait Row: Sized {
    const TABLE: &'static str;

    /// About how many bytes it has, and most often not more.
    fn size_hint(&self) -> usize {
        128
    }

    fn encode(&self, out: &mut Vec<u8>);

    fn decode(bytes: &Bytes) -> Result<Self, RowError>;
}

fn write<T: Serialize>(row: &T, out: &mut Vec<u8>) {
    out.push(FORM);
    if let Ok(written) = postcard::to_extend(row, std::mem::take(out)) {
        *out = written;
    } else {
        // Only a sequence of unknown length or a writer that fails could end here.
        debug_assert!(false, "a row that can't be encoded");
    }
}

fn read<T: DeserializeOwned>(bytes: &Bytes, table: &'static str) -> Result<(T, Bytes), RowError> {
    let malformed = RowError::Malformed { table };
    match bytes.first() {
        Some(&FORM) => {}
        Some(&form) if form > FORM => return Err(RowError::Newer { form }),
        _ => return Err(malformed),
    }
    let (row, rest) = postcard::take_from_bytes(&bytes[1..]).map_err(|_| malformed)?;
    Ok((row, bytes.slice_ref(rest)))
}

macro_rules! rows {
    ($($name:ident)*) => { $(
        impl Row for $name {
            const TABLE: &'static str = stringify!($name);

            fn encode(&self, out: &mut Vec<u8>) {
                write(self, out);
            }

            fn decode(bytes: &Bytes) -> Result<Self, RowError> {
                match read(bytes, Self::TABLE)? {
                    (row, rest) if rest.is_empty() => Ok(row),
                    _ => Err(RowError::Malformed { table: Self::TABLE }),
                }
            }
        }
    )* };
}

rows! { EntityId Offset Timestamp Claim Scope Source Refusal Aspect Activity Location Wanted LogInfo
Rules Counters Quarantined ScopeNameRow EntityRefRow }

/// Rows that are shared behind a pointer.
impl<T: Row> Row for Arc<T> {
    const TABLE: &'static str = T::TABLE;

    fn size_hint(&self) -> usize {
        (**self).size_hint()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }

    fn decode(bytes: &Bytes) -> Result<Self, RowError> {
        T::decode(bytes).map(Self::new)
    }
}

pub(crate) type ScopeNameRow = event::vocabulary::ScopeName;
pub(crate) type EntityRefRow = model::reference::EntityRef;
