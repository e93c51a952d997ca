//! Whether every row can be read, and tables that say the same in different ways agree: names with documents, edges with the
//! versions that assert them, claims with what they hold.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use event::Offset;
use fold::{Change, ChangeKind, Claim, EntityId, Item, Key, ScopeId, Version};

use crate::Error;
use crate::changes::{self, Changed};
use crate::check::check_row;
use crate::keys::{KeyBytes, KeyReader, Table, edge_key};
use crate::rows::read_snapshot;
use crate::store::OwnedSnapshot;

/// The first disagreement in words, if there is one.
pub(crate) fn compare(snapshot: &OwnedSnapshot) -> Result<Option<String>, Error> {
    // What stands for itself, such as versions before, is looked at, too: it can be read.
    for table in Table::ALL {
        snapshot.prefix(*table, &KeyBytes::new(*table)).each(|key, row| {
            check_row(key, row)?;
            Ok(true)
        })?;
    }
    if let Some(found) = crate::tree::compare(snapshot)? {
        return Ok(Some(found));
    }
    let mut check = Check { snapshot, edges: 0, claims: BTreeMap::new(), made: BTreeSet::new() };
    let mut found = None;
    each(snapshot, Table::Entity, &mut |mut key, row| {
        let id = key.entity().ok_or(Error::Damaged { table: "Entity" })?;
        found = match Change::read(Key::Entity(id), Some(row))? {
            Change::Entity(_, Some(version)) => {
                check.made.insert((version.offset, id));
                check.version(id, &version)?
            }
            _ => Some(format!("entity {} has no version", id.0)),
        };
        Ok(found.is_none())
    })?;
    if found.is_some() {
        return Ok(found);
    }
    if let Some((offset, id)) = check.not_followed()? {
        let what = format!("that record {offset} made the version of entity {} is not", id.0);
        return Ok(Some(format!("{what} among what changed")));
    }
    let mut kept = 0_u64;
    each(snapshot, Table::Edge, &mut |_, _| {
        kept += 1;
        Ok(true)
    })?;
    if kept != check.edges {
        return Ok(Some(format!("{kept} edges are kept, versions assert {}", check.edges)));
    }
    each(snapshot, Table::Claim, &mut |mut key, row| {
        let ids = key.scope().zip(key.entity());
        let (scope, id) = ids.ok_or(Error::Damaged { table: "Claim" })?;
        if let Change::Claim(_, Some(claim)) = Change::read(Key::Claim((scope, id)), Some(row))? {
            found = check.claim(scope, id, &claim)?;
        }
        Ok(found.is_none())
    })?;
    match found {
        None => check.scopes(),
        found => Ok(found),
    }
}

/// Hands out the rows of a table, until somebody has enough.
fn each(
    snapshot: &OwnedSnapshot,
    table: Table,
    visit: &mut dyn FnMut(KeyReader<'_>, &Bytes) -> Result<bool, Error>,
) -> Result<(), Error> {
    snapshot.prefix(table, &KeyBytes::new(table)).each(|key, row| {
        let key = KeyReader::new(table, key).ok_or(Error::Damaged { table: "Check" })?;
        visit(key, &Bytes::copy_from_slice(row))
    })
}

struct Check<'a> {
    snapshot: &'a OwnedSnapshot,
    /// How many edges the versions assert.
    edges: u64,
    /// How many claims there are of each scope.
    claims: BTreeMap<ScopeId, u64>,
    /// Which record made which version.
    made: BTreeSet<(Offset, EntityId)>,
}

impl Check<'_> {
    fn row(&self, key: &Key) -> Result<Change, Error> {
        read_snapshot(self.snapshot, key)
    }

    /// The first current version that those who follow the changes would miss.
    fn not_followed(&mut self) -> Result<Option<(Offset, EntityId)>, Error> {
        let mut made = std::mem::take(&mut self.made);
        let prefix = KeyBytes::new(Table::Changes);
        self.snapshot.prefix(Table::Changes, &prefix).each(|key, row| {
            let changes = changes::read(key, row).ok_or(Error::Damaged { table: "Changes" })?;
            for change in changes {
                let of_version = !matches!(change.what, Changed::Aspect | Changed::Activity);
                if let Some(id) = change.entity.filter(|_| of_version) {
                    made.remove(&(change.offset, id));
                }
            }
            Ok(true)
        })?;
        Ok(made.pop_first())
    }

    fn version(&mut self, id: EntityId, version: &Version) -> Result<Option<String>, Error> {
        let Change::Name(_, Some(name)) = self.row(&Key::Name(id))? else {
            return Ok(Some(format!("entity {} has no name", id.0)));
        };
        let Change::Ref(_, Some(named)) = self.row(&Key::Ref(name.clone()))? else {
            return Ok(Some(format!("the name {name} leads nowhere")));
        };
        let document = serde_json::from_slice(&version.document).unwrap_or_default();
        let own = model::document::Document::new(&document).reference();
        let is_own = version.change == ChangeKind::Erased || own.as_ref() == Ok(&name);
        if named != id || !is_own {
            return Ok(Some(format!("{name} is the name of another entity than the one it names")));
        }
        for edge in &version.edges {
            self.edges += 1;
            let key = edge_key(edge.target, edge.relation, id);
            let from = self.snapshot.get(Table::Edge, &key)?;
            if from.as_deref() != Some(&edge.from.to_be_bytes()[..]) {
                return Ok(Some(format!("an edge of {name} is not kept as it is asserted")));
            }
        }
        Ok(None)
    }

    fn claim(
        &mut self,
        scope: ScopeId,
        id: EntityId,
        claim: &Claim,
    ) -> Result<Option<String>, Error> {
        *self.claims.entry(scope).or_default() += 1;
        if claim.refused {
            let refusal = self.row(&Key::Refusal((scope, Item::Entity(id))))?;
            let Change::Refusal(_, Some(refusal)) = refusal else {
                return Ok(Some(format!("a claim of entity {} is refused for no reason", id.0)));
            };
            if refusal.fingerprint != claim.content {
                return Ok(Some(format!("a claim of entity {} is not the one refused", id.0)));
            }
        }
        if !claim.good {
            return Ok(None);
        }
        let shown = match self.row(&Key::Entity(id))? {
            Change::Entity(_, Some(now)) if now.live && !now.orphan && now.holder == scope => {
                (now.since, now.content)
            }
            _ => match self.row(&Key::Standing((id, claim.since, scope)))? {
                Change::Standing(_, Some(standing)) => (claim.since, standing.content),
                _ => return Ok(Some(format!("a claim of entity {} shows nothing", id.0))),
            },
        };
        let agrees = shown.0 == claim.since && (claim.refused || shown.1 == claim.content);
        Ok((!agrees).then(|| format!("a claim of entity {} shows another document", id.0)))
    }

    /// Whether scopes have as many claims as they say.
    fn scopes(&self) -> Result<Option<String>, Error> {
        let mut found = None;
        each(self.snapshot, Table::Scope, &mut |mut key, row| {
            let name = key.text().and_then(|name| event::vocabulary::ScopeName::new(&name).ok());
            let name = name.ok_or(Error::Damaged { table: "Scope" })?;
            if let Change::Scope(name, Some(scope)) = Change::read(Key::Scope(name), Some(row))? {
                let claims = self.claims.get(&scope.id).copied().unwrap_or_default();
                if claims != scope.claims {
                    let says = scope.claims;
                    found = Some(format!("scope {name} says {says} claims and has {claims}"));
                }
            }
            Ok(found.is_none())
        })?;
        Ok(found)
    }
}
