//! Random histories: what happens in a catalog, as steps that a plain catalog can follow, and as
//! the records of a log.

use std::collections::VecDeque;

use bytes::Bytes;
use event::vocabulary::{
    EntityGone, EntityRefused, EntityRemoved, EntitySeen, EpochBegun, Fault, FoldAdopted,
    LogCreated, Orphans, PolicySet, ScopeName, ScopeRetired, SnapshotMark,
};
use event::{
    Body, Content, Event, HASH_SUITE, LogId, Open, Record, RecordId, Salt, SourceName, Timestamp,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::random::Random;

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// A scope shows a document.
    Seen { scope: usize, document: Value },
    /// A scope shows an entity no more.
    Gone { scope: usize, reference: String },
    /// A scope's document of an entity is not valid.
    Refused { scope: usize, reference: String, message: String },
    /// Something without a name in a scope can't be read; an entity may show that.
    Broken { scope: usize, item: usize, about: Option<String>, required: bool, message: String },
    /// It is gone.
    Mended { scope: usize, item: usize },
    /// A person removed an entity.
    Removed { reference: String },
    /// A scope is no more.
    Retired { scope: usize },
    /// The policy is another: what happens to entities that nothing shows, and what is known of
    /// robots.
    Policy { orphans: Orphans, robots: Robots },
    /// Nothing that changes an entity: a duplicate, a zombie, garbage, a stale snapshot.
    Nothing(Noise),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    Duplicate,
    Zombie,
    Garbage,
    Unreadable,
    Stale,
    Epoch,
}

/// What a policy says of the kind `Robot`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Robots {
    /// Nothing: any robot is taken, and refers to nothing.
    #[default]
    Unknown,
    /// A peer is named in full; a robot whose peer is not can't be read.
    Strict,
    /// A peer is a robot, where nothing else is said.
    Lenient,
}

impl Robots {
    /// The kinds that the policy adds.
    #[must_use]
    pub fn kinds(self) -> Vec<Value> {
        let mut peer = json!({"field": "spec.peer", "relation": "peerOf", "inverse": "hasPeer"});
        match self {
            Self::Unknown => return Vec::new(),
            Self::Strict => {}
            Self::Lenient => peer["defaultKind"] = json!("Robot"),
        }
        vec![json!({"kind": "Robot", "apiVersion": ["acme.example/v1"], "relations": [peer]})]
    }
}

pub const SCOPES: usize = 5;
const NAMES: &[&str] = &["a", "b", "c", "Dash-Board", "e.e", "f_f"];
const LIFECYCLES: &[&str] = &["production", "experimental", "Production", "deprecated"];
const KINDS: &[&str] = &["Component", "Group", "System", "Resource", "User", "Location", "Robot"];
const TAGS: &[&str] = &["java", "go", "rust", "data-x", "c++"];

/// The name of a scope.
#[must_use]
pub fn scope_name(scope: usize) -> ScopeName {
    ScopeName::new(&format!("files/local/{scope}.yaml")).unwrap()
}

/// The name of an item.
#[must_use]
pub fn item_name(item: usize) -> String {
    format!("file{item}.yaml#0")
}

fn reference(kind: &str, name: &str) -> String {
    format!("{}:default/{}", kind.to_lowercase(), name.to_lowercase())
}

/// A document of one of few entities, with fields that change.
pub fn document(random: &mut Random) -> Value {
    let name = random.pick(NAMES);
    let kind = random.pick(KINDS);
    let mut metadata = json!({"name": name, "namespace": "default"});
    if random.chance(50) {
        let tags: Vec<&str> = TAGS.iter().copied().filter(|_| random.chance(40)).collect();
        metadata["tags"] = json!(tags);
    }
    if random.chance(40) {
        metadata["title"] = json!(format!("Title {}", random.below(5)));
    }
    let location = format!("file:/catalog/{}/all.yaml", random.below(3));
    metadata["annotations"] = json!({
        "backstage.io/managed-by-location": location,
        "acme.example/sha": format!("{:x}", random.below(1000)),
    });
    let group = |random: &mut Random| reference("Group", random.pick(NAMES));
    let spec = match kind {
        "Component" | "Resource" => {
            let mut spec = json!({
                "type": random.pick(&["service", "website", "Library"]),
                "lifecycle": random.pick(LIFECYCLES),
                "owner": group(random),
            });
            if random.chance(50) {
                spec["system"] = json!(random.pick(NAMES));
            }
            if random.chance(40) {
                let targets: Vec<String> = (0..random.below(3))
                    .map(|_| reference(random.pick(&["Component", "Resource"]), random.pick(NAMES)))
                    .collect();
                spec["dependsOn"] = json!(targets);
            }
            spec
        }
        "Group" => json!({
            "type": "team",
            "children": (0..random.below(3)).map(|_| random.pick(NAMES)).collect::<Vec<_>>(),
            "members": (0..random.below(3)).map(|_| random.pick(NAMES)).collect::<Vec<_>>(),
        }),
        "User" => json!({
            "memberOf": (0..random.below(3)).map(|_| random.pick(NAMES)).collect::<Vec<_>>(),
            "num": random.below(3), "yes": random.chance(50), "nul": null,
        }),
        "Robot" => {
            let peer = random.pick(NAMES);
            json!({"peer": if random.chance(60) { peer.into() } else { reference("Robot", peer) }})
        }
        "Location" => json!({"targets": [format!("./{}.yaml", random.below(4))]}),
        _ => json!({"owner": group(random)}),
    };
    let version = if kind == "Robot" { "acme.example/v1" } else { "backstage.io/v1alpha1" };
    let mut document = json!({
        "apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec,
    });
    model::document::normalize(&mut document, &model::kinds::Kinds::builtin());
    document
}

