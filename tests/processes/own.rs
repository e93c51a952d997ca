//! What people connect themselves: programs that are run, and documents that are handed in by
//! tokens bound to scopes.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::process::{Answer, Server, skip};

use crate::{SOON, components, program, until};

fn by_name(name: &str) -> String {
    format!("/api/catalog/entities/by-name/component/default/{name}")
}

fn examples() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../examples")
}

fn runs(command: &str) -> bool {
    Command::new(command).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// The condition of a source, as it is shown.
fn condition(answer: &Answer, source: &str) -> Value {
    self::source(answer, source)["condition"].clone()
}

/// A source, as it is shown.
fn source(answer: &Answer, source: &str) -> Value {
    let sources = answer.body["sources"].as_array().into_iter().flatten();
    sources.into_iter().find(|shown| shown["source"] == source).cloned().unwrap_or_default()
}

/// Serves programs: ids, and what `sh` is to run.
fn serve(folder: &Path, programs: &[(&str, &str)], env: &[(&str, &str)]) -> Server {
    let mut config = String::from("connectors:\n");
    for (id, script) in programs {
        let command = json!(["sh", "-c", script]);
        writeln!(
            config,
            "  - {{kind: process, id: {id}, command: {command}, every_seconds: 1, \
             env: {{SECRET: \"${{HIDDEN}}\"}}}}"
        )
        .unwrap();
    }
    let path = folder.join("annals.yaml");
    fs::write(&path, config).unwrap();
    let env = [&[("HIDDEN", "s3cr3t-of-ours")], env].concat();
    program().serve_with(&folder.join("data"), &["--config", path.to_str().unwrap()], &env)
}

#[test]
fn the_examples_of_programs_run() {
    let folder = tempfile::tempdir().unwrap();
    let write = |text: &str| {
        let new = folder.path().join("new.csv");
        fs::write(&new, text).unwrap();
        fs::rename(new, folder.path().join("services.csv")).unwrap();
    };
    let example = |name: &str| examples().join("process").join(name).display().to_string();
    for (interpreter, name) in [("python3", "services.py"), ("sh", "services.sh")] {
        if interpreter != "sh" && !runs(interpreter) {
            skip(name, "there is no Python");
            continue;
        }
        write("name,owner\ncheckout,shop\nbilling,money\n");
        let command = json!([interpreter, example(name)]);
        let config = format!(
            "connectors:\n  - {{kind: process, id: own, command: {command}, every_seconds: 1}}\n"
        );
        let path = folder.path().join("annals.yaml");
        fs::write(&path, config).unwrap();
        let data = folder.path().join(name).join("data");
        let server = program().serve(&data, &["--config", path.to_str().unwrap()]);
        let client = server.client();
        let found = until(&client, &by_name("checkout"), |answer| answer.status == 200);
        assert_eq!(found.body["spec"]["owner"], "shop", "{name}: {found:?}");
        until(&client, &by_name("billing"), |answer| answer.status == 200);
        write("name,owner\ncheckout,bazaar\n");
        until(&client, &by_name("billing"), |answer| answer.status == 404);
        let found = client.get(&by_name("checkout"));
        assert_eq!(found.body["spec"]["owner"], "bazaar", "{name}: {found:?}");
        assert_eq!(server.stop().0, Some(0), "{name}");
    }
}

#[test]
fn the_examples_of_handing_in_run_and_tokens_are_bound_to_scopes() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("services.csv"), "name,owner\ncheckout,shop\n").unwrap();
    let config = folder.path().join("annals.yaml");
    let text = "server: {tokens: [{name: a, secret: aaaaaaaaaaaaaaaa, may: [ingest], \
                scopes: [ingest/team-a, ingest/team-b]}]}";
    fs::write(&config, text).unwrap();
    let args = ["--config", config.to_str().unwrap()];
    let server = program().serve(&folder.path().join("data"), &args);
    for (interpreter, tool, name, scope) in
        [("python3", "python3", "push.py", "team-a"), ("sh", "curl", "push.sh", "team-b")]
    {
        if !runs(tool) {
            skip(name, &format!("there is no {tool}"));
            continue;
        }
        let output = Command::new(interpreter)
            .arg(examples().join("ingest").join(name))
            .args([&*server.url, scope])
            .current_dir(folder.path())
            .env("ANNALS_TOKEN", "aaaaaaaaaaaaaaaa")
            .env_remove("http_proxy")
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {output:?}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&report["seen"], &report["refused"]), (&json!(1), &json!(0)), "{report}");
    }
    let bearer = [("Authorization", "Bearer aaaaaaaaaaaaaaaa")];
    let client = server.client();
    for (path, expected) in [
        ("/api/ingest/team-a", 200),
        ("/api/ingest/team-a/more", 200),
        ("/api/ingest/team%2da/more", 200),
        ("/api/ingest/team-ab", 403),
        ("/api/ingest/other", 403),
        ("/api/ingest/team-a%2f..%2fother", 200),
        ("/api/catalog/refresh", 403),
        ("/api/catalog/locations", 403),
        ("/api/connectors/approve", 403),
    ] {
        let answer = client.try_post(path, &bearer, &components(&["x"])).unwrap();
        assert_eq!(answer.status, expected, "{path}: {answer:?}");
    }
}

