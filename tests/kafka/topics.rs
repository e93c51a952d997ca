//! Topics beside the log: what others read of the catalog.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::kafka::{Kafka, Read};
use support::process::{Client, Server, skip};
use support::random::Random;

use crate::kafka;
use crate::nodes::{Nodes, component, ingest, leads, metric, program, until};

/// A log with its topics, all of them new.
struct Topics {
    nodes: Nodes,
    log: String,
    state: String,
    changes: String,
}

fn topics(kafka: &Kafka) -> Topics {
    let (log, state, changes) = (kafka.new_topic(), kafka.new_topic(), kafka.new_topic());
    let nodes = Nodes::new(&kafka.address, &log).with_topics(&state, &changes);
    Topics { nodes, log, state, changes }
}

/// One of the topics in `/readyz`.
fn fare(client: &Client, topic: &str) -> Value {
    let all = client.get("/readyz").body["topics"].clone();
    let found = all.as_array().unwrap().iter().find(|one| one["topic"] == topic).cloned();
    found.unwrap_or_else(|| panic!("{topic}: {all}"))
}

/// Waits until the leader has told all that it has folded up to a position.
fn told(client: &Client, topics: &Topics, position: &str) {
    let offset = position.rsplit('-').next().unwrap().parse::<f64>().unwrap();
    for topic in [&topics.state, &topics.changes] {
        let name = format!("annals_topic_position{{topic=\"{topic}\"}}");
        until(&format!("{topic} up to {position}"), || {
            metric(client, &name).filter(|told| *told >= offset)
        });
    }
}

/// What a mirror holds that is made of the topic alone.
fn mirror(read: &[Read]) -> BTreeMap<String, Value> {
    let mut mirror = BTreeMap::new();
    for message in read {
        let key = message.key.clone().unwrap();
        match &message.value {
            Some(value) => mirror.insert(key, serde_json::from_str(value).unwrap()),
            None => mirror.remove(&key),
        };
    }
    mirror
}

fn reference(entity: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap().to_lowercase();
    let (kind, name) = (text(&entity["kind"]), text(&entity["metadata"]["name"]));
    format!("{kind}:{}/{name}", text(&entity["metadata"]["namespace"]))
}

/// The catalog, as the API serves it.
fn catalog(client: &Client) -> BTreeMap<String, Value> {
    let all = client.get("/api/catalog/entities").body;
    all.as_array().unwrap().iter().map(|one| (reference(one), one.clone())).collect()
}

/// All changes, as the API sends them.
fn events(client: &Client) -> Vec<Value> {
    let log = client.get("/api/log").body["position"].as_str().unwrap().to_owned();
    let mut cursor = format!("{}-0", log.split('-').next().unwrap());
    let mut all = Vec::new();
    loop {
        let (_, headers, text) = client.get_raw(&format!("/api/events?limit=1000&cursor={cursor}"));
        let batch: Vec<Value> = serde_json::from_str(&text).unwrap();
        if batch.is_empty() {
            return all;
        }
        all.extend(batch);
        cursor = headers["annals-cursor"].to_str().unwrap().to_owned();
    }
}

/// An event of the API as a message in binary mode.
fn message(event: &Value) -> (BTreeMap<String, String>, Value) {
    let mut headers = BTreeMap::new();
    for (name, value) in event.as_object().unwrap() {
        let name = match name.as_str() {
            "data" => continue,
            "datacontenttype" => "content-type".to_owned(),
            name => format!("ce_{name}"),
        };
        headers.insert(name, value.as_str().unwrap().to_owned());
    }
    (headers, event["data"].clone())
}

/// Compares what the topics hold with what a node answers; gives how many changes were doubled.
fn assert_told(kafka: &Kafka, topics: &Topics, client: &Client) -> usize {
    let state = kafka.read(&topics.state);
    let (mirror, catalog) = (mirror(&state), catalog(client));
    assert_eq!(mirror.keys().collect::<Vec<_>>(), catalog.keys().collect::<Vec<_>>());
    for (key, entity) in &catalog {
        assert_eq!(mirror[key], *entity, "{key}");
    }
    let changes = kafka.read(&topics.changes);
    let mut known = HashSet::new();
    let first: Vec<&Read> =
        changes.iter().filter(|one| known.insert(one.headers["ce_id"].clone())).collect();
    let events = events(client);
    assert_eq!(first.len(), events.len());
    for (told, event) in first.iter().zip(&events) {
        let (headers, data) = message(event);
        let attributes = |(name, _): &(&String, &String)| !name.starts_with("annals-");
        let own: BTreeMap<String, String> = (told.headers.iter().filter(attributes))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        assert_eq!(own, headers);
        let value: Value = serde_json::from_str(told.value.as_ref().unwrap()).unwrap();
        assert_eq!(value, data);
        assert_eq!(told.key.as_deref(), event["subject"].as_str());
    }
    changes.len() - first.len()
}

