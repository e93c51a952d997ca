//! Where a log on Kafka is, and what librdkafka is told.

use std::collections::BTreeMap;
use std::fmt;

use event::RECORD_BYTES_MAX;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

/// The largest message, in bytes: the largest record with its attributes as headers.
pub(crate) const MESSAGE_BYTES_MAX: usize = RECORD_BYTES_MAX + (64 << 10);

/// How much of the topic is read ahead for one reader, in KB.
const READ_AHEAD_KB: &str = "16384";

/// What the promises of a log rest on, and why nobody else may set it.
const OWN: [(&str, &str); 9] = [
    ("acks", "all"),
    ("auto.offset.reset", "error"),
    ("check.crcs", "true"),
    ("enable.auto.commit", "false"),
    ("enable.gapless.guarantee", "true"),
    ("enable.idempotence", "true"),
    ("enable.partition.eof", "true"),
    // Whatever stands in the topic is read, whether a transaction was committed or not: so a
    // reader never waits for somebody else's transaction, and all readers see the same.
    ("isolation.level", "read_uncommitted"),
    // An append waits as long as the brokers are away.
    ("message.timeout.ms", "0"),
];

/// What readers and the lease are members of, or would be; see [`Options::group`].
const GROUP: &str = "group.id";

/// What a topic is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// It holds the log.
    #[default]
    Log,
    /// It holds each entity as it is, by its reference, and is compacted.
    State,
    /// It holds every change.
    Changes,
}

impl Form {
    /// The largest message, in bytes. A change shows an entity before and after it, and what makes
    /// the one of the other.
    #[must_use]
    pub const fn message_bytes_max(self) -> usize {
        match self {
            Self::Log | Self::State => MESSAGE_BYTES_MAX,
            Self::Changes => 3 * MESSAGE_BYTES_MAX,
        }
    }

    pub(crate) const fn place(self) -> &'static str {
        match self {
            Self::Log => "log.kafka",
            Self::State => "log.kafka.state",
            Self::Changes => "log.kafka.changes",
        }
    }

    /// What a topic that is not as it should be would not keep.
    pub(crate) const fn kept(self) -> &'static str {
        match self {
            Self::Log => "the log",
            Self::State => "the state of entities, and only that",
            Self::Changes => "all changes",
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Log => "a log",
            Self::State => "a topic of state",
            Self::Changes => "a topic of changes",
        })
    }
}

/// Which topic, and how its brokers are reached.
#[derive(Clone)]
pub struct Options {
    /// The topic's name.
    pub topic: String,
    /// Whether the topic is made where there is none.
    pub create: bool,
    /// What it is for.
    pub form: Form,
    /// The Kafka group whose one member with the topic's partition holds the lease.
    pub group: String,
    /// Properties of librdkafka, `bootstrap.servers` and `sasl.password` among them.
    pub properties: BTreeMap<String, String>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secrets.
        let keys: Vec<&String> = self.properties.keys().collect();
        f.debug_struct("Options")
            .field("topic", &self.topic)
            .field("create", &self.create)
            .field("form", &self.form)
            .field("group", &self.group)
            .field("properties", &keys)
            .finish()
    }
}

/// What is wrong with options. Values are not named: they may be secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// No broker is named.
    #[error("`bootstrap.servers` is missing in the properties")]
    NoServers,
    /// The topic's name is not one.
    #[error("`{0}` is not a topic's name: 1 to 249 letters, digits, `.`, `_` and `-`")]
    Topic(String),
    /// The topic is another one's already.
    #[error("the topic {0} is named twice: each has one of its own")]
    Taken(String),
    /// The property is not the user's.
    #[error("the property `{0}` can't be set: the log's promises rest on it")]
    Own(String),
    /// librdkafka has no such property.
    #[error("librdkafka has no property `{0}`")]
    Unknown(String),
    /// librdkafka does not take its value.
    #[error("the property `{0}` does not take its value")]
    Value(String),
    /// librdkafka does not take all of them together.
    #[error("librdkafka refuses the properties: {0}")]
    Refused(String),
}

impl Options {
    /// Options for a topic, reached under these properties.
    ///
    /// # Errors
    /// When a property is wrong, missing, or not the user's to set.
    pub fn new(
        topic: &str,
        create: bool,
        properties: BTreeMap<String, String>,
    ) -> Result<Self, OptionsError> {
        check_name(topic)?;
        if !properties.contains_key("bootstrap.servers") {
            return Err(OptionsError::NoServers);
        }
        let group = format!("annals.{topic}");
        let (topic, form) = (topic.to_owned(), Form::Log);
        let options = Self { topic, create, form, group, properties };
        for key in options.properties.keys() {
            if key == GROUP || OWN.iter().any(|(own, _)| own == key) {
                return Err(OptionsError::Own(key.clone()));
            }
            let mut one = ClientConfig::new();
            one.set(key, &options.properties[key]);
            if let Err(error) = one.create_native_config() {
                return Err(refused(error));
            }
        }
        Ok(options)
    }

    /// Options for a topic beside the log, on the same brokers.
    ///
    /// # Errors
    /// When its name is none, or the log's.
    pub fn beside(&self, topic: &str, create: bool, form: Form) -> Result<Self, OptionsError> {
        check_name(topic)?;
        if topic == self.topic {
            return Err(OptionsError::Taken(topic.to_owned()));
        }
        Ok(Self { topic: topic.to_owned(), create, form, ..self.clone() })
    }

