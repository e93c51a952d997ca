//! Holding a value against the rules of a schema.

use serde_json::{Map, Number, Value};

use super::{Node, NodeId, Pattern, Rule, Types};
use crate::js;
use crate::kinds::Path;
use crate::validate::describe;

/// Rules that may be applied to one document.
const STEPS_MAX: usize = 1_000_000;

/// How deep schemas may be applied inside of each other.
const DEPTH_MAX: usize = 1_000;

/// A value that breaks a schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {rule}; found {found}", if .path.is_empty() { "<root>" } else { .path.as_str() })]
pub(crate) struct SchemaViolation {
    /// JSON pointer to the value.
    pub(crate) path: String,
    /// What it breaks.
    pub(crate) rule: String,
    /// What was found, shortened.
    pub(crate) found: String,
}

struct Checker<'a> {
    nodes: &'a [Node],
    steps: usize,
    depth: usize,
}

type Result<T = ()> = std::result::Result<T, SchemaViolation>;

pub(super) fn check(nodes: &[Node], value: &Value) -> Result {
    Checker { nodes, steps: 0, depth: 0 }.node(0, value, &Path::Root)
}

fn violation(at: &Path<'_>, value: &Value, rule: impl Into<String>) -> SchemaViolation {
    SchemaViolation { path: at.to_string(), rule: rule.into(), found: describe(value) }
}

