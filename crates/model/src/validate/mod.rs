//! The verdict on a document: everything that Backstage would refuse, in its order, and why.
//!
//! Invariant: a document that is accepted has a reference, asserts relations without an error, is
//! nested at most [`crate::document::DEPTH_MAX`] levels deep, and holds no NUL character in what
//! the filter index keeps. The verdict depends on the document and the kinds alone.
//!
//! The order is that of `DefaultCatalogProcessingOrchestrator` of `@backstage/plugin-catalog-backend`
//! 4.0.0: envelope, then the policies for entities of any kind (`SchemaValidEntityPolicy`,
//! `NoForeignRootFieldsEntityPolicy`, `FieldFormatEntityPolicy`), then the schema of the kind, then
//! the references in relation fields, then what the stitcher refuses.

mod fields;
pub(crate) mod format;
mod refusal;

use serde_json::Value;

use crate::document::{DEPTH_MAX, Document, is_deeper_than};
use crate::index;
use crate::js;
use crate::kinds::{ENTITY, ENVELOPE, Kinds, Known, Path};
use crate::relations::assertions;
use crate::schema::{Schema, SchemaError};

pub(crate) use crate::kinds::describe;
pub use refusal::{Refusal, Step, WireError};

/// Gives verdicts on documents. Make it once for a set of kinds; it is immutable.
#[derive(Debug)]
pub struct Validator {
    kinds: Kinds,
    /// The compiled schemas of the custom kinds, by their position.
    schemas: Vec<Option<Schema>>,
}

/// The schema of a custom kind that does not compile.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the schema of the kind {kind}: {problem}")]
pub struct ValidatorError {
    /// The kind.
    pub kind: String,
    /// What is wrong with its schema.
    pub problem: SchemaError,
}

impl Validator {
    /// Compiles the schemas of the custom kinds.
    ///
    /// # Errors
    /// A schema that does not compile. Does not happen if `kinds` comes from [`Kinds::new`].
    pub fn new(kinds: &Kinds) -> Result<Self, ValidatorError> {
        let schemas = kinds.custom().map(|custom| {
            let Some(schema) = &custom.schema else {
                return Ok(None);
            };
            Schema::compile(schema)
                .map(Some)
                .map_err(|problem| ValidatorError { kind: custom.kind.clone(), problem })
        });
        Ok(Self { schemas: schemas.collect::<Result<_, _>>()?, kinds: kinds.clone() })
    }

    /// The kinds that documents are held against.
    #[must_use]
    pub fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// Gives the verdict on a document, which need not be normalized.
    ///
    /// # Errors
    /// The first reason for which Backstage would refuse the document, or for which it cannot be
    /// kept: deeper than [`DEPTH_MAX`] levels, a NUL character where the index would hold it.
    pub fn validate(&self, document: &Value) -> Result<(), Refusal> {
        if is_deeper_than(document, DEPTH_MAX) {
            let message = format!("the document is nested deeper than {DEPTH_MAX} levels");
            return Err(Refusal::index(String::new(), message, None));
        }
        ENVELOPE.check(document, &Path::Root).map_err(Refusal::envelope)?;
        ENTITY
            .check(document, &Path::Root)
            .map_err(|violation| Refusal::schema(violation, &reference_text(document)))?;
        no_foreign_root_fields(document)?;
        fields::check(document)?;
        self.kind(document)?;
        assertions(document, &self.kinds)
            .map_err(|error| Refusal::relation(&error, processor(document, &self.kinds)))?;
        index::check(document).map_err(|problem| {
            let message = problem.to_string();
            Refusal::index(problem.path(), message, problem.backstage())
        })
    }

    /// Whether the kind is known, and what its schema says.
    fn kind(&self, document: &Value) -> Result<(), Refusal> {
        let spec_of = Path::Key(&Path::Root, "spec");
        match self.kinds.find(document) {
            None => {
                let view = Document::new(document);
                let kind = view.kind().unwrap_or_default();
                let unknown = self.kinds.explain(kind, view.api_version().unwrap_or_default());
                Err(Refusal::unknown_kind(&unknown, &reference_text(document)))
            }
            Some(Known::Builtin(kind)) => {
                let violation = match document.get("spec") {
                    None => crate::kinds::spec_missing(document),
                    Some(spec) => match kind.spec.check(spec, &spec_of) {
                        Err(_) if kind.or.is_some_and(|or| or.check(spec, &spec_of).is_ok()) => {
                            return Ok(());
                        }
                        Err(violation) => violation,
                        Ok(()) => return Ok(()),
                    },
                };
                let processor = processor(document, &self.kinds);
                let by_model = (processor == "ModelProcessor").then_some(kind.kind);
                Err(Refusal::kind(violation, processor, by_model, &reference_text(document)))
            }
            Some(Known::Custom(position)) => match &self.schemas[position] {
                None => Ok(()),
                Some(schema) => schema.check(document).map_err(|violation| {
                    let kind = Document::new(document).kind().unwrap_or_default();
                    Refusal::custom(&violation, kind, &reference_text(document))
                }),
            },
        }
    }
}

/// The processor of Backstage that would look after a document's kind.
fn processor(document: &Value, kinds: &Kinds) -> &'static str {
    match kinds.find(document) {
        Some(Known::Builtin(kind)) if kind.kind == "Template" => "ScaffolderEntitiesProcessor",
        Some(Known::Builtin(kind)) if kind.kind != "AiResource" && kind.spec_type.is_none() => {
            "BuiltinKindsEntityProcessor"
        }
        _ => "ModelProcessor",
    }
}

/// `stringifyEntityRef`, for messages about documents of which no reference can be made.
fn reference_text(document: &Value) -> String {
    let view = Document::new(document);
    let part = |text: &str| js::lower(&js::shorten(text, 100)).into_owned();
    format!(
        "{}:{}/{}",
        part(view.kind().unwrap_or_default()),
        part(view.namespace()),
        part(view.name().unwrap_or_default())
    )
}

fn no_foreign_root_fields(document: &Value) -> Result<(), Refusal> {
    // The entity's schema has let nothing pass but these two.
    for field in document.as_object().into_iter().flat_map(|root| root.keys()) {
        if matches!(field.as_str(), "relations" | "status") {
            return Err(Refusal::foreign(field, &reference_text(document)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
