//! `entity.removed`: a person removed an entity. All that claimed it lose their claim, so that the
//! next scan that finds it brings it back.

use std::sync::Arc;

use model::reference::EntityRef;

use crate::ids::{EntityId, ScopeId};
use crate::needs::Needs;
use crate::prior::Change;
use crate::rows::{Item, Scope};

use super::claims;
use super::context::Context;

pub(super) fn fold(cx: &mut Context<'_>, reference: &EntityRef) -> Result<(), Needs> {
    let Some(id) = cx.find(reference)? else {
        return Ok(());
    };
    let Some(current) = claims::current(cx, id)? else {
        return Ok(());
    };
    drop_claim(cx, id, current.holder)?;
    let mut after = None;
    while let Some((since, scope, _)) = cx.prior.standing_after(id, after)? {
        claims::put_standing(cx, (id, since, scope), None)?;
        drop_claim(cx, id, scope)?;
        after = Some((since, scope));
    }
    claims::withdraw(cx, id, None)
}

/// Takes a scope's claim away. The scope has a new version, so that a snapshot that was compared
/// while the claim stood is not taken.
fn drop_claim(cx: &mut Context<'_>, id: EntityId, scope: ScopeId) -> Result<(), Needs> {
    let Some(claim) = claims::known(cx, scope, id)? else {
        return Ok(());
    };
    cx.put(Change::Claim((scope, id), None));
    if claim.refused {
        cx.put(Change::Refusal((scope, Item::Entity(id)), None));
    }
    let Some(name) = cx.prior.scope_name(&scope)? else {
        return Ok(());
    };
    if let Some(row) = cx.prior.scope(name)? {
        let claims = row.claims.saturating_sub(1);
        let row = Scope { version: cx.stamp().id, claims, snapshot: None, ..Scope::clone(row) };
        cx.put(Change::Scope(name.clone(), Some(Arc::new(row))));
    }
    Ok(())
}
