//! Changing what is stored behind the program's back.

use std::ops::RangeInclusive;
use std::path::Path;

use rocksdb::{DB, IteratorMode, Options};

/// Opens a database of a data folder as it is.
fn open(folder: &Path) -> (DB, Vec<String>) {
    let options = Options::default();
    let families = DB::list_cf(&options, folder).unwrap();
    let db = DB::open_cf(&options, folder, &families).unwrap();
    (db, families)
}

/// Changes a value; says how it is, by its column family, key and value.
fn change(folder: &Path, which: impl Fn(&str, &[u8], &[u8]) -> Option<Vec<u8>>) {
    let (db, families) = open(folder);
    for name in &families {
        let family = db.cf_handle(name).unwrap();
        for row in db.iterator_cf(family, IteratorMode::Start) {
            let (key, value) = row.unwrap();
            if let Some(changed) = which(name, &key, &value) {
                db.put_cf(family, &key, changed).unwrap();
                return;
            }
        }
    }
    panic!("nothing to change in {}", folder.display());
}

/// Makes the log of a data folder look as if a later version had written it.
pub fn make_log_newer(data: &Path) {
    change(&data.join("log"), |_, key, value| {
        (key == b"\x00format").then(|| vec![0xff; value.len()])
    });
}

/// Makes the views of a data folder look as if a later version had written them.
pub fn make_views_newer(data: &Path) {
    change(&data.join("views"), |family, key, value| {
        (family == "sundry" && key == [1]).then(|| vec![0xff; value.len()])
    });
}

/// Makes the views of a data folder look as if the first version had written them.
pub fn make_views_older(data: &Path) {
    change(&data.join("views"), |family, key, _| {
        (family == "sundry" && key == [1]).then(|| 1_u32.to_be_bytes().to_vec())
    });
}

/// Flips a bit of the first row of a column family that has any.
pub fn flip_a_bit(data: &Path, family: &str) {
    change(&data.join("views"), |name, _, value| {
        let mut value = value.to_vec();
        let last = value.last_mut()?;
        *last ^= 1;
        (name == family).then_some(value)
    });
}

/// Flips a bit of the first row of a table of a family of the views.
pub fn flip_a_bit_in(data: &Path, family: &str, table: u8) {
    change(&data.join("views"), |name, key, value| {
        let mut value = value.to_vec();
        let last = value.last_mut()?;
        *last ^= 1;
        (name == family && key.first() == Some(&table)).then_some(value)
    });
}

/// Makes all rows of a table of a family of the views empty.
pub fn empty_rows(data: &Path, family: &str, table: u8) {
    let (db, _) = open(&data.join("views"));
    let family = db.cf_handle(family).unwrap();
    let rows = db.prefix_iterator_cf(family, [table]).map(|row| row.unwrap().0);
    let keys: Vec<_> = rows.take_while(|key| key.first() == Some(&table)).collect();
    assert!(!keys.is_empty(), "there are no rows");
    keys.iter().for_each(|key| db.put_cf(family, key, []).unwrap());
}

/// Hands out all keys and values of a database of a data folder.
pub fn each_row(folder: &Path, mut take: impl FnMut(&[u8])) {
    let (db, families) = open(folder);
    for name in &families {
        let family = db.cf_handle(name).unwrap();
        for row in db.iterator_cf(family, IteratorMode::Start) {
            let (key, value) = row.unwrap();
            take(&key);
            take(&value);
        }
    }
}

/// Takes the rows of some tables out of the views of a data folder, by the first byte of their keys,
/// as if they had been made before there were such tables; gives how many there were.
pub fn without_tables(data: &Path, tables: RangeInclusive<u8>) -> usize {
    let (db, families) = open(&data.join("views"));
    let mut count = 0;
    for name in &families {
        let family = db.cf_handle(name).unwrap();
        for row in db.iterator_cf(family, IteratorMode::Start) {
            let (key, _) = row.unwrap();
            if key.first().is_some_and(|table| tables.contains(table)) {
                db.delete_cf(family, key).unwrap();
                count += 1;
            }
        }
    }
    count
}
