//! What the program says and how it ends, where things are as they should not be.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use support::process::{last_json, skip};

use crate::{component, components, program};

/// How a command ended, and the last line that it said of it.
#[track_caller]
fn ends(output: &Output, code: i32, says: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let last = said.trim_end().lines().next_back().unwrap_or_default();
    for says in says {
        assert!(last.contains(says), "`{says}` is not in: {said}");
    }
    assert!(last.starts_with("annals: "), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

fn run(args: &[&str]) -> Output {
    program().run(args)
}

/// A data folder with a few components.
fn filled(folder: &Path) -> String {
    let data = folder.join("data");
    fs::write(folder.join("c.ndjson"), components(&["a", "b", "c"])).unwrap();
    let (data, file) = (data.to_str().unwrap(), folder.join("c.ndjson"));
    let report = program().json(&["ingest", "--data", data, file.to_str().unwrap()]);
    assert_eq!(report["changed"], 3, "{report}");
    data.to_owned()
}

#[test]
fn a_port_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = folder.path().join("data");
    let output = run(&["serve", "--data", data.to_str().unwrap(), "--listen", &address]);
    ends(&output, 3, &[&address, "in use"]);
    assert!(!data.exists(), "a node that can't listen changes nothing");
}

#[test]
fn a_locked_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let server = program().serve(&path, &[]);
    let data = path.to_str().unwrap();
    for args in [
        &["serve", "--data", data, "--listen", "127.0.0.1:0"][..],
        &["ingest", "--data", data, "/dev/null"],
        &["digest", "--data", data],
        &["log", "stat", "--data", data],
        &["log", "export", "--data", data],
    ] {
        ends(&run(args), 3, &[data, "in use by another process"]);
    }
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn a_data_folder_of_a_newer_version() {
    for make_newer in [support::storage::make_log_newer, support::storage::make_views_newer] {
        let folder = tempfile::tempdir().unwrap();
        let data = filled(folder.path());
        make_newer(Path::new(&data));
        let output = run(&["serve", "--data", &data, "--listen", "127.0.0.1:0"]);
        ends(&output, 3, &[&data, "written by a later version of Annals"]);
    }
}

#[test]
fn views_of_an_earlier_version_are_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let data = filled(folder.path());
    let digest = ["digest", "--data", &data];
    let before = program().json(&digest);
    support::storage::make_views_older(Path::new(&data));
    ends(
        &run(&digest),
        3,
        &[&data, "an earlier version of Annals", "`annals serve` makes them anew"],
    );
    assert_eq!(program().serve(Path::new(&data), &[]).stop().0, Some(0));
    let position = |digest: &serde_json::Value| digest["position"].as_str().map(str::to_owned);
    let mut after = program().json(&digest);
    assert_ne!(position(&after), None);
    // The node that made them anew may have signed since.
    if position(&after) != position(&before) {
        let until = position(&before).unwrap();
        let again = folder.path().join("again");
        let again = again.to_str().unwrap();
        after = program().json(&["replay", "--from", &data, "--data", again, "--until", &until]);
    }
    assert_eq!((&after["digest"], &after["history"]), (&before["digest"], &before["history"]));
}

#[test]
fn a_configuration_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("annals.yaml");
    let config = path.to_str().unwrap();
    let serve = ["serve", "--config", config];
    ends(&run(&serve), 2, &[config, "No such file"]);
    for (text, says) in [
        ("sever: {}", "unknown key `sever`, did you mean `server`?"),
        ("connectors: [{kind: flies}]", "unknown kind of connector `flies`, did you mean `files`?"),
        (
            "connectors: [{kind: files, id: a, path: [x]}]",
            "unknown key `path`, did you mean `paths`?",
        ),
        ("data: [", "line 1"),
        (
            "server: {tokens: [{name: a, secret: '${ANNALS_NO_SUCH}', may: [read]}]}",
            "ANNALS_NO_SUCH",
        ),
        ("server: {tokens: [{name: a, secret: hunter2, may: [read]}]}", "at least 16 characters"),
    ] {
        fs::write(&path, text).unwrap();
        let output = run(&serve);
        ends(&output, 2, &[config, says]);
        assert!(!String::from_utf8_lossy(&output.stderr).contains("hunter2"), "{output:?}");
        let checked = run(&["check", config]);
        assert_eq!(checked.status.code(), Some(1), "{checked:?}");
        assert!(String::from_utf8_lossy(&checked.stdout).contains(says), "{checked:?}");
    }
}

