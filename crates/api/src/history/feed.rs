//! Changes in their order, a few at a time: what lists of changes and streams are read from.
//!
//! Invariant: whoever goes on from a cursor sees each change once, in the order of the log.
//! Invariant: between two steps no snapshot is held.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use event::{LogId, Offset, Position};
use fold::EntityId;
use model::reference::EntityRef;
use serde_json::Value;
use views::{CatalogChange, Reader, Touch};

use super::change::{Change, ChangeShown, Changes, RELATION_ROWS_MAX};
use super::selection::{Selection, Sides};
use crate::{Api, ApiError};

/// How many changes are looked up together.
const AHEAD: usize = 256;

/// A change whose documents are read counts as so many more that are only looked at.
const DOCUMENT: usize = 9;

/// How many entities are read together while a snapshot is sent, and listed.
const ENTITIES: usize = 64;
const LISTED: usize = 4096;

/// How far somebody has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) log: LogId,
    pub(crate) offset: Offset,
    pub(crate) place: Place,
}

/// Where within a record, or within the snapshot after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Behind all that it changed.
    Done,
    /// Behind what it did to an entity and to those before it.
    Within(EntityId),
    /// In the catalog as the record left it: behind an entity.
    Snapshot(Option<EntityId>),
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Position { log: self.log, offset: self.offset })?;
        match self.place {
            Place::Done => Ok(()),
            Place::Within(id) => write!(f, "-{}", id.0),
            Place::Snapshot(None) => write!(f, "-s"),
            Place::Snapshot(Some(id)) => write!(f, "-s{}", id.0),
        }
    }
}

/// What was given as a cursor is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Malformed cursor")]
pub(crate) struct Malformed;

impl FromStr for Cursor {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let mut parts = text.splitn(3, '-');
        let (log, offset) = (parts.next().unwrap_or_default(), parts.next().ok_or(Malformed)?);
        let position: Position = format!("{log}-{offset}").parse().map_err(|_| Malformed)?;
        let id = |text: &str| {
            let id = text.parse().ok().map(EntityId).ok_or(Malformed)?;
            if id.0.to_string() == text { Ok(id) } else { Err(Malformed) }
        };
        let place = match parts.next() {
            None => Place::Done,
            Some("s") => Place::Snapshot(None),
            Some(text) => match text.strip_prefix('s') {
                Some(text) => Place::Snapshot(Some(id(text)?)),
                None => Place::Within(id(text)?),
            },
        };
        Ok(Self { log: position.log, offset: position.offset, place })
    }
}

/// How much one step may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// So many items at the most, and no more once they are of so many bytes.
    pub(crate) items: usize,
    pub(crate) bytes: usize,
    /// So many changes are looked at, at the most, wanted or not.
    pub(crate) looked_at: usize,
}

/// What somebody is sent.
pub(crate) enum Item {
    /// A change.
    Change { shown: Box<ChangeShown>, reference: EntityRef, time: String },
    /// An entity as a change has left it, or as it was at the position of a snapshot; nothing where
    /// it is there no more.
    State { state: State, of_change: Option<ChangeOf> },
    /// An entity as it was at the position of a snapshot.
    Entity { reference: EntityRef, entity: Value },
    /// The snapshot is complete.
    Complete,
}

/// What an entity is.
pub(crate) struct State {
    pub(crate) reference: EntityRef,
    pub(crate) entity: Option<Value>,
    /// Whether all its relations stand in it.
    pub(crate) is_whole: bool,
}

/// Which change it was, and when.
pub(crate) struct ChangeOf {
    pub(crate) id: String,
    pub(crate) time: Option<String>,
}

/// What a step came to.
pub(crate) struct Step {
    /// Each with the cursor behind it.
    pub(crate) items: Vec<(Cursor, Item)>,
    /// Whether there is no more, for now or up to the end that was asked for.
    pub(crate) is_at_end: bool,
}

/// Goes along the changes.
pub(crate) struct Feed {
    api: Api,
    selection: Selection,
    cursor: Cursor,
    /// Up to and with this record.
    until: Option<Offset>,
    /// Whether changes come with their documents.
    documents: bool,
    /// Whether entities come as they are after each change, instead of changes.
    states: bool,
    /// Records that come next, with what they changed.
    records: VecDeque<(Offset, Vec<CatalogChange>)>,
    /// What is left of a record that was looked at.
    rest: Option<(Offset, VecDeque<Touch>)>,
}

