//! What is known of a cluster, from what its watches tell.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use connector::{Activity, Whom};
use event::vocabulary::About;
use model::reference::EntityRef;
use serde_json::{Map, Value, json};

use crate::ANNOTATION;
use crate::kinds::Kind;
use crate::map::{Happened, Item, Place, Release, Seen};
use crate::matching::Matching;
use crate::pods::Pods;
use crate::watch::{Told, What};

/// Objects that an aspect shows at the most, and bytes of them; of more it says how many there are.
const OBJECTS_MAX: usize = 500;
const BYTES_MAX: usize = 512 * 1024;

/// An activity to be said, and what it is where it turns out to be known: a return to images that
/// were there before.
#[derive(Debug)]
pub(crate) struct Deployed {
    pub(crate) activity: Activity,
    pub(crate) again: Option<Activity>,
}

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

/// Why something is not read.
#[derive(Debug)]
enum Trouble {
    Fails(String),
    /// It is not allowed; what the cluster says.
    Refused(String),
}

/// A cluster.
#[derive(Debug)]
pub(crate) struct State {
    name: String,
    /// What is watched, once that is known.
    wanted: Option<BTreeSet<Arc<str>>>,
    listed: BTreeSet<Arc<str>>,
    faults: BTreeMap<Arc<str>, Trouble>,
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
            wanted: None,
            listed: BTreeSet::new(),
            faults: BTreeMap::new(),
            items: BTreeMap::new(),
            members: BTreeMap::new(),
            pods: Pods::default(),
            releases: BTreeMap::new(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether all that is watched was listed: only then is it known what an entity has.
    pub(crate) fn is_whole(&self) -> bool {
        self.wanted.as_ref().is_some_and(|wanted| wanted.is_subset(&self.listed))
    }

    /// Whether all that is watched has said how it is.
    pub(crate) fn is_heard(&self) -> bool {
        let is_heard = |of| self.listed.contains(of) || self.faults.contains_key(of);
        match &self.wanted {
            Some(wanted) => wanted.iter().all(is_heard),
            None => !self.faults.is_empty(),
        }
    }

    /// Why not all of it is read, if so: each reason once, and all rights that are missing.
    pub(crate) fn fault(&self) -> Option<String> {
        let mut whys: BTreeSet<String> = BTreeSet::new();
        let (mut refused, mut says) = (Vec::new(), None);
        for (of, trouble) in &self.faults {
            match trouble {
                Trouble::Fails(why) => {
                    whys.insert(why.clone());
                }
                Trouble::Refused(message) => {
                    refused.push(&**of);
                    says.get_or_insert(message);
                }
            }
        }
        if let Some(says) = says {
            let of = refused.join(", ");
            whys.insert(format!("{of} may not be listed and watched in all namespaces: {says}"));
        }
        let whys: Vec<String> = whys.into_iter().collect();
        (!whys.is_empty()).then(|| format!("the cluster `{}`: {}", self.name, whys.join("; ")))
    }

    /// Takes in what is told.
    pub(crate) fn take(&mut self, told: Told, matching: &Matching) -> Effects {
        let mut effects = Effects::default();
        let Told { of, kind, what, .. } = told;
        match what {
            What::Watched(all) => {
                self.faults.retain(|of, _| all.contains(of));
                self.listed.retain(|of| all.contains(of));
                self.wanted = Some(all);
            }
            What::Works => {
                self.faults.remove(&of);
            }
            What::Fails(why) => {
                self.faults.insert(of, Trouble::Fails(why));
            }
            What::Refuses(message) => {
                self.faults.insert(of, Trouble::Refused(message));
            }
            What::Listed(seen) => {
                self.faults.remove(&of);
                self.list(kind, seen, matching, &mut effects);
                self.listed.insert(of);
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

    fn of<'a>(&'a self, entity: &EntityRef) -> impl Iterator<Item = &'a Item> {
        let places = self.members.get(entity).into_iter().flatten();
        places.filter_map(|place| self.items.get(place))
    }

    /// The aspect of an entity, of its objects in the order of their places.
    pub(crate) fn aspect(&self, entity: &EntityRef) -> Option<Map<String, Value>> {
        let mut lists: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        let mut releases = BTreeSet::new();
        let (mut shown, mut bytes, mut more) = (0_usize, 0_usize, 0_usize);
        for item in self.of(entity) {
            if let Some(Release { namespace, name, .. }) = &item.release {
                releases.insert((namespace.clone(), name.clone()));
            }
            let Some(list) = item.place.0.shown_as() else { continue };
            bytes += item.bytes();
            if shown == OBJECTS_MAX || bytes > BYTES_MAX {
                more += 1;
                continue;
            }
            shown += 1;
            let mut value = item.value();
            if let Some(summary) = self.pods.summary(&item.place) {
                bytes += summary.to_string().len();
                value.insert("pods".into(), summary);
            }
            lists.entry(list).or_default().push(Value::Object(value));
        }
        let releases = releases.into_iter().take(OBJECTS_MAX);
        let releases: Vec<Value> = releases.filter_map(|release| self.release(&release)).collect();
        if lists.is_empty() && releases.is_empty() {
            return None;
        }
        let mut aspect = Map::new();
        aspect.insert("cluster".into(), json!(self.name));
        aspect.extend(lists.into_iter().map(|(name, list)| (name.to_owned(), list.into())));
        if !releases.is_empty() {
            aspect.insert("releases".into(), releases.into());
        }
        if more > 0 {
            aspect.insert("more".into(), json!(more));
        }
        Some(aspect)
    }

    /// The last revision of a release.
    fn release(&self, release: &(Box<str>, Box<str>)) -> Option<Value> {
        let (_, place) = self.releases.get(release)?.last_key_value()?;
        let mut value: Map<String, Value> =
            serde_json::from_str(&self.items.get(place)?.steady).ok()?;
        value.insert("namespace".into(), json!(&*release.0));
        value.insert("name".into(), json!(&*release.1));
        Some(Value::Object(value))
    }

    /// Where it was read: the newest of an entity's objects.
    pub(crate) fn pointer(&self, entity: &EntityRef) -> Option<String> {
        // Versions are texts of digits most often; the longer one is the newer one.
        let newest = |of: &&Item| (of.resource_version.len(), of.resource_version.clone());
        self.of(entity).max_by_key(newest).map(|of| of.pointer(&self.name))
    }
}

/// What happened that had not happened to what stood there before.
fn fresh(before: Option<&Item>, item: &Item) -> Vec<Happened> {
    let same = before.filter(|before| before.uid == item.uid);
    let known = |of: &&Happened| {
        !same.is_some_and(|before| before.happened.iter().any(|known| known.key == of.key))
    };
    let upgraded = |of: &Happened| {
        let is_another = same.is_some() && item.place.0.serves();
        Happened { what: if is_another { "service.upgraded" } else { of.what }, ..of.clone() }
    };
    item.happened.iter().filter(known).map(upgraded).collect()
}

/// To whom it is said: to whoever has the id, now or later, and to each that is matched otherwise.
fn whom(item: &Item, entities: &BTreeSet<EntityRef>, matching: &Matching) -> Vec<Whom> {
    let id = item.tags.id.as_deref().filter(|id| matching.is_plain_id(id));
    let annotated = id.map(|id| About { annotation: ANNOTATION.into(), value: id.to_owned() });
    let is_left = |entity: &&EntityRef| id.is_none() || !matching.is_plain(entity);
    let others = entities.iter().filter(is_left).cloned().map(Whom::Entity);
    annotated.map(Whom::Annotated).into_iter().chain(others).collect()
}

/// Something that happened, as it is said; `again` tells a return to what was before from the
/// first time.
fn activity(cluster: &str, item: &Item, of: &Happened, again: bool, whom: Whom) -> Activity {
    let (_, namespace, name) = &item.place;
    let mut value = Map::new();
    value.insert("environment".into(), json!(cluster));
    value.insert("kind".into(), json!(&*item.name));
    value.insert("namespace".into(), json!(&**namespace));
    value.insert("name".into(), json!(&**name));
    let more: Map<String, Value> = serde_json::from_str(&of.value).unwrap_or_default();
    value.extend(more);
    let mut key = format!("{cluster}/{}", of.key);
    if again {
        key.push_str(&format!("@{}", item.generation));
    }
    if let Whom::Entity(entity) = &whom {
        key.push_str(&format!(" {entity}"));
    }
    Activity {
        activity: format!("dev.cdevents.{}", of.what),
        key,
        whom,
        value,
        pointer: Some(item.pointer(cluster)),
        time: of.time,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Watched;
    use crate::map::seen;
    use crate::matching::Selection;

    /// A cluster that is watched for these kinds, and entities that say these things.
    struct Test {
        state: State,
        matching: Matching,
    }

    fn entity(name: &str) -> EntityRef {
        EntityRef::canonical(&format!("component:default/{name}")).unwrap()
    }

    fn matching(said: &[(&str, &str)]) -> Matching {
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
        fn new(said: &[(&str, &str)]) -> Self {
            Self { state: State::new("prod".into()), matching: matching(said) }
        }

        fn take(&mut self, kind: Kind, what: What) -> Effects {
            let of = Watched::known(kind).unwrap().resource;
            self.state.take(Told { cluster: 0, of, kind, what }, &self.matching)
        }

        fn is(&mut self, kind: Kind, object: Value) -> Effects {
            self.take(kind, What::Is(Box::new(one(kind, object))))
        }

        fn aspect(&self, name: &str) -> Value {
            self.state.aspect(&entity(name)).map(Value::Object).unwrap_or_default()
        }
    }

    fn one(kind: Kind, object: Value) -> Seen {
        let object = serde_json::from_value(object).unwrap();
        seen(&Watched::known(kind).unwrap(), &object).unwrap()
    }

    fn shop(name: &str, id: &str, image: &str, uid: &str) -> Value {
        json!({
            "metadata": {"name": name, "namespace": "n", "uid": uid, "generation": 7,
                "resourceVersion": image, "labels": {ANNOTATION: id, "app": name}},
            "spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}},
        })
    }

    fn touched(effects: &Effects) -> Vec<(&str, bool)> {
        let each = effects.touched.iter();
        each.map(|(of, steady)| (&of.as_str()["component:default/".len()..], *steady)).collect()
    }

    fn told(effects: &Effects) -> Vec<String> {
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
    fn what_is_very_large_is_counted() {
        let mut test = Test::new(&[("x", "x")]);
        let many =
            (0..OBJECTS_MAX + 3).map(|n| one(Kind::Job, shop(&format!("a{n}"), "x", "i", "u")));
        test.take(Kind::Job, What::Listed(many.collect()));
        let aspect = test.aspect("x");
        assert_eq!(aspect["workloads"].as_array().map(Vec::len), Some(OBJECTS_MAX));
        assert_eq!(aspect["more"], 3);
        let images: Vec<Value> =
            (0..50).map(|n| json!({"name": format!("c{n}"), "image": "i".repeat(500)})).collect();
        let large = (0..100).map(|n| {
            let mut job = shop(&format!("a{n}"), "x", "i", "u");
            job["spec"]["template"]["spec"]["containers"] = json!(images);
            one(Kind::Job, job)
        });
        test.take(Kind::Job, What::Listed(large.collect()));
        let aspect = test.aspect("x");
        assert!(aspect.to_string().len() < BYTES_MAX * 2 && aspect["more"].as_u64() > Some(10));
    }

    #[test]
    fn a_cluster_that_refuses_says_so_and_loses_nothing() {
        let kinds = [Kind::Deployment, Kind::Pod];
        let resources = kinds.map(|kind| Watched::known(kind).unwrap().resource);
        let mut test = Test::new(&[("x", "x")]);
        assert!(!test.state.is_whole() && !test.state.is_heard());
        test.take(kinds[0], What::Watched(resources.into()));
        test.take(kinds[0], What::Listed(Vec::new()));
        assert!(!test.state.is_whole() && !test.state.is_heard());
        test.take(kinds[1], What::Listed(Vec::new()));
        test.is(kinds[0], shop("a", "x", "i:1", "u"));
        assert!(test.state.is_whole() && test.state.is_heard() && test.state.fault().is_none());
        for kind in kinds {
            assert!(test.take(kind, What::Fails("away".into())).touched.is_empty());
        }
        assert_eq!(test.state.fault().as_deref(), Some("the cluster `prod`: away"));
        assert!(test.state.is_whole() && !test.aspect("x").is_null());
        for kind in kinds {
            test.take(kind, What::Refuses("no".into()));
        }
        let refused = "deployments.apps, pods may not be listed and watched in all namespaces: no";
        assert_eq!(test.state.fault(), Some(format!("the cluster `prod`: {refused}")));
        for kind in kinds {
            test.take(kind, What::Works);
        }
        assert_eq!(test.state.fault(), None);
        // What is watched from now on is waited for.
        let more = ["deployments.apps", "pods", "x"].map(Arc::from);
        test.take(kinds[0], What::Watched(more.into()));
        assert!(!test.state.is_whole());
    }
}
