//! `/api/backup`: asking for a backup of this node.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::connectors::run;
use crate::openapi::{Operation, Routes};
use crate::{Api, ApiError};

/// Makes backups of the node, into the folder that its configuration names.
pub trait Backups: Send + Sync {
    /// Makes one.
    ///
    /// # Errors
    /// When one is being made, or it can't be made.
    fn back_up(&self) -> Result<BackupMade, ApiError>;
}

/// A backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BackupMade {
    /// Its number in its folder.
    pub number: u64,
    /// The last record that was folded when it was begun; what it holds goes at least so far.
    pub position: String,
}

/// The routes of this file.
pub(crate) fn routes() -> Routes {
    Routes::default().post(
        "/backup",
        back_up,
        Operation::new("BackUp", "Backup", "Makes a backup, in the folder that is configured")
            .gives::<BackupMade>(200, "It is made.")
            .refuses(&[400, 409]),
    )
}

pub(crate) async fn back_up(State(api): State<Api>) -> Result<Response, ApiError> {
    let backups = api.backups().cloned();
    let backups = backups
        .ok_or_else(|| ApiError::input("no folder for backups is configured (backup.folder)"))?;
    let made = run(move || backups.back_up()).await??;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(made)).into_response())
}
