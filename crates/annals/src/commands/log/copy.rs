//! `annals log copy`: a log into another topic, record by record, at the same offsets; and with
//! something erased on the way, since nothing can be taken out of a topic.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use event::{Content, Offset, Record};
use log::{Budget, Log};
use log_kafka::KafkaLog;
use serde_json::json;

use super::{APPEND, leaf};
use crate::cli::LogCopy;
use crate::config::Config;
use crate::exit::{Exit, Wrong};
use crate::node::{Settings, open_kafka};
use crate::report;

pub(super) fn run(args: &LogCopy, json: bool) -> Result<Exit> {
    let settings = Settings::new(Some(&Config::load(&args.config)?), None)?;
    let options = settings.kafka.ok_or_else(|| Wrong("the log is not on Kafka".into()))?;
    let from = open_kafka(&log_kafka::Options { create: false, ..options.clone() })?;
    let to = new_topic(&options, &args.to)?;
    let records = copy(&from, &*to, &[])?;
    let value = json!({"records": records, "topic": args.to});
    report::result(json, &value, || {
        format!("{records} records are in {}, as they are in {}", args.to, options.topic)
    });
    Ok(Exit::Done)
}

/// Opens a topic that holds nothing yet, and makes it where there is none.
pub(crate) fn new_topic(options: &log_kafka::Options, topic: &str) -> Result<Arc<KafkaLog>> {
    let wrong = |error: log_kafka::OptionsError| Wrong(format!("--to: {error}"));
    let to = log_kafka::Options::new(topic, true, options.properties.clone()).map_err(wrong)?;
    let to = open_kafka(&to)?;
    if to.end()? > 0 {
        return Err(Wrong(format!("the topic {topic} holds records already")).into());
    }
    Ok(Arc::new(to))
}

/// Copies a log into an empty one, with what is left of some records in their places, and compares
/// both then. Gives how many records there are.
pub(crate) fn copy(from: &dyn Log, to: &dyn Log, left: &[(Offset, Record)]) -> Result<u64> {
    let left: BTreeMap<Offset, &Record> =
        left.iter().map(|(offset, record)| (*offset, record)).collect();
    let end = from.end()?;
    let bar = report::bar(Some(end), "copying records");
    let mut next = 0;
    while next < end {
        let entries = from.read(next, Budget { entries: APPEND, ..Budget::default() })?;
        let contents = entries.into_iter().map(|entry| match left.get(&entry.offset) {
            Some(record) => Ok((*record).clone()),
            None => entry.content,
        });
        let contents: Vec<Content> = contents.collect();
        if to.append(&contents)? != next {
            return Err(anyhow!("somebody else writes to the new topic"));
        }
        next += contents.len() as Offset;
        bar.set_position(next);
    }
    bar.finish_and_clear();
    compare(from, to, end)?;
    if from.end()? != end {
        return Err(anyhow!("the log went on meanwhile: stop all nodes first"));
    }
    Ok(end)
}

/// Whether both hold the same leaves.
fn compare(from: &dyn Log, to: &dyn Log, end: Offset) -> Result<()> {
    let bar = report::bar(Some(end), "comparing records");
    let mut next = 0;
    while next < end {
        let budget = Budget { entries: APPEND, ..Budget::default() };
        let (old, new) = (from.read(next, budget)?, to.read(next, budget)?);
        for (old, new) in old.iter().zip(&new) {
            if (old.offset, leaf(&old.content)) != (new.offset, leaf(&new.content)) {
                return Err(anyhow!("record {} is another in the copy", old.offset));
            }
        }
        next += old.len().min(new.len()) as Offset;
        bar.set_position(next);
    }
    bar.finish_and_clear();
    Ok(())
}
