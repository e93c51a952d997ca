//! What changes under a group: what it and the groups below it own, as they stood at the time.

use serde_json::{Value, json};
use support::process::Client;

use crate::program;

fn group(name: &str, parent: Option<&str>) -> String {
    let mut group = json!({
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Group",
        "metadata": {"name": name},
        "spec": {"type": "team", "children": []},
    });
    if let Some(parent) = parent {
        group["spec"]["parent"] = parent.into();
    }
    format!("{group}\n")
}

fn owned(name: &str, owner: &str, lifecycle: &str) -> String {
    let component = json!({
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": name},
        "spec": {"type": "service", "lifecycle": lifecycle, "owner": owner},
    });
    format!("{component}\n")
}

/// The changes that a request lists, as `name change side`.
fn changes(client: &Client, query: &str) -> Vec<String> {
    let answer = client.get(&format!("/api/history/changes?{query}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let said = |item: &Value| {
        let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
        let name = text("entityRef").rsplit('/').next().unwrap_or_default().to_owned();
        format!("{name} {} {}", text("change"), text("filter")).trim().to_owned()
    };
    answer.body["items"].as_array().unwrap().iter().map(said).collect()
}

#[test]
fn what_changes_under_a_group_is_what_all_groups_below_it_own() {
    let folder = tempfile::tempdir().unwrap();
    let server = program().serve(&folder.path().join("data"), &[]);
    let client = server.client();
    let post = |scope: &str, documents: &str| {
        client.post(&format!("/api/ingest/{scope}?mode=changes"), documents).position.unwrap()
    };
    // `a` and `b` stand in a circle, of which nothing else is a part.
    let groups = [
        group("org", None),
        group("team", Some("org")),
        group("squad", Some("team")),
        group("elsewhere", None),
        group("a", Some("b")),
        group("b", Some("a")),
    ];
    let begun = post("groups", &groups.concat());
    let made = [
        owned("of-org", "org", "production"),
        owned("of-squad", "squad", "production"),
        owned("of-others", "elsewhere", "production"),
        owned("of-a", "a", "production"),
    ];
    let made = post("parts", &made.concat());
    let _ = post("groups", &group("squad", Some("elsewhere")));
    let moved = post("parts", &owned("of-squad", "squad", "deprecated"));
    let _ = post("parts", &owned("of-squad", "team", "deprecated"));
    let under = "change=created,updated&under=group:default/org";
    for (query, expected) in [
        (format!("{under}&from={begun}&to={made}"), vec!["of-org created", "of-squad created"]),
        // The squad leaves with what it owns, of which nothing is told until it comes back.
        (format!("{under}&from={made}&to={moved}"), vec!["squad updated left"]),
        (format!("{under}&from={moved}"), vec!["of-squad updated entered"]),
        (format!("{under}&kind=group&to={begun}"), vec!["squad created", "team created"]),
        (
            format!("change=created&under=group:default/squad,group:default/b&from={begun}"),
            vec!["of-squad created", "of-a created"],
        ),
        (format!("under=group:default/nobody&from={begun}"), vec![]),
    ] {
        let mut found = changes(&client, &query);
        let mut expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{query}");
    }
    let refused = client.get("/api/history/changes?under=org");
    assert_eq!(refused.status, 400, "{refused:?}");
    // A snapshot holds what stands under it now.
    let events = client.get("/api/events?snapshot=true&under=group:default/org");
    let names = events.body.as_array().unwrap().iter().filter_map(|it| it["subject"].as_str());
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["component:default/of-org", "component:default/of-squad", "group:default/team"]
    );
}
