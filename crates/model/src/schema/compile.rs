//! From the JSON of a schema to rules.

use std::collections::BTreeMap;

use fancy_regex::RegexBuilder;
use serde_json::{Map, Value};

use super::known;
use super::refs::{anchored, check_ends, percent_decoded};
use super::{Node, NodeId, Pattern, Rule, SchemaError, SchemaProblem, Types};
use crate::js;
use crate::nearest::nearest;
use crate::validate::describe;

/// Schemas and parts of schemas, at most.
const NODES_MAX: usize = 10_000;

/// Steps back that a pattern may take on one text.
const BACKTRACK_MAX: usize = 100_000;

/// Keywords that say nothing about validity.
const ANNOTATIONS: &[&str] = &[
    "$schema",
    "$id",
    "$comment",
    "definitions",
    "$defs",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "format",
    "contentMediaType",
    "contentEncoding",
    "contentSchema",
    "errorMessage",
    "nullable",
    "then",
    "else",
    "additionalItems",
];

/// Keywords that do, in the order in which ajv looks at them.
const RULES: &[&str] = &[
    "$ref",
    "type",
    "const",
    "enum",
    "not",
    "anyOf",
    "oneOf",
    "allOf",
    "if",
    "maximum",
    "minimum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "multipleOf",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "items",
    "contains",
    "maxProperties",
    "minProperties",
    "required",
    "propertyNames",
    "additionalProperties",
    "dependencies",
    "properties",
    "patternProperties",
];

/// A place in one of the schemas: which of them, and the pointer in it.
type Place = (usize, String);

struct Compiler<'a> {
    /// The schema itself, and then those that are known by name.
    resources: Vec<(&'a str, &'a Value)>,
    nodes: Vec<Node>,
    by_place: BTreeMap<Place, NodeId>,
    todo: Vec<(NodeId, Place, &'a Value)>,
}

pub(super) fn compile(schema: &Value) -> Result<Vec<Node>, SchemaError> {
    let error = |problem| Err(SchemaError { pointer: String::new(), problem });
    if crate::document::is_deeper_than(schema, crate::document::DEPTH_MAX) {
        return error(SchemaProblem::TooLarge);
    }
    let known = known::schemas();
    let name = schema.get("$id").and_then(Value::as_str).unwrap_or_default();
    let resources = std::iter::once((name, schema));
    let resources = resources.chain(known.iter().map(|(name, schema)| (*name, schema))).collect();
    let mut compiler =
        Compiler { resources, nodes: Vec::new(), by_place: BTreeMap::new(), todo: Vec::new() };
    compiler.node((0, String::new()), schema)?;
    while let Some((id, place, schema)) = compiler.todo.pop() {
        compiler.nodes[id] = compiler.rules(&place, schema)?;
    }
    match check_ends(&compiler.nodes) {
        Ok(()) => Ok(compiler.nodes),
        Err(problem) => error(problem),
    }
}

impl<'a> Compiler<'a> {
    fn error(&self, place: &Place, problem: SchemaProblem) -> SchemaError {
        let name = if place.0 == 0 { "" } else { self.resources[place.0].0 };
        SchemaError { pointer: format!("{name}{}", place.1), problem }
    }

    /// The schema at a place; its rules are compiled later.
    fn node(&mut self, place: Place, schema: &'a Value) -> Result<NodeId, SchemaError> {
        if let Some(id) = self.by_place.get(&place) {
            return Ok(*id);
        }
        let id = self.nodes.len();
        if id >= NODES_MAX {
            return Err(self.error(&place, SchemaProblem::TooLarge));
        }
        self.nodes.push(Node::default());
        self.by_place.insert(place.clone(), id);
        self.todo.push((id, place, schema));
        Ok(id)
    }

