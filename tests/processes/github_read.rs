//! A GitHub as the source: its published schema on this machine, with faults, limits and kills.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use support::github::{GitHub, TOKEN};
use support::process::{Answer, Client, Server, skip};

use crate::{program, until};

/// A GitHub, unless it can't be had here.
pub(crate) fn github() -> Option<GitHub> {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("github");
    match GitHub::start(&cache) {
        Ok(github) => Some(github),
        Err(why) => {
            skip("a GitHub on this machine", &why);
            None
        }
    }
}

/// A component's file.
pub(crate) fn component(name: &str, more: &str) -> String {
    format!(
        "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {{name: {name}}}\nspec: \
         {{type: service, lifecycle: production, owner: shop{more}}}\n"
    )
}

/// Serves a GitHub, with more keys of the connector.
pub(crate) fn serve(folder: &Path, github: &GitHub, more: &Value) -> Server {
    let mut connector = json!({
        "kind": "github", "id": "gh", "url": github.url, "token": TOKEN,
        "organizations": ["acme"], "every_seconds": 1,
    });
    connector.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    connector.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let config = folder.join("annals.yaml");
    fs::write(&config, json!({"connectors": [connector]}).to_string()).unwrap();
    program().serve(&folder.join("data"), &["--config", config.to_str().unwrap()])
}

/// The connector, as `/api/connectors` shows it.
pub(crate) fn of(answer: &Answer) -> Value {
    let sources = answer.body["sources"].as_array().into_iter().flatten();
    sources.into_iter().find(|shown| shown["source"] == "github/gh").cloned().unwrap_or_default()
}

/// Waits until everything was looked at, after a time.
#[track_caller]
pub(crate) fn looked(client: &Client, since: &str) -> String {
    let looked = until(client, "/api/connectors", |answer| {
        of(answer)["lastSuccess"].as_str().is_some_and(|time| time > since)
            && of(answer)["cursor"].is_string()
            && of(answer)["condition"]["state"] == "working"
    });
    of(&looked)["lastSuccess"].as_str().unwrap().to_owned()
}

/// References of all entities, in their order.
pub(crate) fn references(client: &Client) -> Vec<String> {
    let all = client.get("/api/catalog/entities?fields=kind,metadata.name,metadata.namespace");
    let all = all.body.as_array().unwrap().iter();
    let mut all: Vec<String> = all
        .map(|entity| {
            let metadata = &entity["metadata"];
            let text = |value: &Value| value.as_str().unwrap().to_lowercase();
            format!("{}:{}", text(&entity["kind"]), text(&metadata["name"]))
        })
        .collect();
    all.sort_unstable();
    all
}

#[track_caller]
fn assert_shows(client: &Client, expected: &Expect) {
    expected.assert_eq(&references(client).join("\n"));
}

