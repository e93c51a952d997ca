//! The port from the API to the connectors that take deliveries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::{ApiError, Delivered, Deliveries, Delivering, Delivery};
use ci::{Delivery as Taking, Refused, Taken};
use event::{Body, Record, SourceName};
use log::{Budget, Log};
use parking_lot::{Mutex, RwLock};
use prometheus::{IntCounterVec, Opts, Registry};

use crate::connectors::Connector;

/// How much of the log's end is looked through for deliveries that were taken, in records and in
/// bytes of their data.
const RECORDS_MAX: u64 = 65_536;
const BYTES_MAX: usize = 128 << 20;

/// How many records are looked through at once.
const RECORDS: u64 = 4096;

/// Deliveries that were taken, by the sources that they were delivered to, the latest last.
type Known = BTreeMap<SourceName, Vec<String>>;

/// Which deliveries to some sources the end of a log tells of.
fn known(log: &dyn Log, sources: &BTreeSet<SourceName>) -> Result<Known, log::Error> {
    let end = log.end()?;
    let lowest = end.saturating_sub(RECORDS_MAX);
    let mut known = Known::new();
    let (mut to, mut bytes) = (end, 0);
    while to > lowest && bytes < BYTES_MAX && !sources.is_empty() {
        let from = to.saturating_sub(RECORDS).max(lowest);
        let mut found = Vec::new();
        let mut at = from;
        while at < to {
            let entries = log.read(at, Budget::default())?;
            let Some(last) = entries.last() else { break };
            at = last.offset + 1;
            for entry in entries.into_iter().filter(|entry| entry.offset < to) {
                let Ok(Record { source, body: Body::Open(open), .. }) = entry.content else {
                    continue;
                };
                bytes += open.data.len();
                let id = open.pointer.as_deref().and_then(ci::delivery_of);
                if let Some(id) = id.filter(|_| sources.contains(&source)) {
                    found.push((source, id.to_owned()));
                }
            }
        }
        for (source, id) in found.into_iter().rev() {
            known.entry(source).or_default().push(id);
        }
        to = from;
    }
    known.values_mut().for_each(|ids| ids.reverse());
    Ok(known)
}

/// What takes deliveries of one connector.
pub(crate) enum Receiver {
    Ci(ci::Receiver),
    GitHub(github::Receiver),
}

impl Receiver {
    /// These deliveries were taken before.
    fn remember(&self, ids: &[String]) {
        let ids = ids.iter().map(String::as_str);
        match self {
            Self::Ci(receiver) => receiver.remember(ids),
            Self::GitHub(receiver) => receiver.remember(ids),
        }
    }

    /// What of a delivery was new, and whether it changes anything besides.
    async fn take(&self, delivery: &Taking) -> Result<(Taken, bool), Refused> {
        match self {
            Self::Ci(receiver) => Ok((receiver.take(delivery).await?, false)),
            Self::GitHub(receiver) => {
                let (taken, changes) = receiver.take(delivery).await?;
                Ok((taken, changes > 0))
            }
        }
    }
}

/// Where deliveries arrive, by the ids of their connectors.
pub(crate) struct Inbox {
    /// The sources that they speak for.
    configured: BTreeMap<String, SourceName>,
    /// What was taken before they were open.
    known: Mutex<Known>,
    receivers: RwLock<BTreeMap<String, Arc<Receiver>>>,
    count: IntCounterVec,
}

impl Inbox {
    /// An inbox of the connectors that take deliveries; each is open once it runs.
    pub(crate) fn new(connectors: &[Connector]) -> Result<Self, prometheus::Error> {
        let configured = connectors.iter().filter_map(|connector| {
            let source = SourceName::new(&connector.source()).ok()?;
            Some((connector.topic()?.to_owned(), source))
        });
        let help = "Deliveries, by connector and by what came of them.";
        let options = Opts::new("annals_deliveries_total", help);
        let count = IntCounterVec::new(options, &["connector", "outcome"])?;
        let (known, receivers) = (Mutex::default(), RwLock::default());
        Ok(Self { configured: configured.collect(), known, receivers, count })
    }

