//! What a file holds: YAML texts, good and spoiled.

use model::yaml::{Limits, read};
use serde_json::{Value, json};

use crate::entities::{Outcome, same};
use crate::mutate::Random;
use crate::oracle::Oracle;

/// Asks Backstage's YAML parser about texts and compares document by document.
pub(crate) fn compare(oracle: &Oracle, texts: &[String]) -> Outcome {
    let questions: Vec<Value> =
        texts.iter().map(|text| json!({"op": "yaml", "text": text})).collect();
    let mut outcome = Outcome::default();
    for (text, answer) in texts.iter().zip(oracle.ask(&questions)) {
        let ours: Vec<Document> = read(text.as_bytes(), &Limits::default())
            .into_iter()
            .map(|document| document.map(|d| d.value).map_err(|error| error.to_string()))
            .collect();
        let theirs = answer["documents"].as_array().cloned().unwrap_or_default();
        let theirs: Vec<Document> = theirs
            .into_iter()
            .map(|document| match document.get("error") {
                Some(error) => Err(error.as_str().unwrap_or_default().to_owned()),
                None => Ok(document.get("value").cloned().unwrap_or(Value::Null)),
            })
            .filter(|document| *document != Ok(Value::Null))
            .collect();
        let is_same = ours.len() == theirs.len()
            && ours.iter().zip(&theirs).all(|pair| match pair {
                (Ok(ours), Ok(theirs)) => same(ours, theirs),
                (ours, theirs) => ours.is_err() == theirs.is_err(),
            });
        if is_same && ours.iter().any(Result::is_err) {
            outcome.refused += 1;
        } else if is_same {
            outcome.accepted += 1;
        } else {
            match DIFFERENCES.iter().find(|known| (known.applies)(text, &ours, &theirs)) {
                Some(known) => outcome.known.push(known.reason),
                None => outcome.unknown.push(format!("{}\n  of {text:?}", show(&ours, &theirs))),
            }
        }
    }
    outcome
}

/// The first document on which the two sides differ, and where.
fn show(ours: &[Document], theirs: &[Document]) -> String {
    let differs = |(ours, theirs): &(&Result<_, _>, &Result<_, _>)| match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => !same(ours, theirs),
        (ours, theirs) => ours.is_err() != theirs.is_err(),
    };
    match ours.iter().zip(theirs).find(differs) {
        None => format!("{} documents of ours, {} of theirs", ours.len(), theirs.len()),
        Some((Ok(ours), Ok(theirs))) => first_difference("", ours, theirs),
        Some((ours, theirs)) => {
            let line = |document: &Document| match document {
                Ok(_) => "accepted".to_owned(),
                Err(error) => error.lines().next().unwrap_or_default().to_owned(),
            };
            format!("ours: {}\n  theirs: {}", line(ours), line(theirs))
        }
    }
}

fn first_difference(path: &str, ours: &Value, theirs: &Value) -> String {
    let differ = |(_, a, b): &(String, &Value, &Value)| !same(a, b);
    let found = match (ours, theirs) {
        (Value::Array(a), Value::Array(b)) => {
            a.iter().zip(b).enumerate().map(|(i, (a, b))| (i.to_string(), a, b)).find(differ)
        }
        (Value::Object(a), Value::Object(b)) => {
            a.iter().filter_map(|(key, a)| Some((key.clone(), a, b.get(key)?))).find(differ)
        }
        _ => None,
    };
    match found {
        Some((key, a, b)) => first_difference(&format!("{path}/{key}"), a, b),
        None => format!("{path}\n  ours: {ours}\n  theirs: {theirs}"),
    }
}

