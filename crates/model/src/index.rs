//! The filter index: the terms under which an entity is found.
//!
//! Invariant: the terms of a document depend on it alone, come in the order of the document, and no
//! two have the same path and value. They are those of `buildEntitySearch` of
//! `@backstage/plugin-catalog-backend` 4.0.0, except that
//!
//! - `relations.<type>` and `metadata.uid` are left to those who know them,
//! - `path.item=true`, which Backstage adds for every text in an array, is not a term of its own:
//!   the term of the item is marked as [`TermRef::array_item`] instead. To answer
//!   `metadata.tags.java=true`, look for a split of the key at a dot such that the term (path
//!   `metadata.tags`, value `java`) is marked; keys over [`PATH_UNITS_MAX`] find nothing;
//! - integers beyond ±2^53 keep the digits that JavaScript would lose.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::{Number, Value};

use crate::document::{Document, is_nothing};
use crate::js;
use crate::reference::NAMESPACE_DEFAULT;

/// Terms with a longer path are left out. In UTF-16 code units, after folding.
pub const PATH_UNITS_MAX: usize = 200;

/// Longer values are indexed as "exists", without a value. In UTF-16 code units, after folding.
pub const VALUE_UNITS_MAX: usize = 200;

/// Paths that are not walked into: they are added later, or not at all.
fn is_special(path: &str) -> bool {
    matches!(
        path,
        "attachments"
            | "relations"
            | "status"
            | "metadata.name"
            | "metadata.namespace"
            | "metadata.uid"
            | "metadata.etag"
    )
}

/// A term of the filter index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// Where the value stands, in lower case, with dots: `spec.dependson`.
    pub path: String,
    /// The value in lower case; `None` for `null` and for values over [`VALUE_UNITS_MAX`].
    pub value: Option<String>,
    /// The value as it is written, which facets show; present when `value` is.
    pub original: Option<String>,
    /// Whether the value stands in an array, as a text.
    pub array_item: bool,
}

/// A term of the filter index, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TermRef<'a> {
    /// As [`Term::path`].
    pub path: &'a str,
    /// As [`Term::value`].
    pub value: Option<&'a str>,
    /// As [`Term::original`].
    pub original: Option<&'a str>,
    /// As [`Term::array_item`].
    pub array_item: bool,
}

/// The terms of one document, in memory that can be used again for the next one.
#[derive(Debug, Default)]
pub struct Terms {
    text: String,
    spans: Vec<Span>,
    /// Indexes into `spans`, with a hash of path and value, to find doubles.
    order: Vec<(u64, u32)>,
}

#[derive(Debug)]
struct Span {
    path: Range<usize>,
    value: Option<Range<usize>>,
    /// Where the value is as it is written; the same range if folding changes nothing.
    original: Range<usize>,
    array_item: bool,
    is_double: bool,
}

/// A value without parts.
#[derive(Clone, Copy)]
enum Scalar<'a> {
    Null,
    Bool(bool),
    Number(&'a Number),
    Text(&'a str),
}

impl<'a> Scalar<'a> {
    fn new(value: &'a Value) -> Self {
        match value {
            Value::Bool(value) => Scalar::Bool(*value),
            Value::Number(number) => Scalar::Number(number),
            Value::String(text) => Scalar::Text(text),
            Value::Null | Value::Array(_) | Value::Object(_) => Scalar::Null,
        }
    }
}

/// The terms of a document.
#[must_use]
pub fn terms(document: &Value) -> Vec<Term> {
    let mut terms = Vec::new();
    visit_terms(document, &mut |term: TermRef<'_>| {
        terms.push(Term {
            path: term.path.to_owned(),
            value: term.value.map(str::to_owned),
            original: term.original.map(str::to_owned),
            array_item: term.array_item,
        });
    });
    terms
}

