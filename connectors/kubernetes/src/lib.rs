//! The Kubernetes connector: watches the workloads of clusters and says how those of an entity are.
//!
//! [`run`] lists and watches ([`Kind`] names what); a workload whose label or annotation
//! `backstage.io/kubernetes-id` is that of an entity becomes part of the entity's aspect
//! `kubernetes/<cluster>`, and a new image of it an activity ([`map`], which is pure).
//!
//! What is absent: the catalog. Which entity carries which annotation is told from outside
//! ([`Carriers`]), as it changes; activities find their entity by the annotation itself.
//!
//! Invariant: of a cluster nothing is said before each kind of workload was listed whole; a cluster
//! that is away, or refuses us, ends no aspect.
//! Invariant: of a workload without the label or annotation nothing is kept in memory.
//! Invariant: credentials stand in no record, log line or error.

mod calm;
mod config;
pub mod map;
mod object;
mod run;
mod state;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::reference::EntityRef;

pub use config::Config;
pub use object::{Kind, Object};
pub use run::run;

/// The annotation of entities, and the label or annotation of workloads, by which they are matched.
pub const ANNOTATION: &str = "backstage.io/kubernetes-id";

/// The entities that carry [`ANNOTATION`], with its value, as that changes.
pub type Carriers = tokio::sync::watch::Receiver<Arc<BTreeMap<EntityRef, String>>>;

/// Why a configuration can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A name that is none.
    #[error(
        "`{name}` can't be the id of a connector or the name of a cluster (a letter or digit, then up to 62 of letters, digits, `-`, `_` and `.`)"
    )]
    Name {
        /// The name, shortened.
        name: String,
    },
    /// Nothing to watch, or too much.
    #[error("the kubernetes connector `{id}`: `clusters` names 1 to {max} clusters")]
    Clusters {
        /// The connector's id.
        id: String,
        /// The most.
        max: usize,
    },
    /// Two clusters of one name.
    #[error("the kubernetes connector `{id}`: there are two clusters `{name}`")]
    Twice {
        /// The connector's id.
        id: String,
        /// The name.
        name: String,
    },
    /// A context of no file.
    #[error("the cluster `{name}`: a `context` is one of a `kubeconfig`, which is missing")]
    Context {
        /// The cluster's name.
        name: String,
    },
}
