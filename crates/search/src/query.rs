//! Looking things up in the index.

use std::collections::BTreeSet;

use event::Position;
use serde_json::{Map, Value};
use tantivy::collector::{Count, TopDocs};
use tantivy::query::{
    AllQuery, BooleanQuery, ConstScoreQuery, EmptyQuery, FuzzyTermQuery, Occur, Query,
    RegexPhraseQuery, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption, Value as _};
use tantivy::{DocId, Score, Searcher, SegmentReader, TantivyDocument, Term as IndexTerm};

use crate::Error;
use crate::schema::{BEGINNING_CHARS_MAX, Fields, terms_of};
use crate::text::{Looked, Tags, Term, Word, headline};

/// What stands before and behind what was found.
pub const PRE_TAG: &str = "<80bb6e2e-3fbc-4cc2-93df-8192a077bec1>";
/// What stands behind it.
pub const POST_TAG: &str = "</80bb6e2e-3fbc-4cc2-93df-8192a077bec1>";

/// How many words are looked for with their misspellings.
const MISSPELLED_MAX: usize = 8;

/// Lexemes from so many characters on may differ by one, or by two.
const ONE_OFF_CHARS: usize = 4;
const TWO_OFF_CHARS: usize = 8;

/// What is better than what. They are added up, so each is more than all below it can be.
const EXACT_NAME: Score = 10_000.0;
const WORD_OF_NAME: Score = 200.0;
const BEGINNING_OF_NAME: Score = 20.0;
const WORD: Score = 2.0;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The words.
    pub term: String,
    /// Each of these has to let a document pass.
    pub filters: Vec<Filter>,
    /// How many results are passed over.
    pub offset: usize,
    /// How many are given, at the most.
    pub limit: usize,
}

/// That a field of a document has one of these values.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// The field.
    pub key: String,
    /// The values, or what they hold.
    pub values: Vec<Value>,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The position that the index answered for.
    pub position: Position,
    /// How many documents there are.
    pub total: usize,
    /// Some of them.
    pub hits: Vec<Hit>,
}

/// A document that was found.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The document.
    pub document: Map<String, Value>,
    /// How it is shown; absent where no words were looked for.
    pub highlight: Option<Highlight>,
}

/// Fields of a document with what was found marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Highlight {
    /// The text.
    pub text: String,
    /// The title.
    pub title: String,
    /// Where it leads to.
    pub location: String,
}

type Clause = (Occur, Box<dyn Query>);

/// How far one looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// As Backstage's search does.
    Strict,
    /// The same, but words that stand apart in a phrase count, too.
    Loose,
    /// Also in tags, labels, links and definitions.
    More,
    /// Also what is written a little otherwise.
    Misspelled,
}

/// Looks for what is asked for.
pub(crate) fn search(
    searcher: &Searcher,
    fields: &Fields,
    request: &Request,
) -> Result<(usize, Vec<Hit>), Error> {
    let term = Term::new(&request.term);
    let words: &[Word] = match &term.looked {
        Looked::Everything => &[],
        Looked::Nothing => return Ok((0, Vec::new())),
        Looked::Words(words) => words,
    };
    let look = Look { searcher, fields, request, term: &term, words };
    let mut found = match look.find(Reach::Strict) {
        // A phrase of which too many words begin so, or that is no regular expression.
        Err(tantivy::TantivyError::InvalidArgument(_)) => look.find(Reach::Loose)?,
        found => found?,
    };
    if found.0 == 0 && !words.is_empty() {
        for reach in [Reach::More, Reach::Misspelled] {
            found = look.find(reach)?;
            if found.0 > 0 {
                break;
            }
        }
    }
    let (total, addresses) = found;
    let marked = !words.is_empty();
    let hits = addresses.into_iter().map(|address| {
        let document: TantivyDocument = searcher.doc(address)?;
        let shown = document.get_first(fields.shown).and_then(|shown| shown.as_bytes());
        let shown = shown.and_then(|shown| serde_json::from_slice(shown).ok());
        let document: Map<String, Value> = shown.ok_or(Error::Damaged("a document"))?;
        let highlight = marked.then(|| highlight(&document, words));
        Ok(Hit { document, highlight })
    });
    Ok((total, hits.collect::<Result<_, Error>>()?))
}

fn highlight(document: &Map<String, Value>, words: &[Word]) -> Highlight {
    let tags = Tags { before: PRE_TAG, behind: POST_TAG };
    let field = |key: &str| {
        let text = document.get(key).and_then(Value::as_str).unwrap_or_default();
        headline(text, words, tags)
    };
    Highlight { text: field("text"), title: field("title"), location: field("location") }
}

struct Look<'a> {
    searcher: &'a Searcher,
    fields: &'a Fields,
    request: &'a Request,
    term: &'a Term,
    words: &'a [Word],
}