/// Spoils a text in one to three places, with what matters to YAML.
pub(crate) fn mutate(text: &str, random: &mut Random) -> String {
    const PIECES: &[&str] = &[
        " ", "  ", "\n", "\t", ":", ": ", "- ", "#", " #", "'", "\"", "[", "]", "{", "}", ",", "|",
        ">", "|-\n", "&a ", "*a", "!x ", "!!str ", "%", "@", "`", "---\n", "...\n", "---", "~",
        "null", "true", "1.0", "0x1f", "? ", "\\", "\r\n", "\u{a0}", "ä", "<<: ", "\u{feff}",
    ];
    let mut text: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(3) {
        let at = random.below(text.len() + 1);
        match random.below(5) {
            0 => {
                let end = (at + 1 + random.below(3)).min(text.len());
                text.drain(at.min(end)..end);
            }
            1 => {
                // A line is taken out.
                let start = text[..at].iter().rposition(|c| *c == '\n').map_or(0, |i| i + 1);
                let end = text[at..].iter().position(|c| *c == '\n').map_or(text.len(), |i| at + i);
                text.drain(start..end);
            }
            2 => {
                // A line is moved to the right or left.
                let start = text[..at].iter().rposition(|c| *c == '\n').map_or(0, |i| i + 1);
                if text.get(start) == Some(&' ') && random.below(2) == 0 {
                    text.remove(start);
                } else {
                    text.insert(start, ' ');
                }
            }
            _ => {
                let piece: Vec<char> = random.pick::<&str>(PIECES).chars().collect();
                text.splice(at..at, piece);
            }
        }
    }
    text.into_iter().collect()
}

/// What came of one document of a file: its value, or an error.
type Document = Result<Value, String>;

/// A difference that stays, and why.
struct Difference {
    reason: &'static str,
    applies: fn(&str, &[Document], &[Document]) -> bool,
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        reason: "an error loses no other document here, nor does it spoil the one before its own",
        applies: |_, ours, theirs| {
            let first = |side: &[Document]| side.iter().position(Result::is_err);
            match (first(ours), first(theirs)) {
                (Some(a), Some(b)) => b <= a && differ_in_errors(&ours[..b], &theirs[..b]),
                _ => false,
            }
        },
    },
    Difference {
        reason: "keys that are marked with ? and :, or are collections, have other rules in the npm package",
        applies: |text, ours, theirs| {
            let is_marked = |line: &str| {
                line.trim_start_matches([' ', '-']).starts_with(['?', ':']) || line.contains("]:")
            };
            text.lines().any(is_marked) && differ_in_errors(ours, theirs)
        },
    },
    Difference {
        reason: "a carriage return alone ends a line in YAML; the npm package thinks otherwise",
        applies: |text, _, _| text.contains('\r'),
    },
    Difference {
        reason: "YAML 1.1, and its tags whose values JSON cannot hold, are refused",
        applies: |_, ours, _| has_error(ours, "is not supported"),
    },
    Difference {
        reason: "YAML allows no control characters; the npm package lets them pass",
        applies: |_, ours, _| has_error(ours, "unexpected character"),
    },
    Difference {
        reason: "two quotes at the end of a line do not close a text, as the npm package has it",
        applies: |text, ours, _| {
            text.contains("''\n") && has_error(ours, "is its closing quote missing?")
        },
    },
    Difference {
        reason: "half of a surrogate pair is no character",
        applies: |_, ours, _| has_error(ours, "surrogate"),
    },
    Difference {
        reason: "an anchor may be used more than 99 times: memory is bounded by what is copied",
        applies: |_, _, theirs| has_error(theirs, "Excessive alias count"),
    },
    Difference {
        reason: "a key that is a collection is written a little differently by the npm package",
        applies: |_, ours, theirs| {
            ours.iter().zip(theirs).all(|pair| match pair {
                (Ok(ours), Ok(theirs)) => {
                    let plain = |value: &Value| {
                        value.to_string().replace("\\n", "").replace([':', ' ', '"', '\\'], "")
                    };
                    same(ours, theirs) || plain(ours) == plain(theirs)
                }
                (ours, theirs) => ours.is_err() && theirs.is_err(),
            })
        },
    },
];

fn has_error(documents: &[Document], text: &str) -> bool {
    documents.iter().any(|document| document.as_ref().is_err_and(|error| error.contains(text)))
}

