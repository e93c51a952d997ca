//! `entity.gone`: a scope shows an entity, or an item that it refused, no more.

use event::vocabulary::{ScopeName, SnapshotMark};
use model::reference::EntityRef;

use crate::needs::Needs;
use crate::prior::Change;
use crate::rows::Item;

use super::claims;
use super::context::Context;

pub(super) fn fold(
    cx: &mut Context<'_>,
    name: &ScopeName,
    snapshot: Option<SnapshotMark>,
    reference: Option<&EntityRef>,
    item: Option<&str>,
) -> Result<(), Needs> {
    let Some(mut scope) = cx.enter(name, snapshot)? else {
        return Ok(());
    };
    if let Some(item) = item {
        let item = Item::Unnamed(item.into());
        let key = (scope.id, item.clone());
        if let Some(refusal) = cx.prior.refusal(&key)? {
            let about = refusal.about;
            cx.put(Change::Refusal(key, None));
            if let Some(about) = about {
                claims::clear_fault(cx, about, scope.id, Some(&item))?;
            }
        }
    } else if let Some(reference) = reference
        && let Some(id) = cx.find(reference)?
    {
        claims::forget(cx, &mut scope, id)?;
    }
    cx.leave(name, scope);
    Ok(())
}
