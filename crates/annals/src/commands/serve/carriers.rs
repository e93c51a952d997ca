//! What entities say of their objects in clusters, in annotations, as that changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kubernetes::{ANNOTATION, Carriers, SELECTOR_ANNOTATION, Selection};
use model::document::Document;
use model::reference::EntityRef;
use serde_json::Value;
use tokio::sync::watch::{self, Receiver};
use tokio::task::JoinSet;
use views::{Condition, Error, Filter, Query, Start, Views};

use crate::node::Node;

/// How often it is looked what they say now.
const CARRIERS_EVERY: Duration = Duration::from_millis(500);

/// So many entities are matched at the most.
const CARRIERS_MAX: usize = 1_000_000;

/// What entities say.
pub(in crate::commands) type Carried = BTreeMap<EntityRef, Selection>;

/// Follows what entities say, until it is told to stop.
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
            let begun = tokio::time::Instant::now();
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
                // What was said holds still: of whom nothing is known nothing must end.
                Ok(Err(error)) => {
                    tracing::error!(%error, "what entities say of their objects could not be read");
                }
                Err(_) => return,
            }
            // What comes meanwhile is looked at together; where very many say something, looking
            // takes a twentieth of the time at the most.
            tokio::time::sleep(CARRIERS_EVERY.max(begun.elapsed() * 20)).await;
        }
    });
    Ok(carriers)
}

/// What entities say now.
pub(in crate::commands) fn carried(views: &Views) -> Result<Carried, Error> {
    let Some(reader) = views.reader() else { return Ok(Carried::new()) };
    let carry = |annotation: &str| Filter::Field {
        path: format!("metadata.annotations.{annotation}"),
        condition: Condition::Exists,
    };
    let query = Query {
        filter: Some(Filter::Any([ANNOTATION, SELECTOR_ANNOTATION].map(carry).into())),
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
        if let Some(said) = annotations.and_then(Value::as_object).and_then(Selection::of) {
            carried.insert(reference, said);
        }
    }
    Ok(carried)
}