#[test]
fn a_program_goes_on_where_it_stopped_and_says_all_that_can_be_said() {
    let folder = tempfile::tempdir().unwrap();
    // It counts on from its cursor, and tells each number as something that happened.
    let script = r#"
        read -r start
        at=$(echo "$start" | sed 's/.*"cursor":"\{0,1\}\([0-9a-z]*\).*/\1/')
        [ "$at" = null ] && at=0
        at=$((at + 1))
        echo '{"begin":"all"}'
        echo '{"apiVersion":"backstage.io/v1alpha1","kind":"Component","metadata":{"name":"a"},"spec":{"type":"x","lifecycle":"y","owner":"z"}}'
        echo '{"broken":"it is not there","item":"b.yaml"}'
        echo '{"end":"all"}'
        echo '{"activity":"dev.cdevents.build.finished","key":"build/'$at'","entity":"component:default/a","value":{"n":'$at'},"time":"2026-01-01T00:00:00Z"}'
        echo '{"activity":"dev.cdevents.build.finished","key":"build/1","entity":"component:default/a","value":{"n":0}}'
        echo '{"aspect":"x","entity":"component:default/a","value":{"same":true},"pointer":"here"}'
        echo '{"entity":{"apiVersion":"backstage.io/v1alpha1","kind":"Component","metadata":{"name":"c"},"spec":{"type":"x","lifecycle":"y","owner":"z"}},"scope":"single"}'
        echo '{"cursor":"'$at'"}'
    "#;
    let activities = "/api/history/entities/component/default/a/activities";
    let count = |answer: &Answer| answer.body["activities"].as_array().map_or(0, Vec::len);
    let mut server = serve(folder.path(), &[("own", script)], &[]);
    let first = until(&server.client(), activities, |answer| count(answer) >= 2);
    server.kill();
    let server = serve(folder.path(), &[("own", script)], &[]);
    let client = server.client();
    let more = count(&first) + 1;
    let all = until(&client, activities, |answer| count(answer) >= more);
    let keys: Vec<&str> = all.body["activities"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|shown| shown["key"].as_str().unwrap())
        .collect();
    let expected: Vec<String> = (1..=keys.len()).map(|number| format!("build/{number}")).collect();
    assert_eq!(keys, expected, "one after the other, each once");
    let aspects = client.get("/api/history/entities/component/default/a/aspects");
    assert_eq!(aspects.body["aspects"].as_array().unwrap().len(), 1, "{aspects:?}");
    assert_eq!(aspects.body["aspects"][0]["value"], json!({"same": true}), "{aspects:?}");
    assert_eq!(client.get(&by_name("c")).status, 200);
    let refusals = client.get("/api/connectors/refusals?scope=process/own/all");
    assert_eq!(refusals.body["items"].as_array().unwrap().len(), 1, "{refusals:?}");
    let shown = until(&client, "/api/connectors", |answer| {
        condition(answer, "process/own")["state"] == "working"
    });
    let shown = source(&shown, "process/own");
    let expected = json!({"running": true, "scopes": 2, "entities": 2, "held": 0});
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&shown[key], value, "{key}: {shown}");
    }
    assert!(shown["cursor"].is_string() && shown["lagSeconds"].is_u64(), "{shown}");
    assert!(shown["lastSuccess"].is_string() && shown["lastError"].is_null(), "{shown}");
    let metrics = client.get("/metrics");
    let metrics = metrics.body.as_str().unwrap();
    for line in [
        "annals_connector_entities{connector=\"process/own\"} 2",
        "annals_connector_errors_total{connector=\"process/own\"} 0",
        "annals_connector_last_success_timestamp_seconds{connector=\"process/own\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in:\n{metrics}");
    }
    assert_eq!(server.stop().0, Some(0));
}

