//! `annals replay`: views anew from a log.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use event::{Content, Event, Offset, Position, Timestamp};
use fold::Admission;
use log::{Budget, Log};
use processor::{Metrics, Processor};

use super::digest::{digest_json, digest_lines};
use super::log::{each_exported, opened};
use crate::cli::Replay;
use crate::exit::{Exit, Wrong};
use crate::node::{log_folder, open_log, open_views};
use crate::report;

const MEMORY_BYTES: usize = 1 << 30;

/// How many records are copied together.
const COPY: usize = 2000;

pub(crate) fn run(args: &Replay, json: bool) -> Result<Exit> {
    let until = args.until.as_deref().map(Until::read).transpose()?;
    let used = std::fs::read_dir(&args.data).is_ok_and(|mut entries| entries.next().is_some());
    if used {
        return Err(Wrong(format!("the folder {} is not empty", args.data.display())).into());
    }
    let log = open_log(&args.data)?;
    let mut copy = Copy {
        log: &log,
        waiting: Vec::with_capacity(COPY),
        until,
        admission: Admission::default(),
        clock: None,
    };
    let bar = report::bar(None, "reading records");
    let mut take = |offset, content| {
        bar.inc(1);
        copy.take(offset, content)
    };
    match &args.config {
        Some(config) if args.from == Path::new("kafka") => {
            each_of(&*opened(None, Some(config), false)?, &mut take)?;
        }
        None if args.from == Path::new("kafka") && !args.from.exists() => {
            let why = "--from kafka needs --config, which says where the topic is";
            return Err(Wrong(why.into()).into());
        }
        _ => each_record(&args.from, &mut take)?,
    }
    let left = std::mem::take(&mut copy.waiting);
    log.append(&left)?;
    bar.finish_and_clear();
    let log: Arc<dyn Log> = Arc::new(log);
    let records = log.end()?;
    if records == 0 {
        return Err(Wrong("the log has no record up to there".into()).into());
    }
    let applied = fold(&args.data, log, records)?;
    report::result(json, &digest_json(&applied), || digest_lines(&applied));
    Ok(Exit::Done)
}

/// Folds all records of a log into the views of a data folder.
pub(super) fn fold(data: &Path, log: Arc<dyn Log>, records: u64) -> Result<views::Applied> {
    let views = Arc::new(open_views(data, MEMORY_BYTES)?);
    let metrics = Metrics::new(&prometheus::Registry::new())?;
    let processor = Processor::new(log, Arc::clone(&views), metrics, Budget::default())?;
    let bar = report::bar(Some(records), "folding");
    let progress = Arc::clone(processor.progress());
    std::thread::scope(|threads| {
        let folding = threads.spawn(|| processor.catch_up(None));
        while !folding.is_finished() {
            std::thread::park_timeout(std::time::Duration::from_millis(100));
            bar.set_position(progress.offset().map_or(0, |offset| offset + 1));
        }
        match folding.join() {
            Ok(folded) => folded.map_err(anyhow::Error::from),
            Err(_) => Err(anyhow!("folding broke off")),
        }
    })?;
    bar.finish_and_clear();
    views.applied().ok_or_else(|| anyhow!("nothing was folded"))
}

/// Hands out the records of a log, until somebody has enough.
pub(super) fn each_record(
    from: &Path,
    take: &mut dyn FnMut(Offset, Content) -> Result<bool>,
) -> Result<()> {
    if !from.is_dir() {
        let mut enough = false;
        return each_exported(from, &mut |offset, content| {
            enough = enough || !take(offset, content)?;
            Ok(())
        });
    }
    if !log_folder(from).is_dir() {
        return Err(Wrong(format!("there is no log in {}", from.display())).into());
    }
    each_of(&open_log(from).context("a server that runs on it has to be stopped")?, take)
}

/// Hands out the records of an open log, up to where it ends, until somebody has enough.
fn each_of(log: &dyn Log, take: &mut dyn FnMut(Offset, Content) -> Result<bool>) -> Result<()> {
    let mut next = 0;
    loop {
        let entries = log.read(next, Budget::default())?;
        if entries.is_empty() {
            return Ok(());
        }
        for entry in entries {
            next = entry.offset + 1;
            if !take(entry.offset, entry.content)? {
                return Ok(());
            }
        }
    }
}

/// Where a replay ends.
#[derive(Clone, Copy, Debug)]
enum Until {
    Position(Position),
    Time(Timestamp),
}

impl Until {
    fn read(text: &str) -> Result<Self> {
        if let Ok(position) = text.parse() {
            return Ok(Self::Position(position));
        }
        let time = Timestamp::from_rfc3339(text)
            .map_err(|_| Wrong(format!("`{text}` is neither a position nor a time (RFC 3339)")))?;
        Ok(Self::Time(time))
    }
}

/// Copies records up to a moment.
struct Copy<'a> {
    log: &'a log::EmbeddedLog,
    waiting: Vec<Content>,
    until: Option<Until>,
    /// Which records count.
    admission: Admission,
    /// The latest time at which a record that counts was appended so far.
    clock: Option<Timestamp>,
}

impl Copy<'_> {
    /// Takes a record; `false` when it is beyond the moment.
    fn take(&mut self, offset: Offset, content: Content) -> Result<bool> {
        if let Ok(record) = &content {
            if self.admission.admits(record) {
                self.clock = self.clock.max(Some(record.recorded));
            }
            if let (Some(Until::Position(until)), 0, Ok(Event::LogCreated(created))) =
                (self.until, offset, Event::of(record))
                && created.log != until.log
            {
                return Err(
                    Wrong(format!("the position is of another log than {}", created.log)).into()
                );
            }
        }
        let beyond = match self.until {
            None => false,
            Some(Until::Position(until)) => offset > until.offset,
            Some(Until::Time(until)) => self.clock.is_some_and(|clock| clock > until),
        };
        if beyond {
            return Ok(false);
        }
        self.waiting.push(content);
        if self.waiting.len() == COPY {
            self.log.append(&std::mem::take(&mut self.waiting))?;
        }
        Ok(true)
    }
}
