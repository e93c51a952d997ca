//! Killed nodes and brokers, a network that is cut and that stalls, a producer of an old epoch: all
//! that was acknowledged is there, and the views are what a clean replay gives.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use event::{Body, Content};
use log::Log;
use log::conformance::{read_all, record};
use support::kafka::Kafka;
use support::process::{Client, Server, skip};
use support::proxy::{Network, Proxy};
use support::random::Random;

use crate::kafka;
use crate::nodes::{Nodes, assert_same, by_name, component, ingest, lifecycle, until};

/// Clients that write at the same time.
const WRITERS: u64 = 3;

/// What happens, again and again.
#[derive(Clone, Copy, Debug)]
enum Fault {
    KillNode,
    KillBroker,
    CutNetwork,
    StallNetwork,
}

const FAULTS: [Fault; 4] =
    [Fault::KillNode, Fault::KillBroker, Fault::CutNetwork, Fault::StallNetwork];

/// What it came to.
#[derive(Debug, Default)]
struct Tally {
    faults: BTreeMap<String, u64>,
    acknowledged: u64,
    refused: u64,
    records: usize,
    connections: u64,
}

/// What was acknowledged last of each component.
type Acknowledged = Mutex<BTreeMap<String, String>>;

struct Writing<'a> {
    urls: &'a Mutex<[String; 2]>,
    stop: &'a AtomicBool,
    acks: &'a AtomicU64,
    refused: &'a AtomicU64,
    acknowledged: &'a Acknowledged,
}

/// Writes changes through one node or the other, whatever happens to them.
fn write(writing: &Writing<'_>, writer: u64, seed: u64) {
    let mut random = Random::new(seed);
    while !writing.stop.load(Ordering::Relaxed) {
        let url = writing.urls.lock().unwrap()[random.below(2)].clone();
        let name = format!("c{writer}-{}", random.below(20));
        let lifecycle = format!("l{}", random.below(1_000_000));
        let path = format!("/api/ingest/w{writer}?mode=changes");
        match Client::new(&url).try_post(&path, &[], &component(&name, &lifecycle)) {
            Ok(answer) if answer.status == 200 => {
                writing.acknowledged.lock().unwrap().insert(name, lifecycle);
                writing.acks.fetch_add(1, Ordering::Relaxed);
            }
            // What was on its way may be there or not.
            _ => {
                writing.acknowledged.lock().unwrap().remove(&name);
                writing.refused.fetch_add(1, Ordering::Relaxed);
                std::thread::park_timeout(Duration::from_millis(20));
            }
        }
    }
}

