//! The rules of the fold, version 1: in force from the beginning of every log.
//!
//! One file an event kind; what kinds share stands in `context` (naming, scopes, snapshots) and
//! `claims` (who holds an entity, and what it then shows).

mod activity;
mod aspect;
mod claims;
mod connector;
mod context;
mod entity_gone;
mod entity_refused;
mod entity_removed;
mod entity_seen;
mod entity_withheld;
mod location;
mod log;
mod refresh;
mod scope;
mod source;

use std::sync::Arc;

use event::{CODEC_VERSION, HASH_SUITE};

use crate::act::Act;
use crate::needs::Needs;
use crate::prepare::{Prepared, Under};
use crate::prior::{Change, Prior};
use crate::rows::Quarantined;
use crate::why::Why;
use crate::{Folded, Halt, Step};
use context::Context;

pub use source::Admission;

/// Folds a record, or its next step.
pub(crate) fn fold(prior: &Prior, record: &Prepared, step: Option<&Step>) -> Folded {
    if prior.log().is_none()
        && let Err(halt) = check_first(record)
    {
        return Folded::Halt(halt);
    }
    let under = Under::of(prior);
    let again;
    let record = if record.under.same(&under) {
        record
    } else {
        again = record.again(&under);
        &again
    };
    let mut cx = Context::new(prior, record, &under);
    match apply(&mut cx, record, step) {
        Ok(_) if cx.is_full() => quarantined(prior, record, &under),
        Ok(next) => Folded::Changes { changes: cx.into_changes(), next },
        Err(Stop::Needs(needs)) => Folded::Needs(needs.into_vec()),
        Err(Stop::Halt(halt)) => Folded::Halt(halt),
    }
}

/// Why a record can't be folded now.
enum Stop {
    /// Something has to be read first.
    Needs(Needs),
    /// It came later than this program.
    Halt(Halt),
}

impl From<Needs> for Stop {
    fn from(needs: Needs) -> Self {
        Self::Needs(needs)
    }
}

/// The first record says how the log is written.
fn check_first(record: &Prepared) -> Result<(), Halt> {
    let Act::Created(data) = &record.act else {
        return Err(Halt::NotALog);
    };
    if !(1..=CODEC_VERSION).contains(&data.codec) || data.hashes != HASH_SUITE {
        return Err(Halt::Suite { codec: data.codec, hashes: data.hashes.clone() });
    }
    Ok(())
}

/// What came later than this program stops a node, if it counts.
fn check_known(act: &Act) -> Result<(), Halt> {
    match act {
        Act::Newer(newer) => Err(Halt::Newer(newer.clone())),
        Act::Adopted { version } if *version > crate::rules_known() => {
            Err(Halt::Rules { version: *version })
        }
        _ => Ok(()),
    }
}

/// Lets a record in, as far as it counts, and lists it among those that could not be folded.
fn quarantined(prior: &Prior, record: &Prepared, under: &Under) -> Folded {
    let mut cx = Context::new(prior, record, under);
    match admit(&mut cx, record) {
        Ok(_) => {
            quarantine(&mut cx, record, Why::Full);
            Folded::Changes { changes: cx.into_changes(), next: None }
        }
        Err(needs) => Folded::Needs(needs.into_vec()),
    }
}

/// Whether a record counts. One that does not moves no clock either: it may be as old, or as far
/// ahead, as it likes.
fn admit(cx: &mut Context<'_>, record: &Prepared) -> Result<bool, Needs> {
    let Ok(stamp) = &record.stamp else {
        return Ok(true);
    };
    let counts = source::admit(cx, stamp)?;
    if counts {
        cx.advance_clock(stamp.recorded);
    }
    Ok(counts)
}

fn apply(
    cx: &mut Context<'_>,
    record: &Prepared,
    step: Option<&Step>,
) -> Result<Option<Step>, Stop> {
    if let (Some(step), Act::Retired { scope }) = (step, &record.act) {
        return Ok(scope::retire(cx, scope, Some(step))?);
    }
    if !admit(cx, record)? {
        return Ok(None);
    }
    check_known(&record.act).map_err(Stop::Halt)?;
    if let Act::Retired { scope } = &record.act {
        return Ok(scope::retire(cx, scope, None)?);
    }
    rule(cx, record)?;
    Ok(None)
}

/// What a record that counts does.
fn rule(cx: &mut Context<'_>, record: &Prepared) -> Result<(), Needs> {
    match &record.act {
        Act::Created(data) => log::created(cx, data),
        Act::PolicySet { orphans, kinds, custom } => {
            log::policy_set(cx, *orphans, kinds, custom);
        }
        Act::Adopted { version } => log::adopted(cx, *version),
        Act::Statement | Act::Erased | Act::Newer(_) | Act::Retired { .. } => {}
        Act::Verified(data) => scope::verified(cx, data)?,
        Act::Approved(data) => scope::approved(cx, data)?,
        Act::Seen { scope, snapshot, document } => {
            entity_seen::fold(cx, scope, *snapshot, document)?;
        }
        Act::Gone { scope, snapshot, reference, item } => {
            entity_gone::fold(cx, scope, *snapshot, reference.as_ref(), item.as_deref())?;
        }
        Act::Refused { scope, snapshot, reference, item, required, fingerprint, fault } => {
            let refused = entity_refused::Refused {
                reference: reference.as_ref(),
                item: item.as_deref(),
                required: *required,
                fingerprint: *fingerprint,
                fault,
            };
            entity_refused::fold(cx, scope, *snapshot, refused)?;
        }
        Act::Withheld { scope, snapshot, reference } => {
            entity_withheld::fold(cx, scope, *snapshot, reference.as_ref())?;
        }
        Act::Removed { reference } => entity_removed::fold(cx, reference)?,
        Act::Aspect { reference, aspect, value } => aspect::fold(cx, reference, aspect, value)?,
        Act::Activity { reference, about, activity, key, value } => {
            activity::fold(cx, reference.as_ref(), about.as_ref(), activity, key, value)?;
        }
        Act::Location { id, kind, target } => location::set(cx, *id, kind, target)?,
        Act::LocationRemoved { id } => location::removed(cx, *id)?,
        Act::Refresh { reference, target } => {
            refresh::fold(cx, reference.as_ref(), target.as_deref())?;
        }
        Act::Begun { node } => source::begun(cx, node),
        Act::Condition { state, scope, why, withdrawals } => {
            connector::changed(cx, *state, scope.as_ref(), why.as_deref(), *withdrawals)?;
        }
        Act::Cursor { cursor } => source::cursor_reached(cx, cursor),
        Act::Garbage(why) => quarantine(cx, record, *why),
    }
    Ok(())
}

fn quarantine(cx: &mut Context<'_>, record: &Prepared, why: Why) {
    let of = record.stamp.as_ref().ok().map(|stamp| {
        let kind = event::Kind::from_code(stamp.kind).map_or("", event::Kind::as_str);
        (stamp.source.clone(), kind.into())
    });
    let row = Quarantined { why, bytes: record.bytes(), record: of };
    cx.put(Change::Quarantine(record.offset, Some(Arc::new(row))));
}
