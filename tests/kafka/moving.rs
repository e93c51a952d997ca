//! From an embedded log to Kafka and back, with equal digests.

use serde_json::Value;

use crate::kafka;
use crate::nodes::{Nodes, assert_same, by_name, ingest, lifecycle, program, text};

#[test]
fn a_log_goes_to_kafka_and_back() {
    let Some(kafka) = kafka("moving a log to Kafka") else { return };
    let topic = kafka.new_topic();
    let nodes = Nodes::new(&kafka.address, &topic);
    let config = text(&nodes.config);
    let at = |name: &str| nodes.data(name);
    // A catalog of its own, with a key of its own.
    let server = program().serve(&at("first"), &[]);
    for number in 0..50 {
        ingest(&server.client(), "s", &format!("c{}", number % 20), &format!("l{number}"));
    }
    assert_eq!(server.stop().0, Some(0));
    let first = &nodes.digests(&["first"])[0];
    let key = at("first").join("identity.key");
    std::fs::copy(key, nodes.folder.path().join("key")).unwrap();
    // There.
    let file = at("log.ndjson");
    let export = |source: &[&str], file: &str| {
        let found = program().json(&[&["log", "export"], source, &[file]].concat());
        found["records"].as_u64().unwrap()
    };
    let records = export(&["--data", text(&at("first"))], text(&file));
    let imported = program().json(&["log", "import", "--config", config, text(&file)]);
    assert_eq!((&imported["records"], &imported["new"]), (&records.into(), &records.into()));
    let again = program().json(&["log", "import", "--config", config, text(&file)]);
    assert_eq!(again["new"], 0, "what is there is not read in twice");
    let stat = program().json(&["log", "stat", "--config", config]);
    assert_eq!((&stat["records"], &stat["position"]), (&records.into(), &first["position"]));
    let position = first["position"].as_str().unwrap();
    assert_same(first, &nodes.replayed(position, "replayed"));
    let adopted = program().json(&["log", "adopt", "--config", config]);
    assert_eq!(adopted, serde_json::json!({"before": 1, "fold": 1}));
    let tail = program().run(&["log", "tail", "--config", config, "-n", "3"]);
    assert_eq!(String::from_utf8_lossy(&tail.stdout).lines().count(), 3);
    // A node goes on there.
    let server = nodes.serve("node");
    assert_eq!(lifecycle(&server.client().get(&by_name("c9"))), Some("l49"));
    ingest(&server.client(), "s", "c9", "on-kafka");
    assert_eq!(server.stop().0, Some(0));
    let node = &nodes.digests(&["node"])[0];
    assert_same(node, &nodes.replayed(node["position"].as_str().unwrap(), "again"));
    // And back.
    let back = at("back.ndjson");
    export(&["--config", config], text(&back));
    let data = at("back");
    let from = ["replay", "--from", text(&back), "--data", text(&data)];
    let until = ["--until", node["position"].as_str().unwrap()];
    assert_same(node, &program().json(&[&from[..], &until].concat()));
    let server = program().serve(&at("back"), &[]);
    assert_eq!(lifecycle(&server.client().get(&by_name("c9"))), Some("on-kafka"));
    assert_eq!(server.stop().0, Some(0));
    let secret = std::fs::read_to_string(nodes.folder.path().join("key")).unwrap();
    let refused = program().run(&["log", "import", "--data", text(&at("first")), text(&back)]);
    assert!(!String::from_utf8_lossy(&refused.stderr).contains(secret.trim()));
    let _: Value = program().json(&["log", "stat", "--data", text(&at("first"))]);
}

#[test]
fn what_is_erased_is_not_in_the_new_topic() {
    let Some(kafka) = kafka("erasing from a log on Kafka") else { return };
    let topic = kafka.new_topic();
    let nodes = Nodes::new(&kafka.address, &topic);
    let config = text(&nodes.config);
    let server = nodes.serve("node");
    ingest(&server.client(), "s", "secret-thing", "first");
    ingest(&server.client(), "s", "other", "second");
    assert_eq!(server.stop().0, Some(0));
    let erase = |args: &[&str]| {
        let subject = ["--subject", "component:default/secret-thing", "--why", "asked for"];
        program()
            .run(&[&["log", "erase", "--json", "--config", config], &subject[..], args].concat())
    };
    assert_eq!(erase(&[]).status.code(), Some(2), "nothing can be taken out of a topic");
    let new = format!("{topic}-new");
    let done = erase(&["--to", &new]);
    assert!(done.status.success(), "{done:?}");
    assert_eq!(erase(&["--to", &new]).status.code(), Some(2), "it holds records already");
    // The node goes on with the new topic: its views are made anew.
    let before = std::fs::read_to_string(&nodes.config).unwrap();
    std::fs::write(&nodes.config, before.replace(&topic, &new)).unwrap();
    let refused = program().run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--config",
        config,
        "--data",
        text(&nodes.data("node")),
    ]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("have to be built anew, which the next start does"), "{said}");
    let server = nodes.serve("node");
    let client = server.client();
    assert_eq!(client.get(&by_name("secret-thing")).status, 404);
    assert_eq!(lifecycle(&client.get(&by_name("other"))), Some("second"));
    ingest(&client, "s", "other", "third");
    assert_eq!(server.stop().0, Some(0));
    let exported = program().run(&["log", "export", "--config", config]);
    assert!(!String::from_utf8_lossy(&exported.stdout).contains("secret-thing"));
    let node = &nodes.digests(&["node"])[0];
    assert_same(node, &nodes.replayed(node["position"].as_str().unwrap(), "replayed"));
    let copied =
        program().json(&["log", "copy", "--config", config, "--to", &format!("{topic}-copy")]);
    assert!(copied["records"].as_u64() > Some(5), "{copied}");
}
