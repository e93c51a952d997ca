//! What leads where: autoscalers to what they scale, services to the workloads whose pods they
//! select, ingresses and routes to services. Both ends are found from each other without looking
//! at all objects.

use std::collections::{BTreeMap, BTreeSet};

use crate::kinds::Kind;
use crate::map::{Item, Leads, Place, Tags};

/// Workloads that a service may select; one that selects more is of no one of them.
const SELECTED_MAX: usize = 20;

/// Services of a namespace that are found by the same label at the most.
const SHARED_MAX: usize = 100;

/// A label within a namespace.
type Label = (Box<str>, Box<str>, Box<str>);

/// All objects of a cluster.
type Items = BTreeMap<Place, Item>;

/// What leads where in a cluster.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// What names a place.
    to: BTreeMap<Place, BTreeSet<Place>>,
    /// Services, each by one of the labels that it selects.
    selecting: BTreeMap<Label, BTreeSet<Place>>,
    /// Workloads by each label of their pods.
    selected: BTreeMap<Label, BTreeSet<Place>>,
}

fn labels<'a>(
    namespace: &'a str,
    labels: &'a crate::object::Labels,
) -> impl Iterator<Item = Label> + 'a {
    labels.iter().map(|(key, value)| (namespace.into(), key.into(), value.into()))
}

impl Links {
    /// An object is so now.
    pub(crate) fn add(&mut self, place: &Place, tags: &Tags) {
        for label in labels(&tags.namespace, &tags.pods) {
            self.selected.entry(label).or_default().insert(place.clone());
        }
        match &tags.leads {
            Leads::Nowhere => {}
            Leads::To(places) => {
                for to in places {
                    self.to.entry(to.clone()).or_default().insert(place.clone());
                }
            }
            Leads::Pods(selector) => {
                // By the label that is selected least: others may be the same for all.
                let count = |label: &Label| self.selecting.get(label).map_or(0, BTreeSet::len);
                let least = labels(&tags.namespace, selector).min_by_key(count);
                if let Some(label) = least.filter(|label| count(label) < SHARED_MAX) {
                    self.selecting.entry(label).or_default().insert(place.clone());
                }
            }
        }
    }

    /// An object that was so is no more.
    pub(crate) fn remove(&mut self, place: &Place, tags: &Tags) {
        for label in labels(&tags.namespace, &tags.pods) {
            take(&mut self.selected, &label, place);
        }
        match &tags.leads {
            Leads::Nowhere => {}
            Leads::To(places) => places.iter().for_each(|to| take(&mut self.to, to, place)),
            Leads::Pods(selector) => labels(&tags.namespace, selector)
                .for_each(|label| take(&mut self.selecting, &label, place)),
        }
    }

    /// Where an object leads.
    pub(crate) fn from(&self, tags: &Tags, items: &Items) -> Vec<Place> {
        let selector = match &tags.leads {
            Leads::Nowhere => return Vec::new(),
            Leads::To(places) => return places.to_vec(),
            Leads::Pods(selector) => selector,
        };
        // All that it selects have each of its labels: the least that one of them finds is looked at.
        let sets = labels(&tags.namespace, selector).map(|label| self.selected.get(&label));
        let Some(sets) = sets.collect::<Option<Vec<_>>>() else { return Vec::new() };
        let least = sets.into_iter().min_by_key(|set| set.len()).into_iter().flatten();
        let is_selected = |place: &&Place| {
            items.get(*place).is_some_and(|item| selector.are_among(&item.tags.pods))
        };
        let found: Vec<Place> = least.filter(is_selected).take(SELECTED_MAX + 1).cloned().collect();
        if found.len() > SELECTED_MAX { Vec::new() } else { found }
    }

