//! How far the log is folded, and the digests there.

use event::{LogId, Offset, Position};
use fold::{RowError, Step};
use proof::{HistoryDigest, StateDigest};
use serde::{Deserialize, Serialize};

use crate::Error;

/// How far the log is folded: the row that every batch writes with its changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// Which log.
    pub log: LogId,
    /// The last record that was folded, or is being folded.
    pub offset: Offset,
    /// Where its next step goes on, if it is not done.
    pub step: Option<Step>,
    /// The RFC 6962 leaf hash of that record.
    pub leaf: [u8; 32],
    /// The version of the rules that were in force for it.
    pub rules: u32,
    /// The digest of the state after it.
    pub state: StateDigest,
    /// The digest of the history up to it.
    pub history: HistoryDigest,
}

#[derive(Serialize, Deserialize)]
struct Row {
    form: u8,
    log: u64,
    offset: Offset,
    step: Option<Step>,
    leaf: [u8; 32],
    rules: u32,
    history: [u8; 32],
}

const FORM: u8 = 1;

impl Applied {
    /// The position after the last record that is done.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { log: self.log, offset: self.offset }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let row = Row {
            form: FORM,
            log: self.log.bits(),
            offset: self.offset,
            step: self.step.clone(),
            leaf: self.leaf,
            rules: self.rules,
            history: self.history.0,
        };
        let mut bytes = postcard::to_allocvec(&row).unwrap_or_default();
        bytes.extend_from_slice(&self.state.to_bytes());
        bytes
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Error> {
        let damaged = || Error::Damaged { table: "Applied" };
        // The form stands first, in one byte, whatever follows.
        if let Some(&form) = bytes.first().filter(|&&form| form > FORM) {
            return Err(RowError::Newer { form }.into());
        }
        let (row, rest) = postcard::take_from_bytes::<Row>(bytes).map_err(|_| damaged())?;
        if row.form != FORM {
            return Err(damaged());
        }
        Ok(Self {
            log: LogId::new(row.log),
            offset: row.offset,
            step: row.step,
            leaf: row.leaf,
            rules: row.rules,
            state: StateDigest::from_bytes(rest).ok_or_else(damaged)?,
            history: HistoryDigest(row.history),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_row_is_told_from_a_damaged_one() {
        let newer = Applied::read(&[FORM + 1, 0xff]).err();
        assert!(matches!(newer, Some(Error::NewerRow(_))), "{newer:?}");
        let damaged = Applied::read(&[FORM, 0xff]).err();
        assert!(matches!(damaged, Some(Error::Damaged { .. })), "{damaged:?}");
    }
}