    fn rules(&mut self, place: &Place, schema: &'a Value) -> Result<Node, SchemaError> {
        let map = match schema {
            Value::Bool(true) => return Ok(Node::default()),
            Value::Bool(false) => {
                return Ok(Node { rules: vec![Rule::Never] });
            }
            Value::Object(map) => map,
            _ => return Err(self.error(place, SchemaProblem::NotASchema)),
        };
        for keyword in map.keys() {
            let all = || RULES.iter().chain(ANNOTATIONS).copied();
            if !keyword.starts_with("x-") && !all().any(|known| known == keyword) {
                let nearest = nearest(keyword, all());
                let keyword = js::shorten(keyword, 100).into_owned();
                return Err(self.error(place, SchemaProblem::UnknownKeyword { keyword, nearest }));
            }
        }
        self.annotations(place, map)?;
        let mut rules = Vec::new();
        for keyword in RULES {
            if let Some(value) = map.get(*keyword) {
                let at = (place.0, format!("{}/{keyword}", place.1));
                let rule = Keyword { keyword, value, at: &at, parent: place, siblings: map };
                rules.extend(self.rule(&rule)?);
            }
        }
        Ok(Node { rules })
    }

    /// Annotations are not checked but for the dialect, and that definitions are schemas.
    fn annotations(
        &mut self,
        place: &Place,
        map: &'a Map<String, Value>,
    ) -> Result<(), SchemaError> {
        if let Some(dialect) = map.get("$schema") {
            let text = dialect.as_str().unwrap_or_default();
            if text.trim_end_matches('#') != "http://json-schema.org/draft-07/schema" {
                let problem = SchemaProblem::Dialect { found: describe(dialect) };
                return Err(self.error(&(place.0, format!("{}/$schema", place.1)), problem));
            }
        }
        for keyword in ["definitions", "$defs"] {
            if let Some(value) = map.get(keyword) {
                self.schemas_of(&(place.0, format!("{}/{keyword}", place.1)), value)?;
            }
        }
        Ok(())
    }

    /// The schemas in an object, with their names.
    fn schemas_of(
        &mut self,
        at: &Place,
        value: &'a Value,
    ) -> Result<Vec<(String, NodeId)>, SchemaError> {
        let Value::Object(map) = value else {
            return Err(self.expected(at, "an object of schemas", value));
        };
        map.iter()
            .map(|(name, schema)| {
                let name_escaped = name.replace('~', "~0").replace('/', "~1");
                let id = self.node((at.0, format!("{}/{name_escaped}", at.1)), schema)?;
                Ok((name.clone(), id))
            })
            .collect()
    }

    fn schema_list(&mut self, at: &Place, value: &'a Value) -> Result<Vec<NodeId>, SchemaError> {
        match value {
            Value::Array(schemas) if !schemas.is_empty() => schemas
                .iter()
                .enumerate()
                .map(|(index, schema)| self.node((at.0, format!("{}/{index}", at.1)), schema))
                .collect(),
            _ => Err(self.expected(at, "a list of schemas", value)),
        }
    }

    fn expected(&self, at: &Place, expected: &'static str, value: &Value) -> SchemaError {
        self.error(at, SchemaProblem::Value { expected, found: describe(value) })
    }

