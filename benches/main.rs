//! The whole path, measured: from documents over HTTP to stamped records in a synced log, folded
//! and committed views, and answers over HTTP again; beside its ceiling, a bare loop that puts
//! the same bytes into RocksDB in the same run.
//!
//! CPU time is the node's own, which runs as a process of its own; wall time is shared with the
//! client that feeds it and asks it. On a busy machine the ratio to the ceiling is what stays.
//!
//! What is absent: parts by themselves. Where time goes within a stage, a profiler says.

mod as_of;
mod ceiling;
mod deliveries;
mod kafka;
mod load;
mod node;
mod reads;
mod remembering;
mod replay;
mod report;
mod stage;
mod streams;
mod usage;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use event::Position;
use serde_json::Value;

use node::Node;
use reads::{Latency, Read, Requests};
use report::Report;
use stage::{Stage, Watch};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Measures the whole path beside its ceiling.
#[derive(Debug, Parser)]
struct Args {
    /// How many entities.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(100..))]
    entities: u32,
    /// How many of them change later; a fifth where absent.
    #[arg(long, value_name = "N")]
    changes: Option<u32>,
    /// How many requests of the cheap sorts are measured.
    #[arg(long, value_name = "N", default_value_t = 4000, value_parser = clap::value_parser!(u32).range(100..))]
    reads: u32,
    /// Only the ways in: no replay, no ceiling.
    #[arg(long)]
    only_node: bool,
    /// Only reads as of earlier moments, of so many entities that change twice each.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(100..))]
    as_of_at: Option<u32>,
    /// Where the catalog of `--as-of-at` is kept, and taken from if it is there.
    #[arg(long, value_name = "DIR", requires = "as_of_at")]
    keep: Option<std::path::PathBuf>,
    /// Only the fold of a log on Kafka, of so many entities, beside a bare consumer and Kafka
    /// Streams; run from the project's folder, with Java and Maven.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(100..))]
    kafka: Option<u32>,
    /// Only so many signed deliveries of a CI system, beside bare requests.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(100..))]
    deliveries: Option<u32>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    if std::env::var_os(node::AS_ANNALS).is_some() {
        return program::main();
    }
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    if let Some(entities) = args.as_of_at {
        let kept = args.keep.as_deref().unwrap_or(folder);
        std::fs::create_dir_all(kept)?;
        let as_of = as_of::measure(entities, args.reads / 10, kept)?;
        let mut out = std::io::stdout();
        match args.json {
            true => writeln!(out, "{}", serde_json::to_string(&as_of)?)?,
            false => write!(out, "{}", as_of.table())?,
        }
        return Ok(());
    }
    if let Some(entities) = args.kafka {
        let measured = kafka::measure(entities, folder)?;
        let mut out = std::io::stdout();
        match args.json {
            true => writeln!(out, "{}", serde_json::to_string(&measured)?)?,
            false => write!(out, "{}", measured.table())?,
        }
        return Ok(());
    }
    if let Some(count) = args.deliveries {
        let measured = deliveries::measure(count, folder)?;
        let mut out = std::io::stdout();
        match args.json {
            true => writeln!(out, "{}", serde_json::to_string(&measured)?)?,
            false => write!(out, "{}", measured.table())?,
        }
        return Ok(());
    }
    let data = folder.join("data");
    let mut report = Report { entities: args.entities, ..Report::default() };
    let documents = Documents::generate(args, folder)?;
    report.changed = documents.changed;
    let new = run_node(args, &documents, &data, &mut report)?;
    if !args.only_node {
        let records = usize::try_from(new.offset)?.saturating_add(2);
        let replayed = report.stages.len();
        report.stages.extend(replay::measure(&data, &folder.join("replayed"), new.offset)?);
        let batches = replay::capture(&data, &folder.join("captured"), new.offset)?;
        let frames = replay::frames(&data, records)?;
        let bare = folder.join("bare");
        std::fs::create_dir_all(bare.join("remembering"))?;
        let entities = u64::from(args.entities);
        let ceiling = ceiling::measure(&data, &bare, &frames, &batches, entities)?;
        report.times_ceiling = report.stages[0].cpu_us() / ceiling.cpu_us();
        report.remembering = Some(remembering::measure(
            &data,
            &bare.join("remembering"),
            &report.stages[replayed..replayed + 2],
        )?);
        report.stages.push(ceiling);
    }
    let mut out = std::io::stdout();
    match args.json {
        true => writeln!(out, "{}", serde_json::to_string(&report)?)?,
        false => write!(out, "{}", report.table())?,
    }
    Ok(())
}

