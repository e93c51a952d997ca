//! `annals log`: looking at the log, writing it out, reading it in.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use event::{
    Content, Event, Offset, Position, leaf_of_record, leaf_of_unreadable, read_line, write_line,
};
use log::{Budget, Log};
use serde_json::{Value, json};

use super::erase;
use super::remote::Server;
use crate::cli::{LogCommand, Source};
use crate::config::Config;
use crate::exit::{Exit, Wrong};
use crate::node::{Settings, log_folder, open_kafka, open_log};
use crate::report;

mod adopt;
pub(super) mod copy;

/// How many records are appended together.
const APPEND: usize = 2000;

/// How often it is asked whether there are more records.
const FOLLOW: Duration = Duration::from_millis(300);

/// The longest line that is read, in bytes: a record of the largest size, its data in base64.
const LINE_BYTES_MAX: u64 = 16 << 20;

pub(crate) fn run(command: &LogCommand, json: bool) -> Result<Exit> {
    match command {
        LogCommand::Export { source, file } => export(source, file.as_deref(), json),
        LogCommand::Import { data, config, file } => {
            let log = opened(data.as_deref(), config.as_deref(), true)?;
            let (records, new) = import(&*log, file)?;
            let value = json!({"records": records, "new": new});
            report::result(json, &value, || format!("{records} records, {new} of them new"));
            Ok(Exit::Done)
        }
        LogCommand::Tail { source, lines, follow } => tail(source, *lines, *follow),
        LogCommand::Stat { source } => stat(source, json),
        LogCommand::Copy(args) => copy::run(args, json),
        LogCommand::Erase(args) => erase::run(args, json),
        LogCommand::Adopt { data, config, anyway } => {
            adopt::run(opened(data.as_deref(), config.as_deref(), false)?, *anyway, json)
        }
    }
}

/// Where a log is read from.
enum Opened {
    Log(Arc<dyn Log>),
    Server(Server),
}

fn open(source: &Source) -> Result<Opened> {
    if let Some(url) = &source.server {
        return Ok(Opened::Server(Server::new(url)?));
    }
    opened(source.data.as_deref(), source.config.as_deref(), false).map(Opened::Log)
}

/// Opens the log of a data folder or of a configuration; makes it there, if that is wanted.
pub(super) fn opened(
    data: Option<&Path>,
    config: Option<&Path>,
    create: bool,
) -> Result<Arc<dyn Log>> {
    let config = config.map(Config::load).transpose()?;
    let settings = Settings::new(config.as_ref(), data)?;
    if let Some(options) = settings.kafka {
        let create = create && options.create;
        return Ok(Arc::new(open_kafka(&log_kafka::Options { create, ..options })?));
    }
    let data = settings.data;
    if !create && !log_folder(&data).is_dir() {
        return Err(Wrong(format!("there is no log in {}", data.display())).into());
    }
    Ok(Arc::new(open_log(&data)?))
}

/// Hands out the log's lines from an offset on, as long as somebody takes them.
fn each_line(
    opened: &Opened,
    from: Offset,
    take: &mut dyn FnMut(&str) -> Result<bool>,
) -> Result<()> {
    match opened {
        Opened::Log(log) => {
            let mut next = from;
            loop {
                let entries = log.read(next, Budget::default())?;
                if entries.is_empty() {
                    return Ok(());
                }
                next += entries.len() as Offset;
                for entry in &entries {
                    if !take(&write_line(entry))? {
                        return Ok(());
                    }
                }
            }
        }
        Opened::Server(server) => {
            let body = server.stream(&format!("/api/log/records?from={from}"))?;
            for line in BufReader::new(body).lines() {
                if !take(&line.context("the server's answer broke off")?)? {
                    return Ok(());
                }
            }
            Ok(())
        }
    }
}

fn export(source: &Source, file: Option<&Path>, json: bool) -> Result<Exit> {
    let opened = open(source)?;
    let bar = report::bar(None, "writing records");
    let mut out: Box<dyn Write> = match file {
        None => Box::new(std::io::stdout().lock()),
        Some(path) => Box::new(
            File::create_new(path).with_context(|| format!("{} can't be made", path.display()))?,
        ),
    };
    let mut out = BufWriter::with_capacity(1 << 20, &mut out);
    let mut records = 0_u64;
    each_line(&opened, 0, &mut |line| {
        records += 1;
        bar.inc(1);
        out.write_all(line.as_bytes())?;
        out.write_all(b"\n")?;
        Ok(true)
    })
    .context("the log could not be written out")?;
    out.flush().context("the log could not be written out")?;
    drop(out);
    bar.finish_and_clear();
    if file.is_some() {
        report::result(json, &json!({"records": records}), || format!("{records} records"));
    }
    Ok(Exit::Done)
}

/// Reads a log that was exported; gives how many records it has, and how many of them are new.
pub(crate) fn import(log: &dyn Log, file: &Path) -> Result<(u64, u64)> {
    let mut records = 0_u64;
    let known = log.end()?;
    let bar = report::bar(None, "reading records");
    let mut waiting: Vec<Content> = Vec::with_capacity(APPEND);
    let mut end = known;
    let mut append = |contents: &[Content]| {
        let first = log.append(contents)?;
        if first != end {
            return Err(anyhow!("somebody else appends to the log at offset {end}, too"));
        }
        end += contents.len() as Offset;
        Ok(())
    };
    each_exported(file, &mut |offset, content| {
        records = offset + 1;
        bar.inc(1);
        if offset < known {
            return same(log, offset, &content);
        }
        waiting.push(content);
        if waiting.len() == APPEND {
            append(&std::mem::take(&mut waiting))?;
        }
        Ok(())
    })?;
    if !waiting.is_empty() {
        append(&waiting)?;
    }
    bar.finish_and_clear();
    if records < known {
        return Err(anyhow!(
            "the log holds {known} records already, more than the {records} of the file"
        ));
    }
    Ok((records, records - known))
}

