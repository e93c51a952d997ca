//! Which scopes somebody wants read again, for the connectors that read them, as that changes.

use std::sync::Arc;

use github::Refreshes;
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;
use views::{Error, Views};

use super::follow::follow;
use crate::node::Node;

/// Follows what is wanted of the scopes of a source, until it is told to stop.
pub(super) fn watch(
    tasks: &mut JoinSet<()>,
    node: &Node,
    source: &str,
    stopping: &Receiver<bool>,
) -> Result<Receiver<Arc<Refreshes>>, Error> {
    let prefix: Arc<str> = format!("{source}/").into();
    let what = "which scopes are wanted read again";
    follow(tasks, node, stopping, what, move |views| refreshed(views, &prefix))
}

fn refreshed(views: &Views, prefix: &str) -> Result<Refreshes, Error> {
    let Some(reader) = views.reader() else { return Ok(Refreshes::new()) };
    let scopes = reader.scopes(prefix)?.into_iter();
    Ok(scopes.filter_map(|(name, scope)| Some((name, scope.refresh?))).collect())
}
