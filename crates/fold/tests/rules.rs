//! The rules of the fold, one record at a time, over a state in memory.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use bytes::Bytes;
use event::vocabulary::{FoldAdopted, KeyRotated, LogCreated};
use event::{
    Body, CODEC_VERSION, Content, Entry, Event, HASH_SUITE, LogId, Open, Record, RecordId, Salt,
    SourceName, Timestamp,
};
use fold::{Change, Folded, Halt, Need, Page, Prior, Under, fold, prepare};
use uuid::Uuid;

/// A state in memory, and the records of one source that lead to it.
struct Machine {
    prior: Prior,
    offset: u64,
    epoch: u64,
    sequence: u64,
    recorded_us: i64,
}

fn created() -> LogCreated {
    LogCreated {
        log: LogId::new(7),
        origin: "catalog.example.org".into(),
        codec: CODEC_VERSION,
        hashes: HASH_SUITE.into(),
        key: Some("catalog.example.org+01+AAAA".into()),
    }
}

impl Machine {
    /// Before the first record.
    fn empty() -> Self {
        Self {
            prior: Prior::new([]),
            offset: 0,
            epoch: 1,
            sequence: 0,
            recorded_us: 1_764_000_000_000_000,
        }
    }

    /// After the records that every log begins with.
    fn begun() -> Self {
        let mut machine = Self::empty();
        machine.say(&Event::LogCreated(created()), None).unwrap();
        machine.say(&Event::FoldAdopted(FoldAdopted { version: 1 }), None).unwrap();
        machine
    }

    /// The next record of the source.
    fn record(&mut self, kind: &str, subject: Option<&str>, data: Bytes) -> Record {
        self.recorded_us += 1_000_000;
        let record = Record {
            id: RecordId(Uuid::from_u128(u128::from(self.offset))),
            source: SourceName::new("files/local").unwrap(),
            kind: kind.into(),
            time: None,
            recorded: Timestamp::from_micros(self.recorded_us).unwrap(),
            causation: None,
            epoch: self.epoch,
            sequence: self.sequence,
            body: Body::Open(Open {
                salt: Salt([7; 16]),
                subject: subject.map(Into::into),
                author: None,
                pointer: None,
                data,
            }),
        };
        self.sequence += 1;
        record
    }

    fn say(&mut self, event: &Event<'_>, subject: Option<&str>) -> Result<Vec<Change>, Halt> {
        let record = self.record(event.kind().as_str(), subject, event.to_data());
        self.fold(Ok(record))
    }

    /// Folds what stands at the next offset, and gives what it changed.
    fn fold(&mut self, content: Content) -> Result<Vec<Change>, Halt> {
        let prepared = prepare(Entry { offset: self.offset, content }, &Under::of(&self.prior));
        let mut all = Vec::new();
        let mut step = None;
        loop {
            match fold(&self.prior, &prepared, step.as_ref()) {
                Folded::Halt(halt) => return Err(halt),
                Folded::Needs(needs) => needs.into_iter().for_each(|need| self.answer(need)),
                Folded::Changes { changes, next } => {
                    for change in &changes {
                        self.prior.apply(change.clone());
                    }
                    all.extend(changes);
                    step = next;
                    if step.is_none() {
                        self.offset += 1;
                        return Ok(all);
                    }
                }
            }
        }
    }

    /// Whatever is not known yet is not there.
    fn answer(&mut self, need: Need) {
        match need {
            Need::Row(key) => self.prior.load(Change::read(key, None).unwrap()),
            Need::Claims { scope, .. } => {
                self.prior.load_claims(scope, Page { rows: Vec::new(), complete: true });
            }
            Need::Standing { entity, .. } => {
                self.prior.load_standing(entity, Page { rows: Vec::new(), complete: true });
            }
            Need::Unnamed { scope, .. } => {
                self.prior.load_unnamed(scope, Page { rows: Vec::new(), complete: true });
            }
        }
    }
}

#[test]
fn a_rotated_key_is_not_put_in_force() {
    let mut machine = Machine::begun();
    let before = machine.prior.log().cloned();
    let key = "evil.example.org+01+AAAA".to_owned();
    let rotated = Event::KeyRotated(KeyRotated { key, signature: None });
    let changes = machine.say(&rotated, None).unwrap();
    assert!(!changes.iter().any(|change| matches!(change, Change::Log(..))), "{changes:?}");
    assert_eq!(machine.prior.log().cloned(), before);
}
