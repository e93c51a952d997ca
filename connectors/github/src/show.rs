//! Emitting what was read.

use connector::{EmitError, Emitter, Outcome};
use event::vocabulary::ScopeName;

use crate::map::reading::Item;

/// Emits a repository's scope whole, and waits until that is durable.
pub(crate) async fn show(
    emitter: Emitter,
    scope: ScopeName,
    items: Vec<Item>,
) -> Result<Outcome, EmitError> {
    let mut snapshot = emitter.snapshot(scope).await?;
    for item in items {
        match item {
            Ok(found) => snapshot.seen(found).await?,
            Err(broken) => snapshot.broken(broken).await?,
        }
    }
    snapshot.end().await
}

/// Whether a failure to emit is over as soon as it is tried again, or ends the connector.
pub(crate) fn goes_on(error: EmitError) -> Result<String, EmitError> {
    match error {
        EmitError::Stopped | EmitError::Fenced { .. } => Err(error),
        other => Ok(format!("the catalog did not take it: {other}")),
    }
}