impl Feed {
    pub(crate) fn new(api: &Api, selection: Selection, cursor: Cursor) -> Self {
        let api = api.clone();
        Self {
            api,
            selection,
            cursor,
            until: None,
            documents: true,
            states: false,
            records: VecDeque::new(),
            rest: None,
        }
    }

    /// The same, up to and with a record, and with documents or without.
    pub(crate) fn up_to(self, until: Offset, documents: bool) -> Self {
        Self { until: Some(until), documents, ..self }
    }

    /// The same, but with entities as changes leave them instead of changes.
    pub(crate) fn of_states(self) -> Self {
        Self { states: true, ..self }
    }

    pub(crate) fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Reads on.
    pub(crate) fn step(&mut self, budget: Budget) -> Result<Step, ApiError> {
        let reader = self.api.views().reader();
        let reader = reader.ok_or_else(|| ApiError::unavailable("nothing is folded yet"))?;
        let mut step = Step { items: Vec::new(), is_at_end: false };
        let folded = reader.position();
        // After a crash the views may be behind what was sent; they come to be there again.
        if folded.log != self.cursor.log || folded.offset < self.cursor.offset {
            step.is_at_end = true;
            return Ok(step);
        }
        if let Place::Snapshot(after) = self.cursor.place {
            self.snapshot(&reader, after, budget, &mut step)?;
        } else {
            self.tail(&reader, budget, &mut step)?;
        }
        Ok(step)
    }

    fn at(&mut self, offset: Offset, place: Place) -> Cursor {
        self.cursor = Cursor { offset, place, ..self.cursor };
        self.cursor
    }

