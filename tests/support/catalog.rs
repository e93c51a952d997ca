//! A plain catalog in memory: what must come of a history, told without records, tables, ids,
//! indexes or batches.

use std::collections::{BTreeMap, BTreeSet};

use event::vocabulary::Orphans;
use model::kinds::Kinds;
use model::relations::{Assertion, assertions};
use serde_json::{Value, json};

use crate::history::{SCOPES, Step, item_name};

/// One entity.
#[derive(Clone, Debug, Default)]
struct Entity {
    /// Scopes that show it, in the order in which they came, with what they show.
    claims: Vec<(usize, Value)>,
    /// What it shows, while it is there.
    shown: Option<Value>,
    /// The scope whose document that is.
    holder: Option<usize>,
    /// What the document asserted when it came to be shown.
    asserted: Vec<Assertion>,
    orphan: bool,
    /// Whether it is a Location that was never complete.
    unread: bool,
    /// Faults of items that it shows, by scope and item, in the order in which they came.
    item_faults: Vec<((usize, usize), String)>,
}

/// The catalog.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    entities: BTreeMap<String, Entity>,
    /// Documents that are refused now, by scope and reference.
    refused: BTreeMap<(usize, String), String>,
    /// Items that can't be read, and who shows that.
    broken: BTreeMap<(usize, usize), Option<String>>,
    orphans: Orphans,
    kinds: Kinds,
}

impl Catalog {
    pub fn apply(&mut self, step: &Step) {
        match step {
            Step::Seen { scope, document } => self.seen(*scope, document),
            Step::Gone { scope, reference } => self.gone(*scope, reference),
            Step::Refused { scope, reference, message } => {
                self.refused.insert((*scope, reference.clone()), message.clone());
            }
            Step::Broken { scope, item, about, required, message } => {
                let is_empty = !self.speaks(*scope);
                self.mended(*scope, *item, about.as_deref());
                self.broken.insert((*scope, *item), about.clone());
                if let Some(entity) = about.as_ref().and_then(|of| self.entities.get_mut(of))
                    && entity.shown.is_some()
                {
                    let key = (*scope, *item);
                    match entity.item_faults.iter_mut().find(|(known, _)| *known == key) {
                        Some(known) => known.1.clone_from(message),
                        None => entity.item_faults.push((key, message.clone())),
                    }
                    // Every Location of a history wants something.
                    let wants = entity.shown.as_ref().is_some_and(|now| now["kind"] == "Location");
                    entity.unread |= *required && is_empty && wants;
                }
            }
            Step::Mended { scope, item } => {
                self.mended(*scope, *item, None);
                self.broken.remove(&(*scope, *item));
            }
            Step::Removed { reference } => self.removed(reference),
            Step::Retired { scope } => self.retired(*scope),
            Step::Policy { orphans, robots } => {
                let kinds = robots.kinds().into_iter().map(|k| serde_json::from_value(k).unwrap());
                (self.orphans, self.kinds) = (*orphans, Kinds::recorded(kinds.collect()));
            }
            Step::Nothing(_) => {}
        }
    }

    fn seen(&mut self, scope: usize, document: &Value) {
        if assertions(document, &self.kinds).is_err() {
            // It can't be read under this policy, and changes nothing.
            return;
        }
        let view = model::document::Document::new(document);
        let reference = view.reference().unwrap().to_string();
        self.refused.remove(&(scope, reference.clone()));
        let entity = self.entities.entry(reference).or_default();
        match entity.claims.iter_mut().find(|(claimer, _)| *claimer == scope) {
            Some(claim) => claim.1 = document.clone(),
            None => entity.claims.push((scope, document.clone())),
        }
        entity.orphan = false;
        if entity.claims.first().is_some_and(|(first, _)| *first == scope) {
            entity.holder = None;
        }
        entity.show(&self.kinds);
    }

    fn gone(&mut self, scope: usize, reference: &str) {
        self.refused.remove(&(scope, reference.to_owned()));
        let orphans = self.orphans;
        let Some(entity) = self.entities.get_mut(reference) else {
            return;
        };
        let before = entity.claims.len();
        entity.claims.retain(|(claimer, _)| *claimer != scope);
        if entity.claims.len() == before {
            return;
        }
        if entity.claims.is_empty() && orphans == Orphans::Keep {
            entity.orphan = entity.shown.is_some();
        } else {
            entity.show(&self.kinds);
        }
    }

    fn removed(&mut self, reference: &str) {
        let Some(entity) = self.entities.get_mut(reference).filter(|e| e.shown.is_some()) else {
            return;
        };
        for (scope, _) in std::mem::take(&mut entity.claims) {
            self.refused.remove(&(scope, reference.to_owned()));
        }
        entity.orphan = false;
        entity.show(&self.kinds);
    }

    fn retired(&mut self, scope: usize) {
        let all: Vec<String> = self.entities.keys().cloned().collect();
        for reference in all {
            self.gone(scope, &reference);
        }
        self.refused.retain(|(refused, _), _| *refused != scope);
        for item in 0..3 {
            self.mended(scope, item, None);
            self.broken.remove(&(scope, item));
        }
    }

