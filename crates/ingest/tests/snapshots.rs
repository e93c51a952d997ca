//! Snapshots against what is known: what is appended, and what is not.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use connector::{
    Activity, Approve, Broken, EmitError, Found, Observation, Outcome, Said, SnapshotItem, Whom,
};
use event::vocabulary::{Fault, ScopeName};
use event::{Event, Offset, RecordId, Salt, Seal, SourceName, Timestamp};
use ingest::{
    Appender, Ingest, Judge, Known, KnownError, KnownScope, KnownSource, Options, Verdict,
};
use log::{Budget, Log, MemoryLog};
use model::kinds::Kinds;
use model::reference::EntityRef;
use model::validate::Validator;
use serde_json::{Value, json};
use uuid::Uuid;

const DAY: Duration = Duration::from_hours(24);

/// What is known, as each test wants it.
#[derive(Clone, Default)]
struct World {
    clock: Option<Timestamp>,
    scope: Option<KnownScope>,
    seals: BTreeMap<String, Seal>,
    items: BTreeMap<String, Seal>,
    /// Whether the fold takes what is appended, rather than find it stale.
    takes: bool,
}

struct Fixed {
    world: World,
    log: Arc<MemoryLog>,
}

impl Known for Fixed {
    fn applied(&self) -> Option<Offset> {
        self.log.end().unwrap().checked_sub(1)
    }

    fn wait(&self, _: Offset, _: Duration) -> Result<bool, KnownError> {
        Ok(true)
    }

    fn clock(&self) -> Option<Timestamp> {
        self.world.clock
    }

    fn scope(&self, _: &ScopeName) -> Result<Option<KnownScope>, KnownError> {
        let mut scope = self.world.scope.clone();
        if self.world.takes
            && let Some(snapshot) = last_verified(&self.log)
        {
            scope.get_or_insert_default().verified = Some((now(), snapshot));
        }
        Ok(scope)
    }

    fn seals(
        &self,
        _: &ScopeName,
        references: &[EntityRef],
    ) -> Result<Vec<Option<Seal>>, KnownError> {
        Ok(references.iter().map(|of| self.world.seals.get(of.as_str()).copied()).collect())
    }

    fn item(&self, _: &ScopeName, item: &str) -> Result<Option<Seal>, KnownError> {
        Ok(self.world.items.get(item).copied())
    }

    fn each_reference(
        &self,
        _: &ScopeName,
        visit: &mut dyn FnMut(EntityRef),
    ) -> Result<(), KnownError> {
        self.world.seals.keys().for_each(|name| visit(EntityRef::canonical(name).unwrap()));
        Ok(())
    }

    fn each_item(&self, _: &ScopeName, visit: &mut dyn FnMut(&str)) -> Result<(), KnownError> {
        self.world.items.keys().for_each(|item| visit(item));
        Ok(())
    }

    fn scopes(&self, _: &str) -> Result<Vec<(ScopeName, KnownScope)>, KnownError> {
        Ok(Vec::new())
    }

    fn aspect(
        &self,
        _: &SourceName,
        entity: &EntityRef,
        name: &str,
    ) -> Result<Option<String>, KnownError> {
        let mut known = None;
        for entry in self.log.read(0, Budget::default()).unwrap() {
            let record = entry.content.as_ref().unwrap();
            let of = record.open().and_then(|open| open.subject.as_deref());
            match Event::of(record) {
                Ok(Event::AspectObserved(observed)) if observed.aspect == name => {
                    known = Some(observed.value.get().to_owned())
                        .filter(|_| of == Some(entity.as_str()))
                        .or(known);
                }
                Ok(Event::AspectEnded(ended)) if ended.aspect == name => known = None,
                _ => {}
            }
        }
        Ok(known)
    }

    fn observed(&self, _: &SourceName) -> Result<Vec<(EntityRef, Box<str>)>, KnownError> {
        Ok(Vec::new())
    }

    fn happened(&self, _: &SourceName, key: &str) -> Result<bool, KnownError> {
        let entries = self.log.read(0, Budget::default()).unwrap();
        Ok(entries.iter().any(|entry| match Event::of(entry.content.as_ref().unwrap()) {
            Ok(Event::ActivityRecorded(activity)) => activity.key == key,
            _ => false,
        }))
    }

