//! What a GitHub does not tell, or tells late, withdraws nothing.

use serde_json::{Map, Value, json};

use crate::github_read::{component, count, fails, github, looked, of, references, serve};
use crate::github_told::{SECRET, deliver, repository};
use crate::until;

/// How many entities there are.
const COUNT: &str = "/api/catalog/entities/by-query?limit=0";

#[test]
fn a_repository_that_is_read_in_parts_withdraws_nothing_where_that_breaks_off() {
    let Some(github) = github() else { return };
    // Three windows, of which one answer would be larger than may be.
    let text = |at: usize, more: &str| {
        format!("{}#{}", component(&format!("c{at:02}"), more), "-".repeat(450_000))
    };
    let path = |at: usize| format!("catalog/{at:02}.yaml");
    let all: Map<String, Value> = (0..40).map(|at| (path(at), text(at, "").into())).collect();
    github.repository("a", &all.into());
    github.repository("b", &json!({"catalog-info.yaml": component("b", "")}));
    let folder = tempfile::tempdir().unwrap();
    let paths = json!({"catalog_paths": ["catalog-info.yaml", "catalog/*.yaml"]});
    let server = serve(folder.path(), &github, &paths);
    let client = server.client();
    let mut last = looked(&client, "");
    let all = references(&client);
    assert_eq!(all.len(), 41);
    let change = |number: usize| {
        let mut files = json!({});
        files[path(0)] = text(0, &format!(", system: s{number}")).into();
        files[path(39)] = Value::Null;
        json!({"op": "repo", "owner": "acme", "name": "a", "files": files})
    };
    let contents = json!({"root": null, "f0": null, "f1": null});
    for (number, (fault, expected)) in [
        (json!({"part": "r0"}), "Resource not accessible"),
        (json!({"alters": contents}), "may not be read by these credentials"),
        (json!({"part": "r0", "type": "NOT_FOUND"}), ""),
    ]
    .into_iter()
    .enumerate()
    {
        let mut wrong = json!({"op": "fault", "on": "Files", "skips": 6, "times": 1000});
        wrong.as_object_mut().unwrap().extend(fault.as_object().unwrap().clone());
        let asked = || github.asked()["queries"]["Files"].as_u64().unwrap();
        let before = asked();
        github.control(&json!([wrong, change(number)]));
        let why = if expected.is_empty() { String::new() } else { fails(&client, &last) };
        assert!(why.contains(expected), "{why}");
        until(&client, "/api/connectors", |_| asked() > before + 8);
        assert_eq!(references(&client), all, "{fault}");
        github.control(&json!([{"op": "calm"}]));
        until(&client, COUNT, |it| it.body["totalItems"] == 40);
        let c = client.get("/api/catalog/entities/by-name/component/default/c00").body;
        assert_eq!(c["spec"]["system"], format!("s{number}"));
        github.repository("a", &json!({path(39): text(39, "")}));
        until(&client, COUNT, |it| it.body["totalItems"] == 41);
        assert_eq!(references(&client), all);
        last = looked(&client, &last);
    }
}

/// So many repositories with a component each.
fn generate(count: usize) -> Value {
    json!([{"op": "generate", "owner": "acme", "count": count}])
}

#[test]
fn what_a_list_lacks_is_asked_for_by_its_name() {
    let Some(github) = github() else { return };
    github.control(&generate(3));
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), &github, &json!({}));
    let client = server.client();
    let last = looked(&client, "");
    let all = references(&client);
    // A page that shifted while it was read: there are as many as it says.
    github.control(&json!([{"op": "hide", "owner": "acme", "lacks": ["svc-1"]}]));
    let last = looked(&client, &looked(&client, &last));
    assert_eq!(references(&client), all);
    github.control(&json!([{"op": "remove", "owner": "acme", "name": "svc-1"}]));
    looked(&client, &looked(&client, &last));
    assert_eq!(references(&client), ["component:svc-0", "component:svc-2"]);
    server.stop();
    assert_eq!(count(folder.path(), "scope.retired"), 1);
}

#[test]
fn what_is_delivered_while_everything_is_looked_at_stays() {
    let Some(github) = github() else { return };
    github.control(&generate(60));
    github.control(&json!([{"op": "fault", "on": "Files", "slow": 1500, "times": 2}]));
    let folder = tempfile::tempdir().unwrap();
    let more = json!({"every_seconds": 3600, "webhook_secret": SECRET});
    let server = serve(folder.path(), &github, &more);
    let client = server.client();
    // By then everything is listed.
    until(&client, "/readyz", |_| github.asked()["queries"]["Files"].as_u64() >= Some(1));
    github.repository("late", &json!({"catalog-info.yaml": component("late", "")}));
    let created = json!({"action": "created", "repository": repository("late")});
    assert_eq!(deliver(&client, "repository", "1", &created).status, 200);
    looked(&client, "");
    let late = "/api/catalog/entities/by-name/component/default/late";
    assert_eq!(client.get(late).status, 200);
    assert_eq!(references(&client).len(), 61);
    server.stop();
    assert_eq!(count(folder.path(), "scope.retired"), 0);
}

#[test]
fn all_that_goes_in_one_look_passes_the_guard_together() {
    let Some(github) = github() else { return };
    github.control(&generate(150));
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), &github, &json!({}));
    looked(&server.client(), "");
    server.stop();
    // None of them shows anything any more, which is read of 25 at a time.
    let server = serve(folder.path(), &github, &json!({"catalog_paths": ["none.yaml"]}));
    let client = server.client();
    until(&client, "/api/connectors", |answer| of(answer)["held"] == 150);
    assert_eq!(references(&client).len(), 150);
    let approved = json!({"scope": "github/gh"}).to_string();
    let headers = [("content-type", "application/json")];
    client.try_post("/api/connectors/approve", &headers, &approved).unwrap();
    until(&client, COUNT, |it| it.body["totalItems"] == 0);
}

#[test]
fn an_organization_of_many_pages_holds_up_nothing() {
    let Some(github) = github() else { return };
    let members: Vec<String> = (0..101).map(|at| format!("p{at:03}")).collect();
    let people: Vec<Value> = members.iter().map(|login| json!({"login": login})).collect();
    // Each takes a query of its own, and each query tells what is left of the budget.
    let team = |at: usize| json!({"slug": format!("t{at:03}"), "members": members});
    let teams: Vec<Value> = (0..90).map(team).collect();
    github.control(&json!([
        {"op": "org", "login": "acme", "people": people, "teams": teams},
        {"op": "fault", "on": "People", "slow": 4000},
    ]));
    let folder = tempfile::tempdir().unwrap();
    let more = json!({"every_seconds": 3600, "teams": true, "webhook_secret": SECRET});
    let server = serve(folder.path(), &github, &more);
    let client = server.client();
    until(&client, "/readyz", |_| github.asked()["queries"]["Members"].as_u64() >= Some(90));
    // What happens is told while the teams are still being read.
    let run = json!({
        "action": "completed", "repository": repository("code"),
        "workflow_run": {"id": 1, "name": "build", "conclusion": "success"},
    });
    assert_eq!(deliver(&client, "workflow_run", "1", &run).status, 200);
    assert!(references(&client).is_empty(), "they are not read whole yet");
    until(&client, COUNT, |it| it.body["totalItems"] == 90 + 101);
}
