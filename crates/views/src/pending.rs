//! The rows of a batch before it is written.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use rocksdb::WriteBatch;

use crate::keys::{Family, KeyBytes, Table};
use crate::store::Store;

/// What a row takes in a batch beside its key and value, in bytes, at the most.
const FRAMING_BYTES: usize = 12;

/// Rows that a batch writes: the last word on a key counts, and they are written in the order of
/// their keys, which RocksDB takes fastest.
#[derive(Default)]
pub(crate) struct Rows {
    /// Small tables, of which every record writes the same few rows.
    sundry: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// All others, by column family, sorted when they are read.
    entries: [Vec<Entry>; Family::ALL.len()],
    /// Whether those of a column family are.
    sorted: [bool; Family::ALL.len()],
    /// Their keys and values, one behind the other.
    bytes: Vec<u8>,
}

/// A row that stands in the memory of all.
#[derive(Clone, Copy)]
struct Entry {
    /// How its key begins, where most comparisons end.
    begins: u128,
    start: usize,
    key_len: usize,
    /// `None` takes it away.
    row_len: Option<usize>,
}

impl Entry {
    fn key(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start..self.start + self.key_len]
    }

    fn row(self, bytes: &[u8]) -> Option<&[u8]> {
        let start = self.start + self.key_len;
        self.row_len.map(|length| &bytes[start..start + length])
    }

    fn compare(&self, other: &Self, bytes: &[u8]) -> Ordering {
        let begins = self.begins.cmp(&other.begins);
        begins.then_with(|| self.key(bytes).cmp(other.key(bytes)))
    }
}

impl Rows {
    pub(crate) fn put(&mut self, table: Table, key: impl AsRef<[u8]>, row: impl AsRef<[u8]>) {
        self.add(table, key.as_ref(), Some(row.as_ref()));
    }

    pub(crate) fn delete(&mut self, table: Table, key: impl AsRef<[u8]>) {
        self.add(table, key.as_ref(), None);
    }

    /// What the batch so far says of a row of a small table: that it is there, or not, if anything.
    pub(crate) fn is_there(&self, key: &KeyBytes) -> Option<bool> {
        self.sundry.get(&key.0).map(Option::is_some)
    }

    fn add(&mut self, table: Table, key: &[u8], row: Option<&[u8]>) {
        if table.family() == Family::Sundry {
            self.sundry.insert(key.to_vec(), row.map(<[u8]>::to_vec));
            return;
        }
        let start = self.bytes.len();
        let mut begins = [0; 16];
        let shown = key.len().min(begins.len());
        begins[..shown].copy_from_slice(&key[..shown]);
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(row.unwrap_or_default());
        let begins = u128::from_be_bytes(begins);
        let row_len = row.map(<[u8]>::len);
        let entry = Entry { begins, start, key_len: key.len(), row_len };
        self.entries[table.family() as usize].push(entry);
        self.sorted[table.family() as usize] = false;
    }

    /// Sorts the rows of a column family; of one key, the last word comes last.
    fn sort(&mut self, family: Family) {
        let Self { entries, sorted, bytes, .. } = self;
        if !std::mem::replace(&mut sorted[family as usize], true) {
            entries[family as usize].sort_by(|a, b| a.compare(b, bytes));
        }
    }

    /// What the batch so far says about the keys that begin so: that a row is there, or is not.
    /// What was said before on the same key, is told before.
    pub(crate) fn each_pending(
        &mut self,
        table: Table,
        prefix: &KeyBytes,
        mut visit: impl FnMut(&[u8], bool),
    ) {
        self.sort(table.family());
        let (entries, bytes) = (&self.entries[table.family() as usize], &self.bytes);
        let from = entries.partition_point(|entry| entry.key(bytes) < prefix.0.as_slice());
        for entry in &entries[from..] {
            if !entry.key(bytes).starts_with(&prefix.0) {
                break;
            }
            visit(entry.key(bytes), entry.row_len.is_some());
        }
    }

    /// The batch of all rows, after which there are none.
    pub(crate) fn take_batch(&mut self, store: &Store) -> WriteBatch {
        let count: usize = self.entries.iter().map(Vec::len).sum();
        let mut batch =
            WriteBatch::with_capacity_bytes(self.bytes.len() + count * FRAMING_BYTES + 4096);
        let sundry = store.column_family(Family::Sundry);
        for (key, row) in std::mem::take(&mut self.sundry) {
            match row {
                Some(row) => batch.put_cf(sundry, key, row),
                None => batch.delete_cf(sundry, key),
            }
        }
        for of in Family::ALL {
            self.sort(of);
            let (entries, bytes) = (&self.entries[of as usize], &self.bytes);
            let family = store.column_family(of);
            for (at, entry) in entries.iter().enumerate() {
                let key = entry.key(bytes);
                if entries.get(at + 1).is_some_and(|next| next.key(bytes) == key) {
                    continue;
                }
                match entry.row(bytes) {
                    Some(row) => batch.put_cf(family, key, row),
                    None => batch.delete_cf(family, key),
                }
            }
            self.entries[of as usize].clear();
        }
        self.bytes.clear();
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_on_a_key_counts() {
        let mut rows = Rows::default();
        let key = |text: &str| KeyBytes::new(Table::Cold).raw(text.as_bytes());
        let long = "a key that begins as another one does: ";
        rows.put(Table::Cold, key(&format!("{long}2")), b"x");
        rows.put(Table::Cold, key(&format!("{long}1")), b"x");
        rows.delete(Table::Cold, key(&format!("{long}2")));
        rows.put(Table::Cold, key("a"), b"x");
        rows.put(Table::Cold, key("b"), b"x");
        let mut seen = Vec::new();
        rows.each_pending(Table::Cold, &key("a"), |key, there| {
            seen.push((String::from_utf8_lossy(&key[1..]).into_owned(), there));
        });
        let expected = [
            ("a".into(), true),
            (format!("{long}1"), true),
            (format!("{long}2"), true),
            (format!("{long}2"), false),
        ];
        assert_eq!(seen, expected);
        rows.put(Table::Cold, key(&format!("{long}2")), b"y");
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), 0).unwrap();
        store.write(rows.take_batch(&store)).unwrap();
        let row = store.get(Table::Cold, &key(&format!("{long}2"))).unwrap();
        assert_eq!(row.as_deref(), Some(&b"y"[..]));
    }
}