    /// Tells a client what every client is told. (A configuration does not give its secrets away, so
    /// that one can't be made of another.)
    fn tell(&self, config: &mut ClientConfig) {
        // The user's own may say otherwise of these.
        for (key, value) in [
            ("client.id", "annals"),
            ("reconnect.backoff.ms", "100"),
            ("reconnect.backoff.max.ms", "1000"),
            ("topic.metadata.refresh.interval.ms", "10000"),
            ("socket.timeout.ms", "10000"),
            ("socket.keepalive.enable", "true"),
        ] {
            config.set(key, value);
        }
        config.extend(self.properties.iter().map(|(key, value)| (key.clone(), value.clone())));
        config.set_log_level(RDKafkaLogLevel::Warning);
    }

    /// What a client that reads is told.
    pub(crate) fn consumer(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("queued.max.messages.kbytes", READ_AHEAD_KB);
        config.set("max.partition.fetch.bytes", "4194304");
        config.set("fetch.queue.backoff.ms", "10");
        self.tell(&mut config);
        for key in [
            "auto.offset.reset",
            "check.crcs",
            "enable.auto.commit",
            "enable.partition.eof",
            "isolation.level",
        ] {
            own(&mut config, key);
        }
        // librdkafka wants one, even where nobody joins it.
        config.set(GROUP, &self.group);
        config
    }

    /// What a client that appends is told.
    pub(crate) fn producer(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        // Appends are grouped before they come here.
        config.set("linger.ms", "1");
        config.set("compression.codec", "lz4");
        config.set("batch.size", "1000000");
        self.tell(&mut config);
        for key in ["acks", "enable.gapless.guarantee", "enable.idempotence", "message.timeout.ms"]
        {
            own(&mut config, key);
        }
        config.set("message.max.bytes", self.form.message_bytes_max().to_string());
        config
    }

    /// What a client that asks about topics is told.
    pub(crate) fn admin(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        self.tell(&mut config);
        config
    }

    /// What the member of the lease's group is told.
    pub(crate) fn lease(&self) -> ClientConfig {
        let mut config = self.consumer();
        // Nothing is read with it: wherever it begins, it is paused.
        config.set("auto.offset.reset", "latest");
        config.set("enable.partition.eof", "false");
        // The least that brokers take by default; who holds the lease keeps it while others come.
        config.set("session.timeout.ms", "6000");
        config.set("heartbeat.interval.ms", "1500");
        config.set("partition.assignment.strategy", "cooperative-sticky");
        config
    }
}

fn check_name(topic: &str) -> Result<(), OptionsError> {
    let fits = !topic.is_empty() && topic.len() <= 249 && topic != "." && topic != "..";
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if fits && topic.bytes().all(plain) {
        return Ok(());
    }
    Err(OptionsError::Topic(topic.chars().take(40).collect()))
}

fn own(config: &mut ClientConfig, key: &str) {
    if let Some((key, value)) = OWN.iter().find(|(own, _)| *own == key) {
        config.set(*key, *value);
    }
}

/// An error about the configuration, without its values.
pub(crate) fn refused(error: KafkaError) -> OptionsError {
    use rdkafka::types::RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN;
    match error {
        KafkaError::ClientConfig(RD_KAFKA_CONF_UNKNOWN, _, key, _) => OptionsError::Unknown(key),
        KafkaError::ClientConfig(_, _, key, _) => OptionsError::Value(key),
        KafkaError::ClientCreation(why) => OptionsError::Refused(why),
        other => OptionsError::Refused(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(topic: &str, properties: &[(&str, &str)]) -> Result<Options, OptionsError> {
        let properties = properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Options::new(topic, false, properties.collect())
    }

    #[test]
    fn what_is_wrong_is_named_and_values_are_not() {
        let servers = ("bootstrap.servers", "127.0.0.1:1");
        for (topic, properties, says) in [
            ("a", &[][..], "`bootstrap.servers` is missing"),
            ("a b", &[servers], "`a b` is not a topic's name"),
            ("", &[servers], "is not a topic's name"),
            ("a", &[servers, ("acks", "1")], "`acks` can't be set"),
            ("a", &[servers, ("sasl.pasword", "s3cret")], "no property `sasl.pasword`"),
            ("a", &[servers, ("security.protocol", "s3cret")], "`security.protocol` does not"),
        ] {
            let said = options(topic, properties).unwrap_err().to_string();
            assert!(said.contains(says), "{said}");
            assert!(!said.contains("s3cret"), "{said}");
        }
        let good = options("a", &[servers, ("sasl.password", "s3cret")]).unwrap();
        assert!(!format!("{good:?}").contains("s3cret"));
        // Each client comes with the secret itself.
        for config in [good.admin(), good.consumer(), good.producer(), good.lease()] {
            assert_eq!(config.get("sasl.password"), Some("s3cret"));
        }
        assert_eq!(good.producer().get("acks"), Some("all"));
        assert_eq!(good.consumer().get("auto.offset.reset"), Some("error"));
    }

    /// README says which; a build with others is another program.
    #[test]
    fn the_build_has_the_features_that_are_told_of() {
        let native = ClientConfig::new().create_native_config().unwrap();
        let features = native.get("builtin.features").unwrap();
        for feature in [
            "gzip",
            "snappy",
            "ssl",
            "sasl",
            "lz4",
            "zstd",
            "sasl_plain",
            "sasl_scram",
            "sasl_oauthbearer",
        ] {
            assert!(features.split(',').any(|found| found == feature), "{feature}: {features}");
        }
        assert!(!features.contains("gssapi"), "{features}");
    }
}
