//! A backup is made while the node runs, stores only what is new, and is a node again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use support::process::{Client, Server, last_json};

use crate::{component, components, program};

/// A folder, and a configuration that makes backups in it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("annals.yaml"), "backup: {folder: ./backups, keep: 2}\n")
            .unwrap();
        Self { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.at(name).to_str().unwrap().to_owned()
    }

    fn serve(&self, data: &str) -> Server {
        program().serve(&self.at(data), &["--config", &self.text("annals.yaml")])
    }

    fn restore(&self, number: u64, to: &str) -> Value {
        let (from, to, number) = (self.text("backups"), self.text(to), number.to_string());
        program().json(&["restore", "--from", &from, "--data", &to, "--backup", &number])
    }
}

fn post(client: &Client, scope: &str, text: &str) {
    let answer = client.post(&format!("/api/ingest/{scope}"), text);
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn back_up(client: &Client) -> u64 {
    let made = program().json(&["backup", "--server", client.url()]);
    made["number"].as_u64().unwrap()
}

fn audit(data: &Path) {
    let data = data.to_str().unwrap();
    let output = program().run(&["audit", "verify", "--json", "--data", data]);
    assert_eq!(last_json(&output)["findings"], json!([]), "{output:?}");
}

fn bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| if path.is_dir() { bytes(&path) } else { path.metadata().unwrap().len() })
        .sum()
}

fn sample(client: &Client, name: &str) -> u64 {
    let (_, _, text) = client.get_raw("/metrics");
    let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_backup_of_a_node_that_writes_is_a_node_again() {
    let place = Place::new();
    let server = place.serve("data");
    let client = server.client();
    post(&client, "base", &components(&["a", "b", "c"]));
    let done = AtomicBool::new(false);
    let numbers: Vec<u64> = std::thread::scope(|threads| {
        threads.spawn(|| {
            for round in 0.. {
                let lines: String = (0..50)
                    .map(|n| component(&format!("c{n}"), &format!("v{round}")) + "\n")
                    .collect();
                post(&client, "busy", &lines);
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let numbers = (0..3).map(|_| back_up(&client)).collect();
        done.store(true, Ordering::Relaxed);
        numbers
    });
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(server.stop().0, Some(0));
    for number in [2, 3] {
        let data = format!("restored-{number}");
        place.restore(number, &data);
        audit(&place.at(&data));
        let server = place.serve(&data);
        let client = server.client();
        let path = "/api/catalog/entities/by-name/component/default/a";
        let position = client.get(path).position.unwrap();
        let found = "/api/search/query?term=c7";
        let found = client.try_get(found, &[("annals-min-position", &position)]).unwrap();
        assert_eq!(found.body["results"].as_array().map(Vec::len), Some(1), "{found:?}");
        post(&client, "after", &components(&["after"]));
        let (code, said) = server.stop();
        assert_eq!(code, Some(0), "{said}");
        assert!(!said.contains("search index is built"), "the index came along: {said}");
    }
    // Only so many are kept.
    let gone =
        ["restore", "--from", &place.text("backups"), "--data", &place.text("x"), "--backup", "1"];
    assert_eq!(program().run(&gone).status.code(), Some(2));
    let list = ["restore", "--from", &place.text("backups"), "--data", &place.text("x"), "--list"];
    assert_eq!(program().json(&list)["backups"].as_array().map(Vec::len), Some(2));
}

#[test]
fn what_did_not_change_is_stored_once_and_only_the_tail_is_folded() {
    let place = Place::new();
    let data = place.text("data");
    let generated = program().run(&["generate", "--entities", "3000"]);
    fs::write(place.at("all.ndjson"), generated.stdout).unwrap();
    let done = program().run(&["ingest", "--data", &data, &place.text("all.ndjson")]);
    assert!(done.status.success(), "{done:?}");
    let backups = place.text("backups");
    // Databases that were just written put themselves in order when they are opened again, and it is
    // the machine's to say how soon; then there is nothing more to store.
    let mut sizes = Vec::new();
    let is_still = |sizes: &[u64]| match sizes {
        [first, .., before, last] => (last - before) * 10 < *first,
        _ => false,
    };
    while !is_still(&sizes) {
        assert!(sizes.len() < 8, "{sizes:?}");
        let made = program().json(&["backup", "--data", &data, &backups]);
        sizes.push(bytes(&place.at("backups")));
        assert_eq!(made["number"], sizes.len());
    }
    place.restore(sizes.len() as u64, "restored");
    let same = |data: &str| program().json(&["digest", "--data", &place.text(data)]);
    assert_eq!(same("restored"), same("data"));
    // The log goes on without the views; these follow it from where they were.
    let server = program().serve(&place.at("data"), &[]);
    post(&server.client(), "more", &components(&["x", "y"]));
    assert_eq!(server.stop().0, Some(0));
    let records = |data: &str| {
        let stat = program().json(&["log", "stat", "--data", &place.text(data)]);
        stat["records"].as_u64().unwrap()
    };
    let tail = records("data") - records("restored");
    fs::remove_dir_all(place.at("restored/log")).unwrap();
    fs::create_dir_all(place.at("restored/log")).unwrap();
    for file in fs::read_dir(place.at("data/log")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), place.at("restored/log").join(file.file_name())).unwrap();
    }
    let server = program().serve(&place.at("restored"), &[]);
    // A start says a few words of its own.
    let folded = sample(&server.client(), "annals_fold_records_total");
    assert!(folded <= tail + 20, "{folded} were folded, {tail} came after the backup");
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn backups_refuse_in_words() {
    let place = Place::new();
    let server = program().serve(&place.at("data"), &[]);
    let client = server.client();
    let answer = client.post("/api/backup", "");
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(server.stop().0, Some(0));
    for (args, code, says) in [
        (vec!["backup"], 2, "is missing"),
        (vec!["backup", "--data", "/nowhere", "x"], 2, "no log"),
        (vec!["restore", "--from", "/nowhere", "--data", "x"], 2, "no backup"),
    ] {
        let output = program().run(&args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(says), "{said}");
    }
    let (from, data) = (place.text("backups"), place.text("data"));
    let output = program().run(&["restore", "--from", &from, "--data", &data]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
