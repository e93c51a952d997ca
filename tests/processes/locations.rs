//! What locations name by URL: read, refreshed, retired; and what is not read.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::process::{Client, Server};
use support::web::{Page, Web};

use crate::{component, program};

const COMPONENT: &str = "/api/catalog/entities/by-name/component/default/";
const LOCATIONS: &str = "/api/catalog/locations";

/// A server that may read from these hosts.
fn server(folder: &Path, allow: &[&str]) -> Server {
    let config = folder.join("annals.yaml");
    let reading = json!({"reading": {"allow": allow, "poll_seconds": 1}});
    std::fs::write(&config, reading.to_string()).unwrap();
    program().serve(&folder.join("data"), &["--config", config.to_str().unwrap()])
}

/// Asks until the answer is as it should be.
fn until(client: &Client, path: &str, is_so: impl Fn(u16, &Value) -> bool) -> Value {
    crate::until(client, path, |answer| is_so(answer.status, &answer.body)).body
}

fn register(client: &Client, target: &str) -> (String, String) {
    let body = json!({"type": "url", "target": target}).to_string();
    let headers = [("content-type", "application/json")];
    let made = client.try_post(LOCATIONS, &headers, &body).unwrap();
    assert_eq!(made.status, 201, "{made:?}");
    let text = |pointer: &str| made.body.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let reference = text("/location/entityRef");
    let name = reference.rsplit('/').next().unwrap();
    (text("/location/id"), format!("/api/catalog/entities/by-name/location/default/{name}"))
}