/// Random changes; gives the last position.
fn change(client: &Client, random: &mut Random, count: usize) -> String {
    let mut position = String::new();
    for _ in 0..count {
        let name = format!("c{}", random.below(12));
        let line = match random.below(5) {
            0 => format!("{{\"gone\": \"component:default/{name}\"}}"),
            1 => serde_json::json!({
                "apiVersion": "backstage.io/v1alpha1", "kind": "Group",
                "metadata": {"name": "team"},
                "spec": {"type": format!("t{}", random.below(3)), "children": []},
            })
            .to_string(),
            _ => component(&name, &format!("l{}", random.below(1000))),
        };
        let answer = client.post("/api/ingest/s?mode=changes", &line);
        assert_eq!(answer.status, 200, "{answer:?}");
        position = answer.body["position"].as_str().unwrap().to_owned();
    }
    position
}

fn leader(servers: &[(&str, Server)]) -> usize {
    until("a leader", || (0..servers.len()).find(|at| leads(&servers[*at].1.client())))
}

#[test]
fn topics_hold_each_change_and_what_there_is_whichever_leader_is_killed() {
    let Some(kafka) = kafka("topics of state and changes") else { return };
    let topics = topics(&kafka);
    let nodes = &topics.nodes;
    // Compacted soon, and in small pieces.
    let configs = ["cleanup.policy=compact", "max.message.bytes=10000000", "segment.ms=200"];
    let configs = [&configs[..], &["min.cleanable.dirty.ratio=0.01"]].concat();
    let make = ["--create", "--topic", &topics.state, "--partitions", "1"];
    let configs: Vec<&str> = configs.iter().flat_map(|config| ["--config", config]).collect();
    kafka.topics(&[&make[..], &configs].concat());
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut servers: Vec<(&str, Server)> =
        ["a", "b"].iter().map(|name| (*name, nodes.serve(name))).collect();
    let mut kills = 0;
    for round in 0..3 {
        let at = leader(&servers);
        let position = change(&servers[at].1.client(), &mut random, 60);
        if round == 2 {
            told(&servers[at].1.client(), &topics, &position);
            break;
        }
        let (name, mut killed) = servers.remove(at);
        killed.kill();
        kills += 1;
        change(&servers[0].1.client(), &mut random, 20);
        leader(&servers);
        servers.push((name, nodes.serve(name)));
    }
    let client = servers[leader(&servers)].1.client();
    let doubled = assert_told(&kafka, &topics, &client);
    println!("topics: {kills} leaders killed, {doubled} changes doubled");
    assert_eq!(fare(&client, &topics.state)["state"], "following");
    let other = servers[1 - leader(&servers)].1.client();
    assert_eq!(fare(&other, &topics.state)["state"], "resting");
    println!("the Java client read {} CloudEvents", java(&kafka, &topics));
    // What others write in is mended: a key of ours, one that is no entity's, and one of theirs.
    let forged = "{\"kind\": \"Forged\"}";
    for key in ["component:default/c1", "component:default/never", "whatever"] {
        kafka.write(&topics.state, key, &[("ce_id", "1")], Some(forged));
    }
    let mends = || {
        let name = format!("annals_topic_foreign_total{{topic=\"{}\"}}", topics.state);
        metric(&client, &name).filter(|count| *count >= 3.0)
    };
    until("a mended topic", mends);
    let position = ingest(&client, "s", "c1", "mended");
    told(&client, &topics, &position);
    assert_told(&kafka, &topics, &client);
    // kcat reads the same.
    kcat(&kafka, &topics);
    // Compacted, it says the same. What stands last is never compacted, so more comes.
    let (mut written, mut left, mut round) = (0, 0, 0);
    let position = until("a topic that is compacted", || {
        round += 1;
        let position = ingest(&client, "s", "c2", &format!("l{round}"));
        let read = kafka.read(&topics.state);
        (written, left) = (read.last()?.offset, read.len());
        (written > left as i64 + 100).then_some(position)
    });
    println!("the topic was compacted: {left} messages of {written} are left");
    told(&client, &topics, &position);
    assert_told(&kafka, &topics, &client);
    // After what others wrote last, another leader goes on from what is ours.
    kafka.write(&topics.changes, "", &[], Some("no change of ours"));
    for (_, server) in servers {
        assert_eq!(server.stop().0, Some(0));
    }
    let server = nodes.serve("a");
    let client = server.client();
    until("a leader", || leads(&client).then_some(()));
    let position = ingest(&client, "s", "c1", "again");
    told(&client, &topics, &position);
    let state = kafka.read(&topics.state);
    assert_eq!(mirror(&state), catalog(&client));
}

