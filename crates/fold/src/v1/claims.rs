//! Who holds an entity, and what the entity then shows.
//!
//! The first scope to show a good document holds the entity. Others that show one wait, in the
//! order in which they came. When the holder's claim goes, the oldest that waits takes over; with
//! none, the entity is withdrawn, or kept as an orphan where the policy says so.

use std::sync::Arc;

use bytes::Bytes;
use event::vocabulary::Orphans;
use event::{Offset, Salt, Seal};
use model::index::Terms;
use model::relations::Assertion;

use crate::document::{rewrite, uid_of};
use crate::ids::{EntityId, ScopeId};
use crate::needs::Needs;
use crate::prepare::{Document, Want, wants_of};
use crate::prior::Change;
use crate::rows::{
    ChangeKind, Claim, Edge, EntityFault, Item, Memo, Scope, Standing, Version, Wanted, Wanter,
};

use super::context::Context;

/// The most faults that one entity shows.
const FAULTS_MAX: usize = 20;

/// A document that is about to be shown.
pub(super) struct Shown<'a> {
    content: Seal,
    /// The hash that was sealed, of a document that this record brings.
    plain: Option<[u8; 32]>,
    own_etag: bool,
    served: Bytes,
    terms: Option<Arc<Terms>>,
    assertions: &'a [Assertion],
    wants: &'a [Want],
}

impl<'a> Shown<'a> {
    pub(super) fn of(document: &'a Document, content: Seal) -> Self {
        Self {
            content,
            plain: Some(document.content),
            own_etag: document.own_etag,
            served: document.served.clone(),
            terms: Some(Arc::clone(&document.terms)),
            assertions: &document.assertions,
            wants: &document.wants,
        }
    }
}

/// What a scope says of an entity.
pub(super) fn known(
    cx: &Context<'_>,
    scope: ScopeId,
    id: EntityId,
) -> Result<Option<Claim>, Needs> {
    let fresh = cx.is_new(id) || scope.0 >= cx.prior.counters().scopes;
    if fresh { Ok(None) } else { Ok(cx.prior.claim(&(scope, id))?.copied()) }
}

/// An entity's current version, if it exists.
pub(super) fn current(cx: &Context<'_>, id: EntityId) -> Result<Option<Arc<Version>>, Needs> {
    Ok(cx.version(id)?.filter(|version| version.live))
}

/// A scope shows a good document: it becomes or stays the holder's, or waits.
pub(super) fn show(
    cx: &mut Context<'_>,
    id: EntityId,
    scope: ScopeId,
    since: Offset,
    shown: Shown<'_>,
) -> Result<(), Needs> {
    let before = cx.version(id)?;
    let holds = match &before {
        Some(now) if now.live && !now.orphan => now.holder == scope,
        _ => true,
    };
    if holds {
        return hold(cx, id, before.as_deref(), scope, since, shown, &[]);
    }
    let waits = cx.prior.standing(&(id, since, scope))?;
    if waits.is_some_and(|row| row.content == shown.content) {
        return Ok(());
    }
    let row = Standing {
        content: shown.content,
        own_etag: shown.own_etag,
        cause: cx.cause(Some(scope)),
        document: shown.served,
    };
    put_standing(cx, (id, since, scope), Some(row))
}

/// Puts a claim that waits in its place, or takes it away.
pub(super) fn put_standing(
    cx: &mut Context<'_>,
    key: (EntityId, Offset, ScopeId),
    row: Option<Standing>,
) -> Result<(), Needs> {
    let before = cx.prior.standing(&key)?;
    if before.is_some() || row.is_some() {
        cx.put(Change::Standing(key, row.map(Arc::new)));
    }
    Ok(())
}

