//! What is erased is nowhere any more, and what is left is proved as before.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use event::{Body, Content};
use log::{Budget, EmbeddedLog, EmbeddedOptions, Log};
use serde_json::{Value, json};
use support::process::{Client, last_json};
use support::storage::each_row;

use crate::program;

/// What names her, each of which is looked for afterwards.
const HER: [&str; 4] = ["jane.doe", "Jane Xylander", "jx@example.org", "xylander-portrait"];

fn entity(kind: &str, name: &str, spec: &Value) -> String {
    let metadata = json!({"name": name});
    json!({"apiVersion": "backstage.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
        .to_string()
}

fn her() -> String {
    let profile = json!({
        "displayName": "Jane Xylander",
        "email": "jx@example.org",
        "picture": "https://example.org/xylander-portrait.png",
    });
    entity("User", "jane.doe", &json!({"memberOf": ["team"], "profile": profile}))
}

fn bob() -> String {
    entity("User", "bob", &json!({"memberOf": ["team"]}))
}

fn team(members: &[&str]) -> String {
    entity("Group", "team", &json!({"type": "team", "children": [], "members": members}))
}

fn service(owner: &str) -> String {
    entity("Component", "shop", &json!({"type": "service", "lifecycle": "x", "owner": owner}))
}

fn post(client: &Client, scope: &str, documents: &[String]) -> Value {
    let answer = client.post(&format!("/api/ingest/{scope}"), &documents.join("\n"));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// A stopped node that knew her, and what was saved of it.
struct Known {
    folder: tempfile::TempDir,
    data: PathBuf,
    checkpoint: PathBuf,
}

fn checkpoint(client: &Client, at_least: u64) -> String {
    loop {
        let note = client.get("/api/audit/checkpoint").body;
        let note = note.as_str().unwrap_or_default().to_owned();
        if note.lines().nth(1).and_then(|size| size.parse().ok()) >= Some(at_least) {
            return note;
        }
        std::thread::yield_now();
    }
}

fn records(client: &Client) -> u64 {
    client.get("/api/log").body["records"].as_u64().unwrap()
}

impl Known {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let server = program().serve(&data, &[]);
        let client = server.client();
        post(&client, "people", &[her(), bob(), team(&["jane.doe", "bob"])]);
        post(&client, "code", &[service("user:jane.doe")]);
        post(&client, "code", &[service("group:team")]);
        post(
            &client,
            "code",
            &[service("group:team"), entity("System", "jane.doe-tools", &json!({"owner": "team"}))],
        );
        post(&client, "people", &[her(), bob(), team(&["bob"])]);
        let saved = folder.path().join("checkpoint");
        fs::write(&saved, checkpoint(&client, records(&client) - 2)).unwrap();
        let (code, said) = server.stop();
        assert_eq!(code, Some(0), "{said}");
        Self { folder, data, checkpoint: saved }
    }

    fn data(&self) -> &str {
        self.data.to_str().unwrap()
    }

    fn log(&self) -> EmbeddedLog {
        EmbeddedLog::open(&self.data.join("log"), EmbeddedOptions::default()).unwrap()
    }

    fn contents(&self) -> Vec<Content> {
        let entries = self.log().read(0, Budget::default()).unwrap();
        entries.into_iter().map(|entry| entry.content).collect()
    }

    fn erase(&self, args: &[&str]) -> (Option<i32>, Value) {
        let all = [&["log", "erase", "--data", self.data(), "--json"], args].concat();
        let output = program().run(&all);
        (output.status.code(), last_json(&output))
    }

    fn erase_her(&self) -> Value {
        let args = ["--subject", "user:jane.doe", "--also", "jane.doe", "--why", "asked for"];
        let (code, done) = self.erase(&args);
        assert_eq!(code, Some(0), "{done}");
        done
    }

    fn audit(&self) -> (Option<i32>, Value) {
        let saved = self.checkpoint.to_str().unwrap();
        let output =
            program().run(&["audit", "verify", "--json", "--since", saved, "--data", self.data()]);
        (output.status.code(), last_json(&output))
    }
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// The files that hold tables, compressed: a text can't be looked for in them.
fn tables(folder: &Path) -> BTreeSet<Vec<u8>> {
    let all = files(folder).into_iter();
    let tables = all.filter(|path| path.extension().is_some_and(|extension| extension == "sst"));
    tables.map(|path| fs::read(path).unwrap()).collect()
}

fn has(bytes: &[u8], text: &str) -> bool {
    let text = text.to_lowercase();
    bytes.to_ascii_lowercase().windows(text.len()).any(|window| window == text.as_bytes())
}

/// Looks for her in every file and every row.
fn look_for_her(data: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for path in files(data) {
        let bytes = fs::read(&path).unwrap();
        found.extend(HER.iter().filter(|text| has(&bytes, text)).map(|_| format!("{path:?}")));
    }
    for database in ["log", "views"] {
        each_row(&data.join(database), |bytes| {
            let found_here = HER.iter().filter(|text| has(bytes, text));
            found.extend(found_here.map(|text| format!("{text} in a row of {database}")));
        });
    }
    found
}

#[test]
fn a_person_is_erased_and_is_nowhere_any_more() {
    let known = Known::new();
    assert!(!look_for_her(&known.data).is_empty(), "she was there");
    let before = tables(&known.data);
    let (code, planned) =
        known.erase(&["--subject", "user:default/jane.doe", "--why", "asked for", "--dry-run"]);
    assert_eq!(code, Some(0), "{planned}");
    // Her two documents would go, those of the group and the component that refer to her, and not
    // what is only called like her.
    assert_eq!(planned["types"], json!({"dev.annals.entity.seen.v1": 3}), "{planned}");
    assert_eq!(planned["notShown"], json!([]), "{planned}");
    assert_eq!(planned["mentions"]["count"], 1, "{planned}");
    assert!(!look_for_her(&known.data).is_empty(), "nothing was erased yet");
    let done = known.erase_her();
    assert_eq!(done["types"], json!({"dev.annals.entity.seen.v1": 4}), "{done}");
    assert_eq!(look_for_her(&known.data), Vec::<String>::new());
    let after = tables(&known.data);
    assert_eq!(before.intersection(&after).count(), 0, "a table of then is still there");
    let (code, found) = known.audit();
    assert_eq!((code, &found["findings"]), (Some(0), &json!([])), "{found}");
    assert_eq!(found["erased"], 4, "{found}");
    assert!(found["unreachable"].as_u64().unwrap() > 0, "{found}");
    // Another erasure of the same finds nothing.
    let (code, done) = known.erase(&["--subject", "user:jane.doe", "--why", "asked for"]);
    assert_eq!((code, &done["records"]), (Some(1), &json!(0)), "{done}");
}

#[test]
fn the_catalog_goes_on_without_what_was_erased() {
    let known = Known::new();
    let done = known.erase_her();
    let replayed = known.folder.path().join("replayed");
    let replay =
        program().json(&["replay", "--from", known.data(), "--data", replayed.to_str().unwrap()]);
    for key in ["position", "digest", "history"] {
        assert_eq!(replay[key], done[key], "{key}");
    }
    let server = program().serve(&known.data, &[]);
    let client = server.client();
    let by_name = |kind: &str, name: &str| {
        client.get(&format!("/api/catalog/entities/by-name/{kind}/default/{name}"))
    };
    assert_eq!(by_name("user", "jane.doe").status, 404);
    assert_eq!(by_name("component", "shop").body["spec"]["owner"], "group:team");
    assert_eq!(by_name("group", "team").body["spec"]["members"], json!(["bob"]));
    // What was erased shows as erased where it was.
    let history = client.get("/api/history/entities/component/default/shop");
    let changes: Vec<&Value> =
        history.body["versions"].as_array().unwrap().iter().map(|one| &one["change"]).collect();
    assert_eq!(changes, ["created", "erased"], "{}", history.body);
    // A scope whose records were erased is compared as before: only what differs is appended.
    let report = post(&client, "people", &[bob(), team(&["bob"])]);
    assert_eq!(report["changed"], 0, "{report}");
    // If her source still shows her, she is back.
    let report = post(&client, "people", &[her(), bob(), team(&["bob"])]);
    assert_eq!(report["changed"], 1, "{report}");
    assert_eq!(by_name("user", "jane.doe").status, 200);
    let stopped = server.stop();
    assert_eq!(stopped.0, Some(0), "{}", stopped.1);
    let (code, found) = known.audit();
    assert_eq!((code, &found["findings"]), (Some(0), &json!([])), "{found}");
}

#[test]
fn one_event_is_erased_and_still_proved() {
    let known = Known::new();
    let contents = known.contents();
    let shown = |name: &str| {
        let mut found = contents.iter().flatten().filter(|record| {
            let subject = record.open().and_then(|open| open.subject.as_deref());
            &*record.kind == "dev.annals.entity.seen.v1" && subject == Some(name)
        });
        found.next_back().unwrap().id.to_string()
    };
    let id = shown("component:default/shop");
    let (code, done) = known.erase(&["--event", &id, "--why", "a password stood in it"]);
    assert_eq!(code, Some(0), "{done}");
    assert_eq!(done["notShown"], json!(["component:default/shop"]), "{done}");
    let server = program().serve(&known.data, &[]);
    let client = server.client();
    let path = "/api/catalog/entities/by-name/component/default/shop";
    assert_eq!(client.get(path).status, 404);
    checkpoint(&client, records(&client) - 2);
    let proof = program().run(&["audit", "prove", "--server", client.url(), "--event", &id]);
    assert!(proof.status.success(), "{proof:?}");
    // The source shows it as it did before; that is news now.
    let tools = entity("System", "jane.doe-tools", &json!({"owner": "team"}));
    let report = post(&client, "code", &[service("group:team"), tools]);
    assert_eq!(report["changed"], 1, "{report}");
    assert_eq!(client.get(path).status, 200);
    assert_eq!(server.stop().0, Some(0));
    let none = "00000000-0000-0000-0000-000000000000";
    let first = contents[0].as_ref().unwrap().id.to_string();
    for (id, code) in [(none, 2), ("x", 2), (&first, 2)] {
        let args = ["log", "erase", "--data", known.data(), "--event", id, "--why", "w"];
        assert_eq!(program().run(&args).status.code(), Some(code), "{id}");
    }
    let named =
        ["log", "erase", "--data", known.data(), "--subject", "user:bob", "--why", "bob asks"];
    assert_eq!(program().run(&named).status.code(), Some(2), "a reason that names the subject");
}

#[test]
fn an_operator_who_erases_in_silence_is_found() {
    let known = Known::new();
    let contents = known.contents();
    let at = contents.iter().position(|content| {
        content.as_ref().is_ok_and(|record| &*record.kind == "dev.annals.entity.seen.v1")
    });
    let at = at.unwrap();
    let mut record = contents[at].clone().unwrap();
    let open = record.open().unwrap().clone();
    let mut residue = event::Residue::of(&open);
    residue.erase_data(event::Left::default());
    let commitment = residue.commitment();
    let left = |residue| Body::Erased(event::Erased { commitment, residue });
    record.body = left(residue.encode());
    known.log().erase(&[(at as u64, record.clone())], &[]).unwrap();
    let (code, found) = known.audit();
    assert_eq!(code, Some(1), "{found}");
    assert_eq!(found["findings"][0]["offset"], at, "{found}");
    // Neither may what is left say what was not there.
    let mut other = open;
    other.data = b"{}".as_slice().into();
    record.body = left(event::Residue::of(&other).encode());
    known.log().erase(&[(at as u64, record)], &[]).unwrap();
    let (code, found) = known.audit();
    assert_eq!(code, Some(1), "{found}");
    let what = found["findings"][0]["what"].as_str().unwrap();
    assert!(what.contains("not what stood there"), "{found}");
}

#[test]
fn views_of_before_are_given_up() {
    let known = Known::new();
    let kept = known.folder.path().join("kept");
    fs::create_dir_all(&kept).unwrap();
    for file in files(&known.data.join("views")) {
        fs::copy(&file, kept.join(file.file_name().unwrap())).unwrap();
    }
    known.erase_her();
    fs::remove_dir_all(known.data.join("views")).unwrap();
    fs::rename(&kept, known.data.join("views")).unwrap();
    let config = ["serve", "--listen", "127.0.0.1:0", "--data", known.data()];
    let refused = program().run(&config);
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("have to be built anew, which the next start does"), "{said}");
    let server = program().serve(&known.data, &[]);
    assert_eq!(server.client().get("/readyz").status, 200);
    assert_eq!(server.stop().0, Some(0));
    assert_eq!(look_for_her(&known.data), Vec::<String>::new());
}
