//! The catalog as it stands, and a log that keeps nothing. Ingest over both compares and appends as
//! it does over a node's, so that what it would append can be shown, and nothing changes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use event::vocabulary::ScopeName;
use event::{Content, Entry, Event, LogId, Offset, Position, Seal, SourceName, Timestamp};
use ingest::{Ingest, Known, KnownError, KnownScope, KnownSource, Options, system_clock};
use log::{Budget, Log};
use model::kinds::Kinds;
use model::reference::EntityRef;
use parking_lot::Mutex;
use processor::Progress;
use uuid::Uuid;
use views::Views;

use crate::commands::serve::targets::{Wanted, wanted};
use crate::exit::Wrong;
use crate::known::KnownViews;
use crate::node::{Settings, views_folder};

/// Whoever sees what would be appended.
pub(super) type Show = Box<dyn Fn(&Entry, &dyn Known) + Send + Sync>;

/// The catalog of a data folder, as it was when it was opened. A node may go on writing it.
pub(super) struct Catalog {
    pub(super) views: Option<Arc<Views>>,
    known: Arc<KnownViews>,
}

impl Catalog {
    /// Opens the catalog of a data folder; an empty one, where there is none.
    pub(super) fn open(data: &Path, memory_bytes: usize) -> Result<Self> {
        let folder = views_folder(data);
        let options = views::Options { memory_bytes: memory_bytes / 2, ..Default::default() };
        let views = match folder.is_dir().then(|| Views::open_read_only(&folder, options)) {
            None => None,
            Some(Ok(views)) => Some(Arc::new(views)),
            Some(Err(views::Error::Older { .. })) => {
                let why = format!(
                    "the views in {} were written by an earlier version of Annals; a node that is \
                     started on them makes them anew",
                    data.display()
                );
                return Err(Wrong(why).into());
            }
            Some(Err(error)) => return Err(error.into()),
        };
        let offset = views.as_ref().and_then(|views| views.offset()).map(|(_, offset)| offset);
        let known = KnownViews::new(views.clone(), Arc::new(Progress::new(offset)));
        Ok(Self { views, known: Arc::new(known) })
    }

    /// The last record that it is folded from, where there is one.
    pub(super) fn position(&self) -> Option<Position> {
        let (log, offset): (LogId, Offset) = self.views.as_ref()?.offset()?;
        Some(Position { log, offset })
    }

    /// What its Location entities want read, with these connectors of a GitHub.
    pub(super) fn wanted(&self, github: &[github::Config]) -> Result<Wanted> {
        let wanted = self.views.as_ref().map(|views| wanted(views, github)).transpose()?;
        Ok(wanted.unwrap_or_default())
    }

    /// What is known of it.
    pub(super) fn known(&self) -> &dyn Known {
        &*self.known
    }

    /// Ingest over it that keeps nothing, and shows what it would append.
    pub(super) fn rehearse(
        &self,
        kinds: &Kinds,
        settings: &Settings,
        show: Show,
    ) -> Result<Arc<Ingest>> {
        let next = self.known.applied().map_or(0, |applied| applied + 1);
        let known: Arc<dyn Known> = Arc::clone(&self.known) as _;
        let rehearsed =
            Arc::new(Rehearsed { known, next: Mutex::new(next), show, ended: Mutex::default() });
        let options = Options { guard: settings.guard, ..Options::default() };
        let (log, known) = (Arc::clone(&rehearsed) as Arc<dyn Log>, rehearsed as Arc<dyn Known>);
        let ingest = Ingest::new(log, known, system_clock(), kinds, options);
        Ok(Arc::new(ingest.map_err(|error| anyhow!("{error}"))?))
    }
}

/// A log that keeps nothing, and what is known over it: what is appended counts as folded, though
/// nothing is known of it but which snapshots were whole.
struct Rehearsed {
    known: Arc<dyn Known>,
    next: Mutex<Offset>,
    ended: Mutex<BTreeMap<ScopeName, (Timestamp, Uuid)>>,
    show: Show,
}

impl Log for Rehearsed {
    fn append(&self, contents: &[Content]) -> Result<Offset, log::Error> {
        contents.iter().try_for_each(log::check)?;
        let mut next = self.next.lock();
        let first = *next;
        for (content, offset) in contents.iter().zip(first..) {
            if let Ok(record) = content
                && let Ok(Event::ScopeVerified(verified)) = Event::of(record)
            {
                let ended = (record.recorded, verified.snapshot.id);
                self.ended.lock().insert(verified.scope, ended);
            }
            (self.show)(&Entry { offset, content: content.clone() }, &*self.known);
        }
        *next += contents.len() as Offset;
        Ok(first)
    }

    fn end(&self) -> Result<Offset, log::Error> {
        Ok(*self.next.lock())
    }

    fn read(&self, _: Offset, _: Budget) -> Result<Vec<Entry>, log::Error> {
        Ok(Vec::new())
    }

    fn wait(&self, _: Offset, _: Duration) -> Result<Offset, log::Error> {
        self.end()
    }
}

impl Known for Rehearsed {
    fn applied(&self) -> Option<Offset> {
        self.next.lock().checked_sub(1)
    }

    fn wait(&self, _: Offset, _: Duration) -> Result<bool, KnownError> {
        Ok(true)
    }

    fn clock(&self) -> Option<Timestamp> {
        self.known.clock()
    }

    fn scope(&self, name: &ScopeName) -> Result<Option<KnownScope>, KnownError> {
        let known = self.known.scope(name)?;
        let Some(ended) = self.ended.lock().get(name).copied() else { return Ok(known) };
        Ok(Some(KnownScope { verified: Some(ended), ..known.unwrap_or_default() }))
    }

    fn seals(&self, name: &ScopeName, of: &[EntityRef]) -> Result<Vec<Option<Seal>>, KnownError> {
        self.known.seals(name, of)
    }

    fn item(&self, name: &ScopeName, item: &str) -> Result<Option<Seal>, KnownError> {
        self.known.item(name, item)
    }

    fn each_reference(
        &self,
        name: &ScopeName,
        visit: &mut dyn FnMut(EntityRef),
    ) -> Result<(), KnownError> {
        self.known.each_reference(name, visit)
    }

    fn each_item(&self, name: &ScopeName, visit: &mut dyn FnMut(&str)) -> Result<(), KnownError> {
        self.known.each_item(name, visit)
    }

    fn scopes(&self, prefix: &str) -> Result<Vec<(ScopeName, KnownScope)>, KnownError> {
        self.known.scopes(prefix)
    }

    fn aspect(
        &self,
        source: &SourceName,
        entity: &EntityRef,
        aspect: &str,
    ) -> Result<Option<String>, KnownError> {
        self.known.aspect(source, entity, aspect)
    }

    fn observed(&self, source: &SourceName) -> Result<Vec<(EntityRef, Box<str>)>, KnownError> {
        self.known.observed(source)
    }

    fn happened(&self, source: &SourceName, key: &str) -> Result<bool, KnownError> {
        self.known.happened(source, key)
    }

    fn source(&self, name: &SourceName) -> Result<Option<KnownSource>, KnownError> {
        self.known.source(name)
    }
}