/// A log that holds records already takes the rest of one that begins exactly so. Leaves tell: a
/// record that was erased on one side, and not on the other, is the same.
fn same(log: &dyn Log, offset: Offset, content: &Content) -> Result<()> {
    let entry = log.read(offset, Budget { entries: 1, bytes: 1 })?;
    if entry.first().is_some_and(|entry| leaf(&entry.content) == leaf(content)) {
        return Ok(());
    }
    Err(anyhow!(
        "the log holds another record at offset {offset} than the file; nothing is read in"
    ))
}

fn leaf(content: &Content) -> [u8; 32] {
    match content {
        Ok(record) => leaf_of_record(record).hash,
        Err(bytes) => leaf_of_unreadable(bytes).hash,
    }
}

/// Hands out the records of an exported log, in their order.
pub(crate) fn each_exported(
    file: &Path,
    take: &mut dyn FnMut(Offset, Content) -> Result<()>,
) -> Result<()> {
    let name = file.display();
    let mut reader: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(BufReader::with_capacity(1 << 20, std::io::stdin()))
    } else {
        let opened = File::open(file)
            .map_err(|error| Wrong(format!("the log {name} can't be read: {error}")))?;
        Box::new(BufReader::with_capacity(1 << 20, opened))
    };
    let mut bytes = Vec::new();
    for offset in 0.. {
        bytes.clear();
        let read = Read::take(&mut reader, LINE_BYTES_MAX).read_until(b'\n', &mut bytes);
        if read.with_context(|| format!("{name} can't be read"))? == 0 {
            return Ok(());
        }
        let text = std::str::from_utf8(&bytes).map(str::trim_end);
        let text = text.map_err(|_| anyhow!("line {} of {name} is not UTF-8", offset + 1))?;
        let line = read_line(text)
            .with_context(|| format!("line {} of {name} can't be read in", offset + 1))?;
        if line.offset.is_some_and(|found| found != offset) {
            let line = offset + 1;
            return Err(anyhow!("line {line} of {name} is of another offset; records are missing"));
        }
        take(offset, line.content)?;
    }
    Ok(())
}

fn tail(source: &Source, lines: u64, follow: bool) -> Result<Exit> {
    let opened = open(source)?;
    let mut next = end(&opened)?.saturating_sub(lines);
    let mut is_read = true;
    loop {
        each_line(&opened, next, &mut |line| {
            next += 1;
            is_read = report::print(line);
            Ok(is_read)
        })?;
        if !follow || !is_read {
            return Ok(Exit::Done);
        }
        std::thread::sleep(FOLLOW);
    }
}

fn end(opened: &Opened) -> Result<Offset> {
    match opened {
        Opened::Log(log) => Ok(log.end()?),
        Opened::Server(server) => {
            let stat = server.get("/api/log")?;
            stat["records"].as_u64().ok_or_else(|| anyhow!("the server does not say"))
        }
    }
}

fn stat(source: &Source, json: bool) -> Result<Exit> {
    let value = match open(source)? {
        Opened::Server(server) => server.get("/api/log")?,
        Opened::Log(log) => log_stat(&*log)?,
    };
    report::result(json, &value, || {
        let text = |key: &str| value[key].as_str().unwrap_or("-").to_owned();
        format!(
            "log       {}\nrecords   {}\nposition  {}",
            text("log"),
            value["records"],
            text("position")
        )
    });
    Ok(Exit::Done)
}

fn log_stat(log: &dyn Log) -> Result<Value> {
    let records = log.end()?;
    let first = log.read(0, Budget { entries: 1, bytes: 1 })?;
    let id = first.first().and_then(|entry| {
        let record = entry.content.as_ref().ok()?;
        match Event::of(record) {
            Ok(Event::LogCreated(created)) => Some(created.log),
            _ => None,
        }
    });
    let last = id.zip(records.checked_sub(1));
    Ok(json!({
        "log": id.map(|id| id.to_string()),
        "records": records,
        "position": last.map(|(log, offset)| Position { log, offset }.to_string()),
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use event::{Body, Entry, Erased, commit};
    use log::MemoryLog;

    use super::*;

    #[test]
    fn a_log_takes_the_rest_of_one_from_which_something_was_erased() {
        let begun = || -> Arc<dyn Log> {
            let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
            let boot = ingest::Boot { origin: "catalog.example.org".into(), rules: 1, key: None };
            ingest::boot(&log, &ingest::system_clock(), &boot).expect("a log");
            log
        };
        let (log, other) = (begun(), begun());
        let mut entries = log.read(0, Budget::default()).expect("a read");
        if let Ok(record) = &mut entries[1].content
            && let Body::Open(open) = &record.body
        {
            record.body =
                Body::Erased(Erased { commitment: commit(open), residue: Default::default() });
        }
        entries.push(Entry { offset: 2, content: Err("more".into()) });
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("log.ndjson");
        let lines: Vec<String> = entries.iter().map(write_line).collect();
        std::fs::write(&file, lines.join("\n")).expect("a file");
        assert_eq!(import(&*log, &file).expect("the rest is taken"), (3, 1));
        let error = import(&*other, &file).expect_err("another log").to_string();
        assert!(error.contains("another record at offset 0"), "{error}");
    }
}