impl Look<'_> {
    /// How many there are, and those that are asked for, best first and then by their number.
    fn find(&self, reach: Reach) -> tantivy::Result<(usize, Vec<tantivy::DocAddress>)> {
        let Request { offset, limit, .. } = *self.request;
        let query = self.query(reach);
        if limit == 0 {
            return Ok((self.searcher.search(&query, &Count)?, Vec::new()));
        }
        let documents = usize::try_from(self.searcher.num_docs()).unwrap_or(usize::MAX);
        if offset >= documents {
            // No page can be there, and no memory is taken for it.
            return Ok((self.searcher.search(&query, &Count)?, Vec::new()));
        }
        let best = TopDocs::with_limit(limit.min(documents)).and_offset(offset);
        let best = best.tweak_score(|segment: &SegmentReader| {
            let ids = segment.fast_fields().u64("id").ok();
            move |document: DocId, score: Score| {
                let id = ids.as_ref().and_then(|ids| ids.first(document)).unwrap_or(0);
                // Scores are sums of a few whole numbers.
                #[expect(clippy::cast_possible_truncation, reason = "see above")]
                #[expect(clippy::cast_sign_loss, reason = "see above")]
                let whole = score as u64;
                (whole << 32) | (u64::from(u32::MAX) - id)
            }
        });
        let (total, best) = self.searcher.search(&query, &(Count, best))?;
        Ok((total, best.into_iter().map(|(_, address)| address).collect()))
    }

    fn query(&self, reach: Reach) -> BooleanQuery {
        let mut clauses: Vec<Clause> = Vec::new();
        let mut must = |query: Box<dyn Query>| {
            clauses.push((Occur::Must, Box::new(ConstScoreQuery::new(query, 0.0))));
        };
        for (number, word) in self.words.iter().enumerate() {
            must(self.word(word, reach, number));
        }
        for filter in &self.request.filters {
            must(self.filter(filter));
        }
        if clauses.is_empty() {
            clauses.push((Occur::Must, Box::new(AllQuery)));
        }
        if !self.words.is_empty() {
            self.ranks(&mut clauses);
        }
        BooleanQuery::new(clauses)
    }

    /// A word as it was typed.
    fn word(&self, word: &Word, reach: Reach, number: usize) -> Box<dyn Query> {
        let body = (self.fields.body, self.fields.body_begins);
        match (&word.lexemes[..], reach) {
            ([(_, lexeme)], Reach::Strict | Reach::Loose) => begins(body, lexeme),
            (lexemes, Reach::Strict) => {
                let parts =
                    lexemes.iter().map(|(at, lexeme)| (*at, format!("{}.*", plain(lexeme))));
                let phrase = RegexPhraseQuery::new_with_offset(self.fields.body, parts.collect());
                Box::new(phrase)
            }
            (lexemes, _) => {
                // The first is the whole, where there are several.
                let whole = usize::from(lexemes.len() > 1 && reach != Reach::Loose);
                let each = lexemes.iter().zip(&word.typed).skip(whole);
                let each = each.map(|((_, lexeme), typed)| {
                    (Occur::Must, self.lexeme(lexeme, typed, reach, number))
                });
                Box::new(BooleanQuery::new(each.collect()))
            }
        }
    }

    /// A part of a word, wherever it stands.
    fn lexeme(&self, lexeme: &str, typed: &str, reach: Reach, number: usize) -> Box<dyn Query> {
        let Fields { body, body_begins, more, more_begins, .. } = *self.fields;
        let mut any = vec![begins((body, body_begins), lexeme)];
        if reach != Reach::Loose {
            any.push(begins((more, more_begins), lexeme));
        }
        let chars = typed.chars().count();
        if reach == Reach::Misspelled && chars >= ONE_OFF_CHARS && number < MISSPELLED_MAX {
            let distance = if chars >= TWO_OFF_CHARS { 2 } else { 1 };
            let term = IndexTerm::from_field_text(self.fields.typed, typed);
            any.push(Box::new(FuzzyTermQuery::new(term, distance, true)));
        }
        Box::new(BooleanQuery::union(any))
    }

    /// What makes one better than another.
    fn ranks(&self, clauses: &mut Vec<Clause>) {
        let Fields { exact, name, name_begins, body, .. } = *self.fields;
        let mut rank = |query: Box<dyn Query>, score: Score| {
            clauses.push((Occur::Should, Box::new(ConstScoreQuery::new(query, score))));
        };
        rank(term(exact, &self.term.whole), EXACT_NAME);
        for word in self.words.iter().take(MISSPELLED_MAX) {
            // The first is the whole, where there are several.
            if let Some((_, lexeme)) = word.lexemes.first() {
                rank(term(name, lexeme), WORD_OF_NAME);
                rank(begins((name, name_begins), lexeme), BEGINNING_OF_NAME);
                rank(term(body, lexeme), WORD);
            }
        }
    }

    fn filter(&self, filter: &Filter) -> Box<dyn Query> {
        let one_of = filter.values.iter().flat_map(|value| {
            // A list passes that holds it, too.
            [value.clone(), Value::Array(vec![value.clone()])]
        });
        let one_of = one_of.map(|value| self.holds(&filter.key, value));
        Box::new(BooleanQuery::union(one_of.collect()))
    }

    /// Those that hold a value, with all that it holds.
    fn holds(&self, key: &str, value: Value) -> Box<dyn Query> {
        let object = Value::Object([(key.to_owned(), value)].into_iter().collect());
        let mut terms = BTreeSet::new();
        terms_of(&object, &mut String::new(), &mut terms);
        if terms.is_empty() {
            return Box::new(EmptyQuery);
        }
        let all = terms.iter().map(|value| (Occur::Must, term(self.fields.value, value)));
        Box::new(BooleanQuery::new(all.collect()))
    }
}

/// Those that have a term.
fn term(field: Field, text: &str) -> Box<dyn Query> {
    let term = IndexTerm::from_field_text(field, text);
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}

/// Those that have a lexeme that begins so: short beginnings are terms of their own.
fn begins((whole, beginnings): (Field, Field), lexeme: &str) -> Box<dyn Query> {
    if lexeme.chars().count() <= BEGINNING_CHARS_MAX {
        return term(beginnings, lexeme);
    }
    let term = IndexTerm::from_field_text(whole, lexeme);
    Box::new(FuzzyTermQuery::new_prefix(term, 0, false))
}

/// A text in which nothing is an operator of regular expressions.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_ascii_punctuation() {
            plain.push('\\');
        }
        plain.push(c);
    }
    plain
}