#[test]
fn catalog_files_of_repositories_are_read_with_what_they_name() {
    let Some(github) = github() else { return };
    github.control(&json!([
        {"op": "repo", "owner": "acme", "name": "checkout", "branch": "trunk", "files": {
            "catalog-info.yaml": component("checkout", ", system: {$text: docs/system.txt}"),
            "docs/system.txt": "shop-system",
            "services/a/catalog-info.yaml": component("a", ""),
            "services/b/catalog-info.yaml": "kind: [",
            "services/c/deep/catalog-info.yaml": component("too-deep", ""),
        }},
        {"op": "repo", "owner": "acme", "name": "empty"},
        {"op": "repo", "owner": "acme", "name": "code", "files": {"main.rs": "fn main() {}"}},
        {"op": "repo", "owner": "acme", "name": "old", "archived": true, "files": {
            "catalog-info.yaml": component("old", ""),
        }},
        {"op": "repo", "owner": "acme", "name": "teams", "files": {
            "catalog-info.yaml": "apiVersion: backstage.io/v1alpha1\nkind: Location\nmetadata: \
                {name: more}\nspec: {targets: [./parts/x.yaml, parts/y.yaml, ./none.yaml]}\n",
            "parts/x.yaml": component("x", ""),
            "parts/y.yaml": component("y", ""),
        }},
    ]));
    let folder = tempfile::tempdir().unwrap();
    let paths = json!({"catalog_paths": ["catalog-info.yaml", "services/*/catalog-info.yaml"]});
    let server = serve(folder.path(), &github, &paths);
    let client = server.client();
    until(&client, "/api/catalog/entities/by-name/component/default/y", |it| it.status == 200);
    assert_shows(
        &client,
        &expect![[r#"
            component:a
            component:checkout
            component:x
            component:y
            location:more"#]],
    );
    let checkout = client.get("/api/catalog/entities/by-name/component/default/checkout").body;
    assert_eq!(checkout["spec"]["system"], "shop-system");
    let annotations = checkout["metadata"]["annotations"].as_object().unwrap().iter();
    let annotations: Vec<String> =
        annotations.map(|(key, value)| format!("{key} {value}")).collect();
    expect![[r#"
        backstage.io/managed-by-location "url:URL/acme/checkout/blob/trunk/catalog-info.yaml"
        backstage.io/managed-by-origin-location "url:URL/acme/checkout/blob/trunk/catalog-info.yaml"
        backstage.io/view-url "URL/acme/checkout/blob/trunk/catalog-info.yaml"
        backstage.io/edit-url "URL/acme/checkout/edit/trunk/catalog-info.yaml"
        backstage.io/source-location "url:URL/acme/checkout/tree/trunk/""#]]
    .assert_eq(&annotations.join("\n").replace(&github.url, "URL"));
    let refusals = client.get("/api/connectors/refusals").body;
    let refusals = refusals["items"].as_array().unwrap().iter().map(|item| {
        let text = |value: &Value| value.as_str().unwrap_or("-").replace(&github.url, "URL");
        let message = text(&item["error"]["message"]);
        format!("{} {} | {message}", text(&item["scope"]), text(&item["what"]))
    });
    let mut refusals: Vec<String> = refusals.collect();
    refusals.sort_unstable();
    expect![[r#"
        github/gh/acme/checkout services/b/catalog-info.yaml#0 | acme/checkout/services/b/catalog-info.yaml, line 1, column 7, in document 1: unclosed bracket '['
        github/gh/acme/~teams URL/acme/teams/blob/main/none.yaml (location:default/more) | acme/teams: URL/acme/teams/blob/main/none.yaml: there is no such file"#]]
    .assert_eq(&refusals.join("\n"));
    // What a push changes is read with the next look.
    let last = looked(&client, "");
    let gone = json!({"services/a/catalog-info.yaml": null, "services/b/catalog-info.yaml": null});
    github.repository("checkout", &gone);
    until(&client, "/api/catalog/entities/by-name/component/default/a", |it| it.status == 404);
    looked(&client, &last);
    let (code, said) = server.stop();
    assert_eq!(code, Some(0));
    assert!(!said.contains(TOKEN), "{said}");
}

/// Waits until something was wrong, after a time; gives what.
#[track_caller]
pub(crate) fn fails(client: &Client, since: &str) -> String {
    let failed = until(client, "/api/connectors", |answer| {
        of(answer)["lastError"]["time"].as_str().is_some_and(|time| time > since)
    });
    of(&failed)["lastError"]["message"].as_str().unwrap().to_owned()
}

/// What goes wrong, and what is said of it.
fn faults() -> Vec<(Value, &'static str)> {
    let touch = |number: u32| {
        let files = json!({"catalog-info.yaml": component("a", ""), "n": number.to_string()});
        json!({"op": "repo", "owner": "acme", "name": "a", "files": files})
    };
    let list = |more: Value| {
        let mut fault = json!({"op": "fault", "on": "Repositories"});
        fault.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([fault])
    };
    let files = |number, more: Value| {
        let mut fault = json!({"op": "fault", "on": "Files"});
        fault.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([touch(number), fault])
    };
    let hide = |how: &str| {
        let mut hide = json!({"op": "hide", "owner": "acme"});
        hide[how] = true.into();
        json!([hide])
    };
    vec![
        (list(json!({"status": 401})), "refuses the credentials"),
        (list(json!({"status": 403})), "refuses the credentials"),
        (list(json!({"hides": true, "times": 9})), "some may not be seen"),
        (list(json!({"part": "repositoryOwner"})), "may not be seen"),
        (list(json!({"status": 200, "body": {"data": {}}})), "may not be seen"),
        (list(json!({"status": 200, "body": "<html>"})), "is not of its form"),
        (files(1, json!({"part": "r0"})), "Resource not accessible"),
        (files(2, json!({"part": "r0", "type": "X"})), "Resource not accessible"),
        (files(3, json!({"status": 502, "times": 2})), "did not get through"),
        (hide("hidden"), "lists no repository of acme"),
        (hide("vanished"), "there is no such owner"),
        (
            json!([{"op": "token", "token": TOKEN, "scopes": "public_repo"}]),
            "lost its scope `repo`",
        ),
        (json!([{"op": "token", "token": TOKEN, "gone": true}]), "Bad credentials"),
    ]
}

#[test]
fn nothing_is_withdrawn_for_faults_and_lost_rights() {
    let Some(github) = github() else { return };
    for name in ["a", "b", "c"] {
        github.repository(name, &json!({"catalog-info.yaml": component(name, "")}));
    }
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), &github, &json!({}));
    let client = server.client();
    let mut last = looked(&client, "");
    let all = "component:a component:b component:c";
    let shown = || references(&client).join(" ");
    assert_eq!(shown(), all);
    let good = json!({"op": "token", "token": TOKEN, "scopes": "repo, read:org"});
    for (ops, expected) in faults() {
        github.control(&ops);
        let why = fails(&client, &last);
        assert!(why.contains(expected), "{ops}: {why}");
        assert!(!why.contains(TOKEN), "{why}");
        assert_eq!(shown(), all, "{ops}");
        github.control(&json!([{"op": "calm"}, {"op": "hide", "owner": "acme"}, good]));
        last = looked(&client, &last);
        assert_eq!(shown(), all, "after {ops}");
    }
    // What is over soon is asked again, and nobody has to know.
    let errors = of(&client.get("/api/connectors"))["lastError"].clone();
    github.control(&json!([
        {"op": "fault", "on": "Repositories", "cuts": true},
        {"op": "fault", "on": "Repositories", "status": 500},
        {"op": "repo", "owner": "acme", "name": "d", "files": {"catalog-info.yaml": component("d", "")}},
    ]));
    until(&client, "/api/catalog/entities/by-name/component/default/d", |it| it.status == 200);
    assert_eq!(of(&client.get("/api/connectors"))["lastError"], errors);
    // What is gone is gone.
    github.control(&json!([
        {"op": "remove", "owner": "acme", "name": "b"},
        {"op": "repo", "owner": "acme", "name": "c", "archived": true},
    ]));
    until(&client, "/api/catalog/entities/by-name/component/default/c", |it| it.status == 404);
    assert_eq!(shown(), "component:a component:d");
}

#[test]
fn limits_are_waited_for_and_said() {
    let Some(github) = github() else { return };
    github.control(&json!([
        {"op": "generate", "owner": "acme", "count": 200},
        {"op": "limit", "limit": 4, "seconds": 3},
        {"op": "fault", "on": "Repositories", "status": 403, "headers": {"retry-after": "1"}},
        {"op": "fault", "on": "Files", "status": 429, "headers": {"retry-after": "1"}},
    ]));
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), &github, &json!({"every_seconds": 3600}));
    let client = server.client();
    let waits = until(&client, "/api/connectors", |answer| {
        of(answer)["budget"]["waitsUntil"].is_string() && of(answer)["budget"]["left"] == 0
    });
    assert_eq!(of(&waits)["budget"]["limit"], 4);
    let metrics = client.get("/metrics").body;
    let metrics = metrics.as_str().unwrap();
    let limit = "annals_connector_budget_limit{connector=\"github/gh\"} 4";
    assert!(metrics.contains(limit), "{metrics}");
    looked(&client, "");
    assert_eq!(references(&client).len(), 200);
    assert_eq!(github.asked()["points"], 10);
    drop(server);
    // Whoever waits can be stopped.
    github.control(&json!([
        {"op": "repo", "owner": "acme", "name": "svc-0", "files": {"x": "y"}},
        {"op": "limit", "limit": 100, "left": 0, "seconds": 600},
    ]));
    let server = serve(folder.path(), &github, &json!({}));
    let stale = until(&server.client(), "/api/connectors", |answer| {
        of(answer)["condition"]["state"] == "stale"
    });
    assert!(of(&stale)["condition"]["why"].as_str().unwrap().contains("limits"), "{stale:?}");
    let begun = Instant::now();
    assert_eq!(server.stop().0, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

/// How many records of a type a log holds.
pub(crate) fn count(folder: &Path, kind: &str) -> usize {
    let kept = tempfile::tempdir().unwrap();
    let (data, file) = (folder.join("data"), kept.path().join("log.ndjson"));
    let [data, path] = [&data, &file].map(|path| path.to_str().unwrap());
    let _ = program().json(&["log", "export", "--data", data, path]);
    let kind = format!("\"dev.annals.{kind}.v1\"");
    fs::read_to_string(&file).unwrap().lines().filter(|line| line.contains(&kind)).count()
}

#[test]
fn a_scan_that_is_killed_loses_nothing_and_appends_nothing_twice() {
    let Some(github) = github() else { return };
    let all: usize = std::env::var("ANNALS_REPOSITORIES").map_or(400, |text| text.parse().unwrap());
    let (pages, batches) = (all.div_ceil(100), all.div_ceil(25));
    github.control(&json!([
        {"op": "generate", "owner": "acme", "count": all},
        {"op": "fault", "on": "Files", "slow": 50, "times": batches / 2},
    ]));
    let folder = tempfile::tempdir().unwrap();
    let once = json!({"every_seconds": 3600});
    let list = "/api/catalog/entities/by-query?limit=0";
    for kill in 1..=3 {
        let mut server = serve(folder.path(), &github, &once);
        until(&server.client(), list, |answer| {
            answer.body["totalItems"].as_u64().unwrap_or(0) >= (all * kill / 8) as u64
        });
        server.kill();
    }
    let server = serve(folder.path(), &github, &once);
    let client = server.client();
    until(&client, list, |answer| answer.body["totalItems"] == all);
    until(&client, "/api/connectors", |answer| of(answer)["condition"]["state"] == "working");
    server.stop();
    assert_eq!(count(folder.path(), "entity.seen"), all, "each is appended once");
    // With all of it read, it is listed again, and nothing is read.
    let before = github.asked();
    let server = serve(folder.path(), &github, &once);
    until(&server.client(), "/api/connectors", |answer| {
        of(answer)["running"] == true
            && github.asked()["queries"]["Repositories"].as_u64()
                >= before["queries"]["Repositories"].as_u64().map(|count| count + pages as u64)
    });
    server.stop();
    let after = github.asked();
    assert_eq!(after["queries"]["Files"], before["queries"]["Files"]);
    assert_eq!(count(folder.path(), "entity.seen"), all);
    // What it takes to read everything: a page of the list for a hundred, a query for 25.
    let fresh = tempfile::tempdir().unwrap();
    let server = serve(fresh.path(), &github, &once);
    looked(&server.client(), "");
    let points = |asked: &Value| asked["points"].as_u64().unwrap();
    let points = points(&github.asked()) - points(&after);
    println!("{all} repositories: {points} points");
    assert_eq!(points, (pages + batches) as u64);
    assert!(points * 2 <= all as u64, "10,000 take no more than 5,000");
}
