//! What is known of a cluster, from what its watches tell.

mod aspect;
mod links;
mod pods;
mod reading;
mod releases;
mod runs;
mod telling;

use std::collections::{BTreeMap, BTreeSet};

use model::reference::EntityRef;

use crate::calm::Weight;
use crate::kinds::Kind;
use crate::map::{Item, Place, Pod, Run, Seen, last_run};
use crate::matching::Matching;
use crate::watch::{Told, What};

use links::Links;
use pods::Pods;
pub(crate) use reading::Reading;
use releases::Releases;
use runs::Runs;
pub(crate) use telling::Deployed;
use telling::{Before, fresh};

/// What follows from something told.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Whose objects changed, and how much that is worth.
    pub(crate) touched: BTreeMap<EntityRef, Weight>,
    pub(crate) deployed: Vec<Deployed>,
}

impl Effects {
    fn touch<'a>(&mut self, entities: impl IntoIterator<Item = &'a EntityRef>, weight: Weight) {
        for entity in entities {
            let known = self.touched.entry(entity.clone()).or_default();
            *known = weight.max(*known);
        }
    }
}

/// A cluster.
#[derive(Debug)]
pub(crate) struct State {
    name: String,
    reading: Reading,
    items: BTreeMap<Place, Item>,
    /// Whose each object is, and what each entity has.
    owners: BTreeMap<Place, BTreeSet<EntityRef>>,
    members: BTreeMap<EntityRef, BTreeSet<Place>>,
    links: Links,
    pods: Pods,
    runs: Runs,
    releases: Releases,
}

