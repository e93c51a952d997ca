//! What a process uses: CPU time by thread, memory, disk.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

/// Linux counts CPU time in hundredths of a second, whatever the kernel's own clock is.
const TICKS_PER_S: f64 = 100.0;

/// CPU time so far, in seconds: of the whole process, and of its threads that are alive, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cpu {
    pub(crate) total_s: f64,
    threads: BTreeMap<String, f64>,
}

impl Cpu {
    /// Of a process.
    pub(crate) fn of(process: u32) -> Result<Self> {
        let folder = format!("/proc/{process}");
        let (_, total_s) = read_stat(Path::new(&folder))?;
        let mut threads = BTreeMap::new();
        for thread in std::fs::read_dir(format!("{folder}/task"))? {
            // A thread may have ended meanwhile.
            if let Ok((name, seconds)) = read_stat(&thread?.path()) {
                *threads.entry(name).or_insert(0.0) += seconds;
            }
        }
        Ok(Self { total_s, threads })
    }

    /// What was used since, and by which threads; what threads used that have ended is in the
    /// total alone.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let threads = self.threads.iter().map(|(name, seconds)| {
            let seconds = seconds - before.threads.get(name).copied().unwrap_or(0.0);
            (name.clone(), seconds.max(0.0))
        });
        Self { total_s: self.total_s - before.total_s, threads: threads.collect() }
    }

    /// The threads that used anything worth telling, the busiest first.
    pub(crate) fn busiest(&self) -> Vec<(&str, f64)> {
        let mut all: Vec<(&str, f64)> =
            self.threads.iter().map(|(name, seconds)| (name.as_str(), *seconds)).collect();
        all.retain(|(_, seconds)| *seconds > self.total_s / 100.0);
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        all
    }
}

/// A thread's or process's name, and the seconds that it ran.
fn read_stat(folder: &Path) -> Result<(String, f64)> {
    let text = std::fs::read_to_string(folder.join("stat"))?;
    let (before, after) = text.rsplit_once(')').context("a stat without a name")?;
    let name = before.split_once('(').map_or("", |(_, name)| name).to_owned();
    // The fields behind the name begin with the third; 14 and 15 are user and system time.
    let ticks = after.split_ascii_whitespace().skip(11).take(2).map(str::parse::<f64>);
    let ticks: f64 = ticks.sum::<Result<f64, _>>()?;
    Ok((name, ticks / TICKS_PER_S))
}

/// A process's memory in bytes: now, and at the most.
pub(crate) fn memory_bytes(process: u32) -> Result<(u64, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let kib = line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0);
        kib * 1024
    };
    Ok((field("VmRSS:"), field("VmHWM:")))
}

/// How many bytes the files in a folder have.
pub(crate) fn disk_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // A database may take a file away meanwhile.
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += if metadata.is_dir() { disk_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
