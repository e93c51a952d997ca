//! References, locations, relative targets and placeholders.

use model::EntityRef;
use model::location::{GITHUB_HOSTS, LocationRef, resolve_target};
use model::placeholder::{find, replace};
use serde_json::{Value, json};

use crate::entities::{Outcome, same};
use crate::mutate::Random;
use crate::oracle::Oracle;

/// Compares answer by answer; what we refuse is `None`.
fn compare(
    oracle: &Oracle,
    cases: Vec<(Value, Option<Value>)>,
    known: fn(&Value) -> Option<&'static str>,
) -> Outcome {
    let (questions, ours): (Vec<Value>, Vec<Option<Value>>) = cases.into_iter().unzip();
    let mut outcome = Outcome::default();
    for ((question, ours), mut theirs) in questions.iter().zip(ours).zip(oracle.ask(&questions)) {
        let is_good = theirs["ok"] == true;
        let (theirs_shown, message) = (theirs.to_string(), theirs["message"].to_string());
        if let Some(answer) = theirs.as_object_mut() {
            answer.shift_remove("ok");
        }
        match ours {
            None if !is_good => outcome.refused += 1,
            Some(ours) if is_good && same(&ours, &theirs) => outcome.accepted += 1,
            ours => match known(question) {
                Some(reason) => outcome.known.push(reason),
                None => outcome.unknown.push(format!(
                    "{question}\n  ours:   {ours:?}\n  theirs: {theirs_shown} {message}"
                )),
            },
        }
    }
    outcome
}

const PIECES: &[&str] = &[
    "a",
    "B",
    ":",
    "/",
    ".",
    "-",
    " ",
    "component",
    "Group",
    "default",
    "É",
    "İ",
    "Σ",
    "😀",
    "x_y",
    "//",
    "::",
    "\n",
    "http",
    "https",
    "url",
    "file",
    "java",
    "script",
    "javascript",
    "\t",
    "%20",
    "..",
    "./",
    "../",
    "?q=1",
    "#f",
    "C:\\",
    "@",
    "example.com",
];

fn random_text(random: &mut Random) -> String {
    (0..random.below(7)).map(|_| *random.pick(PIECES)).collect()
}

pub(crate) fn references(oracle: &Oracle) -> Outcome {
    let mut random = Random::new(3);
    let kinds = [None, None, Some("Group"), Some("API"), Some("")];
    let cases = (0..3000).map(|_| {
        let text = random_text(&mut random);
        let kind = *random.pick(&kinds);
        let namespace = *random.pick(&["", "default", "Some-NS"]);
        let context = json!({"defaultKind": kind, "defaultNamespace": namespace});
        let ours = EntityRef::parse(&text, kind, namespace).ok();
        let question = json!({"op": "ref", "ref": text, "context": context});
        (question, ours.map(|reference| json!({"text": reference})))
    });
    compare(oracle, cases.collect(), |_| None)
}

pub(crate) fn locations(oracle: &Oracle) -> Outcome {
    let mut random = Random::new(4);
    let fixed = [
        "url:https://x/y",
        "file:./a",
        "https://x",
        "http:x",
        "Http:x",
        "url:",
        ":x",
        "x",
        "",
        " url : https://x ",
        "url:javascript:alert(1)",
        "url: java\nscript :x",
        "url:java\tscript:x",
        "url:\u{1}javascript:x",
        "url:JAVASCRIPT:x",
        "url:javascript",
        "url:javaſcript:x",
        "url:\u{feff}x",
        "\u{85}url:x",
        "a:b:c",
    ];
    let fixed = fixed.map(str::to_owned).into_iter();
    let made =
        (0..2000).map(|_| format!("{}:{}", random_text(&mut random), random_text(&mut random)));
    let cases = fixed.chain(made.collect::<Vec<_>>()).map(|text| {
        let ours = LocationRef::parse(&text).ok();
        let ours = ours.map(|ours| json!({"type": ours.kind, "target": ours.target}));
        (json!({"op": "location", "text": text}), ours)
    });
    compare(oracle, cases.collect(), |_| None)
}

