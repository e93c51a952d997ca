//! Reads as of earlier moments, each beside the same request asked now: of a catalog in which every
//! entity was new once and changed twice, in an order of its own each time.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use event::{Offset, Position};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;

use crate::node::{self, Node};
use crate::reads::{Latency, Read, Requests};

/// How often each entity changes.
const ROUNDS: u32 = 2;

/// How many changes are handed in together.
const TOGETHER: usize = 20_000;

/// The sorts of requests that are asked.
const READS: [Read; 5] = [Read::ByName, Read::List, Read::Owned, Read::FullText, Read::Facets];

/// Where the position is kept that the catalog's log had in the end.
const LAST: &str = "last";

/// One sort of request: now, at moments in the last hundredth of the log, and at any.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Beside {
    now: Latency,
    lately: Latency,
    ever: Latency,
    /// The slowest of those at any moment, what was looked at for the first time included.
    ever_max_us: u64,
    /// Which that was.
    slowest: String,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AsOf {
    entities: u32,
    events: Offset,
    reads: Vec<Beside>,
}

/// Makes the catalog in a folder, unless it is there, and asks.
pub(crate) fn measure(entities: u32, reads: u32, folder: &Path) -> Result<AsOf> {
    let documents = folder.join("documents");
    if !folder.join(LAST).exists() {
        make(entities, &documents, folder)?;
    }
    let last: Position = std::fs::read_to_string(folder.join(LAST))?.trim().parse()?;
    let node = Node::serve(&folder.join("data"), &[])?;
    node.until_searchable()?;
    let mut requests = Requests::about(&std::fs::read_to_string(&documents)?, last, last)?;
    let mut random = StdRng::seed_from_u64(2);
    let mut measured = Vec::new();
    for read in READS {
        measured.push(beside(&node, &mut requests, &mut random, read, reads, last)?);
    }
    node.stop()?;
    Ok(AsOf { entities, events: last.offset + 1, reads: measured })
}

/// Makes the catalog, or goes on where that broke off: what is there already changes nothing.
fn make(entities: u32, documents: &Path, folder: &Path) -> Result<()> {
    let changed = folder.join("changed");
    node::generate(entities, 0, documents)?;
    node::generate(entities, entities, &changed)?;
    let node = Node::serve(&folder.join("data"), &[])?;
    let mut answer = node.ingest("snapshot", documents)?;
    for round in 0..ROUNDS {
        let texts = std::fs::read_to_string(if round % 2 == 0 { &changed } else { documents })?;
        let mut random = StdRng::seed_from_u64(u64::from(round));
        let mut lines: Vec<(u64, &str)> =
            texts.lines().map(|line| (random.random(), line)).collect();
        lines.sort_unstable();
        for lines in lines.chunks(TOGETHER) {
            let text: String = lines.iter().flat_map(|(_, line)| [*line, "\n"]).collect();
            answer = node.ingest_changes(&text)?;
        }
    }
    let position = answer["position"].as_str().context("an answer without a position")?;
    node.until_searchable()?;
    node.stop()?;
    std::fs::remove_file(&changed)?;
    Ok(std::fs::write(folder.join(LAST), position)?)
}

/// Asks now, lately and ever, one after the other, so that what else the machine does hits all.
fn beside(
    node: &Node,
    requests: &mut Requests,
    random: &mut StdRng,
    read: Read,
    reads: u32,
    last: Position,
) -> Result<Beside> {
    let mut body = Vec::new();
    let mut ask = |path: &str| {
        let began = Instant::now();
        node.look(path, &mut body)?;
        Ok::<_, anyhow::Error>((began.elapsed(), body.len() as u64))
    };
    let mut asked = [Vec::new(), Vec::new(), Vec::new()];
    let mut bytes = [0; 3];
    let mut slowest = (Duration::ZERO, String::new());
    for _ in 0..reads {
        let path = requests.path_now(read);
        let lately = last.offset - last.offset / 100;
        for (at, from) in [None, Some(lately), Some(0)].into_iter().enumerate() {
            let (time, length) = match from {
                None => ask(&path)?,
                Some(from) => {
                    let offset = random.random_range(from..=last.offset);
                    let path = as_of(&path, Position { log: last.log, offset });
                    let answer = ask(&path)?;
                    if from == 0 && answer.0 > slowest.0 {
                        slowest = (answer.0, path);
                    }
                    answer
                }
            };
            asked[at].push(time);
            bytes[at] += length;
        }
    }
    let mut latencies = asked
        .into_iter()
        .zip(bytes)
        .map(|(times, bytes)| Latency::of(read.name(), times, bytes / u64::from(reads.max(1))));
    let mut next = || latencies.next().context("a time is missing");
    let (now, lately, ever) = (next()?, next()?, next()?);
    let (ever_max, slowest) = slowest;
    Ok(Beside { now, lately, ever, ever_max_us: u64::try_from(ever_max.as_micros())?, slowest })
}

/// A request as of a moment.
fn as_of(path: &str, moment: Position) -> String {
    format!("{path}{}at={moment}", if path.contains('?') { '&' } else { '?' })
}

impl AsOf {
    /// The table: times in milliseconds, and how many times as long as now.
    pub(crate) fn table(&self) -> String {
        let mut out = String::new();
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "{} entities, {} events; milliseconds\n", self.entities, self.events)?;
        writeln!(
            out,
            "{:<36}{:>8}{:>16}{:>16}{:>14}{:>16}{:>10}",
            "as of a moment", "each", "now p50, p99", "last 1 %", "times", "any moment", "at most"
        )?;
        let ms = |us: u64| us as f64 / 1e3;
        for Beside { now, lately, ever, ever_max_us, slowest } in &self.reads {
            let pair = |of: &Latency| format!("{:.2} {:.2}", ms(of.p50_us), ms(of.p99_us));
            let times = |of: fn(&Latency) -> u64| of(lately) as f64 / of(now).max(1) as f64;
            let times = format!("{:.1} {:.1}", times(|of| of.p50_us), times(|of| of.p99_us));
            writeln!(
                out,
                "{:<36}{:>8}{:>16}{:>16}{:>14}{:>16}{:>10.1}",
                now.name,
                now.count,
                pair(now),
                pair(lately),
                times,
                pair(ever),
                ms(*ever_max_us)
            )?;
            writeln!(out, "    the slowest: {slowest}")?;
        }
        Ok(())
    }
}
