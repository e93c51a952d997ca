//! What the index finds is what looking at every document finds.

use std::collections::BTreeSet;

use event::{LogId, Offset};
use fold::EntityId;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::document::Document;
use crate::folder::{self, Opened};
use crate::query::{Filter, Request, search};
use crate::text::{Looked, Term, lexemes};

const WORDS: [&str; 14] = [
    "payment",
    "payments",
    "pay",
    "hand-team",
    "hand",
    "team",
    "hand-grpc",
    "the",
    "service",
    "services",
    "v1.2",
    "größe",
    "x",
    "xylophone",
];

fn entity(number: usize, words: &[usize]) -> Value {
    let word = |at: usize| WORDS[words[at % words.len()]];
    let description: Vec<&str> = words.iter().map(|word| WORDS[*word]).collect();
    json!({
        "kind": if number.is_multiple_of(3) { "API" } else { "Component" },
        "metadata": {"name": format!("n{number}"), "title": word(0),
            "description": description.join(" ")},
        "spec": {"type": word(1), "owner": word(2), "lifecycle": "production"},
    })
}

/// Whether a document holds each word, as one that begins so, or as several in a row.
fn holds(document: &Document, looked: &Looked) -> bool {
    let Looked::Words(words) = looked else { return matches!(looked, Looked::Everything) };
    let mut texts = vec![document.title(), document.text()];
    texts.extend(document.others());
    words.iter().all(|word| {
        texts.iter().any(|text| {
            let mut there = Vec::new();
            lexemes(text, 0, |place, lexeme| there.push((place, lexeme)));
            let at = |place: usize, begin: &str| {
                there.iter().any(|(at, lexeme)| *at == place && lexeme.starts_with(begin))
            };
            let mut starts = there.iter().map(|(place, _)| *place);
            starts.any(|start| word.lexemes.iter().all(|(after, begin)| at(start + after, begin)))
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn it_finds_what_looking_at_every_document_finds(
        catalog in prop::collection::vec(prop::collection::vec(0..WORDS.len(), 1..9), 1..60),
        terms in prop::collection::vec(prop::collection::vec((0..WORDS.len(), 1..9_usize), 1..4), 1..30),
        of_kind in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut index = Opened::create(folder.path()).unwrap();
        let documents: Vec<Document> = catalog
            .iter()
            .enumerate()
            .map(|(number, words)| Document::of(&entity(number, words)).unwrap())
            .collect();
        for (number, document) in documents.iter().enumerate() {
            let id = EntityId(u32::try_from(number).unwrap());
            index.writer.add_document(index.fields.document(id, document)).unwrap();
        }
        index.commit(LogId::new(7), 9).unwrap();
        let searcher = index.reader.searcher();
        for term in terms {
            let begins = term.iter().map(|(word, chars)| {
                WORDS[*word].chars().take(*chars).collect::<String>()
            });
            let term = begins.collect::<Vec<_>>().join(" ");
            let looked = Term::new(&term).looked;
            let filter = Filter { key: "kind".into(), values: vec!["API".into()] };
            let filters = if of_kind { vec![filter] } else { Vec::new() };
            let request = Request { term: term.clone(), filters, offset: 0, limit: 1000 };
            let (total, hits) = search(&searcher, &index.fields, &request).unwrap();
            let found: BTreeSet<String> =
                hits.iter().map(|hit| hit.document["location"].to_string()).collect();
            let passes = |document: &&Document| !of_kind || document.shown["kind"] == "API";
            let expected: BTreeSet<String> = documents
                .iter()
                .filter(passes)
                .filter(|document| holds(document, &looked))
                .map(|document| document.shown["location"].to_string())
                .collect();
            prop_assert_eq!(total, found.len());
            // Where there is nothing, it looks further.
            if !expected.is_empty() {
                prop_assert_eq!(&found, &expected, "{}", term);
            }
        }
    }
}

#[test]
fn an_index_is_used_for_what_it_holds_and_for_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (log, offset): (LogId, Offset) = (LogId::new(7), 9);
    let mut index = Opened::create(folder.path()).unwrap();
    // Without a commit there is nothing in it.
    assert!(folder::open(folder.path(), log, offset).is_none());
    index.commit(log, offset).unwrap();
    drop(index);
    let opens = |log, offset| folder::open(folder.path(), log, offset).is_some();
    assert!(opens(log, offset) && opens(log, offset + 1));
    assert!(!opens(log, offset - 1), "it is ahead of the views");
    assert!(!opens(LogId::new(8), offset), "it is of another log");
    folder::remove_others(folder.path(), 2);
    assert!(!opens(log, offset));
}
