//! What records are said to have changed is what a plain catalog shows to be different.

use std::collections::{BTreeMap, BTreeSet};

use model::reference::EntityRef;
use serde_json::Value;
use support::catalog::Catalog;
use support::history::{records, steps};
use support::node::Node;
use support::random::Random;
use views::{Concern, Reader, Relation};

use crate::fold::for_seeds;

/// What changed of an entity: its document, and the relations that began and ended.
#[derive(Debug, Default, PartialEq, Eq)]
struct Difference {
    document: bool,
    added: BTreeSet<(String, String)>,
    removed: BTreeSet<(String, String)>,
}

/// Entities as they are served.
type Shown = BTreeMap<String, Value>;

fn shown(catalog: &Catalog) -> Shown {
    let references = catalog.references().into_iter();
    references.filter_map(|name| Some((name.clone(), catalog.entity(&name)?))).collect()
}

fn relations(entity: &Value) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = entity["relations"].as_array().unwrap().iter();
    all.map(|relation| (text(&relation["type"]), text(&relation["targetRef"]))).collect()
}

/// In what two catalogs differ, of the entities that both show.
fn differences(before: &Shown, after: &Shown) -> BTreeMap<String, Difference> {
    let both = before.iter().filter_map(|(name, was)| Some((name, was, after.get(name)?)));
    both.filter(|(_, was, is)| was != is)
        .map(|(name, was, is)| {
            let bare = |entity: &Value| {
                let mut entity = entity.clone();
                entity.as_object_mut().unwrap().shift_remove("relations");
                entity
            };
            let (old, new) = (relations(was), relations(is));
            let difference = Difference {
                document: bare(was) != bare(is),
                added: new.difference(&old).cloned().collect(),
                removed: old.difference(&new).cloned().collect(),
            };
            (name.clone(), difference)
        })
        .collect()
}

/// What the views say that a record did to entities that were shown before it and are after it.
fn said(reader: &Reader, offset: u64, both: &BTreeSet<&String>) -> BTreeMap<String, Difference> {
    let touched = reader.touched(offset, &reader.changes_of(offset).unwrap()).unwrap();
    let mut all = BTreeMap::new();
    for touch in touched {
        let name = reader.reference(touch.entity).unwrap().unwrap().to_string();
        if !both.contains(&name) {
            continue;
        }
        let pairs = |ends: Vec<Relation>| {
            ends.into_iter().map(|end| (end.kind.to_string(), end.target.to_string())).collect()
        };
        let difference = Difference {
            document: touch.concern == Concern::Version,
            added: pairs(reader.named(&touch.added).unwrap()),
            removed: pairs(reader.named(&touch.removed).unwrap()),
        };
        assert!(all.insert(name.clone(), difference).is_none(), "{name} twice at {offset}");
    }
    all
}

#[test]
fn what_is_said_to_have_changed_has() {
    for_seeds(0..40, |seed| {
        let steps = steps(&mut Random::new(seed), 120);
        let node = Node::new(&records(seed, &steps));
        node.fold(1 + seed as usize % 50, None);
        let reader = node.views.reader().unwrap();
        let mut catalog = Catalog::default();
        let mut before = shown(&catalog);
        let mut per_entity: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        // The first two records are the log's own.
        for (offset, step) in (2..).zip(&steps) {
            catalog.apply(step);
            let after = shown(&catalog);
            let both = before.keys().filter(|name| after.contains_key(*name)).collect();
            let mut expected = differences(&before, &after);
            let mut said = said(&reader, offset, &both);
            // A document may change in what the plain catalog does not hold: its etag.
            said.retain(|name, change| {
                expected.contains_key(name)
                    || !(change.added.is_empty() && change.removed.is_empty())
            });
            for (name, change) in &mut expected {
                change.document |= said.get(name).is_some_and(|said| said.document);
            }
            assert_eq!(said, expected, "at {offset}: {step:?}");
            for (name, change) in &said {
                if !(change.added.is_empty() && change.removed.is_empty()) {
                    per_entity.entry(name.clone()).or_default().insert(offset);
                }
            }
            before = after;
        }
        // Whatever changed its relations stands in the history of an entity.
        for (name, offsets) in per_entity {
            let id = reader.entity_id(&EntityRef::canonical(&name).unwrap()).unwrap().unwrap();
            let versions = reader.history(id, None, 1000).unwrap().entries;
            let versions = versions.iter().map(|version| version.offset);
            let relations = reader.relation_records(id, None, 1000).unwrap();
            let listed: BTreeSet<u64> = versions.chain(relations).collect();
            assert!(listed.is_superset(&offsets), "{name}: {listed:?} {offsets:?}");
        }
    });
}
