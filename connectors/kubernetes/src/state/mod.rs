//! What is known of a cluster, from what its watches tell.

mod aspect;
mod pods;
mod reading;
mod telling;

use std::collections::{BTreeMap, BTreeSet};

use connector::Whom;
use model::reference::EntityRef;

use crate::kinds::Kind;
use crate::map::{Happened, Item, Place, Release, Seen};
use crate::matching::Matching;
use crate::watch::{Told, What};

use pods::Pods;
pub(crate) use reading::Reading;
pub(crate) use telling::Deployed;
use telling::{activity, fresh, whom};

/// What follows from something told.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Whose objects changed, and whether that is more than health.
    pub(crate) touched: BTreeMap<EntityRef, bool>,
    pub(crate) deployed: Vec<Deployed>,
}

impl Effects {
    fn touch(&mut self, entities: impl IntoIterator<Item = EntityRef>, is_steady: bool) {
        for entity in entities {
            *self.touched.entry(entity).or_default() |= is_steady;
        }
    }
}

/// A cluster.
#[derive(Debug)]
pub(crate) struct State {
    name: String,
    reading: Reading,
    items: BTreeMap<Place, Item>,
    members: BTreeMap<EntityRef, BTreeSet<Place>>,
    pods: Pods,
    /// The revisions of releases.
    releases: BTreeMap<(Box<str>, Box<str>), BTreeMap<u64, Place>>,
}

