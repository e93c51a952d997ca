//! The objects of one resource that are entities: a scope of the catalog.

use std::collections::BTreeMap;

use connector::{EmitError, Emitter, Said, Snapshot};
use event::vocabulary::ScopeName;
use model::document::Document;
use model::reference::EntityRef;

use crate::kinds::Watched;
use crate::map::entity;
use crate::object::Object;
use crate::watch::Fault;

/// Where an object stands: its namespace and its name.
type At = (Box<str>, Box<str>);

/// The entities of a resource of a cluster, and where they are said.
pub(crate) struct Entities {
    cluster: String,
    scope: ScopeName,
    emitter: Emitter,
    /// Whether the catalog knows the scope; nothing is said of one that never held an entity.
    is_known: bool,
    snapshot: Option<Snapshot>,
    /// What each object is, and in a list, what it was before.
    shown: BTreeMap<At, EntityRef>,
    held: bool,
}

impl Entities {
    pub(crate) const fn new(
        cluster: String,
        scope: ScopeName,
        is_known: bool,
        emitter: Emitter,
    ) -> Self {
        let shown = BTreeMap::new();
        Self { cluster, scope, emitter, is_known, snapshot: None, shown, held: false }
    }

    /// Whether the guard holds something back that was listed.
    pub(crate) const fn is_held(&self) -> bool {
        self.held
    }

    /// A list begins.
    pub(crate) fn begin(&mut self) {
        self.break_off();
        self.shown.clear();
    }

    /// A list that was not read to its end withdraws nothing.
    pub(crate) fn break_off(&mut self) {
        self.snapshot = None;
    }

    /// A page of the list.
    pub(crate) async fn page(&mut self, of: &Watched, objects: &[Object]) -> Result<(), Fault> {
        for object in objects {
            let Some(found) = entity(&self.cluster, of, object) else { continue };
            if let Ok(reference) = Document::new(&found.document).reference() {
                self.shown.insert(at(object), reference);
            }
            self.open().await?.seen(found).await.map_err(|error| self.fault(&error))?;
        }
        Ok(())
    }

    /// The list is whole: what it does not show is gone.
    pub(crate) async fn end(&mut self) -> Result<(), Fault> {
        if self.is_known {
            self.open().await?;
        }
        let Some(snapshot) = self.snapshot.take() else { return Ok(()) };
        let outcome = snapshot.end().await.map_err(|error| self.fault(&error))?;
        self.is_known = true;
        self.held = outcome.held.is_some();
        Ok(())
    }

    async fn open(&mut self) -> Result<&mut Snapshot, Fault> {
        if self.snapshot.is_none() {
            let begun = self.emitter.snapshot(self.scope.clone()).await;
            self.snapshot = Some(begun.map_err(|error| self.fault(&error))?);
        }
        self.snapshot.as_mut().ok_or(Fault::Gone)
    }

    /// An object is so now, or is no more.
    pub(crate) async fn changed(
        &mut self,
        of: &Watched,
        object: &Object,
        is: bool,
    ) -> Result<(), Fault> {
        let at = at(object);
        let found = if is { entity(&self.cluster, of, object) } else { None };
        let now = found.as_ref().and_then(|of| Document::new(&of.document).reference().ok());
        let mut said = Vec::new();
        if let Some(before) = self.shown.remove(&at)
            && (found.is_none() || now.as_ref().is_some_and(|now| *now != before))
        {
            // Another object may be the same entity: the list tells.
            if self.shown.values().any(|other| *other == before) {
                return Err(Fault::Expired);
            }
            said.push(Said::Gone(self.scope.clone(), before));
        }
        if let Some(now) = now {
            if self.shown.values().any(|other| *other == now) {
                return Err(Fault::Expired);
            }
            self.shown.insert(at, now);
        }
        said.extend(found.map(|found| Said::Seen(self.scope.clone(), found)));
        if !said.is_empty() {
            self.emitter.say(said).await.map_err(|error| self.fault(&error))?;
            self.is_known = true;
        }
        Ok(())
    }

    /// What the catalog did not take is listed again.
    fn fault(&mut self, error: &EmitError) -> Fault {
        self.snapshot = None;
        match error {
            EmitError::Stopped | EmitError::Fenced { .. } => Fault::Gone,
            EmitError::Stale { .. } => Fault::Expired,
            other => Fault::why(format!("what `{}` shows is not taken: {other}", self.scope)),
        }
    }
}

fn at(object: &Object) -> At {
    (object.metadata.namespace.as_str().into(), object.metadata.name.as_str().into())
}
