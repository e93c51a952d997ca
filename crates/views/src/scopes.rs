//! What is known of scopes, sources, refusals and wanted targets.

use std::sync::Arc;

use bytes::Bytes;
use event::vocabulary::ScopeName;
use event::{Offset, Seal, SourceName};
use fold::{Change, EntityId, Item, Key, Quarantined, Refusal, Scope, ScopeId, Source, Wanter};
use model::document::{ANNOTATION_LOCATION, ANNOTATION_ORIGIN_LOCATION, Document};
use model::reference::EntityRef;

use crate::keys::{
    KeyBytes, KeyReader, Table, claim_key, key_of, read_refusal_key, read_wanted_key,
};
use crate::rows;
use crate::store::Range;
use crate::{Error, Reader};

/// A scope with its name.
pub type ScopeRow = (ScopeName, Arc<Scope>);

/// A refusal that stands.
#[derive(Clone, Debug)]
pub struct RefusalRow {
    /// The scope that it is in.
    pub scope: ScopeName,
    /// The reference of the document that was refused, or the name of the item.
    pub what: String,
    /// The refusal.
    pub refusal: Arc<Refusal>,
}

/// A target that somebody wants read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WantedRow {
    /// The target, as `type:target`.
    pub target: String,
    /// The Location entity that wants it; absent for a registered location.
    pub entity: Option<EntityRef>,
    /// The scope whose document that is.
    pub scope: Option<ScopeName>,
    /// Whether it is no fault when there is nothing.
    pub optional: bool,
    /// The origin location of what is read there, where the Location entity says one.
    pub origin: Option<String>,
    /// The last record that wanted it read again.
    pub refresh: Option<Offset>,
}

