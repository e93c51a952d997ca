//! The shapes of values, as the built-in kinds' tables write them down.
//!
//! A shape says what Backstage's JSON schema of the same value says, and finds the same first
//! violation: `required` before unknown properties before each property, in the schema's order,
//! which is how ajv goes through an object.

use std::fmt::{self, Write as _};

use serde_json::{Map, Value};

use crate::js;

/// What a value has to look like.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Anything at all.
    Any,
    /// A text of `min` to `max` characters, one of `among` unless that is empty.
    Text { min: usize, max: usize, among: &'static [&'static str] },
    /// This text.
    Const(&'static str),
    /// A text or a truth value.
    TextOrFlag,
    /// An array of at least `min` items.
    List { min: usize, items: &'static Shape },
    /// An object.
    Object(Object),
    /// An object of the first shape, or an array of the second.
    ObjectOrList(&'static Shape, &'static Shape),
    /// A value of this shape, or one that is nothing to JavaScript: `null`, `""`, `false`, `0`.
    OrNothing(&'static Shape),
}

/// What an object has to look like. Properties that are not listed are of any shape, unless `rest`
/// says otherwise.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) required: &'static [&'static str],
    pub(crate) fields: &'static [(&'static str, Shape)],
    pub(crate) rest: Rest,
}

/// What the properties may be that an object does not list.
#[derive(Debug)]
pub(crate) enum Rest {
    Open,
    Closed,
    Each(&'static Shape),
    /// Those whose key matches `^.+$`: keys that are empty or hold a line break are passed over.
    /// The formats of keys refuse them later.
    EachLine(&'static Shape),
}

/// Any text.
pub(crate) const TEXT: Shape = Shape::Text { min: 0, max: usize::MAX, among: &[] };
/// A text that is not empty.
pub(crate) const NAME: Shape = Shape::Text { min: 1, max: usize::MAX, among: &[] };
/// An array of texts that are not empty.
pub(crate) const NAMES: Shape = Shape::List { min: 0, items: &NAME };

/// An object with the required properties in the first brackets, and the shapes of properties in the
/// second. A macro and not a function, so that whole tables are one constant.
macro_rules! object {
    ([$($required:literal),*], [$($field:expr),* $(,)?]) => {
        object!([$($required),*], [$($field),*], Rest::Open)
    };
    ([$($required:literal),*], [$($field:expr),* $(,)?], $rest:expr) => {
        Shape::Object(Object { required: &[$($required),*], fields: &[$($field),*], rest: $rest })
    };
}
pub(super) use object;

/// Where a value stands in a document: a list from the leaf to the root, on the stack.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    /// A JSON pointer; keys are shortened, so that a message stays readable.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Key(parent, key) => {
                let key = js::shorten(key, 100).replace('~', "~0").replace('/', "~1");
                write!(f, "{parent}/{key}")
            }
            Path::Index(parent, index) => write!(f, "{parent}/{index}"),
        }
    }
}

/// A value that is not of its shape.
#[derive(Debug)]
pub(crate) struct Violation {
    /// JSON pointer to the value.
    pub(crate) path: String,
    /// What it breaks.
    pub(crate) rule: Rule,
    /// What was found instead.
    pub(crate) found: String,
}

/// A rule that a value can break.
#[derive(Debug)]
pub(crate) enum Rule {
    /// The types as JSON schema names them, separated by commas, and the shape in words.
    Type {
        types: &'static str,
        expected: String,
    },
    Required {
        property: &'static str,
        expected: String,
    },
    Additional {
        property: String,
        known: String,
    },
    MinLength(usize),
    MaxLength(usize),
    MinItems(usize),
    Enum(&'static [&'static str]),
    Const(&'static str),
}

impl Rule {
    /// The rule in our words, to follow the path.
    pub(crate) fn words(&self) -> String {
        match self {
            Rule::Type { expected, .. } => format!("must be {expected}"),
            Rule::Required { property, expected } => {
                format!("must have the property \"{property}\", {expected}")
            }
            Rule::Additional { property, known } => {
                format!("must not have the property \"{property}\", only {known}")
            }
            Rule::MinLength(_) => "must be a non-empty string".to_owned(),
            Rule::MaxLength(max) => format!("must be at most {max} characters long"),
            Rule::MinItems(min) => format!("must have at least {min} item{}", plural(*min)),
            Rule::Enum(among) => format!("must be one of {}", quoted_list(among)),
            Rule::Const(text) => format!("must be \"{text}\""),
        }
    }

