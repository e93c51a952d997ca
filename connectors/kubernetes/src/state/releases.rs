//! The releases of Helm: their revisions, and what belongs to them.

use std::collections::{BTreeMap, BTreeSet};

use connector::Whom;

use crate::kinds::Kind;
use crate::map::{Item, Place, Release};

/// A release by its namespace and its name.
pub(crate) type Name = (Box<str>, Box<str>);

/// The releases of a cluster.
#[derive(Debug, Default)]
pub(crate) struct Releases(BTreeMap<Name, Known>);

/// What is known of one.
#[derive(Debug, Default)]
struct Known {
    /// Its revisions: the secrets that hold them.
    revisions: BTreeMap<u64, Place>,
    /// The workloads that it made.
    workloads: BTreeSet<Place>,
    /// To whom it is told that it went, once it goes: its workloads go first.
    leaving: Vec<Whom>,
}

/// The name of a release.
pub(crate) fn name(of: &Release) -> Name {
    (of.namespace.clone(), of.name.clone())
}

impl Releases {
    /// An object that may belong to one.
    pub(crate) fn add(&mut self, item: &Item) {
        let Some(of) = &item.release else { return };
        let known = self.0.entry(name(of)).or_default();
        if item.place.0 == Kind::Release {
            known.revisions.insert(of.revision, item.place.clone());
        } else {
            known.workloads.insert(item.place.clone());
        }
    }

    /// It is no more.
    pub(crate) fn remove(&mut self, item: &Item) {
        let Some(of) = &item.release else { return };
        let name = name(of);
        let Some(known) = self.0.get_mut(&name) else { return };
        if item.place.0 == Kind::Release {
            known.revisions.remove(&of.revision);
        } else {
            known.workloads.remove(&item.place);
        }
        if known.revisions.is_empty() && known.workloads.is_empty() {
            self.0.remove(&name);
        }
    }

    /// The secrets of a release's revisions, the last one last.
    pub(crate) fn revisions(&self, of: &Release) -> impl DoubleEndedIterator<Item = &Place> {
        let known = self.0.get(&name(of)).into_iter();
        known.flat_map(|known| known.revisions.values())
    }

    /// The workloads of a release.
    pub(crate) fn workloads(&self, of: &Release) -> impl Iterator<Item = &Place> {
        self.0.get(&name(of)).into_iter().flat_map(|known| &known.workloads)
    }

    /// A release goes; to whom that is told.
    pub(crate) fn leaves(&mut self, of: &Release, whom: Vec<Whom>) {
        if let Some(known) = self.0.get_mut(&name(of)) {
            known.leaving = whom;
        }
    }

    /// To whom it is told that it went.
    pub(crate) fn leaving(&self, of: &Release) -> &[Whom] {
        self.0.get(&name(of)).map(|known| &*known.leaving).unwrap_or_default()
    }
}
