//! `annals log adopt`: newer rules of the fold for a log that several nodes share.

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

/// Puts the rules in force that this program knows, unless they are.
pub(super) fn run(log: Arc<dyn Log>, json: bool) -> Result<Exit> {
    let before = in_force(&*log)?;
    let adopts = before < fold::RULES_VERSION;
    if adopts {
        // Nobody else has this source: its first record is its only one.
        let source = SourceName::new(&format!("adopt/{}", Uuid::new_v4().simple()))?;
        let appender = Appender::begin(log, system_clock(), source);
        let adopted = Event::FoldAdopted(FoldAdopted { version: fold::RULES_VERSION });
        appender.append(vec![Draft::new(&adopted)])?;
    }
    let value = json!({"before": before, "fold": fold::RULES_VERSION.max(before)});
    report::result(json, &value, || {
        if adopts {
            format!("rules {} are in force, after {before}", fold::RULES_VERSION)
        } else {
            format!("rules {before} are in force already")
        }
    });
    Ok(Exit::Done)
}

/// The highest version that a record of the log adopts. Who has no views reads all of them.
fn in_force(log: &dyn Log) -> Result<u32> {
    let bar = report::bar(None, "reading records");
    let mut version = 0;
    let mut next = 0;
    loop {
        let entries = log.read(next, Budget::default())?;
        if entries.is_empty() {
            bar.finish_and_clear();
            return Ok(version);
        }
        next += entries.len() as u64;
        bar.inc(entries.len() as u64);
        for record in entries.iter().flat_map(|entry| &entry.content) {
            if let Ok(Event::FoldAdopted(adopted)) = Event::of(record) {
                version = version.max(adopted.version);
            }
        }
    }
}