#[test]
fn wrong_use() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let beyond = ["serve", "--data", data, "--listen", "0.0.0.0:0"];
    ends(&run(&beyond), 2, &["listening beyond this machine needs tokens"]);
    ends(&run(&["serve", "--data", data, "--listen", "here"]), 2, &["`here` is not an address"]);
    ends(&run(&["digest", "--data", data]), 2, &["there are no views in", data]);
    ends(&run(&["log", "stat", "--data", data]), 2, &["there is no log in", data]);
    ends(&run(&["ingest", "--data", data, "/no/such/file.yaml"]), 2, &["/no/such/file.yaml"]);
    ends(&run(&["ingest", "--server", "localhost", "-"]), 2, &["`localhost` is not a URL"]);
    ends(&run(&["check", "/no/such/folder"]), 2, &["/no/such/folder does not exist"]);
    let until = ["replay", "--from", data, "--data", "x", "--until", "yesterday"];
    ends(&run(&until), 2, &["`yesterday` is neither a position nor a time"]);
    // A server that is not there.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}");
    ends(&run(&["log", "stat", "--server", &url]), 3, &[&url, "can't be reached"]);
    let unknown = run(&["serv"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("'serve'"), "{unknown:?}");
}

#[test]
fn catalog_files_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.yaml");
    fs::write(
        &path,
        "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: good}\n\
         spec: {type: service, lifecycle: production, owner: team}\n---\n\
         apiVersion: backstage.io/v1alpha1\nkind: Componnet\nmetadata: {name: typo}\n---\n\
         apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: bad}\n\
         spec: {type: service}\n---\nkind: [\n",
    )
    .unwrap();
    let file = path.to_str().unwrap();
    let output = run(&["check", file]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stdout).replace(file, "FILE");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 4, "{said}");
    assert!(lines[0].starts_with("REFUSED  FILE#1, line 6 (componnet:default/typo): "), "{said}");
    assert!(lines[0].contains("did you mean \"Component\"?"), "{said}");
    assert!(lines[1].starts_with("REFUSED  FILE#2, line 10 (component:default/bad): "), "{said}");
    assert!(lines[2].starts_with("REFUSED  FILE, line 15, column "), "{said}");
    assert!(lines[2].contains("in the fourth document: "), "{said}");
    assert_eq!(lines[3], "4 documents: 3 refused");
    // What handing it in says is the same.
    let data = folder.path().join("data");
    let output = run(&["ingest", "--data", data.to_str().unwrap(), file]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stdout).replace(file, "FILE");
    let told: Vec<&str> = told.lines().collect();
    for line in &lines[..3] {
        assert!(told.contains(line), "{told:?}");
    }
    assert!(told[3].starts_with("4 documents: "), "{told:?}");
    assert!(told[3].contains("3 refused"), "{told:?}");
}

