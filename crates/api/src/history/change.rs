//! A change of an entity: what history, lists of changes and streams show alike.

use event::{Offset, Position};
use fold::{Activity, Cause, ChangeKind, EntityId, Version};
use json_patch::PatchOperation;
use model::reference::EntityRef;
use serde::Serialize;
use serde_json::Value;
use std::cell::Cell;
use std::sync::Arc;
use utoipa::ToSchema;
use views::{AspectRow, Concern, Reader, Relation, Touch};

use super::diff;
use super::selection::Sides;
use crate::ApiError;

/// Beyond so many rows, relations are left out of the documents of a change that is one of many.
pub(crate) const RELATION_ROWS_MAX: usize = 2000;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// What a change is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum What { $($(#[$doc])* $name,)* }

        impl What {
            pub(crate) const TEXTS: &[&str] = &[$($text),*];
            const ALL: &[Self] = &[$(Self::$name),*];

            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

kinds! {
    /// It is there for the first time.
    Created = "created";
    /// Its document.
    Updated = "updated";
    /// It is there no more.
    Withdrawn = "withdrawn";
    /// It was withdrawn, and is there again.
    Restored = "restored";
    /// Its status, and nothing else of its document.
    Status = "status";
    /// Its document was erased, and it is not there until a scope shows another.
    Erased = "erased";
    /// Documents of others made relations begin that it shows.
    RelationAdded = "relation-added";
    /// Documents of others made relations end.
    RelationRemoved = "relation-removed";
    /// Both at once.
    RelationsChanged = "relations-changed";
    /// What a source observes of it.
    Aspect = "aspect";
    /// Something happened to it.
    Activity = "activity";
}

impl What {
    pub(crate) fn read(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|what| what.as_str() == text)
    }
}

/// A change of an entity by one record.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) position: Position,
    pub(crate) entity: EntityId,
    pub(crate) reference: EntityRef,
    pub(crate) what: What,
    pub(crate) cause: Cause,
    pub(crate) added: Vec<Relation>,
    pub(crate) removed: Vec<Relation>,
    /// The entity before and after, as the catalog served it; of an aspect or an activity, as it
    /// was at the time, for filters.
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
    /// Whether all relations stand in the documents.
    pub(crate) is_whole: bool,
    pub(crate) patch: Vec<PatchOperation>,
    /// How long the documents are.
    pub(crate) bytes: usize,
    aspect: Option<AspectShown>,
    activity: Option<ActivityShown>,
}

/// Reads what a record did to entities.
pub(crate) struct Changes {
    after: Reader,
    before: Option<Reader>,
    /// Whether relations stand in all documents, however many there are.
    pub(crate) with_all_relations: bool,
    /// Whether only what the entity is after a change is wanted, of which it is told alike whatever
    /// it was before.
    pub(crate) states_only: bool,
    /// Of how many changes the documents were read.
    pub(crate) documents_read: Cell<usize>,
}

impl Changes {
    /// Of one record, which is folded.
    pub(crate) fn of(reader: &Reader, offset: Offset) -> Result<Self, ApiError> {
        let after = reader.at(offset)?;
        let before = offset.checked_sub(1).map(|before| reader.at(before)).transpose()?;
        Ok(Self {
            after,
            before,
            with_all_relations: false,
            states_only: false,
            documents_read: Cell::new(0),
        })
    }

