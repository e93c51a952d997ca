//! The one who writes the index: it follows what the views say has changed.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use event::{LogId, Offset};
use fold::EntityId;
use serde_json::Value;
use tantivy::Term;
use views::{Reader, Views};

use crate::Error;
use crate::active::{Active, Search, State};
use crate::document::Document;
use crate::folder::{self, Opened};

/// A commit comes at the latest after so many documents, or so long after the first of them.
const COMMIT_DOCUMENTS: usize = 10_000;
const COMMIT_LATEST: Duration = Duration::from_secs(1);

/// When nothing more has come for so long, a commit does not wait for more.
const COMMIT_IDLE: Duration = Duration::from_millis(40);

/// How long one waits for the views before looking whether to stop.
const LOOK: Duration = Duration::from_millis(200);

/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// How often files are looked at that somebody could not read, at the most.
const LOOK_AT_FILES: Duration = Duration::from_secs(30);

/// How long folding goes before, at the most, while there is much of it to do; and how often that
/// is looked at.
const GIVE_WAY_MAX: Duration = Duration::from_secs(30);
const GIVE_WAY_LOOK: Duration = Duration::from_millis(50);

/// How many entities are read at once.
const AT_ONCE: usize = 256;

/// Waits until the views have folded a record that comes after one (any, where absent), at most so
/// long.
pub type Follow = Box<dyn Fn(Option<Offset>, Duration) + Send>;

/// Whether the views have much to fold, so that search does better to wait: it is not needed for
/// what is stored, and takes a third of the work.
pub type Busy = Box<dyn Fn() -> bool + Send>;

/// Writes the index.
pub struct Feed {
    root: PathBuf,
    views: Arc<Views>,
    search: Search,
    follow: Follow,
    busy: Busy,
}

/// An index that is written, and how far it is.
struct Writing {
    index: Opened,
    log: LogId,
    /// The last record whose changes are in it.
    fed: Offset,
    /// Documents since the last commit, and when the first of them came.
    documents: usize,
    first: Option<Instant>,
    /// Since when folding goes before.
    giving_way: Option<Instant>,
}

impl Feed {
    /// Keeps the indexes of views in a folder, for a search to answer from.
    #[must_use]
    pub fn new(root: PathBuf, views: Arc<Views>, search: Search, follow: Follow) -> Self {
        Self { root, views, search, follow, busy: Box::new(|| false) }
    }

    /// The same, giving way while the views have much to fold.
    #[must_use]
    pub fn giving_way(self, busy: Busy) -> Self {
        Self { busy, ..self }
    }

    /// Follows the views until it is told to stop, and commits then. Whatever goes wrong with an
    /// index, another one is built.
    pub fn run(&self) {
        let mut fresh = false;
        while !self.stopping() {
            match self.attempt(fresh) {
                Ok(()) => break,
                Err(error) => {
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(%error, source, "search stopped following; it begins anew");
                    self.search.is(State::Failed(error.to_string()));
                    fresh = true;
                    self.pause(AGAIN);
                }
            }
        }
        self.search.is(State::Stopped);
    }

    fn stopping(&self) -> bool {
        self.search.shared.stop.load(Ordering::Relaxed)
    }

    fn pause(&self, how_long: Duration) {
        let begun = Instant::now();
        while !self.stopping() && begun.elapsed() < how_long {
            std::thread::park_timeout(LOOK);
        }
    }

    /// Opens an index, or builds one, and follows until it is told to stop.
    fn attempt(&self, fresh: bool) -> Result<(), Error> {
        std::fs::create_dir_all(&self.root).map_err(|source| Error::Io {
            path: self.root.clone(),
            step: "be made",
            source,
        })?;
        let Some(reader) = self.first_reader() else { return Ok(()) };
        let position = reader.position();
        let opened =
            if fresh { None } else { folder::open(&self.root, position.log, position.offset) };
        let mut writing = match opened {
            Some((index, payload)) => {
                let (log, fed) = (position.log, payload.offset);
                let writing =
                    Writing { index, log, fed, documents: 0, first: None, giving_way: None };
                self.show(&writing);
                writing
            }
            None => match self.build(&reader)? {
                Some(writing) => writing,
                None => return Ok(()),
            },
        };
        drop(reader);
        folder::remove_others(&self.root, writing.index.number);
        self.search.is(State::Following);
        let mut looked = None;
        loop {
            if self.is_damaged(&writing, &mut looked) {
                match self.views.reader().map(|reader| self.build(&reader)).transpose()?.flatten() {
                    Some(built) => writing = built,
                    None => return Ok(()),
                }
                folder::remove_others(&self.root, writing.index.number);
                self.search.is(State::Following);
            }
            if self.stopping() {
                return self.commit(&mut writing);
            }
            self.follow_on(&mut writing)?;
        }
    }

    /// Whether files are not what was written, where somebody could not read the index. That alone
    /// proves nothing, and looking costs reading them, so it is done now and then.
    fn is_damaged(&self, writing: &Writing, looked: &mut Option<Instant>) -> bool {
        let soon = looked.is_some_and(|looked| looked.elapsed() < LOOK_AT_FILES);
        if soon || !self.search.shared.damaged.swap(false, Ordering::Relaxed) {
            return false;
        }
        *looked = Some(Instant::now());
        let index = writing.index.reader.searcher();
        let files = catch_unwind(AssertUnwindSafe(|| index.index().validate_checksum()));
        !matches!(files, Ok(Ok(damaged)) if damaged.is_empty())
    }

