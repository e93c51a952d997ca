//! Nodes that share a topic agree, and one of them leads.

use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use event::vocabulary::LogAttested;
use event::{Body, Content, Event, Open, Position, Record, RecordId, Salt, SourceName, Timestamp};
use log::Log;
use proof::{Checkpoint, folded_line};
use serde_json::Value;
use support::process::{Client, Server};

use crate::kafka;
use crate::nodes::{
    Nodes, ORIGIN, assert_same, by_name, ingest, key, leads, lifecycle, metric, until,
};

/// How long another node may take to lead.
const TAKES_OVER: Duration = Duration::from_secs(15);

fn attested(client: &Client) -> Option<u64> {
    let answer = client.get("/api/audit/attestations");
    Some(offset(answer.body["attestations"].as_array()?.first()?["position"].as_str()?))
}

fn offset(position: &str) -> u64 {
    position.parse::<Position>().unwrap().offset
}

/// Whoever of these leads.
fn leader(servers: &[(&str, Server)]) -> usize {
    until("a leader", || {
        let leading: Vec<usize> =
            (0..servers.len()).filter(|at| leads(&servers[*at].1.client())).collect();
        (leading.len() == 1).then(|| leading[0])
    })
}

#[test]
fn three_nodes_agree_and_another_leads_when_one_is_killed() {
    let Some(kafka) = kafka("replicas on Kafka") else { return };
    let nodes = Nodes::new(&kafka.address, &kafka.new_topic());
    nodes.write("filed", "one");
    let names = ["a", "b", "c"];
    let mut servers: Vec<(&str, Server)> =
        names.iter().map(|name| (*name, nodes.serve(name))).collect();
    let first = leader(&servers);
    // What is written through one is read through any other.
    for round in 0..30_usize {
        let (writer, reader) = (&servers[round % 3].1, &servers[(round + 1) % 3].1);
        let position = ingest(&writer.client(), "s", "shared", &format!("l{round}"));
        let headers = [("Annals-Min-Position", position.as_str())];
        let answer = reader.client().try_get(&by_name("shared"), &headers).unwrap();
        assert_eq!(lifecycle(&answer), Some(format!("l{round}").as_str()));
    }
    for (name, server) in &servers {
        let is_read =
            || (lifecycle(&server.client().get(&by_name("filed"))) == Some("one")).then_some(());
        until(&format!("the file's entity on {name}"), is_read);
    }
    // One that is killed is followed by another, whose sources fence off what came of it.
    let (_, mut killed) = servers.remove(first);
    let begun = Instant::now();
    killed.kill();
    let second = leader(&servers);
    let took = begun.elapsed();
    println!("another node leads {} ms after the first was killed", took.as_millis());
    assert!(took < TAKES_OVER, "{took:?}");
    nodes.write("filed", "two");
    for (name, server) in &servers {
        let is_read =
            || (lifecycle(&server.client().get(&by_name("filed"))) == Some("two")).then_some(());
        until(&format!("the file's change on {name}"), is_read);
    }
    // One that stops gives the lease back at once.
    let (_, stopped) = servers.remove(second);
    let begun = Instant::now();
    assert_eq!(stopped.stop().0, Some(0));
    leader(&servers);
    println!("another node leads {} ms after one was told to stop", begun.elapsed().as_millis());
    let position = ingest(&servers[0].1.client(), "s", "shared", "last");
    // Statements are judged by everybody.
    servers.push((names[first], nodes.serve(names[first])));
    for (name, server) in &servers {
        let client = server.client();
        let said = || attested(&client).filter(|at| *at >= offset(&position));
        until(&format!("a statement on {name}"), said);
        assert_eq!(metric(&client, "annals_statements_disputed"), Some(0.0), "{name}");
        assert_eq!(client.get("/readyz").status, 200, "{name}");
    }
    let left: Vec<&str> = servers.iter().map(|(name, _)| *name).collect();
    for (_, server) in servers {
        assert_eq!(server.stop().0, Some(0));
    }
    for (name, found) in left.iter().zip(nodes.digests(&left)) {
        let until = found["position"].as_str().unwrap();
        assert_same(&found, &nodes.replayed(until, &format!("replayed-{name}")));
    }
}

