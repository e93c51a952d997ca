//! The port from ingest to the views.

use std::sync::Arc;
use std::time::Duration;

use event::vocabulary::ScopeName;
use event::{Offset, Seal, SourceName, Timestamp};
use fold::Scope;
use ingest::{Known, KnownError, KnownScope, KnownSource};
use model::reference::EntityRef;
use processor::Progress;
use views::{Reader, Views};

/// What the views know.
pub(crate) struct KnownViews {
    /// Absent where nothing was ever folded.
    views: Option<Arc<Views>>,
    progress: Arc<Progress>,
}

impl KnownViews {
    pub(crate) fn new(views: Option<Arc<Views>>, progress: Arc<Progress>) -> Self {
        Self { views, progress }
    }

    /// Nothing is known before the first record is folded.
    fn reader(&self) -> Option<Reader> {
        self.views.as_ref()?.reader()
    }
}

fn unknown(error: &views::Error) -> KnownError {
    let source = std::error::Error::source(error).map(|source| format!(": {source}"));
    KnownError(format!("{error}{}", source.unwrap_or_default()))
}

fn known_scope(scope: &Scope) -> KnownScope {
    KnownScope {
        version: scope.version,
        claims: scope.claims,
        approved: scope.approval.as_ref().map(|approval| approval.at_most),
        verified: scope.verified.as_ref().map(|verified| (verified.recorded, verified.snapshot)),
        held: scope.condition.as_ref().and_then(|condition| condition.withdrawals),
        retired: scope.retired,
    }
}

impl Known for KnownViews {
    fn applied(&self) -> Option<Offset> {
        self.progress.offset()
    }

    fn wait(&self, offset: Offset, at_most: Duration) -> Result<bool, KnownError> {
        self.progress.wait(offset, at_most).map_err(|stopped| KnownError(stopped.to_string()))
    }

    fn clock(&self) -> Option<Timestamp> {
        self.views.as_ref()?.clock()
    }

    fn scope(&self, name: &ScopeName) -> Result<Option<KnownScope>, KnownError> {
        let Some(reader) = self.reader() else { return Ok(None) };
        let scope = reader.scope(name).map_err(|error| unknown(&error))?;
        Ok(scope.map(|scope| known_scope(&scope)))
    }

    fn seals(
        &self,
        name: &ScopeName,
        references: &[EntityRef],
    ) -> Result<Vec<Option<Seal>>, KnownError> {
        let seals = || {
            let Some(reader) = self.reader() else { return Ok(None) };
            let Some(scope) = reader.scope(name)? else { return Ok(None) };
            reader.claim_seals(scope.id, references).map(Some)
        };
        let seals = seals().map_err(|error| unknown(&error))?;
        Ok(seals.unwrap_or_else(|| vec![None; references.len()]))
    }

    fn item(&self, name: &ScopeName, item: &str) -> Result<Option<Seal>, KnownError> {
        let fingerprint = || {
            let Some(reader) = self.reader() else { return Ok(None) };
            let Some(scope) = reader.scope(name)? else { return Ok(None) };
            Ok(reader.item(scope.id, item)?.map(|refusal| refusal.fingerprint))
        };
        fingerprint().map_err(|error| unknown(&error))
    }

    fn each_reference(
        &self,
        name: &ScopeName,
        visit: &mut dyn FnMut(EntityRef),
    ) -> Result<(), KnownError> {
        let mut each = || {
            let Some(reader) = self.reader() else { return Ok(()) };
            let Some(scope) = reader.scope(name)? else { return Ok(()) };
            reader.each_claim(scope.id, visit)
        };
        each().map_err(|error| unknown(&error))
    }

    fn each_item(&self, name: &ScopeName, visit: &mut dyn FnMut(&str)) -> Result<(), KnownError> {
        let mut each = || {
            let Some(reader) = self.reader() else { return Ok(()) };
            let Some(scope) = reader.scope(name)? else { return Ok(()) };
            reader.each_item(scope.id, visit)
        };
        each().map_err(|error| unknown(&error))
    }

    fn scopes(&self, prefix: &str) -> Result<Vec<(ScopeName, KnownScope)>, KnownError> {
        let Some(reader) = self.reader() else { return Ok(Vec::new()) };
        let scopes = reader.scopes(prefix).map_err(|error| unknown(&error))?;
        let there = scopes.into_iter().filter(|(_, scope)| !scope.retired);
        Ok(there.map(|(name, scope)| (name, known_scope(&scope))).collect())
    }

    fn aspect(
        &self,
        source: &SourceName,
        entity: &EntityRef,
        aspect: &str,
    ) -> Result<Option<String>, KnownError> {
        let Some(reader) = self.reader() else { return Ok(None) };
        let value = reader.observed(source, entity, aspect).map_err(|error| unknown(&error))?;
        Ok(value.map(String::from))
    }

    fn observed(&self, source: &SourceName) -> Result<Vec<(EntityRef, Box<str>)>, KnownError> {
        let Some(reader) = self.reader() else { return Ok(Vec::new()) };
        reader.observed_by(source).map_err(|error| unknown(&error))
    }

    fn happened(&self, source: &SourceName, key: &str) -> Result<bool, KnownError> {
        let Some(reader) = self.reader() else { return Ok(false) };
        reader.happened(source, key).map_err(|error| unknown(&error))
    }

    fn source(&self, name: &SourceName) -> Result<Option<KnownSource>, KnownError> {
        let Some(reader) = self.reader() else { return Ok(None) };
        let source = reader.source(name).map_err(|error| unknown(&error))?;
        Ok(source.map(|source| KnownSource {
            epoch: source.epoch,
            cursor: source.cursor.as_deref().map(str::to_owned),
        }))
    }
}