/// A scope's claim goes, with whatever it said.
pub(super) fn forget(cx: &mut Context<'_>, scope: &mut Scope, id: EntityId) -> Result<(), Needs> {
    let Some(claim) = known(cx, scope.id, id)? else {
        return Ok(());
    };
    cx.put(Change::Claim((scope.id, id), None));
    scope.claims = scope.claims.saturating_sub(1);
    if claim.refused {
        cx.put(Change::Refusal((scope.id, Item::Entity(id)), None));
    }
    if !claim.good {
        return Ok(());
    }
    let holds = current(cx, id)?.is_some_and(|now| !now.orphan && now.holder == scope.id);
    if !holds {
        return put_standing(cx, (id, claim.since, scope.id), None);
    }
    match cx.prior.standing_after(id, None)? {
        Some((since, next, standing)) => take_over(cx, id, next, since, &standing),
        None => withdraw(cx, id, Some(cx.policy().orphans)),
    }
}

/// The oldest claim that waits takes over.
fn take_over(
    cx: &mut Context<'_>,
    id: EntityId,
    scope: ScopeId,
    since: Offset,
    standing: &Standing,
) -> Result<(), Needs> {
    put_standing(cx, (id, since, scope), None)?;
    let document = serde_json::from_slice(&standing.document).unwrap_or_default();
    // A document that no longer asserts under today's policy what it could not then is shown
    // without: it was valid when it came.
    let assertions =
        model::relations::assertions(&document, &cx.policy().kinds).unwrap_or_default();
    let wants = wants_of(&document);
    let shown = Shown {
        content: standing.content,
        plain: None,
        own_etag: standing.own_etag,
        served: standing.document.clone(),
        terms: None,
        assertions: &assertions,
        wants: &wants,
    };
    let mut faults = Vec::new();
    if known(cx, scope, id)?.is_some_and(|claim| claim.refused)
        && let Some(refusal) = cx.prior.refusal(&(scope, Item::Entity(id)))?
    {
        let (fault, salt) = (refusal.fault.clone(), refusal.fingerprint.salt);
        faults.push(EntityFault { scope, item: None, fault, salt });
    }
    let before = cx.version(id)?;
    hold(cx, id, before.as_deref(), scope, since, shown, &faults)
}

/// Shows a document as the entity's, with the faults that its claim brings along.
fn hold(
    cx: &mut Context<'_>,
    id: EntityId,
    before: Option<&Version>,
    scope: ScopeId,
    since: Offset,
    shown: Shown<'_>,
    own_faults: &[EntityFault],
) -> Result<(), Needs> {
    let live_before = before.filter(|now| now.live);
    let edges = edges(cx, shown.assertions, live_before.map_or(&[], |now| &now.edges))?;
    // Faults of the claim's own document went with the document; those of targets stay.
    let kept = live_before.map_or(&[][..], |now| &now.faults);
    let kept = kept.iter().filter(|fault| fault.item.is_some());
    let faults: Vec<EntityFault> = own_faults.iter().chain(kept).cloned().collect();
    if let Some(now) = live_before
        && !now.orphan
        && (now.holder, now.content) == (scope, shown.content)
        && now.edges == edges
        && say_the_same(&now.faults, &faults)
    {
        return Ok(());
    }
    let change = match before {
        None => ChangeKind::Created,
        Some(now) if !now.live => ChangeKind::Restored,
        Some(now)
            if !now.orphan
                && now.holder == scope
                && shown.plain.is_some_and(|content| now.content.is_of(&content)) =>
        {
            ChangeKind::Status
        }
        Some(_) => ChangeKind::Updated,
    };
    let plain = faults.is_empty();
    let document = if plain {
        shown.served
    } else {
        rewrite(&shown.served, &shown.content.hash, shown.own_etag, &faults, false)
    };
    let version = Version {
        offset: cx.offset(),
        change,
        live: true,
        unread: live_before.is_some_and(|now| now.unread) && waits_for_targets(&faults),
        orphan: false,
        holder: scope,
        since,
        born: before.map_or(cx.offset(), |now| now.born),
        content: shown.content,
        own_etag: shown.own_etag,
        edges,
        faults,
        cause: cx.cause(Some(scope)),
        document,
        terms: shown.terms.map(Memo::known).unwrap_or_default(),
    };
    if before.is_none() {
        put_uid(cx, id)?;
    }
    want(cx, id, live_before, shown.wants);
    cx.put_version(id, version);
    Ok(())
}

