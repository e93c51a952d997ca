//! Backups of a node.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use api::{ApiError, BackupMade};
use backup::{Backups, Manifest};
use event::Position;
use log::EmbeddedLog;
use parking_lot::Mutex;
use views::Views;

/// The parts of a data folder that a backup holds.
const LOG: &str = "log";
const VIEWS: &str = "views";
const SEARCH: &str = "search";

/// What a manifest says of a backup: its last folded record when it was begun.
pub(crate) const POSITION: &str = "position";

/// What is backed up.
pub(crate) struct Parts<'a> {
    /// The log, where it is kept on this machine.
    pub(crate) log: Option<&'a EmbeddedLog>,
    pub(crate) views: &'a Views,
    pub(crate) data: &'a Path,
}

/// Makes a backup, and forgets all but so many.
pub(crate) fn make(parts: &Parts<'_>, backups: &Backups, keep: usize) -> Result<Manifest> {
    let mut making = backups.begin()?;
    if let Some((log, offset)) = parts.views.offset() {
        making.about(POSITION, Position { log, offset }.to_string());
    }
    // What is made of the log comes before the log, so that it is never ahead of it, and the index
    // before the views for the same reason.
    search::back_up(&parts.data.join(SEARCH), SEARCH, &mut making)?;
    parts.views.back_up(VIEWS, &mut making)?;
    if let Some(log) = parts.log {
        log.back_up(LOG, &mut making)?;
    }
    let made = making.finish()?;
    backups.keep(keep)?;
    Ok(made)
}

/// The backups that the API asks for.
pub(crate) struct OnDemand {
    log: Option<Arc<EmbeddedLog>>,
    views: Arc<Views>,
    data: PathBuf,
    backups: Backups,
    keep: usize,
    /// One at a time.
    making: Mutex<()>,
}

impl OnDemand {
    pub(crate) fn new(
        log: Option<Arc<EmbeddedLog>>,
        views: Arc<Views>,
        data: &Path,
        backups: Backups,
        keep: usize,
    ) -> Self {
        let (data, making) = (data.to_owned(), Mutex::new(()));
        Self { log, views, data, backups, keep, making }
    }
}

impl api::Backups for OnDemand {
    fn back_up(&self) -> Result<BackupMade, ApiError> {
        let Some(_making) = self.making.try_lock() else {
            return Err(ApiError::conflict("a backup is being made"));
        };
        let parts = Parts { log: self.log.as_deref(), views: &self.views, data: &self.data };
        let made = make(&parts, &self.backups, self.keep).map_err(|error| {
            tracing::error!("no backup could be made: {error:#}");
            ApiError::internal("the backup could not be made; the server's log says why")
        })?;
        let position = made.about.get(POSITION).cloned().unwrap_or_default();
        tracing::info!(number = made.number, position, "a backup is made");
        Ok(BackupMade { number: made.number, position })
    }
}
