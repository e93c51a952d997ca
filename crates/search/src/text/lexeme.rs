//! From tokens to lexemes: what is indexed and looked for. PostgreSQL's `english` configuration:
//! words lose their endings, the commonest are left out, all else is only written small.

use frostem::{Algorithm, Stemmer};

use super::grammar::Kind;
use super::parser::{Parser, Token};

/// The longest lexeme, in bytes; longer words are left out.
const LEXEME_BYTES_MAX: usize = 2046;

/// Words longer than this keep their endings, in bytes.
const STEMMED_BYTES_MAX: usize = 1000;

/// What a token is, in the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It is between words, and has no place.
    Nothing,
    /// A word that says nothing, but has a place.
    Stop,
    Lexeme(String),
}

/// What a token is, in the index.
pub(crate) fn meaning(token: Token<'_>) -> Meaning {
    if token.text.len() > LEXEME_BYTES_MAX {
        return Meaning::Nothing;
    }
    match token.kind {
        Kind::Blank | Kind::Tag | Kind::Protocol | Kind::Entity => Meaning::Nothing,
        Kind::AsciiWord
        | Kind::Word
        | Kind::Part
        | Kind::AsciiPart
        | Kind::AsciiHyphenWord
        | Kind::HyphenWord => {
            let word = token.text.to_lowercase();
            if STOP_WORDS.binary_search(&word.as_str()).is_ok() {
                return Meaning::Stop;
            }
            if word.len() > STEMMED_BYTES_MAX {
                return Meaning::Lexeme(word);
            }
            Meaning::Lexeme(stem(&word))
        }
        Kind::NumWord
        | Kind::Email
        | Kind::Url
        | Kind::Host
        | Kind::Float
        | Kind::Version
        | Kind::NumPart
        | Kind::NumHyphenWord
        | Kind::UrlPath
        | Kind::File
        | Kind::Decimal
        | Kind::SignedInt
        | Kind::UnsignedInt => Meaning::Lexeme(token.text.to_lowercase()),
    }
}

/// Beginnings of words that Snowball treats apart since its version 3, and ones like them that it
/// does not: PostgreSQL, up to 18, has the rules before. `internal` becomes `intern` there.
const NEWLY_APART: [(&str, &str); 4] =
    [("inter", "imter"), ("univers", "umivers"), ("organ", "orgam"), ("past", "pasc")];

/// A word without its endings.
fn stem(word: &str) -> String {
    let stemmer = Stemmer::new(Algorithm::English);
    let apart = NEWLY_APART.iter().find_map(|(begin, like)| {
        let rest = word.strip_prefix(begin)?;
        let stem = stemmer.stem(&format!("{like}{rest}")).into_owned();
        stem.strip_prefix(like).map(|rest| format!("{begin}{rest}"))
    });
    apart.unwrap_or_else(|| stemmer.stem(word).into_owned())
}

/// The lexemes of a text with their places, which begin behind `place`; gives the last place.
pub(crate) fn lexemes(text: &str, place: usize, mut visit: impl FnMut(usize, String)) -> usize {
    let mut place = place;
    for token in Parser::new(text) {
        match meaning(token) {
            Meaning::Nothing => {}
            Meaning::Stop => place += 1,
            Meaning::Lexeme(lexeme) => {
                place += 1;
                visit(place, lexeme);
            }
        }
    }
    place
}

/// The words of a text that have a lexeme, as they are typed, but small.
pub(crate) fn typed(text: &str) -> Vec<String> {
    let words = Parser::new(text).filter(|token| matches!(meaning(*token), Meaning::Lexeme(_)));
    words.map(|token| token.text.to_lowercase()).collect()
}

/// Words that are in every English text, in order: Snowball's list, as PostgreSQL has it.
const STOP_WORDS: [&str; 127] = [
    "a",
    "about",
    "above",
    "after",
    "again",
    "against",
    "all",
    "am",
    "an",
    "and",
    "any",
    "are",
    "as",
    "at",
    "be",
    "because",
    "been",
    "before",
    "being",
    "below",
    "between",
    "both",
    "but",
    "by",
    "can",
    "did",
    "do",
    "does",
    "doing",
    "don",
    "down",
    "during",
    "each",
    "few",
    "for",
    "from",
    "further",
    "had",
    "has",
    "have",
    "having",
    "he",
    "her",
    "here",
    "hers",
    "herself",
    "him",
    "himself",
    "his",
    "how",
    "i",
    "if",
    "in",
    "into",
    "is",
    "it",
    "its",
    "itself",
    "just",
    "me",
    "more",
    "most",
    "my",
    "myself",
    "no",
    "nor",
    "not",
    "now",
    "of",
    "off",
    "on",
    "once",
    "only",
    "or",
    "other",
    "our",
    "ours",
    "ourselves",
    "out",
    "over",
    "own",
    "s",
    "same",
    "she",
    "should",
    "so",
    "some",
    "such",
    "t",
    "than",
    "that",
    "the",
    "their",
    "theirs",
    "them",
    "themselves",
    "then",
    "there",
    "these",
    "they",
    "this",
    "those",
    "through",
    "to",
    "too",
    "under",
    "until",
    "up",
    "very",
    "was",
    "we",
    "were",
    "what",
    "when",
    "where",
    "which",
    "while",
    "who",
    "whom",
    "why",
    "will",
    "with",
    "you",
    "your",
    "yours",
    "yourself",
    "yourselves",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lose_their_endings_as_in_postgresql() {
        for (word, expected) in [
            ("internal", "intern"),
            ("interval", "interv"),
            ("universal", "univers"),
            ("organizations", "organ"),
            ("pasted", "past"),
            ("interesting", "interest"),
            ("organ", "organ"),
            ("past", "past"),
            ("generously", "generous"),
            ("services", "servic"),
        ] {
            assert_eq!(stem(word), expected, "{word}");
        }
    }

    #[test]
    fn stop_words_are_in_order_so_that_they_are_found() {
        assert!(STOP_WORDS.is_sorted());
    }
}
