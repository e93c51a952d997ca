//! Brokers that ask who comes, and speak in secret.

use std::collections::BTreeMap;

use log::{Budget, Log};
use log_kafka::{KafkaLog, Options};
use support::kafka::Kafka;
use support::process::skip;

use crate::nodes::{Nodes, by_name, ingest, leads, lifecycle, until};

const SECRET: &str = "a-secret-of-this-test-alone";

/// What a client is told beside the address.
fn properties(
    protocol: &str,
    mechanism: &str,
    secret: &str,
    ca: &str,
) -> [(&'static str, String); 5] {
    [
        ("security.protocol", protocol.into()),
        ("sasl.mechanism", mechanism.into()),
        ("sasl.username", "annals".into()),
        ("sasl.password", secret.into()),
        ("ssl.ca.location", ca.into()),
    ]
}

#[test]
fn nodes_come_with_a_password_and_over_tls() {
    let (kafka, [plain, tls], certificate) = match Kafka::start_secured(SECRET) {
        Ok(started) => started,
        Err(why) => return skip("Kafka with passwords and TLS", &why),
    };
    let ca = certificate.to_str().unwrap();
    let topic = kafka.new_topic();
    let (state, changes) = (kafka.new_topic(), kafka.new_topic());
    let open = |address: &str, protocol: &str, mechanism: &str, secret: &str| {
        let mut all = BTreeMap::from([("bootstrap.servers".to_owned(), address.to_owned())]);
        let more = properties(protocol, mechanism, secret, ca);
        all.extend(more.map(|(name, value)| (name.to_owned(), value)));
        KafkaLog::open(Options::new(&topic, true, all).unwrap())
    };
    // A node over TLS, with all that it does: the log, the lease, and topics beside it.
    let nodes = Nodes::new(&tls, &topic).with_topics(&state, &changes);
    let text = std::fs::read_to_string(&nodes.config).unwrap();
    let more: String = properties("SASL_SSL", "SCRAM-SHA-512", SECRET, ca)
        .iter()
        .map(|(name, value)| format!(", {name}: \"{value}\""))
        .collect();
    let with = format!("bootstrap.servers: \"{tls}\"{more}");
    let text = text.replace(&format!("bootstrap.servers: \"{tls}\""), &with);
    std::fs::write(&nodes.config, text).unwrap();
    let server = nodes.serve("a");
    let client = server.client();
    until("a leader", || leads(&client).then_some(()));
    ingest(&client, "s", "c", "secret");
    assert_eq!(lifecycle(&client.get(&by_name("c"))), Some("secret"));
    until("what is told", || (!kafka.read(&state).is_empty()).then_some(()));
    // The same log in other ways.
    for (address, protocol) in [(&plain, "SASL_PLAINTEXT"), (&tls, "SASL_SSL")] {
        for mechanism in ["PLAIN", "SCRAM-SHA-512"] {
            let log = open(address, protocol, mechanism, SECRET).unwrap();
            assert!(!log.read(0, Budget::default()).unwrap().is_empty(), "{protocol} {mechanism}");
        }
    }
    // Who does not know the secret is told so, without it.
    let Err(refused) = open(&plain, "SASL_PLAINTEXT", "PLAIN", "another-secret") else {
        panic!("the secret is not asked for");
    };
    let said = format!("{refused} {refused:?}");
    assert!(said.contains("could not be asked for"), "{said}");
    assert!(!said.contains("another-secret"), "{said}");
    assert_eq!(server.stop().0, Some(0));
}