/// Compares what the Java client reads of all topics, as CloudEvents, with what we do.
fn java(kafka: &Kafka, topics: &Topics) -> usize {
    let what = "topics read with the Java client";
    let source = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("kafka/java");
    let jars = match support::maven::jars(&source, Path::new(env!("CARGO_TARGET_TMPDIR"))) {
        Ok(jars) => jars,
        Err(why) => {
            skip(what, &why);
            return 0;
        }
    };
    let mut command = Command::new("java");
    command.arg("-cp").arg(jars.join("*")).arg(source.join("ReadEvents.java")).arg(&kafka.address);
    let all = [&topics.log, &topics.changes, &topics.state];
    // The log may grow meanwhile: what is read later holds what was read before.
    let read: Vec<(&String, Vec<Read>)> = all.map(|topic| (topic, kafka.read(topic))).into();
    let output = command.args(all).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines();
    for (topic, read) in read {
        for own in read {
            let header = |name: &str| own.headers.get(name).map_or("-", String::as_str);
            let length = own.value.as_ref().map_or("-".to_owned(), |value| value.len().to_string());
            let expected = format!(
                "{topic} {} {} {} {} {} {} {length}",
                own.offset,
                own.key.as_deref().unwrap_or("-"),
                header("ce_id"),
                header("ce_source"),
                header("ce_type"),
                header("ce_subject"),
            );
            let line = lines.find(|line| line.starts_with(&format!("{topic} {} ", own.offset)));
            assert_eq!(line, Some(&*expected));
        }
    }
    text.lines().count()
}

/// Compares what kcat reads of a topic with what a consumer of our own does.
fn kcat(kafka: &Kafka, topics: &Topics) {
    for topic in [&topics.state, &topics.changes] {
        let args = ["-C", "-e", "-q", "-J", "-b", &kafka.address, "-t", topic];
        let output = match Command::new("kcat").args(args).output() {
            Ok(output) => output,
            Err(error) => return skip("topics read with kcat", &error.to_string()),
        };
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let own = kafka.read(topic);
        assert_eq!(lines.len(), own.len());
        for (line, own) in lines.iter().zip(&own) {
            assert_eq!(line["key"].as_str(), own.key.as_deref());
            assert_eq!(line["payload"].as_str(), own.value.as_deref());
            let headers: Vec<&str> =
                line["headers"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            let headers = headers.chunks(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned()));
            assert_eq!(headers.collect::<BTreeMap<_, _>>(), own.headers);
        }
    }
}

#[test]
fn topics_that_can_not_be_gone_on_with_are_told_and_nothing_else_suffers() {
    let Some(kafka) = kafka("topics that can't be used") else { return };
    // Of the wrong kind: told at the start, with the command that mends it.
    for (at, config, says) in [
        (0, "cleanup.policy=delete", "--add-config cleanup.policy=compact"),
        (1, "cleanup.policy=compact", "--add-config cleanup.policy=delete"),
    ] {
        let topics = topics(&kafka);
        let topic = [&topics.state, &topics.changes][at];
        let make = ["--create", "--topic", topic, "--partitions", "1", "--config", config];
        kafka.topics(&make);
        let (data, config) = (topics.nodes.data("a"), topics.nodes.config.to_str().unwrap());
        let data = data.to_str().unwrap();
        let args = ["serve", "--config", config, "--listen", "127.0.0.1:0", "--data", data];
        let output = program().run(&args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(says), "{said}");
    }
    // Of another log, and full of what is nobody's: the node serves on.
    let first = topics(&kafka);
    let server = first.nodes.serve("a");
    let position = ingest(&server.client(), "s", "c", "one");
    told(&server.client(), &first, &position);
    assert_eq!(server.stop().0, Some(0));
    let late = kafka.new_topic();
    let third = Nodes::new(&kafka.address, &kafka.new_topic()).with_topics(&first.state, &late);
    let make = ["--create", "--topic", &late, "--partitions", "1", "--config"];
    let wide = "max.message.bytes=20000000";
    kafka.topics(&[&make[..], &["retention.ms=-1", "--config", wide]].concat());
    support::raw_kafka::produce(&kafka.address, &late, b"\xff\xfe", b"garbage");
    let server = third.serve("c");
    let client = server.client();
    ingest(&client, "s", "c", "one");
    for (topic, says) in [
        (&first.state, "is told by urn:annals:log:"),
        (&late, "name a topic that nobody else writes to"),
    ] {
        let failed = until(&format!("{topic} that has failed"), || {
            Some(fare(&client, topic)).filter(|fare| fare["state"] == "failed")
        });
        assert!(failed["why"].as_str().unwrap().contains(says), "{failed}");
    }
    assert_eq!(client.get("/readyz").status, 200);
    assert_eq!(server.stop().0, Some(0));
}
