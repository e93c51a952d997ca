//! A topic is a log: the laws of all logs, and what anyone may produce beside.

use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;
use event::Content;
use log::conformance::{Bench, check_all, read_all, record};
use log::{Budget, Log};
use log_kafka::KafkaLog;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use support::kafka::Kafka;
use support::raw_kafka;

use crate::kafka;

/// Logs on topics of their own; a crash lets go of the client.
struct OnKafka<'a> {
    kafka: &'a Kafka,
    topic: RefCell<String>,
}

impl Bench for OnKafka<'_> {
    fn create(&self) -> Arc<dyn Log> {
        let topic = self.kafka.new_topic();
        self.topic.replace(topic.clone());
        Arc::new(self.kafka.open(&topic))
    }

    fn crash(&self, log: Arc<dyn Log>) -> Option<Arc<dyn Log>> {
        drop(log);
        Some(Arc::new(self.kafka.open(&self.topic.borrow())))
    }
}

#[test]
fn a_topic_keeps_the_laws_of_a_log() {
    let Some(kafka) = kafka("the laws of logs on Kafka") else { return };
    check_all(&OnKafka { kafka: &kafka, topic: RefCell::default() });
    two_processes_share_a_topic(&kafka);
    whatever_is_produced_is_read(&kafka);
    topics_that_would_forget_are_refused(&kafka);
}

/// Two logs on one topic see the same, and what one appends reaches the other; offsets that are
/// given back are never before the record.
fn two_processes_share_a_topic(kafka: &Kafka) {
    let topic = kafka.new_topic();
    let logs = [kafka.open(&topic), kafka.open(&topic)];
    let appended: Vec<(u64, u64)> = std::thread::scope(|threads| {
        let append = |(writer, log): (u64, &KafkaLog)| {
            let mut appended = Vec::new();
            for round in 0..30 {
                let first = writer * 1_000 + round * 10;
                let contents: Vec<Content> = (first..first + 7).map(record).collect();
                let at = log.append(&contents).unwrap();
                appended.extend((first..first + 7).zip(at..));
            }
            appended
        };
        let threads = (0..).zip(&logs).map(|it| threads.spawn(move || append(it)));
        let threads: Vec<_> = threads.collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let end = logs[0].wait(419, std::time::Duration::from_secs(30)).unwrap();
    assert_eq!(end, 420);
    let all = read_all(&logs[0]);
    logs[1].wait(419, std::time::Duration::from_secs(30)).unwrap();
    assert_eq!(all, read_all(&logs[1]));
    for (number, at_the_latest) in appended {
        let at = all.iter().position(|one| *one == record(number)).unwrap() as u64;
        assert!(at <= at_the_latest, "{number} stands at {at}, not by {at_the_latest}");
    }
}

fn producer(kafka: &Kafka) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &kafka.address).set("message.max.bytes", "10000000");
    config.create().unwrap()
}