/// Hands the terms of a document to `visit`, without an allocation for each of them.
pub fn visit_terms(document: &Value, visit: &mut impl FnMut(TermRef<'_>)) {
    let mut terms = Terms::default();
    terms.fill(document);
    terms.iter().for_each(visit);
}

impl Terms {
    /// Replaces the terms by those of another document.
    pub fn fill(&mut self, document: &Value) {
        self.text.clear();
        self.spans.clear();
        walk(document, &mut String::with_capacity(128), &mut |path, value, array_item| {
            self.add(path, Scalar::new(value), array_item);
        });
        let view = Document::new(document);
        let metadata = |key: &str| view.metadata().and_then(|metadata| metadata.get(key));
        let name = metadata("name").map_or(Scalar::Null, Scalar::new);
        self.add("metadata.name", name, false);
        let namespace = metadata("namespace").unwrap_or(&Value::Null);
        self.add("metadata.namespace", Scalar::new(namespace), false);
        if is_nothing(namespace) {
            self.add("metadata.namespace", Scalar::Text(NAMESPACE_DEFAULT), false);
        }
        self.mark_doubles();
    }

    /// The terms.
    pub fn iter(&self) -> impl Iterator<Item = TermRef<'_>> {
        self.spans.iter().filter(|span| !span.is_double).map(|span| TermRef {
            path: &self.text[span.path.clone()],
            value: span.value.clone().map(|value| &self.text[value]),
            original: span.value.is_some().then(|| &self.text[span.original.clone()]),
            array_item: span.array_item,
        })
    }

    fn add(&mut self, path: &str, value: Scalar<'_>, array_item: bool) {
        let start = self.text.len();
        js::push_lower(&mut self.text, path);
        if js::is_longer_than(&self.text[start..], PATH_UNITS_MAX) {
            self.text.truncate(start);
            return;
        }
        let path = start..self.text.len();
        let start = self.text.len();
        let is_kept = match value {
            Scalar::Null => false,
            Scalar::Bool(value) => {
                self.text.push_str(if value { "true" } else { "false" });
                true
            }
            Scalar::Number(number) => {
                js::push_number(&mut self.text, number);
                true
            }
            // Folding never makes a text shorter, so what is too long stays too long.
            Scalar::Text(text) if js::is_longer_than(text, VALUE_UNITS_MAX) => false,
            Scalar::Text(text) => {
                self.text.push_str(text);
                true
            }
        };
        let original = start..self.text.len();
        let value = if is_kept { self.fold(original.clone()) } else { None };
        self.spans.push(Span { path, value, original, array_item, is_double: false });
    }

    /// Folds the case of a part of the text: where the folded text is, if it is not too long.
    fn fold(&mut self, original: Range<usize>) -> Option<Range<usize>> {
        let folded = match js::lower(&self.text[original.clone()]) {
            std::borrow::Cow::Borrowed(_) => return Some(original),
            std::borrow::Cow::Owned(folded) => folded,
        };
        if js::is_longer_than(&folded, VALUE_UNITS_MAX) {
            return None;
        }
        let start = self.text.len();
        self.text.push_str(&folded);
        Some(start..self.text.len())
    }

    /// Of several spans with the same path and value, the first one stays.
    fn mark_doubles(&mut self) {
        let Self { text, spans, order } = self;
        let path = |span: &Span| &text.as_bytes()[span.path.clone()];
        let value = |span: &Span| span.value.clone().map(|value| &text.as_bytes()[value]);
        order.clear();
        order.extend((0u32..).zip(spans.iter()).map(|(index, span)| {
            let hash = hash(hash(0, path(span)), value(span).unwrap_or(&[0xff]));
            (hash, index)
        }));
        let at = |index: u32| index as usize;
        let compare = |spans: &[Span], a: u32, b: u32| {
            let (a, b) = (&spans[at(a)], &spans[at(b)]);
            path(a).cmp(path(b)).then_with(|| value(a).cmp(&value(b)))
        };
        order.sort_unstable_by(|a, b| {
            a.0.cmp(&b.0).then_with(|| compare(spans, a.1, b.1)).then(a.1.cmp(&b.1))
        });
        let mut first = 0;
        for next in 1..order.len() {
            let (a, b) = (order[first], order[next]);
            if a.0 == b.0 && compare(spans, a.1, b.1) == Ordering::Equal {
                spans[at(b.1)].is_double = true;
                spans[at(a.1)].array_item |= spans[at(b.1)].array_item;
            } else {
                first = next;
            }
        }
    }
}

/// The text by which filters know a value that stands alone: a text as it is, a number or boolean
/// as JavaScript's `String(value)` writes it; `None` for anything else.
#[must_use]
pub fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => {
            let mut text = String::new();
            js::push_number(&mut text, number);
            Some(text)
        }
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The lower case in which filters compare keys and values: JavaScript's `toLowerCase`.
#[must_use]
pub fn lower(text: &str) -> String {
    js::lower(text).into_owned()
}