/// A reference that documents may have.
fn any_reference(random: &mut Random) -> String {
    let kind = random.pick(KINDS);
    reference(kind, random.pick(NAMES))
}

/// So many random steps.
#[must_use]
pub fn steps(random: &mut Random, count: usize) -> Vec<Step> {
    (0..count).map(|_| step(random)).collect()
}

fn step(random: &mut Random) -> Step {
    // The last one speaks of an entity now and then only.
    let scopes = if random.chance(5) { SCOPES } else { SCOPES - 1 };
    let scope = random.below(scopes);
    match random.below(100) {
        0..=49 => Step::Seen { scope, document: document(random) },
        50..=64 => Step::Gone { scope, reference: any_reference(random) },
        65..=72 => {
            let message = format!("fault {}", random.below(3));
            Step::Refused { scope, reference: any_reference(random), message }
        }
        73..=77 => {
            let about = match random.below(5) {
                0 | 1 => None,
                2 => Some(any_reference(random)),
                _ => Some(reference("Location", random.pick(NAMES))),
            };
            let message = format!("unreadable {}", random.below(3));
            let (item, required) = (random.below(3), random.chance(60));
            let scope = if required { SCOPES - 1 } else { scope };
            Step::Broken { scope, item, about, required, message }
        }
        78..=80 => Step::Mended { scope: random.below(SCOPES), item: random.below(3) },
        81..=84 => Step::Removed { reference: any_reference(random) },
        85..=86 => Step::Retired { scope },
        87..=89 => Step::Policy {
            orphans: random.pick(&[Orphans::Keep, Orphans::Withdraw]),
            robots: random.pick(&[Robots::Unknown, Robots::Strict, Robots::Lenient]),
        },
        _ => Step::Nothing(random.pick(&[
            Noise::Duplicate,
            Noise::Zombie,
            Noise::Garbage,
            Noise::Unreadable,
            Noise::Stale,
            Noise::Epoch,
        ])),
    }
}

/// How far back a record may come from that comes again.
const RECENT: usize = 30;

/// Makes records of one source.
pub struct Recorder {
    random: Random,
    source: SourceName,
    epoch: u64,
    sequence: u64,
    time_us: i64,
    /// What was recorded last; any of it may come again.
    recent: VecDeque<Record>,
}

