//! What the node says about itself beside the crates' own counters.

use std::sync::Arc;

use api::{Health, Readiness, SearchReadiness};
use log::Log;
use log_kafka::KafkaLog;
use processor::Progress;
use prometheus::{IntGauge, Registry};
use search::{Search, State};
use views::{Dispute, Views};

use crate::port::IngestPort;
use crate::sources::SourceMetrics;
use crate::topics::TopicFare;

/// How the node is.
pub(crate) struct NodeHealth {
    log: Arc<dyn Log>,
    views: Arc<Views>,
    progress: Arc<Progress>,
    search: Search,
    kafka: Option<Arc<KafkaLog>>,
    gauges: Gauges,
    sources: SourceMetrics,
    topics: Vec<Arc<TopicFare>>,
}

struct Gauges {
    log_records: IntGauge,
    cache_bytes: IntGauge,
    table_bytes: IntGauge,
    column_bytes: IntGauge,
    past_bytes: IntGauge,
    snapshots: IntGauge,
    hot_sets: IntGauge,
    paths: IntGauge,
    hot_log_bytes: IntGauge,
    ready: IntGauge,
    search_lag: IntGauge,
    search_documents: IntGauge,
    search_following: IntGauge,
    log_away: IntGauge,
    log_waiting: IntGauge,
    log_verified: IntGauge,
    leads: IntGauge,
    disputed: IntGauge,
}

/// A node that is this far behind the log does not answer for the catalog.
const LAG_MAX: u64 = 10_000;

impl NodeHealth {
    pub(crate) fn new(
        registry: &Registry,
        log: Arc<dyn Log>,
        views: Arc<Views>,
        progress: Arc<Progress>,
        search: Search,
        kafka: Option<Arc<KafkaLog>>,
        port: Arc<IngestPort>,
    ) -> Result<Self, prometheus::Error> {
        let sources = SourceMetrics::new(registry, port)?;
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let gauges = Gauges {
            log_records: gauge("annals_log_records", "Records in the log.")?,
            cache_bytes: gauge(
                "annals_views_rocksdb_cache_bytes",
                "Memory of RocksDB's block cache and write buffers, in bytes.",
            )?,
            table_bytes: gauge(
                "annals_views_rocksdb_table_bytes",
                "Memory of RocksDB's open table files beside the cache, in bytes.",
            )?,
            column_bytes: gauge(
                "annals_views_column_bytes",
                "Memory of values by which lists are ordered and texts found, in bytes.",
            )?,
            past_bytes: gauge(
                "annals_views_past_bytes",
                "Memory of what has changed, put together for reads as of earlier moments, in bytes.",
            )?,
            snapshots: gauge(
                "annals_views_snapshots",
                "Moments of the views that are held for readers, with the present one.",
            )?,
            hot_sets: gauge("annals_index_hot_sets", "Sets of the filter index in memory.")?,
            paths: gauge("annals_index_paths", "Paths of the filter index.")?,
            hot_log_bytes: gauge(
                "annals_index_log_bytes",
                "Bytes that a restart reads to bring the sets in memory up to date.",
            )?,
            ready: gauge("annals_ready", "1 if the node answers for the catalog, else 0.")?,
            search_lag: gauge(
                "annals_search_lag_records",
                "Records that are folded and not yet searchable.",
            )?,
            search_documents: gauge("annals_search_documents", "Documents in the search index.")?,
            search_following: gauge(
                "annals_search_following",
                "1 if the search index follows the views, 0 while it is built or has failed.",
            )?,
            log_away: gauge("annals_log_away", "1 while the log's brokers do not answer.")?,
            log_waiting: gauge(
                "annals_log_appends_waiting",
                "Appends that wait for the log's brokers.",
            )?,
            log_verified: gauge(
                "annals_log_verified",
                "How often the last record was read again, after a silence or a broken \
                 connection, and was the same.",
            )?,
            leads: gauge(
                "annals_leads",
                "1 if this node runs the connectors and signs, 0 if another one does.",
            )?,
            disputed: gauge(
                "annals_statements_disputed",
                "1 if this node disagrees with a statement that the log's key signed.",
            )?,
        };
        let topics = Vec::new();
        Ok(Self { log, views, progress, search, kafka, gauges, sources, topics })
    }

