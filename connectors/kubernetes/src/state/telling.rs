//! What happened to objects, as activities: what of it is new, and to whom it is said.

use std::collections::{BTreeMap, BTreeSet};

use connector::{Activity, Whom};
use event::vocabulary::About;
use model::reference::EntityRef;
use serde_json::{Map, Value, json};

use super::State;
use crate::ANNOTATION;
use crate::kinds::Kind;
use crate::map::{Happened, Item, Place, removed};
use crate::matching::Matching;

/// An activity to be said, and what it is where it turns out to be known: a return to images that
/// were there before.
#[derive(Debug)]
pub(crate) struct Deployed {
    pub(crate) activity: Activity,
    pub(crate) again: Option<Activity>,
}

/// To whom an object belonged before it changed.
#[derive(Debug, Default)]
pub(super) struct Before {
    pub(super) owners: BTreeSet<EntityRef>,
    /// Whether it said whose it is.
    pub(super) is_labelled: bool,
    /// Whether it belonged to the release that it belongs to now.
    pub(super) is_of_release: bool,
}

impl Before {
    /// Whether what stands already was not said to them.
    fn is_new(&self, whom: &Whom) -> bool {
        match whom {
            Whom::Entity(entity) => !self.owners.contains(entity),
            Whom::Annotated(_) => !self.is_labelled,
        }
    }
}

impl State {
    /// What is said of an object that changed: what is fresh, and to whoever it belongs to only
    /// now, all that stands.
    pub(super) fn tell(
        &mut self,
        place: &Place,
        fresh: &[Happened],
        before: &Before,
        matching: &Matching,
    ) -> Vec<Deployed> {
        let Some(item) = self.items.get(place) else { return Vec::new() };
        if place.0 == Kind::Release {
            return self.tell_release(place, fresh, matching);
        }
        let mut told = Vec::new();
        for whom in whom(item, self.owners_of(place), matching) {
            let is_new = before.is_new(&whom);
            let happened = if is_new { &item.happened } else { fresh };
            let said = |of: &Happened, again| activity(&self.name, item, of, again, &whom);
            told.extend(happened.iter().map(|of| Deployed {
                activity: said(of, false),
                again: (of.what == "service.upgraded").then(|| said(of, true)),
            }));
            if is_new || !before.is_of_release {
                told.extend(self.releases_of(item, &whom));
            }
        }
        told
    }

    /// What is said of everything where nothing was said before.
    pub(crate) fn tell_all(&mut self, matching: &Matching) -> Vec<Deployed> {
        let places: Vec<Place> = self.items.keys().cloned().collect();
        let of = |place| {
            let fresh = self.items.get(place).map(|of| of.happened.clone()).unwrap_or_default();
            self.tell(place, &fresh, &Before::default(), matching)
        };
        places.iter().flat_map(of).collect()
    }

    /// What is said of an object to entities that it belongs to since they say so.
    pub(super) fn tell_found(
        &self,
        item: &Item,
        found: &BTreeSet<EntityRef>,
        matching: &Matching,
    ) -> Vec<Deployed> {
        // What is said to the id is found by whoever has the id.
        let others = whom(item, found, matching).into_iter();
        let others = others.filter(|whom| matches!(whom, Whom::Entity(_)));
        let each = others.flat_map(|whom| {
            let own = item.happened.iter().map(|of| plain(&self.name, item, of, &whom));
            own.chain(self.releases_of(item, &whom)).collect::<Vec<_>>()
        });
        each.collect()
    }

    /// What is said of a revision of a release: to whom it, and what the release made, belongs.
    fn tell_release(
        &mut self,
        place: &Place,
        fresh: &[Happened],
        matching: &Matching,
    ) -> Vec<Deployed> {
        let Some(item) = self.items.get(place) else { return Vec::new() };
        let Some(release) = &item.release else { return Vec::new() };
        let mut all: BTreeMap<String, Whom> = BTreeMap::new();
        for of in std::iter::once(place).chain(self.releases.workloads(release)) {
            let known = self.items.get(of).into_iter();
            let known = known.flat_map(|item| whom(item, self.owners_of(of), matching));
            all.extend(known.map(|whom| (to(&whom), whom)));
        }
        let all: Vec<Whom> = all.into_values().collect();
        let leaving = self.releases.leaving(release);
        let gone = fresh.iter().filter(|of| of.what == "service.removed");
        let told = gone.flat_map(|of| leaving.iter().map(move |whom| (of, whom)));
        let told = told.chain(fresh.iter().flat_map(|of| all.iter().map(move |whom| (of, whom))));
        let told = told.map(|(of, whom)| plain(&self.name, item, of, whom)).collect();
        if status(item).as_deref() == Some("uninstalling") {
            self.releases.leaves(&release.clone(), all);
        }
        told
    }