    /// The change of an entity, where it is wanted, which is asked before its documents are read;
    /// none where nothing that can be seen has changed.
    pub(crate) fn read(
        &self,
        touch: &Touch,
        wanted: &dyn Fn(What, &EntityRef) -> bool,
    ) -> Result<Option<Change>, ApiError> {
        let id = touch.entity;
        let offset = self.after.position().offset;
        let now = self.after.version(id)?;
        let was = self.before.as_ref().map(|before| before.version(id)).transpose()?.flatten();
        let made = now.as_ref().filter(|version| version.offset == offset);
        let (mut aspect, mut activity) = (None, None);
        let (what, cause) = match touch.concern {
            Concern::Version => {
                let Some(made) = made else { return Ok(None) };
                (self.kind(id, was.as_deref(), made)?, made.cause.clone())
            }
            Concern::Relations => {
                let Some(what) = relations_kind(touch) else { return Ok(None) };
                if now.as_ref().is_none_or(|version| !version.is_listed()) {
                    return Ok(None);
                }
                (what, self.cause_of_relations(touch)?)
            }
            Concern::Aspect => {
                let Some((shown, cause)) = self.aspect(id)? else { return Ok(None) };
                aspect = Some(shown);
                (What::Aspect, cause)
            }
            Concern::Activity => {
                let Some(row) = self.activity(id)? else { return Ok(None) };
                activity = Some(ActivityShown::new(self.after.position(), &row));
                (What::Activity, row.cause.clone())
            }
        };
        let reference = self.after.reference(id)?;
        let reference = reference.ok_or_else(|| ApiError::internal("an entity has no name"))?;
        if !wanted(what, &reference) {
            return Ok(None);
        }
        self.documents_read.set(self.documents_read.get() + 1);
        let length = |version: &Option<Arc<Version>>| {
            version.as_ref().map_or(0, |version| version.document.len())
        };
        let bytes = length(&was) + length(&now);
        let (before, after, is_whole) = self.documents(id, was, now)?;
        let of_document = aspect.is_none() && activity.is_none();
        let is_compared = of_document && !self.states_only;
        let patch =
            if is_compared { diff::patch(before.as_ref(), after.as_ref()) } else { Vec::new() };
        Ok(Some(Change {
            position: self.after.position(),
            entity: id,
            reference,
            what,
            cause,
            added: self.after.named(&touch.added)?,
            removed: self.after.named(&touch.removed)?,
            before,
            after,
            is_whole,
            patch,
            bytes,
            aspect,
            activity,
        }))
    }

    /// Whether an entity stood under some others before the record, and after it.
    pub(crate) fn under(&self, id: EntityId, above: &[EntityId]) -> Result<Sides, ApiError> {
        let before = self.before.as_ref().map(|before| before.is_under(id, above)).transpose()?;
        Ok(Sides { before: before.unwrap_or(false), after: self.after.is_under(id, above)? })
    }

    /// The documents before and after, and whether all relations stand in them. Where there are both, and very many relations, these are
    /// left out of both: what changed of them is told beside.
    fn documents(
        &self,
        id: EntityId,
        was: Option<Arc<Version>>,
        now: Option<Arc<Version>>,
    ) -> Result<(Option<Value>, Option<Value>, bool), ApiError> {
        let was = was.filter(|version| version.is_listed());
        let now = now.filter(|version| version.is_listed());
        let is_told_whole = !self.states_only && (was.is_none() || now.is_none());
        let whole = self.with_all_relations
            || is_told_whole
            || self.after.has_few_relations(id, RELATION_ROWS_MAX)?;
        let read = |reader: Option<&Reader>, version: Option<Arc<Version>>| {
            let (Some(reader), Some(version)) = (reader, version) else { return Ok(None) };
            let json = if whole {
                reader.serve(id)?.map(|served| served.json).unwrap_or_default()
            } else {
                version.document.clone()
            };
            let value = serde_json::from_slice(&json);
            let value = value.map_err(|_| ApiError::internal("an entity can't be read"))?;
            Ok::<_, ApiError>(Some(value))
        };
        let before = match was {
            // That it was there is all that matters then.
            Some(_) if self.states_only => Some(Value::Null),
            was => read(self.before.as_ref(), was)?,
        };
        Ok((before, read(Some(&self.after), now)?, whole))
    }

    /// What a version is to those who see what the catalog lists.
    fn kind(&self, id: EntityId, was: Option<&Version>, now: &Version) -> Result<What, ApiError> {
        let listed = |version: &Version| version.is_listed();
        let what = match (was.is_some_and(listed), now.is_listed()) {
            (true, false) if now.change == ChangeKind::Erased => What::Erased,
            (true, false) => What::Withdrawn,
            (false, true) => {
                let before = self.before.as_ref().map(|before| before.history(id, None, 1000));
                let before = before.transpose()?.map_or_else(Vec::new, |page| page.entries);
                let was_ever = before.iter().any(|version| version.is_listed());
                if was_ever { What::Restored } else { What::Created }
            }
            (true, true) if now.change == ChangeKind::Status => What::Status,
            (true, true) => What::Updated,
            (false, false) => match now.change {
                ChangeKind::Created => What::Created,
                ChangeKind::Updated => What::Updated,
                ChangeKind::Withdrawn => What::Withdrawn,
                ChangeKind::Restored => What::Restored,
                ChangeKind::Status => What::Status,
                ChangeKind::Erased => What::Erased,
            },
        };
        Ok(what)
    }