const BASES: &[(&str, &str)] = &[
    ("url", "https://github.com/acme/repo/blob/main/dir/catalog-info.yaml"),
    ("url", "https://github.com/acme/repo/tree/main/catalog-info.yaml?x=1#f"),
    ("url", "https://example.com/a/b/catalog-info.yaml"),
    ("url", "https://example.com/a/b/?path=/x&version=GBmain"),
    ("url", "https://gitlab.com/acme/repo/-/blob/main/dir/catalog-info.yaml"),
    ("url", "https://gitlab.example.com/acme/sub/repo/-/tree/main/catalog-info.yaml"),
    ("url", "https://github.com/acme/repo/raw/main/dir/catalog-info.yaml"),
    ("url", "https://github.com/acme/repo"),
    ("url", "https://ghe.example.com/acme/repo/blob/main/dir/catalog-info.yaml"),
    ("url", "https://ghe.example.com/acme/repo/raw/main/catalog-info.yaml?x=1"),
    ("url", "http://127.0.0.1:7799/root.yaml"),
    ("url", "no url"),
    ("file", "/data/catalog/all.yaml"),
    ("file", "catalog/all.yaml"),
    ("file", "all.yaml"),
    ("file", "../x/all.yaml"),
    ("file", "/"),
];
const TARGETS: &[&str] = &[
    "./x.yaml",
    "../x.yaml",
    "x.yaml",
    "x/y.yaml",
    "../../../../x.yaml",
    "https://else.org/a b",
    "//else.org/x",
    "/abs.yaml",
    "/abs/../x.yaml",
    "?q",
    "#f",
    "",
    ".",
    "..",
    "./",
    "a/../b/./c",
    ".hidden",
    "./a//b/",
    "*.yaml",
    "./**/*.yaml",
    "C:\\x",
    "x y.yaml",
    "ä.yaml",
    "mailto:x",
    "./x.yaml?y=2",
];

pub(crate) fn targets(oracle: &Oracle) -> Outcome {
    let mut cases = Vec::new();
    for &(kind, base) in BASES {
        for &target in TARGETS {
            for asked in [kind, "other"] {
                let base_ref = LocationRef { kind: kind.to_owned(), target: base.to_owned() };
                let ours = resolve_target(&base_ref, asked, target, GITHUB_HOSTS);
                let question = json!({
                    "op": "resolve",
                    "base": {"type": kind, "target": base},
                    "type": asked,
                    "target": target,
                });
                cases.push((question, Some(json!({"target": ours}))));
            }
        }
    }
    compare(oracle, cases, |question| {
        let is_absolute = question["target"].as_str()?.starts_with('/');
        let base = question["base"]["target"].as_str()?;
        let is_known = ["github.com", "gitlab", "ghe."].iter().any(|host| base.contains(host));
        (is_absolute && !is_known)
            .then_some("a path is joined as RFC 3986 says where no repository can be recognised")
    })
}

pub(crate) fn placeholders(oracle: &Oracle, documents: &[Value]) -> Outcome {
    let mut random = Random::new(5);
    let inserts = [
        json!({"$text": "./x"}),
        json!({"$json": "https://x/y"}),
        json!({"$yaml": "y"}),
        json!({"$text": 5}),
        json!({"$text": null}),
        json!({"$text": "x", "other": 1}),
        json!({"$openapi": "x"}),
        json!({"$openapi": {"$text": "x"}}),
        json!({"$": "x"}),
        json!({"$text": {"$text": "x"}}),
        json!([{"$text": "a"}, [{"$json": "b"}]]),
        json!({"a": {"$text": "x"}, "b/~c": {"$text": "y"}}),
        json!({"x": {"$text": "x"}, "$y": 1}),
        json!({"$TEXT": "x"}),
        json!({"$text ": "x"}),
        json!("$text"),
        json!({"$text": ""}),
    ];
    let cases = (0..1500).map(|index| {
        let mut document = documents[index % documents.len()].clone();
        for _ in 0..=random.below(3) {
            let key = format!("k{}", random.below(3));
            let place = ["metadata", "spec"][random.below(2)];
            document[place][key] = random.pick(&inserts).clone();
        }
        let ours = find(&document).ok().map(|found| {
            let mut replaced = document.clone();
            for placeholder in &found {
                let value = json!({"resolved": placeholder.target});
                assert!(replace(&mut replaced, placeholder, value));
            }
            json!({"entity": replaced, "found": found.len()})
        });
        (json!({"op": "placeholders", "entity": document}), ours)
    });
    compare(oracle, cases.collect(), |_| None)
}
