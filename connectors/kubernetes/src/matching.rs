//! Which entities objects belong to, by the annotations that Backstage's Kubernetes plugin knows:
//! a label selector, or else the id; of one namespace and one cluster, where these are named.

use std::collections::{BTreeMap, BTreeSet};

use model::reference::EntityRef;
use serde_json::{Map, Value};

use crate::ANNOTATION;
use crate::map::Tags;
use crate::selector::Selector;

/// The annotation with a label selector; it counts instead of the id.
pub const SELECTOR_ANNOTATION: &str = "backstage.io/kubernetes-label-selector";
const NAMESPACE_ANNOTATION: &str = "backstage.io/kubernetes-namespace";
const CLUSTER_ANNOTATION: &str = "backstage.io/kubernetes-cluster";

/// What an entity says of its objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The id that its objects carry.
    pub id: Option<String>,
    /// The labels that its objects have.
    pub selector: Option<String>,
    /// The only namespace that they are in.
    pub namespace: Option<String>,
    /// The only cluster that they are in.
    pub cluster: Option<String>,
}

impl Selection {
    /// What an entity's annotations say, if they say something.
    #[must_use]
    pub fn of(annotations: &Map<String, Value>) -> Option<Self> {
        let get = |key: &str| {
            let text = annotations.get(key).and_then(Value::as_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let (id, selector) = (get(ANNOTATION), get(SELECTOR_ANNOTATION));
        let (namespace, cluster) = (get(NAMESPACE_ANNOTATION), get(CLUSTER_ANNOTATION));
        (id.is_some() || selector.is_some()).then_some(Self { id, selector, namespace, cluster })
    }

    /// Whether it is by the id alone, so that whatever carries the id is the entity's.
    fn is_plain(&self) -> bool {
        self.selector.is_none() && self.namespace.is_none() && self.cluster.is_none()
    }
}

/// The selections of all entities, so that those of an object are found without asking each.
#[derive(Debug, Default)]
pub(crate) struct Matching {
    entities: BTreeMap<EntityRef, (Selection, Option<Selector>)>,
    by_id: BTreeMap<String, BTreeSet<EntityRef>>,
    by_label: BTreeMap<String, BTreeMap<String, BTreeSet<EntityRef>>>,
    rest: BTreeSet<EntityRef>,
}

impl Matching {
    pub(crate) fn new<'a>(
        selections: impl IntoIterator<Item = (&'a EntityRef, &'a Selection)>,
    ) -> Self {
        let mut matching = Self::default();
        for (entity, selection) in selections {
            matching.add(entity, selection);
        }
        matching
    }

    fn add(&mut self, entity: &EntityRef, selection: &Selection) {
        let selector = selection.selector.as_deref().map(Selector::read);
        let (entity, own) = (entity.clone(), selection.clone());
        match (selector, &selection.id) {
            // What can't be read selects nothing: it may have been meant to select little.
            (Some(None), _) | (None, None) => {
                tracing::warn!(entity = %entity, "a label selector can't be read");
                self.entities.insert(entity, (own, None));
            }
            (Some(Some(selector)), _) => {
                let set = match selector.pair() {
                    Some((key, value)) => {
                        let values = self.by_label.entry(key.to_owned()).or_default();
                        values.entry(value.to_owned()).or_default()
                    }
                    None => &mut self.rest,
                };
                set.insert(entity.clone());
                self.entities.insert(entity, (own, Some(selector)));
            }
            (None, Some(id)) => {
                self.by_id.entry(id.clone()).or_default().insert(entity.clone());
                self.entities.insert(entity, (own, None));
            }
        }
    }

    /// Who is matched in whatever way.
    pub(crate) fn entities(&self) -> impl Iterator<Item = &EntityRef> {
        self.entities.keys()
    }

    /// The entities that objects of a cluster with these tags belong to.
    pub(crate) fn of(&self, cluster: &str, tags: &Tags) -> BTreeSet<EntityRef> {
        let by_id = tags.id.as_deref().and_then(|id| self.by_id.get(id)).into_iter().flatten();
        let by_label = tags
            .labels
            .iter()
            .filter_map(|(key, value)| self.by_label.get(key).and_then(|values| values.get(value)));
        let may = by_id.chain(by_label.flatten()).chain(&self.rest);
        let is = may.filter(|entity| {
            self.entities.get(*entity).is_some_and(|(selection, selector)| {
                let is_there =
                    |wish: &Option<String>, is: &str| wish.as_deref().is_none_or(|of| of == is);
                is_there(&selection.cluster, cluster)
                    && is_there(&selection.namespace, &tags.namespace)
                    && selector.as_ref().is_none_or(|selector| selector.matches(&tags.labels))
            })
        });
        is.cloned().collect()
    }

    /// Whether whatever carries the id is the entity's.
    pub(crate) fn is_plain(&self, entity: &EntityRef) -> bool {
        self.entities.get(entity).is_some_and(|(selection, _)| selection.is_plain())
    }

    /// Whether all that an id leads to takes whatever carries it: then it is said to the id, and
    /// whoever comes later finds it, too.
    pub(crate) fn is_plain_id(&self, id: &str) -> bool {
        let all = self.by_id.get(id).into_iter().flatten();
        all.into_iter().all(|entity| self.is_plain(entity))
    }

    /// Those of whom something else is said than in another matching.
    pub(crate) fn differing(&self, other: &Self) -> BTreeSet<EntityRef> {
        let all = self.entities.keys().chain(other.entities.keys());
        let get = |of: &Self, entity: &EntityRef| of.entities.get(entity).map(|(of, _)| of.clone());
        let differ = all.filter(|entity| get(self, entity) != get(other, entity));
        differ.cloned().collect()
    }

    /// The same for these alone.
    pub(crate) fn only(&self, entities: &BTreeSet<EntityRef>) -> Self {
        let own = entities.iter().filter_map(|entity| {
            self.entities.get_key_value(entity).map(|(entity, (selection, _))| (entity, selection))
        });
        Self::new(own)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::object::Labels;

    fn entity(name: &str) -> EntityRef {
        EntityRef::canonical(&format!("component:default/{name}")).unwrap()
    }

    #[test]
    fn who_has_what() {
        let selections = [
            ("id", json!({"kubernetes-id": "x"})),
            ("there", json!({"kubernetes-id": "x", "kubernetes-namespace": "n"})),
            ("elsewhere", json!({"kubernetes-id": "x", "kubernetes-namespace": "m"})),
            ("cluster", json!({"kubernetes-id": "x", "kubernetes-cluster": "prod"})),
            ("other", json!({"kubernetes-id": "x", "kubernetes-cluster": "test"})),
            ("label", json!({"kubernetes-id": "x", "kubernetes-label-selector": "app=a"})),
            ("set", json!({"kubernetes-label-selector": "app in (a,b)"})),
            ("broken", json!({"kubernetes-id": "x", "kubernetes-label-selector": "app=a b"})),
            ("empty", json!({"kubernetes-id": "y", "kubernetes-label-selector": ""})),
        ];
        let read = selections.map(|(name, annotations)| {
            let annotations: Map<String, Value> = annotations
                .as_object()
                .unwrap()
                .iter()
                .map(|(key, value)| (format!("backstage.io/{key}"), value.clone()))
                .collect();
            (entity(name), Selection::of(&annotations).unwrap())
        });
        let matching = Matching::new(read.iter().map(|(entity, selection)| (entity, selection)));
        let of = |id: Option<&str>, labels: &[(&str, &str)]| {
            let labels = Labels::new(labels.iter().copied());
            let id = id.map(Into::into);
            let tags = Tags { namespace: "n".into(), id, labels, ..Tags::default() };
            let found = matching.of("prod", &tags);
            found
                .iter()
                .map(|of| of.as_str()["component:default/".len()..].to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(of(Some("x"), &[]), ["cluster", "id", "there"]);
        assert_eq!(of(Some("y"), &[("app", "c")]), ["empty"]);
        assert_eq!(of(None, &[("app", "a")]), ["label", "set"]);
        assert_eq!(of(None, &[("app", "b")]), ["set"]);
        assert_eq!(of(None, &[]), Vec::<String>::new());
        assert!(matching.is_plain(&entity("id")) && !matching.is_plain(&entity("there")));
        assert!(
            matching.is_plain_id("y") && matching.is_plain_id("z") && !matching.is_plain_id("x")
        );

        let few = matching.only(&[entity("id"), entity("nobody")].into());
        assert_eq!(few.entities().collect::<Vec<_>>(), [&entity("id")]);
        assert_eq!(few.differing(&matching).len(), 8);
        assert!(!few.differing(&matching).contains(&entity("id")));
        assert_eq!(Selection::of(&Map::new()), None);
    }
}
