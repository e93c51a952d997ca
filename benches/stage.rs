//! A part of the path, with what it took.

use std::time::Instant;

use anyhow::Result;
use serde::Serialize;

use crate::usage::Cpu;

/// What a number of events took.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) events: u64,
    pub(crate) wall_s: f64,
    pub(crate) cpu_s: f64,
    /// CPU seconds by thread, the busiest first.
    pub(crate) threads: Vec<(String, f64)>,
    /// Seconds that the loop spent folding (with the index) and committing, where it tells.
    pub(crate) fold_s: f64,
    pub(crate) commit_s: f64,
    /// Batches that were committed.
    pub(crate) batches: f64,
}

impl Stage {
    /// Events in a second.
    pub(crate) fn per_s(&self) -> f64 {
        self.events as f64 / self.wall_s
    }

    /// Events in a second of one CPU.
    pub(crate) fn per_cpu_s(&self) -> f64 {
        self.events as f64 / self.cpu_s.max(1e-9)
    }

    /// Microseconds of CPU an event.
    pub(crate) fn cpu_us(&self) -> f64 {
        self.cpu_s * 1e6 / self.events.max(1) as f64
    }

    /// Takes what the processor says of itself, less what it had said before.
    pub(crate) fn take_metrics(&mut self, before: &str, after: &str) {
        let since = |name: &str| metric(after, name) - metric(before, name);
        self.fold_s = since("annals_fold_seconds_sum");
        self.commit_s = since("annals_commit_seconds_sum");
        self.batches = since("annals_fold_batches_total");
    }
}

/// The value of a metric in Prometheus' text form; 0 where it is not told.
fn metric(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
}

/// Watches a process while it works.
pub(crate) struct Watch {
    process: u32,
    began: Instant,
    before: Cpu,
}

impl Watch {
    pub(crate) fn begin(process: u32) -> Result<Self> {
        Ok(Self { process, before: Cpu::of(process)?, began: Instant::now() })
    }

    pub(crate) fn end(self, name: &'static str, events: u64) -> Result<Stage> {
        let wall_s = self.began.elapsed().as_secs_f64();
        let cpu = Cpu::of(self.process)?.since(&self.before);
        let threads = cpu.busiest().into_iter().map(|(name, s)| (name.to_owned(), s)).collect();
        let cpu_s = cpu.total_s;
        Ok(Stage { name, events, wall_s, cpu_s, threads, fold_s: 0.0, commit_s: 0.0, batches: 0.0 })
    }
}