impl Reader {
    /// A scope.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn scope(&self, name: &ScopeName) -> Result<Option<Arc<Scope>>, Error> {
        match self.row(&Key::Scope(name.clone()))? {
            Change::Scope(_, scope) => Ok(scope),
            _ => Ok(None),
        }
    }

    /// A scope's name.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn scope_name(&self, id: ScopeId) -> Result<Option<ScopeName>, Error> {
        match self.row(&Key::ScopeName(id))? {
            Change::ScopeName(_, name) => Ok(name),
            _ => Ok(None),
        }
    }

    /// The scopes whose names begin so, in the order of their names.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn scopes(&self, prefix: &str) -> Result<Vec<ScopeRow>, Error> {
        let mut text = KeyBytes::new(Table::Scope).text(prefix);
        // Without what ends the text, so that longer ones are met too.
        text.0.truncate(text.0.len() - 2);
        let mut found = Vec::new();
        each_row(self.snapshot().prefix(Table::Scope, &text), &mut |key, row| {
            let name = KeyReader::new(Table::Scope, key).and_then(|mut key| key.text());
            let name = name.and_then(|name| ScopeName::new(&name).ok());
            let name = name.ok_or(Error::Damaged { table: "Scope" })?;
            if let Change::Scope(name, Some(scope)) = Change::read(Key::Scope(name), Some(row))? {
                found.push((name, scope));
            }
            Ok(true)
        })?;
        Ok(found)
    }

    /// A source.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn source(&self, name: &SourceName) -> Result<Option<Arc<Source>>, Error> {
        match self.row(&Key::Source(name.clone()))? {
            Change::Source(_, source) => Ok(source),
            _ => Ok(None),
        }
    }

    /// All sources, in the order of their names.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn sources(&self) -> Result<Vec<(SourceName, Arc<Source>)>, Error> {
        let mut found = Vec::new();
        let rows = self.snapshot().prefix(Table::Source, &KeyBytes::new(Table::Source));
        each_row(rows, &mut |key, row| {
            let name = KeyReader::new(Table::Source, key).and_then(|mut key| key.text());
            let name = name.and_then(|name| SourceName::new(&name).ok());
            let name = name.ok_or(Error::Damaged { table: "Source" })?;
            if let Change::Source(name, Some(source)) = Change::read(Key::Source(name), Some(row))?
            {
                found.push((name, source));
            }
            Ok(true)
        })?;
        Ok(found)
    }

    /// For each reference, the hash of what a scope last said of it, if it said anything.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn claim_seals(
        &self,
        scope: ScopeId,
        references: &[EntityRef],
    ) -> Result<Vec<Option<Seal>>, Error> {
        let keys: Vec<KeyBytes> =
            references.iter().map(|of| key_of(&Key::Ref(of.clone())).1).collect();
        let ids = self.snapshot().get_many(Table::Ref, &keys)?;
        let ids = references.iter().zip(ids).map(|(of, row)| {
            match Change::read(Key::Ref(of.clone()), row.as_ref())? {
                Change::Ref(_, id) => Ok(id),
                _ => Ok(None),
            }
        });
        let ids: Vec<Option<EntityId>> = ids.collect::<Result<_, Error>>()?;
        let keys: Vec<KeyBytes> = ids.iter().flatten().map(|id| claim_key(scope, *id)).collect();
        let mut claims = self.snapshot().get_many(Table::Claim, &keys)?.into_iter();
        let hash = |id: Option<EntityId>| {
            let Some(id) = id else { return Ok(None) };
            let row = claims.next().flatten();
            match Change::read(Key::Claim((scope, id)), row.as_ref())? {
                Change::Claim(_, claim) => Ok(claim.map(|claim| claim.content)),
                _ => Ok(None),
            }
        };
        ids.into_iter().map(hash).collect()
    }

    /// Hands out every reference that a scope speaks of.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn each_claim(
        &self,
        scope: ScopeId,
        visit: &mut dyn FnMut(EntityRef),
    ) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = rows::claims(self.snapshot(), scope, after)?;
            let ids: Vec<EntityId> = page.rows.iter().map(|(id, _)| *id).collect();
            self.references(&ids)?.into_iter().flatten().for_each(&mut *visit);
            match ids.last() {
                Some(last) if !page.complete => after = Some(*last),
                _ => return Ok(()),
            }
        }
    }

    /// The refusal of an item of a scope that has no reference.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn item(&self, scope: ScopeId, item: &str) -> Result<Option<Arc<Refusal>>, Error> {
        match self.row(&Key::Refusal((scope, Item::Unnamed(item.into()))))? {
            Change::Refusal(_, refusal) => Ok(refusal),
            _ => Ok(None),
        }
    }

    /// Hands out every item of a scope that was refused and has no reference.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn each_item(&self, scope: ScopeId, visit: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let mut after: Option<Item> = None;
        loop {
            let page = rows::unnamed(self.snapshot(), scope, after.as_ref())?;
            for (item, _) in &page.rows {
                if let Item::Unnamed(name) = item {
                    visit(name);
                }
            }
            match page.rows.into_iter().next_back() {
                Some((last, _)) if !page.complete => after = Some(last),
                _ => return Ok(()),
            }
        }
    }

    /// Refusals that stand, by scope: of one scope, or of all; at most so many.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn refusals(&self, scope: Option<ScopeId>, limit: usize) -> Result<Vec<RefusalRow>, Error> {
        let prefix = KeyBytes::new(Table::Refusal);
        let prefix = scope.map_or(prefix.clone(), |scope| prefix.scope(scope));
        let mut found = Vec::new();
        each_row(self.snapshot().prefix(Table::Refusal, &prefix), &mut |key, row| {
            let (scope, item) = read_refusal_key(key).ok_or(Error::Damaged { table: "Refusal" })?;
            let key = Key::Refusal((scope, item.clone()));
            let Change::Refusal(_, Some(refusal)) = Change::read(key, Some(row))? else {
                return Ok(true);
            };
            let what = match item {
                Item::Unnamed(name) => Some(name.into_string()),
                Item::Entity(id) => self.reference(id)?.map(|of| of.to_string()),
            };
            if let (Some(scope), Some(what)) = (self.scope_name(scope)?, what) {
                found.push(RefusalRow { scope, what, refusal });
            }
            Ok(found.len() < limit)
        })?;
        Ok(found)
    }

    /// Every target that somebody wants read, with everyone who does.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn wanted(&self) -> Result<Vec<WantedRow>, Error> {
        let mut found = Vec::new();
        let rows = self.snapshot().prefix(Table::Wanted, &KeyBytes::new(Table::Wanted));
        each_row(rows, &mut |key, row| {
            let (target, wanter) =
                read_wanted_key(key).ok_or(Error::Damaged { table: "Wanted" })?;
            let key = Key::Wanted((target.as_str().into(), wanter.clone()));
            let Change::Wanted(_, Some(wanted)) = Change::read(key, Some(row))? else {
                return Ok(true);
            };
            let mut row = WantedRow {
                refresh: self.refresh_of(&target)?,
                target,
                entity: None,
                scope: None,
                optional: wanted.optional,
                origin: None,
            };
            if let Wanter::Entity(id) = wanter
                && let Some(version) = self.version(id)?
            {
                row.entity = self.reference(id)?;
                row.scope = self.scope_name(version.holder)?;
                row.origin = origin_of(&version.document);
            }
            found.push(row);
            Ok(true)
        })?;
        Ok(found)
    }

    /// The last record that wanted a target read again.
    fn refresh_of(&self, target: &str) -> Result<Option<Offset>, Error> {
        match self.row(&Key::Refresh(target.into()))? {
            Change::Refresh(_, offset) => Ok(offset),
            _ => Ok(None),
        }
    }

    /// What stands in the log and could not be folded, in its order; at most so much.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn quarantine(&self, limit: usize) -> Result<Vec<(Offset, Arc<Quarantined>)>, Error> {
        let mut found = Vec::new();
        let rows = self.snapshot().prefix(Table::Quarantine, &KeyBytes::new(Table::Quarantine));
        each_row(rows, &mut |key, row| {
            let offset = KeyReader::new(Table::Quarantine, key).and_then(|mut key| key.u64());
            let offset = offset.ok_or(Error::Damaged { table: "Quarantine" })?;
            let row = Change::read(Key::Quarantine(offset), Some(row))?;
            if let Change::Quarantine(_, Some(row)) = row {
                found.push((offset, row));
            }
            Ok(found.len() < limit)
        })?;
        Ok(found)
    }
}

/// The origin location that a document says it has: that of what led to it in the first place.
fn origin_of(document: &[u8]) -> Option<String> {
    let document = serde_json::from_slice(document).ok()?;
    let document = Document::new(&document);
    let origin = document.annotation(ANNOTATION_ORIGIN_LOCATION);
    origin.or_else(|| document.annotation(ANNOTATION_LOCATION)).map(str::to_owned)
}

/// Takes a row with its key; says whether it wants more.
type VisitRow<'a> = dyn FnMut(&[u8], &Bytes) -> Result<bool, Error> + 'a;

fn each_row(rows: Range<'_>, visit: &mut VisitRow<'_>) -> Result<(), Error> {
    rows.each(|key, row| visit(key, &Bytes::copy_from_slice(row)))
}
