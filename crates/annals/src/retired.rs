//! A source that is configured no more: what it showed is withdrawn, once.
//!
//! A connector that is only taken out of a configuration leaves what it showed: it may have been
//! taken out by mistake. Whoever means it says so: `{kind: retired, source: github/old}`.

use connector::{Approve, EmitError, Emitter, Observation, Said, Start};
use event::SourceName;
use serde::Deserialize;
use tokio::sync::watch;

/// Aspects that are ended together.
const SAID_MAX: usize = 1000;

/// The sources that connectors have: the first part of their names.
const KINDS: [&str; 6] = ["ci", "files", "gitea", "github", "kubernetes", "process"];

/// What it is configured with.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct Config {
    source: SourceName,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "Config")]
struct Written {
    source: String,
}

impl TryFrom<Written> for Config {
    type Error = String;

    fn try_from(Written { source }: Written) -> Result<Self, String> {
        let is_ours = source
            .split_once('/')
            .is_some_and(|(kind, id)| KINDS.contains(&kind) && connector::check_id(id).is_ok());
        let wrong = || {
            let shown = connector::shown(&source);
            format!("`{shown}` is no source of a connector, such as `github/acme`")
        };
        let name = SourceName::new(&source).ok().filter(|_| is_ours);
        Ok(Self { source: name.ok_or_else(wrong)? })
    }
}

impl Config {
    /// The source that is retired.
    pub(crate) fn source(&self) -> String {
        self.source.to_string()
    }
}

/// Withdraws what the source shows, ends what it observes, and waits until it is told to stop.
pub(crate) async fn run(start: Start, emitter: Emitter, mut stopping: watch::Receiver<bool>) {
    // The catalog takes nothing any more: it is being stopped.
    if withdraw(start, &emitter).await.is_ok() {
        let _ = stopping.wait_for(|stop| *stop).await;
    }
}

async fn withdraw(start: Start, emitter: &Emitter) -> Result<(), EmitError> {
    let ended = |(entity, aspect): &(_, Box<str>)| {
        Said::Observed(Observation {
            entity: model::reference::EntityRef::clone(entity),
            aspect: aspect.to_string(),
            value: None,
            pointer: None,
            time: None,
        })
    };
    for some in start.observed.chunks(SAID_MAX) {
        emitter.say(some.iter().map(ended).collect()).await?;
    }
    if !start.scopes.is_empty() {
        let why = "its source is retired".to_owned();
        // A person wrote so into the configuration.
        emitter.retired_with(start.scopes, Approve::Always, Some(why)).await?;
    }
    emitter.looked().await
}
