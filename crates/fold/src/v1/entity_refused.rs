//! `entity.refused`: a document could not be read or is not valid.

use std::sync::Arc;

use event::vocabulary::{Fault, ScopeName, SnapshotMark};
use model::reference::EntityRef;

use crate::ids::EntityId;
use crate::needs::Needs;
use crate::prior::Change;
use crate::rows::{Claim, Item, Refusal, Scope};

use super::claims;
use super::context::Context;

/// What was refused.
#[derive(Clone, Copy)]
pub(super) struct Refused<'a> {
    pub(super) reference: Option<&'a EntityRef>,
    pub(super) item: Option<&'a str>,
    pub(super) required: bool,
    pub(super) fingerprint: [u8; 32],
    pub(super) fault: &'a Fault,
}

pub(super) fn fold(
    cx: &mut Context<'_>,
    name: &ScopeName,
    snapshot: Option<SnapshotMark>,
    refused: Refused<'_>,
) -> Result<(), Needs> {
    let Some(mut scope) = cx.enter(name, snapshot)? else {
        return Ok(());
    };
    let id = refused.reference.map(|reference| cx.name(reference)).transpose()?;
    match (id, refused.item) {
        (about, Some(item)) => refuse_item(cx, &scope, item, about, refused)?,
        (Some(id), None) => refuse_entity(cx, &mut scope, id, refused)?,
        (None, None) => {}
    }
    cx.leave(name, scope);
    Ok(())
}

/// A document that gave its reference: its claim stands as far as it ever did, and the entity
/// shows the fault if the claim holds it.
fn refuse_entity(
    cx: &mut Context<'_>,
    scope: &mut Scope,
    id: EntityId,
    refused: Refused<'_>,
) -> Result<(), Needs> {
    let known = claims::known(cx, scope.id, id)?;
    if known.is_none() {
        scope.claims = scope.claims.saturating_add(1);
    }
    let claim = Claim {
        content: cx.seal(&refused.fingerprint),
        since: known.map_or(cx.offset(), |claim| claim.since),
        good: known.is_some_and(|claim| claim.good),
        refused: true,
    };
    cx.put(Change::Claim((scope.id, id), Some(claim)));
    put_refusal(cx, scope, Item::Entity(id), None, refused);
    let holds = claim.good && claims::current(cx, id)?.is_some_and(|now| now.holder == scope.id);
    if holds {
        let fault = cx.fault(scope.id, None, refused.fault);
        claims::show_fault(cx, id, fault, false)?;
    }
    Ok(())
}

/// An item without a reference: a document that gave none, or a target that could not be read,
/// which the entity shows that wanted it.
fn refuse_item(
    cx: &mut Context<'_>,
    scope: &Scope,
    item: &str,
    about: Option<EntityId>,
    refused: Refused<'_>,
) -> Result<(), Needs> {
    let key = Item::Unnamed(item.into());
    let before = cx.prior.refusal(&(scope.id, key.clone()))?;
    if let Some(before) = before.and_then(|refusal| refusal.about)
        && Some(before) != about
    {
        claims::clear_fault(cx, before, scope.id, Some(&key))?;
    }
    put_refusal(cx, scope, key, about, refused);
    match about {
        Some(about) => {
            let fault = cx.fault(scope.id, Some(item), refused.fault);
            // What a scope ever showed can be read: it is only not at the moment.
            let is_unread = refused.required && scope.claims == 0;
            claims::show_fault(cx, about, fault, is_unread)
        }
        None => Ok(()),
    }
}

fn put_refusal(
    cx: &mut Context<'_>,
    scope: &Scope,
    item: Item,
    about: Option<EntityId>,
    refused: Refused<'_>,
) {
    let row = Refusal {
        offset: cx.offset(),
        fingerprint: cx.seal(&refused.fingerprint),
        fault: refused.fault.clone(),
        about,
        cause: cx.cause(Some(scope.id)),
    };
    cx.put(Change::Refusal((scope.id, item), Some(Arc::new(row))));
}
