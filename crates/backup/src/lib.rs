//! A folder of backups, which is added to: what a backup has in common with an earlier one is
//! stored once.
//!
//! ```text
//! <database>/          RocksDB's own backups, numbered by it; each file once, with its checksum
//! <files>/             files that never change once they are written, each once
//! <number>.json        a backup: which of all these belong to it. Written last: what was
//!                      interrupted is no backup
//! ```
//!
//! What is absent: what the databases hold. Whoever asks decides in which order they are taken, so
//! that what is made of another is never ahead of it.
//!
//! Invariant: a backup that is listed can be restored; an interrupted one leaves the others whole.

mod databases;
mod error;
mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rocksdb::DB;
use serde::{Deserialize, Serialize};

pub use error::Error;

/// The form of manifests.
const FORM: u32 = 1;

/// A folder of backups.
#[derive(Clone, Debug)]
pub struct Backups {
    folder: PathBuf,
}

/// One backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    form: u32,
    /// Its number.
    pub number: u64,
    /// What it is of, in the words of whoever made it.
    pub about: BTreeMap<String, String>,
    /// By the database's name, its number among RocksDB's backups.
    databases: BTreeMap<String, u32>,
    /// By the name of the folder, its files.
    files: BTreeMap<String, Vec<PathBuf>>,
    /// By the name of the folder, files of this backup alone.
    texts: BTreeMap<String, BTreeMap<String, String>>,
}

/// A backup that is being made.
pub struct Making<'a> {
    backups: &'a Backups,
    manifest: Manifest,
}

impl Backups {
    /// The backups in a folder, which is made with the first.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The backups that there are, oldest first.
    ///
    /// # Errors
    /// When the folder can't be read, or holds what a later version wrote.
    pub fn list(&self) -> Result<Vec<Manifest>, Error> {
        let mut found = Vec::new();
        for name in files::names(&self.folder)? {
            let number = name.strip_suffix(".json").and_then(|name| name.parse::<u64>().ok());
            if number.is_none() {
                continue;
            }
            let path = self.folder.join(&name);
            let text = std::fs::read(&path).map_err(Error::io("be read", &path))?;
            let read = serde_json::from_slice::<Manifest>(&text);
            let manifest = read.map_err(|source| Error::Manifest { path: path.clone(), source })?;
            if manifest.form > FORM {
                return Err(Error::Newer { path, form: manifest.form });
            }
            found.push(manifest);
        }
        found.sort_by_key(|manifest| manifest.number);
        Ok(found)
    }

    /// Begins another backup.
    ///
    /// # Errors
    /// When the folder can't be made or read.
    pub fn begin(&self) -> Result<Making<'_>, Error> {
        std::fs::create_dir_all(&self.folder).map_err(Error::io("be made", &self.folder))?;
        let number = self.list()?.last().map_or(1, |last| last.number + 1);
        let manifest = Manifest {
            form: FORM,
            number,
            about: BTreeMap::new(),
            databases: BTreeMap::new(),
            files: BTreeMap::new(),
            texts: BTreeMap::new(),
        };
        Ok(Making { backups: self, manifest })
    }

    /// Forgets all but the newest backups, and what only they had.
    ///
    /// # Errors
    /// When something can't be removed.
    pub fn keep(&self, at_most: usize) -> Result<(), Error> {
        let mut all = self.list()?;
        let names: BTreeSet<String> =
            all.iter().flat_map(|manifest| manifest.databases.keys().cloned()).collect();
        let old = all.len().saturating_sub(at_most.max(1));
        for manifest in all.drain(..old) {
            let path = self.folder.join(format!("{}.json", manifest.number));
            std::fs::remove_file(&path).map_err(Error::io("be removed", &path))?;
        }
        for name in &names {
            let needed = all.iter().filter_map(|manifest| manifest.databases.get(name).copied());
            databases::keep(&self.folder.join(name), &needed.collect())?;
        }
        let mut needed: BTreeMap<&str, BTreeSet<&Path>> = BTreeMap::new();
        for (name, files) in all.iter().flat_map(|manifest| &manifest.files) {
            needed.entry(name).or_default().extend(files.iter().map(PathBuf::as_path));
        }
        for (name, needed) in needed {
            files::keep(&self.folder.join(name), &needed)?;
        }
        Ok(())
    }

    /// Puts what a backup holds into a folder.
    ///
    /// # Errors
    /// When it can't be read, is damaged, or can't be written there.
    pub fn restore(&self, manifest: &Manifest, to: &Path) -> Result<(), Error> {
        for (name, number) in &manifest.databases {
            databases::restore(&self.folder.join(name), *number, &to.join(name))?;
        }
        for (name, files) in &manifest.files {
            files::restore(&self.folder.join(name), files, &to.join(name))?;
        }
        for (name, texts) in &manifest.texts {
            for (file, text) in texts {
                files::write(&to.join(name).join(file), text)?;
            }
        }
        Ok(())
    }
}

impl Manifest {
    /// Whether it holds a database.
    #[must_use]
    pub fn has(&self, database: &str) -> bool {
        self.databases.contains_key(database)
    }
}

