//! What librdkafka says, and how the brokers are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// For so long nothing is said of brokers that do not answer: one that restarts is no news.
const SAY_AFTER: Duration = Duration::from_secs(5);

/// Whether the brokers answer, as the clients of one log see it.
#[derive(Debug, Default)]
pub(crate) struct Health {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    away: Option<(Instant, String)>,
    said: bool,
    /// How often a connection broke.
    breaks: u64,
}

impl Health {
    /// Something did not answer.
    pub(crate) fn away(&self, why: &str) {
        let mut state = self.state.lock();
        state.breaks += 1;
        let now = Instant::now();
        let (since, _) = *state.away.get_or_insert_with(|| (now, why.to_owned()));
        if since.elapsed() >= SAY_AFTER && !state.said {
            state.said = true;
            tracing::warn!(why, "Kafka is away: appends wait until it is back");
        }
    }

    /// Something answered.
    pub(crate) fn here(&self) {
        let mut state = self.state.lock();
        let Some((since, _)) = state.away.take() else { return };
        if std::mem::take(&mut state.said) {
            tracing::info!(away_s = since.elapsed().as_secs(), "Kafka is back");
        }
    }

    /// How long nothing has answered.
    pub(crate) fn away_for(&self) -> Option<Duration> {
        self.state.lock().away.as_ref().map(|(since, _)| since.elapsed())
    }

    /// Why nothing can be appended now, if that lasts.
    pub(crate) fn why_away(&self) -> Option<String> {
        let state = self.state.lock();
        let (since, why) = state.away.as_ref()?;
        (since.elapsed() >= SAY_AFTER)
            .then(|| format!("Kafka is away since {} s ({why})", since.elapsed().as_secs()))
    }

    /// How often a connection broke so far.
    pub(crate) fn breaks(&self) -> u64 {
        self.state.lock().breaks
    }
}

/// Takes what librdkafka says.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) health: Arc<Health>,
}

impl ClientContext for Context {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        // It says each fault many times, and whoever calls it hears of those that matter.
        tracing::debug!(facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code().is_some_and(is_connection) {
            self.health.away(reason);
        }
        tracing::debug!(%error, reason, "librdkafka");
    }
}

impl ConsumerContext for Context {}

/// Whether an error says that a broker can't be reached.
pub(crate) fn is_connection(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::AllBrokersDown
            | Code::BrokerTransportFailure
            | Code::OperationTimedOut
            | Code::Resolve
            | Code::SSL
            | Code::Authentication
            | Code::NetworkException
            | Code::RequestTimedOut
    )
}
