//! Multibranch projects of a Jenkins. A delivery about a branch does not say that it is one; whoever
//! asks sees it.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::RwLock;

/// How many are kept in mind.
const PROJECTS_MAX: usize = 100_000;

/// The multibranch projects that are known, by their full names. Clones know the same.
#[derive(Clone, Debug, Default)]
pub struct Projects(Arc<RwLock<BTreeSet<String>>>);

impl Projects {
    pub(crate) fn note(&self, name: &str) {
        let mut names = self.0.write();
        if names.len() < PROJECTS_MAX && !names.contains(name) {
            names.insert(name.to_owned());
        }
    }

    /// On what builds of a job show: on the project whose branch it builds, or on the job itself.
    pub(crate) fn shown_on<'a>(&self, job: &'a str) -> &'a str {
        match job.rsplit_once('/') {
            Some((project, _)) if self.0.read().contains(project) => project,
            _ => job,
        }
    }
}
