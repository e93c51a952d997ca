//! `annals ingest`: catalog files as one scope.

use std::io::{BufWriter, Read, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use api::{Commands, IngestLine, IngestMode, IngestRequest, Report};
use connector::{Broken, Found};
use event::vocabulary::ScopeName;
use files::read::Reader;
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::remote::Server;
use crate::cli::Ingest;
use crate::config::own_api_versions;
use crate::exit::{Exit, Wrong};
use crate::node::{Node, Settings, WayIn};
use crate::port::IngestPort;
use crate::report;

/// How long it is waited for what locations lead to, and how often that is asked.
const TARGETS_MAX: Duration = Duration::from_secs(10);
const TARGETS_EVERY: Duration = Duration::from_millis(50);

/// How long is waited at the most until what was taken is searchable.
const SEARCHABLE_WAIT_MAX: Duration = Duration::from_mins(10);

/// How many documents wait between reading files and handing them in.
const WAITING: usize = 256;

pub(crate) fn run(args: &Ingest, json: bool) -> Result<Exit> {
    let scope = ScopeName::new(&args.scope).map_err(|error| Wrong(error.to_string()))?;
    // A path that is mistyped is said before anything is made or sent.
    let reader = Reader::new(args.paths.clone());
    reader.look().map_err(|error| Wrong(error.to_string()))?;
    let bar = report::bar(None, "handing in documents");
    let answer = match (&args.server, &args.data) {
        (Some(url), _) => to_server(url, &scope, args, &bar)?,
        (None, Some(data)) => to_folder(data, scope, args, &bar)?,
        (None, None) => return Err(Wrong("either --server or --data is needed".into()).into()),
    };
    bar.finish_and_clear();
    Ok(tell(&answer, json))
}

/// The line on which a document begins that was handed in with this pointer.
fn line_of(pointer: &str) -> Option<usize> {
    let (file, _) = pointer.rsplit_once('#')?;
    let mut line = None;
    let read = Reader::new(vec![file.into()]).visit(&mut |item| {
        let found = item.content.as_ref().is_ok_and(|of| of.pointer.as_deref() == Some(pointer));
        line = item.line.filter(|_| found);
        if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    read.ok().and(line)
}

/// Sends documents as NDJSON, as they are read.
fn to_server(url: &str, scope: &ScopeName, args: &Ingest, bar: &ProgressBar) -> Result<Value> {
    let server = Server::new(url)?;
    let withdraw = if args.allow_withdrawals { "&allowWithdrawals=true" } else { "" };
    let path = format!("/api/ingest/{}?searchable=true{withdraw}", path_encoded(scope.as_str()));
    // Who may not ask which kinds are known there names files of their own kinds.
    let known = server.get("/api/connectors").unwrap_or_default();
    let known = known["apiVersions"].as_array().into_iter().flatten();
    let known = known.filter_map(Value::as_str).map(str::to_owned);
    let reader = Reader::new(args.paths.clone()).with_api_versions(known.collect());
    let (mut body, mut writer) = std::io::pipe()?;
    std::thread::scope(|threads| {
        let reading = threads.spawn(move || {
            let mut writer = BufWriter::with_capacity(1 << 16, &mut writer);
            each_item(&reader, &mut |item| {
                bar.inc(1);
                let line = match item {
                    Ok(found) => json!({"entity": found.document, "pointer": found.pointer}),
                    Err(broken) => json!({"broken": broken.fault.message, "item": broken.item}),
                };
                writeln!(writer, "{line}")?;
                Ok(())
            })?;
            writer.flush()?;
            Ok::<_, anyhow::Error>(())
        });
        let answer = server.post(&path, "application/x-ndjson", &mut body as &mut dyn Read);
        // A server that hung up has its reason in its answer; that reading stopped then is no news.
        drop(body);
        let read = reading.join().map_err(|_| anyhow!("reading files broke off"))?;
        let answer = answer?;
        read?;
        wait_for_targets(&server);
        wait_for_search(&server);
        Ok(answer)
    })
}

/// Waits until what the catalog's locations lead to was looked at once, but not for slow hosts.
fn wait_for_targets(server: &Server) {
    let end = Instant::now() + TARGETS_MAX;
    loop {
        // Who may not ask does not wait.
        let known = server.get("/api/connectors").unwrap_or_default();
        let waiting = known["targetsWaiting"].as_u64().unwrap_or(0);
        if waiting == 0 {
            return;
        }
        if Instant::now() >= end {
            let what = "targets of locations are still to be read";
            return report::say(&format!("{waiting} {what}; GET /api/connectors says how many"));
        }
        std::thread::sleep(TARGETS_EVERY);
    }
}

/// Waits until all that is folded can be searched: what locations led to came later than the
/// answer. How search is may be asked by everybody.
fn wait_for_search(server: &Server) {
    let end = Instant::now() + TARGETS_MAX;
    while Instant::now() < end {
        let ready = server.get("/readyz").unwrap_or_default();
        let search = &ready["search"];
        if search["lag"] == 0 || search["state"] != "following" {
            return;
        }
        std::thread::sleep(TARGETS_EVERY);
    }
}

/// Hands documents in to a data folder on which no server runs.
fn to_folder(data: &Path, scope: ScopeName, args: &Ingest, bar: &ProgressBar) -> Result<Value> {
    let settings = Settings::new(None, Some(data))?;
    let node = Node::open(&settings)?;
    let way_in = node.way_in(&settings, &AtomicBool::new(false));
    let taken = way_in
        .as_ref()
        .map_err(|error| anyhow!("{error:#}"))
        .and_then(|way_in| take(way_in, scope, args, bar));
    if let Ok(Some(position)) = taken.as_ref().map(|report| report.position) {
        // Where the index can't be written that is logged, and it is built when it can.
        let _ = node.search.wait(position.offset, SEARCHABLE_WAIT_MAX);
    }
    let closed = node.close(way_in.as_ref().ok());
    let report = taken?;
    closed?;
    Ok(report_json(&report))
}

fn take(way_in: &WayIn, scope: ScopeName, args: &Ingest, bar: &ProgressBar) -> Result<Report> {
    let port = IngestPort::new(&urls::Config::default(), Vec::new());
    port.open(way_in.clone());
    let request = IngestRequest {
        scope,
        mode: IngestMode::Snapshot,
        allow_withdrawals: args.allow_withdrawals,
        author: None,
    };
    let api_versions = own_api_versions(way_in.ingest.judge().kinds());
    let reader = Reader::new(args.paths.clone()).with_api_versions(api_versions);
    let (sender, receiver) = std::sync::mpsc::sync_channel(WAITING);
    std::thread::scope(|threads| {
        let reading = threads.spawn(move || {
            each_item(&reader, &mut |item| {
                bar.inc(1);
                let line = match item {
                    Ok(Found { document, pointer, .. }) => {
                        IngestLine::Document { document, pointer: pointer.unwrap_or_default() }
                    }
                    Err(Broken { item, fault, .. }) => {
                        IngestLine::Broken { item, message: fault.message }
                    }
                };
                sender.send(line).context("documents are not taken any more")
            })?;
            sender.send(IngestLine::End).context("documents are not taken any more")
        });
        let report = port.ingest(&request, &mut receiver.into_iter());
        let read = reading.join().map_err(|_| anyhow!("reading files broke off"))?;
        let report = report.map_err(|error| anyhow!(error.message))?;
        read?;
        Ok(report)
    })
}

/// Everything that stands in files, folders and globs, in order.
fn each_item(
    reader: &Reader,
    visit: &mut dyn FnMut(Result<Found, Broken>) -> Result<()>,
) -> Result<()> {
    let mut visited = Ok(());
    let read = reader.visit(&mut |item| {
        visited = visit(item.content);
        if visited.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    let passed_over = read.map_err(|error| Wrong(error.to_string()))?;
    if passed_over > 0 {
        report::say(&format!("{passed_over} files without a catalog document are passed over"));
    }
    visited
}

fn report_json(report: &Report) -> Value {
    let refusals = report.refusals.iter().map(|refusal| {
        json!({"what": refusal.what, "pointer": refusal.pointer, "message": refusal.message})
    });
    json!({
        "seen": report.seen,
        "changed": report.changed,
        "gone": report.gone,
        "refused": report.refused,
        "refusals": refusals.collect::<Vec<Value>>(),
        "held": report.held,
        "position": report.position.map(|position| position.to_string()),
    })
}

/// Says what came of it.
fn tell(answer: &Value, json: bool) -> Exit {
    let number = |key: &str| answer[key].as_u64().unwrap_or(0);
    report::result(json, answer, || {
        let mut lines = Vec::new();
        for refusal in answer["refusals"].as_array().into_iter().flatten() {
            let text = |key: &str| refusal[key].as_str().unwrap_or_default();
            let place = match refusal["pointer"].as_str() {
                Some(pointer) if pointer != text("what") => {
                    let line = line_of(pointer).map(|line| format!(", line {line}"));
                    format!("{pointer}{} ({})", line.unwrap_or_default(), text("what"))
                }
                _ => text("what").to_owned(),
            };
            lines.push(format!("REFUSED  {}", report::placed(&place, text("message"))));
        }
        let unlisted = number("refused").saturating_sub(lines.len() as u64);
        if unlisted > 0 {
            lines
                .push(format!("REFUSED  {unlisted} more; GET /api/connectors/refusals lists them"));
        }
        lines.push(format!(
            "{} documents: {} changed, {} withdrawn, {} refused; folded at {}",
            number("seen"),
            number("changed"),
            number("gone"),
            number("refused"),
            answer["position"].as_str().unwrap_or("-"),
        ));
        if let Some(held) = answer["held"].as_u64() {
            lines.push(format!(
                "HELD     {held} entities would be withdrawn, more than the guard lets pass; give \
                 --allow-withdrawals if that is meant"
            ));
        }
        lines.join("\n")
    });
    let no = number("refused") > 0 || answer["held"].as_u64().is_some();
    if no { Exit::No } else { Exit::Done }
}

/// A text as one part of a path; slashes stay.
fn path_encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
