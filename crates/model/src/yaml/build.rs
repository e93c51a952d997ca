//! From the events of the parser to the value of a document.

use std::collections::BTreeMap;

use granit_parser::{ErrorKind, Event, Marker, ScalarStyle, ScanError, Span, StructureStyle, Tag};
use serde_json::{Map, Value};

use super::key::{KeyCollection, Part};
use super::layout::{self, Place};
use super::scalar::{self, Scalar};
use super::{Limits, SyntaxProblem};
use crate::js;

/// A problem with its place.
pub(super) type Located = (Marker, SyntaxProblem);

/// What has been used of the limits of the file.
#[derive(Debug, Default)]
pub(super) struct Budget {
    nodes: usize,
    copied_nodes: usize,
    copied_bytes: usize,
}

impl Budget {
    pub(super) fn is_used_up(&self, limits: &Limits) -> bool {
        self.nodes > limits.nodes_max
            || self.copied_nodes > limits.copied_nodes_max
            || self.copied_bytes > limits.copied_bytes_max
    }
}

/// What a value takes.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    /// Scalars, arrays and objects, the value itself among them.
    nodes: usize,
    /// Bytes of text.
    bytes: usize,
    /// Levels of nesting; 0 for a scalar.
    depth: usize,
}

impl Size {
    fn scalar(text: &str) -> Self {
        Self { nodes: 1, bytes: text.len(), depth: 0 }
    }

    fn with(self, item: Self) -> Self {
        Self {
            nodes: self.nodes.saturating_add(item.nodes),
            bytes: self.bytes.saturating_add(item.bytes),
            depth: self.depth.max(item.depth + 1),
        }
    }
}

/// What an anchor names, and what a copy of it takes.
struct Anchored {
    value: Value,
    size: Size,
}

/// A key of a mapping as it was written: YAML tells `1` and `"1"` apart, JSON does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyKind {
    Text = 1,
    Number = 2,
    Bool = 4,
    Null = 8,
    /// An alias is never the same key as anything else.
    Alias = 0,
}

/// A collection that is being read.
struct Frame {
    collection: Collection,
    place: Place,
    anchor: usize,
    /// What it takes so far.
    size: Size,
}

enum Collection {
    Sequence(Vec<Value>),
    Mapping {
        map: Map<String, Value>,
        key: Option<String>,
        /// The kinds in which a key was written, for keys that were not written as texts.
        odd_keys: BTreeMap<String, u8>,
    },
    /// A collection that is a key, or stands in one.
    Key(KeyCollection),
}

pub(super) struct Builder<'b> {
    text: &'b str,
    limits: &'b Limits,
    budget: &'b mut Budget,
    stack: Vec<Frame>,
    anchors: BTreeMap<usize, Anchored>,
    root: Option<Value>,
    line: usize,
    /// Where the last event ends in the text, in bytes.
    end: usize,
}

impl<'b> Builder<'b> {
    pub(super) fn new(text: &'b str, limits: &'b Limits, budget: &'b mut Budget) -> Self {
        let (stack, anchors) = (Vec::new(), BTreeMap::new());
        Self { text, limits, budget, stack, anchors, root: None, line: 0, end: 0 }
    }

    pub(super) fn finish(self) -> (Value, usize) {
        (self.root.unwrap_or(Value::Null), self.line.max(1))
    }

    fn place(&self) -> Place {
        self.stack.last().map_or(Place::default(), |frame| frame.place)
    }

    /// What the parser says, or what is more likely the reason.
    pub(super) fn malformed(&self, error: &ScanError) -> Located {
        if *error.kind() == ErrorKind::RecursionLimitExceeded {
            let problem = too_deep(self.limits.depth_max);
            return (*error.marker(), problem);
        }
        layout::unclosed_quote(self.text, self.end, error.marker(), self.place())
            .unwrap_or_else(|| (*error.marker(), SyntaxProblem::Malformed(error.info())))
    }

