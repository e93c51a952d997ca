//! What Location entities want read, for the connectors that read it, as that changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use connector::Target;
use event::vocabulary::ScopeName;
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
    /// Those that a connector of a GitHub reads with its credentials, by its source.
    pub(super) github: BTreeMap<String, Watched>,
}

/// What is wanted now.
#[derive(Default)]
pub(in crate::commands) struct Wanted {
    pub(in crate::commands) files: Vec<Target>,
    pub(in crate::commands) urls: Vec<Target>,
    /// What each connector of a GitHub reads, in their order.
    pub(in crate::commands) github: Vec<Vec<Target>>,
}

impl Targets {
    /// Follows what is wanted, until it is told to stop.
    pub(super) fn watch(
        tasks: &mut JoinSet<()>,
        node: &Node,
        claims: Vec<github::Config>,
        mut stopping: watch::Receiver<bool>,
    ) -> Result<Self, Error> {
        let views = Arc::clone(&node.views);
        let mut folded = node.processor.progress().watch();
        let claims = Arc::new(claims);
        let first = wanted(&views, &claims)?;
        let (send_files, files) = watch::channel(Arc::new(first.files));
        let (send_urls, urls) = watch::channel(Arc::new(first.urls));
        let (send_github, github): (Vec<_>, Vec<_>) =
            first.github.into_iter().map(|targets| watch::channel(Arc::new(targets))).unzip();
        let github = claims.iter().map(github::Config::source).zip(github).collect();
        tasks.spawn(async move {
            loop {
                tokio::select! {
                    changed = folded.changed() => if changed.is_err() { return },
                    _ = stopping.wait_for(|stop| *stop) => return,
                }
                folded.mark_unchanged();
                let wanted = {
                    let (views, claims) = (Arc::clone(&views), Arc::clone(&claims));
                    tokio::task::spawn_blocking(move || wanted(&views, &claims)).await
                };
                match wanted {
                    Ok(Ok(Wanted { files, urls, github })) => {
                        tell(&send_files, files);
                        tell(&send_urls, urls);
                        send_github.iter().zip(github).for_each(|(send, now)| tell(send, now));
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
        Ok(Self { files, urls, github })
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

/// What is wanted, by who reads it.
pub(in crate::commands) fn wanted(
    views: &Views,
    claims: &[github::Config],
) -> Result<Wanted, Error> {
    let github = vec![Vec::new(); claims.len()];
    let mut wanted = Wanted { github, ..Wanted::default() };
    let Some(reader) = views.reader() else { return Ok(wanted) };
    for row in reader.wanted()? {
        let Some((kind, path)) = row.target.split_once(':') else { continue };
        let mut claimed = claims.iter().map(|config| config.scope_of(path)).enumerate();
        let claimed = claimed.find_map(|(at, scope)| Some((at, scope?)));
        match (kind, claimed) {
            ("file", _) => wanted.files.extend(target(&reader, row, None)?),
            ("url", Some((at, scope))) => {
                wanted.github[at].extend(target(&reader, row, Some(scope))?);
            }
            ("url", None) => {
                let scope = urls::scope_of(path);
                wanted.urls.extend(target(&reader, row, scope)?);
            }
            _ => {}
        }
    }
    Ok(wanted)
}

/// A target, and the scope that shows what is read there, where it is known.
fn target(
    reader: &Reader,
    row: WantedRow,
    own: Option<ScopeName>,
) -> Result<Option<Target>, Error> {
    let WantedRow { target, entity, scope, optional, origin, mut refresh } = row;
    let (Some(entity), Some(scope)) = (entity, scope) else { return Ok(None) };
    let Some((_, path)) = target.split_once(':') else { return Ok(None) };
    if let Some(own) = own {
        // Somebody asked for what was read there.
        refresh = refresh.max(reader.scope(&own)?.and_then(|scope| scope.refresh));
    }
    let origin = origin.filter(|origin| LocationRef::parse(origin).is_ok());
    let origin = origin.unwrap_or_else(|| target.clone()).into();
    Ok(Some(Target { target: path.to_owned(), entity, scope, optional, origin, refresh }))
}
