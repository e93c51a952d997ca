//! Which scopes somebody wants read again, for the connectors that read them, as that changes.

use std::sync::Arc;
use std::time::Duration;

use github::Refreshes;
use tokio::sync::watch::{self, Receiver};
use tokio::task::JoinSet;
use views::{Error, Views};

use crate::node::Node;

/// How often it is looked what is wanted now.
const REFRESHES_EVERY: Duration = Duration::from_millis(500);

/// Follows what is wanted of the scopes of a source, until it is told to stop.
pub(super) fn watch(
    tasks: &mut JoinSet<()>,
    node: &Node,
    source: &str,
    stopping: &Receiver<bool>,
) -> Result<Receiver<Arc<Refreshes>>, Error> {
    let views = Arc::clone(&node.views);
    let mut folded = node.processor.progress().watch();
    let mut stopping = stopping.clone();
    let prefix: Arc<str> = format!("{source}/").into();
    let (sender, refreshes) = watch::channel(Arc::new(refreshed(&views, &prefix)?));
    tasks.spawn(async move {
        loop {
            tokio::select! {
                changed = folded.changed() => if changed.is_err() { return },
                _ = stopping.wait_for(|stop| *stop) => return,
            }
            folded.mark_unchanged();
            let begun = tokio::time::Instant::now();
            let now = {
                let (views, prefix) = (Arc::clone(&views), Arc::clone(&prefix));
                tokio::task::spawn_blocking(move || refreshed(&views, &prefix)).await
            };
            match now {
                Ok(Ok(now)) => {
                    sender.send_if_modified(|before| {
                        let changes = **before != now;
                        if changes {
                            *before = Arc::new(now);
                        }
                        changes
                    });
                }
                Ok(Err(error)) => {
                    tracing::error!(%error, "which scopes are wanted read again could not be read");
                }
                Err(_) => return,
            }
            // What comes meanwhile is looked at together; where there are very many scopes, looking
            // takes a twentieth of the time at the most.
            tokio::time::sleep(REFRESHES_EVERY.max(begun.elapsed() * 20)).await;
        }
    });
    Ok(refreshes)
}

fn refreshed(views: &Views, prefix: &str) -> Result<Refreshes, Error> {
    let Some(reader) = views.reader() else { return Ok(Refreshes::new()) };
    let scopes = reader.scopes(prefix)?.into_iter();
    Ok(scopes.filter_map(|(name, scope)| Some((name, scope.refresh?))).collect())
}
