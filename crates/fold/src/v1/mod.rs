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
mod location;
mod log;
mod refresh;
mod scope;
mod source;

use std::sync::Arc;

use crate::needs::Needs;
use crate::prepare::{Act, Prepared, Under};
use crate::prior::{Change, Prior};
use crate::rows::Quarantined;
use crate::{Folded, Halt, Step};
use context::Context;

/// Folds a record, or its next step.
pub(crate) fn fold(prior: &Prior, record: &Prepared, step: Option<&Step>) -> Folded {
    if let Act::Newer(unfit) = &record.act {
        return Folded::Halt(Halt::Newer(match &**unfit {
            event::Unfit::Newer { name } => event::Unfit::Newer { name: name.clone() },
            _ => event::Unfit::Erased,
        }));
    }
    if prior.log().is_none() && !matches!(record.act, Act::Created(_)) {
        return Folded::Halt(Halt::NotALog);
    }
    if let Act::Adopted { version } = record.act
        && version > crate::RULES_VERSION
    {
        return Folded::Halt(Halt::Rules { version });
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
        Ok(next) => Folded::Changes { changes: cx.into_changes(), next },
        Err(needs) => Folded::Needs(needs.into_vec()),
    }
}

fn apply(
    cx: &mut Context<'_>,
    record: &Prepared,
    step: Option<&Step>,
) -> Result<Option<Step>, Needs> {
    let Ok(stamp) = &record.stamp else {
        quarantine(cx, record);
        return Ok(None);
    };
    if let (Some(step), Act::Retired { scope }) = (step, &record.act) {
        return scope::retire(cx, scope, Some(step));
    }
    cx.advance_clock(stamp.recorded);
    if !source::admit(cx, stamp)? {
        return Ok(None);
    }
    match &record.act {
        Act::Created(data) => log::created(cx, data),
        Act::PolicySet(data) => {
            if let Err(why) = log::policy_set(cx, data) {
                quarantine_for(cx, record, &why);
            }
        }
        Act::Adopted { version } => log::adopted(cx, *version),
        Act::Statement | Act::Erased | Act::Newer(_) => {}
        Act::Verified(data) => scope::verified(cx, data)?,
        Act::Retired { scope } => return scope::retire(cx, scope, None),
        Act::Approved(data) => scope::approved(cx, data)?,
        Act::Seen { scope, snapshot, document } => {
            entity_seen::fold(cx, scope, *snapshot, document)?;
        }
        Act::Gone { scope, snapshot, reference, item } => {
            entity_gone::fold(cx, scope, *snapshot, reference.as_ref(), item.as_deref())?;
        }
        Act::Refused { scope, snapshot, reference, item, fingerprint, fault } => {
            let refused = entity_refused::Refused {
                reference: reference.as_ref(),
                item: item.as_deref(),
                fingerprint: *fingerprint,
                fault,
            };
            entity_refused::fold(cx, scope, *snapshot, refused)?;
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
        Act::Garbage(_) => quarantine(cx, record),
    }
    Ok(None)
}

fn quarantine(cx: &mut Context<'_>, record: &Prepared) {
    let Act::Garbage(why) = &record.act else {
        return;
    };
    quarantine_for(cx, record, why);
}

fn quarantine_for(cx: &mut Context<'_>, record: &Prepared, why: &str) {
    let (bytes, of) = match &record.stamp {
        Ok(stamp) => {
            let kind = event::Kind::from_code(stamp.kind).map_or("", event::Kind::as_str);
            (0, Some((stamp.source.clone(), kind.into())))
        }
        Err(bytes) => (*bytes, None),
    };
    let row = Quarantined { why: why.into(), bytes, record: of };
    cx.put(Change::Quarantine(record.offset, Some(Arc::new(row))));
}
