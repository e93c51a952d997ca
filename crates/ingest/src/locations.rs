//! Registered locations: each is a record, and a Location entity in a scope of its own.

use connector::EmitError;
use event::vocabulary::{
    EntitySeen, LocationRegistered, LocationRemoved, LocationUpdated, RefreshAsked, ScopeName,
    ScopeRetired,
};
use event::{Event, Offset};
use model::location::{generated_name, location_entity};
use rand::Rng;
use uuid::Uuid;

use crate::compare::unknown;
use crate::verdict::Verdict;
use crate::{Appender, Draft, Ingest};

/// What the scopes of registered locations are named by.
const SCOPES: &str = "locations/";

/// A location as it is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WantedLocation<'a> {
    /// Its type.
    pub kind: &'a str,
    /// What is to be read.
    pub target: &'a str,
}

impl Ingest {
    /// Registers a location; gives the id that it has from now on, and its last record.
    ///
    /// # Errors
    /// When it can't be appended, or its target is no text that a Location can have.
    pub fn register_location(
        &self,
        appender: &Appender,
        wanted: WantedLocation<'_>,
        author: Option<&str>,
    ) -> Result<(Uuid, Option<Offset>), EmitError> {
        let mut bytes = [0; 16];
        rand::rng().fill_bytes(&mut bytes);
        let id = uuid::Builder::from_random_bytes(bytes).into_uuid();
        let WantedLocation { kind, target } = wanted;
        let registered = Event::LocationRegistered(LocationRegistered {
            id,
            kind: kind.to_owned(),
            target: target.to_owned(),
        });
        let entity = self.location_seen(id, &generated_name(kind, target), wanted)?;
        let drafts = [Some(Draft::new(&registered)), entity];
        Ok((id, self.append_by(appender, drafts, author)?))
    }

    /// Gives a location another type or target. The entity that came with it keeps its name.
    ///
    /// # Errors
    /// When it can't be appended, or its target is no text that a Location can have.
    pub fn update_location(
        &self,
        appender: &Appender,
        id: Uuid,
        name: &str,
        wanted: WantedLocation<'_>,
        author: Option<&str>,
    ) -> Result<Option<Offset>, EmitError> {
        let (kind, target) = (wanted.kind.to_owned(), wanted.target.to_owned());
        let updated = Event::LocationUpdated(LocationUpdated { id, kind, target });
        let entity = self.location_seen(id, name, wanted)?;
        self.append_by(appender, [Some(Draft::new(&updated)), entity], author)
    }

    /// Asks that a location be read again, and shows its entity again if a person removed it.
    ///
    /// # Errors
    /// When it can't be appended.
    pub fn refresh_location(
        &self,
        appender: &Appender,
        id: Uuid,
        name: &str,
        wanted: WantedLocation<'_>,
        author: Option<&str>,
    ) -> Result<Option<Offset>, EmitError> {
        let entity = self.location_seen(id, name, wanted)?;
        let target = Some(format!("{}:{}", wanted.kind, wanted.target));
        let asked = Event::RefreshAsked(RefreshAsked { target });
        self.append_by(appender, [entity, Some(Draft::new(&asked))], author)
    }

    /// Removes a location with its entity.
    ///
    /// # Errors
    /// When it can't be appended.
    pub fn remove_location(
        &self,
        appender: &Appender,
        id: Uuid,
        author: Option<&str>,
    ) -> Result<Option<Offset>, EmitError> {
        let removed = Event::LocationRemoved(LocationRemoved { id });
        let why = Some("the location was removed".to_owned());
        let retired = Event::ScopeRetired(ScopeRetired { scope: scope(id)?, why });
        let drafts = [Some(Draft::new(&removed)), Some(Draft::new(&retired))];
        self.append_by(appender, drafts, author)
    }

    /// The record of a location's entity, unless the catalog holds it so.
    fn location_seen(
        &self,
        id: Uuid,
        name: &str,
        WantedLocation { kind, target }: WantedLocation<'_>,
    ) -> Result<Option<Draft>, EmitError> {
        let scope = scope(id)?;
        let entity = match self.judge().judge(location_entity(name, kind, target)) {
            Verdict::Accepted(entity) => entity,
            Verdict::Refused { fault, .. } => return Err(EmitError::Known { why: fault.message }),
        };
        let seals = self.known().seals(&scope, std::slice::from_ref(&entity.reference));
        let seal = seals.map_err(unknown)?.first().copied().flatten();
        if seal.is_some_and(|seal| seal.is_of(&entity.hash)) {
            return Ok(None);
        }
        let seen = EntitySeen { scope, snapshot: None, entity: &entity.raw };
        Ok(Some(Draft::new(&Event::EntitySeen(seen)).about(entity.reference.as_str())))
    }

    /// Appends records together, all by one author.
    fn append_by(
        &self,
        appender: &Appender,
        drafts: [Option<Draft>; 2],
        author: Option<&str>,
    ) -> Result<Option<Offset>, EmitError> {
        self.check_clock()?;
        appender.append(drafts.into_iter().flatten().map(|draft| draft.by(author)).collect())
    }
}

fn scope(id: Uuid) -> Result<ScopeName, EmitError> {
    ScopeName::new(&format!("{SCOPES}{id}"))
        .map_err(|error| EmitError::Known { why: error.to_string() })
}