/// Whether all that differs is what is refused.
fn differ_in_errors(ours: &[Document], theirs: &[Document]) -> bool {
    ours.iter().zip(theirs).all(|pair| match pair {
        (Ok(ours), Ok(theirs)) => same(ours, theirs),
        _ => true,
    })
}

/// Texts that are easy to get wrong.
pub(crate) fn hard_texts() -> Vec<String> {
    let mut texts: Vec<String> = HARD.iter().map(|text| (*text).to_owned()).collect();
    texts.push(format!("{}: 1\n", "k".repeat(1030)));
    texts.push(format!("'{}': 1\n", "k".repeat(1030)));
    texts.push(format!("a: &x 1\nb: [{}]\n", vec!["*x"; 150].join(", ")));
    texts
}

const HARD: &[&str] = &[
    "key: [\n  a\n]\n",
    "a:\n  key: [\n    a\n  ]\n  b: 1\n",
    "a:\n  key: [\n  x,\n  y\n  ]\n",
    "a:\n  key: [\nx,\ny\n]\n",
    "a:\n  k: {\n  x: 1\n  }\n",
    "a:\n  k: {\nx: 1\n}\nb: 1\n",
    "- [\na\n]\n",
    "a: 'x\ny'\n",
    "a:\n  b: 'x\n  y'\n",
    "a:\n  b: 'x\n y'\n",
    "a:\n  b: \"x\ny\"\n",
    "a:\n  b: \"x\n\n  y\"\n",
    "a: \"x\n\ty\"\n",
    "a:\n\tb: 1\n",
    "a:\n  - b\n\t- c\n",
    "{\n\t\"a\": [\n\t\t1,\n\t\t{\"b\": null}\n\t]\n}\n",
    "a: x\n y\nb: 1\n",
    "%YAML 1.2\n---\na: 1\n",
    "%YAML 1.1\n---\na: yes\n",
    "%FOO bar\n---\na: 1\n",
    "--- a\n--- b\n...\n# c\n...\n",
    "---\n---\n---\na: 1\n",
    "a: |\n  x\n---\nb: |\n y",
    "a: |\nb: 1\n",
    "a: |2\n   x\n",
    "a: >\n  x\n  y\n\n  z\n",
    "a: |+\n  x\n\n\n",
    "a: |-\n  x\n\n",
    "a: &x 1\nb: *x\n",
    "a: *x\n",
    "&a a: 1\n",
    "a: &x [*x]\n",
    "a: !!binary aGk=\n",
    "a: !!timestamp 2001-01-01\n",
    "a: !!set {b, c}\n",
    "a: !!omap [b: 1]\n",
    "a: !!int '5'\nb: !!float 5\nc: !!str 5\nd: !foo 5\ne: !!bool x\nf: !!null x\ng: ! 5\n",
    "a: !!str\nb: !foo\nc: !\n",
    "!!map {a: 1}\n",
    "a: !x!y z\n",
    "%TAG !x! tag:yaml.org,2002:\n---\na: !x!str 5\n",
    "a: !<tag:yaml.org,2002:str> 5\n",
    "a: 1\na: 2\n",
    "1: a\n'1': b\n",
    "1: a\n1.0: b\n",
    "~: a\n'': b\n",
    "true: a\n'true': b\n",
    "null: a\n~: b\n",
    "<<: {a: 1}\nb: 2\n",
    "a: &x {k: 1}\nb:\n  <<: *x\n",
    "a: \"\\ud83d\\ude00\"\n",
    "a: \"\\ud83d\"\n",
    "a: \"\\x41\\u00e9\\U0001F600\\e\\0\"\n",
    "a: \"\\q\"\n",
    "a: '\n\n  x'\n",
    "a:b\n",
    "a: b: c\n",
    "a: - b\n",
    "- - a\n- b\n",
    "-a\n",
    "? a\n",
    "? a\n: b\n",
    ": a\n",
    "a: @x\n",
    "a: `x\n",
    "a: %x\n",
    "a: x #c\n",
    "a: x#c\n",
    "a: [a,,b]\n",
    "a: [a b, c: d, {e}]\n",
    "a: {b: [}\n",
    "a: 'x\n",
    "\u{feff}a: 1\n",
    "\u{feff}---\na: 1\n",
    "a: 1\n\u{feff}---\nb: 2\n",
    "# only comment\n",
    "",
    "   \n",
    "---\n",
    "...\n",
    "null\n",
    "~\n---\na: 1\n",
    "[1, 2]\n",
    "'text'\n",
    "a: 1\r\nb:\r\n  - c\r\n",
    "a: 1\rb: 2\r",
    "a:\n  b: 1\n c: 2\n",
    "  a: 1\n  b: 2\n",
    "a: 1 \nb:  \n",
    "a: [\n# c\n1 # d\n]\n",
    "a: \u{a0}x\n",
    "a: x\u{2028}y\n",
    "a: x\u{85}y\n",
    "a: \u{7}\n",
    "a: \u{0}\n",
    "a: 'it''s'\n",
    "a: \"a\\\n  b\"\n",
    "a: !!str [a]\n",
    "a: [!!str 1, &b 2, *b]\n",
    "{a: 1}\n{b: 2}\n",
    "a: 1\n--- \nb: 2\n---x\n",
    "a: 1\n... x\n",
    "--- |\n x\n--- >\n y\n",
    "--- # c\na: 1\n",
    "a: 0x1F\nb: 0o17\nc: 017\nd: 1_0\ne: 1e3\nf: .5\ng: +1\nh: 0b1\ni: 1:30\nj: 2001-01-01\n",
    "a: 123456789012345678901234567890\n",
    "a: 1e999\n",
    "kkkkkkkkkk: 1\n",
    "a: {? b : c}\n",
    "a: {\"b\":1}\n",
    "a: [b:1]\n",
    "a: {b:1}\n",
    "a: http://x:80/y\n",
    "a: {x: http://y}\n",
    "a: [http://y, z]\n",
    "- a\n-\n- \n- b\n",
    "a:\n- b\n- c\nd: 1\n",
    "a:\n  - b\n - c\n",
    "a: >-\n\n\n  x\n",
    "a: |\n\n   x\n  y\n",
    "a: |\n\tx\n",
    "a: x\n\n\n  y\n",
    "\ta: 1\n",
    "a:\t1\n",
    "a: b\t\n",
    "- a:\t1\n",
    "a: ''\nb: \"\"\nc: ' '\n",
    "a: \"x\n---\ny\"\nb: 1\n",
    "a: [x\n---\nb: 1\n",
    "a: {{ b }}\n",
    "a: ${{ b }}\n",
    "a: {% b %}\n",
    "a: *\n",
    "a: &\n",
    "a: !\n",
    "a: *x:\n",
    "*x : a\n",
    "a: |x\n",
    "a: |1-\n x\n",
    "a: >1\n  x\n",
    "a: | # c\n  x\n",
    "a: |#c\n  x\n",
    "a: 'b' c\n",
    "a: \"b\" # c\n",
    "a: 'b'#c\n",
    "a: [b]#c\n",
    "a: [b] c\n",
    "a: 1\nb\n",
    "a: 1\nb\nc: 2\n",
    "a\nb: 1\n",
    "- a\nb: 1\n",
    "a: 1\n- b\n",
    "a: {{{ x }}}\n",
    "? [a, b]\n: 1\n",
    "a: {[1, {c: d}]: x}\n",
    "a: {{'it''s': \"l\\n\"}}\n",
    "a:\n- 'x\n  y'\n- - b\n- \"c\n d\"\n",
    "- - 'a\n   b'\n",
    "a: &x {k: v}\nb: {<<: *x, c: 1}\n",
    "__proto__: 1\na: {__proto__: {b: 1}, constructor: 2, toString: 3}\n",
    "a: 9007199254740993\nb: 0.1\nc: 1e-7\nd: -0\ne: -0.0\nf: 1.10\n",
    "a: {b: 1, b: 2}\n",
    "a: [\"x\ny\"]\n",
    "a:\n  - k: |\n      text\n      ---\n      more\n  - l\n",
    "a: |\n  x\n ...\n  y\n",
];
