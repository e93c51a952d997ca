//! `refresh.asked`.

use std::sync::Arc;

use model::reference::EntityRef;

use crate::needs::Needs;
use crate::prior::Change;
use crate::rows::Scope;

use super::claims;
use super::context::Context;

/// Notes that an entity's scope, what a Location entity wants, or a target, is wanted read again.
pub(super) fn fold(
    cx: &mut Context<'_>,
    reference: Option<&EntityRef>,
    target: Option<&str>,
) -> Result<(), Needs> {
    if let Some(target) = target {
        cx.put(Change::Refresh(target.into(), Some(cx.offset())));
    }
    let Some(reference) = reference else {
        return Ok(());
    };
    let Some(id) = cx.find(reference)? else {
        return Ok(());
    };
    let Some(version) = cx.prior.entity(&id)?.cloned() else {
        return Ok(());
    };
    for want in claims::wants_before(&version) {
        cx.put(Change::Refresh(want.target, Some(cx.offset())));
    }
    let Some(name) = cx.prior.scope_name(&version.holder)? else {
        return Ok(());
    };
    if let Some(scope) = cx.prior.scope(name)? {
        let scope = Scope { refresh: Some(cx.offset()), ..Scope::clone(scope) };
        cx.put(Change::Scope(name.clone(), Some(Arc::new(scope))));
    }
    Ok(())
}
