//! The objects of one resource that are entities: a scope of the catalog.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use connector::{EmitError, Emitter, Said, Snapshot};
use event::vocabulary::ScopeName;
use model::document::Document;
use model::reference::EntityRef;
use tokio::time::Instant;

use crate::kinds::Watched;
use crate::map::entity;
use crate::object::Object;
use crate::watch::Fault;

/// Where an object stands: its namespace and its name.
type At = (Box<str>, Box<str>);

/// Entities that a watch withdraws one by one within a while. Where more go than that, what is left
/// is listed, so that the guard is asked about all of them together.
const GONE_MAX: usize = 10;
const GONE_WITHIN: Duration = Duration::from_secs(60);

/// How long it is waited for more to go before it is listed, from the last one on, and in all.
const QUIET: Duration = Duration::from_secs(2);
const QUIET_MAX: Duration = Duration::from_secs(30);

/// How long what the guard holds back waits before it is listed again.
const HELD_WAITS: Duration = Duration::from_secs(60);

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
    /// When entities were withdrawn one by one.
    gone: VecDeque<Instant>,
    /// When many began to go, if they do.
    many: Option<Instant>,
    /// When it is to be listed, at the latest.
    list_by: Option<Instant>,
}

impl Entities {
    pub(crate) const fn new(
        cluster: String,
        scope: ScopeName,
        is_known: bool,
        emitter: Emitter,
    ) -> Self {
        Self {
            cluster,
            scope,
            emitter,
            is_known,
            snapshot: None,
            shown: BTreeMap::new(),
            gone: VecDeque::new(),
            many: None,
            list_by: None,
        }
    }

    /// When it is to be listed, if only a list can tell what went.
    pub(crate) const fn list_by(&self) -> Option<Instant> {
        self.list_by
    }

    /// How many objects are entities.
    pub(crate) fn count(&self) -> usize {
        self.shown.len()
    }

    /// A list begins.
    pub(crate) fn begin(&mut self) {
        self.break_off();
        self.shown.clear();
        (self.many, self.list_by) = (None, None);
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
        // Somebody may have approved it then.
        self.list_by = outcome.held.map(|_| Instant::now() + HELD_WAITS);
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
        let is_other = |before: &EntityRef| now.as_ref().is_some_and(|now| now != before);
        // What is an entity still, but can't be read, is what it was.
        let goes = |before: &&EntityRef| found.is_none() || is_other(before);
        let gone = self.shown.get(&at).filter(goes).cloned();
        // Another object may be the same entity: the list tells.
        let is_shown =
            |of: &EntityRef| self.shown.iter().any(|(other, entity)| *other != at && entity == of);
        if gone.iter().chain(&now).any(is_shown) {
            return Err(Fault::Expired);
        }
        if gone.is_some() && !self.may_go(Instant::now()) {
            return Ok(());
        }
        let mut said = Vec::new();
        if let Some(gone) = gone {
            self.shown.remove(&at);
            said.push(Said::Gone(self.scope.clone(), gone));
        }
        if let Some(now) = now {
            self.shown.insert(at, now);
        }
        said.extend(found.map(|found| Said::Seen(self.scope.clone(), found)));
        if !said.is_empty() {
            self.emitter.say(said).await.map_err(|error| self.fault(&error))?;
            self.is_known = true;
        }
        Ok(())
    }

