//! Records of entities of which the data was erased.
//!
//! The scope goes on as it did, so that the snapshots that came after still fit. An entity whose
//! document was erased is shown no more by this scope, until it shows another.

use event::vocabulary::{ScopeName, SnapshotMark};
use model::reference::EntityRef;

use crate::needs::Needs;

use super::claims;
use super::context::Context;

pub(super) fn fold(
    cx: &mut Context<'_>,
    name: &ScopeName,
    snapshot: Option<SnapshotMark>,
    reference: Option<&EntityRef>,
) -> Result<(), Needs> {
    let Some(mut scope) = cx.enter(name, snapshot)? else {
        return Ok(());
    };
    if let Some(reference) = reference {
        let id = cx.name(reference)?;
        claims::forget(cx, &mut scope, id)?;
        claims::show_erased(cx, id, scope.id)?;
    }
    cx.leave(name, scope);
    Ok(())
}
