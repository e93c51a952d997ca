//! Records that were made to hurt: what they may choose never stops the fold, or makes it slow.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use event::vocabulary::{
    EntityGone, EntitySeen, FoldAdopted, LogCreated, Orphans, PolicySet, ScopeName, ScopeRetired,
};
use event::{
    Body, Entry, Event, HASH_SUITE, LogId, Open, Record, RecordId, Salt, SourceName, Timestamp,
};
use fold::{Change, Folded, Need, Page, Prior, Under, fold, prepare};
use serde_json::{Value, json, value::to_raw_value};
use uuid::Uuid;

/// A catalog that is all in the prior: what it does not hold is nowhere.
struct Catalog {
    prior: Prior,
    end: u64,
    epoch: u64,
    /// What the last record changed.
    changes: Vec<Change>,
}

impl Catalog {
    fn begun() -> Self {
        let mut catalog = Self { prior: Prior::default(), end: 0, epoch: 1, changes: Vec::new() };
        let created = LogCreated {
            log: LogId::new(1),
            origin: "o".into(),
            codec: event::CODEC_VERSION,
            hashes: HASH_SUITE.into(),
            key: None,
        };
        catalog.fold(&Event::LogCreated(created), None);
        catalog.fold(&Event::FoldAdopted(FoldAdopted { version: 1 }), None);
        catalog
    }

    fn fold(&mut self, event: &Event<'_>, subject: Option<&str>) -> usize {
        self.fold_at(event, subject, self.end)
    }

    /// Folds an event with a sequence number; gives how often rows were asked for.
    fn fold_at(&mut self, event: &Event<'_>, subject: Option<&str>, sequence: u64) -> usize {
        let record = Record {
            id: RecordId(Uuid::nil()),
            source: SourceName::new("files/local").unwrap(),
            kind: event.kind().as_str().into(),
            time: None,
            recorded: Timestamp::default(),
            causation: None,
            epoch: self.epoch,
            sequence,
            body: Body::Open(Open {
                salt: Salt::default(),
                subject: subject.map(Into::into),
                author: None,
                pointer: None,
                data: event.to_data(),
            }),
        };
        let under = Under::of(&self.prior);
        let record = prepare(Entry { offset: self.end, content: Ok(record) }, &under);
        self.end += 1;
        self.changes.clear();
        let (mut rounds, mut step) = (0, None);
        loop {
            match fold(&self.prior, &record, step.as_ref()) {
                Folded::Changes { changes, next } => {
                    for change in &changes {
                        self.prior.apply(change.clone());
                    }
                    self.changes.extend(changes);
                    step = next;
                    if step.is_none() {
                        return rounds;
                    }
                }
                Folded::Needs(needs) => {
                    rounds += 1;
                    needs.iter().for_each(|need| self.load(need));
                }
                Folded::Halt(halt) => panic!("{halt}"),
            }
        }
    }

    fn load(&mut self, need: &Need) {
        match need {
            Need::Row(key) => self.prior.load(Change::read(key.clone(), None).unwrap()),
            Need::Claims { scope, .. } => self.prior.load_claims(*scope, none()),
            Need::Standing { entity, .. } => self.prior.load_standing(*entity, none()),
            Need::Unnamed { scope, .. } => self.prior.load_unnamed(*scope, none()),
        }
    }

    fn seen(&mut self, scope: &str, document: &Value) -> usize {
        let entity = to_raw_value(document).unwrap();
        let view = model::document::Document::new(document);
        let reference = view.reference().unwrap();
        let seen = EntitySeen { scope: name(scope), snapshot: None, entity: &entity };
        self.fold(&Event::EntitySeen(seen), Some(reference.as_str()))
    }
}

fn none<K, V>() -> Page<K, V> {
    Page { rows: Vec::new(), complete: true }
}

fn name(scope: &str) -> ScopeName {
    ScopeName::new(scope).unwrap()
}

fn component(name: &str, depends_on: usize) -> Value {
    let targets: Vec<String> = (0..depends_on).map(|n| format!("component:{name}-{n}")).collect();
    json!({
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"type": "x", "lifecycle": "y", "owner": "z", "dependsOn": targets},
    })
}

#[test]
fn rows_are_asked_for_together_however_many_a_document_speaks_of() {
    let mut catalog = Catalog::begun();
    let rounds = catalog.seen("a", &component("x", 500));
    assert!(rounds < 10, "{rounds} rounds to show it");
    // Another document, so that its targets are not known when it takes over.
    let mut other = component("x", 0);
    other["spec"]["dependsOn"] = component("y", 500)["spec"]["dependsOn"].clone();
    catalog.seen("b", &other);
    let gone = EntityGone { scope: name("a"), snapshot: None, item: None };
    let rounds = catalog.fold(&Event::EntityGone(gone), Some("component:default/x"));
    assert!(rounds < 10, "{rounds} rounds to let it take over");
}

#[test]
fn rows_are_asked_for_together_when_a_scope_is_retired() {
    for orphans in [Orphans::Withdraw, Orphans::Keep] {
        let mut catalog = Catalog::begun();
        catalog.fold(&Event::PolicySet(PolicySet { kinds: Vec::new(), orphans }), None);
        for number in 0..300 {
            catalog.seen("a", &component(&format!("c{number}"), 0));
        }
        let retired = ScopeRetired { scope: name("a"), why: None };
        let rounds = catalog.fold(&Event::ScopeRetired(retired), None);
        assert!(rounds < 10, "{rounds} rounds");
    }
}

#[test]
fn sequence_numbers_may_be_any() {
    let mut catalog = Catalog::begun();
    let event = Event::FoldAdopted(FoldAdopted { version: 1 });
    for epoch in 2..5 {
        catalog.epoch = epoch;
        catalog.fold_at(&event, None, u64::MAX - epoch);
        catalog.fold_at(&event, None, u64::MAX);
        catalog.fold_at(&event, None, 0);
    }
    let source = catalog.changes.iter().find_map(|change| match change {
        Change::Source(_, Some(source)) => Some(source),
        _ => None,
    });
    let source = source.unwrap();
    assert_eq!((source.missing, source.duplicates), (u64::MAX, 3));
}

#[test]
fn a_location_wants_nothing_beside_what_is_too_long_to_be_read() {
    let mut catalog = Catalog::begun();
    let mut document = component("l", 0);
    document["kind"] = "Location".into();
    let targets: Vec<String> = (0..2000).map(|number| format!("./{number}")).collect();
    document["spec"] = json!({"type": "url", "targets": targets});
    for (long, there) in [(1, true), (1 << 20, false)] {
        let base = format!("url:https://example.org/{}", "a/".repeat(long));
        document["metadata"]["annotations"] = json!({"backstage.io/managed-by-location": base});
        catalog.seen("a", &document);
        let wanted = catalog
            .changes
            .iter()
            .filter(|change| matches!(change, Change::Wanted(_, row) if row.is_some() == there));
        assert_eq!(wanted.count(), 2000, "{long}");
    }
}
