//! What the connector is configured with.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use connector::{check_id, shown};
use serde::Deserialize;

use crate::Error;
use crate::kinds::{Named, Part};

/// Clusters that one connector watches at the most.
const CLUSTERS_MAX: usize = 100;

/// A kubernetes connector's part of the configuration:
/// `{id: clusters, clusters: [{name: prod, kubeconfig: ./kubeconfig, context: prod}]}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Config {
    pub(crate) id: String,
    pub(crate) clusters: Vec<Cluster>,
}

/// A cluster. With neither file nor context it is the one that the program runs in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenCluster")]
pub(crate) struct Cluster {
    pub(crate) name: String,
    pub(crate) kubeconfig: Option<PathBuf>,
    pub(crate) context: Option<String>,
    pub(crate) read: Vec<Part>,
    pub(crate) named: Vec<Named>,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "Config")]
struct Written {
    id: String,
    clusters: Vec<Cluster>,
}

/// A cluster, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "Cluster")]
struct WrittenCluster {
    name: String,
    kubeconfig: Option<PathBuf>,
    context: Option<String>,
    read: Option<Vec<Part>>,
    #[serde(default)]
    resources: Vec<String>,
}

impl TryFrom<WrittenCluster> for Cluster {
    type Error = Error;

    fn try_from(written: WrittenCluster) -> Result<Self, Error> {
        let WrittenCluster { name, kubeconfig, context, read, resources } = written;
        if context.is_some() && kubeconfig.is_none() {
            return Err(Error::Context { name: shown(&name) });
        }
        let named = resources.iter().map(|text| {
            let read = Named::read(text);
            read.ok_or_else(|| Error::Resource { name: shown(&name), resource: shown(text) })
        });
        let named = named.collect::<Result<_, _>>()?;
        let read = read.unwrap_or_else(|| Part::USUAL.to_vec());
        Ok(Self { name, kubeconfig, context, read, named })
    }
}

impl TryFrom<Written> for Config {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self, Error> {
        let Written { id, clusters } = written;
        check_id(&id)?;
        let mut names = clusters.iter().map(|cluster| &cluster.name);
        names.try_for_each(|name| check_id(name)).map_err(Error::Name)?;
        if clusters.is_empty() || clusters.len() > CLUSTERS_MAX {
            return Err(Error::Clusters { id, max: CLUSTERS_MAX });
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = clusters.iter().find(|cluster| !seen.insert(&cluster.name)) {
            return Err(Error::Twice { id, name: twice.name.clone() });
        }
        Ok(Self { id, clusters })
    }
}

impl Config {
    /// The same, with its files from this folder on.
    #[must_use]
    pub fn in_folder(mut self, folder: &Path) -> Self {
        for cluster in &mut self.clusters {
            cluster.kubeconfig = cluster.kubeconfig.take().map(|path| folder.join(path));
        }
        self
    }

    /// The source's name, `kubernetes/<id>`.
    #[must_use]
    pub fn source(&self) -> String {
        format!("kubernetes/{}", self.id)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn configurations() {
        let read = |value: Value| serde_json::from_value::<Config>(value);
        let full = json!({"id": "a", "clusters": [
            {"name": "prod", "kubeconfig": "k", "context": "c", "read": ["workloads", "helm"],
                "resources": ["pgs.v1.db.example"]},
            {"name": "here"},
        ]});
        let config = read(full).unwrap().in_folder("/c".as_ref());
        assert_eq!(config.source(), "kubernetes/a");
        let [prod, here] = &config.clusters[..] else { panic!("two clusters") };
        assert_eq!(prod.kubeconfig, Some(PathBuf::from("/c/k")));
        assert_eq!((&prod.read[..], prod.named.len()), (&[Part::Workloads, Part::Helm][..], 1));
        assert_eq!((&here.kubeconfig, &here.read[..]), (&None, &Part::USUAL[..]));
        for (value, expected) in [
            (json!({"id": "a/", "clusters": [{"name": "x"}]}), "`a/` can't be the id"),
            (json!({"id": "a", "clusters": [{"name": "x y"}]}), "are: `x y` can't be the id"),
            (json!({"id": "a", "clusters": []}), "names 1 to 100 clusters"),
            (json!({"id": "a", "clusters": [{"name": "x"}, {"name": "x"}]}), "two clusters `x`"),
            (
                json!({"id": "a", "clusters": [{"name": "x", "context": "c"}]}),
                "`kubeconfig`, which",
            ),
            (json!({"id": "a", "clusters": [{"name": "x", "contxt": "c"}]}), "unknown field"),
            (json!({"id": "a", "clusters": [{"name": "x", "read": ["all"]}]}), "unknown variant"),
            (
                json!({"id": "a", "clusters": [{"name": "x", "resources": ["a.b"]}]}),
                "`a.b` is no resource",
            ),
        ] {
            let error = read(value).expect_err("no configuration").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
