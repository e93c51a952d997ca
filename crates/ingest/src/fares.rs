//! How sources fare on this node since it was started: for people who ask, and in no log.

use std::collections::BTreeMap;

use connector::{Budget, EmitError, Outcome};
use event::{SourceName, Timestamp};

use crate::Ingest;

/// How a source fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fare {
    /// When its source was last read and what it held was taken.
    pub last_success: Option<Timestamp>,
    /// When something was last wrong, and what.
    pub last_error: Option<(Timestamp, String)>,
    /// How many snapshots and other emissions were taken.
    pub taken: u64,
    /// How many of their documents, aspects and activities were new.
    pub changed: u64,
    /// How many entities they withdrew.
    pub gone: u64,
    /// How many things were refused in them.
    pub refused: u64,
    /// How often something was wrong.
    pub errors: u64,
    /// What the source still lets itself be asked.
    pub budget: Option<Budget>,
}

impl Ingest {
    /// How the sources fare that this node runs.
    #[must_use]
    pub fn fares(&self) -> BTreeMap<SourceName, Fare> {
        self.fares.lock().clone()
    }

    pub(crate) fn fare_begins(&self, source: &SourceName) {
        self.fares.lock().insert(source.clone(), Fare::default());
    }

    pub(crate) fn fare_ends(&self, source: &SourceName) {
        self.fares.lock().remove(source);
    }

    pub(crate) fn fare_takes(&self, source: &SourceName, outcome: &Result<Outcome, EmitError>) {
        match outcome {
            Ok(outcome) => {
                let now = (self.clock)();
                let mut fares = self.fares.lock();
                let fare = fares.entry(source.clone()).or_default();
                fare.last_success = Some(now);
                fare.taken += 1;
                fare.changed += outcome.changed;
                fare.gone += outcome.gone;
                fare.refused += outcome.refused;
            }
            Err(error) => self.fare_fails(source, error.to_string()),
        }
    }

    pub(crate) fn fare_looked(&self, source: &SourceName) {
        let now = (self.clock)();
        self.fares.lock().entry(source.clone()).or_default().last_success = Some(now);
    }

    pub(crate) fn fare_budget(&self, source: &SourceName, budget: Budget) {
        self.fares.lock().entry(source.clone()).or_default().budget = Some(budget);
    }

    pub(crate) fn fare_fails(&self, source: &SourceName, why: String) {
        let now = (self.clock)();
        let mut fares = self.fares.lock();
        let fare = fares.entry(source.clone()).or_default();
        fare.last_error = Some((now, why));
        fare.errors += 1;
    }
}