impl State {
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            reading: Reading::default(),
            items: BTreeMap::new(),
            members: BTreeMap::new(),
            pods: Pods::default(),
            releases: BTreeMap::new(),
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
        let place = |seen: &Seen| match seen {
            Seen::Item(item) => item.place.clone(),
            Seen::Pod(pod) => pod.place.clone(),
        };
        let there: BTreeSet<Place> = seen.iter().map(place).collect();
        let begin: Place = (kind, Box::default(), Box::default());
        let items = self.items.range(begin..).map(|(place, _)| place);
        let items = items.take_while(|place| place.0 == kind);
        let pods = (kind == Kind::Pod).then(|| self.pods.places()).into_iter().flatten();
        let known = items.chain(pods).filter(|place| !there.contains(*place));
        let gone: Vec<Place> = known.cloned().collect();
        gone.iter().for_each(|place| self.remove(place, matching, effects));
        seen.into_iter().for_each(|of| self.put(of, matching, effects));
    }

    fn put(&mut self, seen: Seen, matching: &Matching, effects: &mut Effects) {
        let item = match seen {
            Seen::Item(item) => *item,
            Seen::Pod(pod) => {
                for changed in self.pods.put(pod) {
                    self.touch_owner(&changed.owner, changed.is_steady, matching, effects);
                }
                return;
            }
        };
        let entities = matching.of(&self.name, &item.tags);
        let before = self.items.get(&item.place);
        if let Some(before) = before.filter(|before| before.is_same(&item)) {
            let version = item.resource_version.clone();
            if before.resource_version != version
                && let Some(known) = self.items.get_mut(&item.place)
            {
                known.resource_version = version;
                known.generation = item.generation;
            }
            return;
        }
        let is_steady = before.is_none_or(|before| {
            (&before.steady, &before.tags, &before.uid) != (&item.steady, &item.tags, &item.uid)
        });
        let known = before.map(|before| matching.of(&self.name, &before.tags)).unwrap_or_default();
        let fresh = fresh(before, &item);
        for whom in whom(&item, &entities, matching) {
            // Whoever the object belongs to only now is told what stands already.
            let all = matches!(&whom, Whom::Entity(entity) if !known.contains(entity));
            let happened = if all { &item.happened } else { &fresh };
            let said = |of: &Happened, again| activity(&self.name, &item, of, again, whom.clone());
            effects.deployed.extend(happened.iter().map(|of| Deployed {
                activity: said(of, false),
                again: (of.what == "service.upgraded").then(|| said(of, true)),
            }));
        }
        if before.is_some_and(|before| before.tags != item.tags || before.release != item.release) {
            self.remove(&item.place.clone(), matching, effects);
        }
        self.touch_release(item.release.as_ref(), matching, effects);
        effects.touch(entities.iter().cloned(), is_steady);
        for entity in entities {
            self.members.entry(entity).or_default().insert(item.place.clone());
        }
        if let Some(Release { namespace, name, revision }) = &item.release
            && item.place.0 == Kind::Release
        {
            let revisions = self.releases.entry((namespace.clone(), name.clone())).or_default();
            revisions.insert(*revision, item.place.clone());
        }
        self.items.insert(item.place.clone(), item);
    }

    fn remove(&mut self, place: &Place, matching: &Matching, effects: &mut Effects) {
        if let Some(changed) = self.pods.remove(place) {
            self.touch_owner(&changed.owner, changed.is_steady, matching, effects);
        }
        let Some(item) = self.items.remove(place) else { return };
        for entity in matching.of(&self.name, &item.tags) {
            if let Some(places) = self.members.get_mut(&entity) {
                places.remove(place);
                if places.is_empty() {
                    self.members.remove(&entity);
                }
            }
            effects.touch([entity], true);
        }
        self.touch_release(item.release.as_ref(), matching, effects);
        if let Some(Release { namespace, name, revision }) = item.release
            && place.0 == Kind::Release
        {
            let release = (namespace, name);
            if let Some(revisions) = self.releases.get_mut(&release) {
                revisions.remove(&revision);
                if revisions.is_empty() {
                    self.releases.remove(&release);
                }
            }
        }
    }

    /// The pods of a workload changed.
    fn touch_owner(&self, owner: &Place, steady: bool, matching: &Matching, effects: &mut Effects) {
        if let Some(item) = self.items.get(owner) {
            effects.touch(matching.of(&self.name, &item.tags), steady);
        }
    }

    /// A revision of a release came or went; whose workloads belong to it shows it.
    fn touch_release(&self, of: Option<&Release>, matching: &Matching, effects: &mut Effects) {
        let Some(of) = of.filter(|of| of.revision > 0) else { return };
        let is_of =
            |release: &Release| (&release.namespace, &release.name) == (&of.namespace, &of.name);
        for item in self.items.values().filter(|item| item.release.as_ref().is_some_and(is_of)) {
            effects.touch(matching.of(&self.name, &item.tags), true);
        }
    }

    /// These entities say something else of their objects now.
    pub(crate) fn rematch(
        &mut self,
        changed: &BTreeSet<EntityRef>,
        matching: &Matching,
    ) -> Effects {
        let mut effects = Effects::default();
        for entity in changed {
            self.members.remove(entity);
        }
        let few = matching.only(changed);
        for item in self.items.values() {
            for entity in few.of(&self.name, &item.tags) {
                // What is said to the id is found by whoever has the id.
                if !matching.is_plain(&entity) {
                    let whom = Whom::Entity(entity.clone());
                    effects.deployed.extend(item.happened.iter().map(|of| Deployed {
                        activity: activity(&self.name, item, of, false, whom.clone()),
                        again: None,
                    }));
                }
                self.members.entry(entity).or_default().insert(item.place.clone());
            }
        }
        effects.touch(changed.iter().cloned(), true);
        effects
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::ANNOTATION;
    use crate::kinds::Watched;
    use crate::map::seen;
    use crate::matching::Selection;

    /// A cluster that is watched for these kinds, and entities that say these things.
    pub(crate) struct Test {
        state: State,
        matching: Matching,
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

    pub(crate) fn touched(effects: &Effects) -> Vec<(&str, bool)> {
        let each = effects.touched.iter();
        each.map(|(of, steady)| (&of.as_str()["component:default/".len()..], *steady)).collect()
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
            (vec![("x", true)], vec!["service.deployed x".into()])
        );
        let same = test.is(kind, shop("a", "x", "i:1", "u"));
        assert_eq!((touched(&same), told(&same)), (vec![], vec![]));
        let upgraded = test.is(kind, shop("a", "x", "i:2", "u"));
        assert_eq!(told(&upgraded), ["service.upgraded x"]);
        let again = upgraded.deployed[0].again.as_ref().unwrap();
        assert_eq!(again.key, format!("{}@7", upgraded.deployed[0].activity.key));
        let moved = test.is(kind, shop("a", "y", "i:2", "u"));
        assert_eq!((touched(&moved), told(&moved)), (vec![("x", true), ("y", true)], vec![]));
        let anew = test.is(kind, shop("a", "y", "i:2", "v"));
        assert_eq!(told(&anew), ["service.deployed y"]);
        let relisted = test.take(kind, What::Listed(vec![one(kind, shop("b", "z", "i:1", "w"))]));
        assert_eq!(touched(&relisted), [("b", true), ("y", true), ("z", true)]);
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
                (vec![("e", true)], expected),
                "{said}"
            );
            assert_eq!(!test.aspect("e").is_null(), shows, "{said}");
        }
        let effects = test.state.rematch(&[entity("e")].into(), &Matching::default());
        assert_eq!((touched(&effects), test.aspect("e")), (vec![("e", true)], Value::Null));
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
        assert_eq!(touched(&test.is(Kind::Pod, pod("x"))), [("x", true)]);
        assert_eq!(touched(&test.is(Kind::Pod, pod("CrashLoopBackOff"))), [("x", false)]);
        let summary = &test.aspect("x")["workloads"][0]["pods"];
        assert_eq!(summary["waiting"], json!({"CrashLoopBackOff": 1}));
        assert_eq!(summary["running"][0]["digest"], "sha256:1");

        let revision = |number: u32| {
            json!({"metadata": {"name": format!("r.v{number}"),
            "namespace": "n", "labels": {"name": "r", "version": number.to_string(),
                "owner": "helm", "status": "deployed"}}})
        };
        for number in [9, 10] {
            assert_eq!(touched(&test.is(Kind::Release, revision(number))), [("x", true)]);
        }
        let expected =
            json!([{"namespace": "n", "name": "r", "revision": 10, "status": "deployed"}]);
        assert_eq!(test.aspect("x")["releases"], expected);
        let gone = test.take(Kind::Release, What::Listed(vec![one(Kind::Release, revision(9))]));
        assert_eq!(touched(&gone), [("x", true)]);
        assert_eq!(test.aspect("x")["releases"][0]["revision"], 9);
        let gone = test.take(Kind::Pod, What::Listed(Vec::new()));
        assert_eq!(
            (touched(&gone), test.aspect("x")["workloads"][0].get("pods")),
            (vec![("x", false)], None)
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