/// Programs that do wrong, and what is said of them.
const WRONG: &[(&str, &str, &str)] = &[
    ("exits", "echo oh $SECRET >&2; exit 3", "exit code 3"),
    ("killed", "kill -9 $$", "signal 9"),
    ("text", "echo hello", "line 1: it is not JSON"),
    ("long", "head -c 9000000 /dev/zero | tr '\\0' x", "line 1: a line is longer than"),
    ("unended", "echo '{\"begin\":\"a\"}'", "`a` was begun and not ended"),
    ("unbegun", "echo '{\"end\":\"a\"}'", "`a` ends and was not begun"),
    ("nowhere", "echo '{\"kind\":\"A\"}'", "stands in no snapshot"),
    ("cursor", "printf '{\"begin\":\"a\"}\\n{\"cursor\":\"1\"}\\n'", "in a snapshot would count"),
    ("control", "printf '{\"begin\":\"a\\\\u0007\"}\\n'", "can't be the name of a scope"),
    ("deaf", "exec <&- ; echo '{\"begin\":\"a\"}'; exec >&-; sleep 100", "closed its output"),
];

#[test]
fn what_programs_do_wrong_is_said_and_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let programs: Vec<(&str, &str)> = WRONG.iter().map(|(id, script, _)| (*id, *script)).collect();
    let server = serve(folder.path(), &programs, &[]);
    let client = server.client();
    for (id, _, says) in WRONG {
        let source = format!("process/{id}");
        let shown = until(&client, "/api/connectors", |answer| {
            condition(answer, &source)["state"] == "failing"
        });
        let why = condition(&shown, &source)["why"].to_string();
        assert!(why.contains(says), "{id}: {why}");
        let error = &self::source(&shown, &source)["lastError"]["message"];
        assert!(error.as_str().is_some_and(|error| error.contains(says)), "{id}: {shown:?}");
    }
    assert_eq!(client.get("/healthz").status, 200);
    let (_, _, log) = client.get_raw("/api/log/records?from=0");
    assert!(log.contains("exit code 3") && !log.contains("s3cr3t"), "a secret is in the log");
    let (code, said) = server.stop();
    assert_eq!(code, Some(0));
    assert!(said.contains("oh ***"), "{said}");
    assert!(!said.contains("s3cr3t") && !said.contains("panicked"), "{said}");
}

