//! Why a topic can't be a log.

use rdkafka::error::KafkaError;

use crate::options::{Form, OptionsError};

/// Why a log on Kafka can't be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A property is wrong.
    #[error("the log's configuration can't be used")]
    Options(#[from] OptionsError),
    /// The brokers can't be reached, or refuse.
    #[error("the topic {topic} could not {step}")]
    Kafka {
        /// The topic.
        topic: String,
        /// What was being done.
        step: &'static str,
        /// What librdkafka said.
        #[source]
        source: KafkaError,
    },
    /// There is no such topic.
    #[error(
        "there is no topic {topic}: set `create: true` in {place}, or make it with\n  \
         kafka-topics --bootstrap-server … --create --topic {topic} --partitions 1 {configs}"
    )]
    NoTopic {
        /// The topic.
        topic: String,
        /// Where it stands in the configuration.
        place: &'static str,
        /// What it has to be made with.
        configs: String,
    },
    /// More than one partition has no order.
    #[error(
        "the topic {topic} has {found} partitions, and {form} has one: partitions can't be taken \
         away, so make another topic with\n  kafka-topics --bootstrap-server … --create --topic \
         {topic}.1 --partitions 1 {configs}"
    )]
    Partitions {
        /// The topic.
        topic: String,
        /// How many it has.
        found: usize,
        /// What it is for.
        form: Form,
        /// What another one has to be made with.
        configs: String,
    },
    /// The topic would forget records, or refuse some.
    #[error(
        "the topic {topic} would not keep {} ({found}): mend it with\n  kafka-configs \
         --bootstrap-server … --alter --entity-type topics --entity-name {topic} --add-config \
         {configs}", form.kept()
    )]
    Unfit {
        /// The topic.
        topic: String,
        /// What it is for.
        form: Form,
        /// What is wrong, `name=value` each.
        found: String,
        /// What would be right.
        configs: String,
    },
    /// The topic's first records are gone.
    #[error(
        "the topic {topic} begins at offset {first}: its first records were deleted, and a log \
         without its beginning can't be folded"
    )]
    Deleted {
        /// The topic.
        topic: String,
        /// The first offset that is left.
        first: u64,
    },
    /// The system has no thread for it.
    #[error("the thread that follows the topic can't be started")]
    Thread(#[source] std::io::Error),
    /// The topic's last record can't be read.
    #[error("the end of the topic can't be read")]
    Log(#[from] log::Error),
}
