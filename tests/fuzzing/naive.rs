//! The fold over a state that is all in memory.

use bytes::Bytes;
use event::vocabulary::{FoldAdopted, LogCreated};
use event::{
    Body, Content, Entry, Event, HASH_SUITE, LogId, Open, Record, RecordId, Salt, SourceName,
    Timestamp,
};
use fold::{Act, Change, Folded, Need, Page, Prior, Step, Under, element_of, fold, prepare};
use uuid::Uuid;

/// A catalog as nothing but the fold's rows. What is not in memory is nowhere.
#[derive(Debug, Default)]
pub(crate) struct Naive {
    prior: Prior,
    end: u64,
}

/// How often a record may ask for rows before one of its steps is folded.
const ROUNDS_MAX: usize = 20;

/// What became of a record: what it says, and what it changed.
pub(crate) struct Folding {
    pub(crate) act: Act,
    pub(crate) changes: Vec<Change>,
}

impl Naive {
    /// An empty catalog, after the records that every log begins with.
    pub(crate) fn begun() -> Self {
        let mut naive = Self::default();
        let created = LogCreated {
            log: LogId::new(0x4f1c_0a9b_e2d3_4411),
            origin: "catalog.example.org".into(),
            codec: event::CODEC_VERSION,
            hashes: HASH_SUITE.into(),
            key: None,
        };
        for event in [Event::LogCreated(created), Event::FoldAdopted(FoldAdopted { version: 1 })] {
            naive.event(&event, None);
        }
        naive
    }

    /// Folds an event, as the next record of a source that does all right.
    pub(crate) fn event(&mut self, event: &Event<'_>, subject: Option<&str>) -> Folding {
        let record = Record {
            id: RecordId(Uuid::from_u128(self.end.into())),
            source: SourceName::new("files/local").expect("a source"),
            kind: event.kind().as_str().into(),
            time: None,
            recorded: Timestamp::default(),
            causation: None,
            epoch: 1,
            sequence: self.end,
            body: Body::Open(Open {
                salt: Salt([7; 16]),
                subject: subject.map(Into::into),
                author: None,
                pointer: None,
                data: event.to_data(),
            }),
        };
        self.content(Ok(record)).expect("a record of a type that is known")
    }

    /// Folds what stands at the next offset; `None` where a node has to stop.
    pub(crate) fn content(&mut self, content: Content) -> Option<Folding> {
        let under = Under::of(&self.prior);
        let record = prepare(Entry { offset: self.end, content }, &under);
        let mut all = Vec::new();
        let mut rounds = 0;
        let mut step: Option<Step> = None;
        loop {
            let (changes, next) = match fold(&self.prior, &record, step.as_ref()) {
                Folded::Changes { changes, next } => (changes, next),
                Folded::Needs(needs) => {
                    rounds += 1;
                    assert!(rounds <= ROUNDS_MAX, "rows are asked for one by one");
                    needs.iter().for_each(|need| self.load(need));
                    continue;
                }
                Folded::Halt(_) => return None,
            };
            rounds = 0;
            for change in changes {
                self.apply(&change);
                all.push(change);
            }
            match next {
                Some(next) => step = Some(next),
                None => break,
            }
        }
        self.end += 1;
        Some(Folding { act: record.act, changes: all })
    }

    fn load(&mut self, need: &Need) {
        match need {
            Need::Row(key) => {
                let row = Change::read(key.clone(), None).expect("no row");
                self.prior.load(row);
            }
            Need::Claims { scope, .. } => self.prior.load_claims(*scope, none()),
            Need::Standing { entity, .. } => self.prior.load_standing(*entity, none()),
            Need::Unnamed { scope, .. } => self.prior.load_unnamed(*scope, none()),
        }
    }

    fn apply(&mut self, change: &Change) {
        let key = change.key();
        assert!(
            element_of(change).is_none() || self.prior.knows(&key),
            "a rule wrote {key:?} without reading it"
        );
        let row = change.row().map(Bytes::from);
        let read = Change::read(key, row.as_ref()).expect("a row that was written");
        assert_eq!(&read, change, "a row reads as it was written");
        self.prior.apply(read);
    }
}

/// Nothing stands anywhere else.
fn none<K, V>() -> Page<K, V> {
    Page { rows: Vec::new(), complete: true }
}
