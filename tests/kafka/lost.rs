//! A log that is not the one any more that was read is not read on, and brokers that are away cost
//! waiting and nothing else.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use log::conformance::{read_all, record};
use log::{Error, Log};
use log_kafka::KafkaLog;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use support::kafka::Kafka;

use crate::kafka;

/// How long a log gets to see what became of its topic.
const SEEN: Duration = Duration::from_secs(60);

/// Waits until a log fails, and gives what it says.
fn failure(log: &KafkaLog) -> String {
    let begun = Instant::now();
    let mut end = 0;
    loop {
        match log.wait(end, Duration::from_millis(100)) {
            Ok(at) => end = at,
            Err(error) => {
                assert!(matches!(error, Error::Exchanged { .. }), "{error:?}");
                return error.to_string();
            }
        }
        assert!(begun.elapsed() < SEEN, "nothing was noticed; the log ends at {end}");
    }
}

fn append(log: &KafkaLog, numbers: std::ops::Range<u64>) {
    for number in numbers {
        log.append(&[record(number)]).unwrap();
    }
}

fn make_anew(kafka: &Kafka, topic: &str, records: std::ops::Range<u64>) {
    kafka.topics(&["--delete", "--topic", topic]);
    // A name is free once the brokers have forgotten the topic.
    let begun = Instant::now();
    let another = loop {
        match KafkaLog::open(kafka.options(topic)) {
            Ok(log) if log.end().is_ok_and(|end| end == 0) => break log,
            _ => assert!(begun.elapsed() < SEEN, "the topic is not made anew"),
        }
    };
    append(&another, records);
}

fn delete_records(kafka: &Kafka, topic: &str, before: i64) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &kafka.address).create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(before)).unwrap();
    let begun = Instant::now();
    while low(kafka, topic) < before {
        assert!(begun.elapsed() < SEEN, "nothing was deleted");
        // It is under way when the future is made.
        drop(admin.delete_records(&list, &AdminOptions::new()));
    }
}

fn low(kafka: &Kafka, topic: &str) -> i64 {
    let client: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &kafka.address).create().unwrap();
    client.inner().fetch_watermarks(topic, 0, SEEN).unwrap().0
}

#[test]
fn a_topic_that_is_not_the_one_that_was_read_is_not_read_on() {
    let Some(kafka) = kafka("topics that were exchanged on Kafka") else { return };
    // Its first records are deleted, under a reader and before one.
    let topic = kafka.new_topic();
    let log = kafka.open(&topic);
    append(&log, 0..10);
    delete_records(&kafka, &topic, 4);
    let said = failure(&log);
    assert!(said.contains("begins at offset 4"), "{said}");
    let said = KafkaLog::open(kafka.options(&topic)).err().unwrap().to_string();
    assert!(said.contains("begins at offset 4: its first records were deleted"), "{said}");
    // It is made anew: shorter than what was read, as long, and longer.
    for records in [0, 3, 10, 25] {
        let topic = kafka.new_topic();
        let log = kafka.open(&topic);
        append(&log, 0..10);
        make_anew(&kafka, &topic, 100..100 + records);
        let said = failure(&log);
        println!("made anew with {records} records: {said}");
        assert!(log.append(&[record(7)]).is_err(), "nothing is appended to another log");
    }
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(done.success());
}

#[test]
fn a_broker_that_was_restored_from_an_old_copy_is_noticed() {
    let Some(kafka) = kafka("a Kafka that was restored from an old copy") else { return };
    for regrown in [0, 40] {
        let topic = kafka.new_topic();
        let log = kafka.open(&topic);
        append(&log, 0..10);
        kafka.stop();
        let (data, old) = (kafka.data().join("1/data"), kafka.data().join("1/old"));
        copy(&data, &old);
        kafka.restart();
        append(&log, 10..20);
        kafka.stop();
        fs::remove_dir_all(&data).unwrap();
        fs::rename(&old, &data).unwrap();
        kafka.restart();
        if regrown > 0 {
            // A writer that comes before the reader is back fills what was lost, and more.
            append(&kafka.open(&topic), 1000..1000 + regrown);
        }
        let said = failure(&log);
        println!("restored, {regrown} records since: {said}");
    }
}

#[test]
fn brokers_that_are_away_cost_waiting_and_nothing_else() {
    let Some(kafka) = kafka("a Kafka that is away") else { return };
    let topic = kafka.new_topic();
    let log = kafka.open(&topic);
    append(&log, 0..5);
    let mut next = 5;
    for graceful in [true, false, false] {
        if graceful {
            kafka.stop()
        } else {
            kafka.kill(1)
        }
        let appended = std::thread::scope(|threads| {
            let appending = threads.spawn(|| log.append(&[record(next), record(next + 1)]));
            assert_eq!(log.end().unwrap(), next, "what is known is known");
            kafka.restart();
            appending.join().unwrap()
        });
        assert_eq!(appended.unwrap(), next);
        next += 2;
        assert_eq!(read_all(&log), (0..next).map(record).collect::<Vec<_>>());
        append(&log, next..next + 3);
        next += 3;
    }
    assert!(log.verified() > 0, "the last record was read again after a break");
    assert_eq!(read_all(&kafka.open(&topic)), (0..next).map(record).collect::<Vec<_>>());
    // An append that waits is given up when the log is closed.
    kafka.kill(1);
    let given_up = std::thread::scope(|threads| {
        let appending = threads.spawn(|| log.append(&[record(0)]));
        while log.waiting() == 0 {
            std::thread::yield_now();
        }
        log.close();
        appending.join().unwrap()
    });
    assert!(matches!(given_up, Err(Error::Ended { .. } | Error::Interrupted { .. })));
    assert!(matches!(log.append(&[record(0)]), Err(Error::Ended { .. })));
}