/// A statement that the log's key signed and that is not so.
fn lie(about: &Value) -> Content {
    let offset = offset(about["position"].as_str().unwrap());
    let digest = "ab".repeat(32);
    let (root, history) = (about["root"].as_str().unwrap(), about["history"].as_str().unwrap());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(&HEXLOWER.decode(root.as_bytes()).unwrap());
    let extensions = vec![folded_line(1, &digest, history)];
    let checkpoint =
        Checkpoint { origin: ORIGIN.into(), size: offset + 1, root: bytes, extensions };
    let attested = LogAttested {
        offset,
        fold: 1,
        root: root.to_owned(),
        digest,
        history: history.to_owned(),
        checkpoint: key().sign(&checkpoint.to_string()),
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Ok(Record {
        id: RecordId(uuid::Uuid::from_u128(99)),
        source: SourceName::new("api/liar").unwrap(),
        kind: event::Kind::LogAttested.as_str().into(),
        time: None,
        recorded: Timestamp::from_micros(now.as_micros() as i64).unwrap(),
        causation: None,
        epoch: 1,
        sequence: 0,
        body: Body::Open(Open {
            salt: Salt([1; 16]),
            subject: None,
            author: None,
            pointer: None,
            data: Event::LogAttested(attested).to_data(),
        }),
    })
}

#[test]
fn nodes_that_disagree_with_what_was_signed_are_not_ready_and_name_the_record() {
    let Some(kafka) = kafka("statements that disagree on Kafka") else { return };
    let topic = kafka.new_topic();
    let nodes = Nodes::new(&kafka.address, &topic);
    let servers = ["a", "b"].map(|name| nodes.serve(name));
    let position = ingest(&servers[0].client(), "s", "c", "one");
    let statement = until("a statement", || {
        let answer = servers[0].client().get("/api/audit/attestations");
        let newest = answer.body["attestations"].as_array()?.first()?.clone();
        (offset(newest["position"].as_str()?) >= offset(&position)).then_some(newest)
    });
    let log = kafka.open(&topic);
    let at = log.append(&[lie(&statement)]).unwrap();
    for server in &servers {
        let client = server.client();
        let ready = until("a node that is not ready", || {
            let answer = client.get("/readyz");
            (answer.status == 503).then_some(answer)
        });
        let why = ready.body.to_string();
        assert!(why.contains(&format!("record {at} attests")), "{why}");
        assert_eq!(metric(&client, "annals_statements_disputed"), Some(1.0));
        assert_eq!(metric(&client, "annals_ready"), Some(0.0));
    }
}

#[test]
fn a_node_whose_brokers_are_away_reads_on_and_refuses_writes() {
    let Some(kafka) = kafka("nodes whose Kafka is away") else { return };
    let nodes = Nodes::new(&kafka.address, &kafka.new_topic());
    let servers = ["a", "b"].map(|name| nodes.serve(name));
    let client = servers[0].client();
    ingest(&client, "s", "c", "one");
    kafka.stop();
    until("a node that says that its log is away", || {
        (metric(&client, "annals_log_away") == Some(1.0)).then_some(())
    });
    assert_eq!(lifecycle(&client.get(&by_name("c"))), Some("one"));
    assert_eq!(client.get("/readyz").status, 200);
    let refused = client.post("/api/ingest/s?mode=changes", &crate::nodes::component("c", "two"));
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.body.to_string().contains("Kafka is away since"), "{refused:?}");
    // One may stop meanwhile, and the other goes on when they are back.
    let [one, other] = servers;
    let begun = Instant::now();
    let (_, said) = one.stop();
    println!("a node whose brokers were away stopped in {} ms", begun.elapsed().as_millis());
    assert!(begun.elapsed() < Duration::from_secs(40), "{said}");
    kafka.restart();
    let client = other.client();
    until("a node that is back", || {
        (metric(&client, "annals_log_away") == Some(0.0)).then_some(())
    });
    ingest(&client, "s", "c", "two");
    until("a node that leads", || leads(&client).then_some(()));
    assert_eq!(other.stop().0, Some(0));
}

#[test]
fn a_node_without_the_key_and_one_with_anothers_name_are_told() {
    let Some(kafka) = kafka("nodes that can't be replicas on Kafka") else { return };
    let nodes = Nodes::new(&kafka.address, &kafka.new_topic());
    let first = nodes.serve("a");
    let text = std::fs::read_to_string(&nodes.config).unwrap();
    let without = nodes.folder.path().join("without.yaml");
    std::fs::write(&without, text.replace("identity: {key: \"$file:key\"}\n", "")).unwrap();
    let (without, data) = (without.to_str().unwrap(), nodes.data("b"));
    let args = ["serve", "--config", without, "--listen", "127.0.0.1:0", "--data"];
    let output = crate::nodes::program().run(&[&args[..], &[data.to_str().unwrap()]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("each node that shares a log needs it"), "{said}");
    // A copy of a node's folder speaks in its name: what the first writes then does not count, and
    // it says so.
    ingest(&first.client(), "s", "c", "one");
    std::fs::create_dir(nodes.data("copy")).unwrap();
    std::fs::copy(nodes.data("a").join("node"), nodes.data("copy").join("node")).unwrap();
    let copy = nodes.serve("copy");
    let path = "/api/ingest/s?mode=changes";
    let refused = first.client().post(path, &crate::nodes::component("c", "two"));
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.body.to_string().contains("another node speaks for"), "{refused:?}");
    ingest(&copy.client(), "s", "c", "three");
}
