//! The log is proved to others, and an operator who tampers with it is found.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use event::{Body, Content, Entry, RecordId, write_line};
use log::{Budget, EmbeddedLog, EmbeddedOptions, Log};
use serde_json::Value;
use support::history::{records, steps};
use support::process::{Server, last_json, skip};
use support::random::Random;
use support::storage::{flip_a_bit, without_tables};

use crate::{component, program};

/// A server with so many components, whose newest checkpoint speaks of all of them.
fn signed(data: &Path, count: usize) -> Server {
    let server = program().serve(data, &[]);
    let client = server.client();
    let lines: String =
        (0..count).map(|n| component(&format!("c{n}"), "production") + "\n").collect();
    let report = client.post("/api/ingest/audited", &lines);
    assert_eq!(report.status, 200, "{report:?}");
    let position = report.body["position"].as_str().unwrap();
    let last: u64 = position.rsplit_once('-').unwrap().1.parse().unwrap();
    while size(&checkpoint(&server)).is_none_or(|size| size <= last) {
        std::thread::yield_now();
    }
    server
}

fn checkpoint(server: &Server) -> String {
    let answer = server.client().get("/api/audit/checkpoint");
    answer.body.as_str().unwrap_or_default().to_owned()
}

fn size(checkpoint: &str) -> Option<u64> {
    checkpoint.lines().nth(1)?.parse().ok()
}

/// Builds the program that verifies with Go's tools; why not, if it can't be done here.
fn auditor(folder: &Path) -> Result<PathBuf, String> {
    let source = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("auditor");
    let program = folder.join("auditor");
    let output = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(source)
        .output()
        .map_err(|error| format!("Go: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let unreachable = ["dial tcp", "no such host", "connection refused", "timeout"];
    if !output.status.success() && unreachable.iter().any(|why| said.contains(why)) {
        return Err(format!("modules of Go can't be had: {}", said.trim()));
    }
    assert!(output.status.success(), "{said}");
    Ok(program)
}

#[test]
fn the_tools_of_the_go_checksum_database_verify_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let auditor = match auditor(folder.path()) {
        Ok(auditor) => auditor,
        Err(why) => return skip("Go's tools against /api/audit", &why),
    };
    let server = signed(&folder.path().join("data"), 700);
    let output = Command::new(auditor).arg(format!("{}/api/audit", server.url)).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let count: u64 = said.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(said.starts_with("verified ") && count >= 700, "{said}");
}

/// A log that was signed, and what an auditor saved of it.
struct Saved {
    folder: tempfile::TempDir,
    data: PathBuf,
    checkpoint: PathBuf,
    key: String,
    contents: Vec<Content>,
}

impl Saved {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let server = signed(&data, 300);
        let checkpoint = folder.path().join("checkpoint");
        fs::write(&checkpoint, self::checkpoint(&server)).unwrap();
        let key = server.client().get("/api/audit/key").body.as_str().unwrap().trim().to_owned();
        let (code, said) = server.stop();
        assert_eq!(code, Some(0), "{said}");
        let log = EmbeddedLog::open(&data.join("log"), EmbeddedOptions::default()).unwrap();
        let entries = log.read(0, Budget::default()).unwrap();
        let contents = entries.into_iter().map(|entry| entry.content).collect();
        Self { folder, data, checkpoint, key, contents }
    }

    /// The data folder with another log below its views.
    fn with(&self, name: &str, contents: &[Content]) -> PathBuf {
        let data = self.folder.path().join(name);
        fs::create_dir_all(data.join("views")).unwrap();
        for file in fs::read_dir(self.data.join("views")).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), data.join("views").join(file.file_name())).unwrap();
        }
        fs::create_dir_all(data.join("log")).unwrap();
        let log = EmbeddedLog::open(&data.join("log"), EmbeddedOptions::default()).unwrap();
        log.append(contents).unwrap();
        data
    }

    /// Audits; gives the exit code, and what was found.
    fn audit(&self, log: &[&str]) -> (Option<i32>, Vec<Value>) {
        let since = self.checkpoint.to_str().unwrap();
        let args = ["audit", "verify", "--since", since, "--key", &self.key, "--json"];
        let output = program().run(&[&args[..], log].concat());
        let value = last_json(&output);
        let findings = value["findings"].as_array().unwrap().clone();
        assert_eq!(value["holds"], findings.is_empty(), "{value}");
        (output.status.code(), findings)
    }
}

