//! Asks the questions that were asked the real Backstage, and compares the answers.
//!
//! `conformance/` of the shared test data holds a catalog, requests, and what Backstage answered.
//! Where an answer differs it has to stand in `differences.rs`, with why; where it does not, it
//! must not stand there.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod ask;
mod asyncapi;
mod client;
mod compare;
mod differences;
mod http;
mod limits;
mod naive;
mod openapi;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::process::{Program, Server};
use support::web::Web;

fn program() -> Program {
    Program(PathBuf::from(env!("CARGO_BIN_EXE_annals-under-test")))
}

/// The folder with the recorded answers, where it is there.
fn recorded(test: &str) -> Option<PathBuf> {
    let folder = support::process::shared().map(|shared| shared.join("conformance"));
    let folder = folder.filter(|folder| folder.is_dir());
    if folder.is_none() {
        support::process::skip(test, "there is no folder `conformance` of shared test data");
    }
    folder
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Where the recorded catalog has its locations.
const SITE_PORT: u16 = 7799;

/// A server with the catalog that the recording was made from, and the site that its locations
/// lead to.
fn serve(folder: &Path, data: &Path) -> (Server, Web) {
    let site = Web::at(SITE_PORT, &folder.join("small"));
    let config = data.join("annals.yaml");
    std::fs::write(&config, format!("reading: {{allow: ['{}']}}\n", site.host())).unwrap();
    let server = program().serve(&data.join("data"), &["--config", config.to_str().unwrap()]);
    let path = folder.join("catalog.ndjson");
    let path = path.to_str().unwrap();
    let args = ["ingest", "--server", &server.url, "--scope", "conformance", path];
    let output = program().run(&args);
    // One document is there to be refused.
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    (server, site)
}

#[test]
fn the_catalog_api_answers_as_backstage_does() {
    check("", differences::ALL);
}

#[test]
fn the_search_api_answers_as_backstage_does() {
    check("-search", differences::SEARCH);
}

/// Says how it went.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Asks the recorded questions of a kind. What differs is exactly what is listed.
fn check(kind: &str, may_differ: &[(&str, &str)]) {
    let Some(folder) = recorded(&format!("conformance{kind}")) else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let (server, _site) = serve(&folder, data.path());
    let mut asker = ask::Asker::new(&server.url);
    let answers: BTreeMap<String, Value> = lines(&folder.join(format!("answers{kind}.ndjson")))
        .into_iter()
        .map(|answer| (answer["id"].as_str().unwrap().to_owned(), answer))
        .collect();
    let may_differ: BTreeMap<&str, &str> = may_differ.iter().copied().collect();
    let (mut count, mut same_words) = (0, 0);
    let mut differing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for request in lines(&folder.join(format!("requests{kind}.ndjson"))) {
        let id = request["id"].as_str().unwrap().to_owned();
        let is_awaited = !may_differ.contains_key(&*id);
        let responses = asker.ask(&request, is_awaited);
        let expected = &answers[&id];
        let found = compare::differences(expected, &responses);
        count += 1;
        if !found.hard.is_empty() {
            differing.insert(id, found.hard);
        } else if found.soft.is_empty() {
            same_words += 1;
        } else if std::env::var_os("ANNALS_VERBOSE").is_some() {
            say(&format!("words of {id}\n    {}", found.soft.join("\n    ")));
        }
    }
    let same = count - differing.len();
    say(&format!("{same} of {count} answers are Backstage's, {same_words} of them word for word"));
    for (id, found) in &differing {
        let why = may_differ.get(&**id).copied().unwrap_or("NOT EXPECTED");
        say(&format!("differs: {id}\n    {why}"));
        if !may_differ.contains_key(&**id) || std::env::var_os("ANNALS_VERBOSE").is_some() {
            say(&format!("    {}", found.join("\n    ")));
        }
    }
    let differing: BTreeSet<&str> = differing.keys().map(String::as_str).collect();
    let expected: BTreeSet<&str> = may_differ.keys().copied().collect();
    assert_eq!(differing, expected, "what differs is exactly what is listed");
}
