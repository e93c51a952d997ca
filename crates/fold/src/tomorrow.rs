//! Rules that were never in force but in tests, which play an upgrade with them: those of version 1,
//! but that aspects say by which rules they were taken in.

use std::sync::Arc;

use crate::prepare::Prepared;
use crate::prior::{Change, Prior};
use crate::{Aspect, Folded, Step, v1};

pub(crate) fn fold(prior: &Prior, record: &Prepared, step: Option<&Step>) -> Folded {
    match v1::fold(prior, record, step) {
        Folded::Changes { changes, next } => {
            let changes = changes.into_iter().map(change).collect();
            Folded::Changes { changes, next }
        }
        other => other,
    }
}

fn change(change: Change) -> Change {
    match change {
        // What ended has no value.
        Change::Aspect(key, Some(row)) if !row.value.is_empty() => {
            let value = format!("{{\"rules\":2,\"value\":{}}}", row.value).into();
            Change::Aspect(key, Some(Arc::new(Aspect { value, ..(*row).clone() })))
        }
        other => other,
    }
}
