//! The pods of workloads, summed up as they come and go.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::map::{Owner, Place, Pod, Running, coarse};

/// Things that run in the pods of one workload, and are shown; and reasons why they wait.
const SHOWN_MAX: usize = 20;

/// The pods of a cluster that belong to workloads.
#[derive(Debug, Default)]
pub(crate) struct Pods {
    pods: BTreeMap<Place, Pod>,
    sums: BTreeMap<Owner, Sum>,
}

/// What the pods of a workload come to.
#[derive(Debug, Default)]
struct Sum {
    phases: Counts<Box<str>>,
    waiting: Counts<Box<str>>,
    running: Counts<Running>,
    restarts: u64,
}

/// How often there is something.
#[derive(Debug)]
struct Counts<T>(BTreeMap<T, u32>);

impl<T> Default for Counts<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Ord + Clone> Counts<T> {
    fn add(&mut self, of: &T) {
        *self.0.entry(of.clone()).or_default() += 1;
    }

    fn add_all(&mut self, others: &Self) {
        for (of, count) in &others.0 {
            *self.0.entry(of.clone()).or_default() += count;
        }
    }

    fn take(&mut self, of: &T) {
        if let Some(count) = self.0.get_mut(of) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(of);
            }
        }
    }
}

/// A workload whose pods changed, and whether that is more than health: something else runs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) owner: Owner,
    pub(crate) is_steady: bool,
}

impl Pods {
    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.pods.keys()
    }

    /// A pod is so now.
    pub(crate) fn put(&mut self, pod: Pod) -> Vec<Changed> {
        if self.pods.get(&pod.place) == Some(&pod) {
            return Vec::new();
        }
        let owner = pod.owner.clone();
        let before = self.running(&owner);
        let mut changed = Vec::new();
        // One that is replaced is taken out first, and told of with the one that replaces it.
        if let Some(last) = self.take(&pod.place)
            && last != owner
        {
            changed.push(Changed { owner: last, is_steady: true });
        }
        let sum = self.sums.entry(owner.clone()).or_default();
        sum.phases.add(&pod.phase);
        sum.restarts += pod.restarts;
        pod.waiting.iter().for_each(|reason| sum.waiting.add(reason));
        pod.running.iter().for_each(|running| sum.running.add(running));
        self.pods.insert(pod.place.clone(), pod);
        let is_steady = before != self.running(&owner);
        changed.push(Changed { owner, is_steady });
        changed
    }

    /// A pod is no more.
    pub(crate) fn remove(&mut self, place: &Place) -> Option<Changed> {
        let owner = &self.pods.get(place)?.owner;
        let before = self.running(owner);
        let owner = self.take(place)?;
        // What does not run while nothing takes its place is health; the last pod goes so.
        let now = self.running(&owner);
        let is_steady = before != now && !now.is_empty();
        Some(Changed { owner, is_steady })
    }

    fn running(&self, owner: &Owner) -> Vec<Running> {
        let sum = self.sums.get(owner);
        sum.map(|sum| sum.running.0.keys().cloned().collect()).unwrap_or_default()
    }

    fn take(&mut self, place: &Place) -> Option<Owner> {
        let Pod { owner, phase, restarts, waiting, running, .. } = self.pods.remove(place)?;
        if let Some(sum) = self.sums.get_mut(&owner) {
            sum.phases.take(&phase);
            sum.restarts -= restarts;
            waiting.iter().for_each(|reason| sum.waiting.take(reason));
            running.iter().for_each(|of| sum.running.take(of));
            if sum.phases.0.is_empty() {
                self.sums.remove(&owner);
            }
        }
        Some(owner)
    }

    /// What the pods of these come to together, if they have any.
    pub(crate) fn summary<'a>(&self, owners: impl Iterator<Item = &'a Owner>) -> Option<Value> {
        let mut all = Sum::default();
        for sum in owners.filter_map(|owner| self.sums.get(owner)) {
            all.phases.add_all(&sum.phases);
            all.waiting.add_all(&sum.waiting);
            all.running.add_all(&sum.running);
            all.restarts += sum.restarts;
        }
        if all.phases.0.is_empty() {
            return None;
        }
        let Sum { phases, waiting, running, restarts } = all;
        let count: u32 = phases.0.values().sum();
        let phases: BTreeMap<&str, u32> =
            phases.0.iter().map(|(phase, count)| (&**phase, *count)).collect();
        let waiting = waiting.0.iter().take(SHOWN_MAX);
        let waiting: BTreeMap<&str, u32> =
            waiting.map(|(reason, count)| (&**reason, *count)).collect();
        let running = running.0.keys().take(SHOWN_MAX).map(Running::value);
        let running: Vec<Value> = running.collect();
        let mut value = json!({"count": count, "phases": phases, "restarts": coarse(restarts)});
        if !waiting.is_empty() {
            value["waiting"] = json!(waiting);
        }
        if !running.is_empty() {
            value["running"] = running.into();
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kind;

    fn pod(name: &str, owner: &str, phase: &str, restarts: u64, id: &str) -> Pod {
        let running = Running { container: "c".into(), image: "a:1".into(), id: id.into() };
        let waiting: &[Box<str>] = if restarts > 2 { &["CrashLoopBackOff".into()] } else { &[] };
        Pod {
            place: (Kind::Pod, "n".into(), name.into()),
            owner: (Kind::Deployment, "n".into(), owner.into()),
            phase: phase.into(),
            restarts,
            waiting: waiting.into(),
            running: if id.is_empty() { Box::default() } else { [running].into() },
        }
    }

    #[test]
    fn what_pods_come_to() {
        let mut pods = Pods::default();
        let shop: Owner = (Kind::Deployment, "n".into(), "shop".into());
        let changed = |is_steady| vec![Changed { owner: shop.clone(), is_steady }];
        assert_eq!(pods.put(pod("a", "shop", "Pending", 0, "")), changed(false));
        assert_eq!(pods.put(pod("a", "shop", "Running", 0, "a@sha256:1")), changed(true));
        assert_eq!(pods.put(pod("a", "shop", "Running", 0, "a@sha256:1")), []);
        assert_eq!(pods.put(pod("b", "shop", "Running", 3, "a@sha256:1")), changed(false));
        let running = json!([{"container": "c", "image": "a:1", "imageId": "a@sha256:1",
            "digest": "sha256:1"}]);
        let expected = json!({"count": 2, "phases": {"Running": 2}, "restarts": 3,
            "waiting": {"CrashLoopBackOff": 1}, "running": running});
        assert_eq!(pods.summary([&shop].into_iter()), Some(expected));
        assert_eq!(pods.put(pod("b", "shop", "Running", 0, "a@sha256:2")), changed(true));
        let removed = pods.remove(&(Kind::Pod, "n".into(), "b".into())).unwrap();
        assert!(removed.is_steady);
        assert_eq!(pods.put(pod("a", "till", "Running", 0, "")).len(), 2);
        assert_eq!(
            (pods.summary([&shop].into_iter()), pods.sums.len(), pods.pods.len()),
            (None, 1, 1)
        );
        assert!(!pods.remove(&(Kind::Pod, "n".into(), "a".into())).unwrap().is_steady);
        assert_eq!((pods.sums.len(), pods.remove(&shop)), (0, None));
    }
}
