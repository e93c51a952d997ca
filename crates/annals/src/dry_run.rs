//! What a location would bring in, read without keeping any of it.

use api::ApiError;
use event::vocabulary::Fault;
use ingest::{Judge, Verdict};
use model::document::{ANNOTATION_LOCATION, ANNOTATION_ORIGIN_LOCATION, Document};
use model::location::{LocationRef, generated_name, location_entity, targets_of};
use model::reference::EntityRef;
use serde_json::Value;
use urls::Reader;

/// Targets that are read for one dry run, and entities that it gives, at the most.
const TARGETS_MAX: usize = 50;
const ENTITIES_MAX: usize = 1000;

/// The entities of a location, its own first, with those that Location entities among them lead
/// to. As in Backstage, whatever is wrong with one of them is the answer.
///
/// # Errors
/// What can't be read or is not valid.
pub(crate) fn dry_run(
    reader: &Reader,
    judge: &Judge,
    kind: &str,
    target: &str,
) -> Result<Vec<Value>, ApiError> {
    let mut run = Run { reader, judge, seen: Vec::new(), entities: Vec::new(), targets: 0 };
    let mut waiting = vec![location_entity(&generated_name(kind, target), kind, target)];
    while let Some(document) = waiting.pop() {
        let entity = run.entity(document)?;
        waiting.extend(run.children(&entity)?);
        run.entities.push(entity);
    }
    Ok(run.entities)
}

struct Run<'a> {
    reader: &'a Reader,
    judge: &'a Judge,
    seen: Vec<EntityRef>,
    entities: Vec<Value>,
    targets: usize,
}

impl Run<'_> {
    fn entity(&mut self, document: Value) -> Result<Value, ApiError> {
        let accepted = match self.judge.judge(document) {
            Verdict::Accepted(accepted) => accepted,
            Verdict::Refused { fault, .. } => return Err(refused(&fault)),
        };
        if self.seen.contains(&accepted.reference) {
            let message = format!("Duplicate nested entity: {}", accepted.reference);
            return Err(ApiError::input(message));
        }
        if self.seen.len() >= ENTITIES_MAX {
            return Err(too_many(ENTITIES_MAX, "entities"));
        }
        self.seen.push(accepted.reference);
        serde_json::from_str(accepted.raw.get())
            .map_err(|error| ApiError::internal(error.to_string()))
    }

    /// What a Location entity leads to.
    fn children(&mut self, entity: &Value) -> Result<Vec<Value>, ApiError> {
        let view = Document::new(entity);
        let origin = view.annotation(ANNOTATION_ORIGIN_LOCATION);
        let origin = origin.or_else(|| view.annotation(ANNOTATION_LOCATION)).unwrap_or_default();
        let (mut children, mut faults) = (Vec::new(), Vec::new());
        for (LocationRef { kind, target }, optional) in targets_of(entity) {
            if kind != "url" {
                let message = format!("Locations of the type {kind} are not read on demand");
                faults.push(Fault { name: "InputError".into(), message });
                continue;
            }
            self.targets += 1;
            if self.targets > TARGETS_MAX {
                return Err(too_many(TARGETS_MAX, "targets"));
            }
            match self.reader.read(&target, origin) {
                Ok(read) => {
                    for item in read.items {
                        match item {
                            Ok(found) => children.push(found.document),
                            Err(problem) => faults.push(problem.fault),
                        }
                    }
                }
                Err((_, true)) if optional => {}
                Err((fault, _)) => faults.push(fault),
            }
        }
        if faults.is_empty() {
            return Ok(children);
        }
        let all: Vec<String> = faults.iter().map(in_words).collect();
        Err(ApiError::input(all.join(", ")))
    }
}

fn in_words(fault: &Fault) -> String {
    format!("{}: {}", fault.name, fault.message)
}

fn refused(fault: &Fault) -> ApiError {
    ApiError::input(in_words(fault))
}

fn too_many(max: usize, what: &str) -> ApiError {
    ApiError::input(format!("{max} {what} are the most that a dry run reads"))
}