    /// What is said where an object is no more.
    pub(super) fn tell_end(&self, item: &Item) -> Vec<Deployed> {
        let release = item.release.as_ref().filter(|_| item.place.0 == Kind::Release);
        let Some(release) = release else { return Vec::new() };
        if status(item).as_deref() != Some("uninstalling") {
            return Vec::new();
        }
        let happened = removed(&item.uid, release);
        let leaving = self.releases.leaving(release).iter();
        leaving.map(|whom| plain(&self.name, item, &happened, whom)).collect()
    }

    /// What stands of the release that an object belongs to.
    fn releases_of(&self, item: &Item, whom: &Whom) -> Vec<Deployed> {
        let release = item.release.as_ref().filter(|_| item.place.0 != Kind::Release);
        let revisions = release.into_iter().flat_map(|of| self.releases.revisions(of));
        let revisions = revisions.filter_map(|place| self.items.get(place));
        let told = revisions.flat_map(|revision| {
            revision.happened.iter().map(move |of| plain(&self.name, revision, of, whom))
        });
        told.collect()
    }
}

/// The status of a revision of a release.
fn status(item: &Item) -> Option<String> {
    let shown: Value = serde_json::from_str(&item.steady).ok()?;
    shown.get("status")?.as_str().map(str::to_owned)
}

/// What happened that had not happened to what stood there before.
pub(super) fn fresh(before: Option<&Item>, item: &Item) -> Vec<Happened> {
    let same = before.filter(|before| before.uid == item.uid);
    let known = |of: &&Happened| {
        !same.is_some_and(|before| before.happened.iter().any(|known| known.key == of.key))
    };
    let returns = || same.and_then(status).as_deref() == Some("pending-rollback");
    let what = |of: &Happened| match of.what {
        what if item.place.0.serves() && same.is_some() => match what {
            "service.deployed" => "service.upgraded",
            other => other,
        },
        "service.upgraded" if item.place.0 == Kind::Release && returns() => "service.rolledback",
        what => what,
    };
    let told = |of: &Happened| Happened { what: what(of), ..of.clone() };
    item.happened.iter().filter(known).map(told).collect()
}

/// To whom it is said: to whoever has the id, now or later, and to each that is matched otherwise.
fn whom(item: &Item, entities: &BTreeSet<EntityRef>, matching: &Matching) -> Vec<Whom> {
    let id = item.tags.id.as_deref().filter(|id| matching.is_plain_id(id));
    let annotated = id.map(|id| About { annotation: ANNOTATION.into(), value: id.to_owned() });
    let is_left = |entity: &&EntityRef| id.is_none() || !matching.is_plain(entity);
    let others = entities.iter().filter(is_left).cloned().map(Whom::Entity);
    annotated.map(Whom::Annotated).into_iter().chain(others).collect()
}

/// Something that happened, which can't happen again.
fn plain(cluster: &str, item: &Item, of: &Happened, whom: &Whom) -> Deployed {
    Deployed { activity: activity(cluster, item, of, false, whom), again: None }
}

/// To whom something is said, in keys.
fn to(whom: &Whom) -> String {
    match whom {
        Whom::Entity(entity) => format!(" {entity}"),
        // References of entities have no spaces.
        Whom::Annotated(About { value, .. }) => format!(" id {value}"),
    }
}

