//! The folders of indexes: `data/search/<number>`. The one with the highest number that was built
//! to its end answers; what it holds is said by the payload of its last commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use event::{LogId, Offset};
use serde::{Deserialize, Serialize};
use tantivy::indexer::LogMergePolicy;
use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy, TantivyError};

use crate::Error;
use crate::schema::{Fields, VERSION};

/// Memory for documents that are not yet in a segment, in bytes.
const WRITER_BYTES: usize = 48 * 1024 * 1024;

/// A segment of which so much is deleted is merged.
const DELETED_RATIO_MAX: f32 = 0.3;

/// What a commit says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Payload {
    pub(crate) version: u32,
    pub(crate) log: u64,
    pub(crate) offset: Offset,
}

/// An index that is written.
pub(crate) struct Opened {
    pub(crate) path: PathBuf,
    pub(crate) number: u64,
    pub(crate) fields: Fields,
    pub(crate) writer: IndexWriter,
    pub(crate) reader: IndexReader,
}

impl Opened {
    /// Makes an index in a new folder.
    pub(crate) fn create(root: &Path) -> Result<Self, Error> {
        let number = numbers(root)?.last().map_or(1, |last| last + 1);
        let path = root.join(number.to_string());
        std::fs::create_dir_all(&path).map_err(|source| Error::Io {
            path: path.clone(),
            step: "be made",
            source,
        })?;
        let (schema, fields) = Fields::new();
        let index = Index::create_in_dir(&path, schema);
        Self::of(&path, number, fields, index)
    }

    fn of(
        path: &Path,
        number: u64,
        fields: Fields,
        index: Result<Index, TantivyError>,
    ) -> Result<Self, Error> {
        let error = |step| {
            let path = path.to_owned();
            move |source| Error::Index { path, step, source }
        };
        let index = index.map_err(error("be opened"))?;
        let writer: IndexWriter =
            index.writer_with_num_threads(1, WRITER_BYTES).map_err(error("be written"))?;
        let mut merging = LogMergePolicy::default();
        merging.set_del_docs_ratio_before_merge(DELETED_RATIO_MAX);
        writer.set_merge_policy(Box::new(merging));
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into();
        let reader = reader.map_err(error("be read"))?;
        Ok(Self { path: path.to_owned(), number, fields, writer, reader })
    }

    /// Makes durable what was written, up to a record.
    pub(crate) fn commit(&mut self, log: LogId, offset: Offset) -> Result<(), Error> {
        let payload = Payload { version: VERSION, log: log.bits(), offset };
        let error = |source| Error::Index { path: self.path.clone(), step: "be written", source };
        let mut commit = self.writer.prepare_commit().map_err(error)?;
        // A few numbers as JSON can always be written.
        commit.set_payload(&serde_json::to_string(&payload).unwrap_or_default());
        commit.commit().map_err(error)?;
        self.reader.reload().map_err(error)
    }
}

/// Opens the newest index that can be used, with what it holds.
pub(crate) fn open(root: &Path, log: LogId, offset: Offset) -> Option<(Opened, Payload)> {
    for number in numbers(root).unwrap_or_default().into_iter().rev() {
        let path = root.join(number.to_string());
        // Files that are not what was written can lead to anything.
        let opened = catch_unwind(AssertUnwindSafe(|| open_one(&path, number, log, offset)));
        match opened {
            Ok(Ok(opened)) => return Some(opened),
            Ok(Err(why)) => {
                tracing::warn!(path = %path.display(), why, "a search index is not used");
            }
            Err(_) => {
                tracing::warn!(path = %path.display(), "opening a search index broke off");
            }
        }
    }
    None
}

fn open_one(
    path: &Path,
    number: u64,
    log: LogId,
    offset: Offset,
) -> Result<(Opened, Payload), String> {
    let (schema, fields) = Fields::new();
    let index = Index::open_in_dir(path).map_err(|error| error.to_string())?;
    if index.schema() != schema {
        return Err("it is of another version".to_owned());
    }
    let meta = index.load_metas().map_err(|error| error.to_string())?;
    let payload = meta.payload.unwrap_or_default();
    let payload: Payload =
        serde_json::from_str(&payload).map_err(|_| "it was not built to its end".to_owned())?;
    if payload.version != VERSION {
        return Err("it is of another version".to_owned());
    }
    if payload.log != log.bits() {
        return Err("it is of another log".to_owned());
    }
    if payload.offset > offset {
        return Err("it is ahead of the views".to_owned());
    }
    let damaged = index.validate_checksum().map_err(|error| error.to_string())?;
    if let Some(file) = damaged.iter().next() {
        return Err(format!("its file {} is damaged", file.display()));
    }
    let opened = Opened::of(path, number, fields, Ok(index)).map_err(|error| error.to_string())?;
    Ok((opened, payload))
}

/// Removes the indexes that are not used any more.
pub(crate) fn remove_others(root: &Path, number: u64) {
    for other in numbers(root).unwrap_or_default().into_iter().filter(|other| *other != number) {
        let path = root.join(other.to_string());
        if let Err(error) = std::fs::remove_dir_all(&path) {
            tracing::warn!(path = %path.display(), %error, "an old search index can't be removed");
        }
    }
}

/// The numbers of the indexes, in order.
pub(crate) fn numbers(root: &Path) -> Result<Vec<u64>, Error> {
    let error = |source| Error::Io { path: root.to_owned(), step: "be read", source };
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(root).map_err(error)? {
        let name = entry.map_err(error)?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}
