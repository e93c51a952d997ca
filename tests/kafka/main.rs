//! The log on a real Apache Kafka, and nodes that share it.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod kills;
mod laws;
mod lost;
mod moving;
mod nodes;
mod replicas;
mod secured;
mod topics;
mod upgrade;

use support::kafka::Kafka;
use support::process::skip;

/// A broker, or a word that there is none here.
fn kafka(what: &str) -> Option<Kafka> {
    match Kafka::start(1) {
        Ok(kafka) => Some(kafka),
        Err(why) => {
            skip(what, &why);
            None
        }
    }
}
