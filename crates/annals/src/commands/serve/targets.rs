//! What Location entities want read, for the connectors that read it, as that changes.

use std::sync::Arc;
use std::time::Duration;

use connector::Target;
use model::location::LocationRef;
use tokio::sync::watch;
use tokio::task::JoinSet;
use views::{Error, Reader, Views, WantedRow};

use crate::node::Node;

/// How often it is looked whether Location entities want other targets.
const TARGETS_EVERY: Duration = Duration::from_millis(500);

/// Targets, as they change.
pub(super) type Watched = watch::Receiver<Arc<Vec<Target>>>;

/// The targets of each type that something reads.
pub(super) struct Targets {
    pub(super) files: Watched,
    pub(super) urls: Watched,
}

impl Targets {
    /// Follows what is wanted, until it is told to stop.
    pub(super) fn watch(
        tasks: &mut JoinSet<()>,
        node: &Node,
        mut stopping: watch::Receiver<bool>,
    ) -> Result<Self, Error> {
        let views = Arc::clone(&node.views);
        let mut folded = node.processor.progress().watch();
        let [files, urls] = wanted(&views)?;
        let (send_files, files) = watch::channel(Arc::new(files));
        let (send_urls, urls) = watch::channel(Arc::new(urls));
        tasks.spawn(async move {
            loop {
                tokio::select! {
                    changed = folded.changed() => if changed.is_err() { return },
                    _ = stopping.wait_for(|stop| *stop) => return,
                }
                folded.mark_unchanged();
                let wanted = {
                    let views = Arc::clone(&views);
                    tokio::task::spawn_blocking(move || wanted(&views)).await
                };
                match wanted {
                    Ok(Ok([files, urls])) => {
                        tell(&send_files, files);
                        tell(&send_urls, urls);
                    }
                    // What was wanted stays so: what is not known must not be retired.
                    Ok(Err(error)) => {
                        tracing::error!(%error, "the targets of locations could not be read");
                    }
                    Err(_) => return,
                }
                // What comes meanwhile is looked at together.
                tokio::time::sleep(TARGETS_EVERY).await;
            }
        });
        Ok(Self { files, urls })
    }
}

fn tell(sender: &watch::Sender<Arc<Vec<Target>>>, wanted: Vec<Target>) {
    sender.send_if_modified(|now| {
        let changes = **now != wanted;
        if changes {
            *now = Arc::new(wanted);
        }
        changes
    });
}

/// The files and the URLs that are wanted.
fn wanted(views: &Views) -> Result<[Vec<Target>; 2], Error> {
    let mut wanted: [Vec<Target>; 2] = Default::default();
    let Some(reader) = views.reader() else { return Ok(wanted) };
    for row in reader.wanted()? {
        let kind = match row.target.split_once(':') {
            Some(("file", _)) => 0,
            Some(("url", _)) => 1,
            _ => continue,
        };
        wanted[kind].extend(target(&reader, row)?);
    }
    Ok(wanted)
}

fn target(reader: &Reader, row: WantedRow) -> Result<Option<Target>, Error> {
    let WantedRow { target, entity, scope, optional, origin, mut refresh } = row;
    let (Some(entity), Some(scope)) = (entity, scope) else { return Ok(None) };
    let Some((kind, path)) = target.split_once(':') else { return Ok(None) };
    if kind == "url"
        && let Some(own) = urls::scope_of(path)
    {
        // Somebody asked for what was read there.
        refresh = refresh.max(reader.scope(&own)?.and_then(|scope| scope.refresh));
    }
    let origin = origin.filter(|origin| LocationRef::parse(origin).is_ok());
    let origin = origin.unwrap_or_else(|| target.clone()).into();
    Ok(Some(Target { target: path.to_owned(), entity, scope, optional, origin, refresh }))
}