    fn snapshot(
        &mut self,
        reader: &Reader,
        after: Option<EntityId>,
        budget: Budget,
        step: &mut Step,
    ) -> Result<(), ApiError> {
        let offset = self.cursor.offset;
        let reader = reader.at(offset)?;
        let behind = |id: &EntityId| after.is_none_or(|after| *id > after);
        let ids: Vec<EntityId> =
            reader.entities()?.into_iter().filter(behind).take(LISTED).collect();
        if ids.is_empty() {
            let cursor = self.at(offset, Place::Done);
            step.items.push((cursor, Item::Complete));
            return Ok(());
        }
        let mut bytes = 0;
        let above = self.selection.above(&reader)?;
        for ids in ids.chunks(ENTITIES) {
            let passing = reader.passes(self.selection.filter(), ids)?;
            for (id, passes) in ids.iter().zip(passing) {
                let cursor = self.at(offset, Place::Snapshot(Some(*id)));
                let reference = reader.reference(*id)?.filter(|_| passes);
                let reference = reference.filter(|name| self.selection.names(name));
                let Some(reference) = reference else { continue };
                if let Some(above) = &above
                    && !reader.is_under(*id, above)?
                {
                    continue;
                }
                if self.states {
                    let Some((state, size)) = state_of(&reader, *id, reference)? else { continue };
                    bytes += size;
                    step.items.push((cursor, Item::State { state, of_change: None }));
                    if step.items.len() >= budget.items || bytes >= budget.bytes {
                        return Ok(());
                    }
                    continue;
                }
                let Some(served) = reader.serve(*id)? else { continue };
                let entity = serde_json::from_slice(&served.json).unwrap_or_default();
                bytes += served.json.len();
                step.items.push((cursor, Item::Entity { reference, entity }));
                if step.items.len() >= budget.items || bytes >= budget.bytes {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn tail(&mut self, reader: &Reader, budget: Budget, step: &mut Step) -> Result<(), ApiError> {
        let end = self.until.unwrap_or(Offset::MAX).min(reader.position().offset);
        let (mut looked_at, mut bytes) = (0, 0);
        let above = self.selection.above(reader)?;
        loop {
            if let Some((offset, mut touched)) = self.rest.take() {
                let mut changes = Changes::of(reader, offset)?;
                changes.with_all_relations = self.selection.asks_for_relations();
                changes.states_only = self.states;
                let mut is_enough = false;
                while let Some(touch) = touched.pop_front() {
                    let cursor = self.at(offset, Place::Within(touch.entity));
                    looked_at += 1;
                    if let Some((item, size)) =
                        self.item(reader, &changes, &touch, above.as_deref())?
                    {
                        step.items.push((cursor, item));
                        bytes += size;
                    }
                    is_enough = step.items.len() >= budget.items
                        || bytes >= budget.bytes
                        || looked_at + changes.documents_read.get() * DOCUMENT >= budget.looked_at;
                    if is_enough && !touched.is_empty() {
                        self.rest = Some((offset, touched));
                        return Ok(());
                    }
                }
                looked_at += changes.documents_read.get() * DOCUMENT;
                self.at(offset, Place::Done);
                if is_enough {
                    return Ok(());
                }
            }
            if !self.next_record(reader, end)? {
                if end > self.cursor.offset {
                    self.at(end, Place::Done);
                }
                step.is_at_end = true;
                return Ok(());
            }
        }
    }

    /// Goes on to the next record that changed anything; says whether there is one.
    fn next_record(&mut self, reader: &Reader, end: Offset) -> Result<bool, ApiError> {
        let Cursor { offset, place, .. } = self.cursor;
        let (after, within) = match place {
            Place::Within(id) => (offset.checked_sub(1), Some(id)),
            Place::Done | Place::Snapshot(_) => (Some(offset), None),
        };
        if self.records.is_empty() {
            self.records = reader.changed_records(after, AHEAD)?.into();
        }
        let Some((record, changes)) = self.records.pop_front_if(|(record, _)| *record <= end)
        else {
            return Ok(false);
        };
        let mut touched = VecDeque::from(reader.touched(record, &changes)?);
        if let Some(within) = within.filter(|_| record == offset) {
            touched.retain(|touch| touch.entity > within);
        }
        self.rest = Some((record, touched));
        Ok(true)
    }

    fn item(
        &self,
        reader: &Reader,
        changes: &Changes,
        touch: &Touch,
        above: Option<&[EntityId]>,
    ) -> Result<Option<(Item, usize)>, ApiError> {
        let wanted = |what, reference: &EntityRef| self.selection.wants(what, reference);
        let Some(change) = changes.read(touch, &wanted)? else { return Ok(None) };
        if change.is_of_document() && !change.is_listed() {
            return Ok(None);
        }
        let under = match above {
            Some(above) => changes.under(touch.entity, above)?,
            None => Sides::BOTH,
        };
        let Some(selected) = self.selection.selects(&change, under) else { return Ok(None) };
        let time = change.cause.time.unwrap_or(change.cause.recorded).to_string();
        if self.states {
            if !change.is_of_document() {
                return Ok(None);
            }
            let of_change = Some(ChangeOf { id: change.id(), time: Some(time) });
            let Change { reference, after: entity, is_whole, bytes, .. } = change;
            let state = State { reference, entity, is_whole };
            return Ok(Some((Item::State { state, of_change }, bytes)));
        }
        let shown = Box::new(change.shown(reader, self.documents, selected.0)?);
        let item = Item::Change { shown, reference: change.reference, time };
        Ok(Some((item, change.bytes)))
    }
}

/// An entity as a reader finds it, with its relations unless there are very many; and how long its
/// document is. Nothing where it is not listed.
pub(crate) fn state_of(
    reader: &Reader,
    id: EntityId,
    reference: EntityRef,
) -> Result<Option<(State, usize)>, ApiError> {
    let version = reader.version(id)?.filter(|version| version.is_listed());
    let Some(version) = version else { return Ok(None) };
    let is_whole = reader.has_few_relations(id, RELATION_ROWS_MAX)?;
    let json = if is_whole {
        reader.serve(id)?.map(|served| served.json).unwrap_or_default()
    } else {
        version.document.clone()
    };
    let entity = serde_json::from_slice(&json);
    let entity = entity.map_err(|_| ApiError::internal("an entity can't be read"))?;
    Ok(Some((State { reference, entity: Some(entity), is_whole }, json.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_they_were_written() {
        let log = "4f1c0a9be2d34411";
        for (text, expected) in [
            ("-7", Ok((7, Place::Done))),
            ("-7-0", Ok((7, Place::Within(EntityId(0))))),
            ("-0-s", Ok((0, Place::Snapshot(None)))),
            ("-7-s12", Ok((7, Place::Snapshot(Some(EntityId(12)))))),
            ("", Err(Malformed)),
            ("-07", Err(Malformed)),
            ("-7-", Err(Malformed)),
            ("-7-x", Err(Malformed)),
            ("-7-01", Err(Malformed)),
            ("-7-s+1", Err(Malformed)),
            ("-7-4294967296", Err(Malformed)),
            ("-7-1-2", Err(Malformed)),
        ] {
            let text = format!("{log}{text}");
            let read = text.parse::<Cursor>();
            assert_eq!(read.map(|cursor| (cursor.offset, cursor.place)), expected, "{text}");
            if let Ok(cursor) = read {
                assert_eq!(cursor.to_string(), text);
            }
        }
    }
}
