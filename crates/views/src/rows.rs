//! Reading the fold's rows.

use std::sync::Arc;

use bytes::Bytes;
use fold::{
    Change, Claim, Element, EntityId, Item, Key, Need, Page, Prior, Refusal, ScopeId, Standing,
    element_of,
};

use crate::Error;
use crate::keys::{
    Family, KeyBytes, KeyReader, Table, claim_key, key_of, read_refusal_key, refusal_key,
    unnamed_prefix,
};
use crate::store::{OwnedSnapshot, Store};

/// How many rows of a range are read ahead.
const PAGE_ROWS: usize = 512;

/// Rows at keys, as they are now.
pub(crate) fn read(store: &Store, keys: &[Key]) -> Result<Vec<Change>, Error> {
    let mut wanted: [(Vec<usize>, Vec<KeyBytes>); Family::ALL.len()] = Default::default();
    for (place, key) in keys.iter().enumerate() {
        let (table, key) = key_of(key);
        let (places, keys) = &mut wanted[table.family() as usize];
        places.push(place);
        keys.push(key);
    }
    let mut rows: Vec<Option<Bytes>> = vec![None; keys.len()];
    for (family, (places, keys)) in Family::ALL.into_iter().zip(wanted) {
        if keys.is_empty() {
            continue;
        }
        for (place, row) in places.into_iter().zip(store.get_many(family, &keys)?) {
            rows[place] = row;
        }
    }
    let changes = keys.iter().zip(rows).map(|(key, row)| Change::read(key.clone(), row.as_ref()));
    Ok(changes.collect::<Result<_, _>>()?)
}

/// A row at a key, as a snapshot holds it.
pub(crate) fn read_snapshot(snapshot: &OwnedSnapshot, key: &Key) -> Result<Change, Error> {
    let (table, bytes) = key_of(key);
    let row = snapshot.get(table, &bytes)?;
    Ok(Change::read(key.clone(), row.as_ref())?)
}

/// Loads what the fold needs.
pub(crate) fn fetch(store: &Store, needs: &[Need], prior: &mut Prior) -> Result<(), Error> {
    let mut keys = Vec::new();
    for need in needs {
        match need {
            Need::Row(key) => keys.push(key.clone()),
            Need::Claims { scope, after } => {
                prior.load_claims(*scope, claims(&store.snapshot(), *scope, *after)?);
            }
            Need::Standing { entity, after } => {
                prior.load_standing(*entity, standing(&store.snapshot(), *entity, *after)?);
            }
            Need::Unnamed { scope, after } => {
                prior.load_unnamed(*scope, unnamed(&store.snapshot(), *scope, after.as_ref())?);
            }
        }
    }
    for row in read(store, &keys)? {
        prior.load(row);
    }
    Ok(())
}

/// A page of a range of rows: from behind a key to the end of a prefix.
fn page<K, V>(
    snapshot: &OwnedSnapshot,
    table: Table,
    prefix: &KeyBytes,
    after: Option<KeyBytes>,
    read: impl Fn(&[u8], &Bytes) -> Result<Option<(K, V)>, Error>,
) -> Result<Page<K, V>, Error> {
    let from = after.map_or_else(|| prefix.0.clone(), |key| key.u8(0).0);
    let mut rows = Vec::new();
    let mut complete = true;
    snapshot.range(table, &from, &prefix.end()).each(|key, row| {
        if rows.len() == PAGE_ROWS {
            complete = false;
            return Ok(false);
        }
        rows.extend(read(key, &Bytes::copy_from_slice(row))?);
        Ok(true)
    })?;
    Ok(Page { rows, complete })
}

pub(crate) fn claims(
    snapshot: &OwnedSnapshot,
    scope: ScopeId,
    after: Option<EntityId>,
) -> Result<Page<EntityId, Claim>, Error> {
    let prefix = KeyBytes::new(Table::Claim).scope(scope);
    let after = after.map(|id| claim_key(scope, id));
    page(snapshot, Table::Claim, &prefix, after, |key, row| {
        let key = KeyReader::new(Table::Claim, key).and_then(|mut key| {
            key.scope()?;
            key.entity()
        });
        let id = key.ok_or(Error::Damaged { table: "Claim" })?;
        match Change::read(Key::Claim((scope, id)), Some(row))? {
            Change::Claim(_, Some(claim)) => Ok(Some((id, claim))),
            _ => Ok(None),
        }
    })
}

type StandingKey = (event::Offset, ScopeId);

fn standing(
    snapshot: &OwnedSnapshot,
    entity: EntityId,
    after: Option<StandingKey>,
) -> Result<Page<StandingKey, Arc<Standing>>, Error> {
    let prefix = KeyBytes::new(Table::Standing).entity(entity);
    let after = after.map(|(since, scope)| prefix.clone().u64(since).scope(scope));
    page(snapshot, Table::Standing, &prefix, after, |key, row| {
        let key = KeyReader::new(Table::Standing, key).and_then(|mut key| {
            key.entity()?;
            Some((key.u64()?, key.scope()?))
        });
        let (since, scope) = key.ok_or(Error::Damaged { table: "Standing" })?;
        match Change::read(Key::Standing((entity, since, scope)), Some(row))? {
            Change::Standing(_, Some(standing)) => Ok(Some(((since, scope), standing))),
            _ => Ok(None),
        }
    })
}

pub(crate) fn unnamed(
    snapshot: &OwnedSnapshot,
    scope: ScopeId,
    after: Option<&Item>,
) -> Result<Page<Item, Arc<Refusal>>, Error> {
    let prefix = unnamed_prefix(scope);
    let after = after.map(|item| refusal_key(scope, item));
    page(snapshot, Table::Refusal, &prefix, after, |key, row| {
        let (_, item) = read_refusal_key(key).ok_or(Error::Damaged { table: "Refusal" })?;
        match Change::read(Key::Refusal((scope, item.clone())), Some(row))? {
            Change::Refusal(_, Some(refusal)) => Ok(Some((item, refusal))),
            _ => Ok(None),
        }
    })
}

/// Hands out every element of the state, told from the tables.
pub(crate) fn each_element(
    snapshot: &OwnedSnapshot,
    visit: &mut dyn FnMut(Element),
) -> Result<(), Error> {
    let mut table = |table: Table, key: &dyn Fn(KeyReader<'_>) -> Option<Key>| {
        snapshot.prefix(table, &KeyBytes::new(table)).each(|bytes, row| {
            let damaged = || Error::Damaged { table: "Element" };
            let reader = KeyReader::new(table, bytes).ok_or_else(damaged)?;
            let key = key(reader).ok_or_else(damaged)?;
            let row = Change::read(key, Some(&Bytes::copy_from_slice(row)))?;
            if let Some(element) = element_of(&row) {
                visit(element);
            }
            Ok(true)
        })
    };
    table(Table::Entity, &|mut key| Some(Key::Entity(key.entity()?)))?;
    table(Table::Standing, &|mut key| {
        Some(Key::Standing((key.entity()?, key.u64()?, key.scope()?)))
    })?;
    table(Table::Aspect, &|mut key| {
        let id = key.entity()?;
        let aspect = key.text()?.into();
        Some(Key::Aspect((id, aspect, event::SourceName::new(&key.text()?).ok()?)))
    })?;
    table(Table::Location, &|key| Some(Key::Location(uuid::Uuid::from_slice(key.rest()).ok()?)))
}
