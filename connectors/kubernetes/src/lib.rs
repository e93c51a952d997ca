//! The Kubernetes connector: watches what runs in clusters, and the entities that stand there.
//!
//! [`run`] looks what each cluster serves, lists it page by page and watches it. An object becomes
//! part of the aspect `kubernetes/<cluster>` of the entities that it belongs to, by the annotations
//! of Backstage's Kubernetes plugin ([`Selection`]); new images, runs and syncs become activities;
//! objects of `annals.dev`, and others with an annotation, become entities. What is made of an
//! object is a function of it (`map`).
//!
//! What is absent: the catalog. What entities say of their objects is told from outside
//! ([`Carriers`]), as it changes; activities find their entity by the annotation itself.
//!
//! Invariant: of a cluster nothing is said before all that is watched was listed whole; a cluster
//! that is away, or refuses us, ends no aspect and withdraws no entity.
//! Invariant: of an object only what counts is kept in memory, of a pod of a workload only what it
//! adds to the workload's summary; what is read at a time is bounded.
//! Invariant: secrets, environments and credentials stand in no record, log line or error.

mod calm;
mod client;
mod cluster;
mod config;
mod due;
mod entities;
mod kinds;
mod map;
mod matching;
mod object;
mod run;
mod selector;
mod state;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::reference::EntityRef;

pub use config::Config;
pub use kinds::Part;
pub use matching::{SELECTOR_ANNOTATION, Selection};
pub use run::run;

/// The annotation of entities, and the label or annotation of objects, by which they are matched.
pub const ANNOTATION: &str = "backstage.io/kubernetes-id";

/// The entities that say something of their objects, as that changes.
pub type Carriers = tokio::sync::watch::Receiver<Arc<BTreeMap<EntityRef, Selection>>>;

/// Why a configuration can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An id that can't be one.
    #[error(transparent)]
    Id(#[from] connector::NotAnId),
    /// The name of a cluster that can't be one.
    #[error("clusters are named as connectors are: {0}")]
    Name(connector::NotAnId),
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
    /// A resource to be watched that is none.
    #[error(
        "the cluster `{name}`: `{resource}` is no resource (`plural.version.group`, as in `clusters.v1.postgresql.cnpg.io`)"
    )]
    Resource {
        /// The cluster's name.
        name: String,
        /// What was written.
        resource: String,
    },
}
