//! Which entities carry the annotation by which workloads are matched to them, as that changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kubernetes::{ANNOTATION, Carriers};
use model::document::Document;
use model::reference::EntityRef;
use serde_json::Value;
use tokio::sync::watch::{self, Receiver};
use tokio::task::JoinSet;
use views::{Condition, Error, Filter, Query, Start, Views};

use crate::node::Node;

/// How often it is looked who carries it now.
const CARRIERS_EVERY: Duration = Duration::from_millis(500);

/// So many entities are matched at the most.
const CARRIERS_MAX: usize = 1_000_000;

/// Who carries it, with its value.
type Carried = BTreeMap<EntityRef, String>;

/// Follows who carries the annotation, until it is told to stop.
pub(super) fn watch(
    tasks: &mut JoinSet<()>,
    node: &Node,
    stopping: &Receiver<bool>,
) -> Result<Carriers, Error> {
    let views = Arc::clone(&node.views);
    let mut folded = node.processor.progress().watch();
    let mut stopping = stopping.clone();
    let (sender, carriers) = watch::channel(Arc::new(carried(&views)?));
    tasks.spawn(async move {
        loop {
            tokio::select! {
                changed = folded.changed() => if changed.is_err() { return },
                _ = stopping.wait_for(|stop| *stop) => return,
            }
            folded.mark_unchanged();
            let now = {
                let views = Arc::clone(&views);
                tokio::task::spawn_blocking(move || carried(&views)).await
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
                // Who carried it does so still: of whom nothing is known nothing must end.
                Ok(Err(error)) => {
                    tracing::error!(%error, "who carries an annotation could not be read");
                }
                Err(_) => return,
            }
            // What comes meanwhile is looked at together.
            tokio::time::sleep(CARRIERS_EVERY).await;
        }
    });
    Ok(carriers)
}

fn carried(views: &Views) -> Result<Carried, Error> {
    let Some(reader) = views.reader() else { return Ok(Carried::new()) };
    let filter = Filter::Field {
        path: format!("metadata.annotations.{ANNOTATION}"),
        condition: Condition::Exists,
    };
    let query = Query {
        filter: Some(filter),
        sort: None,
        start: Start::Offset(0),
        limit: CARRIERS_MAX,
        count: false,
    };
    let mut carried = Carried::new();
    for row in reader.query(&query)?.rows {
        let (Some(reference), Some(version)) = (reader.reference(row.id)?, reader.version(row.id)?)
        else {
            continue;
        };
        let document: Value = serde_json::from_slice(&version.document).unwrap_or_default();
        let document = Document::new(&document);
        let annotations = document.metadata().and_then(|of| of.get("annotations"));
        if let Some(value) = annotations.and_then(|of| of.get(ANNOTATION)).and_then(Value::as_str) {
            carried.insert(reference, value.to_owned());
        }
    }
    Ok(carried)
}
