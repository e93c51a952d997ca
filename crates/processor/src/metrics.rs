//! What the loop says about itself.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Registry};

/// Counters of one processor.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Records folded.
    pub(crate) records: IntCounter,
    /// Batches committed.
    pub(crate) batches: IntCounter,
    /// Records in the log that are not folded yet.
    pub(crate) lag: IntGauge,
    /// Batches that were prepared and wait to be folded.
    pub(crate) prepared: IntGauge,
    /// Statements about the log that its key has not signed.
    pub(crate) refused_statements: IntCounter,
    /// Seconds a batch takes to be folded.
    pub(crate) fold_seconds: Histogram,
    /// Seconds a batch takes to be committed.
    pub(crate) commit_seconds: Histogram,
}

impl Metrics {
    /// Counters in a registry.
    ///
    /// # Errors
    /// When the registry has some of that name already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let buckets = prometheus::exponential_buckets(0.0005, 2.0, 14)?;
        let histogram = |name: &str, help: &str| {
            Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.clone()))
        };
        let metrics = Self {
            records: IntCounter::new(
                "annals_fold_records_total",
                "Records of the log that were folded.",
            )?,
            batches: IntCounter::new("annals_fold_batches_total", "Batches that were committed.")?,
            lag: IntGauge::new(
                "annals_fold_lag_records",
                "Records of the log that are not folded yet.",
            )?,
            prepared: IntGauge::new(
                "annals_fold_queue_batches",
                "Batches that are prepared and wait to be folded.",
            )?,
            refused_statements: IntCounter::new(
                "annals_statements_refused_total",
                "Statements about the log that its identity key has not signed.",
            )?,
            fold_seconds: histogram("annals_fold_seconds", "Time to fold one batch, in seconds.")?,
            commit_seconds: histogram(
                "annals_commit_seconds",
                "Time to commit one batch, in seconds.",
            )?,
        };
        registry.register(Box::new(metrics.records.clone()))?;
        registry.register(Box::new(metrics.batches.clone()))?;
        registry.register(Box::new(metrics.lag.clone()))?;
        registry.register(Box::new(metrics.prepared.clone()))?;
        registry.register(Box::new(metrics.refused_statements.clone()))?;
        registry.register(Box::new(metrics.fold_seconds.clone()))?;
        registry.register(Box::new(metrics.commit_seconds.clone()))?;
        Ok(metrics)
    }
}