    /// The cause of another's version, which made relations begin or end.
    fn cause_of_relations(&self, touch: &Touch) -> Result<Cause, ApiError> {
        let offset = self.after.position().offset;
        for (_, other) in touch.added.iter().chain(&touch.removed) {
            let version = self.after.version(*other)?;
            if let Some(version) = version.filter(|version| version.offset == offset) {
                return Ok(version.cause.clone());
            }
        }
        Err(ApiError::internal("relations changed without a cause"))
    }

    fn aspect(&self, id: EntityId) -> Result<Option<(AspectShown, Cause)>, ApiError> {
        let offset = self.after.position().offset;
        let window = (offset.checked_sub(1), None);
        let rows = self.after.aspects(id, window, None, 1)?;
        let Some(now) = rows.first() else { return Ok(None) };
        let earlier = self.after.aspects(id, (None, Some(offset)), Some(&now.name), usize::MAX)?;
        let before = earlier.into_iter().find(|row| row.source == now.source);
        let cause = now.aspect.cause.clone();
        Ok(Some((AspectShown::new(now, before.as_ref()), cause)))
    }

    fn activity(&self, id: EntityId) -> Result<Option<Arc<Activity>>, ApiError> {
        let offset = self.after.position().offset;
        let window = (offset.checked_sub(1), None);
        let subject = [fold::Subject::Entity(id)];
        let rows = self.after.activities(&subject, window, None, 1)?;
        Ok(rows.into_iter().next().map(|row| row.activity))
    }
}

fn relations_kind(touch: &Touch) -> Option<What> {
    match (touch.added.is_empty(), touch.removed.is_empty()) {
        (false, true) => Some(What::RelationAdded),
        (true, false) => Some(What::RelationRemoved),
        (false, false) => Some(What::RelationsChanged),
        (true, true) => None,
    }
}

impl Change {
    /// Its name, which no other change has.
    pub(crate) fn id(&self) -> String {
        format!("{}-{}", self.position, self.entity.0)
    }

    /// Whether it tells of the entity's document or its relations, and not of what is beside.
    pub(crate) fn is_of_document(&self) -> bool {
        self.aspect.is_none() && self.activity.is_none()
    }

    /// Whether those see it who see what the catalog lists.
    pub(crate) fn is_listed(&self) -> bool {
        self.before.is_some() || self.after.is_some()
    }

    /// As it is shown, with its documents where these are wanted.
    pub(crate) fn shown(
        &self,
        reader: &Reader,
        documents: bool,
        filter: Option<&'static str>,
    ) -> Result<ChangeShown, ApiError> {
        let documents = documents && self.is_of_document();
        let document =
            |document: &Option<Value>| documents.then(|| document.clone().unwrap_or_default());
        let patch = documents.then(|| {
            let operations = self.patch.iter();
            operations.map(|one| serde_json::to_value(one).unwrap_or_default()).collect()
        });
        Ok(ChangeShown {
            id: self.id(),
            entity_ref: self.reference.to_string(),
            position: self.position.to_string(),
            change: self.what.as_str(),
            recorded_time: self.cause.recorded.to_string(),
            time: self.cause.time.map(|time| time.to_string()),
            cause: CauseShown::new(reader, &self.cause)?,
            changed_paths: diff::paths(&self.patch),
            relations: RelationsShown::new(&self.added, &self.removed),
            aspect: self.aspect.clone(),
            activity: self.activity.clone(),
            filter,
            before: document(&self.before),
            after: document(&self.after),
            patch,
        })
    }
}