fn message(entity: &Value) -> &str {
    entity.pointer("/status/items/0/error/message").and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn what_a_location_names_is_read_refreshed_and_retired() {
    let folder = tempfile::tempdir().unwrap();
    let site = Web::new();
    site.put("/a/all.yaml", "apiVersion: backstage.io/v1alpha1\nkind: Location\nmetadata: {name: all}\nspec: {targets: [./one.yaml, ../b/two.yaml]}\n");
    site.put("/a/one.yaml", &component("one", "production"));
    site.put(
        "/b/two.yaml",
        &format!("{}\n---\n{}", component("two", "production"), component("three", "production")),
    );
    let server = server(folder.path(), &[site.host()]);
    let client = server.client();
    let (id, entity) = register(&client, &format!("{}/a/all.yaml", site.url));
    let is_there = |status: u16, _: &Value| status == 200;
    let two = until(&client, &format!("{COMPONENT}two"), is_there);
    let annotations = &two["metadata"]["annotations"];
    let from = |path: &str| Value::from(format!("url:{}{path}", site.url));
    assert_eq!(annotations["backstage.io/managed-by-location"], from("/b/two.yaml"));
    assert_eq!(annotations["backstage.io/managed-by-origin-location"], from("/a/all.yaml"));
    until(&client, &format!("{COMPONENT}one"), is_there);
    assert!(until(&client, &entity, is_there).get("status").is_none());

    // It is looked at again, and nothing is read that did not change.
    let _ = site.asked();
    let end = Instant::now() + Duration::from_secs(30);
    let mut asked = Vec::new();
    while asked.len() < 3 && Instant::now() < end {
        asked.extend(site.asked());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(asked.iter().all(|request| request.ends_with(" (if changed)")), "{asked:?}");

    // What changes and goes there, does so here.
    site.put("/b/two.yaml", &component("two", "deprecated"));
    until(&client, &format!("{COMPONENT}two"), |_, body| body["spec"]["lifecycle"] == "deprecated");
    until(&client, &format!("{COMPONENT}three"), |status, _| status == 404);

    // A host that fails takes nothing away; the Location that wants it says so.
    site.set("/b/two.yaml", Page::Status(503));
    let all = "/api/catalog/entities/by-name/location/default/all";
    let shown = until(&client, all, |_, body| body.get("status").is_some());
    assert!(message(&shown).contains("503 Service Unavailable"), "{shown}");
    assert_eq!(client.get(&format!("{COMPONENT}two")).status, 200);
    site.put("/b/two.yaml", &component("two", "retired"));
    until(&client, all, |status, body| status == 200 && body.get("status").is_none());

    // What nobody wants any more goes, with all that it led to.
    let mut gone = ureq::delete(format!("{}{LOCATIONS}/{id}", server.url)).call().unwrap();
    assert_eq!(gone.status(), 204, "{:?}", gone.body_mut().read_to_string());
    for name in ["one", "two"] {
        until(&client, &format!("{COMPONENT}{name}"), |status, _| status == 404);
    }
    assert_eq!(client.get(all).status, 404);
}

#[test]
fn who_asks_for_a_refresh_does_not_wait() {
    let folder = tempfile::tempdir().unwrap();
    let site = Web::new();
    site.put("/a.yaml", &component("a", "production"));
    let config = folder.path().join("annals.yaml");
    let reading = json!({"reading": {"allow": [site.host()], "poll_seconds": 86400}});
    std::fs::write(&config, reading.to_string()).unwrap();
    let data = folder.path().join("data");
    let server = program().serve(&data, &["--config", config.to_str().unwrap()]);
    let client = server.client();
    let (_, entity) = register(&client, &format!("{}/a.yaml", site.url));
    let path = format!("{COMPONENT}a");
    until(&client, &path, |status, _| status == 200);
    let name = entity.rsplit('/').next().unwrap();
    for (reference, lifecycle) in [
        ("component:default/a".to_owned(), "deprecated"),
        (format!("location:default/{name}"), "retired"),
    ] {
        site.put("/a.yaml", &component("a", lifecycle));
        let body = json!({"entityRef": reference}).to_string();
        let headers = [("content-type", "application/json")];
        assert_eq!(client.try_post("/api/catalog/refresh", &headers, &body).unwrap().status, 200);
        until(&client, &path, |_, body| body["spec"]["lifecycle"] == lifecycle);
    }
}

#[test]
fn a_location_that_was_never_read_is_not_listed() {
    let folder = tempfile::tempdir().unwrap();
    let site = Web::new();
    let server = server(folder.path(), &[site.host()]);
    let client = server.client();
    let (_, entity) = register(&client, &format!("{}/later.yaml", site.url));
    until(&client, &entity, |status, _| status == 404);
    let list = "/api/catalog/entities/by-query?filter=kind=location";
    assert_eq!(client.get(list).body["totalItems"], 0);
    let refusals = client.get("/api/connectors/refusals").body;
    let error = &refusals["items"][0]["error"];
    assert_eq!(error["name"], "NotFoundError", "{refusals}");
    // Once it was read it is, whatever happens later.
    site.put("/later.yaml", &component("later", "production"));
    until(&client, &entity, |status, _| status == 200);
    assert_eq!(client.get(list).body["totalItems"], 1);
    site.set("/later.yaml", Page::Status(404));
    let shown = until(&client, &entity, |_, body| body.get("status").is_some());
    assert!(message(&shown).contains("no matching files found for"), "{shown}");
    assert_eq!(client.get(&format!("{COMPONENT}later")).status, 200);
}

#[test]
fn no_host_is_asked_that_is_not_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let (site, other) = (Web::new(), Web::new());
    other.put("/x.yaml", &component("x", "production"));
    site.set("/redirect.yaml", Page::Redirect(format!("{}/x.yaml", other.url)));
    site.set("/circle.yaml", Page::Redirect("/circle.yaml".into()));
    site.set("/endless.yaml", Page::Endless);
    site.set("/file.yaml", Page::Redirect("file:///etc/passwd".into()));
    let document = component("p", "production");
    let text = format!("{{\"$text\": \"{}/x.yaml\"}}", other.url);
    site.put("/text.yaml", &document.replace("\"service\"", &text));
    let server = server(folder.path(), &[site.host(), "localhost"]);
    let client = server.client();
    let port = other.url.rsplit(':').next().unwrap();
    let of_site = |path: &str| format!("{}{path}", site.url);
    let targets = [
        (format!("{}/x.yaml", other.url), "`reading.allow`"),
        (format!("http://localhost:{port}/x.yaml"), "`reading.allow`"),
        (format!("http://2130706433:{port}/x.yaml"), "`reading.allow`"),
        ("https://localhost/x.yaml".to_owned(), "its address is a private one"),
        ("file:///etc/passwd".to_owned(), "`reading.allow`"),
        (of_site("/redirect.yaml"), "which redirects to 127.0.0.1,"),
        (of_site("/file.yaml"), "is not allowed"),
        (of_site("/circle.yaml"), "redirects more than 5 times"),
        (of_site("/endless.yaml"), "is larger than 10 MiB"),
        (of_site("/text.yaml"), "Placeholder $text could not read location"),
    ];
    let mut known = Vec::new();
    for (target, _) in &targets {
        known.push(register(&client, target).1);
    }
    until(&client, "/api/connectors", |_, body| body["targetsWaiting"] == 0);
    let refusals = client.get("/api/connectors/refusals").body;
    let refusals = refusals["items"].as_array().unwrap();
    for ((target, says), entity) in targets.iter().zip(&known) {
        let of = |row: &&Value| row["scope"] == format!("url/locations/{target}");
        let row = refusals.iter().find(of).unwrap_or_else(|| panic!("{target}: {refusals:?}"));
        let text = row["error"]["message"].as_str().unwrap();
        assert!(text.contains(says), "{target}: {text}");
        // What is a matter of the configuration is shown where people look for it.
        let answer = client.get(entity);
        let is_forbidden = row["error"]["name"] == "NotAllowedError";
        assert_eq!(answer.status == 200, is_forbidden, "{target}: {answer:?}");
    }
    assert!(other.asked().is_empty());
    // Nothing is read on demand that would not be read for good.
    let headers = [("content-type", "application/json")];
    for (target, says) in &targets {
        let body = json!({"type": "url", "target": target}).to_string();
        let path = format!("{LOCATIONS}?dryRun=true");
        let answer = client.try_post(&path, &headers, &body).unwrap();
        let text = answer.body.pointer("/error/message").unwrap().as_str().unwrap();
        assert_eq!((answer.status, text.contains(says)), (400, true), "{target}: {text}");
    }
    assert!(other.asked().is_empty());
    let secret = json!({"type": "url", "target": "https://user:secret@example.org/x"}).to_string();
    let answer = client.try_post(LOCATIONS, &headers, &secret).unwrap();
    assert_eq!(answer.status, 400);
    assert!(!answer.body.to_string().contains("secret"));
}
