//! `annals log erase`: takes what records say, or all that names a subject, out of a log.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use event::vocabulary::{ErasedRecord, LogErased};
use event::{Body, Content, Entry, Offset, Record, RecordId, Residue};
use ingest::system_clock;
use log::{Budget, EmbeddedLog, Error, Log};
use log_kafka::KafkaLog;
use model::reference::EntityRef;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::digest::digest_json;
use super::log::copy::{copy, new_topic};
use super::replay::fold;
use crate::cli::LogErase;
use crate::config::Config;
use crate::erasure::{Found, Names, Plan, Planner, What};
use crate::exit::{Exit, Wrong};
use crate::node::{Settings, log_folder, open_kafka, open_log};
use crate::{rebuild, report};

/// How many records one `log.erased` names.
const RECORDS_A_WORD: usize = 20_000;

/// How many lines of a sort are printed.
const LINES: usize = 20;

pub(super) fn run(args: &LogErase, json: bool) -> Result<Exit> {
    let config = args.config.as_deref().map(Config::load).transpose()?;
    let settings = Settings::new(config.as_ref(), args.data.as_deref())?;
    let beside: Vec<String> = settings.topics.iter().map(|topic| topic.topic.clone()).collect();
    let place = open(settings, args)?;
    let log = place.log();
    let what = what(args, log)?;
    if let What::Subject(names) = &what
        && names.are_in_attribute(&args.why)
    {
        return Err(Wrong("--why names the subject, and stays in the log for ever".into()).into());
    }
    let mut planner = Planner::new(what);
    each(log, "looking at records", &mut |entry| planner.take(entry.offset, entry.content))?;
    let (what, plan) = planner.finish();
    if plan.left.is_empty() {
        report::result(json, &shown(&plan, None), || lines(&what, &plan, "nothing to erase"));
        return Ok(Exit::No);
    }
    if args.dry_run {
        report::result(json, &shown(&plan, None), || lines(&what, &plan, "would be erased"));
        return Ok(Exit::Done);
    }
    let done = match place {
        Place::Folder(data, log) => digest_json(&erase(&data, log, &args.why, &plan)?),
        Place::Topic(log, to) => erase_into(&log, to, &args.why, &plan)?,
    };
    for topic in &beside {
        report::say(&format!(
            "the topic {topic} may hold what is erased: delete it, or name another one, before the \
             nodes start; it is filled anew"
        ));
    }
    report::result(json, &shown(&plan, Some(done)), || lines(&what, &plan, "erased"));
    Ok(Exit::Done)
}

/// Where the log is.
enum Place {
    Folder(PathBuf, EmbeddedLog),
    /// A topic, and the one that takes its place.
    Topic(KafkaLog, Option<log_kafka::Options>),
}

impl Place {
    fn log(&self) -> &dyn Log {
        match self {
            Self::Folder(_, log) => log,
            Self::Topic(log, _) => log,
        }
    }
}

fn open(settings: Settings, args: &LogErase) -> Result<Place> {
    if let Some(options) = settings.kafka {
        let log = open_kafka(&log_kafka::Options { create: false, ..options.clone() })?;
        let to =
            args.to.as_ref().map(|topic| log_kafka::Options { topic: topic.clone(), ..options });
        if to.is_none() && !args.dry_run {
            let why = "nothing can be taken out of a topic: say --to NEW_TOPIC, stop all nodes, and \
                       delete the old topic when they run on the new one";
            return Err(Wrong(why.into()).into());
        }
        return Ok(Place::Topic(log, to));
    }
    let data = settings.data;
    if args.to.is_some() {
        return Err(Wrong("--to: the log is not on Kafka".into()).into());
    }
    if !log_folder(&data).is_dir() {
        return Err(Wrong(format!("there is no log in {}", data.display())).into());
    }
    let log = open_log(&data).context("a server that runs on it has to be stopped")?;
    Ok(Place::Folder(data, log))
}

/// Makes another topic of a log, without what is erased.
fn erase_into(
    log: &KafkaLog,
    to: Option<log_kafka::Options>,
    why: &str,
    plan: &Plan,
) -> Result<Value> {
    let to = to.ok_or_else(|| Wrong("--to is missing".into()))?;
    let new = new_topic(&to, &to.topic)?;
    copy(log, &*new, &plan.left)?;
    let as_log: Arc<dyn Log> = Arc::clone(&new) as Arc<dyn Log>;
    ingest::say_erased(&as_log, &system_clock(), plan.epoch, said(why, plan))?;
    Ok(json!({"topic": to.topic, "records": new.end()?}))
}