    /// The same, with the topics that this node writes while it leads.
    pub(crate) fn with_topics(self, topics: Vec<Arc<TopicFare>>) -> Self {
        Self { topics, ..self }
    }

    /// Where it is told whether this node leads.
    pub(crate) fn leads(&self) -> IntGauge {
        self.gauges.leads.clone()
    }
}

impl Health for NodeHealth {
    fn readiness(&self) -> Readiness {
        let mut readiness = Readiness::default();
        if let Some(why) = self.progress.why_stopped() {
            readiness.why_not.push(format!("the views do not follow the log: {why}"));
        }
        match self.log.end() {
            Err(error) => readiness.why_not.push(error.to_string()),
            Ok(end) => {
                let folded = self.progress.offset().map_or(0, |offset| offset + 1);
                readiness.lag = end.saturating_sub(folded);
                if readiness.lag > LAG_MAX {
                    let lag = readiness.lag;
                    readiness.why_not.push(format!("{lag} records of the log are not folded yet"));
                }
            }
        }
        let dispute = self.views.reader().map(|reader| reader.dispute());
        if let Some(Ok(Some(dispute))) = dispute {
            let Dispute { record, why } = dispute;
            let why = format!("the node disagrees with what record {record} attests: {why}");
            readiness.why_not.push(why);
        }
        let searched = self.search.position();
        let folded = self.views.offset().map_or(0, |(_, offset)| offset + 1);
        readiness.search = SearchReadiness {
            state: self.search.state().word(),
            position: searched,
            lag: folded.saturating_sub(searched.map_or(0, |position| position.offset + 1)),
        };
        readiness.log_away = self.log.why_away();
        let folded = self.views.offset().map(|(_, offset)| offset);
        readiness.topics = self.topics.iter().map(|topic| topic.readiness(folded)).collect();
        if self.views.offset().is_none() {
            readiness.why_not.push("nothing is folded yet".into());
        }
        readiness
    }

    fn refresh_metrics(&self) {
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let stats = self.views.stats();
        let gauges = &self.gauges;
        gauges.log_records.set(signed(self.log.end().unwrap_or(0)));
        gauges.cache_bytes.set(signed(stats.cache_bytes));
        gauges.table_bytes.set(signed(stats.table_bytes));
        gauges.column_bytes.set(signed(stats.column_bytes));
        gauges.past_bytes.set(signed(stats.past_bytes));
        gauges.snapshots.set(signed(stats.snapshots));
        gauges.hot_sets.set(signed(stats.index.hot_sets));
        gauges.paths.set(signed(stats.index.paths));
        gauges.hot_log_bytes.set(signed(stats.index.log_bytes));
        let readiness = self.readiness();
        gauges.ready.set(i64::from(readiness.why_not.is_empty()));
        gauges.search_lag.set(signed(readiness.search.lag));
        gauges.search_documents.set(signed(self.search.documents()));
        gauges.log_away.set(i64::from(self.log.why_away().is_some()));
        if let Some(kafka) = &self.kafka {
            gauges.log_waiting.set(i64::try_from(kafka.waiting()).unwrap_or(i64::MAX));
            gauges.log_verified.set(signed(kafka.verified()));
        }
        let disputed = self.views.reader().is_some_and(|it| matches!(it.dispute(), Ok(Some(_))));
        gauges.disputed.set(i64::from(disputed));
        let following = self.search.state() == State::Following;
        gauges.search_following.set(i64::from(following));
        let folded = self.views.offset().map(|(_, offset)| offset);
        self.topics.iter().for_each(|topic| topic.refresh(folded));
        self.sources.refresh(self.views.reader().as_ref());
    }
}
