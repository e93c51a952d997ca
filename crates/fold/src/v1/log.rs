//! Events about the log itself.

use std::sync::Arc;

use event::vocabulary::{LogCreated, Orphans};
use model::kinds::Kinds;

use crate::prior::Change;
use crate::rows::{LogInfo, Policy, Rules};

use super::context::Context;

/// `log.created`: the first one counts.
pub(super) fn created(cx: &mut Context<'_>, data: &LogCreated) {
    if cx.prior.log().is_some() {
        return;
    }
    let info = LogInfo {
        id: data.log,
        origin: data.origin.as_str().into(),
        codec: data.codec,
        hashes: data.hashes.as_str().into(),
        key: data.key.as_deref().map(Into::into),
    };
    cx.put(Change::Log((), Some(Arc::new(info))));
}

/// `policy.set`: the last one counts. What entities it makes differ is seen when they are next
/// shown, since their content hashes differ under it.
pub(super) fn policy_set(cx: &mut Context<'_>, orphans: Orphans, kinds: &Kinds, custom: &str) {
    let mut relations = cx.policy().relations.clone();
    for kind in kinds.custom() {
        for field in &kind.relations {
            relations = relations.with(&field.relation, &field.inverse);
        }
    }
    let policy =
        Policy { at: cx.offset(), orphans, custom: custom.into(), relations, kinds: kinds.clone() };
    cx.put(Change::Policy((), Some(Arc::new(policy))));
}

/// `fold.adopted`: rules are never taken back.
pub(super) fn adopted(cx: &mut Context<'_>, version: u32) {
    if version > cx.prior.rules().version {
        cx.put(Change::Rules((), Some(Rules { version, at: cx.offset() })));
    }
}