    /// Whether an entity is withdrawn by itself. Where many go, or the guard holds back others, a
    /// list tells which: soon, when it seems to be over.
    fn may_go(&mut self, now: Instant) -> bool {
        self.gone.retain(|then| now.duration_since(*then) < GONE_WITHIN);
        if self.list_by.is_none() && self.gone.len() < GONE_MAX {
            self.gone.push_back(now);
            return true;
        }
        let begun = *self.many.get_or_insert(now);
        self.list_by = Some((now + QUIET).min(begun + QUIET_MAX));
        false
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

#[cfg(test)]
mod tests {
    use connector::Emission;
    use serde_json::json;
    use tokio::sync::mpsc;
    use tokio::task::JoinHandle;
    use tokio::time::advance;

    use super::*;
    use crate::kinds::Kind;

    /// Answers whatever is said, and notes what went and came.
    fn catalog(mut emissions: mpsc::Receiver<Emission>) -> JoinHandle<Vec<String>> {
        tokio::spawn(async move {
            let mut told = Vec::new();
            while let Some(emission) = emissions.recv().await {
                let Emission::Said { said, done } = emission else { panic!("{emission:?}") };
                told.extend(said.into_iter().map(|one| match one {
                    Said::Gone(_, entity) => format!("- {entity}"),
                    Said::Seen(_, found) => format!("+ {}", found.document["metadata"]["name"]),
                    other => panic!("{other:?}"),
                }));
                let _ = done.send(Ok(connector::Outcome::default()));
            }
            told
        })
    }

    fn object(name: &str, entity: Option<&str>) -> Object {
        let annotations = entity.map(|entity| {
            json!({"annals.dev/resource": "x", "annals.dev/owner": "y", "annals.dev/name": entity})
        });
        let metadata = json!({"name": name, "namespace": "n", "annotations": annotations});
        serde_json::from_value(json!({"metadata": metadata})).unwrap()
    }

    struct Test {
        entities: Entities,
        watched: Watched,
        told: JoinHandle<Vec<String>>,
    }

    impl Test {
        fn new() -> Self {
            let (emitter, emissions) = connector::channel();
            let scope = ScopeName::new("kubernetes/a/b/services").unwrap();
            let entities = Entities::new("b".into(), scope, false, emitter);
            let watched = Watched::known(Kind::Service).unwrap();
            Self { entities, watched, told: catalog(emissions) }
        }

        async fn is(&mut self, name: &str, entity: Option<&str>) -> bool {
            let object = object(name, entity);
            self.entities.changed(&self.watched, &object, true).await.is_ok()
        }

        async fn told(self) -> Vec<String> {
            drop(self.entities);
            self.told.await.unwrap()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn where_many_go_a_list_is_asked_for() {
        let mut test = Test::new();
        for number in 0..30 {
            assert!(test.is(&format!("o{number}"), Some(&format!("e{number}"))).await);
        }
        for number in 0..20 {
            assert!(test.is(&format!("o{number}"), None).await);
        }
        // Others come and change meanwhile; one that is called otherwise goes, too.
        assert!(test.is("o25", Some("e25")).await && test.is("new", Some("new")).await);
        assert!(test.is("o26", Some("other")).await);
        let now = Instant::now();
        assert_eq!(test.entities.list_by(), Some(now + QUIET));
        for _ in 0..40 {
            advance(Duration::from_secs(1)).await;
            test.is("o27", None).await;
        }
        assert_eq!(test.entities.list_by(), Some(now + QUIET_MAX), "it does not wait for ever");
        // After the list they may go one by one again, if not at once.
        test.entities.begin();
        assert_eq!((test.entities.list_by(), test.entities.count()), (None, 0));
        test.is("a", Some("a")).await;
        test.is("a", None).await;
        assert!(test.entities.list_by().is_some(), "those that went a while ago count");
        test.entities.begin();
        advance(GONE_WITHIN).await;
        test.is("b", Some("b")).await;
        test.is("b", None).await;
        assert_eq!(test.entities.list_by(), None);
        let told = test.told().await;
        let gone: Vec<&String> = told.iter().filter(|line| line.starts_with('-')).collect();
        assert_eq!((gone.len(), gone[10].as_str()), (11, "- resource:n/b"));
        assert!(told.contains(&"+ \"new\"".into()) && !told.contains(&"+ \"other\"".into()));
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_what_it_was() {
        let mut test = Test::new();
        assert!(test.is("o", Some("e")).await);
        assert!(test.is("o", Some("")).await);
        assert!(!test.is("p", Some("e")).await, "whose it is a list tells");
        let listed = EntityRef::canonical("resource:n/e").unwrap();
        test.entities.shown.insert(at(&object("p", None)), listed);
        assert!(!test.is("p", Some("e")).await && !test.is("p", None).await);
        test.entities.shown.remove(&at(&object("p", None)));
        assert!(test.is("o", None).await && test.is("p", Some("e")).await);
        assert_eq!(test.told().await, ["+ \"e\"", "+ \"\"", "- resource:n/e", "+ \"e\""]);
    }
}
