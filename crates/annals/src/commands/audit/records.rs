//! What can be told from the records alone, one after the other.

use std::collections::HashMap;

use event::{Content, Kind, Offset, SourceName, Timestamp};
use proof::Hash;

use super::erased::Erasures;
use super::findings::Finding;
use super::leaf;

/// How far the clocks of writers may be apart, in microseconds, before a time is called old.
const SKEW_MICROS: i64 = 60_000_000;

/// Records as they are read.
#[derive(Default)]
pub(super) struct Records {
    /// The hashes of their leaves.
    pub(super) leaves: Vec<Hash>,
    /// Which are statements that something is signed.
    pub(super) statements: Vec<Offset>,
    pub(super) findings: Vec<Finding>,
    pub(super) erasures: Erasures,
    /// Of each source, its epoch and the number that comes next in it.
    sources: HashMap<SourceName, (u64, u64)>,
    latest: Option<Timestamp>,
}

impl Records {
    pub(super) fn take(&mut self, offset: Offset, content: &Content) {
        self.leaves.push(leaf(content).hash);
        let Ok(record) = content else { return };
        let mut found = |what: String| {
            self.findings.push(Finding { offset, id: Some(record.id), is_exact: true, what });
        };
        if let Some(what) = self.erasures.take(offset, content) {
            found(what);
        }
        if Kind::from_name(&record.kind) == Some(Kind::LogAttested) {
            self.statements.push(offset);
        }
        let known = self.sources.get(&record.source).copied();
        let expected =
            known.filter(|(epoch, _)| *epoch == record.epoch).map_or(0, |(_, next)| next);
        let is_newer = known.is_none_or(|(epoch, _)| epoch <= record.epoch);
        if is_newer && record.sequence > expected {
            let (source, sequence) = (&record.source, record.sequence);
            found(format!(
                "{source} goes on with number {sequence} where {expected} is due: records before \
                 it are missing, or stand elsewhere"
            ));
        }
        if is_newer && record.sequence >= expected {
            self.sources.insert(record.source.clone(), (record.epoch, record.sequence + 1));
        }
        if let Some(latest) = self.latest
            && latest.as_micros() - record.recorded.as_micros() > SKEW_MICROS
        {
            found(format!("it says that it was appended at {}, after {latest}", record.recorded));
        }
        self.latest = self.latest.max(Some(record.recorded));
    }
}
