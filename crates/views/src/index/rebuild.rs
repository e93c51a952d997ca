//! The index told from the tables alone, to be compared with the one that is kept.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use fold::{Change, EntityId, Key};

use super::set_key::{PathId, SetKey};
use super::{Hot, Paths, RELATION_PREFIX, SharedPaths, then};
use crate::Error;
use crate::keys::{KeyBytes, KeyReader, Table, read_edge_key};
use crate::store::OwnedSnapshot;

type Sets = BTreeMap<SetKey, BTreeSet<EntityId>>;

/// Compares the index that is kept with the one that follows from the current versions; gives the
/// first difference in words, if there is one.
pub(crate) fn compare(
    snapshot: &OwnedSnapshot,
    hot: &Hot,
    paths: &SharedPaths,
) -> Result<Option<String>, Error> {
    let kept = kept(snapshot, hot)?;
    let rebuilt = rebuilt(snapshot, &paths.read())?;
    let names: BTreeSet<&SetKey> = kept.keys().chain(rebuilt.keys()).collect();
    for name in names {
        let (mine, theirs) = (kept.get(name), rebuilt.get(name));
        if mine != theirs {
            let count = |set: Option<&BTreeSet<EntityId>>| set.map_or(0, BTreeSet::len);
            let text = String::from_utf8_lossy(&name.0).into_owned();
            let (mine, theirs) = (count(mine), count(theirs));
            return Ok(Some(format!("set {text:?} keeps {mine} members, rebuilt it has {theirs}")));
        }
    }
    if let Some(found) = compare_logs(snapshot)? {
        return Ok(Some(found));
    }
    Ok(then::compare(snapshot, hot)?.map(|(set, offset)| {
        let text = String::from_utf8_lossy(&set.0).into_owned();
        format!("set {text:?} is put aside after record {offset} otherwise than it was")
    }))
}

/// Compares what was logged of sets, by set and by path and time; gives the first difference in
/// words, if there is one.
fn compare_logs(snapshot: &OwnedSnapshot) -> Result<Option<String>, Error> {
    let damaged = || Error::Damaged { table: "TermLog" };
    let (mut by_time, mut by_set, mut found) = (0_u64, 0_u64, None);
    snapshot.prefix(Table::TermLog, &KeyBytes::new(Table::TermLog)).each(|key, row| {
        by_time += 1;
        let mut rest = KeyReader::new(Table::TermLog, key).ok_or_else(damaged)?;
        let parts = (rest.u32(), rest.newest(), rest.entity());
        let (Some(path), Some(offset), Some(id)) = parts else { return Err(damaged()) };
        let name = SetKey::form(PathId(path), rest.rest());
        let same = KeyBytes::new(Table::SetLog).raw(&name).newest(offset).entity(id);
        if snapshot.get(Table::SetLog, &same)?.as_deref() != Some(row) {
            let id = id.0;
            let what = format!("what record {offset} changed in a set for entity {id}");
            found = Some(format!("{what} is logged by set otherwise than by time"));
        }
        Ok(found.is_none())
    })?;
    if found.is_some() {
        return Ok(found);
    }
    snapshot.prefix(Table::SetLog, &KeyBytes::new(Table::SetLog)).each(|_, _| {
        by_set += 1;
        Ok(true)
    })?;
    let differs = by_time != by_set;
    Ok(differs.then(|| format!("{by_time} changes of sets are logged by time, {by_set} by set")))
}

fn kept(snapshot: &OwnedSnapshot, hot: &Hot) -> Result<Sets, Error> {
    let mut sets = Sets::new();
    for (set, members) in hot.iter().filter(|(_, members)| !members.is_empty()) {
        sets.entry(set.clone()).or_default().extend(members.iter());
    }
    let damaged = || Error::Damaged { table: "Cold" };
    snapshot.prefix(Table::Cold, &KeyBytes::new(Table::Cold)).each(|key, _| {
        let rest = KeyReader::new(Table::Cold, key).ok_or_else(damaged)?.rest();
        let (set, id) = rest.split_last_chunk::<4>().ok_or_else(damaged)?;
        let set = sets.entry(SetKey(set.into())).or_default();
        // A member that is in memory and on disk is a fault that must show.
        if !set.insert(EntityId(u32::from_be_bytes(*id))) {
            return Err(damaged());
        }
        Ok(true)
    })?;
    // Relations that are not hot stand in the table of edges.
    let mut edges = Sets::new();
    let damaged = || Error::Damaged { table: "Edge" };
    snapshot.prefix(Table::Edge, &KeyBytes::new(Table::Edge)).each(|key, _| {
        let (target, relation, holder) = read_edge_key(key).ok_or_else(damaged)?;
        edges.entry(SetKey::relation(relation, target)).or_default().insert(holder);
        Ok(true)
    })?;
    for (set, members) in edges {
        sets.entry(set).or_insert(members);
    }
    Ok(sets)
}

fn rebuilt(snapshot: &OwnedSnapshot, paths: &Paths) -> Result<Sets, Error> {
    let mut sets = Sets::new();
    let damaged = || Error::Damaged { table: "Entity" };
    let mut add = |set: SetKey, id: EntityId| sets.entry(set).or_default().insert(id);
    let unknown = || Error::Damaged { table: "Path" };
    snapshot.prefix(Table::Entity, &KeyBytes::new(Table::Entity)).each(|key, row| {
        let id = KeyReader::new(Table::Entity, key).and_then(|mut key| key.entity());
        let id = id.ok_or_else(damaged)?;
        let row = Change::read(Key::Entity(id), Some(&Bytes::copy_from_slice(row)))?;
        let Change::Entity(_, Some(version)) = row else {
            return Err(damaged());
        };
        if version.is_listed() {
            add(SetKey::alive(), id);
        }
        for term in version.terms().iter() {
            let path = paths.get(term.path).ok_or_else(unknown)?;
            add(SetKey::term(path, &term), id);
            if term.value.is_some() {
                add(SetKey::any(path), id);
            }
        }
        for edge in &version.edges {
            add(SetKey::relation(edge.relation, edge.target), id);
            let path = paths.get(&format!("{RELATION_PREFIX}{}", edge.relation.0));
            add(SetKey::any(path.ok_or_else(unknown)?), id);
        }
        Ok(true)
    })?;
    Ok(sets)
}
