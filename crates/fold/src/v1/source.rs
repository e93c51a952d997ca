//! Sources: which of their records count, and `epoch.begun`, `cursor.reached`.

use std::collections::HashMap;

use event::{Record, SourceName};

use crate::needs::Needs;
use crate::plant::planted;
use crate::prepare::Stamp;
use crate::rows::Source;

use super::context::Context;

/// How far a source's life is.
#[derive(Clone, Copy)]
struct Life {
    epoch: u64,
    next: u64,
}

/// Why a record is dropped.
enum Dropped {
    /// It comes from an older life.
    Fenced,
    /// It was there before.
    Duplicate,
}

impl Life {
    /// The life after a record that counts, and how many records before it never came.
    fn after(self, epoch: u64, sequence: u64) -> Result<(Self, u64), Dropped> {
        if epoch < self.epoch {
            return Err(Dropped::Fenced);
        }
        let expected = if epoch > self.epoch { 0 } else { self.next };
        if sequence < expected && !planted("fold-takes-duplicates") {
            return Err(Dropped::Duplicate);
        }
        let after = Self { epoch, next: sequence.saturating_add(1) };
        Ok((after, sequence.saturating_sub(expected)))
    }
}

/// Tells which records of a log count, for those who pass over it without folding it.
#[derive(Default)]
pub struct Admission(HashMap<SourceName, Life>);

impl Admission {
    /// Whether the next record counts: it is no duplicate, and not of an epoch that was fenced off.
    pub fn admits(&mut self, record: &Record) -> bool {
        let life = self.0.entry(record.source.clone());
        let life = life.or_insert(Life { epoch: record.epoch, next: 0 });
        let after = life.after(record.epoch, record.sequence);
        after.map(|(after, _)| *life = after).is_ok()
    }
}

/// Whether a record counts: it is no duplicate, and not of an epoch that was fenced off.
pub(super) fn admit(cx: &mut Context<'_>, stamp: &Stamp) -> Result<bool, Needs> {
    let known = cx.prior.source(&stamp.source)?.map(|source| Source::clone(source));
    let mut source = known.unwrap_or_else(|| Source {
        epoch: stamp.epoch,
        next: 0,
        duplicates: 0,
        fenced: 0,
        missing: 0,
        last: cx.offset(),
        recorded: stamp.recorded,
        node: None,
        cursor: None,
        condition: None,
    });
    let life = Life { epoch: source.epoch, next: source.next };
    let counts = match life.after(stamp.epoch, stamp.sequence) {
        Err(Dropped::Fenced) => {
            source.fenced = source.fenced.saturating_add(1);
            false
        }
        Err(Dropped::Duplicate) => {
            source.duplicates = source.duplicates.saturating_add(1);
            false
        }
        Ok((life, missing)) => {
            source.missing = source.missing.saturating_add(missing);
            (source.epoch, source.next) = (life.epoch, life.next);
            source.last = cx.offset();
            source.recorded = stamp.recorded;
            true
        }
    };
    *cx.source() = Some(source);
    Ok(counts)
}

/// `epoch.begun`: the epoch itself is in the record's attributes.
pub(super) fn begun(cx: &mut Context<'_>, node: &str) {
    if let Some(source) = cx.source() {
        source.node = Some(node.into());
        source.condition = None;
    }
}

/// `cursor.reached`
pub(super) fn cursor_reached(cx: &mut Context<'_>, cursor: &str) {
    if let Some(source) = cx.source() {
        source.cursor = Some(cursor.into());
    }
}