    /// Whether a scope says anything of an entity.
    fn speaks(&self, scope: usize) -> bool {
        let claims = |entity: &Entity| entity.claims.iter().any(|(claimer, _)| *claimer == scope);
        self.entities.values().any(claims)
            || self.refused.keys().any(|(refused, _)| *refused == scope)
    }

    /// Whoever showed the fault of an item shows it no more, unless it is still the one.
    fn mended(&mut self, scope: usize, item: usize, still: Option<&str>) {
        let about = self.broken.get(&(scope, item)).cloned().flatten();
        let Some(about) = about.filter(|about| Some(about.as_str()) != still) else {
            return;
        };
        if let Some(entity) = self.entities.get_mut(&about)
            && entity.shown.is_some()
        {
            entity.item_faults.retain(|(key, _)| *key != (scope, item));
            entity.unread &= !entity.item_faults.is_empty();
        }
    }

    /// The references of the entities that are there.
    #[must_use]
    pub fn references(&self) -> Vec<String> {
        let there = self.entities.iter().filter(|(_, e)| e.shown.is_some() && !e.unread);
        there.map(|(reference, _)| reference.clone()).collect()
    }

    /// Every reference that was ever shown.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.entities.keys().cloned().collect()
    }

    /// An entity as it must be served, without uid and etag.
    #[must_use]
    pub fn entity(&self, reference: &str) -> Option<Value> {
        let entity = self.entities.get(reference).filter(|entity| !entity.unread)?;
        let mut shown = entity.shown.clone()?;
        if entity.orphan {
            shown["metadata"]["annotations"]["backstage.io/orphan"] = json!("true");
        }
        let mut messages: Vec<&String> = Vec::new();
        if let Some((scope, _)) = entity.claims.first() {
            messages.extend(self.refused.get(&(*scope, reference.to_owned())));
        }
        messages.extend(entity.item_faults.iter().map(|(_, message)| message));
        // In which order faults came is not asked here.
        messages.sort_unstable();
        if !messages.is_empty() {
            let item = |message: &String| {
                json!({
                    "type": "backstage.io/catalog-processing",
                    "level": "error",
                    "message": format!("InputError: {message}"),
                    "error": {"name": "InputError", "message": message},
                })
            };
            let items: Vec<Value> = messages.into_iter().map(item).collect();
            shown["status"] = json!({"items": items});
        }
        shown["relations"] = json!(
            self.relations(reference)
                .into_iter()
                .map(|(kind, target)| json!({"type": kind, "targetRef": target}))
                .collect::<Vec<_>>()
        );
        Some(shown)
    }

    /// The relations that an entity shows.
    #[must_use]
    pub fn relations(&self, reference: &str) -> BTreeSet<(String, String)> {
        let mut relations = BTreeSet::new();
        for (holder, entity) in &self.entities {
            if entity.shown.is_none() {
                continue;
            }
            for assertion in &entity.asserted {
                let target = assertion.target.to_string();
                if holder == reference {
                    relations.insert((assertion.relation.to_string(), target.clone()));
                }
                if target == reference {
                    relations.insert((assertion.inverse.to_string(), holder.clone()));
                }
            }
        }
        relations
    }

    /// What filters, orders and facets see of an entity: lower-case path and value, and the value
    /// as it is written.
    #[must_use]
    pub fn terms(&self, reference: &str) -> Vec<(String, Option<String>, Option<String>)> {
        let Some(shown) = self.entity(reference) else {
            return Vec::new();
        };
        let mut terms = Vec::new();
        for term in model::index::terms(&shown) {
            if let (true, Some(value)) = (term.array_item, &term.value) {
                let yes = Some("true".to_owned());
                terms.push((format!("{}.{value}", term.path), yes.clone(), yes));
            }
            terms.push((term.path, term.value, term.original));
        }
        for (kind, target) in self.relations(reference) {
            let path = format!("relations.{}", kind.to_lowercase());
            terms.push((path, Some(target.clone()), Some(target)));
        }
        terms
    }

    /// How many scopes there are to ask about.
    #[must_use]
    pub fn item_names(&self) -> Vec<String> {
        (0..SCOPES).map(item_name).collect()
    }
}

impl Entity {
    /// Shows what the oldest claim shows, or nothing. What a document asserts is told when it
    /// begins to be shown, under the policy of that moment.
    fn show(&mut self, kinds: &Kinds) {
        let was_there = self.shown.is_some();
        let holder = self.claims.first().map(|(scope, _)| *scope);
        self.shown = self.claims.first().map(|(_, document)| document.clone());
        if let Some(shown) = &self.shown
            && self.holder != holder
        {
            self.asserted = assertions(shown, kinds).unwrap_or_default();
        }
        self.holder = holder;
        if !was_there || self.shown.is_none() {
            self.item_faults.clear();
            self.unread = false;
        }
    }
}
