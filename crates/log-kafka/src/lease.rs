//! The lease: of all nodes on a topic, one runs the connectors.
//!
//! The nodes are members of a group of Kafka that reads the log's topic. It has one partition, so
//! one member has it: that one holds the lease. Nothing is read that way; the partition is paused.
//! A member that dies is out of the group when its session has ended (6 s), and another takes over.
//! What the one before still has on its way comes too late for the fold: the next holder's sources
//! begin new epochs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::client::{Context, Health};
use crate::error::OpenError;
use crate::options::{Options, refused};

/// How long one poll waits.
const POLL: Duration = Duration::from_millis(100);

/// A node's place in the group.
pub struct Lease {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Told whether the lease is held.
type Tell = Box<dyn Fn(bool) + Send + Sync>;

struct Member {
    context: Context,
    tell: Tell,
}

impl ClientContext for Member {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.context.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "the lease's group");
    }
}

impl ConsumerContext for Member {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Revoke(partitions) if partitions.count() > 0 => (self.tell)(false),
            Rebalance::Revoke(_) | Rebalance::Assign(_) => {}
            Rebalance::Error(error) => {
                tracing::warn!(%error, "the lease's group could not be divided");
                (self.tell)(false);
            }
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(partitions) = rebalance
            && partitions.count() > 0
        {
            if let Err(error) = consumer.pause(partitions) {
                tracing::debug!(%error, "the lease's partition is not paused");
            }
            (self.tell)(true);
        }
    }
}

impl Lease {
    /// Joins the group of those who want the lease; `tell` is told whenever it is got or lost.
    ///
    /// # Errors
    /// When librdkafka does not take the options.
    pub fn join(
        options: &Options,
        tell: impl Fn(bool) + Send + Sync + 'static,
    ) -> Result<Self, OpenError> {
        // Its connections say nothing of those of the log.
        let context = Context { health: Arc::new(Health::default()) };
        let member = Member { context, tell: Box::new(tell) };
        let consumer = BaseConsumer::from_config_and_context(&options.lease(), member)
            .map_err(|error| OpenError::Options(refused(error)))?;
        let fault =
            |source| OpenError::Kafka { topic: options.topic.clone(), step: "be leased", source };
        consumer.subscribe(&[&options.topic]).map_err(fault)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (told, group) = (Arc::clone(&stop), options.group.clone());
        let thread = std::thread::Builder::new().name("lease".into());
        let run = move || {
            let mut said = None;
            while !told.load(Ordering::Relaxed) {
                // What is read here is read for nothing.
                let Some(Err(error)) = consumer.poll(POLL) else { continue };
                let code = error.rdkafka_error_code();
                let refused = matches!(
                    code,
                    Some(
                        RDKafkaErrorCode::GroupAuthorizationFailed
                            | RDKafkaErrorCode::TopicAuthorizationFailed
                    )
                );
                if refused && said != code {
                    tracing::error!(%error, group, "the brokers don't let this node lead");
                    said = code;
                }
            }
            // Leaving the group tells the others at once. It is not waited for: brokers that are
            // away would not let go.
            drop(consumer);
        };
        let thread = Some(thread.spawn(run).map_err(OpenError::Thread)?);
        Ok(Self { stop, thread })
    }

    /// Gives the lease back, for others to take; waits so long at most until they know.
    pub fn leave(mut self, at_most: Duration) {
        self.stop.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else { return };
        let begun = std::time::Instant::now();
        while !thread.is_finished() && begun.elapsed() < at_most {
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