    fn source(&self, _: &SourceName) -> Result<Option<KnownSource>, KnownError> {
        Ok(None)
    }
}

fn now() -> Timestamp {
    Timestamp::from_rfc3339("2026-01-02T03:04:05Z").unwrap()
}

fn earlier(by: Duration) -> Timestamp {
    Timestamp::from_micros(now().as_micros() - i64::try_from(by.as_micros()).unwrap()).unwrap()
}

fn scope() -> ScopeName {
    ScopeName::new("files/a/b.yaml").unwrap()
}

fn component(name: &str) -> Value {
    json!({
        "apiVersion": "backstage.io/v1alpha1", "kind": "Component",
        "metadata": {"name": name}, "spec": {"type": "x", "lifecycle": "y", "owner": "z"},
    })
}

fn found(name: &str) -> SnapshotItem {
    SnapshotItem::Found(Found { document: component(name), pointer: None, time: None })
}

/// The records of a log, as their type and what they are about.
fn records(log: &MemoryLog) -> Vec<String> {
    let entries = log.read(0, Budget::default()).unwrap();
    let told = entries.iter().map(|entry| {
        let record = entry.content.as_ref().unwrap();
        let of = record.open().and_then(|open| open.subject.as_deref()).unwrap_or("-");
        let kind = record.kind.strip_prefix("dev.annals.").unwrap();
        format!("{} {of}", kind.strip_suffix(".v1").unwrap())
    });
    // The source's own beginning is everybody's.
    told.skip(1).collect()
}

fn last_verified(log: &MemoryLog) -> Option<Uuid> {
    let entries = log.read(0, Budget::default()).unwrap();
    entries.iter().rev().find_map(|entry| match Event::of(entry.content.as_ref().unwrap()) {
        Ok(Event::ScopeVerified(verified)) => Some(verified.snapshot.id),
        _ => None,
    })
}

/// What is known after these components were shown.
fn showed(names: &[String]) -> World {
    let kinds = Kinds::builtin();
    let judge = Judge::new(Validator::new(&kinds).unwrap(), kinds);
    let seal = |name: &String| match judge.judge(component(name)) {
        Verdict::Accepted(accepted) => {
            (accepted.reference.to_string(), Seal::new(Salt([7; 16]), &accepted.hash))
        }
        Verdict::Refused { fault, .. } => panic!("{}", fault.message),
    };
    let scope = KnownScope {
        version: RecordId(Uuid::from_u128(9)),
        claims: names.len() as u64,
        verified: Some((earlier(DAY / 2), Uuid::nil())),
        ..KnownScope::default()
    };
    World {
        scope: Some(scope),
        seals: names.iter().map(seal).collect(),
        takes: true,
        ..World::default()
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("c{at:02}")).collect()
}

struct Run {
    result: Result<Outcome, EmitError>,
    log: Arc<MemoryLog>,
}

/// Takes a snapshot in a world.
fn take(world: World, items: Vec<SnapshotItem>) -> Run {
    let log = Arc::new(MemoryLog::new());
    let known = Arc::new(Fixed { world, log: Arc::clone(&log) });
    let kinds = Kinds::builtin();
    let shared: Arc<dyn Log> = Arc::clone(&log) as Arc<dyn Log>;
    let ingest = Ingest::new(shared, known, Arc::new(now), &kinds, Options::default()).unwrap();
    let source = SourceName::new("files/a").unwrap();
    let appender: Appender = ingest.begin(&source, "1").unwrap();
    let result = ingest.take(&appender, &scope(), Approve::Guarded, None, &mut items.into_iter());
    Run { result, log }
}

