//! What the log's identity key says: keys, statements that are signed as they must be, and the
//! first of them that disagrees with what was folded.
//!
//! Whether something is signed is looked at by whoever writes it here (`crates/processor`).

use event::{Event, Offset, vocabulary::LogAttested};
use fold::{Change, Key};

use crate::keys::{KeyBytes, KeyReader, Table};
use crate::{Commit, Error, Reader};

/// A key of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The record that says so.
    pub offset: Offset,
    /// The verifier key, as signed notes have it.
    pub key: String,
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// Its record.
    pub record: Offset,
    /// Whether it says what was folded; nothing where something of the records that it speaks of
    /// was erased after it was signed, and can be folded as it was no more.
    pub agrees: Option<bool>,
    /// What it says.
    pub statement: LogAttested,
}

/// A statement that disagrees with what was folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispute {
    /// Its record.
    pub record: Offset,
    /// In what, in words.
    pub why: String,
}

/// The first byte of rows.
const FORM: u8 = 1;

pub(crate) fn read_identity(key: &[u8], row: &[u8]) -> Option<Identity> {
    let offset = KeyReader::new(Table::Identity, key)?.u64()?;
    Some(Identity { offset, key: String::from_utf8(row.to_vec()).ok()? })
}

pub(crate) fn read_attestation(key: &[u8], row: &[u8]) -> Option<Attestation> {
    let record = KeyReader::new(Table::Attestation, key)?.u64()?;
    let [FORM, agrees, data @ ..] = row else { return None };
    let statement = serde_json::from_slice(data).ok()?;
    let agrees = match agrees {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    };
    Some(Attestation { record, agrees, statement })
}

pub(crate) fn read_dispute(row: &[u8]) -> Option<Dispute> {
    let (record, why) = row.split_first_chunk()?;
    let why = String::from_utf8(why.to_vec()).ok()?;
    Some(Dispute { record: Offset::from_be_bytes(*record), why })
}

impl Commit<'_> {
    /// Takes in that the log has another key from a record on.
    pub fn identity(&mut self, offset: Offset, key: &str) {
        self.rows.put(Table::Identity, KeyBytes::new(Table::Identity).u64(offset), key);
    }

    /// Takes in a statement that is signed as it must be.
    pub fn attested(&mut self, offset: Offset, agrees: Option<bool>, statement: &LogAttested) {
        let mut row = vec![FORM, agrees.map_or(2, u8::from)];
        row.extend_from_slice(&Event::LogAttested(statement.clone()).to_data());
        self.rows.put(Table::Attestation, KeyBytes::new(Table::Attestation).u64(offset), row);
    }

    /// Takes in that a statement disagrees with what was folded, the first that does.
    pub fn dispute(&mut self, dispute: &Dispute) {
        let mut row = dispute.record.to_be_bytes().to_vec();
        row.extend_from_slice(dispute.why.as_bytes());
        self.rows.put(Table::Dispute, KeyBytes::new(Table::Dispute), row);
    }
}

/// What the log's key says, up to the position that is seen.
impl Reader {
    /// The name of the log in its checkpoints.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn origin(&self) -> Result<Option<String>, Error> {
        match self.row(&Key::Log(()))? {
            Change::Log((), Some(log)) => Ok(Some(log.origin.to_string())),
            _ => Ok(None),
        }
    }

    /// The version of the rules in force.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn rules(&self) -> Result<u32, Error> {
        match self.row(&Key::Rules(()))? {
            Change::Rules((), Some(rules)) => Ok(rules.version),
            _ => Ok(0),
        }
    }

    /// The keys of the log, in the order in which each took over from the one before.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn identities(&self) -> Result<Vec<Identity>, Error> {
        let mut found = Vec::new();
        let all = KeyBytes::new(Table::Identity);
        self.snapshot().prefix(Table::Identity, &all).each(|key, row| {
            let damaged = Error::Damaged { table: "Identity" };
            found.push(read_identity(key, row).ok_or(damaged)?);
            Ok(true)
        })?;
        found.retain(|identity| identity.offset < self.tree_size());
        Ok(found)
    }

    /// Statements whose records stand before an offset, newest first.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn attestations(&self, before: Offset, at_most: usize) -> Result<Vec<Attestation>, Error> {
        let end = KeyBytes::new(Table::Attestation).u64(before.min(self.tree_size()));
        let from = KeyBytes::new(Table::Attestation);
        let mut found = Vec::new();
        if at_most == 0 {
            return Ok(found);
        }
        self.snapshot().range_back(Table::Attestation, &from.0, &end.0).each(|key, row| {
            let damaged = Error::Damaged { table: "Attestation" };
            found.push(read_attestation(key, row).ok_or(damaged)?);
            Ok(found.len() < at_most)
        })?;
        Ok(found)
    }

    /// The first statement about a tree of a size.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn attestation_of(&self, size: u64) -> Result<Option<Attestation>, Error> {
        // Its record stands behind the last one that it speaks of; those behind speak of no less.
        let from = KeyBytes::new(Table::Attestation).u64(size);
        let end = KeyBytes::new(Table::Attestation).u64(self.tree_size());
        let mut found = None;
        if size >= self.tree_size() {
            return Ok(found);
        }
        self.snapshot().range(Table::Attestation, &from.0, &end.0).each(|key, row| {
            let damaged = Error::Damaged { table: "Attestation" };
            let attestation = read_attestation(key, row).ok_or(damaged)?;
            let is_it = attestation.statement.offset.checked_add(1) == Some(size);
            let goes_on = attestation.statement.offset < size;
            found = is_it.then_some(attestation);
            Ok(!is_it && goes_on)
        })?;
        Ok(found)
    }

    /// The newest statement.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn newest_attestation(&self) -> Result<Option<Attestation>, Error> {
        Ok(self.attestations(Offset::MAX, 1)?.pop())
    }

    /// The first statement that disagrees with what was folded.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn dispute(&self) -> Result<Option<Dispute>, Error> {
        let row = self.snapshot().get(Table::Dispute, &KeyBytes::new(Table::Dispute))?;
        let read =
            |row: bytes::Bytes| read_dispute(&row).ok_or(Error::Damaged { table: "Dispute" });
        row.map(read).transpose()
    }
}
