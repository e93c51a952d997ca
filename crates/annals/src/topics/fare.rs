//! How a topic is.

use api::TopicReadiness;
use event::Offset;
use log_kafka::Breaker;
use parking_lot::Mutex;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Figures of all topics.
pub(crate) struct TopicMetrics {
    position: IntGaugeVec,
    lag: IntGaugeVec,
    messages: IntCounterVec,
    foreign: IntCounterVec,
}

impl TopicMetrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauges = |name: &str, help: &str| {
            let gauges = IntGaugeVec::new(Opts::new(name, help), &["topic"])?;
            registry.register(Box::new(gauges.clone()))?;
            Ok::<_, prometheus::Error>(gauges)
        };
        let counters = |name: &str, help: &str| {
            let counters = IntCounterVec::new(Opts::new(name, help), &["topic"])?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, prometheus::Error>(counters)
        };
        Ok(Self {
            position: gauges(
                "annals_topic_position",
                "The last record that was told on the topic, by this node.",
            )?,
            lag: gauges("annals_topic_lag_records", "Records that are folded and not told yet.")?,
            messages: counters("annals_topic_messages_total", "Messages that were written.")?,
            foreign: counters(
                "annals_topic_foreign_total",
                "Messages that somebody else wrote into the topic.",
            )?,
        })
    }
}

/// How a topic is, as it is told while it is written.
pub(crate) struct TopicFare {
    topic: String,
    state: Mutex<State>,
    position: IntGauge,
    lag: IntGauge,
    pub(super) messages: IntCounter,
    pub(super) foreign: IntCounter,
}

#[derive(Default)]
struct State {
    told: Option<Offset>,
    how: How,
}

/// What a topic's writer does.
#[derive(Default)]
pub(super) enum How {
    /// Another node writes it, or none.
    #[default]
    Resting,
    /// What says whether the brokers are there.
    Following(Breaker),
    Failed(String),
}

impl TopicFare {
    pub(crate) fn new(metrics: &TopicMetrics, topic: &str) -> Self {
        let label = [topic];
        Self {
            topic: topic.to_owned(),
            state: Mutex::default(),
            position: metrics.position.with_label_values(&label),
            lag: metrics.lag.with_label_values(&label),
            messages: metrics.messages.with_label_values(&label),
            foreign: metrics.foreign.with_label_values(&label),
        }
    }

    pub(super) fn is(&self, how: How) {
        self.state.lock().how = how;
    }

    pub(super) fn told(&self, offset: Offset) {
        self.state.lock().told = Some(offset);
    }

    pub(super) fn rests(&self) {
        *self.state.lock() = State::default();
    }

    pub(crate) fn readiness(&self, folded: Option<Offset>) -> TopicReadiness {
        let state = self.state.lock();
        let (word, why) = match &state.how {
            How::Resting => ("resting", None),
            How::Following(brokers) => match brokers.why_away() {
                Some(why) => ("waiting", Some(why)),
                None => ("following", None),
            },
            How::Failed(why) => ("failed", Some(why.clone())),
        };
        let lag = state.told.map(|told| folded.map_or(0, |folded| folded.saturating_sub(told)));
        TopicReadiness { topic: self.topic.clone(), state: word, why, lag }
    }

    /// Sets what is only looked at when somebody asks for metrics.
    pub(crate) fn refresh(&self, folded: Option<Offset>) {
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let told = self.state.lock().told;
        self.position.set(told.map_or(-1, signed));
        let lag = self.readiness(folded).lag;
        self.lag.set(lag.map_or(0, signed));
    }
}