    /// Counts among a node's figures.
    pub(crate) fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.count.clone()))
    }

    /// Learns from a log which deliveries were taken before, for the receivers that are opened next.
    pub(crate) fn learn(&self, log: &dyn Log) -> Result<(), log::Error> {
        let sources = self.configured.values().cloned().collect();
        *self.known.lock() = known(log, &sources)?;
        Ok(())
    }

    /// From now on a connector takes deliveries.
    pub(crate) fn open(&self, id: &str, receiver: Receiver) {
        let taken = self.configured.get(id).and_then(|source| self.known.lock().remove(source));
        receiver.remember(&taken.unwrap_or_default());
        self.receivers.write().insert(id.to_owned(), Arc::new(receiver));
    }

    /// A connector takes none any more.
    pub(crate) fn close(&self, id: &str) {
        self.receivers.write().remove(id);
    }
}

impl Deliveries for Inbox {
    fn knows(&self, topic: &str) -> bool {
        self.configured.contains_key(topic)
    }

    fn deliver<'a>(&'a self, topic: &'a str, delivery: Delivery) -> Delivering<'a> {
        Box::pin(async move {
            let receiver = self.receivers.read().get(topic).cloned();
            let Some(receiver) = receiver else {
                self.refused(topic, "closed");
                let closed = "the catalog still reads its log, or stops; deliver it again later";
                return Err(ApiError::unavailable(closed));
            };
            let Delivery { headers, token, body } = delivery;
            match receiver.take(&Taking { headers, token, body }).await {
                Ok((Taken { new, known }, changes)) => {
                    let outcome = match (new, known) {
                        (0, _) if changes => "taken",
                        (0, 0) => "passed_over",
                        (0, _) => "known",
                        _ => "taken",
                    };
                    self.count.with_label_values(&[topic, outcome]).inc();
                    Ok(Delivered { new, known })
                }
                Err(refused) => {
                    let words = refused.to_string();
                    let (why, error) = match refused {
                        Refused::Forged => ("forged", ApiError::authentication(words)),
                        Refused::Replayed { .. } => ("replayed", ApiError::conflict(words)),
                        Refused::Malformed { .. } => ("malformed", ApiError::input(words)),
                        Refused::Partly { .. } => ("partly", ApiError::input(words)),
                        Refused::NotNow(_) => ("not_now", ApiError::unavailable(words)),
                    };
                    self.refused(topic, why);
                    Err(error)
                }
            }
        })
    }

    fn refused(&self, topic: &str, why: &'static str) {
        self.count.with_label_values(&[topic, why]).inc();
    }
}

#[cfg(test)]
mod tests {
    use event::Timestamp;
    use event::vocabulary::CursorReached;
    use ingest::{Appender, Draft};
    use log::MemoryLog;

    use super::*;

    #[test]
    fn the_end_of_a_log_tells_which_deliveries_were_taken() {
        let log = Arc::new(MemoryLog::new());
        let source = |name: &str| SourceName::new(name).expect("a source");
        let appender = |name: &str| {
            Appender::begin(
                Arc::clone(&log) as Arc<dyn Log>,
                Arc::new(Timestamp::default),
                source(name),
            )
        };
        let (ours, others) = (appender("ci/a"), appender("ci/b"));
        let tell = |appender: &Appender, pointer: &str| {
            let event = event::Event::CursorReached(CursorReached { cursor: "c".into() });
            appender.append(vec![Draft::new(&event).at(Some(pointer))]).expect("an append");
        };
        tell(&ours, "delivery forgotten");
        for number in 0..RECORDS_MAX - 5 {
            log.append(&[Err(number.to_string().into())]).expect("an append");
        }
        for (appender, pointer) in [
            (&ours, "delivery 1"),
            (&others, "delivery 2"),
            (&ours, "run 3"),
            (&ours, ""),
            (&ours, "delivery 4"),
        ] {
            tell(appender, pointer);
        }
        for (sources, expected) in [
            (&["ci/a"][..], &[("ci/a", &["1", "4"][..])][..]),
            (&["ci/a", "ci/b"], &[("ci/a", &["1", "4"]), ("ci/b", &["2"])]),
            (&["ci/c"], &[]),
            (&[], &[]),
        ] {
            let sources = sources.iter().map(|name| source(name)).collect();
            let expected = expected
                .iter()
                .map(|(name, ids)| (source(name), ids.iter().map(|id| (*id).to_owned()).collect()));
            assert_eq!(known(&*log, &sources).expect("a read"), expected.collect::<Known>());
        }
    }
}
