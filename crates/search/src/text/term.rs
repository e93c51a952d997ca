//! What somebody looks for.

use super::lexeme::{lexemes, typed};

/// The characters that Backstage takes out of a term: they are operators of PostgreSQL's.
const LEFT_OUT: [char; 10] = ['\0', '(', ')', '|', '&', ':', '*', '!', '<', '\u{feff}'];

/// What somebody looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    /// The term without its operators, written small, with single spaces.
    pub(crate) whole: String,
    pub(crate) looked: Looked,
}

/// What has to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Looked {
    /// Nothing was given: everything is found.
    Everything,
    /// Only words that say nothing: nothing is found.
    Nothing,
    /// Each of these.
    Words(Vec<Word>),
}

/// A word as it was typed, in the lexemes that it is made of: one, or a phrase. A lexeme is found
/// where one begins so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// Each with its distance from the first.
    pub(crate) lexemes: Vec<(usize, String)>,
    /// The same as they were typed: with their endings.
    pub(crate) typed: Vec<String>,
}

impl Term {
    pub(crate) fn new(term: &str) -> Self {
        let mut parts = 0;
        let mut words = Vec::new();
        let mut whole = String::new();
        for part in term.split(is_js_space) {
            let part: String = part.chars().filter(|c| !LEFT_OUT.contains(c)).collect();
            let part = part.trim_matches(is_js_space);
            if part.is_empty() {
                continue;
            }
            parts += 1;
            if !whole.is_empty() {
                whole.push(' ');
            }
            whole.push_str(&part.to_lowercase());
            let mut word = Vec::new();
            // Backstage puts it in quotation marks, which matter in few places.
            let quoted = format!("\"{}\"", shown(part));
            lexemes(&quoted, 0, |place, lexeme| word.push((place, lexeme)));
            let first = word.first().map_or(0, |(place, _)| *place);
            word.iter_mut().for_each(|(place, _)| *place -= first);
            if !word.is_empty() {
                words.push(Word { lexemes: word, typed: typed(&quoted) });
            }
        }
        let looked = match (parts, words.is_empty()) {
            (0, _) => Looked::Everything,
            (_, true) => Looked::Nothing,
            _ => Looked::Words(words),
        };
        Self { whole, looked }
    }
}

/// Control characters as they arrive through JSON and PostgreSQL's escapes.
fn shown(part: &str) -> String {
    let mut out = String::with_capacity(part.len());
    for c in part.chars() {
        match c {
            '\u{8}' => out.push('b'),
            '\u{0}'..='\u{1f}' => out.push_str(&format!("u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out
}

/// `\s` of JavaScript.
fn is_js_space(c: char) -> bool {
    (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}'
}
