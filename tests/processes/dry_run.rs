//! What a connector would append, shown before it does: what differs from the catalog of a data
//! folder, on which a node may run.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use support::process::Server;
use support::web::{Page, Web};

use crate::{component, components, program, until};

/// What a dry run shows: its exit code, the records, and what it says of them last.
struct Shown {
    code: Option<i32>,
    records: Vec<Value>,
    summary: Value,
}

impl Shown {
    /// The records of a type, by what they are about.
    fn about(&self, kind: &str) -> Vec<&str> {
        let kind = format!("dev.annals.{kind}.v1");
        let of = self.records.iter().filter(|record| record["type"] == kind);
        of.map(|record| record["subject"].as_str().unwrap_or("-")).collect()
    }
}

fn dry_run(folder: &Path, source: &str) -> Shown {
    let config = folder.join("annals.yaml");
    let config = config.to_str().unwrap();
    let args = ["connectors", "run", "--config", config, "--once", "--dry-run", source, "--json"];
    let output = program().run(&args);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let mut records: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = records.pop().unwrap_or_else(|| panic!("{output:?}"));
    assert_eq!(summary["records"], json!(records.len()), "{text}");
    Shown { code: output.status.code(), records, summary }
}

/// A program that says what a file holds, once.
fn configure(folder: &Path) {
    let script =
        "read -r start\necho '{\"begin\":\"all\"}'\ncat now.ndjson\necho '{\"end\":\"all\"}'";
    let config = json!({
        "data": folder.join("data"),
        "connectors": [{
            "kind": "process", "id": "own", "command": ["sh", "-c", script], "every_seconds": 86400,
        }],
    });
    fs::write(folder.join("annals.yaml"), config.to_string()).unwrap();
}

fn serve(folder: &Path) -> Server {
    let config = folder.join("annals.yaml");
    program().serve(&folder.join("data"), &["--config", config.to_str().unwrap()])
}

fn records(server: &Server) -> Value {
    server.client().get("/api/log").body["records"].clone()
}

#[test]
fn what_differs_from_the_catalog_is_shown_and_not_done() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder);
    let hold = |text: &str| fs::write(folder.join("now.ndjson"), text).unwrap();
    hold(&components(&["a", "b", "c"]));

    // Without a catalog all is new, and no folder is made.
    let shown = dry_run(folder, "process/own");
    let all = ["component:default/a", "component:default/b", "component:default/c"];
    assert_eq!((shown.code, shown.about("entity.seen")), (Some(0), all.to_vec()));
    assert_eq!(shown.summary["position"], Value::Null);
    assert!(!folder.join("data").exists(), "nothing is kept");

    let server = serve(folder);
    let path = "/api/catalog/entities/by-name/component/default/c";
    until(&server.client(), path, |answer| answer.status == 200);
    let before = records(&server);
    let shown = dry_run(folder, "process/own");
    assert!(shown.about("entity.seen").is_empty(), "{:?}", shown.records);
    assert_eq!((&shown.summary["found"], &shown.summary["changed"]), (&json!(3), &json!(0)));

    let other = components(&["a"]).replace("service", "website");
    hold(&(other + &components(&["c", "d"]) + "{\"kind\":\"X\"}\n"));
    let shown = dry_run(folder, "process/own");
    let kinds = ["entity.seen", "entity.gone", "entity.refused", "scope.verified"];
    let about = kinds.map(|kind| shown.about(kind).join(" "));
    // What is missing may be what could not be read: it stays, and shows that.
    let expected = ["component:default/a component:default/d", "", "- component:default/b", "-"];
    assert_eq!((about, shown.code), (expected.map(str::to_owned), Some(1)));
    assert_eq!(shown.summary["refusals"].as_array().unwrap().len(), 1, "{}", shown.summary);

    hold(&components(&["a", "c"]));
    let shown = dry_run(folder, "process/own");
    assert_eq!(shown.about("entity.gone"), ["component:default/b"]);
    assert_eq!((shown.code, &shown.summary["gone"]), (Some(0), &json!(1)));

    assert_eq!(records(&server), before, "a node's log is as it was");
    let config = folder.join("annals.yaml");
    let config = config.to_str().unwrap();
    let args = ["connectors", "run", "--config", config, "--once", "--dry-run", "process/own"];
    let said = String::from_utf8(program().run(&args).stdout).unwrap();
    assert!(said.contains("gone      component:default/b  process/own/all"), "{said}");
    assert_eq!(server.stop().0, Some(0));
    assert_eq!(
        dry_run(folder, "process/own").about("entity.gone").len(),
        1,
        "of a stopped node, too"
    );
}

