//! What the connector is configured with.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use connector::shown;
use serde::Deserialize;

use crate::Error;

/// The longest name, in bytes.
const NAME_MAX: usize = 63;

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
#[serde(deny_unknown_fields)]
pub(crate) struct Cluster {
    pub(crate) name: String,
    pub(crate) kubeconfig: Option<PathBuf>,
    pub(crate) context: Option<String>,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "Config")]
struct Written {
    id: String,
    clusters: Vec<Cluster>,
}

impl TryFrom<Written> for Config {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self, Error> {
        let Written { id, clusters } = written;
        let names = clusters.iter().map(|cluster| &cluster.name);
        if let Some(name) = std::iter::once(&id).chain(names).find(|name| !is_name(name)) {
            return Err(Error::Name { name: shown(name) });
        }
        if clusters.is_empty() || clusters.len() > CLUSTERS_MAX {
            return Err(Error::Clusters { id, max: CLUSTERS_MAX });
        }
        let mut seen = BTreeSet::new();
        for Cluster { name, kubeconfig, context } in &clusters {
            if !seen.insert(name) {
                return Err(Error::Twice { id, name: name.clone() });
            }
            if context.is_some() && kubeconfig.is_none() {
                return Err(Error::Context { name: name.clone() });
            }
        }
        Ok(Self { id, clusters })
    }
}

fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    starts_well && name.len() <= NAME_MAX && name.chars().all(is_plain)
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
            {"name": "prod", "kubeconfig": "k", "context": "c"}, {"name": "here"},
        ]});
        let config = read(full).unwrap().in_folder("/c".as_ref());
        assert_eq!(config.source(), "kubernetes/a");
        assert_eq!(config.clusters[0].kubeconfig, Some(PathBuf::from("/c/k")));
        assert_eq!(config.clusters[1].kubeconfig, None);
        for (value, expected) in [
            (json!({"id": "a/", "clusters": [{"name": "x"}]}), "`a/` can't be the id"),
            (json!({"id": "a", "clusters": [{"name": "x y"}]}), "`x y` can't be the id"),
            (json!({"id": "a", "clusters": []}), "names 1 to 100 clusters"),
            (json!({"id": "a", "clusters": [{"name": "x"}, {"name": "x"}]}), "two clusters `x`"),
            (
                json!({"id": "a", "clusters": [{"name": "x", "context": "c"}]}),
                "`kubeconfig`, which",
            ),
            (json!({"id": "a", "clusters": [{"name": "x", "contxt": "c"}]}), "unknown field"),
        ] {
            let error = read(value).expect_err("no configuration").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
