//! Why a document is refused: in our words, and in those of Backstage.

use serde::Serialize;

use crate::kinds::{Rule, UnknownKind, Violation};
use crate::nearest::nearest;
use crate::reference::RefError;
use crate::relations::FieldRefError;

/// The verdict on a document that is not accepted.
///
/// `message` is for people and says where, what was found and what is expected. `backstage` is what
/// the catalog API answers, as Backstage words it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The name of the error in the catalog API: always `InputError`.
    pub name: &'static str,
    /// One sentence: the JSON pointer, what has to be there, what was found. Never repeats more
    /// than about 100 characters of the document.
    pub message: String,
    /// JSON pointer to what is wrong; empty for the document as a whole.
    pub path: String,
    /// In which step of Backstage's processing the document fails.
    pub step: Step,
    /// The same in Backstage's words.
    pub backstage: WireError,
}

/// The steps in which Backstage looks at a document, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Whether a reference can be made of it.
    Envelope,
    /// The rules for entities of any kind.
    Policy,
    /// Whether its kind is known, and the rules for its kind.
    Kind,
    /// The references in its relation fields.
    Relations,
    /// Whether it can be indexed and stored.
    Index,
}

/// An error as `serializeError` of `@backstage/errors` writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WireError {
    /// `InputError`, `TypeError` or `Error`.
    pub name: &'static str,
    /// What happened, with the cause repeated at the end.
    pub message: String,
    /// Why it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Box<WireError>>,
}

impl WireError {
    fn because(message: &str, cause_name: &'static str, cause: String) -> Self {
        let cause = WireError { name: cause_name, message: cause, cause: None };
        let message = format!("{message}; caused by {}: {}", cause.name, cause.message);
        WireError { name: "InputError", message, cause: Some(Box::new(cause)) }
    }
}

/// A place in a violation's text: JSON pointer, or `<root>`.
fn place(path: &str) -> &str {
    if path.is_empty() { "<root>" } else { path }
}

impl Refusal {
    fn new(step: Step, path: String, message: String, backstage: WireError) -> Self {
        Self { name: "InputError", message, path, step, backstage }
    }

    fn words(violation: &Violation) -> String {
        let Violation { path, rule, found } = violation;
        format!("{} {}; found {found}", place(path), rule.words())
    }

    /// What `throwAjvError` says.
    fn ajv(violation: &Violation) -> String {
        let Violation { path, rule, .. } = violation;
        format!("{} {} - {}", place(path), rule.ajv(), rule.ajv_params())
    }

    /// The envelope. `POST /validate-entity` answers with the cause alone.
    pub(super) fn envelope(violation: Violation) -> Self {
        let message = Self::words(&violation);
        let wire = "Entity envelope failed validation before processing";
        let wire = WireError::because(wire, "TypeError", Self::ajv(&violation));
        Self::new(Step::Envelope, violation.path, message, wire)
    }

    /// `SchemaValidEntityPolicy`.
    pub(super) fn schema(violation: Violation, reference: &str) -> Self {
        let cause =
            format!("Malformed envelope, {} {}", place(&violation.path), violation.rule.ajv());
        if let (Rule::Additional { property, .. }, "") = (&violation.rule, &*violation.path) {
            return Self::at_root(property, cause, reference);
        }
        let message = Self::words(&violation);
        Self::policy(violation.path, message, cause, reference)
    }

    /// `NoForeignRootFieldsEntityPolicy`.
    pub(super) fn foreign(field: &str, reference: &str) -> Self {
        Self::at_root(field, format!("Unknown field {field}"), reference)
    }

    fn at_root(field: &str, cause: String, reference: &str) -> Self {
        const KNOWN: [&str; 4] = ["apiVersion", "kind", "metadata", "spec"];
        let path = format!("/{}", field.replace('~', "~0").replace('/', "~1"));
        let hint = nearest(field, KNOWN)
            .map(|known| format!(", did you mean \"{known}\"?"))
            .unwrap_or_default();
        let message = format!(
            "{path} is not allowed at the root of a document, only apiVersion, kind, metadata and \
             spec are{hint}"
        );
        Self::policy(path, message, cause, reference)
    }

    /// `FieldFormatEntityPolicy`: the field as Backstage calls it, what it expects, what it found.
    pub(super) fn format(
        path: String,
        field: &str,
        expected: Expected,
        found: &str,
        reference: &str,
    ) -> Self {
        let found = crate::js::shorten(found, 100);
        let quoted = serde_json::Value::from(found.as_ref());
        let message = format!("{path} must be {}; found {quoted}", expected.words());
        let expectation = expected
            .backstage()
            .map(|expected| format!(" expected {expected} but found \"{found}\"."))
            .unwrap_or_default();
        let cause = format!(
            "\"{field}\" is not valid;{expectation} To learn more about catalog file format, visit: \
             https://github.com/backstage/backstage/blob/master/docs/architecture-decisions/\
             adr002-default-catalog-file-format.md"
        );
        Self::policy(path, message, cause, reference)
    }