impl Making<'_> {
    /// Says what the backup is of.
    pub fn about(&mut self, key: &str, value: String) {
        self.manifest.about.insert(key.to_owned(), value);
    }

    /// Takes a database as it is now.
    ///
    /// # Errors
    /// When it can't be read or written.
    pub fn database(&mut self, name: &str, db: &DB) -> Result<(), Error> {
        let number = databases::add(&self.backups.folder.join(name), db)?;
        self.manifest.databases.insert(name.to_owned(), number);
        Ok(())
    }

    /// Takes files that never change, by their paths in a folder, and texts that stand beside them
    /// in this backup alone.
    ///
    /// # Errors
    /// When one can't be read or written.
    pub fn files(
        &mut self,
        name: &str,
        from: &Path,
        files: Vec<PathBuf>,
        texts: BTreeMap<String, String>,
    ) -> Result<(), Error> {
        files::add(from, &files, &self.backups.folder.join(name))?;
        self.manifest.files.insert(name.to_owned(), files);
        self.manifest.texts.insert(name.to_owned(), texts);
        Ok(())
    }

    /// Leaves files out after all.
    pub fn without_files(&mut self, name: &str) {
        self.manifest.files.remove(name);
        self.manifest.texts.remove(name);
    }

    /// Lists the backup among the others; gives its number.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn finish(self) -> Result<Manifest, Error> {
        let path = self.backups.folder.join(format!("{}.json", self.manifest.number));
        // Numbers and texts can always be written.
        let text = serde_json::to_string_pretty(&self.manifest).unwrap_or_default();
        files::write(&path, &text)?;
        Ok(self.manifest)
    }
}

#[cfg(test)]
mod tests {
    use rocksdb::Options;

    use super::*;

    fn database(folder: &Path) -> DB {
        let mut options = Options::default();
        options.create_if_missing(true);
        DB::open(&options, folder).expect("a database")
    }

    fn files_below(folder: &Path) -> usize {
        let entries = std::fs::read_dir(folder).expect("a folder");
        entries
            .map(|entry| entry.expect("an entry").path())
            .map(|path| if path.is_dir() { files_below(&path) } else { 1 })
            .sum()
    }

    #[test]
    fn each_backup_is_what_was_there_and_stores_only_what_is_new() {
        let folder = tempfile::tempdir().expect("a folder");
        let (live, kept) = (folder.path().join("live"), folder.path().join("kept"));
        std::fs::create_dir_all(live.join("files/sub")).expect("a folder");
        let db = database(&live.join("db"));
        let backups = Backups::of(&kept);
        assert_eq!(backups.list().expect("none"), []);
        for round in ["one", "two", "three"] {
            db.put("key", round).expect("a write");
            std::fs::write(live.join("files/sub").join(round), round).expect("a file");
            let mut making = backups.begin().expect("a backup");
            making.about("round", round.into());
            making.database("db", &db).expect("the database");
            let names = files::names(&live.join("files/sub")).expect("files").into_iter();
            let names: Vec<PathBuf> = names.map(|name| Path::new("sub").join(name)).collect();
            let texts = BTreeMap::from([("meta".to_owned(), round.to_owned())]);
            making.files("files", &live.join("files"), names, texts).expect("the files");
            making.finish().expect("a manifest");
        }
        // What was interrupted is none, and its number is given again.
        let mut interrupted = backups.begin().expect("a backup");
        interrupted.database("db", &db).expect("the database");
        drop(interrupted);
        let all = backups.list().expect("three");
        assert_eq!(all.iter().map(|one| one.number).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(files_below(&kept.join("files")), 3, "each file once");
        backups.keep(2).expect("the oldest goes");
        let all = backups.list().expect("two");
        assert_eq!(all.iter().map(|one| one.number).collect::<Vec<_>>(), [2, 3]);
        for manifest in &all {
            let to = folder.path().join(format!("restored-{}", manifest.number));
            backups.restore(manifest, &to).expect("what it was");
            let round = &manifest.about["round"];
            let value = database(&to.join("db")).get("key").expect("a read");
            assert_eq!(value.as_deref(), Some(round.as_bytes()));
            let read = |path: &str| std::fs::read_to_string(to.join(path)).expect("a file");
            assert_eq!(&read("files/meta"), round);
            assert_eq!(read("files/sub/one"), "one");
            assert!(round == "three" || !to.join("files/sub/three").exists());
        }
    }

    #[test]
    fn a_damaged_backup_is_not_restored() {
        let folder = tempfile::tempdir().expect("a folder");
        let db = database(&folder.path().join("live"));
        db.put("key", "value".repeat(1000)).expect("a write");
        let backups = Backups::of(&folder.path().join("kept"));
        let mut making = backups.begin().expect("a backup");
        making.database("db", &db).expect("the database");
        let manifest = making.finish().expect("a manifest");
        let shared = folder.path().join("kept/db/shared_checksum");
        let table = std::fs::read_dir(shared).expect("tables").next().expect("one");
        let table = table.expect("one").path();
        let mut bytes = std::fs::read(&table).expect("a table");
        bytes[10] ^= 1;
        std::fs::write(&table, bytes).expect("a damage");
        let error = backups.restore(&manifest, &folder.path().join("to")).expect_err("damage");
        let source = std::error::Error::source(&error).expect("a source").to_string();
        assert!(source.contains("checksum"), "{source}");
    }
}