#[test]
fn own_kinds_are_known_by_the_configuration_and_then_by_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (config, data, file) = (at("annals.yaml"), at("data"), at("robot.yaml"));
    fs::write(&config, "kinds: [{kind: Robot, apiVersion: example.com/v1}]\n").unwrap();
    fs::write(&file, "{apiVersion: example.com/v1, kind: Robot, metadata: {name: r2}}").unwrap();
    assert_eq!(run(&["check", &file]).status.code(), Some(1));
    assert!(run(&["check", "--config", &config, &file]).status.success());
    assert!(run(&["check", &config]).status.success());
    let server = program().serve(Path::new(&data), &["--config", &config]);
    assert_eq!(server.stop().0, Some(0));
    // No configuration is given here, so the kinds stay that the log says; a file in a folder is
    // told by them to be a catalog's.
    let folder = at("robots");
    fs::create_dir(&folder).unwrap();
    fs::copy(&file, format!("{folder}/robot.yaml")).unwrap();
    let report = program().json(&["ingest", "--data", &data, &folder]);
    assert_eq!((&report["seen"], &report["refused"]), (&json!(1), &json!(0)), "{report}");
    let server = program().serve(Path::new(&data), &[]);
    let path = "/api/catalog/entities/by-name/robot/default/r2";
    assert_eq!(server.client().get(path).status, 200);
    let report = program().json(&["ingest", "--server", &server.url, "--scope", "b", &folder]);
    assert_eq!((&report["seen"], &report["refused"]), (&json!(1), &json!(0)), "{report}");
}

#[test]
fn the_log_is_written_out_read_in_and_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let data = filled(folder.path());
    let live = program().json(&["digest", "--data", &data, "--deep"]);
    assert_eq!(live["deep"]["differs"], json!([]));
    let stat = program().json(&["log", "stat", "--data", &data]);
    assert_eq!(stat["position"], live["position"]);
    let records = stat["records"].as_u64().unwrap();
    let out = at("log.ndjson");
    assert_eq!(program().json(&["log", "export", "--data", &data, &out])["records"], records);
    let text = fs::read_to_string(&out).unwrap();
    let tail = run(&["log", "tail", "--data", &data, "-n", "2"]);
    let last_two: Vec<&str> = text.lines().skip(text.lines().count() - 2).collect();
    assert_eq!(String::from_utf8_lossy(&tail.stdout).lines().collect::<Vec<_>>(), last_two);
    // A file that is there is not overwritten.
    ends(&run(&["log", "export", "--data", &data, &out]), 3, &[&out]);

    // Read in, twice, and served.
    let copy = at("copy");
    for new in [records, 0] {
        let report = program().json(&["log", "import", "--data", &copy, &out]);
        assert_eq!(report, json!({"records": records, "new": new}));
    }
    let server = program().serve(Path::new(&copy), &[]);
    let path = "/api/catalog/entities/by-name/component/default/b";
    assert_eq!(server.client().get(path).status, 200);
    drop(server);

    // Replayed, whole and in part.
    let replayed = program().json(&["replay", "--from", &data, "--data", &at("whole")]);
    for digest in ["position", "digest", "history"] {
        assert_eq!(replayed[digest], live[digest], "{digest}");
    }
    let position = live["position"].as_str().unwrap();
    let (log, last) = position.split_once('-').unwrap();
    let before = format!("{log}-{}", last.parse::<u64>().unwrap() - 1);
    let part =
        program().json(&["replay", "--from", &out, "--data", &at("part"), "--until", &before]);
    assert_eq!(part["position"], before.as_str());
    assert_ne!(part["history"], live["history"]);
    ends(&run(&["replay", "--from", &out, "--data", &at("part")]), 2, &["is not empty"]);

    // A log that has lost a record, or of which one was changed, is not read in.
    let lines: Vec<&str> = text.lines().collect();
    let lost = [&lines[..2], &lines[3..]].concat().join("\n");
    fs::write(at("lost"), lost).unwrap();
    let output = run(&["log", "import", "--data", &at("a"), &at("lost")]);
    ends(&output, 3, &["line 3", "records are missing"]);
    let mut changed: Value = serde_json::from_str(lines[lines.len() - 2]).unwrap();
    changed["id"] = "another".into();
    let changed = changed.to_string();
    let mut lines = lines;
    let at_place = lines.len() - 2;
    lines[at_place] = &changed;
    fs::write(at("changed"), lines.join("\n")).unwrap();
    let output = run(&["log", "import", "--data", &copy, &at("changed")]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}