    /// What the views hold, once they hold anything.
    fn first_reader(&self) -> Option<Reader> {
        while !self.stopping() {
            if let Some(reader) = self.views.reader() {
                return Some(reader);
            }
            (self.follow)(None, LOOK);
        }
        None
    }

    /// Builds an index of all entities beside the one that answers; absent when it was stopped.
    fn build(&self, reader: &Reader) -> Result<Option<Writing>, Error> {
        let begun = Instant::now();
        let position = reader.position();
        let entities = reader.entities()?;
        let of = entities.len() as u64;
        let index = Opened::create(&self.root)?;
        let (log, fed) = (position.log, position.offset);
        let mut writing = Writing { index, log, fed, documents: 0, first: None, giving_way: None };
        for (number, ids) in entities.chunks(AT_ONCE).enumerate() {
            let done = (number * AT_ONCE) as u64;
            self.search.is(State::Building { done, of });
            if self.stopping() {
                return Ok(None);
            }
            writing.put(reader, ids, false)?;
        }
        self.commit(&mut writing)?;
        let seconds = begun.elapsed().as_secs_f32();
        tracing::info!(entities = of, seconds, "the search index is built");
        Ok(Some(writing))
    }

    /// Takes in what has changed, and commits when it is time.
    fn follow_on(&self, writing: &mut Writing) -> Result<(), Error> {
        if self.gives_way(writing) {
            std::thread::park_timeout(GIVE_WAY_LOOK);
            return Ok(());
        }
        let mut came = false;
        if let Some(reader) = self.views.reader().filter(|r| r.position().offset > writing.fed) {
            came = writing.take(&reader)?;
        }
        let wanted = self.search.shared.wanted.load(Ordering::Relaxed);
        let shown = self.search.position().map_or(0, |position| position.offset + 1);
        let Some(first) = writing.first else {
            if writing.fed + 1 != shown {
                // Nothing that is searched has changed: the index is as good for the later record.
                self.show(writing);
            }
            (self.follow)(Some(writing.fed), LOOK);
            return Ok(());
        };
        let awaited = wanted > shown && writing.fed + 1 >= wanted;
        let late = first.elapsed() >= COMMIT_LATEST || writing.documents >= COMMIT_DOCUMENTS;
        if late || awaited {
            return self.commit(writing);
        }
        if !came {
            (self.follow)(Some(writing.fed), COMMIT_IDLE);
            let more = self.views.offset().is_some_and(|(_, offset)| offset > writing.fed);
            if !more {
                return self.commit(writing);
            }
        }
        Ok(())
    }

    /// Whether folding goes before, which it does not for ever.
    fn gives_way(&self, writing: &mut Writing) -> bool {
        if !(self.busy)() {
            writing.giving_way = None;
            return false;
        }
        let since = *writing.giving_way.get_or_insert_with(Instant::now);
        since.elapsed() < GIVE_WAY_MAX
    }

    fn commit(&self, writing: &mut Writing) -> Result<(), Error> {
        writing.index.commit(writing.log, writing.fed)?;
        (writing.documents, writing.first) = (0, None);
        self.show(writing);
        Ok(())
    }

    /// Lets the index answer.
    fn show(&self, writing: &Writing) {
        let active = Active {
            searcher: writing.index.reader.searcher(),
            fields: writing.index.fields.clone(),
            log: writing.log,
            offset: writing.fed,
        };
        self.search.answer_from(active);
    }
}

impl Writing {
    /// Takes in what has changed since, as far as one commit goes; says whether anything had.
    fn take(&mut self, reader: &Reader) -> Result<bool, Error> {
        let mut ids = BTreeSet::new();
        let (mut last, mut fed) = (None, reader.position().offset);
        reader.each_change(Some(self.fed), |change| {
            // All of a record, or nothing of it.
            if let Some(before) = last.filter(|before| *before != change.offset)
                && ids.len() >= COMMIT_DOCUMENTS
            {
                fed = before;
                return ControlFlow::Break(());
            }
            last = Some(change.offset);
            ids.extend(change.entity);
            ControlFlow::Continue(())
        })?;
        let ids: Vec<EntityId> = ids.into_iter().collect();
        for ids in ids.chunks(AT_ONCE) {
            self.put(reader, ids, true)?;
        }
        self.fed = fed;
        Ok(!ids.is_empty())
    }

    /// Puts entities in as they are, and takes out those that are there no more.
    fn put(&mut self, reader: &Reader, ids: &[EntityId], again: bool) -> Result<(), Error> {
        let fields = &self.index.fields;
        for (id, version) in ids.iter().zip(reader.versions(ids)?) {
            if again {
                let id = Term::from_field_u64(fields.id, u64::from(id.0));
                self.index.writer.delete_term(id);
            }
            let Some(version) = version.filter(|version| version.is_listed()) else { continue };
            let entity: Value = serde_json::from_slice(&version.document).unwrap_or_default();
            if let Some(document) = Document::of(&entity) {
                let document = fields.document(*id, &document);
                let path = &self.index.path;
                self.index.writer.add_document(document).map_err(|source| Error::Index {
                    path: path.clone(),
                    step: "be written",
                    source,
                })?;
            }
        }
        self.documents += ids.len();
        self.first.get_or_insert_with(Instant::now);
        Ok(())
    }
}

impl Search {
    /// Tells the one who writes to commit and stop.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}