/// A change of an entity.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChangeShown {
    /// Which no other change has: the position and a number.
    id: String,
    entity_ref: String,
    /// The record that made it.
    position: String,
    /// `created`, `updated`, `withdrawn`, `restored`, `status`, `erased`, `relation-added`,
    /// `relation-removed`, `relations-changed`, `aspect` or `activity`.
    change: &'static str,
    /// When it was appended.
    recorded_time: String,
    /// When it happened, if the source knows.
    #[schema(required = true)]
    time: Option<String>,
    cause: CauseShown,
    /// Where the document differs, as JSON pointers, `metadata.etag` aside; none where it began or
    /// ended.
    changed_paths: Vec<String>,
    relations: RelationsShown,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    aspect: Option<AspectShown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    activity: Option<ActivityShown>,
    /// `entered` or `left`, where the entity passed the filter on one side of the change only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    filter: Option<&'static str>,
    /// The entity before; null where there was none. Of an entity with very many relations these
    /// are left out before and after.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    before: Option<Value>,
    /// The entity after; null where there is none any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    after: Option<Value>,
    /// What makes the one of the other (RFC 6902).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<Vec<Object>>)]
    patch: Option<Vec<Value>>,
}

/// The record that a change comes from.
#[derive(Serialize, ToSchema)]
pub(crate) struct CauseShown {
    id: String,
    #[schema(required = true)]
    r#type: Option<&'static str>,
    source: String,
    #[schema(required = true)]
    scope: Option<String>,
    /// Whose token it was.
    #[schema(required = true)]
    authid: Option<Box<str>>,
    /// Where it stands in the source.
    #[schema(required = true)]
    pointer: Option<Box<str>>,
}

impl CauseShown {
    pub(crate) fn new(reader: &Reader, cause: &Cause) -> Result<Self, ApiError> {
        let scope = cause.scope.map(|scope| reader.scope_name(scope)).transpose()?.flatten();
        Ok(Self {
            id: cause.record.to_string(),
            r#type: cause.kind().map(event::Kind::as_str),
            source: cause.source.to_string(),
            scope: scope.map(|scope| scope.to_string()),
            authid: cause.author.clone(),
            pointer: cause.pointer.clone(),
        })
    }
}

/// Relations that began and ended, the entity's own and those that others made.
#[derive(Serialize, ToSchema)]
pub(crate) struct RelationsShown {
    added: Vec<RelationShown>,
    removed: Vec<RelationShown>,
}

/// A relation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RelationShown {
    r#type: String,
    target_ref: String,
}

impl RelationsShown {
    fn new(added: &[Relation], removed: &[Relation]) -> Self {
        let shown = |relation: &Relation| RelationShown {
            r#type: relation.kind.to_string(),
            target_ref: relation.target.to_string(),
        };
        Self {
            added: added.iter().map(shown).collect(),
            removed: removed.iter().map(shown).collect(),
        }
    }
}

/// What a source observes of an entity.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct AspectShown {
    name: String,
    source: String,
    /// What was observed before.
    #[schema(value_type = Option<Object>, required = true)]
    before: Option<Value>,
    /// What is observed; null where it ended.
    #[schema(value_type = Option<Object>, required = true)]
    after: Option<Value>,
}

impl AspectShown {
    fn new(now: &AspectRow, before: Option<&AspectRow>) -> Self {
        let value = |row: &AspectRow| serde_json::from_str(&row.aspect.value).ok();
        Self {
            name: now.name.to_string(),
            source: now.source.to_string(),
            before: before.and_then(value),
            after: value(now),
        }
    }
}

/// Something that happened to an entity.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ActivityShown {
    /// The record that tells of it.
    position: String,
    /// What, in CDEvents' terms.
    r#type: String,
    /// The source's own id of it.
    key: String,
    /// What is known of it.
    #[schema(value_type = Object)]
    value: Value,
}

impl ActivityShown {
    pub(crate) fn new(position: Position, activity: &Activity) -> Self {
        Self {
            position: position.to_string(),
            r#type: activity.activity.to_string(),
            key: activity.key.to_string(),
            value: serde_json::from_str(&activity.value).unwrap_or_default(),
        }
    }
}
