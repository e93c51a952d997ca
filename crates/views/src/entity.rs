//! Entities as they are served: their documents with their relations put in.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use event::Offset;
use fold::{EntityId, RelationId, Version};
use model::reference::EntityRef;

use crate::keys::{KeyBytes, KeyReader, Table, read_edge_key};
use crate::{Error, Reader};

/// One relation that an entity shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Relation {
    /// Its type.
    pub kind: Arc<str>,
    /// The other end.
    pub target: EntityRef,
}

/// An entity as it is served.
#[derive(Clone, Debug)]
pub struct Served {
    /// Its number.
    pub id: EntityId,
    /// The version that the document is of.
    pub version: Arc<Version>,
    /// The document with its relations, as JSON.
    pub json: Bytes,
}

impl Reader {
    /// An entity by its reference, if it exists.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn entity(&self, reference: &EntityRef) -> Result<Option<Served>, Error> {
        match self.entity_id(reference)? {
            Some(id) => self.serve(id),
            None => Ok(None),
        }
    }

    /// An entity by its number, if it exists.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn serve(&self, id: EntityId) -> Result<Option<Served>, Error> {
        match self.version(id)?.filter(|version| version.is_listed()) {
            Some(version) => self.dress(id, version).map(Some),
            None => Ok(None),
        }
    }

    /// Entities by their numbers, in their order; those that do not exist are left out.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn serve_all(&self, ids: &[EntityId]) -> Result<Vec<Served>, Error> {
        let versions = self.versions(ids)?;
        let there = ids.iter().zip(versions);
        let there =
            there.filter_map(|(id, version)| Some((*id, version.filter(|v| v.is_listed())?)));
        there.map(|(id, version)| self.dress(id, version)).collect()
    }

    fn dress(&self, id: EntityId, version: Arc<Version>) -> Result<Served, Error> {
        let relations = self.relations(id, &version)?;
        let json = splice(&version.document, &relations);
        Ok(Served { id, version, json })
    }

    /// The relations that an entity shows, by type and target: what its own document asserts, and
    /// what those of others assert of it.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn relations(&self, id: EntityId, version: &Version) -> Result<Vec<Relation>, Error> {
        let mut ends: BTreeSet<(RelationId, EntityId)> =
            version.edges.iter().map(|edge| (edge.relation, edge.target)).collect();
        self.each_incoming(id, &mut |relation, holder| {
            ends.insert((relation.inverse(), holder));
        })?;
        let ids: Vec<EntityId> = ends.iter().map(|(_, id)| *id).collect();
        let names = self.references(&ids)?;
        let mut last: Option<(RelationId, Arc<str>)> = None;
        let mut relations = Vec::with_capacity(ends.len());
        for ((relation, _), target) in ends.into_iter().zip(names) {
            let kind = match &last {
                Some((known, kind)) if *known == relation => Arc::clone(kind),
                _ => self.policy().relations.name(relation).unwrap_or_default().into(),
            };
            last = Some((relation, Arc::clone(&kind)));
            let target = target.ok_or(Error::Damaged { table: "Name" })?;
            relations.push(Relation { kind, target });
        }
        relations.sort_unstable();
        relations.dedup();
        Ok(relations)
    }

    /// Relations that documents of others assert of an entity at the position.
    pub(crate) fn each_incoming(
        &self,
        id: EntityId,
        visit: &mut dyn FnMut(RelationId, EntityId),
    ) -> Result<(), Error> {
        let damaged = || Error::Damaged { table: "Edge" };
        let held = |from: Offset| self.at.is_none_or(|at| from <= at);
        let prefix = KeyBytes::new(Table::Edge).entity(id);
        self.snapshot().prefix(Table::Edge, &prefix).each(|key, row| {
            let (_, relation, holder) = read_edge_key(key).ok_or_else(damaged)?;
            let from = row.try_into().map(Offset::from_be_bytes).map_err(|_| damaged())?;
            if held(from) {
                visit(relation, holder);
            }
            Ok(true)
        })?;
        let Some(at) = self.at else { return Ok(()) };
        // What ended since then, and had begun before.
        let prefix = KeyBytes::new(Table::EdgeLog).entity(id);
        self.snapshot().prefix(Table::EdgeLog, &prefix).each(|key, row| {
            let mut key = KeyReader::new(Table::EdgeLog, key).ok_or_else(damaged)?;
            let parts = (key.entity(), key.relation(), key.newest(), key.entity());
            let (_, Some(relation), Some(offset), Some(holder)) = parts else {
                return Err(damaged());
            };
            let (there, from) = row.split_first().ok_or_else(damaged)?;
            let from = from.try_into().map(Offset::from_be_bytes).map_err(|_| damaged())?;
            if *there == 0 && offset > at && held(from) {
                visit(relation, holder);
            }
            Ok(true)
        })
    }
}

/// Puts relations into a document, before its end.
fn splice(document: &[u8], relations: &[Relation]) -> Bytes {
    let (last, rest) = document.split_last().unwrap_or((&b'}', b"{"));
    let room = relations.iter().map(|one| 40 + one.kind.len() + one.target.as_str().len());
    let mut json = Vec::with_capacity(document.len() + 20 + room.sum::<usize>());
    json.extend_from_slice(rest);
    if rest != b"{" {
        json.push(b',');
    }
    json.extend_from_slice(b"\"relations\":[");
    for (index, relation) in relations.iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        json.extend_from_slice(b"{\"type\":");
        put_json_text(&mut json, &relation.kind);
        json.extend_from_slice(b",\"targetRef\":");
        put_json_text(&mut json, relation.target.as_str());
        json.push(b'}');
    }
    json.push(b']');
    json.push(*last);
    json.into()
}

fn put_json_text(out: &mut Vec<u8>, text: &str) {
    // Writing a text to memory does not fail.
    let _ = serde_json::to_writer(out, text);
}
