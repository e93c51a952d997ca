//! What GitHub delivers, Apps, teams and people, and trying a connector.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use expect_test::expect;
use github::map::changes::{self, Change};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use support::github::TOKEN;
use support::process::{Answer, Client, last_json, skip};

use crate::github_read::{component, github, looked, of, references, serve};
use crate::{program, until};

pub(crate) const SECRET: &str = "a-secret-of-the-webhook";

#[test]
fn all_bodies_that_github_publishes_are_understood_as_changes() {
    let source = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("webhooks");
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("webhooks");
    let packages = match support::npm::install(&source, &cache) {
        Ok(packages) => packages,
        Err(why) => return skip("the bodies of GitHub's webhooks, as changes", &why),
    };
    let path = "node_modules/@octokit/webhooks-examples/api.github.com/index.json";
    let events: Value = serde_json::from_slice(&fs::read(packages.join(path)).unwrap()).unwrap();
    let (mut all, mut lines) = (0, BTreeMap::<String, usize>::new());
    for event in events.as_array().unwrap() {
        let name = event["name"].as_str().unwrap();
        for example in event["examples"].as_array().unwrap() {
            all += 1;
            let read = changes::read(name, example.to_string().as_bytes());
            for change in read.unwrap_or_else(|why| panic!("{name}: {why}")) {
                let what = match change {
                    Change::Repository { touched: Some(paths), .. } => {
                        format!("repository, {} paths", paths.len())
                    }
                    Change::Repository { touched: None, .. } => "repository".into(),
                    Change::Gone { owner, name, .. } => format!("{owner}/{name} is gone"),
                    Change::Teams { organization } => format!("teams of {organization}"),
                    Change::Everything => "everything".into(),
                };
                let action = example["action"].as_str().unwrap_or_default();
                *lines.entry(format!("{name} {action}: {what}")).or_default() += 1;
            }
        }
    }
    assert_eq!(all, 329);
    let shown = lines.iter().fold(String::new(), |mut text, (line, count)| {
        writeln!(text, "{line} ({count})").unwrap();
        text
    });
    expect![[r#"
        installation created: everything (2)
        installation deleted: everything (2)
        installation new_permissions_accepted: everything (1)
        installation suspend: everything (1)
        installation unsuspend: everything (1)
        installation_repositories added: everything (2)
        installation_repositories removed: everything (1)
        membership added: teams of Octocoders (1)
        membership removed: teams of Octocoders (4)
        organization member_added: teams of Octocoders (3)
        organization renamed: everything (1)
        push : repository, 1 paths (2)
        repository created: repository (2)
        repository edited: repository (2)
        repository privatized: repository (2)
        repository publicized: repository (3)
        repository renamed: Octocoders/Hello-World is gone (1)
        repository renamed: repository (1)
        repository transferred: octocat/Hello-World is gone (3)
        repository transferred: repository (3)
        team added_to_repository: teams of Octocoders (2)
        team created: teams of Octocoders (1)
        team deleted: teams of Octocoders (1)
        team edited: teams of Octocoders (1)
        team removed_from_repository: teams of Octocoders (1)
        team_add : teams of Octocoders (3)
    "#]]
    .assert_eq(&shown);
}

/// Delivers, as GitHub does.
pub(crate) fn deliver(client: &Client, event: &str, id: &str, body: &Value) -> Answer {
    let body = body.to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let bytes = mac.finalize().into_bytes();
    let signature =
        bytes.iter().fold("sha256=".to_owned(), |text, byte| format!("{text}{byte:02x}"));
    let headers =
        [("X-GitHub-Event", event), ("X-GitHub-Delivery", id), ("X-Hub-Signature-256", &signature)];
    client.try_post("/api/events/http/gh", &headers, &body).unwrap()
}

/// A repository of a delivery.
pub(crate) fn repository(name: &str) -> Value {
    json!({"name": name, "full_name": format!("acme/{name}"), "default_branch": "main"})
}

#[test]
fn what_is_delivered_shows_at_once() {
    let Some(github) = github() else { return };
    github.repository("a", &json!({"catalog-info.yaml": component("a", "")}));
    github.repository("code", &json!({"main.rs": ""}));
    let folder = tempfile::tempdir().unwrap();
    let more = json!({"every_seconds": 3600, "webhook_secret": SECRET});
    let server = serve(folder.path(), &github, &more);
    let client = server.client();
    looked(&client, "");
    let names = || references(&client).join(" ");
    let get =
        |name: &str| client.get(&format!("/api/catalog/entities/by-name/component/default/{name}"));
    let sent = |event: &str, id: &str, body: Value| deliver(&client, event, id, &body).status;
    assert_eq!(names(), "component:a");

    // A file of the catalog is read at once, and what is none of it is not asked for.
    let push = |paths: Value| json!({"ref": "refs/heads/main", "repository": repository("code"), "commits": [{"modified": paths}]});
    github.repository("code", &json!({"catalog-info.yaml": component("code", "")}));
    let before = github.asked()["points"].clone();
    assert_eq!(sent("push", "1", push(json!(["main.rs"]))), 200);
    assert_eq!(github.asked()["points"], before);
    assert_eq!(sent("push", "2", push(json!(["catalog-info.yaml"]))), 200);
    assert_eq!(names(), "component:a component:code");
    assert_eq!(sent("push", "2", push(json!([]))), 409);

    // Renamed: the same entity, from elsewhere.
    github.control(&json!([{"op": "rename", "owner": "acme", "name": "a", "to": "b"}]));
    let was = json!({"repository": {"name": {"from": "a"}}});
    let renamed = json!({"action": "renamed", "repository": repository("b"), "changes": was});
    assert_eq!(sent("repository", "3", renamed), 200);
    let a = get("a").body;
    let place = a["metadata"]["annotations"]["backstage.io/managed-by-location"].as_str().unwrap();
    assert!(place.ends_with("/acme/b/blob/main/catalog-info.yaml"), "{place}");

    // Archived, deleted, and said to be deleted while it is there.
    github.control(&json!([{"op": "repo", "owner": "acme", "name": "b", "archived": true}]));
    let of = |action: &str, name: &str| json!({"action": action, "repository": repository(name)});
    assert_eq!(sent("repository", "4", of("archived", "b")), 200);
    assert_eq!(names(), "component:code");
    assert_eq!(sent("repository", "5", of("deleted", "code")), 200);
    assert_eq!(names(), "component:code");
    github.control(&json!([{"op": "remove", "owner": "acme", "name": "code"}]));
    assert_eq!(sent("repository", "6", of("deleted", "code")), 200);
    assert_eq!(names(), "");

    let run = json!({
        "action": "completed", "repository": repository("code"),
        "workflow_run": {"id": 1, "name": "build", "conclusion": "success"},
    });
    assert_eq!(deliver(&client, "workflow_run", "7", &run).body, json!({"new": 1, "known": 0}));
    let forged = client.try_post("/api/events/http/gh", &[("X-GitHub-Event", "push")], "{}");
    assert_eq!(forged.unwrap().status, 401);
    assert_eq!(sent("push", "8", json!({})), 400);
    let metrics = client.get("/metrics").body;
    let counted = metrics.as_str().unwrap().lines().filter(|it| it.contains("deliveries_total{"));
    expect![[r#"
        annals_deliveries_total{connector="gh",outcome="forged"} 1
        annals_deliveries_total{connector="gh",outcome="malformed"} 1
        annals_deliveries_total{connector="gh",outcome="replayed"} 1
        annals_deliveries_total{connector="gh",outcome="taken"} 7"#]]
    .assert_eq(&counted.collect::<Vec<_>>().join("\n"));
    let (_, said) = server.stop();
    assert!(!said.contains(SECRET) && !said.contains(TOKEN), "{said}");
}

#[test]
fn teams_and_people_are_groups_and_users() {
    let Some(github) = github() else { return };
    let members: Vec<String> = (0..120).map(|at| format!("p{at:03}")).collect();
    let people: Vec<Value> =
        members.iter().map(|login| json!({"login": login, "email": "a@b.c"})).collect();
    github.control(&json!([{"op": "org", "login": "acme", "people": people, "teams": [
        {"slug": "all", "members": members}, {"slug": "shop", "parent": "all", "members": ["p007"]},
    ]}]));
    let folder = tempfile::tempdir().unwrap();
    let more = json!({"every_seconds": 3600, "webhook_secret": SECRET, "teams": true});
    let server = serve(folder.path(), &github, &more);
    let client = server.client();
    looked(&client, "");
    assert_eq!(references(&client).len(), 122);
    let get = |path: &str| client.get(&format!("/api/catalog/entities/by-name/{path}")).body;
    let of = |entity: &Value, kind: &str| {
        let relations = entity["relations"].as_array().unwrap().iter();
        let relations = relations.filter(|relation| relation["type"] == kind);
        relations.map(|it| it["targetRef"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let user = get("user/default/p007");
    assert_eq!(of(&user, "memberOf"), ["group:default/all", "group:default/shop"]);
    assert_eq!(user["spec"]["profile"]["email"], "a@b.c");
    let all = get("group/default/all");
    assert_eq!(of(&all, "hasMember").len(), 120);
    assert_eq!(of(&all, "parentOf"), ["group:default/shop"]);
    // Who leaves is gone as soon as it is told; a list in part withdraws nobody.
    github.control(&json!([
        {"op": "org", "login": "acme", "people": people[..119], "teams": [{"slug": "all"}]},
        {"op": "fault", "on": "People", "part": "organization"},
    ]));
    let body = json!({"action": "removed", "organization": {"login": "acme"}});
    assert_eq!(deliver(&client, "membership", "1", &body).status, 200);
    assert_eq!(references(&client).len(), 122);
    assert_eq!(deliver(&client, "membership", "2", &body).status, 200);
    assert_eq!(references(&client).len(), 120);
}

#[test]
fn an_app_reads_with_tokens_that_it_renews() {
    let Some(github) = github() else { return };
    let key = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap())
        .join("../crates/asking/fixtures/app.pem");
    let key = fs::read_to_string(key).unwrap();
    let large = "x".repeat(600_000);
    github.control(&json!([
        {"op": "app", "id": 7, "key": key, "seconds": 302},
        {"op": "token", "token": TOKEN, "gone": true},
        {"op": "repo", "owner": "acme", "name": "a", "files": {
            "catalog-info.yaml": component("a", ", notes: {$text: ./notes.txt}"), "notes.txt": large,
        }},
    ]));
    let folder = tempfile::tempdir().unwrap();
    let app = json!({"token": null, "app": {"id": 7, "key": key}});
    let server = serve(folder.path(), &github, &app);
    let client = server.client();
    let mut last = looked(&client, "");
    let a = client.get("/api/catalog/entities/by-name/component/default/a").body;
    assert_eq!(a["spec"]["notes"], large);
    while github.asked()["installations"].as_u64().unwrap() < 3 {
        last = looked(&client, &last);
    }
    // One that was taken back before its time is replaced as well.
    let now = github.asked()["installations"].as_u64().unwrap();
    let held = (1..=now)
        .map(|at| json!({"op": "token", "token": format!("ghs_installation{at}"), "gone": true}));
    github.control(&Value::Array(held.collect()));
    looked(&client, &looked(&client, &last));
    assert!(of(&client.get("/api/connectors"))["lastError"].is_null());
    let (_, said) = server.stop();
    assert!(!said.contains("ghs_installation") && !said.contains("PRIVATE KEY"), "{said}");
}

#[test]
fn trying_a_connector_says_what_is_missing() {
    let Some(github) = github() else { return };
    github.repository("a", &json!({"catalog-info.yaml": component("a", "")}));
    github.control(&json!([{"op": "token", "token": "public", "scopes": "public_repo"}]));
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("annals.yaml");
    let path = config.to_str().unwrap();
    let refused = "acme: GitHub refuses the credentials (401 Unauthorized): Bad credentials";
    for (token, organization, expected) in [
        ("wrong", "acme", refused),
        (TOKEN, "nobody", "nobody: there is no such owner, or it may not be seen"),
        ("public", "acme", "the token has no scope `repo`"),
        ("public", "acme", "the token has no scope `read:org`"),
        (TOKEN, "acme", ""),
    ] {
        let connector = json!({
            "kind": "github", "id": "gh", "url": github.url, "token": token,
            "organizations": [organization], "teams": true,
        });
        fs::write(&config, json!({"connectors": [connector]}).to_string()).unwrap();
        let output = program().run(&["connectors", "test", "--config", path, "--json"]);
        let is_well = expected.is_empty();
        assert_eq!(output.status.code(), Some(i32::from(!is_well)), "{output:?}");
        let told = last_json(&output)["connectors"][0].clone();
        let why = told["why"].as_str().unwrap_or_default();
        assert!(why.contains(expected) && why.is_empty() == is_well, "{why}");
        assert_eq!(told["works"], is_well);
    }
    let args =
        ["connectors", "run", "--config", path, "--once", "--dry-run", "github/gh", "--json"];
    let output = program().run(&args);
    let text = String::from_utf8(output.stdout).unwrap();
    let found = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let found = found.into_iter().find(|record| record["subject"] == "component:default/a");
    let found = found.unwrap_or_else(|| panic!("{text}"));
    assert_eq!(found["type"], "dev.annals.entity.seen.v1");
    assert_eq!(found["data"]["scope"], "github/gh/acme/a");
    let pointer = found["sourcepointer"].as_str().unwrap();
    assert!(
        pointer.starts_with("acme/a@") && pointer.ends_with(":catalog-info.yaml#0"),
        "{pointer}"
    );
}

#[test]
fn what_somebody_wants_read_again_is_read_at_once() {
    let Some(github) = github() else { return };
    let of_a = |more: &str| json!({"catalog-info.yaml": component("a", more)});
    github.repository("a", &of_a(""));
    github.control(&json!([{"op": "org", "login": "acme", "people": [{"login": "ann"}], "teams": [
        {"slug": "shop", "members": []},
    ]}]));
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), &github, &json!({"every_seconds": 3600, "teams": true}));
    let client = server.client();
    looked(&client, "");
    let refresh = |reference: &str| {
        let body = json!({"entityRef": reference}).to_string();
        let headers = [("content-type", "application/json")];
        assert_eq!(client.try_post("/api/catalog/refresh", &headers, &body).unwrap().status, 200);
    };
    let a = "/api/catalog/entities/by-name/component/default/a";
    for tag in ["one", "two"] {
        github.repository("a", &of_a(&format!(", system: {tag}")));
        refresh("component:default/a");
        until(&client, a, |answer| answer.body["spec"]["system"] == tag);
    }
    github.control(&json!([{"op": "org", "login": "acme", "people": [{"login": "ann"}], "teams": [
        {"slug": "shop", "members": ["ann"]},
    ]}]));
    refresh("group:default/shop");
    let shop = "/api/catalog/entities/by-name/group/default/shop";
    until(&client, shop, |answer| answer.body["spec"]["members"] == json!(["ann"]));
    let (code, _) = server.stop();
    assert_eq!(code, Some(0));
}