impl Checker<'_> {
    fn node(&mut self, id: NodeId, value: &Value, at: &Path<'_>) -> Result {
        let Some(node) = self.nodes.get(id) else {
            return Ok(());
        };
        self.depth += 1;
        let result = if self.depth > DEPTH_MAX {
            Err(violation(at, value, "is nested too deep for the schema of its kind"))
        } else {
            node.rules.iter().try_for_each(|rule| self.rule(rule, value, at))
        };
        self.depth -= 1;
        result
    }

    /// Whether a value is valid, without saying why not. Running out of steps is still an error.
    fn is_valid(&mut self, id: NodeId, value: &Value, at: &Path<'_>) -> Result<bool> {
        let result = self.node(id, value, at);
        if self.steps > STEPS_MAX { result.map(|()| true) } else { Ok(result.is_ok()) }
    }

    fn rule(&mut self, rule: &Rule, value: &Value, at: &Path<'_>) -> Result {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err(violation(at, value, "takes too long to check against the schema"));
        }
        match rule {
            Rule::Never => Err(violation(at, value, "must not be here")),
            Rule::Ref(id) => self.node(*id, value, at),
            Rule::Type(types) => expect(is_of(*types, value), at, value, || {
                let names: Vec<&str> = types.names().collect();
                format!("must be of type {}", names.join(" or "))
            }),
            Rule::Enum(allowed) => {
                expect(allowed.iter().any(|allowed| equal(allowed, value)), at, value, || {
                    let allowed: Vec<String> = allowed.iter().map(describe).collect();
                    format!("must be one of {}", js::shorten(&allowed.join(", "), 200))
                })
            }
            Rule::Const(constant) => expect(equal(constant, value), at, value, || {
                format!("must be {}", describe(constant))
            }),
            Rule::Not(id) => {
                let is_valid = self.is_valid(*id, value, at)?;
                expect(!is_valid, at, value, || "must not be as the schema says".to_owned())
            }
            Rule::AllOf(ids) => ids.iter().try_for_each(|id| self.node(*id, value, at)),
            Rule::AnyOf(ids) => self.any_of(ids, value, at),
            Rule::OneOf(ids) => self.one_of(ids, value, at),
            Rule::If { condition, then, otherwise } => {
                let branch = if self.is_valid(*condition, value, at)? { then } else { otherwise };
                branch.map_or(Ok(()), |branch| self.node(branch, value, at))
            }
            _ => match value {
                Value::Number(number) => number_rule(rule, number, value, at),
                Value::String(text) => text_rule(rule, text, value, at),
                Value::Array(items) => self.array_rule(rule, items, value, at),
                Value::Object(map) => self.object_rule(rule, map, value, at),
                Value::Null | Value::Bool(_) => Ok(()),
            },
        }
    }

    fn any_of(&mut self, ids: &[NodeId], value: &Value, at: &Path<'_>) -> Result {
        let mut first = None;
        for id in ids {
            match self.node(*id, value, at) {
                Ok(()) => return Ok(()),
                Err(error) if self.steps > STEPS_MAX => return Err(error),
                Err(error) => first = first.or(Some(error)),
            }
        }
        first.map_or(Ok(()), Err)
    }

    fn one_of(&mut self, ids: &[NodeId], value: &Value, at: &Path<'_>) -> Result {
        let mut first = None;
        let mut valid = 0;
        for id in ids {
            match self.node(*id, value, at) {
                Ok(()) => valid += 1,
                Err(error) if self.steps > STEPS_MAX => return Err(error),
                Err(error) => first = first.or(Some(error)),
            }
        }
        match (valid, first) {
            (1, _) => Ok(()),
            (0, Some(error)) => Err(error),
            _ => Err(violation(at, value, "must match exactly one schema in oneOf")),
        }
    }

    fn array_rule(&mut self, rule: &Rule, items: &[Value], value: &Value, at: &Path<'_>) -> Result {
        match rule {
            Rule::MinItems(min) => {
                expect(items.len() >= *min, at, value, || format!("must have at least {min} items"))
            }
            Rule::MaxItems(max) => {
                expect(items.len() <= *max, at, value, || format!("must have at most {max} items"))
            }
            Rule::UniqueItems => {
                for (index, item) in items.iter().enumerate() {
                    self.steps += index;
                    if self.steps > STEPS_MAX {
                        return Err(violation(at, value, "has too many items to compare"));
                    }
                    if items[..index].iter().any(|other| equal(other, item)) {
                        let at = Path::Index(at, index);
                        return Err(violation(&at, item, "must not stand twice in its list"));
                    }
                }
                Ok(())
            }
            Rule::Items { from, schema } => items
                .iter()
                .enumerate()
                .skip(*from)
                .try_for_each(|(index, item)| self.node(*schema, item, &Path::Index(at, index))),
            Rule::Tuple(schemas) => {
                items.iter().zip(schemas).enumerate().try_for_each(|(index, (item, schema))| {
                    self.node(*schema, item, &Path::Index(at, index))
                })
            }
            Rule::Contains(schema) => {
                for (index, item) in items.iter().enumerate() {
                    if self.is_valid(*schema, item, &Path::Index(at, index))? {
                        return Ok(());
                    }
                }
                Err(violation(at, value, "must contain an item as the schema says"))
            }
            _ => Ok(()),
        }
    }

    fn object_rule(
        &mut self,
        rule: &Rule,
        map: &Map<String, Value>,
        value: &Value,
        at: &Path<'_>,
    ) -> Result {
        match rule {
            Rule::MinProperties(min) => expect(map.len() >= *min, at, value, || {
                format!("must have at least {min} properties")
            }),
            Rule::MaxProperties(max) => expect(map.len() <= *max, at, value, || {
                format!("must have at most {max} properties")
            }),
            Rule::Required(names) => required(names, map, value, at),
            Rule::DependentRequired(name, names) if map.contains_key(name) => {
                required(names, map, value, at)
            }
            Rule::DependentSchema(name, schema) if map.contains_key(name) => {
                self.node(*schema, value, at)
            }
            Rule::PropertyNames(schema) => map.keys().try_for_each(|key| {
                self.node(*schema, &Value::String(key.clone()), &Path::Key(at, key))
            }),
            Rule::Properties(schemas) => schemas.iter().try_for_each(|(key, schema)| {
                let Some(value) = map.get(key) else {
                    return Ok(());
                };
                self.node(*schema, value, &Path::Key(at, key))
            }),
            Rule::PatternProperties(schemas) => {
                for (pattern, schema) in schemas {
                    for (key, item) in map {
                        self.steps += 1;
                        if matches(pattern, key, &Value::Null, at)? {
                            self.node(*schema, item, &Path::Key(at, key))?;
                        }
                    }
                }
                Ok(())
            }
            Rule::AdditionalProperties { listed, patterns, schema } => {
                for (key, item) in map {
                    let mut is_known = listed.contains(key);
                    for pattern in patterns {
                        self.steps += 1;
                        is_known = is_known || matches(pattern, key, &Value::Null, at)?;
                    }
                    if !is_known {
                        self.node(*schema, item, &Path::Key(at, key))?;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn expect(holds: bool, at: &Path<'_>, value: &Value, rule: impl FnOnce() -> String) -> Result {
    if holds { Ok(()) } else { Err(violation(at, value, rule())) }
}

fn required(names: &[String], map: &Map<String, Value>, value: &Value, at: &Path<'_>) -> Result {
    match names.iter().find(|name| !map.contains_key(*name)) {
        None => Ok(()),
        Some(name) => {
            let name = js::shorten(name, 100);
            Err(violation(at, value, format!("must have required property '{name}'")))
        }
    }
}

fn is_of(types: Types, value: &Value) -> bool {
    match value {
        Value::Null => types.holds("null"),
        Value::Bool(_) => types.holds("boolean"),
        Value::Object(_) => types.holds("object"),
        Value::Array(_) => types.holds("array"),
        Value::String(_) => types.holds("string"),
        Value::Number(number) => {
            let is_whole = || number.as_f64().is_none_or(|number| number.fract() == 0.0);
            types.holds("number") || (types.holds("integer") && is_whole())
        }
    }
}

fn number_rule(rule: &Rule, number: &Number, value: &Value, at: &Path<'_>) -> Result {
    let float = |number: &Number| number.as_f64().unwrap_or(f64::NAN);
    let given = float(number);
    let (holds, words, limit) = match rule {
        Rule::Minimum(min) => (given >= float(min), "must be at least", min),
        Rule::Maximum(max) => (given <= float(max), "must be at most", max),
        Rule::ExclusiveMinimum(min) => (given > float(min), "must be over", min),
        Rule::ExclusiveMaximum(max) => (given < float(max), "must be under", max),
        Rule::MultipleOf(factor) => {
            // With the rounding of doubles, as ajv has it: 0.3 is no multiple of 0.1.
            ((given / float(factor)).fract() == 0.0, "must be a multiple of", factor)
        }
        _ => return Ok(()),
    };
    expect(holds, at, value, || format!("{words} {limit}"))
}

fn text_rule(rule: &Rule, text: &str, value: &Value, at: &Path<'_>) -> Result {
    match rule {
        Rule::MinLength(min) => {
            let is_long = text.len() >= *min && text.chars().nth(min.saturating_sub(1)).is_some();
            expect(*min == 0 || is_long, at, value, || {
                format!("must be at least {min} characters long")
            })
        }
        Rule::MaxLength(max) => {
            let is_short = text.len() <= *max || text.chars().nth(*max).is_none();
            expect(is_short, at, value, || format!("must be at most {max} characters long"))
        }
        Rule::Pattern(pattern) => {
            let holds = matches(pattern, text, value, at)?;
            expect(holds, at, value, || {
                format!("must match pattern \"{}\"", js::shorten(&pattern.text, 100))
            })
        }
        _ => Ok(()),
    }
}

/// Whether a text matches. A pattern that takes too many steps is a violation, not a hang.
fn matches(pattern: &Pattern, text: &str, value: &Value, at: &Path<'_>) -> Result<bool> {
    pattern.regex.is_match(text).map_err(|_| {
        let rule = format!("takes too long to match \"{}\"", js::shorten(&pattern.text, 100));
        violation(at, value, rule)
    })
}

/// Equality of values as JavaScript has it: numbers by value, objects without regard to order.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let same = |(key, a): (&String, &Value)| b.get(key).is_some_and(|b| equal(a, b));
            a.len() == b.len() && a.iter().all(same)
        }
        (a, b) => a == b,
    }
}
