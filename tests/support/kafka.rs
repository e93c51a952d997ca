//! A real Apache Kafka, started by `scripts/kafka` in a folder of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use log_kafka::{KafkaLog, Options};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::proxy::Proxy;

/// Brokers, which are stopped when this is dropped, or when this process ends in any other way.
pub struct Kafka {
    folder: tempfile::TempDir,
    /// Where clients begin.
    pub address: String,
    /// More of the brokers' properties.
    extra: String,
    /// How their folders are formatted beside.
    format: String,
    brokers: u32,
    topics: AtomicU32,
}

impl Kafka {
    /// Starts so many brokers.
    ///
    /// # Errors
    /// Why that can't be done here: no Java, no Maven, no jars.
    pub fn start(brokers: u32) -> Result<Self, String> {
        let mut kafka = Self::stopped(brokers)?;
        kafka.address = kafka.run(&["start", ""]);
        Ok(kafka)
    }

    /// Starts a broker that is reached over a network that can be cut.
    ///
    /// # Errors
    /// As [`Kafka::start`].
    pub fn start_behind_a_proxy() -> Result<(Self, Proxy), String> {
        let mut kafka = Self::stopped(1)?;
        let port = kafka.run(&["port"]);
        let proxy = Proxy::to(port.parse().unwrap());
        kafka.extra = format!("advertised.listeners=PLAINTEXT://127.0.0.1:{}", proxy.port);
        kafka.run(&["start", &port]);
        kafka.address = format!("127.0.0.1:{}", proxy.port);
        Ok((kafka, proxy))
    }

    /// Starts a broker that is reached with a name and a password: a secret of `annals`. Gives the
    /// addresses without TLS and with it, and the file with the certificate.
    ///
    /// # Errors
    /// As [`Kafka::start`].
    pub fn start_secured(secret: &str) -> Result<(Self, [String; 2], PathBuf), String> {
        let mut kafka = Self::stopped(1)?;
        let (certificate, keys) =
            (kafka.folder.path().join("cert"), kafka.folder.path().join("keys"));
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]);
        openssl.args(["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]);
        let made = openssl.arg("-keyout").arg(&keys).arg("-out").arg(&certificate).output();
        let made = made.map_err(|error| format!("openssl: {error}"))?;
        if !made.status.success() {
            return Err(said(&made));
        }
        // One file with both.
        let both = [&keys, &certificate].map(|path| std::fs::read_to_string(path).unwrap());
        std::fs::write(&keys, both.concat()).unwrap();
        kafka.brokers = 2;
        let port: u16 = kafka.run(&["port"]).parse().unwrap();
        kafka.brokers = 1;
        let [controller, plain, tls] = [1, 2, 3].map(|more| port + more);
        let login = "org.apache.kafka.common.security";
        let mut extra = format!(
            "listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},\
             SASL://127.0.0.1:{plain},TLS://127.0.0.1:{tls}\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,\
             SASL:SASL_PLAINTEXT,TLS:SASL_SSL\n\
             sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512\n\
             listener.name.tls.ssl.keystore.type=PEM\n\
             listener.name.tls.ssl.keystore.location={}\n",
            keys.display()
        );
        for listener in ["sasl", "tls"] {
            extra.push_str(&format!(
                "listener.name.{listener}.plain.sasl.jaas.config={login}.plain.PlainLoginModule \
                 required user_annals=\"{secret}\";\n\
                 listener.name.{listener}.scram-sha-512.sasl.jaas.config=\
                 {login}.scram.ScramLoginModule required;\n"
            ));
        }
        kafka.extra = extra;
        kafka.format = format!("--add-scram SCRAM-SHA-512=[name=annals,password={secret}]");
        kafka.run(&["start", &port.to_string()]);
        kafka.address = format!("127.0.0.1:{port}");
        let addresses = [plain, tls].map(|port| format!("127.0.0.1:{port}"));
        Ok((kafka, addresses, certificate))
    }

    fn stopped(brokers: u32) -> Result<Self, String> {
        for step in ["check", "fetch"] {
            let output = script(&[step], &[]);
            if !output.status.success() {
                return Err(said(&output));
            }
        }
        let folder = tempfile::tempdir().unwrap();
        // What is compacted is so soon.
        let extra = "log.cleaner.backoff.ms=500".to_owned();
        let (address, format, topics) = (String::new(), String::new(), AtomicU32::new(0));
        Ok(Self { folder, address, extra, format, brokers, topics })
    }

    fn run(&self, args: &[&str]) -> String {
        let (owner, brokers) = (std::process::id().to_string(), self.brokers.to_string());
        let data = self.data();
        let data = data.to_str().unwrap();
        let env = [
            ("KAFKA_OWNER", owner.as_str()),
            ("BROKERS", &brokers),
            ("KAFKA_DATA", data),
            ("KAFKA_HEAP", "256m"),
            ("KAFKA_EXTRA", &self.extra),
            ("KAFKA_FORMAT", &self.format),
        ];
        let output = script(args, &env);
        assert!(output.status.success(), "{args:?}: {}", said(&output));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Where the brokers keep everything.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("kafka")
    }

    /// Kills a broker, as a crash would; 1 is the first.
    pub fn kill(&self, broker: u32) {
        let pid = std::fs::read_to_string(self.data().join(format!("{broker}/pid"))).unwrap();
        assert!(Command::new("kill").args(["-9", pid.trim()]).status().unwrap().success());
    }

    /// Stops all brokers.
    pub fn stop(&self) {
        self.run(&["stop"]);
    }

    /// Starts those that do not run, where they were.
    pub fn restart(&self) {
        self.run(&["start"]);
    }

    /// Runs `kafka-topics`.
    pub fn topics(&self, args: &[&str]) {
        self.run(&[&["topics"], args].concat());
    }

    /// A name that no topic has yet.
    #[must_use]
    pub fn new_topic(&self) -> String {
        format!("annals.{}", self.topics.fetch_add(1, Ordering::Relaxed))
    }

    /// How a topic is reached.
    #[must_use]
    pub fn options(&self, topic: &str) -> Options {
        options(&self.address, topic)
    }

    /// The log on a topic, which is made where there is none.
    #[must_use]
    pub fn open(&self, topic: &str) -> KafkaLog {
        KafkaLog::open(self.options(topic)).unwrap()
    }
}