/// What is to be erased; a subject's own documents tell by which texts it is known.
fn what(args: &LogErase, log: &dyn Log) -> Result<What> {
    if let Some(subject) = &args.subject {
        let reference = EntityRef::parse(subject, None, "")
            .map_err(|error| Wrong(format!("--subject: {error}")))?;
        let mut names = Names::new(reference, &args.also);
        each(log, "reading what names the subject", &mut |entry| {
            if let Ok(record) = &entry.content {
                names.learn_from(record);
            }
            Ok(())
        })?;
        return Ok(What::Subject(names));
    }
    let ids = args.event.iter().map(|text| {
        let id = text.parse().map(RecordId);
        id.map_err(|_| Wrong(format!("--event: `{text}` is not the id of a record")).into())
    });
    let ids: BTreeSet<RecordId> = ids.collect::<Result<_>>()?;
    let mut missing = ids.clone();
    each(log, "looking for records", &mut |entry| {
        if let Ok(record) = &entry.content {
            missing.remove(&record.id);
        }
        Ok(())
    })?;
    if let Some(id) = missing.first() {
        return Err(Wrong(format!("the log has no record {id}")).into());
    }
    Ok(What::Events(ids))
}

/// Hands out all that stands in a log.
fn each(
    log: &dyn Log,
    doing: &'static str,
    take: &mut dyn FnMut(Entry) -> Result<()>,
) -> Result<()> {
    let end = log.end()?;
    let bar = report::bar(Some(end), doing);
    let mut next = 0;
    while next < end {
        for entry in log.read(next, Budget::default())? {
            next = entry.offset + 1;
            take(entry)?;
        }
        bar.set_position(next);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Erases, and makes anew what was made of the records before.
fn erase(data: &Path, log: EmbeddedLog, why: &str, plan: &Plan) -> Result<views::Applied> {
    rebuild::ask(data)?;
    let offsets: Vec<Offset> = plan.left.iter().map(|(offset, _)| *offset).collect();
    let erasing = Arc::new(Erasing { log, left: Mutex::new(plan.left.clone()) });
    let as_log: Arc<dyn Log> = Arc::clone(&erasing) as Arc<dyn Log>;
    ingest::say_erased(&as_log, &system_clock(), plan.epoch, said(why, plan))?;
    report::say("rewriting the files of the log …");
    erasing.log.forget(&offsets)?;
    rebuild::drop_old(data)?;
    let records = erasing.log.end()?;
    fold(data, as_log, records)
}

/// What the log says of an erasure.
fn said(why: &str, plan: &Plan) -> Vec<LogErased> {
    let words = plan.left.chunks(RECORDS_A_WORD).map(|left| LogErased {
        records: left.iter().filter_map(erased_record).collect(),
        why: why.to_owned(),
    });
    words.collect()
}

fn erased_record((offset, record): &(Offset, Record)) -> Option<ErasedRecord> {
    let Body::Erased(erased) = &record.body else { return None };
    let residue = data_encoding::HEXLOWER.encode(&Residue::hash(&erased.residue));
    Some(ErasedRecord { offset: *offset, residue })
}

/// A log that erases together with the first thing that is appended, which says so.
struct Erasing {
    log: EmbeddedLog,
    left: Mutex<Vec<(Offset, Record)>>,
}

impl Log for Erasing {
    fn append(&self, contents: &[Content]) -> Result<Offset, Error> {
        let mut left = self.left.lock();
        let first = self.log.erase(&left, contents)?;
        left.clear();
        Ok(first)
    }

    fn end(&self) -> Result<Offset, Error> {
        self.log.end()
    }

    fn read(&self, from: Offset, budget: Budget) -> Result<Vec<Entry>, Error> {
        self.log.read(from, budget)
    }

    fn wait(&self, beyond: Offset, at_most: Duration) -> Result<Offset, Error> {
        self.log.wait(beyond, at_most)
    }
}

fn shown(plan: &Plan, applied: Option<Value>) -> Value {
    let found = |found: &Found| json!({"count": found.count, "examples": found.examples});
    let mut value = json!({
        "records": plan.left.len(),
        "types": plan.types,
        "notShown": plan.unshown.iter().map(EntityRef::as_str).collect::<Vec<_>>(),
        "mentions": found(&plan.mentions),
        "kept": found(&plan.stuck),
    });
    if let (Value::Object(members), Some(Value::Object(applied))) = (&mut value, applied) {
        members.extend(applied);
    }
    value
}

fn lines(what: &What, plan: &Plan, done: &str) -> String {
    let mut lines = Vec::new();
    match plan.left.len() {
        0 => lines.push(done.to_owned()),
        records => lines.push(format!("records {done}: {records}")),
    }
    lines.extend(plan.types.iter().map(|(kind, count)| format!("  {count:>7}  {kind}")));
    if !plan.unshown.is_empty() {
        let count = plan.unshown.len();
        lines.push(format!("not shown until their sources are read again: {count}"));
        lines.extend(plan.unshown.iter().take(LINES).map(|reference| format!("  {reference}")));
        if count > LINES {
            lines.push(format!("  … and {} more", count - LINES));
        }
    }
    let mut found = |found: &Found, words: String| {
        if found.count > 0 {
            lines.push(words);
            lines.extend(found.examples.iter().map(|example| format!("  {example}")));
            if found.count > found.examples.len() as u64 {
                lines.push("  …".into());
            }
        }
    };
    found(&plan.stuck, format!("name the subject and stay: {}", plan.stuck.count));
    if let What::Subject(names) = what {
        let (count, name) = (plan.mentions.count, names.bare());
        let hint = format!("hold `{name}` as a word and stay (--also {name}): {count}");
        found(&plan.mentions, hint);
    }
    lines.join("\n")
}