/// Hands every scalar of a document to `visit` with its path as it is written, and whether it is a
/// text in an array.
fn walk(value: &Value, path: &mut String, visit: &mut impl FnMut(&str, &Value, bool)) {
    if is_special(path) {
        return;
    }
    match value {
        // What stands deeper has longer paths still. A key may be as long as a document, and one
        // path for each of many values behind it would be more than memory holds.
        Value::Array(_) | Value::Object(_) if js::is_longer_than(path, PATH_UNITS_MAX) => {}
        Value::Array(items) => {
            for item in items {
                match item {
                    Value::String(_) => visit(path, item, true),
                    _ => walk(item, path, visit),
                }
            }
        }
        Value::Object(map) => {
            let length = path.len();
            for (key, value) in map {
                if length > 0 {
                    path.push('.');
                }
                path.push_str(key);
                walk(value, path, visit);
                path.truncate(length);
            }
        }
        scalar => visit(path, scalar, false),
    }
}

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hash to sort by; what is equal is settled by comparing.
fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let mut state = seed ^ (bytes.len() as u64).wrapping_mul(FACTOR);
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let word = chunk.try_into().map_or(0, u64::from_le_bytes);
        state = (state.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    }
    for &byte in chunks.remainder() {
        state = (state.rotate_left(5) ^ u64::from(byte)).wrapping_mul(FACTOR);
    }
    state
}

/// Why a document cannot be indexed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IndexProblem {
    /// Keys that are one key to the index.
    #[error("the keys {} differ only in case, which filters ignore", .keys.join(" and "))]
    Case { keys: [String; 2], all: Vec<String> },
    /// PostgreSQL takes no NUL character either.
    #[error("{path} holds a NUL character, which cannot be indexed")]
    Nul { path: String },
}

impl IndexProblem {
    /// JSON pointer to the problem, as far as there is one place.
    pub(crate) fn path(&self) -> String {
        String::new()
    }

    /// What Backstage says, if it has words for it.
    pub(crate) fn backstage(&self) -> Option<String> {
        match self {
            IndexProblem::Case { all, .. } => Some(format!(
                "Entity has duplicate keys that vary only in casing, '{}'",
                all.join("', '")
            )),
            IndexProblem::Nul { .. } => None,
        }
    }
}

/// A key of the index: where it starts in the scratch text, folded and as it is written.
struct Key {
    hash: u64,
    folded: Range<usize>,
    written: Range<usize>,
    /// Whether it is `path.item`, which Backstage adds once, with the first case that it meets.
    is_item: bool,
}

/// Checks that no two keys of the index differ only in case (`buildEntitySearch` refuses those), and
/// that nothing in the index holds a NUL character.
pub(crate) fn check(document: &Value) -> Result<(), IndexProblem> {
    // Almost always hashes settle that all is well, without keeping a single key.
    let mut hashes: Vec<(u64, u64)> = Vec::with_capacity(64);
    let mut is_ascii = true;
    let mut nul = None;
    let mut item_key = String::new();
    let mut add = |key: &str| {
        is_ascii &= key.is_ascii();
        hashes.push((folded_hash(key.as_bytes()), hash(0, key.as_bytes())));
    };
    walk(document, &mut String::with_capacity(128), &mut |path, value, array_item| {
        let text = value.as_str().unwrap_or_default();
        let is_kept = text.len() <= VALUE_UNITS_MAX * 3;
        let holds_nul = |text: &str| text.as_bytes().contains(&0);
        if holds_nul(path)
            || (is_kept && holds_nul(text) && !js::is_longer_than(text, VALUE_UNITS_MAX))
        {
            nul.get_or_insert_with(|| js::shorten(path, 100).replace('\0', "␀"));
        }
        add(path);
        if array_item {
            item_key.clear();
            item_key.push_str(path);
            item_key.push('.');
            item_key.push_str(text);
            add(&item_key);
        }
    });
    KEYS_ADDED.iter().for_each(|key| add(key));
    hashes.sort_unstable();
    let may_clash = |pair: &[(u64, u64)]| pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1;
    if !is_ascii || hashes.windows(2).any(may_clash) {
        keys_differ_in_more_than_case(document)?;
    }
    nul.map_or(Ok(()), |path| Err(IndexProblem::Nul { path }))
}

/// The keys that an entity has, whatever its document says.
const KEYS_ADDED: &[&str] = &["metadata.name", "metadata.namespace", "metadata.uid"];

