//! Reading catalog files: YAML with many documents, JSON, and NDJSON.
//!
//! Invariant: every function ends, in memory and time that [`Limits`] bound, for any input; an error
//! in one document loses no other. Values are what the npm package `yaml` 2.9.1 makes of the same
//! text with the options of Backstage's `parseEntityYaml` (YAML 1.2, core schema, no merge keys,
//! keys unique), as JSON: whole numbers have no fraction, `.nan` and `.inf` are `null`.
//!
//! The parser is `granit-parser`, which is the one beneath `serde-saphyr`: that crate decides what a
//! scalar is by the type that is asked for and by habits of YAML 1.1, and here it has to be the core
//! schema, to the letter.

mod build;
mod control;
mod documents;
mod json;
mod key;
mod layout;
mod scalar;

use serde_json::Value;

pub use json::{Ndjson, NdjsonError, read_json, read_ndjson};

/// What may be read at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a file, or of a line of NDJSON.
    pub bytes_max: usize,
    /// Documents of a file.
    pub documents_max: usize,
    /// Levels of nesting of a document, the document itself being the first.
    pub depth_max: usize,
    /// Values of a file: scalars, arrays, objects, and what aliases and anchors copy.
    pub nodes_max: usize,
    /// Values among them that aliases and anchors copy: a few bytes of a file may be many of these.
    pub copied_nodes_max: usize,
    /// Bytes of text that aliases and anchors may copy in a file, and collections in keys.
    pub copied_bytes_max: usize,
}

impl Default for Limits {
    /// 16 MiB, 100,000 documents, [`crate::document::DEPTH_MAX`] levels, 2,000,000 values, of which
    /// 200,000 through aliases, and as many bytes again through aliases.
    fn default() -> Self {
        Self {
            bytes_max: 16 << 20,
            documents_max: 100_000,
            depth_max: crate::document::DEPTH_MAX,
            nodes_max: 2_000_000,
            copied_nodes_max: 200_000,
            copied_bytes_max: 16 << 20,
        }
    }
}

/// A document of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedDocument {
    /// What it holds, which may be anything; an entity has to be an object.
    pub value: Value,
    /// Its position among the documents of the file, empty and broken ones counted, from 0.
    pub index: usize,
    /// The line on which its content starts, from 1.
    pub line: usize,
}

/// Why a document could not be read, and where in the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct SyntaxError {
    /// The position of the document among those of the file, from 0.
    pub index: usize,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub problem: SyntaxProblem,
}

/// What can be wrong with the text of a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxProblem {
    /// It is no YAML, or no JSON.
    #[error("{0}")]
    Malformed(String),
    /// The same key twice in one mapping.
    #[error("the key \"{key}\" stands twice in one mapping")]
    DuplicateKey {
        /// The key, shortened.
        key: String,
    },
    /// An anchor or alias in a key that is a mapping or a sequence.
    #[error("a key that is a collection cannot have anchors and aliases in it")]
    ComplexKey,
    /// An alias inside of what it stands for.
    #[error("an alias stands inside of the value that it refers to")]
    RecursiveAlias,
    /// A tag whose values JSON has no place for.
    #[error("the tag {tag} is not supported")]
    UnsupportedTag {
        /// The tag, shortened.
        tag: String,
    },
    /// A directive that changes what scalars mean.
    #[error("YAML 1.1 is not supported; take out the %YAML directive, or make it 1.2")]
    UnsupportedVersion,
    /// More than a limit allows.
    #[error("more than {max} {what}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
}

impl SyntaxProblem {
    /// Whether a limit was passed; the text may be good.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        matches!(self, SyntaxProblem::TooMuch { .. })
    }
}

/// Reads the documents of a YAML or JSON file, in order. Empty documents are left out, as Backstage
/// does. Bytes that are no UTF-8 become U+FFFD, as in Backstage.
///
/// A document that cannot be read takes its place with an error; reading goes on at the next line
/// that starts with `---` or `...`. When a limit of the file as a whole is passed, its error is the
/// last item.
#[must_use]
pub fn read(bytes: &[u8], limits: &Limits) -> Vec<Result<ParsedDocument, SyntaxError>> {
    let mut documents = read_all(bytes, limits);
    documents.retain(|document| !matches!(document, Ok(document) if document.value.is_null()));
    documents
}

/// As [`read`], with the empty documents as `null`.
pub(crate) fn read_all(bytes: &[u8], limits: &Limits) -> Vec<Result<ParsedDocument, SyntaxError>> {
    if bytes.len() > limits.bytes_max {
        let problem = SyntaxProblem::TooMuch { what: "bytes", max: limits.bytes_max };
        return vec![Err(SyntaxError { index: 0, line: 1, column: 1, problem })];
    }
    let text = String::from_utf8_lossy(bytes);
    documents::documents(text.strip_prefix('\u{feff}').unwrap_or(&text), limits)
}

#[cfg(test)]
mod tests;