/// Something that happened, as it is said; `again` tells a return to what was before from the
/// first time.
fn activity(cluster: &str, item: &Item, of: &Happened, again: bool, whom: &Whom) -> Activity {
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
    // An object says one id; what a release made may say several.
    if matches!(whom, Whom::Entity(_)) || item.place.0 == Kind::Release {
        key.push_str(&to(whom));
    }
    Activity {
        activity: format!("dev.cdevents.{}", of.what),
        key,
        whom: whom.clone(),
        value,
        pointer: Some(item.pointer(cluster)),
        time: of.time,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Effects;
    use super::super::tests::{Test, entity, matching, shop, told};
    use super::*;
    use crate::watch::What;

    /// A workload that the release `r` made.
    fn workload(name: &str, id: &str) -> Value {
        let mut workload = shop(name, id, "i:1", name);
        workload["metadata"]["annotations"] = json!({"meta.helm.sh/release-name": "r"});
        workload
    }

    /// A revision of the release `r`.
    fn secret(revision: u32, status: &str) -> Value {
        let labels = json!({"owner": "helm", "name": "r", "version": revision.to_string(),
            "status": status, "modifiedAt": "1767225600"});
        let name = format!("sh.helm.release.v1.r.v{revision}");
        json!({"metadata": {"namespace": "n", "name": name, "uid": format!("u{revision}"),
            "labels": labels}})
    }

    fn keys(effects: &Effects) -> Vec<&str> {
        effects.deployed.iter().map(|of| of.activity.key.as_str()).collect()
    }

    #[test]
    fn revisions_of_a_release_are_told_by_their_status() {
        let mut test = Test::new(&[("x", "x")]);
        test.is(Kind::Deployment, workload("a", "x"));
        for (revision, status, expected) in [
            (1, "pending-install", None),
            (1, "deployed", Some("service.deployed x")),
            (1, "deployed", None),
            (2, "pending-upgrade", None),
            (1, "superseded", None),
            (2, "deployed", Some("service.upgraded x")),
            (3, "pending-rollback", None),
            (3, "deployed", Some("service.rolledback x")),
            (4, "pending-upgrade", None),
            (4, "failed", Some("taskrun.finished x")),
            (5, "deployed", Some("service.upgraded x")),
            (5, "uninstalling", None),
        ] {
            let effects = test.is(Kind::Release, secret(revision, status));
            let expected: Vec<&str> = expected.into_iter().collect();
            assert_eq!(told(&effects), expected, "{revision} {status}");
        }
        // What it made goes first, and then what Helm kept of it.
        test.take(Kind::Deployment, What::Listed(Vec::new()));
        let gone = test.take(Kind::Release, What::Listed(Vec::new()));
        assert_eq!(told(&gone), ["service.removed x"]);
        let Activity { key, value, pointer, .. } = &gone.deployed[0].activity;
        assert_eq!(key, "prod/u5/removed id x");
        let expected = json!({"environment": "prod", "kind": "Release", "namespace": "n",
            "name": "r", "revision": 5});
        assert_eq!(Value::Object(value.clone()), expected);
        let secret = "prod Secret n/sh.helm.release.v1.r.v5 resourceVersion ";
        assert_eq!(pointer.as_deref(), Some(secret));
    }

    #[test]
    fn a_release_is_told_to_all_whose_workloads_it_made() {
        let said = [("x", "x"), ("y", "labels:app=b")];
        let expected = ["prod/u1/deployed id x", "prod/u1/deployed component:default/y"];
        let mut objects = vec![
            (Kind::Release, secret(1, "deployed")),
            (Kind::Deployment, workload("a", "x")),
            (Kind::StatefulSet, workload("c", "x")),
            (Kind::Deployment, workload("b", "")),
        ];
        // In whatever order they come, now and in another life, it is known by the same keys.
        for _ in 0..2 {
            let mut test = Test::new(&said);
            let mut all = BTreeSet::new();
            for (kind, object) in &objects {
                let effects = test.is(*kind, object.clone());
                let of_release = keys(&effects).into_iter().filter(|key| key.contains("/u1/"));
                all.extend(of_release.map(str::to_owned));
            }
            let all: Vec<String> = all.into_iter().rev().collect();
            assert_eq!(all, expected);
            let again = test.state.tell_all(&test.matching);
            let again = again.iter().filter(|of| of.activity.key.contains("/u1/"));
            let again: BTreeSet<&str> = again.map(|of| of.activity.key.as_str()).collect();
            assert_eq!(again.into_iter().rev().collect::<Vec<_>>(), expected);
            // Whoever selects a workload only now is told, too.
            let before = std::mem::replace(&mut test.matching, matching(&[("z", "labels:app=c")]));
            let changed = test.matching.differing(&before);
            let effects = test.state.rematch(&changed, &test.matching);
            let key = "prod/u1/deployed component:default/z";
            assert!(keys(&effects).contains(&key), "{effects:?}");
            objects.reverse();
        }
    }

    #[test]
    fn what_is_labelled_later_is_told_then() {
        let mut test = Test::new(&[("x", "x"), ("y", "y")]);
        let kind = Kind::Deployment;
        assert_eq!(told(&test.is(kind, shop("a", "", "i:1", "u"))), Vec::<String>::new());
        assert_eq!(told(&test.is(kind, shop("a", "x", "i:1", "u"))), ["service.deployed x"]);
        // An id of which some say more than the id is said to each that has the object.
        test.matching = matching(&[("x", "x"), ("y", "n:x"), ("z", "m:x")]);
        let changed = [entity("y"), entity("z")].into();
        let effects = test.state.rematch(&changed, &test.matching);
        assert_eq!(told(&effects), ["service.deployed component:default/y"]);
        let effects = test.state.rematch(&[entity("x")].into(), &test.matching);
        assert_eq!(told(&effects), ["service.deployed component:default/x"]);
    }
}