impl State {
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            reading: Reading::default(),
            items: BTreeMap::new(),
            owners: BTreeMap::new(),
            members: BTreeMap::new(),
            links: Links::default(),
            pods: Pods::default(),
            runs: Runs::default(),
            releases: Releases::default(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How it is read.
    pub(crate) const fn reading(&self) -> &Reading {
        &self.reading
    }

    /// Why not all of it is read, if so.
    pub(crate) fn fault(&self) -> Option<String> {
        self.reading.fault(&self.name)
    }

    /// Takes in what is told.
    pub(crate) fn take(&mut self, told: Told, matching: &Matching) -> Effects {
        let mut effects = Effects::default();
        let Told { of, kind, what, .. } = told;
        match what {
            What::Watched(all) => self.reading.watches(all),
            What::Works => self.reading.works(&of),
            What::Fails(why) => self.reading.fails(of, why),
            What::Refuses(message) => self.reading.refuses(of, message),
            What::Listed(seen) => {
                self.list(kind, seen, matching, &mut effects);
                self.reading.listed(of);
            }
            What::Is(seen) => self.put(*seen, matching, &mut effects),
            What::IsNot(place) => self.remove(&place, matching, &mut effects),
        }
        effects
    }

    fn list(&mut self, kind: Kind, seen: Vec<Seen>, matching: &Matching, effects: &mut Effects) {
        let there: BTreeSet<Place> = seen.iter().map(|of| of.place().clone()).collect();
        let begin: Place = (kind, Box::default(), Box::default());
        let items = self.items.range(begin..).map(|(place, _)| place);
        let items = items.take_while(|place| place.0 == kind);
        let pods = (kind == Kind::Pod).then(|| self.pods.places()).into_iter().flatten();
        let runs = (kind == Kind::Job).then(|| self.runs.places()).into_iter().flatten();
        let known = items.chain(pods).chain(runs).filter(|place| !there.contains(*place));
        let gone: Vec<Place> = known.cloned().collect();
        gone.iter().for_each(|place| self.remove(place, matching, effects));
        seen.into_iter().for_each(|of| self.put(of, matching, effects));
    }

    fn put(&mut self, seen: Seen, matching: &Matching, effects: &mut Effects) {
        match seen {
            Seen::Item(item) => {
                self.remove_part(&item.place, effects);
                self.put_item(*item, matching, effects);
            }
            Seen::Pod(pod) => {
                self.remove_item(&pod.place.clone(), matching, effects);
                self.put_pod(pod, effects);
            }
            Seen::Run(run) => {
                self.remove_item(&run.place.clone(), matching, effects);
                self.put_run(run, effects);
            }
        }
    }

    fn put_pod(&mut self, pod: Pod, effects: &mut Effects) {
        for changed in self.pods.put(pod) {
            self.touch_pods(&changed, effects);
        }
    }

    fn put_run(&mut self, run: Run, effects: &mut Effects) {
        let plan = run.of.clone();
        let before = self.failed(&plan);
        if let Some(last) = self.runs.owner(&run.place).filter(|last| **last != plan) {
            effects.touch(self.owners_of(last), Weight::Routine);
        }
        if self.runs.put(run) {
            effects.touch(self.owners_of(&plan), outcome(before, self.failed(&plan)));
        }
    }

    fn put_item(&mut self, item: Item, matching: &Matching, effects: &mut Effects) {
        let place = item.place.clone();
        if let Some(known) = self.items.get_mut(&place).filter(|known| known.is_same(&item)) {
            known.resource_version = item.resource_version;
            known.generation = item.generation;
            return;
        }
        let failed = self.failed(&place);
        let owners = self.owners_of(&place).clone();
        let before = self.items.get(&place);
        let weight = before.map_or(Weight::Steady, |before| item.weight(before));
        let fresh = fresh(before, &item);
        let known = Before {
            owners,
            is_labelled: before.is_some_and(|of| of.tags.id.is_some()),
            is_of_release: before.is_some_and(|of| of.release == item.release),
        };
        let is_moved = before.is_none_or(|before| before.tags != item.tags);
        let around = if is_moved { self.relink(&place, Some(item)) } else { self.exchange(item) };
        for of in &around {
            self.settle(of, matching, effects);
        }
        let weight = weight.max(outcome(failed, self.failed(&place)));
        effects.touch(self.owners_of(&place), weight);
        self.touch_release(&place, effects);
        let told = self.tell(&place, &fresh, &known, matching);
        effects.deployed.extend(told);
    }

    fn remove(&mut self, place: &Place, matching: &Matching, effects: &mut Effects) {
        self.remove_part(place, effects);
        self.remove_item(place, matching, effects);
    }

    /// What was a part of something else is none any more.
    fn remove_part(&mut self, place: &Place, effects: &mut Effects) {
        if let Some(changed) = self.pods.remove(place) {
            self.touch_pods(&changed, effects);
        }
        let Some(plan) = self.runs.owner(place).cloned() else { return };
        let before = self.failed(&plan);
        self.runs.remove(place);
        effects.touch(self.owners_of(&plan), outcome(before, self.failed(&plan)));
    }

    fn remove_item(&mut self, place: &Place, matching: &Matching, effects: &mut Effects) {
        let Some(item) = self.items.get(place) else { return };
        effects.deployed.extend(self.tell_end(item));
        self.touch_release(place, effects);
        for of in &self.relink(place, None) {
            self.settle(of, matching, effects);
        }
    }

    /// Puts an object where another one was that leads to the same and belongs to the same.
    fn exchange(&mut self, item: Item) -> BTreeSet<Place> {
        let place = item.place.clone();
        if let Some(before) = self.items.remove(&place) {
            self.releases.remove(&before);
        }
        self.releases.add(&item);
        self.items.insert(place, item);
        BTreeSet::new()
    }

    /// Puts an object where another one was, or takes it out. What may be somebody else's then:
    /// it, and all that leads to it.
    fn relink(&mut self, place: &Place, item: Option<Item>) -> BTreeSet<Place> {
        let mut around = BTreeSet::new();
        if let Some(before) = self.items.remove(place) {
            around.extend(self.links.to(place, &before.tags, &self.items));
            self.links.remove(place, &before.tags);
            self.releases.remove(&before);
        }
        if let Some(item) = item {
            around.extend(self.links.to(place, &item.tags, &self.items));
            self.links.add(place, &item.tags);
            self.releases.add(&item);
            self.items.insert(place.clone(), item);
        }
        around.insert(place.clone());
        around
    }

    /// Finds out whose an object is now.
    fn settle(&mut self, place: &Place, matching: &Matching, effects: &mut Effects) {
        let item = self.items.get(place);
        let now = item.map(|item| self.found(item, matching)).unwrap_or_default();
        let before = self.owners.remove(place).unwrap_or_default();
        for gone in before.difference(&now) {
            if let Some(places) = self.members.get_mut(gone) {
                places.remove(place);
                if places.is_empty() {
                    self.members.remove(gone);
                }
            }
        }
        for come in now.difference(&before) {
            self.members.entry(come.clone()).or_default().insert(place.clone());
        }
        effects.touch(before.symmetric_difference(&now), Weight::Steady);
        if !now.is_empty() {
            self.owners.insert(place.clone(), now);
        }
    }

    /// Whose an object is: of those that it says itself, or that select it; where it says nothing,
    /// whoever has what it leads to has it, too.
    fn found(&self, item: &Item, matching: &Matching) -> BTreeSet<EntityRef> {
        let mut owners = matching.of(&self.name, &item.tags);
        if item.tags.id.is_none() {
            for place in self.links.from(&item.tags, &self.items) {
                if let Some(to) = self.items.get(&place) {
                    owners.extend(self.found(to, matching));
                }
            }
        }
        owners
    }

    fn owners_of(&self, place: &Place) -> &BTreeSet<EntityRef> {
        const NOBODY: &BTreeSet<EntityRef> = &BTreeSet::new();
        self.owners.get(place).unwrap_or(NOBODY)
    }

    /// The pods of something changed.
    fn touch_pods(&self, changed: &pods::Changed, effects: &mut Effects) {
        let weight = if changed.is_steady { Weight::Steady } else { Weight::Health };
        effects.touch(self.owners_of(&changed.owner), weight);
        if let Some(plan) = self.runs.owner(&changed.owner) {
            effects.touch(self.owners_of(plan), Weight::Routine);
        }
    }

    /// A revision of a release came or goes; whose workloads belong to it shows it.
    fn touch_release(&self, place: &Place, effects: &mut Effects) {
        let item = self.items.get(place).filter(|_| place.0 == Kind::Release);
        let Some(release) = item.and_then(|item| item.release.as_ref()) else { return };
        for workload in self.releases.workloads(release) {
            effects.touch(self.owners_of(workload), Weight::Steady);
        }
    }

    /// Whether the last run of a CronJob failed, as far as that is known.
    fn failed(&self, plan: &Place) -> Option<bool> {
        let item = self.items.get(plan).filter(|_| plan.0 == Kind::CronJob)?;
        last_run(&item.routine, self.runs.of(plan)).map(|last| last.failed)
    }

    /// These entities say something else of their objects now.
    pub(crate) fn rematch(
        &mut self,
        changed: &BTreeSet<EntityRef>,
        matching: &Matching,
    ) -> Effects {
        let mut effects = Effects::default();
        for entity in changed {
            for place in self.members.remove(entity).into_iter().flatten() {
                if let Some(owners) = self.owners.get_mut(&place) {
                    owners.remove(entity);
                }
            }
        }
        self.owners.retain(|_, owners| !owners.is_empty());
        let few = matching.only(changed);
        for (place, item) in &self.items {
            let found = self.found(item, &few);
            if found.is_empty() {
                continue;
            }
            effects.deployed.extend(self.tell_found(item, &found, matching));
            for entity in &found {
                self.members.entry(entity.clone()).or_default().insert(place.clone());
            }
            self.owners.entry(place.clone()).or_default().extend(found);
        }
        effects.touch(changed, Weight::Steady);
        effects
    }
}

/// What it is worth that the last run of a CronJob ended otherwise than the one before.
fn outcome(before: Option<bool>, now: Option<bool>) -> Weight {
    match (before, now) {
        (Some(true), Some(false)) | (None | Some(false), Some(true)) => Weight::Health,
        _ => Weight::Routine,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use connector::Whom;
    use serde_json::{Value, json};

    use super::*;
    use crate::ANNOTATION;
    use crate::kinds::Watched;
    use crate::map::seen;
    use crate::matching::Selection;
    use Weight::{Health, Steady};

    /// A cluster that is watched for these kinds, and entities that say these things.
    pub(crate) struct Test {
        pub(crate) state: State,
        pub(crate) matching: Matching,
    }

    pub(crate) fn entity(name: &str) -> EntityRef {
        EntityRef::canonical(&format!("component:default/{name}")).unwrap()
    }

    pub(crate) fn matching(said: &[(&str, &str)]) -> Matching {
        let each = said.iter().map(|(name, said)| {
            let mut selection = Selection::default();
            match said.split_once(':') {
                Some(("labels", selector)) => selection.selector = Some(selector.into()),
                Some((namespace, id)) => {
                    (selection.namespace, selection.id) = (Some(namespace.into()), Some(id.into()));
                }
                None => selection.id = Some((*said).into()),
            }
            (entity(name), selection)
        });
        let each: Vec<_> = each.collect();
        Matching::new(each.iter().map(|(entity, selection)| (entity, selection)))
    }

    impl Test {
        pub(crate) fn new(said: &[(&str, &str)]) -> Self {
            Self { state: State::new("prod".into()), matching: matching(said) }
        }

        pub(crate) fn take(&mut self, kind: Kind, what: What) -> Effects {
            let of = Watched::known(kind).unwrap().resource;
            self.state.take(Told { cluster: 0, of, kind, what }, &self.matching)
        }

        pub(crate) fn is(&mut self, kind: Kind, object: Value) -> Effects {
            self.take(kind, What::Is(Box::new(one(kind, object))))
        }

        pub(crate) fn aspect(&self, name: &str) -> Value {
            self.state.aspect(&entity(name)).map(Value::Object).unwrap_or_default()
        }
    }

    pub(crate) fn one(kind: Kind, object: Value) -> Seen {
        let object = serde_json::from_value(object).unwrap();
        seen(&Watched::known(kind).unwrap(), &object).unwrap()
    }

    pub(crate) fn shop(name: &str, id: &str, image: &str, uid: &str) -> Value {
        json!({
            "metadata": {"name": name, "namespace": "n", "uid": uid, "generation": 7,
                "resourceVersion": image, "labels": {ANNOTATION: id, "app": name}},
            "spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}},
        })
    }

    pub(crate) fn touched(effects: &Effects) -> Vec<(&str, Weight)> {
        let each = effects.touched.iter();
        each.map(|(of, weight)| (&of.as_str()["component:default/".len()..], *weight)).collect()
    }

    pub(crate) fn told(effects: &Effects) -> Vec<String> {
        let each = effects.deployed.iter().map(|Deployed { activity, .. }| {
            let whom = match &activity.whom {
                Whom::Annotated(about) => about.value.clone(),
                Whom::Entity(entity) => entity.to_string(),
            };
            format!("{} {whom}", activity.activity.trim_start_matches("dev.cdevents."))
        });
        each.collect()
    }

    #[test]
    fn what_is_told_changes_who_it_is_about() {
        let kind = Kind::Deployment;
        let mut test = Test::new(&[("x", "x"), ("y", "y"), ("z", "z"), ("b", "labels:app=b")]);
        let all = What::Listed(vec![one(kind, shop("a", "x", "i:1", "u"))]);
        let first = test.take(kind, all);
        assert_eq!(
            (touched(&first), told(&first)),
            (vec![("x", Steady)], vec!["service.deployed x".into()])
        );
        let same = test.is(kind, shop("a", "x", "i:1", "u"));
        assert_eq!((touched(&same), told(&same)), (vec![], vec![]));
        let upgraded = test.is(kind, shop("a", "x", "i:2", "u"));
        assert_eq!(told(&upgraded), ["service.upgraded x"]);
        let again = upgraded.deployed[0].again.as_ref().unwrap();
        assert_eq!(again.key, format!("{}@7", upgraded.deployed[0].activity.key));
        let moved = test.is(kind, shop("a", "y", "i:2", "u"));
        assert_eq!((touched(&moved), told(&moved)), (vec![("x", Steady), ("y", Steady)], vec![]));
        let anew = test.is(kind, shop("a", "y", "i:2", "v"));
        assert_eq!(told(&anew), ["service.deployed y"]);
        let relisted = test.take(kind, What::Listed(vec![one(kind, shop("b", "z", "i:1", "w"))]));
        assert_eq!(touched(&relisted), [("b", Steady), ("y", Steady), ("z", Steady)]);
        assert_eq!(told(&relisted), ["service.deployed z", "service.deployed component:default/b"]);
        assert_eq!(
            (test.aspect("y"), test.aspect("z")["workloads"][0]["name"].as_str()),
            (Value::Null, Some("b"))
        );
        assert_eq!(test.aspect("b"), test.aspect("z"));
        let mut labelled = shop("c", "z", "i:1", "c");
        labelled["metadata"]["labels"] = json!({});
        assert_eq!(told(&test.is(kind, labelled.clone())), Vec::<String>::new());
        labelled["metadata"]["labels"] = json!({"app": "b"});
        assert_eq!(told(&test.is(kind, labelled)), ["service.deployed component:default/b"]);
    }

    #[test]
    fn who_says_something_else_has_something_else() {
        let kind = Kind::Deployment;
        let mut test = Test::new(&[]);
        test.take(kind, What::Listed(vec![one(kind, shop("a", "x", "i:1", "u"))]));
        for (said, shows, expected) in [
            ("x", true, vec![]),
            ("y", false, vec![]),
            ("labels:app in (a,b)", true, vec!["service.deployed component:default/e".to_owned()]),
            ("n:x", true, vec!["service.deployed component:default/e".to_owned()]),
            ("m:x", false, vec![]),
        ] {
            let before = std::mem::replace(&mut test.matching, matching(&[("e", said)]));
            let changed = test.matching.differing(&before);
            let effects = test.state.rematch(&changed, &test.matching);
            assert_eq!(
                (touched(&effects), told(&effects)),
                (vec![("e", Steady)], expected),
                "{said}"
            );
            assert_eq!(!test.aspect("e").is_null(), shows, "{said}");
        }
        let effects = test.state.rematch(&[entity("e")].into(), &Matching::default());
        assert_eq!((touched(&effects), test.aspect("e")), (vec![("e", Steady)], Value::Null));
    }

    #[test]
    fn pods_and_releases_show_on_their_workloads() {
        let mut test = Test::new(&[("x", "x")]);
        let mut deployment = shop("a", "x", "i:1", "u");
        deployment["metadata"]["annotations"] = json!({"meta.helm.sh/release-name": "r"});
        test.is(Kind::Deployment, deployment);
        let pod = |reason: &str| {
            json!({
            "metadata": {"name": "a-1-x", "namespace": "n", "labels": {"pod-template-hash": "1"},
                "ownerReferences": [{"kind": "ReplicaSet", "name": "a-1", "controller": true}]},
            "status": {"phase": "Running", "containerStatuses": [{"name": "c", "image": "i:1",
                "imageID": "i@sha256:1", "state": {"waiting": {"reason": reason}}}]}})
        };
        assert_eq!(touched(&test.is(Kind::Pod, pod("x"))), [("x", Steady)]);
        assert_eq!(touched(&test.is(Kind::Pod, pod("CrashLoopBackOff"))), [("x", Health)]);
        let summary = &test.aspect("x")["workloads"][0]["pods"];
        assert_eq!(summary["waiting"], json!({"CrashLoopBackOff": 1}));
        assert_eq!(summary["running"][0]["digest"], "sha256:1");

        let revision = |number: u32| {
            json!({"metadata": {"name": format!("r.v{number}"),
            "namespace": "n", "labels": {"name": "r", "version": number.to_string(),
                "owner": "helm", "status": "deployed"}}})
        };
        for number in [9, 10] {
            assert_eq!(touched(&test.is(Kind::Release, revision(number))), [("x", Steady)]);
        }
        let expected =
            json!([{"namespace": "n", "name": "r", "revision": 10, "status": "deployed"}]);
        assert_eq!(test.aspect("x")["releases"], expected);
        let gone = test.take(Kind::Release, What::Listed(vec![one(Kind::Release, revision(9))]));
        assert_eq!(touched(&gone), [("x", Steady)]);
        assert_eq!(test.aspect("x")["releases"][0]["revision"], 9);
        let gone = test.take(Kind::Pod, What::Listed(Vec::new()));
        assert_eq!(
            (touched(&gone), test.aspect("x")["workloads"][0].get("pods")),
            (vec![("x", Health)], None)
        );
    }

    #[test]
    fn a_cluster_that_refuses_loses_nothing() {
        let kind = Kind::Deployment;
        let of = Watched::known(kind).unwrap().resource;
        let mut test = Test::new(&[("x", "x")]);
        test.take(kind, What::Watched([of].into()));
        test.take(kind, What::Listed(Vec::new()));
        test.is(kind, shop("a", "x", "i:1", "u"));
        for what in [What::Fails("away".into()), What::Refuses("no".into())] {
            assert!(test.take(kind, what).touched.is_empty());
            assert!(test.state.fault().is_some() && test.state.reading().is_whole());
            assert!(!test.aspect("x").is_null());
        }
        test.take(kind, What::Works);
        assert_eq!(test.state.fault(), None);
    }
}