fn put_uid(cx: &mut Context<'_>, id: EntityId) -> Result<(), Needs> {
    let Some(log) = cx.prior.log() else {
        return Ok(());
    };
    let log = log.id;
    let Some(reference) = cx.reference(id)? else {
        return Ok(());
    };
    let uid = uid_of(log, &reference);
    cx.put(Change::Uid(uid, Some(id)));
    Ok(())
}

fn say_the_same(some: &[EntityFault], others: &[EntityFault]) -> bool {
    some.len() == others.len()
        && some.iter().zip(others).all(|(one, other)| one.says_the_same(other))
}

/// What a document asserts, as edges; those that held before keep the record that began them.
fn edges(
    cx: &mut Context<'_>,
    assertions: &[Assertion],
    before: &[Edge],
) -> Result<Vec<Edge>, Needs> {
    let relations = &cx.policy().relations;
    let known = |assertion: &Assertion| {
        relations.id(assertion.relation.as_str(), assertion.inverse.as_str())
    };
    let mut needs = Needs::default();
    for assertion in assertions.iter().filter(|assertion| known(assertion).is_some()) {
        needs.note(cx.find(&assertion.target));
    }
    needs.met()?;
    let mut edges = Vec::with_capacity(assertions.len());
    for assertion in assertions {
        let Some(relation) = known(assertion) else {
            continue;
        };
        let target = cx.name(&assertion.target)?;
        let held = before.binary_search_by_key(&(relation, target), |e| (e.relation, e.target));
        let from = held.map_or(cx.offset(), |at| before[at].from);
        edges.push(Edge { relation, target, from });
    }
    edges.sort_unstable();
    edges.dedup_by_key(|edge| (edge.relation, edge.target));
    Ok(edges)
}

/// The targets that a Location entity wants read, where they differ. Both are sorted by target.
fn want(cx: &mut Context<'_>, id: EntityId, before: Option<&Version>, after: &[Want]) {
    let before = before.map_or_else(Vec::new, wants_before);
    for want in &before {
        if after.binary_search_by(|kept| kept.target.cmp(&want.target)).is_err() {
            cx.put(Change::Wanted((want.target.clone(), Wanter::Entity(id)), None));
        }
    }
    for want in after {
        if before.binary_search(want).is_err() {
            let row = Wanted { optional: want.optional };
            cx.put(Change::Wanted((want.target.clone(), Wanter::Entity(id)), Some(row)));
        }
    }
}

/// What the document of a version wants read.
pub(super) fn wants_before(version: &Version) -> Vec<Want> {
    // Only a Location can have any, and few entities are; the text tells the others quickly.
    if !version.document.windows(10).any(|window| window == b"\"Location\"") {
        return Vec::new();
    }
    serde_json::from_slice(&version.document)
        .map(|document| wants_of(&document))
        .unwrap_or_default()
}

/// Withdraws an entity that nothing shows any more; as an orphan it stays where that is the rule.
/// A person's removal (`None`) is not asked about orphans.
pub(super) fn withdraw(
    cx: &mut Context<'_>,
    id: EntityId,
    orphans: Option<Orphans>,
) -> Result<(), Needs> {
    let Some(now) = current(cx, id)? else {
        return Ok(());
    };
    let mut after =
        Version { offset: cx.offset(), cause: cx.cause(Some(now.holder)), ..Version::clone(&now) };
    if orphans == Some(Orphans::Keep) {
        after.change = ChangeKind::Updated;
        after.orphan = true;
        after.faults.retain(|fault| fault.item.is_some());
        after.document =
            rewrite(&now.document, &now.content.hash, now.own_etag, &after.faults, true);
        after.terms = Memo::default();
    } else {
        want(cx, id, Some(&now), &[]);
        after.change = ChangeKind::Withdrawn;
        after.live = false;
        after.unread = false;
        after.edges.clear();
    }
    cx.put_version(id, after);
    Ok(())
}

