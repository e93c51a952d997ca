//! How a cluster is read: what is watched of it, what was listed, and what is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Why something is not read.
#[derive(Debug)]
enum Trouble {
    Fails(String),
    /// It is not allowed; what the cluster says.
    Refused(String),
}

/// How a cluster's resources are read.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// What is watched, once that is known.
    wanted: Option<BTreeSet<Arc<str>>>,
    listed: BTreeSet<Arc<str>>,
    faults: BTreeMap<Arc<str>, Trouble>,
}

impl Reading {
    /// These resources are watched, and no others.
    pub(crate) fn watches(&mut self, all: BTreeSet<Arc<str>>) {
        self.faults.retain(|of, _| all.contains(of));
        self.listed.retain(|of| all.contains(of));
        self.wanted = Some(all);
    }

    /// All that there is of one was listed. What is wrong may be that it can't be watched.
    pub(crate) fn listed(&mut self, of: Arc<str>) {
        self.listed.insert(of);
    }

    /// One is watched, and nothing is wrong.
    pub(crate) fn works(&mut self, of: &str) {
        self.faults.remove(of);
    }

    pub(crate) fn fails(&mut self, of: Arc<str>, why: String) {
        self.faults.insert(of, Trouble::Fails(why));
    }

    /// It may not be read; what the cluster says.
    pub(crate) fn refuses(&mut self, of: Arc<str>, message: String) {
        self.faults.insert(of, Trouble::Refused(message));
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

    /// Why not all of a cluster is read, if so: each reason once, and all rights that are missing.
    pub(crate) fn fault(&self, cluster: &str) -> Option<String> {
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
        (!whys.is_empty()).then(|| format!("the cluster `{cluster}`: {}", whys.join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_that_refuses_says_so() {
        let [deployments, pods] = ["deployments.apps", "pods"].map(Arc::<str>::from);
        let mut reading = Reading::default();
        assert!(!reading.is_whole() && !reading.is_heard());
        reading.watches([deployments.clone(), pods.clone()].into());
        reading.listed(deployments.clone());
        assert!(!reading.is_whole() && !reading.is_heard());
        reading.listed(pods.clone());
        assert!(reading.is_whole() && reading.is_heard() && reading.fault("prod").is_none());
        for of in [&deployments, &pods] {
            reading.fails(of.clone(), "away".into());
            reading.listed(of.clone());
        }
        assert!(reading.is_whole());
        assert_eq!(reading.fault("prod").as_deref(), Some("the cluster `prod`: away"));
        for of in [&deployments, &pods] {
            reading.refuses(of.clone(), "no".into());
        }
        let refused = "deployments.apps, pods may not be listed and watched in all namespaces: no";
        assert_eq!(reading.fault("prod"), Some(format!("the cluster `prod`: {refused}")));
        reading.works("deployments.apps");
        reading.works("pods");
        assert_eq!(reading.fault("prod"), None);
        // What is watched from now on is waited for; what is not watched any more is forgotten.
        reading.fails(pods, "away".into());
        reading.watches([deployments, "x".into()].into());
        assert!(!reading.is_whole() && !reading.is_heard() && reading.fault("prod").is_none());
        reading.fails("x".into(), "away".into());
        assert!(!reading.is_whole() && reading.is_heard());
    }
}
