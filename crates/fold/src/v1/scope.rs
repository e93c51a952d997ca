//! `scope.verified`, `scope.retired`, `withdrawal.approved`.

use event::RecordId;
use event::vocabulary::{ConnectorState, ScopeName, ScopeVerified, WithdrawalApproved};

use crate::Step;
use crate::ids::ScopeId;
use crate::needs::Needs;
use crate::prior::Change;
use crate::rows::{Approval, Item, Scope, Verified};

use super::claims;
use super::context::Context;

/// How many claims one step of a retirement takes. A part of the rules: the history digest is over
/// the steps.
const CLAIMS_A_STEP: usize = 500;

/// Ends a snapshot.
pub(super) fn verified(cx: &mut Context<'_>, data: &ScopeVerified) -> Result<(), Needs> {
    let Some(mut scope) = cx.enter(&data.scope, Some(data.snapshot))? else {
        return Ok(());
    };
    scope.snapshot = None;
    scope.approval = None;
    // What was held back has passed, or is no more.
    scope.condition = scope.condition.filter(|condition| condition.state != ConnectorState::Held);
    scope.verified = Some(Verified {
        offset: cx.offset(),
        recorded: cx.stamp().recorded,
        snapshot: data.snapshot.id,
        seen: data.seen,
        refused: data.refused,
        digest: data.digest.as_str().into(),
    });
    cx.leave(&data.scope, scope);
    Ok(())
}

/// Lets the next withdrawal pass. The scope's version stays: what a snapshot was compared with is
/// what it was.
pub(super) fn approved(cx: &mut Context<'_>, data: &WithdrawalApproved) -> Result<(), Needs> {
    let version = cx.prior.scope(&data.scope)?.map_or(RecordId::NONE, |scope| scope.version);
    let Some(mut scope) = cx.enter(&data.scope, None)? else {
        return Ok(());
    };
    scope.version = version;
    scope.approval = Some(Approval { offset: cx.offset(), at_most: data.at_most });
    cx.leave(&data.scope, scope);
    Ok(())
}

/// Takes away all that a scope claims, in steps.
pub(super) fn retire(
    cx: &mut Context<'_>,
    name: &ScopeName,
    step: Option<&Step>,
) -> Result<Option<Step>, Needs> {
    let Some(mut scope) = cx.enter(name, None)? else {
        return Ok(None);
    };
    let mut after = step.and_then(|step| step.after.clone());
    see(cx, scope.id, after.clone())?;
    for _ in 0..CLAIMS_A_STEP {
        match next_item(cx, scope.id, after.as_ref())? {
            Some(item) => {
                forget(cx, &mut scope, &item)?;
                after = Some(item);
            }
            None => {
                scope.retired = true;
                scope.snapshot = None;
                scope.condition = None;
                if name.as_str() == cx.stamp().source.as_str() {
                    // It stands with this very scope.
                    scope.approval = None;
                } else {
                    use_up_approval(cx)?;
                }
                cx.leave(name, scope);
                return Ok(None);
            }
        }
    }
    cx.leave(name, scope);
    Ok(Some(Step { done: step.map_or(0, |step| step.done).saturating_add(1), after }))
}

/// Sees to it that what a step takes away is known, so that it is not begun again for each row.
fn see(cx: &Context<'_>, scope: ScopeId, mut after: Option<Item>) -> Result<(), Needs> {
    let mut needs = Needs::default();
    for _ in 0..CLAIMS_A_STEP {
        match needs.note(next_item(cx, scope, after.as_ref())) {
            Some(Some(item)) => {
                if let Item::Entity(id) = item {
                    needs.note(cx.version(id));
                    needs.note(cx.prior.standing_after(id, None).map_err(Needs::from));
                }
                after = Some(item);
            }
            // The end of the scope, or of what is known of it.
            _ => break,
        }
    }
    needs.met()
}

/// A person's word that scopes of a source may be retired holds for one time. It stands with the
/// scope that has the source's own name.
fn use_up_approval(cx: &mut Context<'_>) -> Result<(), Needs> {
    let Ok(whole) = ScopeName::new(cx.stamp().source.as_str()) else { return Ok(()) };
    if let Some(known) = cx.prior.scope(&whole)?
        && known.approval.is_some()
    {
        let scope = Scope { approval: None, condition: None, ..Scope::clone(known) };
        cx.leave(&whole, scope);
    }
    Ok(())
}

/// The next thing that a scope speaks of: its claims first, then its items without a reference.
fn next_item(
    cx: &Context<'_>,
    scope: ScopeId,
    after: Option<&Item>,
) -> Result<Option<Item>, Needs> {
    let claim = match after {
        None => cx.prior.claim_after(scope, None)?,
        Some(Item::Entity(id)) => cx.prior.claim_after(scope, Some(*id))?,
        Some(Item::Unnamed(_)) => None,
    };
    if let Some((id, _)) = claim {
        return Ok(Some(Item::Entity(id)));
    }
    let after = after.filter(|item| matches!(item, Item::Unnamed(_)));
    Ok(cx.prior.unnamed_after(scope, after)?.map(|(item, _)| item))
}

fn forget(cx: &mut Context<'_>, scope: &mut Scope, item: &Item) -> Result<(), Needs> {
    match item {
        Item::Entity(id) => claims::forget(cx, scope, *id),
        Item::Unnamed(_) => {
            let key = (scope.id, item.clone());
            let about = cx.prior.refusal(&key)?.and_then(|refusal| refusal.about);
            cx.put(Change::Refusal(key, None));
            match about {
                Some(about) => claims::clear_fault(cx, about, scope.id, Some(item)),
                None => Ok(()),
            }
        }
    }
}