#[test]
fn connectors_are_tried_and_nothing_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.ndjson"), components(&["a", "b"]) + "{\"kind\":\"X\"}\n")
        .unwrap();
    let says =
        json!(["sh", "-c", "echo '{\"begin\":\"all\"}'; cat a.ndjson; echo '{\"end\":\"all\"}'"]);
    let config = folder.path().join("annals.yaml");
    let text = format!(
        "data: data\nconnectors:\n\
         \x20 - {{kind: process, id: good, command: {says}}}\n\
         \x20 - {{kind: process, id: bad, command: [sh, -c, exit 4]}}\n\
         \x20 - {{kind: process, id: none, command: [./nothing-of-that-name]}}\n\
         \x20 - {{kind: files, id: local, paths: [a.ndjson]}}\n\
         \x20 - {{kind: ci, id: hooks, from: github, secret: 0123456789abcdef}}\n"
    );
    fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let output = program().run(&["connectors", "test", "--config", config, "--json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = support::process::last_json(&output);
    for (source, works, says) in [
        ("process/good", true, ""),
        ("process/bad", false, "exit code 4"),
        ("process/none", false, "can't be started"),
        ("files/local", true, ""),
        ("ci/hooks", true, ""),
    ] {
        let shown = told["connectors"].as_array().unwrap().iter();
        let shown = shown.clone().find(|shown| shown["source"] == source).unwrap();
        assert_eq!(shown["works"], works, "{shown}");
        assert!(shown["why"].as_str().unwrap_or_default().contains(says), "{shown}");
    }
    for source in ["process/good", "files/local"] {
        let run =
            ["connectors", "run", "--config", config, "--once", "--dry-run", source, "--json"];
        let output = program().run(&run);
        assert_eq!(output.status.code(), Some(1), "one is refused: {output:?}");
        let told = support::process::last_json(&output);
        assert_eq!((&told["found"], &told["refused"]), (&json!(3), &json!(1)), "{told}");
    }
    let output = program().run(&["connectors", "test", "--config", config, "files/other"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(!folder.path().join("data").exists(), "nothing is kept");
}

#[test]
fn a_program_that_breaks_off_withdraws_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let entity = |name: &str| format!("echo '{}'\n", components(&[name]).trim_end());
    let (a, b) = (entity("a"), entity("b"));
    // Whole the first time; then it fails in the middle, once and again.
    let script = format!(
        "read -r start\necho '{{\"begin\":\"all\"}}'\n{a}\
         case $start in *all*) sleep 0.1; exit 7;; esac\n{b}\
         echo '{{\"end\":\"all\"}}'"
    );
    let server = serve(folder.path(), &[("own", &script)], &[]);
    until(&server.client(), &by_name("b"), |answer| answer.status == 200);
    assert_eq!(server.stop().0, Some(0));
    let server = serve(folder.path(), &[("own", &script)], &[]);
    let client = server.client();
    until(&client, "/api/connectors", |answer| {
        condition(answer, "process/own")["why"].to_string().contains("exit code 7")
    });
    assert_eq!(client.get(&by_name("a")).status, 200);
    assert_eq!(client.get(&by_name("b")).status, 200);
}

#[test]
fn a_stop_ends_programs_and_what_they_started() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("alive");
    // It hears nothing, and neither does what it started; each writes its number.
    let script = format!(
        "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ >> {0}; while :; do sleep 1; done' & \
         echo $$ >> {0}; while :; do sleep 1; done",
        mark.display()
    );
    let server = serve(folder.path(), &[("own", &script)], &[]);
    let begun = Instant::now();
    let ids = loop {
        let text = fs::read_to_string(&mark).unwrap_or_default();
        if text.lines().count() == 2 {
            break text;
        }
        assert!(begun.elapsed() < SOON, "the program was not started");
        std::thread::park_timeout(Duration::from_millis(20));
    };
    let begun = Instant::now();
    let (code, said) = server.stop();
    assert_eq!(code, Some(0), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}\n{said}", begun.elapsed());
    for id in ids.lines() {
        let lives = Path::new("/proc").join(id).join("cmdline");
        let command = fs::read(lives).unwrap_or_default();
        assert!(command.is_empty(), "{id} lives on");
    }
}