    /// The rule in ajv's words, which Backstage's messages hold.
    pub(crate) fn ajv(&self) -> String {
        match self {
            Rule::Type { types, .. } => format!("must be {types}"),
            Rule::Required { property, .. } => format!("must have required property '{property}'"),
            Rule::Additional { .. } => "must NOT have additional properties".to_owned(),
            Rule::MinLength(min) => format!("must NOT have fewer than {min} characters"),
            Rule::MaxLength(max) => format!("must NOT have more than {max} characters"),
            Rule::MinItems(min) => format!("must NOT have fewer than {min} items"),
            Rule::Enum(_) => "must be equal to one of the allowed values".to_owned(),
            Rule::Const(_) => "must be equal to constant".to_owned(),
        }
    }

    /// What ajv gives along with the words, as Backstage prints it.
    pub(crate) fn ajv_params(&self) -> String {
        match self {
            Rule::Type { types, .. } => format!("type: {types}"),
            Rule::Required { property, .. } => format!("missingProperty: {property}"),
            Rule::Additional { property, .. } => format!("additionalProperty: {property}"),
            Rule::MinLength(limit) | Rule::MaxLength(limit) | Rule::MinItems(limit) => {
                format!("limit: {limit}")
            }
            Rule::Enum(among) => format!("allowedValues: {}", among.join(",")),
            Rule::Const(text) => format!("allowedValue: {text}"),
        }
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn quoted_list(texts: &[&str]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| format!("\"{text}\"")).collect();
    quoted.join(", ")
}

impl Shape {
    /// Finds the first place where `value` is not of this shape.
    pub(crate) fn check(&self, value: &Value, at: &Path<'_>) -> Result<(), Violation> {
        match (self, value) {
            (Shape::OrNothing(_), value) if crate::document::is_nothing(value) => Ok(()),
            (Shape::OrNothing(shape), value) => shape.check(value, at),
            (Shape::Any, _) | (Shape::TextOrFlag, Value::String(_) | Value::Bool(_)) => Ok(()),
            (Shape::Text { min, max, among }, Value::String(text)) => {
                let rule = match () {
                    () if *min > 0 && text.is_empty() => Rule::MinLength(*min),
                    () if text.len() > *max && text.chars().count() > *max => Rule::MaxLength(*max),
                    () if !among.is_empty() && !among.contains(&text.as_str()) => Rule::Enum(among),
                    () => return Ok(()),
                };
                Err(violation(at, rule, value))
            }
            (Shape::Const(text), Value::String(given)) if text == given => Ok(()),
            (Shape::Const(text), _) => Err(violation(at, Rule::Const(text), value)),
            (Shape::List { min, .. }, Value::Array(items)) if items.len() < *min => {
                Err(violation(at, Rule::MinItems(*min), value))
            }
            (Shape::List { items: shape, .. }, Value::Array(items)) => items
                .iter()
                .enumerate()
                .try_for_each(|(index, item)| shape.check(item, &Path::Index(at, index))),
            (Shape::Object(shape), Value::Object(map)) => shape.check(map, at),
            (Shape::ObjectOrList(_, shape), Value::Array(_)) if shape.check(value, at).is_ok() => {
                Ok(())
            }
            (Shape::ObjectOrList(shape, _), Value::Object(_)) => shape.check(value, at),
            _ => {
                let rule = Rule::Type { types: self.types(), expected: self.words() };
                Err(violation(at, rule, value))
            }
        }
    }

    /// The types as JSON schema names them. Of an alternative ajv names the first one.
    fn types(&self) -> &'static str {
        match self {
            Shape::Any => "any",
            Shape::Text { .. } | Shape::Const(_) => "string",
            Shape::TextOrFlag => "string,boolean",
            Shape::List { .. } => "array",
            Shape::Object(_) | Shape::ObjectOrList(..) => "object",
            Shape::OrNothing(shape) => shape.types(),
        }
    }

