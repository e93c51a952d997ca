//! What is known of a cluster, from what its watches tell.

use std::collections::{BTreeMap, BTreeSet};

use connector::Activity;
use serde_json::{Map, Value};

use crate::map::{Place, Workload, aspect};
use crate::object::Kind;
use crate::watch::What;

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
    /// Whose workloads changed.
    pub(crate) ids: BTreeSet<String>,
    pub(crate) deployed: Vec<Deployed>,
}

/// A cluster.
#[derive(Debug)]
pub(crate) struct State {
    name: String,
    listed: BTreeSet<Kind>,
    faults: BTreeMap<Kind, String>,
    workloads: BTreeMap<Place, Workload>,
    by_id: BTreeMap<String, BTreeSet<Place>>,
}

impl State {
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            listed: BTreeSet::new(),
            faults: BTreeMap::new(),
            workloads: BTreeMap::new(),
            by_id: BTreeMap::new(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether each kind was listed: only then is it known what an entity has.
    pub(crate) fn is_whole(&self) -> bool {
        self.listed.len() == Kind::ALL.len()
    }

    /// Whether each kind has said how it is.
    pub(crate) fn is_heard(&self) -> bool {
        Kind::ALL.iter().all(|kind| self.listed.contains(kind) || self.faults.contains_key(kind))
    }

    /// Why not all of it is read, if so: each reason once.
    pub(crate) fn fault(&self) -> Option<String> {
        let whys: BTreeSet<&String> = self.faults.values().collect();
        let whys: Vec<&str> = whys.into_iter().map(String::as_str).collect();
        (!whys.is_empty()).then(|| format!("the cluster `{}`: {}", self.name, whys.join("; ")))
    }

    /// Takes in what a watch tells.
    pub(crate) fn take(&mut self, kind: Kind, what: What) -> Effects {
        let mut effects = Effects::default();
        match what {
            What::Works => {
                self.faults.remove(&kind);
            }
            What::Fails(why) => {
                self.faults.insert(kind, why);
            }
            What::Listed(workloads) => {
                self.faults.remove(&kind);
                let there: BTreeSet<Place> = workloads.iter().map(|of| of.place.clone()).collect();
                let known = self.workloads.keys().filter(|place| place.0 == kind);
                let gone: Vec<Place> =
                    known.filter(|place| !there.contains(*place)).cloned().collect();
                gone.iter().for_each(|place| self.remove(place, &mut effects));
                workloads.into_iter().for_each(|of| self.put(of, &mut effects));
                self.listed.insert(kind);
            }
            What::Is(workload) => self.put(workload, &mut effects),
            What::IsNot(place) => self.remove(&place, &mut effects),
        }
        effects
    }

    fn put(&mut self, workload: Workload, effects: &mut Effects) {
        let place = workload.place.clone();
        let before = self.workloads.get(&place);
        if before == Some(&workload) {
            return;
        }
        let same = before.filter(|before| before.uid == workload.uid);
        let upgraded = same.is_some_and(|before| before.images != workload.images);
        if upgraded || same.is_none() {
            let activity = workload.deployed(&self.name, upgraded, false);
            let again = upgraded.then(|| workload.deployed(&self.name, true, true)).flatten();
            effects.deployed.extend(activity.map(|activity| Deployed { activity, again }));
        }
        if before.is_some_and(|before| before.id != workload.id) {
            self.remove(&place, effects);
        }
        effects.ids.insert(workload.id.clone());
        self.by_id.entry(workload.id.clone()).or_default().insert(place.clone());
        self.workloads.insert(place, workload);
    }

    fn remove(&mut self, place: &Place, effects: &mut Effects) {
        let Some(workload) = self.workloads.remove(place) else { return };
        if let Some(places) = self.by_id.get_mut(&workload.id) {
            places.remove(place);
            if places.is_empty() {
                self.by_id.remove(&workload.id);
            }
        }
        effects.ids.insert(workload.id);
    }

    fn of<'a>(&'a self, id: &str) -> impl Iterator<Item = &'a Workload> {
        let places = self.by_id.get(id).into_iter().flatten();
        places.filter_map(|place| self.workloads.get(place))
    }

    /// The aspect of whoever has this id.
    pub(crate) fn aspect(&self, id: &str) -> Option<Map<String, Value>> {
        aspect(&self.name, self.of(id))
    }

    /// The same without what is healthy or not.
    pub(crate) fn aspect_without_health(&self, id: &str) -> Option<Map<String, Value>> {
        let workloads: Vec<Workload> = self.of(id).map(Workload::without_health).collect();
        aspect(&self.name, workloads.iter())
    }

    /// Where it was read: the newest of its workloads.
    pub(crate) fn pointer(&self, id: &str) -> Option<String> {
        // Versions are texts of digits most often; the longer one is the newer one.
        let newest = |of: &&Workload| (of.resource_version.len(), of.resource_version.clone());
        self.of(id).max_by_key(newest).map(|of| of.pointer(&self.name))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ANNOTATION;
    use crate::map::workload;

    fn shop(name: &str, id: &str, image: &str, uid: &str) -> Workload {
        let object = json!({
            "metadata": {"name": name, "namespace": "n", "uid": uid, "labels": {ANNOTATION: id}},
            "spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}},
        });
        workload(Kind::Deployment, &serde_json::from_value(object).unwrap()).unwrap()
    }

    fn ids(effects: &Effects) -> Vec<&str> {
        effects.ids.iter().map(String::as_str).collect()
    }

    #[test]
    fn what_is_told_changes_who_it_is_about() {
        let kind = Kind::Deployment;
        let mut state = State::new("prod".into());
        let first = state.take(kind, What::Listed(vec![shop("a", "x", "i:1", "u")]));
        assert_eq!((ids(&first), first.deployed.len()), (vec!["x"], 1));
        assert!(!state.is_whole() && !state.is_heard());
        let same = state.take(kind, What::Is(shop("a", "x", "i:1", "u")));
        assert_eq!((ids(&same), same.deployed.len()), (vec![], 0));
        let upgraded = state.take(kind, What::Is(shop("a", "x", "i:2", "u")));
        assert_eq!(upgraded.deployed[0].activity.activity, "dev.cdevents.service.upgraded");
        let moved = state.take(kind, What::Is(shop("a", "y", "i:2", "u")));
        assert_eq!((ids(&moved), moved.deployed.len()), (vec!["x", "y"], 0));
        let anew = state.take(kind, What::Is(shop("a", "y", "i:2", "v")));
        assert_eq!(anew.deployed[0].activity.activity, "dev.cdevents.service.deployed");
        let relisted = state.take(kind, What::Listed(vec![shop("b", "z", "i:1", "w")]));
        assert_eq!(ids(&relisted), vec!["y", "z"]);
        assert_eq!((state.aspect("y"), state.aspect("z").is_some()), (None, true));
    }

    #[test]
    fn a_cluster_that_refuses_says_so_and_loses_nothing() {
        let mut state = State::new("prod".into());
        for kind in Kind::ALL {
            state.take(kind, What::Listed(Vec::new()));
        }
        state.take(Kind::Deployment, What::Is(shop("a", "x", "i:1", "u")));
        assert!(state.is_whole() && state.fault().is_none());
        for kind in Kind::ALL {
            assert!(ids(&state.take(kind, What::Fails("away".into()))).is_empty());
        }
        assert_eq!(state.fault().as_deref(), Some("the cluster `prod`: away"));
        assert!(state.is_whole() && state.aspect("x").is_some());
        for kind in Kind::ALL {
            state.take(kind, What::Works);
        }
        assert_eq!(state.fault(), None);
    }
}