    fn texts(&self, at: &Place, value: &Value) -> Result<Vec<String>, SchemaError> {
        let texts = value.as_array().and_then(|items| {
            items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        texts.ok_or_else(|| self.expected(at, "a list of strings", value))
    }

    fn count(&self, at: &Place, value: &Value) -> Result<usize, SchemaError> {
        let whole = |number: f64| number.fract() == 0.0 && (0.0..=9e15).contains(&number);
        let number = value.as_f64().filter(|number| whole(*number));
        let number = number.and_then(js::number).and_then(|number| number.as_u64());
        number
            .and_then(|number| usize::try_from(number).ok())
            .ok_or_else(|| self.expected(at, "a whole number, 0 or more", value))
    }

    fn number(&self, at: &Place, value: &Value) -> Result<serde_json::Number, SchemaError> {
        match value {
            Value::Number(number) => Ok(number.clone()),
            _ => Err(self.expected(at, "a number", value)),
        }
    }

    fn pattern(&self, at: &Place, text: &str) -> Result<Pattern, SchemaError> {
        let error = |problem: String| {
            let pattern = js::shorten(text, 100).into_owned();
            self.error(at, SchemaProblem::Pattern { pattern, problem })
        };
        let translated = jsonschema_regex::to_rust_regex(text)
            .map_err(|()| error("it is not one of ECMAScript".to_owned()))?;
        let regex = RegexBuilder::new(&translated)
            .backtrack_limit(BACKTRACK_MAX)
            .delegate_size_limit(1 << 20)
            .build()
            .map_err(|problem| error(js::shorten(&problem.to_string(), 200).into_owned()))?;
        Ok(Pattern { text: text.to_owned(), regex })
    }

    /// The schema that a `$ref` leads to.
    fn reference(&mut self, at: &Place, value: &'a Value) -> Result<NodeId, SchemaError> {
        let Value::String(target) = value else {
            return Err(self.expected(at, "a string", value));
        };
        let (name, fragment) = target.split_once('#').unwrap_or((target.as_str(), ""));
        let resource = match name {
            "" => Some(at.0),
            name => self.resources.iter().position(|(known, _)| *known == name),
        };
        let found = resource.and_then(|resource| {
            let root = self.resources[resource].1;
            let (pointer, schema) = if fragment.is_empty() || fragment.starts_with('/') {
                let decoded = percent_decoded(fragment);
                (decoded.clone(), root.pointer(&decoded)?)
            } else {
                anchored(root, fragment)?
            };
            Some(((resource, pointer), schema))
        });
        let Some((place, schema)) = found else {
            let target = js::shorten(target, 100).into_owned();
            return Err(self.error(at, SchemaProblem::Reference { target }));
        };
        self.node(place, schema)
    }
}

/// A keyword in its surroundings.
struct Keyword<'a, 'p> {
    keyword: &'static str,
    value: &'a Value,
    at: &'p Place,
    parent: &'p Place,
    siblings: &'a Map<String, Value>,
}

impl<'a> Compiler<'a> {
    fn rule(&mut self, given: &Keyword<'a, '_>) -> Result<Vec<Rule>, SchemaError> {
        let Keyword { keyword, value, at, .. } = *given;
        let rule = match keyword {
            "$ref" => Rule::Ref(self.reference(at, value)?),
            "type" => Rule::Type(self.types(given)?),
            "const" => Rule::Const(value.clone()),
            "enum" => match value {
                Value::Array(values) if !values.is_empty() => Rule::Enum(values.clone()),
                _ => return Err(self.expected(at, "a list of values", value)),
            },
            "not" => Rule::Not(self.node(at.clone(), value)?),
            "anyOf" => Rule::AnyOf(self.schema_list(at, value)?),
            "oneOf" => Rule::OneOf(self.schema_list(at, value)?),
            "allOf" => Rule::AllOf(self.schema_list(at, value)?),
            "if" => self.condition(given)?,
            "maximum" => Rule::Maximum(self.number(at, value)?),
            "minimum" => Rule::Minimum(self.number(at, value)?),
            "exclusiveMaximum" => Rule::ExclusiveMaximum(self.number(at, value)?),
            "exclusiveMinimum" => Rule::ExclusiveMinimum(self.number(at, value)?),
            "multipleOf" => match self.number(at, value)? {
                factor if factor.as_f64().is_some_and(|factor| factor > 0.0) => {
                    Rule::MultipleOf(factor)
                }
                _ => return Err(self.expected(at, "a number over 0", value)),
            },
            "maxLength" => Rule::MaxLength(self.count(at, value)?),
            "minLength" => Rule::MinLength(self.count(at, value)?),
            "pattern" => match value {
                Value::String(text) => Rule::Pattern(self.pattern(at, text)?),
                _ => return Err(self.expected(at, "a string", value)),
            },
            "maxItems" => Rule::MaxItems(self.count(at, value)?),
            "minItems" => Rule::MinItems(self.count(at, value)?),
            "uniqueItems" => match value {
                Value::Bool(true) => Rule::UniqueItems,
                Value::Bool(false) => return Ok(Vec::new()),
                _ => return Err(self.expected(at, "a boolean", value)),
            },
            "items" => return self.items(given),
            "contains" => Rule::Contains(self.node(at.clone(), value)?),
            "maxProperties" => Rule::MaxProperties(self.count(at, value)?),
            "minProperties" => Rule::MinProperties(self.count(at, value)?),
            "required" => Rule::Required(self.texts(at, value)?),
            "propertyNames" => Rule::PropertyNames(self.node(at.clone(), value)?),
            "additionalProperties" => self.additional_properties(given)?,
            "dependencies" => return self.dependencies(at, value),
            "properties" => Rule::Properties(self.schemas_of(at, value)?),
            "patternProperties" => Rule::PatternProperties(self.pattern_properties(at, value)?),
            _ => return Ok(Vec::new()),
        };
        Ok(vec![rule])
    }

    fn types(&self, given: &Keyword<'a, '_>) -> Result<Types, SchemaError> {
        let names = match given.value {
            Value::Array(names) if !names.is_empty() => names.as_slice(),
            name => std::slice::from_ref(name),
        };
        let mut types = Types::default();
        for name in names {
            let named = name.as_str().and_then(Types::named).ok_or_else(|| {
                let expected =
                    "one or more of null, boolean, object, array, number, string, integer";
                self.expected(given.at, expected, name)
            })?;
            types = types.with(named);
        }
        // An extension of OpenAPI that ajv knows.
        if given.siblings.get("nullable") == Some(&Value::Bool(true)) {
            types = types.with(Types::NULL);
        }
        Ok(types)
    }

    fn condition(&mut self, given: &Keyword<'a, '_>) -> Result<Rule, SchemaError> {
        let mut branch = |keyword: &str| {
            given
                .siblings
                .get(keyword)
                .map(|schema| {
                    self.node((given.parent.0, format!("{}/{keyword}", given.parent.1)), schema)
                })
                .transpose()
        };
        let (then, otherwise) = (branch("then")?, branch("else")?);
        Ok(Rule::If { condition: self.node(given.at.clone(), given.value)?, then, otherwise })
    }

    fn items(&mut self, given: &Keyword<'a, '_>) -> Result<Vec<Rule>, SchemaError> {
        let Value::Array(tuple) = given.value else {
            let schema = self.node(given.at.clone(), given.value)?;
            return Ok(vec![Rule::Items { from: 0, schema }]);
        };
        if tuple.is_empty() {
            return Err(self.expected(given.at, "a schema or a list of schemas", given.value));
        }
        let mut rules = vec![Rule::Tuple(self.schema_list(given.at, given.value)?)];
        if let Some(rest) = given.siblings.get("additionalItems") {
            let at = (given.parent.0, format!("{}/additionalItems", given.parent.1));
            rules.push(Rule::Items { from: tuple.len(), schema: self.node(at, rest)? });
        }
        Ok(rules)
    }

    fn additional_properties(&mut self, given: &Keyword<'a, '_>) -> Result<Rule, SchemaError> {
        let keys = |keyword: &str| {
            given.siblings.get(keyword).and_then(Value::as_object).into_iter().flat_map(Map::keys)
        };
        let listed = keys("properties").cloned().collect();
        let patterns = keys("patternProperties")
            .map(|pattern| self.pattern(given.at, pattern))
            .collect::<Result<_, _>>()?;
        let schema = self.node(given.at.clone(), given.value)?;
        Ok(Rule::AdditionalProperties { listed, patterns, schema })
    }

    fn dependencies(&mut self, at: &Place, value: &'a Value) -> Result<Vec<Rule>, SchemaError> {
        let Value::Object(map) = value else {
            return Err(self.expected(at, "an object", value));
        };
        let mut rules = Vec::new();
        for (property, needs) in map {
            let escaped = property.replace('~', "~0").replace('/', "~1");
            let at = (at.0, format!("{}/{escaped}", at.1));
            rules.push(match needs {
                Value::Array(_) => {
                    Rule::DependentRequired(property.clone(), self.texts(&at, needs)?)
                }
                _ => Rule::DependentSchema(property.clone(), self.node(at, needs)?),
            });
        }
        Ok(rules)
    }

    fn pattern_properties(
        &mut self,
        at: &Place,
        value: &'a Value,
    ) -> Result<Vec<(Pattern, NodeId)>, SchemaError> {
        let schemas = self.schemas_of(at, value)?;
        schemas
            .into_iter()
            .map(|(pattern, schema)| Ok((self.pattern(at, &pattern)?, schema)))
            .collect()
    }
}