    /// The shape in words.
    fn words(&self) -> String {
        match self {
            Shape::Any => "anything".to_owned(),
            Shape::Text { among, .. } if !among.is_empty() => {
                format!("one of {}", quoted_list(among))
            }
            Shape::Text { min: 0, .. } => "a string".to_owned(),
            Shape::Text { .. } => "a non-empty string".to_owned(),
            Shape::Const(text) => format!("\"{text}\""),
            Shape::TextOrFlag => "a string or a boolean".to_owned(),
            Shape::List { items: Shape::Text { .. }, .. } => "a list of strings".to_owned(),
            Shape::List { .. } => "a list".to_owned(),
            Shape::Object(_) => "an object".to_owned(),
            Shape::ObjectOrList(..) => "an object or a list of objects".to_owned(),
            Shape::OrNothing(shape) => shape.words(),
        }
    }
}

impl Object {
    fn check(&self, map: &Map<String, Value>, at: &Path<'_>) -> Result<(), Violation> {
        for property in self.required {
            if !map.contains_key(*property) {
                let shape = self.fields.iter().find(|(name, _)| name == property);
                let expected = shape.map_or_else(|| "which is missing".to_owned(), |s| s.1.words());
                let rule = Rule::Required { property, expected };
                return Err(Violation { path: at.to_string(), rule, found: describe_keys(map) });
            }
        }
        if !matches!(self.rest, Rest::Open) {
            self.check_rest(map, at)?;
        }
        for (name, shape) in self.fields {
            if let Some(value) = map.get(*name) {
                shape.check(value, &Path::Key(at, name))?;
            }
        }
        Ok(())
    }

    fn check_rest(&self, map: &Map<String, Value>, at: &Path<'_>) -> Result<(), Violation> {
        let is_listed = |key: &str| self.fields.iter().any(|(name, _)| *name == key);
        for (key, value) in map.iter().filter(|(key, _)| !is_listed(key)) {
            match self.rest {
                Rest::Open => {}
                Rest::Closed => {
                    let known: Vec<&str> = self.fields.iter().map(|(name, _)| *name).collect();
                    let property = js::shorten(key, 100).into_owned();
                    let rule = Rule::Additional { property, known: quoted_list(&known) };
                    return Err(Violation { path: at.to_string(), rule, found: describe(value) });
                }
                Rest::EachLine(_) if key.is_empty() || key.contains(LINE_BREAKS) => {}
                Rest::Each(shape) | Rest::EachLine(shape) => {
                    shape.check(value, &Path::Key(at, key))?;
                }
            }
        }
        Ok(())
    }
}

/// What `.` does not match in a pattern of JavaScript.
const LINE_BREAKS: [char; 4] = ['\n', '\r', '\u{2028}', '\u{2029}'];

fn violation(at: &Path<'_>, rule: Rule, value: &Value) -> Violation {
    Violation { path: at.to_string(), rule, found: describe(value) }
}

/// A value in a message: short, whatever its size.
pub(crate) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::String(text) => Value::from(js::shorten(text, 100)).to_string(),
        Value::Array(items) if items.is_empty() => "an empty list".to_owned(),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(map) => describe_keys(map),
    }
}

fn describe_keys(map: &Map<String, Value>) -> String {
    if map.is_empty() {
        return "an empty object".to_owned();
    }
    let mut keys = String::new();
    for key in map.keys() {
        if keys.len() > 80 {
            keys.push_str(", …");
            break;
        }
        let separator = if keys.is_empty() { "" } else { ", " };
        let _ = write!(keys, "{separator}{}", js::shorten(key, 60));
    }
    format!("an object with {keys}")
}

/// A document without a `spec`, of a kind whose schema requires one: all of them.
pub(crate) fn spec_missing(document: &Value) -> Violation {
    let found = describe(document);
    let rule = Rule::Required { property: "spec", expected: "an object".to_owned() };
    Violation { path: String::new(), rule, found }
}
