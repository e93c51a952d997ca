//! Files under the eyes of a running server: edited, broken, mended, deleted.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use support::process::Answer;

use crate::{program, until};

fn by_name(name: &str) -> String {
    format!("/api/catalog/entities/by-name/component/default/{name}")
}

fn yaml(name: &str, lifecycle: &str) -> String {
    format!(
        "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {{name: {name}}}\n\
         spec: {{type: service, lifecycle: {lifecycle}, owner: team}}\n"
    )
}

/// The error in an entity's status, if it shows one.
fn error(entity: &Value) -> Option<&str> {
    let items = entity.pointer("/status/items")?.as_array()?;
    items.iter().find(|item| item["level"] == "error")?["message"].as_str()
}

fn is_lifecycle(answer: &Answer, lifecycle: &str) -> bool {
    answer.body.pointer("/spec/lifecycle") == Some(&json!(lifecycle))
}

#[test]
fn a_broken_file_keeps_the_last_good_entity() {
    let folder = tempfile::tempdir().unwrap();
    let (data, catalog) = (folder.path().join("data"), folder.path().join("catalog"));
    fs::create_dir(&catalog).unwrap();
    let write = |name: &str, text: &str| {
        let path = catalog.join(".new");
        fs::write(&path, text).unwrap();
        fs::rename(path, catalog.join(name)).unwrap();
    };
    write("a.yaml", &yaml("a", "one"));
    write("b.yaml", &yaml("b", "one"));
    let server = program().serve(&data, &["--catalog", catalog.to_str().unwrap()]);
    let client = server.client();
    until(&client, &by_name("a"), |answer| is_lifecycle(answer, "one"));
    until(&client, &by_name("b"), |answer| answer.status == 200);

    // An edit is seen.
    write("a.yaml", &yaml("a", "two"));
    until(&client, &by_name("a"), |answer| is_lifecycle(answer, "two"));

    // No YAML at all; a document that is invalid; an empty file: the last good one stays, with why.
    for (text, says) in
        [("kind: [", "line 1"), (&*yaml("a", "[no, text]"), "/spec/lifecycle"), ("", "is empty")]
    {
        write("a.yaml", text);
        let broken = until(&client, &by_name("a"), |answer| {
            error(&answer.body).is_some_and(|error| error.contains(says))
        });
        assert!(is_lifecycle(&broken, "two"), "{broken:?}");
    }
    // What is wrong survives a restart.
    assert_eq!(server.stop().0, Some(0));
    let server = program().serve(&data, &["--catalog", catalog.to_str().unwrap()]);
    let client = server.client();
    let broken = client.get(&by_name("a"));
    assert!(error(&broken.body).is_some_and(|error| error.contains("is empty")), "{broken:?}");

    // Mended.
    write("a.yaml", &yaml("a", "three"));
    let mended = until(&client, &by_name("a"), |answer| is_lifecycle(answer, "three"));
    assert_eq!(error(&mended.body), None);

    // One of two is deleted: it goes, and the other stays.
    fs::remove_file(catalog.join("b.yaml")).unwrap();
    until(&client, &by_name("b"), |answer| answer.status == 404);
    assert_eq!(client.get(&by_name("a")).status, 200);

    // Its history tells all of it.
    let history = client.get("/api/history/entities/component/default/b");
    let changes: Vec<&Value> = history.body["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| &version["change"])
        .collect();
    assert_eq!(changes, ["withdrawn", "created"], "{history:?}");
}

#[test]
fn a_folder_that_vanishes_does_not_empty_the_catalog() {
    let folder = tempfile::tempdir().unwrap();
    let (data, catalog) = (folder.path().join("data"), folder.path().join("catalog"));
    fs::create_dir(&catalog).unwrap();
    for at in 0..200 {
        fs::write(catalog.join(format!("{at}.yaml")), yaml(&format!("c{at}"), "one")).unwrap();
    }
    let server = program().serve(&data, &["--catalog", catalog.to_str().unwrap()]);
    let client = server.client();
    let count = "/api/catalog/entities/by-query?limit=0";
    until(&client, count, |answer| answer.body["totalItems"] == 200);

    // Most files go: that is held back, until a person says that it is meant.
    for at in 0..150 {
        fs::remove_file(catalog.join(format!("{at}.yaml"))).unwrap();
    }
    let held = until(&client, "/api/connectors", |answer| {
        answer.body["scopes"].as_array().is_some_and(|scopes| {
            scopes
                .iter()
                .any(|scope| scope.pointer("/condition/withdrawals").is_some_and(Value::is_number))
        })
    });
    assert_eq!(client.get(count).body["totalItems"], 200);
    let scope = held.body["scopes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|scope| scope.pointer("/condition/withdrawals").is_some_and(Value::is_number))
        .unwrap();
    let way = &scope["approve"];
    let scope = scope["scope"].as_str().unwrap();
    let expected = json!({
        "method": "POST", "path": "/api/connectors/approve", "body": {"scope": scope, "atMost": 150},
    });
    assert_eq!(*way, expected);
    let list = program().run(&["connectors", "list", "--server", &server.url]);
    let list = String::from_utf8(list.stdout).unwrap();
    let says = format!("approve --server {} --at-most 150 {scope}", server.url);
    assert!(list.contains(&says), "{list}");
    let approved = program().run(&["connectors", "approve", "--server", &server.url, scope]);
    assert!(approved.status.success(), "{approved:?}");
    until(&client, count, |answer| answer.body["totalItems"] == 50);

    // The whole folder goes, as when a disk is not mounted: nothing is withdrawn.
    fs::rename(&catalog, folder.path().join("away")).unwrap();
    until(&client, "/api/connectors", |answer| {
        answer.body["sources"].as_array().is_some_and(|sources| {
            sources
                .iter()
                .any(|source| source.pointer("/condition/state") == Some(&json!("failing")))
        })
    });
    assert_eq!(client.get(count).body["totalItems"], 50);
    fs::rename(folder.path().join("away"), &catalog).unwrap();
    until(&client, "/api/connectors", |answer| {
        answer.body["sources"].as_array().is_some_and(|sources| {
            sources
                .iter()
                .all(|source| source.pointer("/condition/state") != Some(&json!("failing")))
        })
    });
    assert_eq!(client.get(count).body["totalItems"], 50);
}

#[test]
fn targets_of_locations_are_read_and_placeholders_put_in() {
    let folder = tempfile::tempdir().unwrap();
    let (data, catalog) = (folder.path().join("data"), folder.path().join("catalog"));
    fs::create_dir_all(catalog.join("parts")).unwrap();
    let location = |targets: &str| {
        format!(
            "apiVersion: backstage.io/v1alpha1\nkind: Location\nmetadata: {{name: root}}\n\
             spec: {{targets: {targets}}}\n"
        )
    };
    let root = catalog.join("root.yaml");
    fs::write(&root, location("[./parts/*.yaml, ./none.yaml]")).unwrap();
    fs::write(catalog.join("parts/a.yaml"), yaml("a", "one")).unwrap();
    let api = "apiVersion: backstage.io/v1alpha1\nkind: API\nmetadata: {name: api}\n\
               spec: {type: openapi, lifecycle: x, owner: team, definition: {$text: ./api.txt}}\n";
    fs::write(catalog.join("parts/api.yaml"), api).unwrap();
    fs::write(catalog.join("parts/api.txt"), "openapi: 3").unwrap();
    let server = program().serve(&data, &["--catalog", root.to_str().unwrap()]);
    let client = server.client();
    until(&client, &by_name("a"), |answer| answer.status == 200);
    let api = "/api/catalog/entities/by-name/api/default/api";
    let found = until(&client, api, |answer| answer.status == 200);
    assert_eq!(found.body["spec"]["definition"], "openapi: 3");
    let at = found.body.pointer("/metadata/annotations/backstage.io~1managed-by-origin-location");
    assert_eq!(at, Some(&json!(format!("file:{}", root.display()))), "{found:?}");

    // A target that is not there shows on the location.
    let location_path = "/api/catalog/entities/by-name/location/default/root";
    let shown = until(&client, location_path, |answer| error(&answer.body).is_some());
    assert!(error(&shown.body).unwrap().contains("none.yaml"), "{shown:?}");

    // A text that was put in changes; a file comes into the glob; the target that failed appears.
    fs::write(catalog.join("parts/api.txt"), "openapi: 3.1").unwrap();
    until(&client, api, |answer| answer.body["spec"]["definition"] == "openapi: 3.1");
    fs::write(catalog.join("parts/b.yaml"), yaml("b", "one")).unwrap();
    until(&client, &by_name("b"), |answer| answer.status == 200);
    fs::write(catalog.join("none.yaml"), yaml("c", "one")).unwrap();
    until(&client, &by_name("c"), |answer| answer.status == 200);
    until(&client, location_path, |answer| error(&answer.body).is_none());

    // The location names it no more: what it alone showed goes.
    fs::write(&root, location("[./parts/*.yaml]")).unwrap();
    until(&client, &by_name("c"), |answer| answer.status == 404);
    assert_eq!(client.get(&by_name("a")).status, 200);
}

#[test]
fn nothing_is_written_when_nothing_changed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let examples =
        Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../examples/catalog");
    let args = ["--catalog", examples.to_str().unwrap()];
    let count = "/api/catalog/entities/by-query?limit=0";
    let server = program().serve(&data, &args);
    until(&server.client(), count, |answer| answer.body["totalItems"] == 15);
    until(&server.client(), "/api/connectors", |answer| {
        answer.body["sources"].as_array().is_some_and(|sources| {
            sources
                .iter()
                .any(|source| source.pointer("/condition/state") == Some(&json!("working")))
        })
    });
    assert_eq!(server.stop().0, Some(0));
    let before = program().json(&["log", "stat", "--data", data.to_str().unwrap()]);
    let server = program().serve(&data, &args);
    assert_eq!(server.client().get(count).body["totalItems"], 15);
    assert_eq!(server.stop().0, Some(0));
    let after = program().run(&["log", "tail", "-n", "20", "--data", data.to_str().unwrap()]);
    let after = String::from_utf8(after.stdout).unwrap();
    let new: Vec<Value> = after
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|record| {
            let offset: u64 = record["offset"].as_str().unwrap().parse().unwrap();
            offset >= before["records"].as_u64().unwrap()
        })
        .collect();
    // Each source begins a new life and says how it is, that is signed, and that is all.
    let types = [
        "dev.annals.epoch.begun.v1",
        "dev.annals.connector.changed.v1",
        "dev.annals.log.attested.v1",
    ];
    for record in &new {
        assert!(types.contains(&record["type"].as_str().unwrap()), "{record}");
    }
}
