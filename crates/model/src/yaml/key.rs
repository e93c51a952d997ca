//! Collections as keys, which JSON has no place for: the npm package `yaml` writes them down as flow
//! text. They are mostly templates without quotes, `value: {{ name }}`, in real files.
//!
//! Differs from the package in details: numbers stay as they are written, comments are left out, and no
//! long text is folded, and `{a: }` reads like `{a}`.

use granit_parser::{ScalarStyle, StructureStyle};

/// What is longer is written over several lines, in characters.
const WIDTH_MAX: usize = 80;

/// A part of a key, as text.
#[derive(Debug)]
pub(super) struct Part {
    text: String,
    is_collection: bool,
}

/// A collection in a key, while it is read.
#[derive(Debug)]
pub(super) enum KeyCollection {
    Sequence(Vec<String>),
    Mapping { entries: Vec<String>, key: Option<Part>, style: StructureStyle },
}

impl Part {
    pub(super) fn scalar(text: &str, style: ScalarStyle) -> Self {
        let text = match style {
            ScalarStyle::Plain => text.to_owned(),
            ScalarStyle::SingleQuoted => format!("'{}'", text.replace('\'', "''")),
            _ => serde_json::Value::from(text).to_string(),
        };
        Self { text, is_collection: false }
    }

    /// How long it is, in bytes.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// The whole key.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}

impl KeyCollection {
    pub(super) fn mapping(style: StructureStyle) -> Self {
        KeyCollection::Mapping { entries: Vec::new(), key: None, style }
    }

    pub(super) fn push(&mut self, part: Part) {
        match self {
            KeyCollection::Sequence(items) => items.push(indented(&part.text)),
            KeyCollection::Mapping { entries, key, style } => match key.take() {
                None => *key = Some(part),
                Some(key) => entries.push(entry(key, &part.text, *style)),
            },
        }
    }

    pub(super) fn finish(self) -> Part {
        let (items, open, close) = match self {
            KeyCollection::Sequence(items) => (items, '[', ']'),
            KeyCollection::Mapping { entries, .. } => (entries, '{', '}'),
        };
        let width: usize = items.iter().map(|item| item.chars().count() + 3).sum();
        let text = if items.is_empty() {
            format!("{open}{close}")
        } else if width + 1 > WIDTH_MAX || items.iter().any(|item| item.contains('\n')) {
            let lines: Vec<String> = items.iter().map(|item| indented(item)).collect();
            format!("{open}\n  {}\n{close}", lines.join(",\n  "))
        } else {
            format!("{open} {} {close}", items.join(", "))
        };
        Part { text, is_collection: true }
    }
}

fn entry(key: Part, value: &str, style: StructureStyle) -> String {
    let value = indented(value);
    match (key.is_collection, value.is_empty()) {
        // In block style a key has its colon, in flow style `{{ name }}` has none.
        (false, true) if style == StructureStyle::Block => format!("{}:", key.text),
        (false, true) => key.text,
        (false, false) if value.contains('\n') => format!("{}:\n  {value}", key.text),
        (false, false) => format!("{}: {value}", key.text),
        (true, true) => format!("? {}", indented(&key.text)),
        (true, false) => format!("? {}\n: {value}", indented(&key.text)),
    }
}

fn indented(text: &str) -> String {
    text.replace('\n', "\n  ")
}
