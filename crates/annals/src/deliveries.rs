//! The port from the API to the connectors that take deliveries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::{ApiError, Delivered, Deliveries, Delivering, Delivery};
use ci::{Delivery as Taking, Refused, Taken};
use parking_lot::RwLock;
use prometheus::{IntCounterVec, Opts, Registry};

use crate::connectors::Connector;

/// What takes deliveries of one connector.
pub(crate) enum Receiver {
    Ci(ci::Receiver),
    GitHub(github::Receiver),
}

impl Receiver {
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
    configured: BTreeSet<String>,
    receivers: RwLock<BTreeMap<String, Arc<Receiver>>>,
    count: IntCounterVec,
}

impl Inbox {
    /// An inbox of the connectors that take deliveries; each is open once it runs.
    pub(crate) fn new(connectors: &[Connector]) -> Result<Self, prometheus::Error> {
        let ids = connectors.iter().filter_map(Connector::topic).map(str::to_owned);
        let help = "Deliveries, by connector and by what came of them.";
        let options = Opts::new("annals_deliveries_total", help);
        let count = IntCounterVec::new(options, &["connector", "outcome"])?;
        Ok(Self { configured: ids.collect(), receivers: RwLock::default(), count })
    }

    /// Counts among a node's figures.
    pub(crate) fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.count.clone()))
    }

    /// From now on a connector takes deliveries.
    pub(crate) fn open(&self, id: &str, receiver: Receiver) {
        self.receivers.write().insert(id.to_owned(), Arc::new(receiver));
    }

    /// A connector takes none any more.
    pub(crate) fn close(&self, id: &str) {
        self.receivers.write().remove(id);
    }
}

impl Deliveries for Inbox {
    fn knows(&self, topic: &str) -> bool {
        self.configured.contains(topic)
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