/// A hash that is equal for texts of ASCII that differ in case only, and for a few others.
fn folded_hash(bytes: &[u8]) -> u64 {
    const CASE: u64 = 0x2020_2020_2020_2020;
    let mut state = (bytes.len() as u64).wrapping_mul(FACTOR);
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let word = chunk.try_into().map_or(0, u64::from_le_bytes) | CASE;
        state = (state.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    }
    for &byte in chunks.remainder() {
        state = (state.rotate_left(5) ^ u64::from(byte | 0x20)).wrapping_mul(FACTOR);
    }
    state
}

/// The thorough check, for documents in which keys are alike.
fn keys_differ_in_more_than_case(document: &Value) -> Result<(), IndexProblem> {
    // Hashes tell which keys are alike, so that not all of them have to be kept.
    let mut hashes: Vec<(u64, u64)> = Vec::with_capacity(64);
    each_key(document, &mut |written, folded, _| {
        hashes.push((hash(0, folded.as_bytes()), hash(0, written.as_bytes())));
    });
    hashes.sort_unstable();
    hashes.dedup();
    let alike = hashes.windows(2).filter(|pair| pair[0].0 == pair[1].0).map(|pair| pair[0].0);
    let alike: BTreeSet<u64> = alike.take(CLASHES_MAX).collect();
    if alike.is_empty() {
        return Ok(());
    }
    let mut text = String::with_capacity(4096);
    let mut keys: Vec<Key> = Vec::with_capacity(64);
    each_key(document, &mut |written, folded, is_item| {
        let hash = hash(0, folded.as_bytes());
        if alike.contains(&hash) {
            let start = text.len();
            text.push_str(written);
            let written = start..text.len();
            text.push_str(folded);
            keys.push(Key { hash, folded: written.end..text.len(), written, is_item });
        }
    });
    differ_in_more_than_case(&text, keys)
}

/// So many keys that are alike are looked at in a document that is refused for one of them.
const CLASHES_MAX: usize = 100;

/// Hands out every key of the index: as it is written, folded, and whether it is `path.item`.
fn each_key(document: &Value, visit: &mut impl FnMut(&str, &str, bool)) {
    let mut key = String::with_capacity(128);
    walk(document, &mut String::with_capacity(128), &mut |path, value, array_item| {
        visit(path, &js::lower(path), false);
        if array_item {
            key.clear();
            key.push_str(path);
            key.push('.');
            key.push_str(value.as_str().unwrap_or_default());
            visit(&key, &js::lower(&key), true);
        }
    });
    KEYS_ADDED.iter().for_each(|key| visit(key, key, false));
}

fn differ_in_more_than_case(text: &str, mut keys: Vec<Key>) -> Result<(), IndexProblem> {
    let folded = |key: &Key| &text[key.folded.clone()];
    let written = |key: &Key| &text[key.written.clone()];
    // By the place in the text: Backstage's list, and which item came first, follow the document.
    keys.sort_unstable_by(|a, b| {
        let by_text = || folded(a).cmp(folded(b));
        a.hash.cmp(&b.hash).then_with(by_text).then_with(|| a.written.start.cmp(&b.written.start))
    });
    let mut clashes: Vec<(usize, [String; 2], String)> = Vec::new();
    for group in keys.chunk_by(|a, b| a.hash == b.hash && folded(a) == folded(b)) {
        let first_item = group.iter().find(|key| key.is_item);
        let mut spellings: Vec<&Key> = Vec::new();
        let mut seen = BTreeSet::new();
        for key in group.iter().filter(|key| !key.is_item).chain(first_item) {
            if seen.insert(written(key)) {
                spellings.push(key);
            }
        }
        spellings.sort_unstable_by_key(|key| key.written.start);
        for key in spellings.iter().skip(1) {
            let quoted = |key: &Key| format!("\"{}\"", js::shorten(written(key), 100));
            let folded = js::shorten(folded(key), 100).into_owned();
            clashes.push((key.written.start, [quoted(spellings[0]), quoted(key)], folded));
        }
    }
    clashes.sort_unstable();
    let all = clashes.iter().take(10).map(|(_, _, folded)| folded.clone()).collect();
    match clashes.into_iter().next() {
        None => Ok(()),
        Some((_, keys, _)) => Err(IndexProblem::Case { keys, all }),
    }
}

#[cfg(test)]
mod tests;
