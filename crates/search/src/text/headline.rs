//! A text as it is shown for a search, with what was found marked: PostgreSQL's `ts_headline`, as
//! Backstage asks for it (at most 35 words, at least 15, no end at words of three letters).

use super::grammar::Kind;
use super::lexeme::{Meaning, meaning};
use super::parser::Parser;
use super::term::Word;

const WORDS_MAX: usize = 35;
const WORDS_MIN: usize = 15;
/// At words no longer than this no headline ends, in bytes.
const SHORT_BYTES: usize = 3;

/// What stands before and behind what was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tags<'a> {
    pub(crate) before: &'a str,
    pub(crate) behind: &'a str,
}

/// A token of the text, or the same once more for another lexeme that is looked for.
struct Part<'a> {
    kind: Kind,
    text: &'a str,
    /// The place of the lexeme, where it was looked for.
    found: Option<usize>,
    repeated: bool,
}

impl Part<'_> {
    /// Between words, or shown in parts of its own.
    fn is_no_word(&self) -> bool {
        matches!(self.kind, Kind::Blank | Kind::Tag) || self.is_skipped()
    }

    fn is_skipped(&self) -> bool {
        matches!(
            self.kind,
            Kind::Url | Kind::NumHyphenWord | Kind::AsciiHyphenWord | Kind::HyphenWord
        )
    }

    fn is_interesting(&self) -> bool {
        self.found.is_some() && !self.repeated
    }

    fn is_bad_end(&self) -> bool {
        let no_end = self.is_no_word()
            || matches!(
                self.kind,
                Kind::Float
                    | Kind::Version
                    | Kind::Decimal
                    | Kind::SignedInt
                    | Kind::UnsignedInt
                    | Kind::Protocol
                    | Kind::Entity
            );
        (no_end || self.text.len() <= SHORT_BYTES) && !self.is_interesting()
    }
}

/// What is shown: the parts from one to another, and how good that is.
#[derive(Clone, Copy)]
struct Span {
    begin: usize,
    end: usize,
    /// Whether all that is looked for is in it.
    covers: bool,
    interesting: usize,
}

/// The text as it is shown.
pub(crate) fn headline(text: &str, words: &[Word], tags: Tags<'_>) -> String {
    let (parts, runs) = parts(text, words);
    let Some((begin, end)) = best(&parts, &runs) else { return String::new() };
    let mut out = String::with_capacity(text.len() + 64);
    for part in parts[begin..=end].iter().filter(|part| !part.repeated) {
        if part.kind == Kind::Tag {
            out.push(' ');
        } else if !part.is_skipped() {
            let marked = part.found.is_some();
            out.push_str(if marked { tags.before } else { "" });
            out.push_str(part.text);
            out.push_str(if marked { tags.behind } else { "" });
        }
    }
    out
}

/// The tokens of a text, and where each of the words stands that are looked for.
fn parts<'a>(text: &'a str, words: &[Word]) -> (Vec<Part<'a>>, Vec<Vec<Run>>) {
    let looked: Vec<&str> =
        words.iter().flat_map(|word| word.lexemes.iter().map(|(_, l)| l.as_str())).collect();
    // Where each lexeme that is looked for stands.
    let mut stands = vec![Vec::new(); looked.len()];
    let mut parts = Vec::new();
    let mut place = 0;
    for token in Parser::new(text) {
        let new = |found, repeated| Part { kind: token.kind, text: token.text, found, repeated };
        let lexeme = match meaning(token) {
            Meaning::Nothing => None,
            Meaning::Stop => {
                place += 1;
                None
            }
            Meaning::Lexeme(lexeme) => {
                place += 1;
                Some(lexeme)
            }
        };
        let mut times = 0;
        if let Some(lexeme) = lexeme {
            for (number, looked) in looked.iter().enumerate() {
                if lexeme.starts_with(looked) {
                    // It is looked for twice: as it is, and as the beginning of another.
                    times += 1 + usize::from(lexeme == *looked);
                    stands[number].push(place);
                }
            }
        }
        parts.push(new((times > 0).then_some(place), false));
        parts.extend((1..times).map(|_| new(Some(place), true)));
    }
    let mut stands = stands.into_iter();
    let runs = words.iter().map(|word| {
        let stands: Vec<Vec<usize>> = stands.by_ref().take(word.lexemes.len()).collect();
        let width = word.lexemes.last().map_or(0, |(distance, _)| *distance);
        let starts = stands.first().into_iter().flatten().copied();
        let whole = starts.filter(|start| {
            let at = |((distance, _), stands): (&(usize, String), &Vec<usize>)| {
                stands.binary_search(&(start + distance)).is_ok()
            };
            word.lexemes.iter().zip(&stands).all(at)
        });
        whole.map(|start| Run { start, end: start + width }).collect()
    });
    let runs = runs.collect();
    (parts, runs)
}

