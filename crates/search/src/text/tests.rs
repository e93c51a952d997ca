//! What PostgreSQL makes of texts, as it was recorded from it.

use serde_json::Value;

use super::grammar::Kind;
use super::lexeme::lexemes;
use super::parser::Parser;
use super::{Looked, Tags, Term, headline};

/// Written by `record.mjs` beside it.
const RECORDED: &str = include_str!("recorded.ndjson");

fn alias(kind: Kind) -> &'static str {
    match kind {
        Kind::AsciiWord => "asciiword",
        Kind::Word => "word",
        Kind::NumWord => "numword",
        Kind::Email => "email",
        Kind::Url => "url",
        Kind::Host => "host",
        Kind::Float => "sfloat",
        Kind::Version => "version",
        Kind::NumPart => "hword_numpart",
        Kind::Part => "hword_part",
        Kind::AsciiPart => "hword_asciipart",
        Kind::Blank => "blank",
        Kind::Tag => "tag",
        Kind::Protocol => "protocol",
        Kind::NumHyphenWord => "numhword",
        Kind::AsciiHyphenWord => "asciihword",
        Kind::HyphenWord => "hword",
        Kind::UrlPath => "url_path",
        Kind::File => "file",
        Kind::Decimal => "float",
        Kind::SignedInt => "int",
        Kind::UnsignedInt => "uint",
        Kind::Entity => "entity",
    }
}

/// Compares what is made of each recorded line with what PostgreSQL made of it.
fn check(what: &str, ours: impl Fn(&Value) -> Value) {
    let lines = RECORDED.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut differ = Vec::new();
    let mut count = 0;
    for line in lines.filter(|line| !line[what].is_null()) {
        count += 1;
        let ours = ours(&line);
        if ours != line[what] {
            differ.push(format!("{}\n  theirs {}\n  ours   {ours}", line["text"], line[what]));
        }
    }
    assert!(count > 100, "{count} lines of {what}");
    let shown = differ.iter().take(12).cloned().collect::<Vec<_>>().join("\n");
    assert!(differ.is_empty(), "{} of {count} differ:\n{shown}", differ.len());
}

#[test]
fn texts_are_cut_into_the_same_tokens() {
    check("tokens", |line| {
        let tokens = Parser::new(line["text"].as_str().unwrap());
        tokens.map(|token| serde_json::json!([alias(token.kind), token.text])).collect()
    });
}

#[test]
fn words_become_the_same_lexemes() {
    check("lexemes", |line| {
        let mut all = Vec::new();
        lexemes(line["text"].as_str().unwrap(), 0, |place, lexeme| {
            all.push(serde_json::json!([lexeme, place]));
        });
        all.sort_by_key(ToString::to_string);
        all.into_iter().collect()
    });
}

#[test]
fn headlines_are_the_same() {
    check("headline", |line| {
        let term = Term::new(line["term"].as_str().unwrap());
        let Looked::Words(words) = term.looked else { return Value::Null };
        let tags = Tags { before: "<b>", behind: "</b>" };
        headline(line["text"].as_str().unwrap(), &words, tags).into()
    });
}