/// Waits until so many more writes were acknowledged.
fn acknowledged(acks: &AtomicU64, more: u64) {
    let enough = acks.load(Ordering::Relaxed) + more;
    let begun = Instant::now();
    while acks.load(Ordering::Relaxed) < enough {
        assert!(begun.elapsed() < Duration::from_secs(180), "nothing is acknowledged any more");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn faults(kafka: &Kafka, proxy: &Proxy, seed: u64, rounds: u64) -> Tally {
    let topic = kafka.new_topic();
    let nodes = Nodes::new(&kafka.address, &topic);
    let names = ["a", "b"];
    let mut servers: [Server; 2] = names.map(|name| nodes.serve(name));
    let urls = Mutex::new([servers[0].url.clone(), servers[1].url.clone()]);
    let (stop, acks, refused) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let known = Acknowledged::default();
    let mut tally = Tally::default();
    let mut random = Random::new(seed);
    let writing =
        Writing { urls: &urls, stop: &stop, acks: &acks, refused: &refused, acknowledged: &known };
    std::thread::scope(|threads| {
        let writing = &writing;
        for writer in 0..WRITERS {
            threads.spawn(move || write(writing, writer, seed ^ (writer << 8)));
        }
        let _stops = Stops(&stop);
        for round in 0..rounds {
            acknowledged(&acks, 5 + random.below(40) as u64);
            let fault = FAULTS[(round as usize) % FAULTS.len()];
            match fault {
                Fault::KillNode => {
                    let at = random.below(2);
                    servers[at].kill();
                    servers[at] = nodes.serve(names[at]);
                    urls.lock().unwrap()[at] = servers[at].url.clone();
                }
                Fault::KillBroker => {
                    kafka.kill(1);
                    kafka.restart();
                }
                Fault::CutNetwork | Fault::StallNetwork => {
                    let is_cut = matches!(fault, Fault::CutNetwork);
                    proxy.set(if is_cut { Network::IsCut } else { Network::Stalls });
                    std::thread::park_timeout(Duration::from_millis(
                        500 + random.below(2000) as u64,
                    ));
                    proxy.set(Network::Works);
                }
            }
            *tally.faults.entry(format!("{fault:?}")).or_default() += 1;
        }
        acknowledged(&acks, 20);
    });
    let position = ingest(&servers[0].client(), "last", "last", "last");
    for server in &servers {
        let headers = [("Annals-Min-Position", position.as_str())];
        until("all that was written", || {
            let answer = server.client().try_get(&by_name("last"), &headers).unwrap();
            (answer.status == 200).then_some(())
        });
        for (name, expected) in &*known.lock().unwrap() {
            let answer = server.client().get(&by_name(name));
            assert_eq!(lifecycle(&answer), Some(expected.as_str()), "{name} was acknowledged");
        }
    }
    for server in servers {
        let (code, said) = server.stop();
        assert_eq!(code, Some(0), "{said}");
    }
    for (name, found) in names.iter().zip(nodes.digests(&names)) {
        let until = found["position"].as_str().unwrap();
        assert_same(&found, &nodes.replayed(until, &format!("replayed-{name}")));
    }
    tally.acknowledged = acks.into_inner();
    tally.refused = refused.into_inner();
    tally.records = read_all(&kafka.open(&topic)).len();
    tally.connections = proxy.connections();
    tally
}

struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How many faults: few in `make test`, many in `make soak`.
fn count() -> u64 {
    std::env::var("ANNALS_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(8)
}

#[test]
fn whatever_fails_nothing_that_was_acknowledged_is_lost() {
    let (kafka, proxy) = match Kafka::start_behind_a_proxy() {
        Ok(started) => started,
        Err(why) => return skip("kills of nodes and brokers on Kafka", &why),
    };
    let tally = faults(&kafka, &proxy, 17, count());
    println!("{tally:?}, 0 of them lost");
    assert_eq!(tally.faults.values().sum::<u64>(), count());
}

/// With three brokers and two replicas that have to agree, one that is killed is not even waited for
/// long.
#[test]
fn one_broker_of_three_may_go() {
    let kafka = match Kafka::start(3) {
        Ok(kafka) => kafka,
        Err(why) => return skip("three brokers of Kafka", &why),
    };
    let topic = kafka.new_topic();
    let log = kafka.open(&topic);
    let mut next = 0;
    let mut append = |count: u64| {
        for number in next..next + count {
            let at = log.append(&[record(number)]).unwrap();
            // A broker that is taken for dead may have written what another one wrote again.
            assert!(at >= number, "record {number} stands at {at}");
        }
        next += count;
    };
    append(50);
    for broker in 1..=3 {
        kafka.kill(broker);
        let begun = Instant::now();
        append(50);
        println!("50 appends without broker {broker}: {} ms", begun.elapsed().as_millis());
        kafka.restart();
        append(10);
    }
    let all = read_all(&kafka.open(&topic));
    assert_eq!(all, (0..next).map(record).collect::<Vec<_>>(), "each is there once, in order");
}

#[test]
fn what_comes_twice_or_from_an_old_epoch_counts_once_or_not_at_all() {
    let Some(kafka) = kafka("doubles and an old epoch on Kafka") else { return };
    let topic = kafka.new_topic();
    let nodes = Nodes::new(&kafka.address, &topic);
    let server = nodes.serve("a");
    ingest(&server.client(), "s", "c", "one");
    ingest(&server.client(), "s", "c", "two");
    let log = kafka.open(&topic);
    let own: Vec<Content> = read_all(&log)
        .into_iter()
        .filter(|one| one.as_ref().is_ok_and(|it| it.source.as_str().starts_with("api/")))
        .collect();
    // Everything that the node wrote comes again.
    log.append(&own).unwrap();
    let (code, said) = server.stop();
    assert_eq!(code, Some(0), "{said}");
    let server = nodes.serve("a");
    assert_eq!(lifecycle(&server.client().get(&by_name("c"))), Some("two"));
    // A writer of the life before, which hung meanwhile, goes on where it was.
    let late = own.iter().flatten().filter_map(|record| {
        let mut record = record.clone();
        let Body::Open(open) = &mut record.body else { return None };
        let text = String::from_utf8(open.data.to_vec()).unwrap();
        open.data = text.replace("\"two\"", "\"late\"").into();
        record.sequence += own.len() as u64;
        text.contains("\"two\"").then_some(Ok(record))
    });
    let late: Vec<Content> = late.collect();
    assert_eq!(late.len(), 1);
    log.append(&late).unwrap();
    let position = ingest(&server.client(), "s", "d", "one");
    let headers = [("Annals-Min-Position", position.as_str())];
    let answer = server.client().try_get(&by_name("c"), &headers).unwrap();
    assert_eq!(lifecycle(&answer), Some("two"), "what comes of an old epoch does not count");
    assert_eq!(server.stop().0, Some(0));
    let found = &nodes.digests(&["a"])[0];
    assert_same(found, &nodes.replayed(found["position"].as_str().unwrap(), "replayed"));
}
