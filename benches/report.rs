//! What was measured, as a table.

use std::fmt::Write;

use serde::Serialize;

use crate::reads::Latency;
use crate::remembering::Remembering;
use crate::stage::Stage;
use crate::streams::Followed;

/// All that was measured.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) entities: u32,
    pub(crate) changed: u64,
    pub(crate) stages: Vec<Stage>,
    /// CPU of the whole path beside that of the ceiling, for new entities.
    pub(crate) times_ceiling: f64,
    /// What history and proof cost the fold, where that was measured.
    pub(crate) remembering: Option<Remembering>,
    pub(crate) reads: Vec<Latency>,
    /// The same while entities are ingested.
    pub(crate) reads_while_ingesting: Vec<Latency>,
    /// How soon updates are seen, at 1,000 a second.
    pub(crate) updates: Vec<Latency>,
    /// What followers take.
    pub(crate) followed: Vec<Followed>,
    pub(crate) memory_bytes: u64,
    pub(crate) memory_bytes_max: u64,
    pub(crate) log_bytes: u64,
    pub(crate) views_bytes: u64,
}

impl Report {
    /// The table.
    pub(crate) fn table(&self) -> String {
        let mut out = String::new();
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "{} entities, {} of them changed later\n", self.entities, self.changed)?;
        writeln!(
            out,
            "{:<38}{:>9}{:>8}{:>10}{:>12}{:>10}",
            "path", "events", "wall s", "events/s", "/CPU-second", "µs CPU"
        )?;
        for stage in &self.stages {
            writeln!(
                out,
                "{:<38}{:>9}{:>8.2}{:>10.0}{:>12.0}{:>10.1}",
                stage.name,
                stage.events,
                stage.wall_s,
                stage.per_s(),
                stage.per_cpu_s(),
                stage.cpu_us(),
            )?;
            self.write_parts(out, stage)?;
        }
        writeln!(
            out,
            "\nnew entities take {:.2} times the CPU of the ceiling",
            self.times_ceiling
        )?;
        if let Some(Remembering { fold_us, history_us, proof_us, share }) = self.remembering {
            writeln!(
                out,
                "history takes {history_us:.1} and proof {proof_us:.1} of the {fold_us:.1} µs CPU that a \
                 record is folded in: {:.0} % beside the rest",
                share * 100.0
            )?;
        }
        write_reads(out, "answers over HTTP", &self.reads)?;
        write_reads(out, "answers while entities are ingested", &self.reads_while_ingesting)?;
        write_reads(out, "1,000 updates a second", &self.updates)?;
        write_followed(out, &self.followed)?;
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        writeln!(
            out,
            "\nmemory {:.0} MiB ({:.0} at the most), disk: log {:.0} MiB, views {:.0} MiB",
            mib(self.memory_bytes),
            mib(self.memory_bytes_max),
            mib(self.log_bytes),
            mib(self.views_bytes),
        )
    }

    fn write_parts(&self, out: &mut String, stage: &Stage) -> std::fmt::Result {
        let each = |seconds: f64| seconds * 1e6 / stage.events.max(1) as f64;
        let threads = stage.threads.iter().map(|(name, s)| format!("{name} {:.1}", each(*s)));
        let threads: Vec<String> = threads.collect();
        writeln!(out, "    µs CPU by thread: {}", threads.join(", "))?;
        if stage.batches > 0.0 {
            writeln!(
                out,
                "    µs of the loop: fold and index {:.1}, commit {:.1}; {:.0} events a batch",
                each(stage.fold_s),
                each(stage.commit_s),
                stage.events as f64 / stage.batches,
            )?;
        }
        Ok(())
    }
}

fn write_followed(out: &mut String, followed: &[Followed]) -> std::fmt::Result {
    writeln!(
        out,
        "\n{:<38}{:>12}{:>14}{:>14}",
        "streams", "changes/s", "delivered/s", "times alone"
    )?;
    for Followed { readers, written_per_s, delivered_per_s, times_alone } in followed {
        let name = format!("{readers} readers");
        writeln!(out, "{name:<38}{written_per_s:>12.0}{delivered_per_s:>14.0}{times_alone:>14.2}")?;
    }
    Ok(())
}

fn write_reads(out: &mut String, title: &str, reads: &[Latency]) -> std::fmt::Result {
    writeln!(out, "\n{title:<38}{:>9}{:>10}{:>10}{:>12}", "requests", "p50 µs", "p99 µs", "bytes")?;
    for read in reads {
        writeln!(
            out,
            "{:<38}{:>9}{:>10}{:>10}{:>12}",
            read.name, read.count, read.p50_us, read.p99_us, read.bytes
        )?;
    }
    Ok(())
}