#[test]
fn only_differences_are_appended() {
    let world = showed(&names(2));
    let run = take(world, vec![found("c00"), found("c01"), found("c02"), SnapshotItem::End]);
    let outcome = run.result.unwrap();
    assert_eq!((outcome.seen, outcome.changed, outcome.gone), (3, 1, 0));
    assert_eq!(records(&run.log), ["entity.seen component:default/c02", "scope.verified -"]);
    // The first record of the snapshot says what it was compared with, the others do not.
    let entries = run.log.read(1, Budget::default()).unwrap();
    let compared: Vec<Option<Uuid>> = entries
        .iter()
        .map(|entry| match Event::of(entry.content.as_ref().unwrap()).unwrap() {
            Event::EntitySeen(seen) => seen.snapshot.unwrap().compared,
            Event::ScopeVerified(verified) => verified.snapshot.compared,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(compared, [Some(Uuid::from_u128(9)), None]);
}

#[test]
fn what_is_the_same_is_said_once_a_day() {
    let items = || vec![found("c00"), SnapshotItem::End];
    let world = showed(&names(1));
    assert_eq!(records(&take(world.clone(), items()).log), [""; 0]);
    let mut older = world;
    older.scope.as_mut().unwrap().verified = Some((earlier(DAY), Uuid::nil()));
    assert_eq!(records(&take(older, items()).log), ["scope.verified -"]);
}

#[test]
fn many_withdrawals_are_held_until_they_are_approved() {
    let world = showed(&names(40));
    let show = |count: usize| {
        let items = names(40).into_iter().take(count).map(|name| found(&name));
        items.chain([SnapshotItem::End]).collect::<Vec<_>>()
    };
    let few = take(world.clone(), show(30));
    assert_eq!(few.result.unwrap().gone, 10);
    assert_eq!(records(&few.log).len(), 11);

    let many = take(world.clone(), show(29));
    let outcome = many.result.unwrap();
    assert_eq!((outcome.gone, outcome.held), (0, Some(11)));
    assert_eq!(records(&many.log), ["connector.changed -"]);

    // Said once.
    let mut held = world;
    held.scope.as_mut().unwrap().held = Some(11);
    let again = take(held.clone(), show(29));
    assert_eq!(again.result.unwrap().held, Some(11));
    assert_eq!(records(&again.log), [""; 0]);

    // Approved for as many, and not for more.
    held.scope.as_mut().unwrap().approved = Some(11);
    let approved = take(held.clone(), show(29));
    assert_eq!(approved.result.unwrap().gone, 11);
    assert_eq!(take(held, show(28)).result.unwrap().held, Some(12));
}

#[test]
fn what_may_be_what_cannot_be_read_stays() {
    let broken = Broken {
        item: "b.yaml".into(),
        about: None,
        required: false,
        fault: Fault { name: "InputError".into(), message: "no YAML".into() },
        pointer: None,
    };
    let items = vec![found("c00"), SnapshotItem::Broken(broken), SnapshotItem::End];
    let run = take(showed(&names(2)), items);
    let outcome = run.result.unwrap();
    assert_eq!((outcome.gone, outcome.refused), (0, 1));
    assert_eq!(
        records(&run.log),
        ["entity.refused -", "entity.refused component:default/c01", "scope.verified -"]
    );
}

#[test]
fn what_is_broken_off_withdraws_nothing() {
    let run = take(showed(&names(2)), vec![found("c00"), found("c09")]);
    assert!(matches!(run.result, Err(EmitError::Stopped)), "{:?}", run.result);
    assert_eq!(records(&run.log), [""; 0]);
}

#[test]
fn the_same_reference_twice_counts_once() {
    let items = vec![found("c00"), found("c01"), found("c00"), SnapshotItem::End];
    let run = take(World { takes: true, ..World::default() }, items);
    let outcome = run.result.unwrap();
    assert_eq!((outcome.seen, outcome.changed, outcome.refused), (3, 3, 1));
    assert!(outcome.refusals[0].message.contains("stands in this scope already"));
}

#[test]
fn a_clock_far_behind_the_log_appends_nothing() {
    let ahead = |by: u64| Timestamp::from_micros(now().as_micros() + by as i64 * 1_000_000);
    let items = || vec![found("c00"), SnapshotItem::End];
    let late = take(World { clock: ahead(61), ..World::default() }, items());
    assert!(matches!(late.result, Err(EmitError::Clock { behind_s: 61 })), "{:?}", late.result);
    assert_eq!(records(&late.log), [""; 0]);
    let fine = take(World { clock: ahead(60), takes: true, ..World::default() }, items());
    assert!(fine.result.is_ok(), "{:?}", fine.result);
}

#[test]
fn a_snapshot_that_the_fold_did_not_take_is_stale() {
    let items = vec![found("c00"), SnapshotItem::End];
    let run = take(World::default(), items);
    assert!(matches!(run.result, Err(EmitError::Stale { .. })), "{:?}", run.result);
}

#[test]
fn what_is_said_by_itself_is_appended_where_it_differs() {
    let entity = || EntityRef::canonical("component:default/a").unwrap();
    let aspect = |value: Value| {
        Said::Observed(Observation {
            entity: entity(),
            aspect: "x".into(),
            value: value.as_object().cloned(),
            pointer: None,
            time: None,
        })
    };
    let activity = |key: &str, value: &str| {
        Said::Happened(Activity {
            activity: "dev.cdevents.build.finished".into(),
            key: key.into(),
            whom: Whom::Entity(entity()),
            value: json!({"v": value}).as_object().cloned().unwrap(),
            pointer: None,
            time: None,
        })
    };
    let long = "x".repeat(2 << 20);
    let log = Arc::new(MemoryLog::new());
    let known = Arc::new(Fixed { world: World::default(), log: Arc::clone(&log) });
    let shared: Arc<dyn Log> = Arc::clone(&log) as Arc<dyn Log>;
    let kinds = Kinds::builtin();
    let ingest = Ingest::new(shared, known, Arc::new(now), &kinds, Options::default()).unwrap();
    let appender = ingest.begin(&SourceName::new("process/a").unwrap(), "1").unwrap();
    let said = |said: Vec<Said>| {
        let outcome = ingest.take_said(&appender, said, None).unwrap();
        (outcome.changed, outcome.refused)
    };
    for (what, expected) in [
        (vec![aspect(json!({"n": 1})), aspect(json!({"n": 1}))], (1, 0)),
        (vec![aspect(json!({"n": 1}))], (0, 0)),
        (vec![aspect(json!({"n": 2})), aspect(json!({"n": 1}))], (2, 0)),
        (vec![aspect(Value::Null)], (1, 0)),
        (vec![aspect(Value::Null)], (0, 0)),
        (vec![activity("1", "a"), activity("1", "b"), activity("2", "a")], (2, 0)),
        (vec![activity("1", "a"), activity("", "a"), activity("3", &long)], (0, 2)),
        (vec![Said::Seen(scope(), Found::new(component("a"))), activity("4", "a")], (2, 0)),
        (vec![Said::Gone(scope(), entity())], (0, 0)),
    ] {
        let told = format!("{what:.200?}");
        assert_eq!(said(what), expected, "{told}");
    }
}

#[tokio::test]
async fn an_open_snapshot_holds_up_nothing_that_is_said_by_itself() {
    let log = Arc::new(MemoryLog::new());
    let world = World { takes: true, ..World::default() };
    let known = Arc::new(Fixed { world, log: Arc::clone(&log) });
    let shared: Arc<dyn Log> = Arc::clone(&log) as Arc<dyn Log>;
    let kinds = Kinds::builtin();
    let ingest = Ingest::new(shared, known, Arc::new(now), &kinds, Options::default()).unwrap();
    let ingest = Arc::new(ingest);
    let appender = ingest.begin(&SourceName::new("files/a").unwrap(), "1").unwrap();
    let (emitter, emissions) = connector::channel();
    let serving = std::thread::spawn(move || ingest.serve(&appender, emissions));
    let mut open = emitter.snapshot(scope()).await.unwrap();
    open.seen(Found::new(component("c00"))).await.unwrap();
    let next = emitter.snapshot(ScopeName::new("files/a/next").unwrap()).await.unwrap();
    let activity = Activity {
        activity: "dev.cdevents.build.finished".into(),
        key: "1".into(),
        whom: Whom::Entity(EntityRef::canonical("component:default/a").unwrap()),
        value: serde_json::Map::new(),
        pointer: None,
        time: None,
    };
    assert_eq!(emitter.say(vec![Said::Happened(activity)]).await.unwrap().changed, 1);
    assert_eq!(records(&log), ["activity.recorded component:default/a"]);
    open.seen(Found::new(component("c01"))).await.unwrap();
    assert_eq!(open.end().await.unwrap().changed, 2);
    drop(next);
    drop(emitter);
    serving.join().unwrap();
    let shown = ["entity.seen component:default/c00", "entity.seen component:default/c01"];
    assert_eq!(records(&log)[1..3], shown);
}
