//! How documents stand in the index.

use std::collections::BTreeSet;

use fold::EntityId;
use serde_json::Value;
use tantivy::TantivyDocument;
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::{PreTokenizedString, Token};

use crate::document::Document;
use crate::text::{lexemes, typed};

/// The version of what is said here and in `text` and `document`. An index of another one is built
/// anew.
pub(crate) const VERSION: u32 = 1;

/// Beginnings of lexemes up to this many characters are terms of their own: many lexemes begin so.
pub(crate) const BEGINNING_CHARS_MAX: usize = 4;

/// The last place that a lexeme can have, as in PostgreSQL.
const PLACE_MAX: usize = 16_383;

/// Longer values can't be filtered by, in bytes.
const VALUE_BYTES_MAX: usize = 4096;

/// What a tokenizer is called that is never asked: lexemes are handed in.
const NONE: &str = "raw";

/// The fields of a document in the index.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    /// The number of the entity.
    pub(crate) id: Field,
    /// All lexemes of Backstage's document, with their places.
    pub(crate) body: Field,
    /// How they begin.
    pub(crate) body_begins: Field,
    /// Lexemes of the name and the title.
    pub(crate) name: Field,
    /// How they begin.
    pub(crate) name_begins: Field,
    /// Lexemes of what is looked through besides, and how they begin.
    pub(crate) more: Field,
    pub(crate) more_begins: Field,
    /// Words as they are written, for those who mistype them.
    pub(crate) typed: Field,
    /// Name, title and reference as they are, written small.
    pub(crate) exact: Field,
    /// What can be filtered by.
    pub(crate) value: Field,
    /// The document as it is sent.
    pub(crate) shown: Field,
}

impl Fields {
    pub(crate) fn new() -> (Schema, Self) {
        let mut schema = Schema::builder();
        let mut text = |name: &str, option: IndexRecordOption| {
            let indexing = TextFieldIndexing::default()
                .set_tokenizer(NONE)
                .set_fieldnorms(false)
                .set_index_option(option);
            schema.add_text_field(name, TextOptions::default().set_indexing_options(indexing))
        };
        let body = text("body", IndexRecordOption::WithFreqsAndPositions);
        let mut basic = |name: &str| text(name, IndexRecordOption::Basic);
        let (body_begins, name, name_begins) =
            (basic("body_begins"), basic("name"), basic("name_begins"));
        let (more, more_begins, typed) = (basic("more"), basic("more_begins"), basic("typed"));
        let (exact, value) = (basic("exact"), basic("value"));
        let id = schema.add_u64_field("id", INDEXED | FAST);
        let shown = schema.add_bytes_field("shown", tantivy::schema::STORED);
        let fields = Self {
            id,
            body,
            body_begins,
            name,
            name_begins,
            more,
            more_begins,
            typed,
            exact,
            value,
            shown,
        };
        (schema.build(), fields)
    }

    /// The document of an entity, as it stands in the index.
    pub(crate) fn document(&self, id: EntityId, document: &Document) -> TantivyDocument {
        let mut out = TantivyDocument::default();
        out.add_u64(self.id, u64::from(id.0));
        let body = body(document);
        add(&mut out, self.body_begins, beginnings(&body));
        out.add_pre_tokenized_text(self.body, pre_tokenized(body));
        let mut names = Vec::new();
        for text in [document.title(), &document.name] {
            lexemes(text, 0, |_, lexeme| names.push((0, lexeme)));
        }
        add(&mut out, self.name_begins, beginnings(&names));
        add(&mut out, self.name, set(names));
        let mut more = Vec::new();
        for text in &document.more {
            lexemes(text, 0, |_, lexeme| more.push((0, lexeme)));
        }
        add(&mut out, self.more_begins, beginnings(&more));
        add(&mut out, self.more, set(more));
        let texts = [document.title(), document.text(), &document.name];
        add(&mut out, self.typed, texts.iter().flat_map(|text| typed(text)).collect());
        let exact = [document.title(), &document.name, &document.reference];
        add(&mut out, self.exact, exact.iter().map(|text| single_spaced(text)).collect());
        let mut values = BTreeSet::new();
        terms_of(&document.whole(), &mut String::new(), &mut values);
        values.retain(|value| value.len() <= VALUE_BYTES_MAX);
        add(&mut out, self.value, values);
        out.add_bytes(self.shown, &shown(document));
        out
    }
}

fn shown(document: &Document) -> Vec<u8> {
    // Writing to memory does not fail.
    serde_json::to_vec(&document.shown).unwrap_or_default()
}

/// The lexemes of Backstage's document with their places: of the title, then of the text, then of
/// all else. The first two are put in front as PostgreSQL puts vectors together, whose last place
/// is that of their last lexeme; the others are a step apart from each other.
fn body(document: &Document) -> Vec<(usize, String)> {
    let mut body = Vec::new();
    let mut last = 0;
    for text in [document.title(), document.text()] {
        let before = last;
        lexemes(text, before, |place, lexeme| {
            last = place;
            body.push((place.min(PLACE_MAX), lexeme));
        });
    }
    let mut place = last;
    for text in document.others() {
        let add = |place: usize, lexeme| body.push((place.min(PLACE_MAX), lexeme));
        place = lexemes(text, place, add) + 1;
    }
    body
}

/// How lexemes begin.
fn beginnings(lexemes: &[(usize, String)]) -> BTreeSet<String> {
    let mut beginnings = BTreeSet::new();
    for (_, lexeme) in lexemes {
        let ends = lexeme.char_indices().map(|(at, c)| at + c.len_utf8());
        beginnings.extend(ends.take(BEGINNING_CHARS_MAX).map(|end| lexeme[..end].to_owned()));
    }
    beginnings
}

fn set(lexemes: Vec<(usize, String)>) -> BTreeSet<String> {
    lexemes.into_iter().map(|(_, lexeme)| lexeme).collect()
}

fn add(out: &mut TantivyDocument, field: Field, terms: BTreeSet<String>) {
    let terms = terms.into_iter().map(|term| (0, term)).collect();
    out.add_pre_tokenized_text(field, pre_tokenized(terms));
}

fn pre_tokenized(lexemes: Vec<(usize, String)>) -> PreTokenizedString {
    let tokens = lexemes.into_iter().map(|(position, text)| Token {
        offset_from: 0,
        offset_to: 0,
        position,
        text,
        position_length: 1,
    });
    PreTokenizedString { text: String::new(), tokens: tokens.collect() }
}

/// A text written small, with single spaces.
pub(crate) fn single_spaced(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a value says, a term each; a document holds another if it says all that the other says.
pub(crate) fn terms_of(value: &Value, path: &mut String, terms: &mut BTreeSet<String>) {
    let length = path.len();
    match value {
        Value::Array(items) => {
            path.push('\u{1}');
            items.iter().for_each(|item| terms_of(item, path, terms));
        }
        Value::Object(object) => {
            for (key, value) in object {
                path.push_str(key);
                path.push('\0');
                terms_of(value, path, terms);
                path.truncate(length);
            }
        }
        scalar => {
            terms.insert(format!("{path}{scalar}"));
        }
    }
    path.truncate(length);
}
