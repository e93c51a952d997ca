//! JSON schema, draft 7, for the kinds that users add.
//!
//! The dialect is that of ajv 8 as Backstage sets it up (`entityKindSchemaValidator` of
//! `@backstage/catalog-model` 1.10.1): draft 7, in strict mode, so that an unknown keyword is an
//! error and not silently without effect; `nullable`; `$ref` into the schema itself and to `Entity`,
//! `EntityMeta`, `EntityEnvelope` and `common`. `format` and the `content…` keywords annotate only.
//!
//! Why not a crate: `jsonschema` 0.61 and `boon` 0.6, the two that are kept, both link `ahash` with
//! its random seeds, hence `getrandom`, and this crate is pure by its manifest. Neither is strict,
//! neither bounds the work of a schema that refers to itself.
//!
//! Invariant: compiling and checking end, in bounded time and stack, whatever the schema and the
//! value; a schema never leads to reading a file or a URL.

mod check;
mod compile;
mod known;
mod refs;

use fancy_regex::Regex;
use serde_json::{Number, Value};

pub(crate) use check::SchemaViolation;

/// Why a JSON schema cannot be used, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {problem}", if .pointer.is_empty() { "<root>" } else { .pointer.as_str() })]
pub struct SchemaError {
    /// JSON pointer into the schema, after the name of another schema if it is in that.
    pub pointer: String,
    /// What is wrong there.
    pub problem: SchemaProblem,
}

/// What can be wrong with a JSON schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaProblem {
    /// A schema that is neither an object nor a boolean.
    #[error("must be a schema: an object, true or false")]
    NotASchema,
    /// A keyword that draft 7 does not have.
    #[error(
        "has the unknown keyword \"{keyword}\"{}",
        .nearest.map(|nearest| format!(", did you mean \"{nearest}\"?")).unwrap_or_default()
    )]
    UnknownKeyword {
        /// The keyword, shortened.
        keyword: String,
        /// The known one that is written most alike.
        nearest: Option<&'static str>,
    },
    /// A keyword with a value that it does not take.
    #[error("must be {expected}; found {found}")]
    Value {
        /// What it takes.
        expected: &'static str,
        /// What it has.
        found: String,
    },
    /// Another dialect than draft 7.
    #[error("the dialect {found} is not supported, only http://json-schema.org/draft-07/schema")]
    Dialect {
        /// What `$schema` says, shortened.
        found: String,
    },
    /// A reference that leads nowhere.
    #[error(
        "refers to \"{target}\", which is neither in this schema nor one of Entity, EntityMeta, \
         EntityEnvelope and common"
    )]
    Reference {
        /// The reference, shortened.
        target: String,
    },
    /// A schema that holds itself against the same value again.
    #[error("refers to itself without end")]
    Endless,
    /// A pattern that is no regular expression.
    #[error("\"{pattern}\" is no regular expression that can be used: {problem}")]
    Pattern {
        /// The pattern, shortened.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
    /// More parts than can be needed.
    #[error("is too large or nested too deep")]
    TooLarge,
}

/// A compiled schema.
#[derive(Debug)]
pub(crate) struct Schema {
    /// The schemas and their parts; the first one is the whole.
    nodes: Vec<Node>,
}

/// The position of a schema among the compiled ones.
type NodeId = usize;

/// A schema: all of its rules have to hold. Without rules everything is valid.
#[derive(Debug, Default)]
struct Node {
    rules: Vec<Rule>,
}

/// A keyword with its value.
#[derive(Debug)]
enum Rule {
    /// The schema `false`.
    Never,
    Ref(NodeId),
    Type(Types),
    Enum(Vec<Value>),
    Const(Value),
    Minimum(Number),
    Maximum(Number),
    ExclusiveMinimum(Number),
    ExclusiveMaximum(Number),
    MultipleOf(Number),
    MinLength(usize),
    MaxLength(usize),
    Pattern(Pattern),
    MinItems(usize),
    MaxItems(usize),
    UniqueItems,
    /// All items, or those after the first few.
    Items {
        from: usize,
        schema: NodeId,
    },
    Tuple(Vec<NodeId>),
    Contains(NodeId),
    MinProperties(usize),
    MaxProperties(usize),
    Required(Vec<String>),
    PropertyNames(NodeId),
    AdditionalProperties {
        listed: Vec<String>,
        patterns: Vec<Pattern>,
        schema: NodeId,
    },
    DependentRequired(String, Vec<String>),
    DependentSchema(String, NodeId),
    Properties(Vec<(String, NodeId)>),
    PatternProperties(Vec<(Pattern, NodeId)>),
    Not(NodeId),
    AnyOf(Vec<NodeId>),
    OneOf(Vec<NodeId>),
    AllOf(Vec<NodeId>),
    If {
        condition: NodeId,
        then: Option<NodeId>,
        otherwise: Option<NodeId>,
    },
}

/// A set of the types of JSON schema.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Types(u8);

impl Types {
    const NAMES: [&'static str; 7] =
        ["null", "boolean", "object", "array", "number", "string", "integer"];
    const NULL: Self = Self(1);

    fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().position(|known| *known == name).map(|position| Self(1 << position))
    }

    fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn holds(self, name: &str) -> bool {
        Self::named(name).is_some_and(|types| self.0 & types.0 != 0)
    }

    fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |name| self.holds(name))
    }
}

/// A regular expression, and how it was written.
#[derive(Debug, Clone)]
struct Pattern {
    text: String,
    regex: Regex,
}

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// The first thing in it that cannot be used, with its place.
    pub(crate) fn compile(schema: &Value) -> Result<Self, SchemaError> {
        Ok(Self { nodes: compile::compile(schema)? })
    }

    /// Checks a value.
    ///
    /// # Errors
    /// The first violation.
    pub(crate) fn check(&self, value: &Value) -> Result<(), SchemaViolation> {
        check::check(&self.nodes, value)
    }
}

#[cfg(test)]
mod tests;
