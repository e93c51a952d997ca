//! Emitting what was read, a window at a time.

use std::sync::Arc;

use asking::Failure;
use connector::{EmitError, Emitter, Outcome, Snapshot};
use event::vocabulary::ScopeName;

use crate::config::Config;
use crate::forge::Forge;
use crate::map::reading::Reading;
use crate::read::{Read, read_on};

/// Why a repository was not shown whole. What of it was emitted is broken off, and withdraws
/// nothing.
#[derive(Debug)]
pub(crate) enum Unshown {
    Emit(EmitError),
    /// It is not there any more, or not to be seen.
    Missing,
    Failed(String),
}

impl From<EmitError> for Unshown {
    fn from(error: EmitError) -> Self {
        Self::Emit(error)
    }
}

impl From<Failure> for Unshown {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.to_string())
    }
}

/// Emits a repository's scope whole, and waits until that is durable. Of a repository of more than
/// one window the next one is read when this one is emitted. None, where there is nothing to show.
pub(crate) async fn show(
    config: Arc<Config>,
    forge: Arc<Forge>,
    emitter: Emitter,
    scope: ScopeName,
    mut reading: Box<Reading>,
) -> Result<Option<Outcome>, Unshown> {
    let mut snapshot: Option<Snapshot> = None;
    loop {
        for at in reading.window() {
            for item in reading.show(at) {
                let open = match &mut snapshot {
                    Some(open) => open,
                    // Nothing is said of a repository that shows nothing.
                    none => none.insert(emitter.snapshot(scope.clone()).await?),
                };
                match item {
                    Ok(found) => open.seen(found).await?,
                    Err(broken) => open.broken(broken).await?,
                }
            }
        }
        if reading.is_last() {
            break;
        }
        reading = match read_on(&config, &forge, reading).await? {
            Read::Ready(reading) => reading,
            Read::Missing => return Err(Unshown::Missing),
            Read::Failed(why) => return Err(Unshown::Failed(why)),
            Read::Later | Read::LeftOut { .. } => {
                return Err(Unshown::Failed("it could not be read on".into()));
            }
        };
    }
    match snapshot {
        Some(snapshot) => Ok(Some(snapshot.end().await?)),
        None => Ok(None),
    }
}

/// Whether a failure to emit is over as soon as it is tried again, or ends the connector.
pub(crate) fn goes_on(error: EmitError) -> Result<String, EmitError> {
    match error {
        EmitError::Stopped | EmitError::Fenced { .. } => Err(error),
        other => Ok(format!("the catalog did not take it: {other}")),
    }
}