/// Where a word that is looked for stands: the places of its first lexeme and of its last.
#[derive(Clone, Copy)]
struct Run {
    start: usize,
    end: usize,
}

/// The parts that are shown, from one to another.
fn best(parts: &[Part<'_>], runs: &[Vec<Run>]) -> Option<(usize, usize)> {
    let mut best: Option<Span> = None;
    let mut from = 0;
    while let Some((begin, end, next)) = cover(parts, runs, from) {
        from = next;
        let span = stretch(parts, begin, end);
        let better = best.is_none_or(|best| {
            let (new, old) = ((span.covers, span.interesting), (best.covers, best.interesting));
            new > old
                || (new == old && !parts[span.end].is_bad_end() && parts[best.end].is_bad_end())
        });
        if better {
            best = Some(span);
        }
    }
    if let Some(best) = best {
        return Some((best.begin, best.end));
    }
    // Nothing is found in it: as it begins.
    let mut count = 0;
    let mut end = None;
    for (number, part) in parts.iter().enumerate() {
        if count >= WORDS_MIN {
            break;
        }
        count += usize::from(!part.is_no_word());
        end = Some(number);
    }
    end.map(|end| (0, end))
}

/// The shortest stretch of parts, from a place on, in which every word is found, and the place from
/// which the next one is looked for.
fn cover(parts: &[Part<'_>], runs: &[Vec<Run>], mut from: usize) -> Option<(usize, usize, usize)> {
    if runs.is_empty() {
        return None;
    }
    loop {
        let ends = runs.iter().map(|runs| runs.iter().map(|run| run.end).find(|end| *end >= from));
        let last = ends.collect::<Option<Vec<usize>>>()?.into_iter().max()?;
        let starts = runs
            .iter()
            .filter_map(|runs| runs.iter().rev().map(|run| run.start).find(|start| *start <= last));
        let first = starts.min()?.max(from);
        let begin = parts.iter().position(|part| part.found.is_some_and(|at| at >= first));
        let end = parts.iter().rposition(|part| part.found.is_some_and(|at| at <= last));
        let whole = |runs: &Vec<Run>| runs.iter().any(|run| run.start >= first && run.end <= last);
        if let (Some(begin), Some(end)) = (begin, end)
            && begin <= end
            && runs.iter().all(whole)
        {
            return Some((begin, end, first + 1));
        }
        from = first + 1;
    }
}

/// Makes a run as long as a headline has to be, or as short.
fn stretch(parts: &[Part<'_>], first: usize, last: usize) -> Span {
    let (mut count, mut interesting) = (0, 0);
    let (mut begin, mut end) = (first, first);
    let mut at = first;
    let mut take = |part: &Part<'_>, count: &mut usize| {
        *count += usize::from(!part.is_no_word());
        interesting += usize::from(part.is_interesting());
    };
    while at <= last && count < WORDS_MAX {
        take(&parts[at], &mut count);
        end = at;
        at += 1;
    }
    if count < WORDS_MAX {
        let mut at = at.saturating_sub(1);
        while at < parts.len() && count < WORDS_MAX {
            if at > last {
                take(&parts[at], &mut count);
            }
            end = at;
            if !parts[at].is_bad_end() && count >= WORDS_MIN {
                break;
            }
            at += 1;
        }
        if count < WORDS_MIN {
            begin = 0;
            for at in (0..first).rev() {
                take(&parts[at], &mut count);
                let enough = !parts[at].is_bad_end() && count >= WORDS_MIN;
                if count >= WORDS_MAX || enough {
                    begin = at;
                    break;
                }
            }
        }
    } else {
        let mut at = at.min(last);
        while count > WORDS_MIN && parts[at].is_bad_end() && at > 0 {
            count -= usize::from(!parts[at].is_no_word());
            end = at - 1;
            at -= 1;
        }
    }
    Span { begin, end, covers: begin <= first && end >= last, interesting }
}