/// The record that operators change here: of a component in the midst of the log.
const TARGET: usize = 150;

fn changed(contents: &mut [Content]) {
    let Ok(record) = &mut contents[TARGET] else { panic!("a record") };
    let Body::Open(open) = &mut record.body else { panic!("an open record") };
    let text = String::from_utf8(open.data.to_vec()).unwrap();
    assert!(text.contains("production"), "{text}");
    open.data = text.replace("production", "deprecated").into();
}

fn appended(contents: &mut Vec<Content>) {
    let mut record = contents[TARGET].clone().unwrap();
    let last = contents.iter().flatten().filter(|one| one.source == record.source);
    record.sequence = last.map(|one| one.sequence + 1).max().unwrap();
    record.id = RecordId(uuid::Uuid::from_u128(7));
    let old = record.recorded.as_micros() - 3_600_000_000;
    record.recorded = event::Timestamp::from_micros(old).unwrap();
    contents.push(Ok(record));
}

#[test]
fn an_operator_who_tampers_is_found_and_the_record_is_named() {
    let saved = Saved::new();
    let data = saved.data.to_str().unwrap();
    assert_eq!(saved.audit(&["--data", data]), (Some(0), Vec::new()));
    let export = saved.folder.path().join("log.ndjson");
    let done = program().run(&["log", "export", "--data", data, export.to_str().unwrap()]);
    assert!(done.status.success(), "{done:?}");
    assert_eq!(saved.audit(&["--from", export.to_str().unwrap()]), (Some(0), Vec::new()));
    let count = saved.contents.len();
    for name in ["changed", "dropped", "reordered", "appended", "cut"] {
        let mut contents = saved.contents.clone();
        let first = match name {
            "changed" => {
                changed(&mut contents);
                TARGET
            }
            "dropped" => {
                contents.drain(TARGET..=TARGET);
                TARGET
            }
            "reordered" => {
                contents.swap(TARGET, TARGET + 1);
                TARGET
            }
            "appended" => {
                appended(&mut contents);
                count
            }
            _ => {
                contents.truncate(TARGET);
                TARGET
            }
        };
        let data = saved.with(name, &contents);
        let (code, findings) = saved.audit(&["--data", data.to_str().unwrap()]);
        assert_eq!(code, Some(1), "{name}");
        let id = contents.get(first).map(|record| record.as_ref().unwrap().id.to_string());
        assert_eq!(findings[0]["offset"], first, "{name}: {findings:#?}");
        assert_eq!(findings[0]["id"].as_str(), id.as_deref(), "{name}: {findings:#?}");
    }
}