impl Recorder {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed ^ 0x5eed),
            source: SourceName::new("files/local").unwrap(),
            epoch: 1,
            sequence: 0,
            time_us: 1_764_000_000_000_000,
            recent: VecDeque::new(),
        }
    }

    /// The records that every log begins with.
    pub fn begin(&mut self) -> Vec<Content> {
        let created = LogCreated {
            log: LogId::new(0x4f1c_0a9b_e2d3_4411),
            origin: "catalog.example.org".into(),
            codec: event::CODEC_VERSION,
            hashes: HASH_SUITE.into(),
            key: None,
        };
        vec![
            self.record(&Event::LogCreated(created), None),
            self.record(&Event::FoldAdopted(FoldAdopted { version: 1 }), None),
        ]
    }

    pub fn record(&mut self, event: &Event<'_>, subject: Option<&str>) -> Content {
        self.time_us += self.random.below(3_000_000) as i64 - 500_000;
        let record = Record {
            id: RecordId(Uuid::from_u128(self.random.bits())),
            source: self.source.clone(),
            kind: event.kind().as_str().into(),
            time: None,
            recorded: Timestamp::from_micros(self.time_us).unwrap(),
            causation: None,
            epoch: self.epoch,
            sequence: self.sequence,
            body: Body::Open(Open {
                salt: Salt(self.random.bits().to_be_bytes()),
                subject: subject.map(Into::into),
                author: None,
                pointer: Some("all.yaml#0".into()),
                data: event.to_data(),
            }),
        };
        self.sequence += 1;
        self.remember(&record);
        Ok(record)
    }

    /// The record of a step.
    pub fn step(&mut self, step: &Step) -> Content {
        match step {
            Step::Seen { scope, document } => self.seen(*scope, document, None),
            Step::Gone { scope, reference } => {
                let gone = EntityGone { scope: scope_name(*scope), snapshot: None, item: None };
                self.record(&Event::EntityGone(gone), Some(reference))
            }
            Step::Refused { scope, reference, message } => {
                let event = refusal(*scope, None, message);
                self.record(&event, Some(reference))
            }
            Step::Broken { scope, item, about, required, message } => {
                let mut event = refusal(*scope, Some(item_name(*item)), message);
                if let Event::EntityRefused(refused) = &mut event {
                    refused.required = *required;
                }
                self.record(&event, about.as_deref())
            }
            Step::Mended { scope, item } => {
                let item = Some(item_name(*item));
                let gone = EntityGone { scope: scope_name(*scope), snapshot: None, item };
                self.record(&Event::EntityGone(gone), None)
            }
            Step::Removed { reference } => {
                let removed = Event::EntityRemoved(EntityRemoved { why: None });
                self.record(&removed, Some(reference))
            }
            Step::Retired { scope } => {
                let retired = ScopeRetired { scope: scope_name(*scope), why: None };
                self.record(&Event::ScopeRetired(retired), None)
            }
            Step::Policy { orphans, robots } => {
                let policy = PolicySet { kinds: robots.kinds(), orphans: *orphans };
                self.record(&Event::PolicySet(policy), None)
            }
            Step::Nothing(noise) => self.noise(*noise),
        }
    }

    fn seen(&mut self, scope: usize, document: &Value, snapshot: Option<SnapshotMark>) -> Content {
        let view = model::document::Document::new(document);
        let reference = view.reference().unwrap();
        let raw = serde_json::value::to_raw_value(document).unwrap();
        let seen = EntitySeen { scope: scope_name(scope), snapshot, entity: &raw };
        self.record(&Event::EntitySeen(seen), Some(reference.as_str()))
    }

    fn remember(&mut self, record: &Record) {
        self.recent.push_back(record.clone());
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }

    fn noise(&mut self, noise: Noise) -> Content {
        let scope = self.random.below(SCOPES);
        let document = document(&mut self.random);
        match (noise, self.recent.len()) {
            (Noise::Duplicate, 1..) => {
                let which = self.random.below(self.recent.len());
                Ok(self.recent[which].clone())
            }
            (Noise::Zombie, _) => {
                let kept = (self.epoch, self.sequence, self.recent.clone());
                (self.epoch, self.sequence) = (0, 7);
                let zombie = self.seen(scope, &document, None);
                (self.epoch, self.sequence, self.recent) = kept;
                zombie
            }
            (Noise::Unreadable | Noise::Duplicate, _) => {
                Err(Bytes::from(self.random.bits().to_be_bytes().to_vec()))
            }
            (Noise::Garbage, _) => {
                let mut record = self.seen(scope, &document, None).unwrap();
                if let Body::Open(open) = &mut record.body {
                    open.data = Bytes::from_static(b"{\"scope\":");
                }
                self.remember(&record);
                Ok(record)
            }
            (Noise::Stale, _) => {
                let id = Uuid::from_u128(self.random.bits());
                let mark = SnapshotMark { id, compared: Some(Uuid::max()) };
                self.seen(scope, &document, Some(mark))
            }
            (Noise::Epoch, _) => {
                self.epoch += 1;
                self.sequence = 0;
                let begun = EpochBegun { node: "n".into(), version: "0".into() };
                self.record(&Event::EpochBegun(begun), None)
            }
        }
    }
}

fn refusal(scope: usize, item: Option<String>, message: &str) -> Event<'static> {
    Event::EntityRefused(EntityRefused {
        scope: scope_name(scope),
        snapshot: None,
        item,
        required: false,
        fingerprint: "00".repeat(32),
        error: Fault { name: "InputError".into(), message: message.to_owned() },
    })
}

/// The records of a whole history.
#[must_use]
pub fn records(seed: u64, steps: &[Step]) -> Vec<Content> {
    let mut recorder = Recorder::new(seed);
    let mut records = recorder.begin();
    records.extend(steps.iter().map(|step| recorder.step(step)));
    records
}
