//! What connectors are told of the catalog, as it changes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch::{self, Receiver};
use tokio::task::JoinSet;
use views::{Error, Views};

use crate::node::Node;

/// How often it is looked what is so now.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);

/// Follows what is read of the views, until it is told to stop.
pub(super) fn follow<T>(
    tasks: &mut JoinSet<()>,
    node: &Node,
    stopping: &Receiver<bool>,
    what: &'static str,
    read: impl Fn(&Views) -> Result<T, Error> + Clone + Send + 'static,
) -> Result<Receiver<Arc<T>>, Error>
where
    T: PartialEq + Send + Sync + 'static,
{
    let views = Arc::clone(&node.views);
    let mut folded = node.processor.progress().watch();
    let mut stopping = stopping.clone();
    let (sender, receiver) = watch::channel(Arc::new(read(&views)?));
    tasks.spawn(async move {
        loop {
            tokio::select! {
                changed = folded.changed() => if changed.is_err() { return },
                _ = stopping.wait_for(|stop| *stop) => return,
            }
            folded.mark_unchanged();
            let begun = tokio::time::Instant::now();
            let now = {
                let (views, read) = (Arc::clone(&views), read.clone());
                tokio::task::spawn_blocking(move || read(&views)).await
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
                // What was so holds still: of what is not known nothing must end.
                Ok(Err(error)) => tracing::error!(%error, what, "the catalog could not be read"),
                Err(_) => return,
            }
            // What comes meanwhile is looked at together; where there is very much, looking takes a
            // twentieth of the time at the most.
            tokio::time::sleep(FOLLOW_EVERY.max(begun.elapsed() * 20)).await;
        }
    });
    Ok(receiver)
}