#[test]
fn a_log_that_was_rewritten_whole_is_not_the_one_that_was_saved() {
    let saved = Saved::new();
    let data = saved.folder.path().join("rewritten");
    fs::create_dir_all(&data).unwrap();
    // The operator has the key, and signs whatever suits.
    fs::copy(saved.data.join("identity.key"), data.join("identity.key")).unwrap();
    let (code, said) = signed(&data, 310).stop();
    assert_eq!(code, Some(0), "{said}");
    let (code, findings) = saved.audit(&["--data", data.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{findings:?}");
    assert_eq!(findings[0]["offset"], 0, "{findings:?}");
    assert!(findings[0]["what"].as_str().unwrap().contains("are not those of"), "{findings:?}");
}

#[test]
fn a_row_of_the_views_that_was_flipped_is_found_and_its_record_named() {
    let saved = Saved::new();
    flip_a_bit(&saved.data, "entities");
    let (code, findings) = saved.audit(&["--data", saved.data.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{findings:?}");
    let first =
        saved.contents.iter().flatten().find(|one| &*one.kind == "dev.annals.entity.seen.v1");
    let id = first.unwrap().id.to_string();
    assert!(findings.iter().any(|finding| finding["id"] == id), "{id}: {findings:#?}");
}

#[test]
fn a_record_is_proved_by_a_server_and_by_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = signed(&data, 3);
    let records = server.client().get("/api/log/records?from=0&limit=1").body;
    let id = records["id"].as_str().unwrap().to_owned();
    let proved = program().json(&["audit", "prove", "--server", &server.url, "--event", &id]);
    assert!(proved["proof"].as_str().unwrap().starts_with("c2sp.org/tlog-proof@v1\n"), "{proved}");
    let verified = program().json(&["audit", "verify", "--server", &server.url]);
    assert_eq!(verified["holds"], true, "{verified}");
    let nobody = uuid::Uuid::from_u128(7).to_string();
    for (path, status) in [
        ("/api/audit/proof", 400),
        ("/api/audit/proof?event=x", 400),
        ("/api/audit/proof?event=a&from=1", 400),
        ("/api/audit/proof?from=99999999", 400),
        ("/api/audit/proof?from=1&to=99999999", 404),
        ("/api/audit/tile/0/001", 404),
        ("/api/audit/tile/0/000", 404),
        ("/api/audit/tile/63/x999/x999/x999/x999/999.p/255", 404),
        ("/api/audit/tile/../../x", 404),
    ] {
        let answer = server.client().get(path);
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    let unknown = server.client().get(&format!("/api/audit/proof?event={nobody}"));
    assert_eq!(unknown.status, 404, "{unknown:?}");
    server.stop();
    let data = data.to_str().unwrap();
    let again = program().json(&["audit", "prove", "--data", data, "--event", &id]);
    assert!(again["proof"].as_str().unwrap().contains("\nindex 0\n"), "{again}");
    let missing = program().run(&["audit", "prove", "--data", data, "--event", &nobody]);
    assert_eq!(missing.status.code(), Some(2), "{missing:?}");
}

#[test]
fn nothing_is_signed_because_of_what_was_signed_and_a_start_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let first = checkpoint(&signed(&data, 3));
    assert_eq!(mode(&data.join("identity.key")), 0o600);
    let server = signed(&data, 4);
    let second = checkpoint(&server);
    let (first, second) = (size(&first).unwrap(), size(&second).unwrap());
    let proof = server.client().get(&format!("/api/audit/proof?from={first}"));
    assert_eq!(proof.status, 200, "{proof:?}");
    assert!(second > first);
    let records = server.client().get("/api/log").body["records"].as_u64().unwrap();
    assert_eq!(records, second + 1, "one statement stands behind what it speaks of");
    server.stop();
    fs::set_permissions(data.join("identity.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let args = ["serve", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    let refused = program().run(&args);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("mode 644"), "{refused:?}");
}

#[test]
fn views_from_before_there_was_a_tree_get_it_when_they_are_opened() {
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (folder.path().join("log.ndjson"), folder.path().join("data"));
    // A log that no key has signed yet, with views of it.
    let records = records(7, &steps(&mut Random::new(7), 400));
    let entries = (0..).zip(records).map(|(offset, content)| Entry { offset, content });
    let lines: Vec<String> = entries.map(|entry| write_line(&entry)).collect();
    fs::write(&file, lines.join("\n")).unwrap();
    let (file, data_text) = (file.to_str().unwrap(), data.to_str().unwrap());
    let replayed = folder.path().join("replayed");
    let _ = program().json(&["log", "import", "--data", data_text, file]);
    let args = ["replay", "--from", file, "--data", replayed.to_str().unwrap()];
    let _ = program().json(&args);
    fs::rename(replayed.join("views"), data.join("views")).unwrap();
    let rows = without_tables(&data, 96..=101);
    assert!(rows > lines.len() / 2, "of {} records there were {rows} rows", lines.len());
    let server = program().serve(&data, &[]);
    let size_of_all = u64::try_from(lines.len()).unwrap();
    while size(&checkpoint(&server)).is_none_or(|size| size < size_of_all) {
        std::thread::yield_now();
    }
    let client = server.client();
    // Each record is proved, those included that were folded before there was a tree.
    for offset in [0, lines.len() / 2, lines.len() - 1] {
        let path = format!("/api/log/records?from={offset}&limit=1");
        let id = client.get(&path).body["id"].as_str().unwrap().to_owned();
        let proved = program().json(&["audit", "prove", "--server", &server.url, "--event", &id]);
        assert!(proved["proof"].as_str().unwrap().contains(&format!("\nindex {offset}\n")));
    }
    let verified = program().json(&["audit", "verify", "--server", &server.url]);
    assert_eq!(verified["holds"], true, "{verified}");
    let (code, said) = server.stop();
    assert_eq!(code, Some(0), "{said}");
    let verified = program().json(&["audit", "verify", "--data", data_text]);
    assert_eq!(verified["holds"], true, "{verified}");
}