#[test]
fn a_withdrawal_that_would_be_held_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder);
    let names: Vec<String> = (0..40).map(|number| format!("c{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    fs::write(folder.join("now.ndjson"), components(&names)).unwrap();
    let server = serve(folder);
    let path = "/api/catalog/entities/by-name/component/default/c39";
    until(&server.client(), path, |answer| answer.status == 200);
    fs::write(folder.join("now.ndjson"), components(&names[..20])).unwrap();
    let shown = dry_run(folder, "process/own");
    assert!(shown.about("entity.gone").is_empty());
    assert_eq!((shown.code, &shown.summary["held"]), (Some(1), &json!(20)));
    assert_eq!(
        shown.about("connector.changed").len(),
        2,
        "it works, and holds: {:?}",
        shown.records
    );
}

#[test]
fn what_locations_name_is_tried_too() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let site = Web::new();
    site.put("/one.yaml", &component("one", "production"));
    let config = json!({
        "data": folder.join("data"),
        "reading": {"allow": [site.host()], "poll_seconds": 86400},
    });
    fs::write(folder.join("annals.yaml"), config.to_string()).unwrap();
    let server = serve(folder);
    let client = server.client();
    let body = json!({"type": "url", "target": format!("{}/one.yaml", site.url)}).to_string();
    let headers = [("content-type", "application/json")];
    assert_eq!(client.try_post("/api/catalog/locations", &headers, &body).unwrap().status, 201);
    let one = "/api/catalog/entities/by-name/component/default/one";
    until(&client, one, |answer| answer.status == 200);

    let config = folder.join("annals.yaml");
    let config = config.to_str().unwrap();
    let test = || {
        let output = program().run(&["connectors", "test", "--config", config, "--json"]);
        support::process::last_json(&output)["connectors"][0].clone()
    };
    assert_eq!(test()["works"], true);
    assert!(dry_run(folder, "url/locations").about("entity.seen").is_empty());
    site.put("/one.yaml", &component("one", "experimental"));
    let shown = dry_run(folder, "url/locations");
    assert_eq!((shown.code, shown.about("entity.seen")), (Some(0), vec!["component:default/one"]));
    site.set("/one.yaml", Page::Status(500));
    let tried = test();
    let why = tried["why"].as_str().unwrap_or_default();
    assert!(tried["source"] == "url/locations" && why.contains("500"), "{tried}");
    assert_eq!(client.get(one).body["spec"]["lifecycle"], "production");
}

#[test]
fn a_source_that_is_configured_no_more_is_retired_when_somebody_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    configure(folder);
    let names: Vec<String> = (0..30).map(|number| format!("c{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let aspect = json!({"aspect": "seen", "entity": "component:default/c1", "value": {"n": 1}});
    // The snapshot ends, an aspect is told, and it begins again.
    let all = components(&names);
    let text = format!("{all}{{\"end\":\"all\"}}\n{aspect}\n{{\"begin\":\"all\"}}\n{all}");
    fs::write(folder.join("now.ndjson"), text).unwrap();
    let server = serve(folder);
    let count = "/api/catalog/entities/by-query?limit=0&filter=kind=component";
    let aspects = "/api/history/entities/component/default/c1/aspects";
    // The newest comes first.
    let observed =
        |server: &Server| server.client().get(aspects).body["aspects"][0]["value"].clone();
    until(&server.client(), count, |answer| answer.body["totalItems"] == 30);
    until(&server.client(), aspects, |answer| answer.body["aspects"].to_string().contains("seen"));
    assert_eq!(observed(&server), json!({"n": 1}));
    assert_eq!(server.stop().0, Some(0));

    // Without its connector it stays.
    let write = |connectors: Value| {
        let config = json!({"data": folder.join("data"), "connectors": connectors});
        fs::write(folder.join("annals.yaml"), config.to_string()).unwrap();
    };
    write(json!([]));
    let server = serve(folder);
    assert_eq!(server.client().get(count).body["totalItems"], 30);
    assert_eq!(server.stop().0, Some(0));

    write(json!([{"kind": "retired", "source": "process/own"}]));
    let shown = dry_run(folder, "process/own");
    assert_eq!(shown.about("aspect.ended"), ["component:default/c1"]);
    assert_eq!((shown.code, &shown.summary["gone"]), (Some(0), &json!(30)));
    for _ in 0..2 {
        let server = serve(folder);
        until(&server.client(), count, |answer| answer.body["totalItems"] == 0);
        until(&server.client(), "/api/connectors", |answer| {
            let sources = answer.body["sources"].as_array().into_iter().flatten();
            let mut own = sources.filter(|of| of["source"] == "process/own");
            own.any(|of| of["lastSuccess"].is_string() && of["entities"] == 0)
        });
        assert_eq!(observed(&server), Value::Null);
        assert_eq!(server.stop().0, Some(0));
    }
    assert_eq!(dry_run(folder, "process/own").summary["records"], 0);
}
