//! An upgrade of nodes that share a topic, one after the other, to other rules of the fold.

use std::process::Output;

use event::{Body, Content, Open, Record, RecordId, Salt, SourceName, Timestamp};
use log::Log;
use log_kafka::KafkaLog;
use serde_json::{Value, json};
use support::process::{Client, last_json};

use crate::kafka;
use crate::nodes::{Nodes, assert_same, ingest, metric, program, text, until};

/// What lets a program know rules that come after those of today.
const NEW: [(&str, &str); 1] = [("ANNALS_PLANT", "rules-of-tomorrow")];

/// A source that says what it observes of an entity.
struct Observer {
    log: KafkaLog,
    said: u64,
}

impl Observer {
    fn says(&mut self, value: &str) {
        let observed = json!({"aspect": "health", "value": {"is": value}}).to_string();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let content: Content = Ok(Record {
            id: RecordId(uuid::Uuid::from_u128(u128::from(self.said) + 1000)),
            source: SourceName::new("observer/one").unwrap(),
            kind: event::Kind::AspectObserved.as_str().into(),
            time: None,
            recorded: Timestamp::from_micros(now.as_micros() as i64).unwrap(),
            causation: None,
            epoch: 1,
            sequence: self.said,
            body: Body::Open(Open {
                salt: Salt([1; 16]),
                subject: Some("component:default/c".into()),
                author: None,
                pointer: None,
                data: observed.into(),
            }),
        });
        self.said += 1;
        self.log.append(&[content]).unwrap();
    }
}

/// Waits until a node shows what is observed.
fn shows(client: &Client, value: &Value) {
    until(&format!("a node that shows {value}"), || {
        let answer = client.get("/api/history/entities/component/default/c/aspects");
        answer.body.to_string().contains(&value.to_string()).then_some(())
    });
}

/// The newest statement about an offset or what comes after it, on which a node agrees.
fn attested(client: &Client, position: &str) -> Value {
    let offset = |text: &str| text.rsplit('-').next().unwrap().parse::<u64>().unwrap();
    until(&format!("a statement about {position}"), || {
        let answer = client.get("/api/audit/attestations");
        let newest = answer.body["attestations"].as_array()?.first()?.clone();
        (offset(newest["position"].as_str()?) >= offset(position)).then_some(newest)
    })
}

fn newer(args: &[&str]) -> Output {
    program().command(args).envs(NEW).output().unwrap()
}

#[test]
fn nodes_go_over_to_other_rules_one_after_the_other_and_never_disagree() {
    let Some(kafka) = kafka("a rolling upgrade on Kafka") else { return };
    let topic = kafka.new_topic();
    let nodes = Nodes::new(&kafka.address, &topic);
    let config = text(&nodes.config);
    let old = nodes.serve("a");
    let new = nodes.serve_with("b", &NEW);
    let mut observer = Observer { log: kafka.open(&topic), said: 0 };
    ingest(&old.client(), "s", "c", "one");
    observer.says("one");
    let before = json!({"is": "one"});
    shows(&old.client(), &before);
    shows(&new.client(), &before);
    let position = ingest(&new.client(), "s", "c", "two");
    let first = attested(&new.client(), &position);
    // Not while a node knows less.
    let adopt = ["log", "adopt", "--config", config];
    let refused = newer(&[&adopt[..], &["--json"]].concat());
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let refused = last_json(&refused);
    assert_eq!(refused["behind"].as_object().map(serde_json::Map::len), Some(1), "{refused}");
    let said = newer(&adopt);
    let said = String::from_utf8_lossy(&said.stdout);
    assert!(said.contains("+rules.1") && said.contains("--anyway"), "{said}");
    // When it is done anyway, the old node stops with the reason, and the new one goes on.
    let adopted = newer(&[&adopt[..], &["--anyway", "--json"]].concat());
    assert_eq!(last_json(&adopted), json!({"before": 1, "fold": 2}));
    let (code, said) = old.ended();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("adopts version 2 of the fold's rules"), "{said}");
    observer.says("two");
    let after = json!({"rules": 2, "value": {"is": "two"}});
    shows(&new.client(), &after);
    // Upgraded, it follows, and agrees.
    let other = nodes.serve_with("a", &NEW);
    shows(&other.client(), &after);
    let position = ingest(&other.client(), "s", "c", "three");
    let last = attested(&other.client(), &position);
    for client in [new.client(), other.client()] {
        assert_eq!(metric(&client, "annals_statements_disputed"), Some(0.0));
        assert_eq!(client.get("/readyz").status, 200);
    }
    assert_eq!(other.stop().0, Some(0));
    assert_eq!(new.stop().0, Some(0));
    let digests = nodes.digests(&["a", "b"]);
    assert_eq!(digests[0]["fold"], 2);
    // A replay by the new program has what the nodes had, before and after.
    let replayed = |until: &str, name: &str| {
        let data = nodes.data(name);
        let from = ["replay", "--from", "kafka", "--config", config, "--json"];
        let output = newer(&[&from[..], &["--data", text(&data), "--until", until]].concat());
        assert!(output.status.success(), "{output:?}");
        last_json(&output)
    };
    for (at, digest) in digests.iter().enumerate() {
        let position = digest["position"].as_str().unwrap();
        assert_same(digest, &replayed(position, &format!("replayed-{at}")));
    }
    for (fold, statement) in [(1, first), (2, last)] {
        let position = statement["position"].as_str().unwrap();
        let found = replayed(position, &format!("attested-{fold}"));
        assert_eq!(found["fold"], fold);
        for part in ["digest", "history"] {
            assert_eq!(found[part], statement[part], "{part} at {position}");
        }
    }
}
