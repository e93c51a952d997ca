//! What is shown of an entity's objects: the aspect.

use std::collections::BTreeMap;

use model::reference::EntityRef;
use serde_json::{Map, Value, json};

use super::State;
use crate::kinds::Kind;
use crate::map::{Item, Release, last_run};

/// Objects that an aspect shows at the most, and bytes of them; of more it says how many there are.
const OBJECTS_MAX: usize = 500;
const BYTES_MAX: usize = 512 * 1024;

impl State {
    fn of<'a>(&'a self, entity: &EntityRef) -> impl Iterator<Item = &'a Item> {
        let places = self.members.get(entity).into_iter().flatten();
        places.filter_map(|place| self.items.get(place))
    }

    /// The aspect of an entity, of its objects in the order of their places.
    pub(crate) fn aspect(&self, entity: &EntityRef) -> Option<Map<String, Value>> {
        let mut lists: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        let mut releases = BTreeMap::new();
        let (mut shown, mut bytes, mut more) = (0_usize, 0_usize, 0_usize);
        for item in self.of(entity) {
            if let Some(release @ Release { namespace, name, .. }) = &item.release {
                releases.insert((namespace, name), release);
            }
            let Some(list) = item.place.0.shown_as() else { continue };
            bytes += item.bytes();
            if shown == OBJECTS_MAX || bytes > BYTES_MAX {
                more += 1;
                continue;
            }
            shown += 1;
            let mut value = item.value();
            let is_plan = item.place.0 == Kind::CronJob;
            let last = is_plan.then(|| last_run(&item.routine, self.runs.of(&item.place)));
            value.extend(last.flatten().map(|last| ("lastRun".to_owned(), last.value())));
            // Of a CronJob, what runs now.
            let runs = self.runs.of(&item.place).filter(|run| run.ended.is_none());
            let owners = std::iter::once(&item.place).chain(runs.map(|run| &run.place));
            if let Some(summary) = self.pods.summary(owners) {
                bytes += summary.to_string().len();
                value.insert("pods".into(), summary);
            }
            lists.entry(list).or_default().push(Value::Object(value));
        }
        let releases = releases.into_values().take(OBJECTS_MAX);
        let releases: Vec<Value> = releases.filter_map(|release| self.release(release)).collect();
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
    fn release(&self, release: &Release) -> Option<Value> {
        let place = self.releases.revisions(release).next_back()?;
        let mut value: Map<String, Value> =
            serde_json::from_str(&self.items.get(place)?.steady).ok()?;
        value.insert("namespace".into(), json!(&*release.namespace));
        value.insert("name".into(), json!(&*release.name));
        Some(Value::Object(value))
    }

    /// Where it was read: the newest of an entity's objects.
    pub(crate) fn pointer(&self, entity: &EntityRef) -> Option<String> {
        // Versions are texts of digits most often; the longer one is the newer one.
        let newest = |of: &&Item| (of.resource_version.len(), of.resource_version.clone());
        self.of(entity).max_by_key(newest).map(|of| of.pointer(&self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Test, one, shop};
    use super::*;
    use crate::watch::What;

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
}