#[test]
fn a_bit_that_flipped_is_found() {
    for family in ["entities", "names", "claims", "edges", "index"] {
        let folder = tempfile::tempdir().unwrap();
        let data = filled(folder.path());
        support::storage::flip_a_bit(Path::new(&data), family);
        let output = run(&["digest", "--data", &data, "--deep", "--json"]);
        let found = output.status.code() == Some(3)
            || output.status.code() == Some(1)
                && last_json(&output)["deep"]["differs"] != json!([]);
        assert!(found, "{family}: {output:?}");
    }
}

#[test]
fn what_was_altered_of_earlier_moments_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("all.yaml"));
    let [data_text, file_text] = [&data, &file].map(|path| path.to_str().unwrap());
    // Changed so often that sets are put aside.
    for lifecycle in ["a", "b", "a", "b", "a"] {
        let spec = format!("spec: {{type: service, lifecycle: {lifecycle}, owner: team}}");
        let entities = (0..150).map(|of| {
            format!(
                "---\napiVersion: backstage.io/v1alpha1\nkind: Component\n\
                 metadata: {{name: c{of}}}\n{spec}\n"
            )
        });
        fs::write(&file, entities.collect::<String>()).unwrap();
        let _ = program().json(&["ingest", "--data", data_text, file_text]);
    }
    let digest = ["digest", "--data", data_text, "--deep"];
    assert_eq!(program().json(&digest)["deep"]["differs"], json!([]));
    let differs = || {
        let output = run(&[&digest[..], &["--json"]].concat());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        last_json(&output)["deep"]["differs"].to_string()
    };
    // What was logged by path and time, and by set.
    for (table, says) in [(84, "by set otherwise than"), (86, "by time")] {
        support::storage::flip_a_bit_in(&data, "index", table);
        let found = differs();
        assert!(found.contains(says), "{table}: {found}");
        // Flipped once more it is as it was.
        support::storage::flip_a_bit_in(&data, "index", table);
    }
    assert_eq!(program().json(&digest)["deep"]["differs"], json!([]));
    // What was put aside.
    support::storage::empty_rows(&data, "index", 87);
    let found = differs();
    assert!(found.contains("put aside"), "{found}");
}

#[test]
fn a_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("disk");
    fs::create_dir(&at).unwrap();
    let script =
        format!("mount -t tmpfs -o size=24m none '{}' && exec \"$0\" \"$@\"", at.display());
    let disk = |args: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]);
        command.arg(&program().0).args(args);
        command
    };
    let tried = disk(&["--version"]).output();
    if !tried.as_ref().is_ok_and(|output| output.status.success()) {
        skip("a_full_disk", "a file system can't be mounted here (unshare, tmpfs)");
        return;
    }
    let file = folder.path().join("many.ndjson");
    let generated = run(&["generate", "--entities", "60000"]);
    fs::write(&file, generated.stdout).unwrap();
    let data = at.join("data");
    let output =
        disk(&["ingest", "--data", data.to_str().unwrap(), file.to_str().unwrap()]).output();
    ends(&output.unwrap(), 3, &["the disk that holds", "is full"]);
}

#[test]
fn a_synthetic_catalog_is_the_same_for_the_same_seed() {
    let make = |seed: &str, updates: &str| {
        let args = ["generate", "--entities", "50", "--seed", seed, "--updates", updates];
        String::from_utf8(run(&args).stdout).unwrap()
    };
    let one = make("1", "0");
    assert_eq!(one.lines().count(), 50);
    assert_eq!(one, make("1", "0"));
    assert_ne!(one, make("2", "0"));
    let updated = make("1", "5");
    let differ = one.lines().zip(updated.lines()).filter(|(a, b)| a != b).count();
    assert_eq!(differ, 5);
    // All of it is valid, and a single line is handed in from standard input.
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut child = program()
        .command(&["ingest", "--data", data.to_str().unwrap(), "-", "--json"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let text = component("x", "y") + "\n" + &one;
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let report = last_json(&child.wait_with_output().unwrap());
    assert_eq!((&report["changed"], &report["refused"]), (&json!(51), &json!(0)), "{report}");
}
