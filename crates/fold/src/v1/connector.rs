//! `connector.changed`: what a connector says of itself, or of one of its scopes.

use event::RecordId;
use event::vocabulary::{ConnectorState, ScopeName};

use crate::needs::Needs;
use crate::rows::Condition;

use super::context::Context;

pub(super) fn changed(
    cx: &mut Context<'_>,
    state: ConnectorState,
    scope: Option<&ScopeName>,
    why: Option<&str>,
    withdrawals: Option<u64>,
) -> Result<(), Needs> {
    let recorded = cx.stamp().recorded;
    let condition = Condition { state, why: why.map(Into::into), withdrawals, recorded };
    match scope {
        None => {
            if let Some(source) = cx.source() {
                source.condition = Some(condition);
            }
        }
        Some(name) => {
            // A word about the scope, not about what it holds: its version stays.
            let version = cx.prior.scope(name)?.map_or(RecordId::NONE, |scope| scope.version);
            if let Some(mut scope) = cx.enter(name, None)? {
                scope.version = version;
                scope.condition = Some(condition);
                cx.leave(name, scope);
            }
        }
    }
    Ok(())
}
