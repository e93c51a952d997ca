//! What entities say of their objects in clusters, in annotations, as that changes.

use std::collections::BTreeMap;

use kubernetes::{ANNOTATION, Carriers, SELECTOR_ANNOTATION, Selection};
use model::document::Document;
use model::reference::EntityRef;
use serde_json::Value;
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;
use views::{Condition, Error, Filter, Query, Start, Views};

use super::follow::follow;
use crate::node::Node;

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
    follow(tasks, node, stopping, "what entities say of their objects", carried)
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