    pub(super) fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Located> {
        let at = span.start;
        self.end = span.end.byte_offset().unwrap_or(self.end).max(self.end);
        if event.is_node() {
            if self.line == 0 {
                self.line = at.line();
            }
            layout::check(self.text, &event, &span, self.place())?;
        }
        match event {
            // Other versions than 1.1, and those to come, are read as 1.2, as the npm package does.
            Event::DocumentStart(_, Some(version)) if (version.major, version.minor) == (1, 1) => {
                Err((at, SyntaxProblem::UnsupportedVersion))
            }
            Event::Scalar(text, style, anchor, tag) => {
                // The parser writes a `~` where nothing is written.
                let text = if span.is_empty() { "".into() } else { text };
                self.scalar(&text, style, anchor, tag.as_deref(), at)
            }
            Event::SequenceStart(style, anchor, tag) => {
                supported(tag.as_deref(), &["omap", "pairs"], at)?;
                let collection = match self.is_in_key() {
                    true => Collection::Key(KeyCollection::Sequence(Vec::new())),
                    false => Collection::Sequence(Vec::new()),
                };
                self.open(collection, style, anchor, at)
            }
            Event::MappingStart(style, anchor, tag) => {
                supported(tag.as_deref(), &["set"], at)?;
                let collection = match self.is_in_key() {
                    true => Collection::Key(KeyCollection::mapping(style)),
                    false => {
                        let (map, odd_keys) = (Map::new(), BTreeMap::new());
                        Collection::Mapping { map, key: None, odd_keys }
                    }
                };
                self.open(collection, style, anchor, at)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(&span),
            Event::Alias(id) => self.alias(id, at),
            _ => Ok(()),
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        at: Marker,
    ) -> Result<(), Located> {
        supported(tag, &["binary", "timestamp", "merge"], at)?;
        let size = Size::scalar(text);
        self.spend(1, at)?;
        if let Some(Frame { collection: Collection::Key(key), .. }) = self.stack.last_mut() {
            key.push(Part::scalar(text, style));
            return anchor_in_key(anchor, at);
        }
        let scalar = resolve(text, style, tag);
        if anchor != 0 {
            self.spend_copy(size, at)?;
            let value = scalar.clone().into_value();
            self.anchors.insert(anchor, Anchored { value, size });
        }
        if self.wants_key() {
            let (key, kind) = key_of(&scalar);
            return self.key(key, kind, at);
        }
        self.value(scalar.into_value(), size);
        Ok(())
    }

    fn open(
        &mut self,
        collection: Collection,
        style: StructureStyle,
        anchor: usize,
        at: Marker,
    ) -> Result<(), Located> {
        if matches!(collection, Collection::Key(_)) {
            anchor_in_key(anchor, at)?;
        }
        self.spend(1, at)?;
        let place = self.place().inside(self.text, style, at);
        let size = Size { nodes: 1, bytes: 0, depth: 1 };
        self.stack.push(Frame { collection, place, anchor, size });
        self.check_depth(self.stack.len(), at)
    }

    fn close(&mut self, span: &Span) -> Result<(), Located> {
        let Some(frame) = self.stack.pop() else {
            return Ok(());
        };
        let at = span.start;
        layout::check_end(span, frame.place, self.place())?;
        let value = match frame.collection {
            Collection::Sequence(items) => Value::Array(items),
            Collection::Mapping { map, .. } => Value::Object(map),
            Collection::Key(key) => return self.close_key(key, at),
        };
        if frame.anchor != 0 {
            self.spend_copy(frame.size, at)?;
            let anchored = Anchored { value: value.clone(), size: frame.size };
            self.anchors.insert(frame.anchor, anchored);
        }
        self.value(value, frame.size);
        Ok(())
    }

    fn close_key(&mut self, key: KeyCollection, at: Marker) -> Result<(), Located> {
        let part = key.finish();
        // Each collection around it writes it down anew, indented further.
        self.spend_copy(Size { nodes: 0, bytes: part.len(), depth: 0 }, at)?;
        if let Some(Frame { collection: Collection::Key(parent), .. }) = self.stack.last_mut() {
            parent.push(part);
            return Ok(());
        }
        // Like that of an alias: no two collections are the same key.
        self.key(part.into_text(), KeyKind::Alias, at)
    }

    fn alias(&mut self, id: usize, at: Marker) -> Result<(), Located> {
        if self.is_in_key() && !self.wants_key() {
            return Err((at, SyntaxProblem::ComplexKey));
        }
        // An anchor is known once its node is complete: before that, the alias is inside of it.
        let Some(anchored) = self.anchors.get(&id) else {
            return Err((at, SyntaxProblem::RecursiveAlias));
        };
        let size = anchored.size;
        self.spend_copy(size, at)?;
        self.check_depth(self.stack.len() + size.depth, at)?;
        // Within the budget now, so the copy is bounded.
        let value = self.anchors.get(&id).map(|anchored| anchored.value.clone());
        let value = value.unwrap_or(Value::Null);
        if self.wants_key() {
            let key = match value {
                Value::Null => String::new(),
                Value::String(text) => text,
                Value::Bool(_) | Value::Number(_) => value.to_string(),
                Value::Array(_) | Value::Object(_) => return Err((at, SyntaxProblem::ComplexKey)),
            };
            return self.key(key, KeyKind::Alias, at);
        }
        self.value(value, size);
        Ok(())
    }

    /// Whether what comes next is a key, or a part of one.
    fn is_in_key(&self) -> bool {
        self.wants_key()
            || matches!(self.stack.last(), Some(Frame { collection: Collection::Key(_), .. }))
    }

    fn wants_key(&self) -> bool {
        matches!(
            self.stack.last(),
            Some(Frame { collection: Collection::Mapping { key: None, .. }, .. })
        )
    }

    fn key(&mut self, text: String, kind: KeyKind, at: Marker) -> Result<(), Located> {
        let Some(frame) = self.stack.last_mut() else {
            return Ok(());
        };
        let Collection::Mapping { map, key, odd_keys } = &mut frame.collection else {
            return Ok(());
        };
        let bit = kind as u8;
        let is_known = map.contains_key(&text);
        if is_known || kind != KeyKind::Text {
            let text_bit = if is_known { KeyKind::Text as u8 } else { 0 };
            let written = odd_keys.entry(text.clone()).or_insert(text_bit);
            if *written & bit != 0 {
                let key = js::shorten(&text, 100).into_owned();
                return Err((at, SyntaxProblem::DuplicateKey { key }));
            }
            *written |= bit;
        }
        frame.size.bytes = frame.size.bytes.saturating_add(text.len());
        *key = Some(text);
        Ok(())
    }

    /// Puts a finished value where it belongs.
    fn value(&mut self, value: Value, size: Size) {
        match self.stack.last_mut() {
            None => self.root = Some(value),
            Some(frame) => {
                frame.size = frame.size.with(size);
                match &mut frame.collection {
                    Collection::Sequence(items) => items.push(value),
                    Collection::Mapping { map, key, .. } => {
                        map.insert(key.take().unwrap_or_default(), value);
                    }
                    // Parts of keys are text, and never get here.
                    Collection::Key(_) => {}
                }
            }
        }
    }

    fn spend(&mut self, nodes: usize, at: Marker) -> Result<(), Located> {
        let max = self.limits.nodes_max;
        self.budget.nodes = self.budget.nodes.saturating_add(nodes);
        if self.budget.nodes > max {
            return Err((at, SyntaxProblem::TooMuch { what: "values", max }));
        }
        Ok(())
    }

    /// Spends what a copy takes, before it is made.
    fn spend_copy(&mut self, size: Size, at: Marker) -> Result<(), Located> {
        let Limits { copied_nodes_max, copied_bytes_max, .. } = *self.limits;
        let too_much = |what, max| Err((at, SyntaxProblem::TooMuch { what, max }));
        self.spend(size.nodes, at)?;
        self.budget.copied_nodes = self.budget.copied_nodes.saturating_add(size.nodes);
        self.budget.copied_bytes = self.budget.copied_bytes.saturating_add(size.bytes);
        if self.budget.copied_nodes > copied_nodes_max {
            return too_much("values copied by aliases", copied_nodes_max);
        }
        if self.budget.copied_bytes > copied_bytes_max {
            return too_much("bytes copied by aliases", copied_bytes_max);
        }
        Ok(())
    }

    fn check_depth(&self, depth: usize, at: Marker) -> Result<(), Located> {
        let max = self.limits.depth_max;
        if depth > max {
            return Err((at, too_deep(max)));
        }
        Ok(())
    }
}

fn too_deep(max: usize) -> SyntaxProblem {
    SyntaxProblem::TooMuch { what: "levels of nesting", max }
}

/// What is named in a key has no value that an alias could stand for.
fn anchor_in_key(anchor: usize, at: Marker) -> Result<(), Located> {
    if anchor == 0 { Ok(()) } else { Err((at, SyntaxProblem::ComplexKey)) }
}

/// Refuses the tags of YAML 1.1 that the npm package knows, and whose values JSON cannot hold.
fn supported(tag: Option<&Tag>, refused: &[&str], at: Marker) -> Result<(), Located> {
    match tag.and_then(|tag| tag.suffix_in_namespace("tag:yaml.org,2002:")) {
        Some(name) if refused.contains(&name.as_ref()) => {
            Err((at, SyntaxProblem::UnsupportedTag { tag: format!("!!{name}") }))
        }
        _ => Ok(()),
    }
}

/// What a scalar is: by its tag, or if it is plain, by the core schema. A tag that does not fit, or
/// that nothing knows, makes a text of it, with no more than a warning in the npm package.
fn resolve<'a>(text: &'a str, style: ScalarStyle, tag: Option<&Tag>) -> Scalar<'a> {
    let Some(tag) = tag else {
        return match style {
            ScalarStyle::Plain => scalar::resolve(text),
            _ => Scalar::Text(text),
        };
    };
    let resolved = match tag.suffix_in_namespace("tag:yaml.org,2002:").as_deref() {
        Some("null") => scalar::null(text),
        Some("bool") => scalar::bool(text),
        Some("int") => scalar::int(text),
        Some("float") => scalar::float(text),
        _ => None,
    };
    resolved.unwrap_or(Scalar::Text(text))
}

/// A scalar as the key of an object in JavaScript, and how it was written.
fn key_of(scalar: &Scalar<'_>) -> (String, KeyKind) {
    match scalar {
        Scalar::Null => (String::new(), KeyKind::Null),
        Scalar::Bool(value) => (value.to_string(), KeyKind::Bool),
        Scalar::Number(number) => {
            let mut text = String::new();
            js::push_number(&mut text, number);
            (text, KeyKind::Number)
        }
        Scalar::NotFinite(name) => ((*name).to_owned(), KeyKind::Number),
        Scalar::Text(text) => ((*text).to_owned(), KeyKind::Text),
    }
}