/// What was shown here was erased: the entity, if nothing else holds it now, has a version that
/// says so.
pub(super) fn show_erased(cx: &mut Context<'_>, id: EntityId, scope: ScopeId) -> Result<(), Needs> {
    let before = cx.version(id)?;
    if before.as_ref().is_some_and(|now| now.live) {
        return Ok(());
    }
    let version = Version {
        offset: cx.offset(),
        change: ChangeKind::Erased,
        live: false,
        unread: false,
        orphan: false,
        holder: scope,
        since: cx.offset(),
        born: before.as_ref().map_or(cx.offset(), |now| now.born),
        content: Seal { salt: Salt::default(), hash: [0; 32] },
        own_etag: false,
        edges: Vec::new(),
        faults: Vec::new(),
        cause: cx.cause(Some(scope)),
        document: Bytes::from_static(b"null"),
        terms: Memo::default(),
    };
    if before.is_none() {
        put_uid(cx, id)?;
    }
    cx.put_version(id, version);
    Ok(())
}

/// An entity shows a fault, in the place of one of the same scope and item. A Location entity that
/// was never complete, because what it wants could not be read yet, is not listed (`is_unread`).
pub(super) fn show_fault(
    cx: &mut Context<'_>,
    id: EntityId,
    fault: EntityFault,
    is_unread: bool,
) -> Result<(), Needs> {
    let Some(now) = current(cx, id)? else {
        return Ok(());
    };
    let mut faults = now.faults.clone();
    let same = |old: &EntityFault| (old.scope, &old.item) == (fault.scope, &fault.item);
    match faults.iter().position(same) {
        Some(at) if faults[at].says_the_same(&fault) => {}
        Some(at) => faults[at] = fault,
        None if faults.len() < FAULTS_MAX => faults.push(fault),
        None => {}
    }
    let unread = now.unread || (is_unread && !wants_before(&now).is_empty());
    set_faults(cx, id, &now, faults, unread);
    Ok(())
}

/// An entity shows the fault of a scope, or of one of its items, no more.
pub(super) fn clear_fault(
    cx: &mut Context<'_>,
    id: EntityId,
    scope: ScopeId,
    item: Option<&Item>,
) -> Result<(), Needs> {
    let Some(now) = current(cx, id)? else {
        return Ok(());
    };
    let item = item.and_then(|item| match item {
        Item::Unnamed(name) => Some(name),
        Item::Entity(_) => None,
    });
    let mut faults = now.faults.clone();
    faults.retain(|fault| (fault.scope, fault.item.as_ref()) != (scope, item));
    let unread = now.unread && waits_for_targets(&faults);
    set_faults(cx, id, &now, faults, unread);
    Ok(())
}

fn waits_for_targets(faults: &[EntityFault]) -> bool {
    faults.iter().any(|fault| fault.item.is_some())
}

fn set_faults(
    cx: &mut Context<'_>,
    id: EntityId,
    now: &Version,
    faults: Vec<EntityFault>,
    unread: bool,
) {
    if faults == now.faults && unread == now.unread {
        return;
    }
    let change = match (now.unread, unread) {
        (false, true) => ChangeKind::Withdrawn,
        (true, false) => ChangeKind::Restored,
        _ => ChangeKind::Status,
    };
    let version = Version {
        offset: cx.offset(),
        change,
        unread,
        cause: cx.cause(Some(now.holder)),
        document: rewrite(&now.document, &now.content.hash, now.own_etag, &faults, now.orphan),
        faults,
        ..now.clone()
    };
    cx.put_version(id, version);
}
