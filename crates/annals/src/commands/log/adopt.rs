//! `annals log adopt`: newer rules of the fold for a log that several nodes share.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use event::vocabulary::FoldAdopted;
use event::{Event, SourceName};
use ingest::{Appender, Draft, system_clock};
use log::{Budget, Log};
use serde_json::json;
use uuid::Uuid;

use crate::exit::Exit;
use crate::report;

/// Puts the rules in force that this program knows, unless they are, or a node does not know them.
pub(super) fn run(log: Arc<dyn Log>, anyway: bool, json: bool) -> Result<Exit> {
    let rules = fold::rules_known();
    let Found { version: before, nodes } = look(&*log)?;
    let behind: BTreeMap<&String, &String> =
        nodes.iter().filter(|(_, version)| rules_of(version) < rules).collect();
    let wants = before < rules;
    if wants && !behind.is_empty() && !anyway {
        let value = json!({"before": before, "fold": before, "behind": behind});
        report::result(json, &value, || {
            let mut lines =
                format!("rules {rules} are not put in force: nodes would stop that know less\n");
            for (node, version) in &behind {
                lines.push_str(&format!("  {node} last began with version {version}\n"));
            }
            lines.push_str("start them with this version first, or say --anyway if they are gone");
            lines
        });
        return Ok(Exit::No);
    }
    if wants {
        // Nobody else has this source: its first record is its only one.
        let source = SourceName::new(&format!("adopt/{}", Uuid::new_v4().simple()))?;
        let appender = Appender::begin(log, system_clock(), source);
        let adopted = Event::FoldAdopted(FoldAdopted { version: rules });
        appender.append(vec![Draft::new(&adopted)])?;
    }
    let value = json!({"before": before, "fold": rules.max(before)});
    report::result(json, &value, || {
        if wants {
            format!("rules {rules} are in force, after {before}")
        } else {
            format!("rules {before} are in force already")
        }
    });
    Ok(Exit::Done)
}

/// The rules that a node knows which begins with such a version (see [`crate::node::version`]).
fn rules_of(version: &str) -> u32 {
    let rules = version.split_once("+rules.").and_then(|(_, rules)| rules.parse().ok());
    // Versions did not tell while there was only the first.
    rules.unwrap_or(1)
}

/// What a log says of rules.
#[derive(Default)]
struct Found {
    /// The highest version that a record adopts.
    version: u32,
    /// The version that each node began with last.
    nodes: BTreeMap<String, String>,
}

/// Who has no views reads all records.
fn look(log: &dyn Log) -> Result<Found> {
    let bar = report::bar(None, "reading records");
    let mut found = Found::default();
    let mut next = 0;
    loop {
        let entries = log.read(next, Budget::default())?;
        if entries.is_empty() {
            bar.finish_and_clear();
            return Ok(found);
        }
        next += entries.len() as u64;
        bar.inc(entries.len() as u64);
        for record in entries.iter().flat_map(|entry| &entry.content) {
            match Event::of(record) {
                Ok(Event::FoldAdopted(adopted)) => {
                    found.version = found.version.max(adopted.version);
                }
                // A node begins the source of its own name whenever it starts.
                Ok(Event::EpochBegun(begun)) if record.source.as_str().starts_with("api/") => {
                    found.nodes.insert(begun.node, begun.version);
                }
                _ => {}
            }
        }
    }
}