/// A message as a consumer gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    pub offset: i64,
    pub key: Option<String>,
    pub headers: BTreeMap<String, String>,
    pub value: Option<String>,
}

impl Kafka {
    /// All that stands in a topic.
    #[must_use]
    pub fn read(&self, topic: &str) -> Vec<Read> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address);
        config.set("group.id", "reader").set("enable.partition.eof", "true");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
        consumer.assign(&list).unwrap();
        let mut all = Vec::new();
        loop {
            let message = match consumer.poll(Duration::from_secs(30)).unwrap() {
                Err(KafkaError::PartitionEOF(_)) => return all,
                message => message.unwrap(),
            };
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let headers = message.headers().into_iter().flat_map(Headers::iter);
            all.push(Read {
                offset: message.offset(),
                key: message.key().map(text),
                headers: headers
                    .map(|one| (one.key.to_owned(), text(one.value.unwrap_or_default())))
                    .collect(),
                value: message.payload().map(text),
            });
        }
    }

    /// Writes a message into a topic, as anybody may.
    pub fn write(&self, topic: &str, key: &str, headers: &[(&str, &str)], value: Option<&str>) {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address);
        let producer: BaseProducer = config.create().unwrap();
        let mut all = OwnedHeaders::new();
        for (key, value) in headers {
            all = all.insert(Header { key, value: Some(*value) });
        }
        let mut record = BaseRecord::to(topic).partition(0).key(key).headers(all);
        if let Some(value) = value {
            record = record.payload(value);
        }
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.flush(Duration::from_secs(30)).unwrap();
    }
}

/// How a topic is reached at an address.
#[must_use]
pub fn options(address: &str, topic: &str) -> Options {
    let properties = BTreeMap::from([("bootstrap.servers".to_owned(), address.to_owned())]);
    Options::new(topic, true, properties).unwrap()
}

impl Drop for Kafka {
    fn drop(&mut self) {
        let data = self.data();
        let env = [("KAFKA_DATA", data.to_str().unwrap()), ("KAFKA_WAIT", "5")];
        let _ = script(&["stop"], &env);
    }
}

fn script(args: &[&str], env: &[(&str, &str)]) -> Output {
    let script = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../scripts/kafka");
    // What a broker prints goes to its log; it must not hold what this reads from open.
    Command::new(script).args(args).envs(env.iter().copied()).output().unwrap()
}

fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines().last().unwrap_or("it says nothing").to_owned()
}