    /// What leads to an object, by way of others, too.
    pub(crate) fn to(&self, place: &Place, tags: &Tags, items: &Items) -> BTreeSet<Place> {
        let services = labels(&tags.namespace, &tags.pods)
            .flat_map(|label| self.selecting.get(&label).into_iter().flatten());
        let selects = |service: &&Place| {
            items.get(*service).is_some_and(|item| match &item.tags.leads {
                Leads::Pods(selector) => selector.are_among(&tags.pods),
                Leads::Nowhere | Leads::To(_) => false,
            })
        };
        let mut found: BTreeSet<Place> = services.filter(selects).cloned().collect();
        found.extend(self.naming(place).cloned());
        let services = found.iter().filter(|place| place.0 == Kind::Service);
        let beyond: Vec<Place> = services.flat_map(|of| self.naming(of)).cloned().collect();
        found.extend(beyond);
        found
    }

    fn naming(&self, place: &Place) -> impl Iterator<Item = &Place> {
        self.to.get(place).into_iter().flatten()
    }
}

fn take<K: Ord>(sets: &mut BTreeMap<K, BTreeSet<Place>>, key: &K, place: &Place) {
    if let Some(set) = sets.get_mut(key) {
        set.remove(place);
        if set.is_empty() {
            sets.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use Weight::{Health, Steady};
    use serde_json::{Value, json};

    use super::super::tests::{Test, one, shop, touched};
    use super::*;
    use crate::ANNOTATION;
    use crate::calm::Weight;
    use crate::watch::What;

    fn of(name: &str, spec: &Value) -> Value {
        json!({"metadata": {"name": name, "namespace": "n", "uid": name}, "spec": spec})
    }

    fn scale(current: u32) -> Value {
        let mut scale = of("h", &json!({"scaleTargetRef": {"kind": "Deployment", "name": "a"}}));
        scale["status"] = json!({"currentReplicas": current});
        scale
    }

    /// A deployment with labels of its pods.
    fn deployment(name: &str, id: &str, labels: &Value) -> Value {
        let mut deployment = shop(name, id, "i:1", name);
        deployment["spec"]["template"]["metadata"] = json!({"labels": labels});
        deployment
    }

    fn ingress() -> Value {
        let backend = json!({"service": {"name": "s"}});
        of("i", &json!({"rules": [{"http": {"paths": [{"backend": backend}]}}]}))
    }

    fn route() -> Value {
        of("r", &json!({"rules": [{"backendRefs": [{"name": "s"}]}]}))
    }

    /// Which lists an aspect has.
    fn lists(test: &Test, name: &str) -> Vec<String> {
        let aspect = test.aspect(name);
        let lists = aspect.as_object().into_iter().flatten().filter(|(_, list)| list.is_array());
        lists.map(|(name, _)| name.clone()).collect()
    }

    #[test]
    fn what_leads_to_a_workload_is_of_whom_the_workload_is() {
        let service = || of("s", &json!({"selector": {"app": "a"}}));
        let workload = || deployment("a", "x", &json!({"app": "a", "tier": "web"}));
        let all = ["autoscalers", "ingresses", "routes", "services", "workloads"];
        let mut objects = vec![
            (Kind::Deployment, workload()),
            (Kind::Service, service()),
            (Kind::Autoscaler, scale(1)),
            (Kind::Ingress, ingress()),
            (Kind::HttpRoute, route()),
        ];
        // In whatever order they come.
        for _ in 0..2 {
            let mut test = Test::new(&[("x", "x"), ("y", "y")]);
            for (kind, object) in &objects {
                test.is(*kind, object.clone());
            }
            assert_eq!(lists(&test, "x"), all);
            assert_eq!(touched(&test.is(Kind::Autoscaler, scale(2))), [("x", Health)]);
            let moved = test.is(Kind::Deployment, deployment("a", "y", &json!({"app": "a"})));
            assert_eq!(touched(&moved), [("x", Steady), ("y", Steady)]);
            assert_eq!((lists(&test, "x").len(), lists(&test, "y").len()), (0, all.len()));
            test.is(Kind::Deployment, deployment("a", "y", &json!({"app": "b"})));
            assert_eq!(lists(&test, "y"), ["autoscalers", "workloads"]);
            test.is(Kind::Service, of("s", &json!({"selector": {"app": "b"}})));
            assert_eq!(lists(&test, "y"), all);
            test.take(Kind::Service, What::Listed(Vec::new()));
            assert_eq!(lists(&test, "y"), ["autoscalers", "workloads"]);
            let gone = test.take(Kind::Deployment, What::Listed(Vec::new()));
            assert_eq!((touched(&gone), lists(&test, "y").len()), (vec![("y", Steady)], 0));
            let links = &test.state.links;
            assert!(links.selected.is_empty() && links.selecting.is_empty(), "{links:?}");
            objects.reverse();
        }
    }

    #[test]
    fn what_says_whose_it_is_is_not_also_somebody_elses() {
        let mut test = Test::new(&[("x", "x"), ("y", "y"), ("z", "labels:own=z")]);
        test.is(Kind::Deployment, deployment("a", "x", &json!({"app": "a"})));
        let labelled = |labels: Value| {
            let mut service = of("s", &json!({"selector": {"app": "a"}}));
            service["metadata"]["labels"] = labels;
            service
        };
        test.is(Kind::Service, labelled(json!({ANNOTATION: "y"})));
        assert_eq!(
            (lists(&test, "x"), lists(&test, "y")),
            (vec!["workloads".into()], vec!["services".to_owned()])
        );
        // Nor is what leads to it.
        test.is(Kind::Ingress, ingress());
        assert_eq!((lists(&test, "x").len(), lists(&test, "y").len()), (1, 2));
        // Who selects it by other labels has it besides.
        test.is(Kind::Service, labelled(json!({"own": "z"})));
        assert_eq!(lists(&test, "z"), ["ingresses", "services"]);
        assert_eq!(lists(&test, "x"), ["ingresses", "services", "workloads"]);
        // Who comes later has it, too.
        let before = std::mem::replace(
            &mut test.matching,
            super::super::tests::matching(&[("x", "y"), ("w", "x")]),
        );
        let changed = test.matching.differing(&before);
        test.state.rematch(&changed, &test.matching);
        assert_eq!(lists(&test, "w"), ["ingresses", "services", "workloads"]);
        assert_eq!((lists(&test, "x").len(), lists(&test, "z").len()), (0, 0));
    }

    #[test]
    fn a_service_for_all_is_nobodys() {
        let mut test = Test::new(&[("x", "x")]);
        test.is(Kind::Service, of("s", &json!({"selector": {"all": "yes"}})));
        let labels = json!({"all": "yes"});
        let many = |count: usize| {
            let each = (0..count).map(|n| deployment(&format!("a{n}"), "x", &labels));
            What::Listed(each.map(|of| one(Kind::Deployment, of)).collect())
        };
        test.take(Kind::Deployment, many(SELECTED_MAX));
        assert_eq!(lists(&test, "x"), ["services", "workloads"]);
        test.take(Kind::Deployment, many(SELECTED_MAX + 1));
        assert_eq!(lists(&test, "x"), ["workloads"]);
        test.take(Kind::Deployment, many(1));
        assert_eq!(lists(&test, "x"), ["services", "workloads"]);
    }

    #[test]
    fn many_that_share_a_label_are_found_by_another() {
        let mut test = Test::new(&[]);
        let count = SHARED_MAX * 3;
        for number in 0..count {
            let name = format!("s{number}");
            let selector = json!({"all": "yes", "name": name});
            test.is(Kind::Service, of(&name, &json!({"selector": selector})));
        }
        let most = test.state.links.selecting.values().map(BTreeSet::len).max();
        assert_eq!((most, test.state.links.selecting.len()), (Some(1), count));
        // More of the same than is looked at are of no one.
        for number in 0..count {
            test.is(Kind::Service, of(&format!("t{number}"), &json!({"selector": {"one": "1"}})));
        }
        let most = test.state.links.selecting.values().map(BTreeSet::len).max();
        assert_eq!(most, Some(SHARED_MAX));
    }
}