    fn policy(path: String, message: String, cause: String, reference: &str) -> Self {
        let wire = format!("Policy check failed for {reference}");
        Self::new(Step::Policy, path, message, WireError::because(&wire, "Error", cause))
    }

    pub(super) fn unknown_kind(unknown: &UnknownKind, reference: &str) -> Self {
        let path = match unknown {
            UnknownKind::Kind { .. } => "/kind",
            UnknownKind::ApiVersion { .. } => "/apiVersion",
        };
        let message = format!(
            "No processor recognized the entity {reference} as valid, possibly caused by a foreign \
             kind or apiVersion"
        );
        let wire = WireError { name: "InputError", message, cause: None };
        Self::new(Step::Kind, path.to_owned(), format!("{path}: {unknown}"), wire)
    }

    /// The schema of a built-in kind. A model names the kind once more.
    pub(super) fn kind(
        violation: Violation,
        processor: &str,
        kind: Option<&str>,
        reference: &str,
    ) -> Self {
        let message = Self::words(&violation);
        let ajv = match kind {
            Some(kind) => format!("Validation of {kind} entity failed: {}", Self::ajv(&violation)),
            None => Self::ajv(&violation),
        };
        let wire =
            format!("Processor {processor} threw an error while validating the entity {reference}");
        let wire = WireError::because(&wire, "TypeError", ajv);
        Self::new(Step::Kind, violation.path, message, wire)
    }

    /// The schema of a custom kind.
    pub(super) fn custom(
        violation: &crate::schema::SchemaViolation,
        kind: &str,
        reference: &str,
    ) -> Self {
        let message = violation.to_string();
        let wire = format!(
            "Processor ModelProcessor threw an error while validating the entity {reference}"
        );
        let cause = format!("Validation of {kind} entity failed: {message}");
        let wire = WireError::because(&wire, "TypeError", cause);
        Self::new(Step::Kind, violation.path.clone(), message, wire)
    }

    pub(super) fn relation(error: &FieldRefError, processor: &str) -> Self {
        let wire = format!("Processor {processor} threw an error while postprocessing");
        let name = match &error.problem {
            RefError::Malformed { .. } => "TypeError",
            _ => "Error",
        };
        let wire = WireError::because(&wire, name, error.problem.to_string());
        Self::new(Step::Relations, error.path.clone(), error.to_string(), wire)
    }

    /// A document that Backstage cannot index, or that cannot be stored.
    pub(super) fn index(path: String, message: String, backstage: Option<String>) -> Self {
        let wire = backstage.unwrap_or_else(|| message.clone());
        let wire = WireError { name: "InputError", message: wire, cause: None };
        Self::new(Step::Index, path, message, wire)
    }
}

/// What a field's format expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    ApiVersion,
    Kind,
    Name,
    Namespace,
    Key,
    LabelValue,
    Tag,
    Url,
    NotBlank,
}

impl Expected {
    fn words(self) -> &'static str {
        match self {
            Expected::ApiVersion => {
                "letters and digits, after a domain in lower case and a slash if need be, such as \
                 backstage.io/v1alpha1"
            }
            Expected::Kind => "a letter, then letters and digits, at most 63 characters in total",
            Expected::Name => {
                "sequences of [a-zA-Z0-9] separated by any of [-_.], at most 63 characters in total"
            }
            Expected::LabelValue => {
                "empty, or sequences of [a-zA-Z0-9] separated by any of [-_.], at most 63 \
                 characters in total"
            }
            Expected::Namespace => {
                "sequences of [a-z0-9] separated by [-], at most 63 characters in total"
            }
            Expected::Key => {
                "a key of sequences of [a-zA-Z0-9] separated by any of [-_.], at most 63 characters, \
                 after a domain in lower case and a slash if need be"
            }
            Expected::Tag => {
                "sequences of [a-z0-9:+#] separated by [-], at most 63 characters in total"
            }
            Expected::Url => "a URL with its scheme, such as https://example.com",
            Expected::NotBlank => "more than white space",
        }
    }

    /// What Backstage prints. It goes by the name of the validator's function, and one has none.
    fn backstage(self) -> Option<&'static str> {
        Some(match self {
            Expected::ApiVersion | Expected::Key => "a valid prefix and/or suffix",
            Expected::Kind => {
                "a string that is a sequence of [a-zA-Z][a-z0-9A-Z], at most 63 characters in total"
            }
            Expected::Name | Expected::LabelValue => {
                "a string that is sequences of [a-zA-Z0-9] separated by any of [-_.], at most 63 \
                 characters in total"
            }
            Expected::Namespace => {
                "a string that is sequences of [a-z0-9] separated by [-], at most 63 characters in \
                 total"
            }
            Expected::Tag => {
                "a string that is sequences of [a-z0-9+#] separated by [-], at most 63 characters \
                 in total"
            }
            Expected::Url => "a string that is a valid url",
            Expected::NotBlank => "a non empty string",
        })
    }
}
