//! Records of which something was erased, and the records that say so.

use event::Offset;
use proof::Hash;

use crate::keys::{KeyBytes, KeyReader, Table};
use crate::pending::Rows;
use crate::{Commit, Error, Reader};

/// A record of which something was erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErasedRow {
    /// Where it stands.
    pub offset: Offset,
    /// The SHA-256 of what is left of it.
    pub residue: Hash,
    /// The `log.erased` that says so, once one was folded.
    pub by: Option<Offset>,
}

fn read_row(key: &[u8], row: &[u8]) -> Result<ErasedRow, Error> {
    read_erased(key, row).ok_or(Error::Damaged { table: "Erased" })
}

pub(crate) fn read_erased(key: &[u8], row: &[u8]) -> Option<ErasedRow> {
    let offset = KeyReader::new(Table::Erased, key)?.u64()?;
    let (residue, by) = row.split_first_chunk()?;
    let by = if by.is_empty() { None } else { Some(Offset::from_be_bytes(by.try_into().ok()?)) };
    Some(ErasedRow { offset, residue: *residue, by })
}

/// Writes that something of a record was erased, and that nothing says so yet.
pub(crate) fn note(rows: &mut Rows, offset: Offset, residue: Hash) {
    rows.put(Table::Erased, KeyBytes::new(Table::Erased).u64(offset), residue);
    rows.put(Table::Unexplained, KeyBytes::new(Table::Unexplained).u64(offset), []);
}

impl Commit<'_> {
    /// Takes in that a record says of another one that something of it was erased.
    pub fn explained(&mut self, erased: ErasedRow) {
        let mut row = erased.residue.to_vec();
        row.extend(erased.by.map(Offset::to_be_bytes).into_iter().flatten());
        let offset = erased.offset;
        self.rows.put(Table::Erased, KeyBytes::new(Table::Erased).u64(offset), row);
        self.rows.delete(Table::Unexplained, KeyBytes::new(Table::Unexplained).u64(offset));
    }
}

impl Reader {
    /// What is known of the erasure of a record; nothing where it was folded as it was written.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn erased(&self, offset: Offset) -> Result<Option<ErasedRow>, Error> {
        let key = KeyBytes::new(Table::Erased).u64(offset);
        let row = self.snapshot().get(Table::Erased, &key)?;
        row.map(|row| read_row(&key.0, &row)).transpose()
    }

    /// Hands out all records of which something was erased, by ascending offset.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn each_erased(&self, mut take: impl FnMut(ErasedRow)) -> Result<(), Error> {
        let all = KeyBytes::new(Table::Erased);
        self.snapshot().prefix(Table::Erased, &all).each(|key, row| {
            let row = read_row(key, row)?;
            if row.offset < self.tree_size() {
                take(row);
            }
            Ok(true)
        })
    }

    /// The first record of which something was erased without a record that says so, up to here.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn first_unexplained(&self) -> Result<Option<Offset>, Error> {
        let all = KeyBytes::new(Table::Unexplained);
        let mut found = None;
        self.snapshot().prefix(Table::Unexplained, &all).each(|key, _| {
            let offset = KeyReader::new(Table::Unexplained, key).and_then(|mut key| key.u64());
            found = Some(offset.ok_or(Error::Damaged { table: "Unexplained" })?);
            Ok(false)
        })?;
        Ok(found)
    }
}
