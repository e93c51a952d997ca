//! `entity.seen`: a scope shows a document.

use event::vocabulary::{ScopeName, SnapshotMark};

use crate::needs::Needs;
use crate::prepare::Document;
use crate::prior::Change;
use crate::rows::{Claim, Item};

use super::claims::{self, Shown};
use super::context::Context;

pub(super) fn fold(
    cx: &mut Context<'_>,
    name: &ScopeName,
    snapshot: Option<SnapshotMark>,
    document: &Document,
) -> Result<(), Needs> {
    let Some(mut scope) = cx.enter(name, snapshot)? else {
        return Ok(());
    };
    let id = cx.name(&document.reference)?;
    let known = claims::known(cx, scope.id, id)?;
    let since = match known {
        Some(claim) if claim.good => claim.since,
        _ => cx.offset(),
    };
    if known.is_none() {
        scope.claims = scope.claims.saturating_add(1);
    }
    if known.is_some_and(|claim| claim.refused) {
        cx.put(Change::Refusal((scope.id, Item::Entity(id)), None));
    }
    let is_same =
        |claim: &Claim| claim.good && !claim.refused && claim.content.is_of(&document.content);
    // What is the same keeps the seal that it has.
    let content = known.filter(is_same).map_or(document.seal, |claim| claim.content);
    let claim = Claim { content, since, good: true, refused: false };
    if known != Some(claim) {
        cx.put(Change::Claim((scope.id, id), Some(claim)));
    }
    claims::show(cx, id, scope.id, since, Shown::of(document, content))?;
    cx.leave(name, scope);
    Ok(())
}
