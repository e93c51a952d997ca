//! Figures of the sources that this node runs.

use std::sync::Arc;

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};
use views::Reader;

use crate::port::IngestPort;

/// Figures, by source.
pub(crate) struct SourceMetrics {
    port: Arc<IngestPort>,
    last_success: IntGaugeVec,
    entities: IntGaugeVec,
    held: IntGaugeVec,
    budget_limit: IntGaugeVec,
    budget_left: IntGaugeVec,
    taken: IntCounterVec,
    changed: IntCounterVec,
    refused: IntCounterVec,
    errors: IntCounterVec,
}

impl SourceMetrics {
    pub(crate) fn new(
        registry: &Registry,
        port: Arc<IngestPort>,
    ) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), &["connector"])?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let counter = |name: &str, help: &str| {
            let counter = IntCounterVec::new(Opts::new(name, help), &["connector"])?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        Ok(Self {
            port,
            last_success: gauge(
                "annals_connector_last_success_timestamp_seconds",
                "When its source was last read and what it held was taken, in Unix time.",
            )?,
            entities: gauge("annals_connector_entities", "Entities that its scopes show.")?,
            held: gauge("annals_connector_withdrawals_held", "Withdrawals that are held back.")?,
            budget_limit: gauge(
                "annals_connector_budget_limit",
                "What a source lets itself be asked, requests or points, until that is filled up.",
            )?,
            budget_left: gauge("annals_connector_budget_left", "How much of that is left.")?,
            taken: counter(
                "annals_connector_taken_total",
                "Snapshots and others that were taken.",
            )?,
            changed: counter("annals_connector_changed_total", "What of that was new.")?,
            refused: counter("annals_connector_refused_total", "What of that was refused.")?,
            errors: counter("annals_connector_errors_total", "How often something was wrong.")?,
        })
    }

    /// Sets what is only looked at when somebody asks for metrics.
    pub(crate) fn refresh(&self, reader: Option<&Reader>) {
        let Some(way_in) = self.port.way_in() else { return };
        let scopes = reader.and_then(|reader| reader.scopes("").ok()).unwrap_or_default();
        for (source, fare) in way_in.ingest.fares() {
            let label = [source.as_str()];
            if let Some(time) = fare.last_success {
                self.last_success.with_label_values(&label).set(time.as_micros() / 1_000_000);
            }
            let own = scopes.iter().filter(|(_, scope)| scope.source == source && !scope.retired);
            let (entities, held) = own.fold((0, 0), |(entities, held), (_, scope)| {
                let holds = scope.condition.as_ref().and_then(|of| of.withdrawals).unwrap_or(0);
                (entities + scope.claims, held + holds)
            });
            let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
            self.entities.with_label_values(&label).set(signed(entities));
            self.held.with_label_values(&label).set(signed(held));
            if let Some(budget) = fare.budget {
                self.budget_limit.with_label_values(&label).set(signed(budget.limit));
                self.budget_left.with_label_values(&label).set(signed(budget.left));
            }
            for (counter, number) in [
                (&self.taken, fare.taken),
                (&self.changed, fare.changed),
                (&self.refused, fare.refused),
                (&self.errors, fare.errors),
            ] {
                let counter = counter.with_label_values(&label);
                counter.inc_by(number.saturating_sub(counter.get()));
            }
        }
    }
}
