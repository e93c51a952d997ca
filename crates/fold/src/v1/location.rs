//! `location.registered`, `location.updated`, `location.removed`.

use std::sync::Arc;

use uuid::Uuid;

use crate::needs::Needs;
use crate::prior::Change;
use crate::rows::{Location, Wanted, Wanter};

use super::context::Context;

/// Registers a location, or gives a registered one another target.
pub(super) fn set(cx: &mut Context<'_>, id: Uuid, kind: &str, target: &str) -> Result<(), Needs> {
    let name = match cx.prior.location(&id)? {
        Some(before) => before.name.clone(),
        None => model::location::generated_name(kind, target).into(),
    };
    unwant(cx, id)?;
    let wanted = format!("{kind}:{target}").into();
    cx.put(Change::Wanted((wanted, Wanter::Location(id)), Some(Wanted { optional: false })));
    let row = Location {
        offset: cx.offset(),
        salt: cx.stamp().salt,
        name,
        kind: kind.into(),
        target: target.into(),
        cause: cx.cause(None),
    };
    cx.put(Change::Location(id, Some(Arc::new(row))));
    Ok(())
}

/// Removes a location.
pub(super) fn removed(cx: &mut Context<'_>, id: Uuid) -> Result<(), Needs> {
    unwant(cx, id)?;
    if cx.prior.location(&id)?.is_some() {
        cx.put(Change::Location(id, None));
    }
    Ok(())
}

fn unwant(cx: &mut Context<'_>, id: Uuid) -> Result<(), Needs> {
    if let Some(before) = cx.prior.location(&id)? {
        let target = format!("{}:{}", before.kind, before.target).into();
        cx.put(Change::Wanted((target, Wanter::Location(id)), None));
    }
    Ok(())
}
