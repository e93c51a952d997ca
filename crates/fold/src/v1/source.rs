//! Sources: which of their records count, and `epoch.begun`, `cursor.reached`.

use crate::needs::Needs;
use crate::plant::planted;
use crate::prepare::Stamp;
use crate::rows::Source;

use super::context::Context;

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
    if stamp.epoch > source.epoch {
        source.epoch = stamp.epoch;
        source.next = 0;
    }
    let counts = if stamp.epoch < source.epoch {
        source.fenced += 1;
        false
    } else if stamp.sequence < source.next && !planted("fold-takes-duplicates") {
        source.duplicates += 1;
        false
    } else {
        // Whoever writes to the log chooses the numbers, so their sum may be any.
        let missing = stamp.sequence.saturating_sub(source.next);
        source.missing = source.missing.saturating_add(missing);
        source.next = stamp.sequence.saturating_add(1);
        source.last = cx.offset();
        source.recorded = stamp.recorded;
        true
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