/// What a node did: ways in, answers, answers while more comes in. Gives the position at which all
/// entities were new.
fn run_node(
    args: &Args,
    documents: &Documents,
    data: &Path,
    report: &mut Report,
) -> Result<Position> {
    let node = Node::serve(data, &[])?;
    let entities = u64::from(args.entities);
    let all = &documents.all;
    let (new, answer) = take(&node, "new entities", "snapshot", all, entities)?;
    let position = answer["position"].as_str().context("an answer without a position")?;
    let position: Position = position.parse()?;
    let (same, _) = take(&node, "the same again", "snapshot", all, entities)?;
    let name = "changed entities";
    let (changed, answer) = take(&node, name, "changes", &documents.some, documents.changed)?;
    let last = answer["position"].as_str().context("an answer without a position")?.parse()?;
    report.stages.extend([new, same, changed]);
    let mut requests = Requests::about(&std::fs::read_to_string(all)?, position, last)?;
    let reads = args.reads as usize;
    // What is measured is not the index catching up.
    node.until_searchable()?;
    for read in Read::ALL {
        report.reads.push(requests.measure(&node, read, reads, &|| false)?);
    }
    report.stages.push(load::by_name(&node, &requests)?);
    report.updates = load::updates(&node)?.into();
    report.followed = streams::measure(&node)?;
    let (stage, busy) = read_while_ingesting(&node, documents, &mut requests, reads)?;
    report.stages.push(stage);
    report.reads_while_ingesting = busy;
    (report.memory_bytes, report.memory_bytes_max) = usage::memory_bytes(node.id())?;
    node.stop()?;
    report.log_bytes = usage::disk_bytes(&data.join("log"))?;
    report.views_bytes = usage::disk_bytes(&data.join("views"))?;
    Ok(position)
}

/// Hands documents in; every one of them has to be taken.
fn take(
    node: &Node,
    name: &'static str,
    mode: &str,
    documents: &Path,
    events: u64,
) -> Result<(Stage, Value)> {
    let mut before = Vec::new();
    node.get("/metrics", &mut before)?;
    let watch = Watch::begin(node.id())?;
    let answer = node.ingest(mode, documents)?;
    let mut stage = watch.end(name, events)?;
    let mut after = Vec::new();
    node.get("/metrics", &mut after)?;
    stage.take_metrics(&String::from_utf8_lossy(&before), &String::from_utf8_lossy(&after));
    anyhow::ensure!(answer["refused"] == 0, "documents were refused: {answer}");
    Ok((stage, answer))
}

/// Measures answers while all entities change, for as long as that takes.
fn read_while_ingesting(
    node: &Node,
    documents: &Documents,
    requests: &mut Requests,
    reads: usize,
) -> Result<(Stage, Vec<Latency>)> {
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let ingesting = threads.spawn(|| {
            let name = "changed entities, while answering";
            let taken = take(node, name, "changes", &documents.rest, documents.left);
            done.store(true, Ordering::Relaxed);
            taken
        });
        let mut latencies = Vec::new();
        for read in Read::ALL {
            let enough = || done.load(Ordering::Relaxed);
            latencies.push(requests.measure(node, read, reads / 4, &enough)?);
        }
        let taken = ingesting.join().map_err(|_| anyhow!("ingesting broke off"))?;
        Ok((taken?.0, latencies))
    })
}

/// Files of documents.
struct Documents {
    all: std::path::PathBuf,
    /// Some of them, changed.
    some: std::path::PathBuf,
    changed: u64,
    /// All others, changed.
    rest: std::path::PathBuf,
    left: u64,
}

impl Documents {
    fn generate(args: &Args, folder: &Path) -> Result<Self> {
        let [all, later, last] = ["all", "later", "last"].map(|name| folder.join(name));
        let changes = args.changes.unwrap_or(args.entities / 5).min(args.entities);
        node::generate(args.entities, 0, &all)?;
        node::generate(args.entities, changes, &later)?;
        node::generate(args.entities, args.entities, &last)?;
        let (some, rest) = (folder.join("some"), folder.join("rest"));
        let changed = differing(&all, &later, &some)?;
        let left = differing(&later, &last, &rest)?;
        Ok(Self { all, some, changed, rest, left })
    }
}

/// Writes the lines of a file that are not those of another one; gives their number.
fn differing(before: &Path, after: &Path, out: &Path) -> Result<u64> {
    let (before, after) = (std::fs::read_to_string(before)?, std::fs::read_to_string(after)?);
    let mut out = BufWriter::new(File::create(out)?);
    let mut count = 0;
    for (_, line) in before.lines().zip(after.lines()).filter(|(before, after)| before != after) {
        writeln!(out, "{line}")?;
        count += 1;
    }
    out.flush()?;
    Ok(count)
}