/// Foreign messages read as bytes that tell all of them; the same for a reader that comes later.
fn whatever_is_produced_is_read(kafka: &Kafka) {
    let topic = kafka.new_topic();
    let log = kafka.open(&topic);
    log.append(&[record(0)]).unwrap();
    let producer = producer(kafka);
    let send = |key: Option<&[u8]>, headers: &[(&str, Option<&[u8]>)], value: Option<&[u8]>| {
        let mut all = OwnedHeaders::new();
        for (key, value) in headers {
            all = all.insert(Header { key, value: *value });
        }
        let mut message = BaseRecord::<[u8], [u8]>::to(&topic).headers(all);
        (message.key, message.payload) = (key, value);
        producer.send(message).map_err(|(error, _)| error).unwrap();
    };
    send(None, &[], None);
    send(None, &[], Some(b"plain"));
    send(Some(b"k"), &[], Some(b"keyed"));
    send(None, &[("a", None), ("b\u{7f}", Some(b"\xff\0"))], Some(b"with headers"));
    send(None, &[("ce_specversion", Some(b"1.0")), ("ce_type", Some(b"x"))], Some(b"{}"));
    send(None, &[], Some(&vec![b'x'; 5 * 1024 * 1024 + 100]));
    producer.flush(std::time::Duration::from_secs(30)).unwrap();
    let transactional = transaction(kafka, &topic);
    // A name that is not UTF-8, over which rdkafka itself panics.
    raw_kafka::produce(&kafka.address, &topic, b"\xff\xfe", b"named by no text");
    log.append(&[record(1)]).unwrap();
    let all = read_all(&log);
    assert_eq!(all, read_all(&kafka.open(&topic)), "whoever reads later reads the same");
    assert_eq!(all.len(), 9 + transactional);
    assert_eq!(all[..3], [record(0), Err(Bytes::new()), Err("plain".into())]);
    let starts =
        |content: &Content, with: &[u8]| content.as_ref().is_err_and(|it| it.starts_with(with));
    assert!(all[3..6].iter().all(|one| starts(one, b"annals/message/v1")), "{:?}", &all[3..6]);
    assert!(starts(&all[6], b"annals/large/v1"), "a message that is larger than any record");
    // The mark that a transaction leaves behind may come after what was produced after it.
    let produced: Vec<&Content> =
        all.iter().filter(|one| !starts(one, b"annals/no-message/v1")).collect();
    let [.., named, last] = &produced[..] else { panic!("{}", all.len()) };
    assert!(starts(named, b"annals/message/v1"), "{named:?}");
    assert_eq!(**last, record(1));
    // What was read can be appended elsewhere, and is the same there.
    let other = kafka.open(&kafka.new_topic());
    other.append(&all).unwrap();
    assert_eq!(read_all(&other), all);
    let memory = log::MemoryLog::new();
    memory.append(&all).unwrap();
}

/// A transaction that is committed and one that is not: both are read, and so is what each leaves
/// behind, at whose offset no message stands. Gives how many offsets that takes.
fn transaction(kafka: &Kafka, topic: &str) -> usize {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &kafka.address).set("transactional.id", "somebody");
    let producer: BaseProducer = config.create().unwrap();
    let time = std::time::Duration::from_secs(30);
    producer.init_transactions(time).unwrap();
    for commit in [true, false] {
        producer.begin_transaction().unwrap();
        producer.send(BaseRecord::<(), str>::to(topic).payload("in a transaction")).unwrap();
        producer.flush(time).unwrap();
        if commit {
            producer.commit_transaction(time).unwrap();
        } else {
            producer.abort_transaction(time).unwrap();
        }
    }
    4
}

fn topics_that_would_forget_are_refused(kafka: &Kafka) {
    let good = "--config cleanup.policy=delete --config retention.ms=-1 --config \
                retention.bytes=-1 --config max.message.bytes=6000000";
    for (partitions, change, says) in [
        ("2", ("", ""), "has 2 partitions, and a log has one"),
        ("1", ("cleanup.policy=delete", "cleanup.policy=compact"), "cleanup.policy=compact"),
        ("1", ("retention.ms=-1", "retention.ms=1000"), "--add-config retention.ms=-1"),
        ("1", ("retention.bytes=-1", "retention.bytes=1000"), "--add-config retention.bytes=-1"),
        ("1", ("max.message.bytes=6000000", "max.message.bytes=1000"), "max.message.bytes=1000"),
        ("1", ("", ""), ""),
    ] {
        let topic = kafka.new_topic();
        let configs = good.replace(change.0, change.1);
        let configs = if change.0.is_empty() { good } else { &configs };
        let configs: Vec<&str> = configs.split_whitespace().collect();
        let create = ["--create", "--topic", &topic, "--partitions", partitions];
        kafka.topics(&[&create, &configs[..]].concat());
        match KafkaLog::open(kafka.options(&topic)) {
            Ok(log) => assert_eq!((says, log.end().unwrap()), ("", 0)),
            Err(error) => {
                let said = error.to_string();
                assert!(!says.is_empty() && said.contains(says), "{says}: {said}");
            }
        }
    }
    let mut options = kafka.options("annals.none");
    options.create = false;
    let said = KafkaLog::open(options).err().unwrap().to_string();
    assert!(said.contains("there is no topic annals.none: set `create: true`"), "{said}");
    let budget = Budget::default();
    assert_eq!(kafka.open("annals.none").read(0, budget).unwrap(), []);
}
