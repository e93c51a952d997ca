//! What was erased, and whether the log says so.

use anyhow::Result;
use event::vocabulary::LogErased;
use event::{Body, Content, Event, Offset, Residue};
use views::{ErasedRow, Reader};

/// What the records say of erasures.
#[derive(Default)]
pub(super) struct Erasures {
    /// Which record says what.
    words: Vec<(Offset, LogErased)>,
    /// How many records something was erased of.
    pub(super) records: u64,
    /// Each of them, once the records are folded anew.
    rows: Vec<ErasedRow>,
}

impl Erasures {
    /// Looks at a record; gives what is wrong with what is left of it.
    pub(super) fn take(&mut self, offset: Offset, content: &Content) -> Option<String> {
        let Ok(record) = content else { return None };
        if let Ok(Event::LogErased(words)) = Event::of(record) {
            self.words.push((offset, words));
        }
        let Body::Erased(erased) = &record.body else { return None };
        self.records += 1;
        // Of what was erased whole nothing is left, and nothing can be wrong with it.
        let left = (!erased.residue.is_empty()).then_some(&erased.residue)?;
        Residue::decode(left, erased.commitment).err().map(|error| error.to_string())
    }

    /// Compares with what was folded anew; gives what is wrong with which record.
    pub(super) fn compare(&mut self, reader: &Reader) -> Result<Vec<(Offset, String)>> {
        let mut wrong = Vec::new();
        reader.each_erased(|row| {
            if row.by.is_none() {
                let what = "something of it was erased, and no record says so, or says something \
                            else of what is left";
                wrong.push((row.offset, what.into()));
            }
            self.rows.push(row);
        })?;
        for (by, words) in &self.words {
            for record in &words.records {
                let offset = record.offset;
                if self.rows.binary_search_by_key(&offset, |row| row.offset).is_err() {
                    let what = format!(
                        "something of record {offset} is said to be erased, and all \
                                        of it is there"
                    );
                    wrong.push((*by, what));
                }
            }
        }
        Ok(wrong)
    }

    /// Whether something up to a record was erased after it, so that what was folded there can be
    /// reached no more.
    pub(super) fn changed(&self, last: Offset) -> bool {
        self.rows.iter().any(|row| row.offset <= last && row.by.is_none_or(|by| by > last))
    }
}
