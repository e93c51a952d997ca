//! Those who follow end with exactly the history, however often they or the server are killed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;

use event::vocabulary::{About, ActivityRecorded, AspectEnded, AspectObserved};
use event::{Content, Entry, Event, write_line};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use support::history::{Recorder, Step, records, steps};
use support::process::{Client, Server};
use support::random::Random;

use crate::{component, components, program};

/// A server on a log of a random history.
fn server_with_history(folder: &Path, seed: u64) -> Server {
    server_with(folder, records(seed, &steps(&mut Random::new(seed), 400)))
}

fn server_with(folder: &Path, records: Vec<Content>) -> Server {
    let entries = (0..).zip(records).map(|(offset, content)| Entry { offset, content });
    let lines: Vec<String> = entries.map(|entry| write_line(&entry)).collect();
    let (file, data) = (folder.join("log.ndjson"), folder.join("data"));
    std::fs::write(&file, lines.join("\n")).unwrap();
    let (file, data_text) = (file.to_str().unwrap(), data.to_str().unwrap());
    let _ = program().json(&["log", "import", "--data", data_text, file]);
    program().serve(&data, &[])
}

/// Whoever keeps a copy of the catalog, and what it has seen.
#[derive(Default)]
struct Mirror {
    /// From the last event that it took.
    cursor: Option<String>,
    entities: BTreeMap<String, Value>,
    ids: Vec<String>,
    is_complete: bool,
}

impl Mirror {
    /// Takes an event in, as any client would; says whether it brings the lifecycle that was waited
    /// for.
    fn take(&mut self, event: &Value, last: &str) -> bool {
        self.cursor = Some(event["cursor"].as_str().unwrap().to_owned());
        if event["type"] == "dev.annals.snapshot.completed.v1" {
            self.is_complete = true;
            return false;
        }
        assert_eq!(event["type"], "dev.annals.entity.changed.v1", "{event}");
        let name = event["subject"].as_str().unwrap().to_owned();
        self.ids.push(event["id"].as_str().unwrap().to_owned());
        let data = &event["data"];
        if data["change"] != "snapshot" {
            // What was before is what the mirror holds, and the patch leads on from it.
            let mut entity = self.entities.get(&name).cloned().unwrap_or_default();
            if data["filter"] == "entered" {
                assert_eq!(entity, Value::Null, "{event}");
                entity = data["before"].clone();
            }
            assert_eq!(data["before"], entity, "{event}");
            let patch: json_patch::Patch = serde_json::from_value(data["patch"].clone()).unwrap();
            json_patch::patch(&mut entity, &patch).unwrap();
            assert_eq!(data["after"], entity, "{event}");
            assert!(data["cause"]["id"].is_string(), "{event}");
        }
        match (&data["after"], data["filter"].as_str()) {
            (Value::Null, _) | (_, Some("left")) => self.entities.remove(&name),
            (after, _) => self.entities.insert(name, after.clone()),
        };
        data["change"] != "snapshot" && data["after"]["spec"]["lifecycle"] == last
    }

    /// Follows until it has taken so many events, or the last one; says whether it has that.
    fn follow(&mut self, client: &Client, query: &str, most: usize, last: &str) -> bool {
        let cursor = self.cursor.clone();
        let headers = cursor.as_deref().map(|cursor| ("Last-Event-ID", cursor));
        let headers: Vec<(&str, &str)> = headers.into_iter().collect();
        let Ok(body) = client.open(&format!("/api/events/stream?{query}"), &headers) else {
            return false;
        };
        let mut taken = 0;
        for line in BufReader::new(body).lines() {
            // The server may have been killed.
            let Ok(line) = line else { return false };
            if let Some(id) = line.strip_prefix("id: ") {
                // An id without an event is kept as well; one with an event is its cursor.
                self.cursor.get_or_insert_with(|| id.to_owned());
            }
            let Some(data) = line.strip_prefix("data: ") else { continue };
            if self.take(&serde_json::from_str(data).unwrap(), last) {
                return true;
            }
            taken += 1;
            if taken == most {
                return false;
            }
        }
        false
    }

    fn is_the_catalog(&self, client: &Client, filter: &str) {
        let all = client.get(&format!("/api/catalog/entities{filter}")).body;
        let all = all.as_array().unwrap().iter();
        let all: BTreeMap<String, Value> = all.map(|one| (reference(one), one.clone())).collect();
        assert_eq!(self.entities, all);
    }
}

fn reference(entity: &Value) -> String {
    let text = |pointer: &str| entity.pointer(pointer).unwrap().as_str().unwrap().to_lowercase();
    format!("{}:{}/{}", text("/kind"), text("/metadata/namespace"), text("/metadata/name"))
}

/// All that changed, asked for page by page: the names of the changes, in their order.
fn history(client: &Client, query: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("/api/history/changes?limit=70&{query}{cursor}"));
        assert_eq!(page.status, 200, "{page:?}");
        let items = page.body["items"].as_array().unwrap().iter();
        all.extend(items.map(|item| item["id"].as_str().unwrap().to_owned()));
        match page.body["pageInfo"]["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// More components than are followed at once, all changed, of some that come and go; a filter that
/// is asked for lets all of them pass.
fn changed(random: &mut Random, scope: usize) -> String {
    let names: Vec<usize> = (0..12).filter(|n| *n < 10 || random.chance(50)).collect();
    let mut one = |n| {
        let line = component(&format!("n{scope}-{n}"), &format!("l{}", random.below(1_000_000)));
        line.replace("\"team\"", "\"group:default/a\"") + "\n"
    };
    names.into_iter().map(&mut one).collect()
}

const LAST: &str = "component:default/the-last";

fn first_position(client: &Client) -> String {
    let log = client.get("/api/log").body["log"].as_str().unwrap().to_owned();
    format!("{log}-0")
}

#[test]
fn who_is_killed_again_and_again_ends_with_exactly_the_history() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = server_with_history(folder.path(), 5);
    let mut random = Random::new(3);
    let first = first_position(&server.client());
    for (query, filter) in [
        (format!("from={first}"), ""),
        (format!("from={first}&kind=component&kind=group"), "?filter=kind=component,kind=group"),
        (
            format!("from={first}&filter=relations.ownedBy=group:default/a"),
            "?filter=relations.ownedBy=group:default/a",
        ),
        ("snapshot=true".to_owned(), ""),
        ("snapshot=true&filter=spec.type=service".to_owned(), "?filter=spec.type=service"),
    ] {
        let mut mirror = Mirror::default();
        for round in 0..12 {
            if round % 4 == 3 {
                server.kill();
                server = program().serve(&folder.path().join("data"), &[]);
            }
            let client = server.client();
            let body = changed(&mut random, round % 2);
            let report = client.post(&format!("/api/ingest/s{}", round % 2), &body);
            assert_eq!(report.status, 200, "{report:?}");
            mirror.follow(&client, &query, 1 + random.below(9), "");
        }
        let client = server.client();
        let mark = format!("l{}", random.below(1_000_000));
        let last = component("the-last", &mark).replace("\"team\"", "\"group:default/a\"");
        assert_eq!(client.post("/api/ingest/last?mode=changes", &last).body["changed"], 1);
        assert!(mirror.follow(&client, &query, usize::MAX, &mark), "{query}");
        mirror.is_the_catalog(&client, filter);
        let unique: BTreeSet<&String> = mirror.ids.iter().collect();
        assert_eq!(unique.len(), mirror.ids.len(), "each comes once");
        if query.starts_with("from") {
            assert_eq!(mirror.ids, history(&client, &query), "{query}");
        } else {
            assert!(mirror.is_complete, "{query}");
        }
    }
}

#[test]
fn who_asks_again_and_again_misses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = server_with_history(folder.path(), 9);
    let client = server.client();
    let mut mirror = Mirror::default();
    let mut query = "snapshot=true".to_owned();
    let mut random = Random::new(4);
    for round in 0..20 {
        let names = [format!("n{}", random.below(4)), format!("m{round}")];
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let _ = client.post("/api/ingest/s", &components(&names));
        loop {
            let answer = client.get_raw(&format!("/api/events?limit=7&{query}"));
            assert_eq!(answer.0, 200, "{answer:?}");
            assert_eq!(answer.1["content-type"], "application/cloudevents-batch+json");
            let events: Value = serde_json::from_str(&answer.2).unwrap();
            let events = events.as_array().unwrap();
            for event in events {
                mirror.take(event, "");
            }
            query = format!("cursor={}", answer.1["annals-cursor"].to_str().unwrap());
            if events.is_empty() {
                break;
            }
        }
        mirror.is_the_catalog(&client, "");
    }
    // It waits for what happens next.
    std::thread::scope(|threads| {
        let waits = threads.spawn(|| client.get_raw(&format!("/api/events?timeout=30&{query}")));
        let _ = client.post("/api/ingest/last", &component("the-last", "x"));
        let events: Value = serde_json::from_str(&waits.join().unwrap().2).unwrap();
        let names: Vec<&Value> =
            events.as_array().unwrap().iter().map(|event| &event["subject"]).collect();
        assert!(names.contains(&&json!(LAST)), "{names:?}");
    });
}

#[test]
fn a_stream_ends_when_the_server_does() {
    let folder = tempfile::tempdir().unwrap();
    let server = program().serve(&folder.path().join("data"), &[]);
    let body = server.client().open("/api/events/stream", &[]).unwrap();
    let mut lines = BufReader::new(body).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "retry: 1000");
    let begun = std::time::Instant::now();
    let (code, said) = server.stop();
    assert_eq!(code, Some(0), "{said}");
    assert!(begun.elapsed().as_secs() < 8, "it waited for the stream");
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert!(rest.contains(&"event: cut".to_owned()), "{rest:?}");
}

/// Two components of a team: the second goes over to others, and is withdrawn then. Gives the
/// positions before all that, before the withdrawal, and after it.
fn story(client: &Client) -> [String; 3] {
    let group = json!({
        "apiVersion": "backstage.io/v1alpha1", "kind": "Group", "metadata": {"name": "team"},
        "spec": {"type": "team", "children": []},
    });
    let begun = client.post("/api/ingest/g", &group.to_string()).position.unwrap();
    let _ = client.post("/api/ingest/demo", &components(&["a", "b"]));
    let other = component("b", "production").replace("\"team\"", "\"others\"");
    let both = format!("{}\n{other}\n", component("a", "deprecated"));
    let changed = client.post("/api/ingest/demo", &both).position.unwrap();
    let gone = client.post("/api/ingest/demo", &component("a", "deprecated")).position.unwrap();
    [begun, changed, gone]
}

#[test]
fn questions_about_the_past_are_single_requests() {
    let folder = tempfile::tempdir().unwrap();
    let server = program().serve(&folder.path().join("data"), &[]);
    let client = server.client();
    let [begun, changed, gone] = story(&client);
    let changes = |query: &str| -> Vec<(String, String)> {
        let answer = client.get(&format!("/api/history/changes?{query}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let items = answer.body["items"].as_array().unwrap().iter();
        items.map(|item| (text(&item["entityRef"]), text(&item["change"]))).collect()
    };
    let pair = |name: &str, change: &str| (name.to_owned(), change.to_owned());
    let (a, b, team) = ("component:default/a", "component:default/b", "group:default/team");
    assert_eq!(
        changes(&format!("change=withdrawn&from={begun}&to={gone}")),
        [pair(b, "withdrawn")]
    );
    assert_eq!(changes(&format!("change=withdrawn&from={begun}&to={changed}")), []);
    assert_eq!(
        changes(&format!("owner={team}&from={begun}")),
        [pair(a, "created"), pair(b, "created"), pair(a, "updated"), pair(b, "updated")]
    );
    assert_eq!(
        changes(&format!("kind=group&from={begun}")),
        [
            pair(team, "relation-added"),
            pair(team, "relation-added"),
            pair(team, "relation-removed")
        ]
    );
    let history = client.get("/api/history/entities/group/default/team").body;
    let versions: Vec<&Value> = history["versions"].as_array().unwrap().iter().collect();
    let kinds: Vec<&Value> = versions.iter().map(|version| &version["change"]).collect();
    assert_eq!(kinds, ["relation-removed", "relation-added", "relation-added", "created"]);
    assert_eq!(
        versions[0]["relations"]["removed"],
        json!([{"type": "ownerOf", "targetRef": b}]),
        "{history}"
    );
}

#[test]
fn an_entity_is_compared_with_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let server = program().serve(&folder.path().join("data"), &[]);
    let client = server.client();
    let [begun, changed, gone] = story(&client);
    let path = "/api/history/entities/component/default/b";
    let diff = client.get(&format!("{path}/diff?from={begun}&to={changed}")).body;
    assert_eq!(diff["patch"][0]["op"], "replace");
    let diff = client.get(&format!("{path}/diff?to={changed}")).body;
    assert_eq!(diff["changedPaths"], json!(["/relations", "/spec/owner"]), "{diff}");
    assert!(
        diff["yaml"].as_str().unwrap().contains("\n-  owner: team\n+  owner: others\n"),
        "{diff}"
    );
    let version = client.get(&format!("{path}/versions/{changed}")).body;
    assert_eq!(version["entity"]["spec"]["owner"], "others", "{version}");
    assert_eq!(version["version"]["change"], "updated");
    let version = client.get(&format!("{path}/versions/{gone}")).body;
    assert_eq!(
        (&version["entity"], &version["version"]["change"]),
        (&json!(null), &json!("withdrawn"))
    );
    assert_eq!(client.get(&format!("{path}/versions/{begun}")).status, 404);

    // The command line says the same.
    let output = program().run(&["history", "b", "--server", &server.url]);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 6, "{text}");
    assert!(lines[0].contains("withdrawn") && lines[2].contains("/spec/owner"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours where nobody sees them");
    let output = program().run(&["diff", "b", "--to", &changed, "--server", &server.url]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\n-  owner: team\n+  owner: others\n"), "{text}");
    assert_eq!(
        program().run(&["history", "nobody", "--server", &server.url]).status.code(),
        Some(3)
    );
    let body = program().json(&["history", "b", "--server", &server.url]);
    assert_eq!(body["entityRef"], "component:default/b");
}

#[test]
fn what_can_not_be_asked_of_the_past_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let server = program().serve(&folder.path().join("data"), &[]);
    let client = server.client();
    let _ = client.post("/api/ingest/demo", &components(&["a"]));
    let (first, one) = (first_position(&client), "/api/history/entities/component/default/a");
    let log = first.strip_suffix("-0").unwrap();
    for (path, says) in [
        ("/api/history/changes?from=x".to_owned(), "from must be a position or a time"),
        ("/api/history/changes?change=eaten".to_owned(), "change must be one of created"),
        ("/api/history/changes?limit=0".to_owned(), "limit must be between 1 and 1000"),
        ("/api/history/changes?owner=x".to_owned(), "owner must be a full reference"),
        (format!("/api/history/changes?cursor={first}-s"), "Malformed cursor"),
        (format!("/api/history/changes?cursor={first}9"), "Malformed cursor"),
        (format!("/api/history/changes?to={log}-999999"), "is not folded yet"),
        (format!("/api/history/changes?kind={}", "a,".repeat(101)), "at most 100 values"),
        ("/api/events?timeout=31".to_owned(), "timeout must be between 0 and 30"),
        ("/api/events?cursor=0000000000000000-0".to_owned(), "another log"),
        (format!("/api/events?cursor={log}-999999"), "beyond the end of the log"),
        ("/api/events/stream?cursor=%ff".to_owned(), "Malformed cursor"),
        ("/api/events/stream?limit=3".to_owned(), "Unknown query parameter"),
        (format!("{one}/diff?from={first}x"), "from must be a position or a time"),
        (format!("{one}/versions/x"), "is not a position"),
        (format!("{one}/aspects?cursor=-"), "Malformed cursor"),
        (format!("{one}/activities?limit=1001"), "limit must be between 1 and 1000"),
    ] {
        let answer = client.get(&path);
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
        let message = answer.body.pointer("/error/message").unwrap().as_str().unwrap();
        assert!(message.contains(says), "{path}: {message}");
    }
    assert_eq!(client.get("/api/history/entities/component/default/none/diff").status, 404);
    assert_eq!(client.get("/api/history/entities/group/default/team").status, 404);
    for path in ["activities", "aspects"] {
        let answer = client.get(&format!("{one}/{path}"));
        assert_eq!(answer.body[path], json!([]), "{answer:?}");
    }
}

#[test]
fn so_many_follow_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let server = program().serve(&folder.path().join("data"), &[]);
    let client = server.client();
    let open: Vec<_> = (0..128).map(|_| client.open("/api/events/stream", &[]).unwrap()).collect();
    let refused = client.get("/api/events");
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(client.get("/api/catalog/entities").status, 200);
    drop(open);
}

#[test]
fn what_is_observed_and_what_happens_is_told_beside_the_documents() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(1);
    let mut log = recorder.begin();
    let mut document: Value = serde_json::from_str(&component("a", "production")).unwrap();
    document["metadata"]["annotations"] = json!({"github.com/project-slug": "acme/a"});
    model::document::normalize(&mut document, &model::kinds::Kinds::builtin());
    let a = "component:default/a";
    log.push(recorder.step(&Step::Seen { scope: 0, document }));
    for replicas in [1, 2] {
        let value = to_raw_value(&json!({"replicas": replicas})).unwrap();
        let seen = AspectObserved { aspect: "kubernetes/prod".into(), value: &value };
        log.push(recorder.record(&Event::AspectObserved(seen), Some(a)));
    }
    let slug = ("github.com/project-slug", "acme/a");
    let about = About { annotation: slug.0.into(), value: slug.1.into() };
    for (key, about, subject) in [("1", None, Some(a)), ("2", Some(about), None)] {
        let value = to_raw_value(&json!({"version": key})).unwrap();
        let activity = "dev.cdevents.service.deployed".into();
        let deployed = ActivityRecorded { activity, key: key.into(), about, value: &value };
        log.push(recorder.record(&Event::ActivityRecorded(deployed), subject));
    }
    let ended = AspectEnded { aspect: "kubernetes/prod".into() };
    log.push(recorder.record(&Event::AspectEnded(ended), Some(a)));
    let server = server_with(folder.path(), log);
    let client = server.client();
    let path = "/api/history/entities/component/default/a";
    let get = |query: &str| {
        let answer = client.get(&format!("{path}{query}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    };
    let all = |body: Value, list: &str, pointer: &str| -> Vec<Value> {
        let items = body[list].as_array().unwrap().iter();
        items.map(|item| item.pointer(pointer).unwrap().clone()).collect()
    };
    let log = client.get("/api/log").body["log"].as_str().unwrap().to_owned();
    let replicas = |count: u8| json!({"replicas": count});
    assert_eq!(all(get("/aspects"), "aspects", "/value"), [Value::Null, replicas(2), replicas(1)]);
    let page = get("/aspects?limit=2&type=kubernetes/prod");
    let next = page["pageInfo"]["nextCursor"].as_str().unwrap().to_owned();
    assert_eq!(all(page, "aspects", "/value"), [Value::Null, replicas(2)]);
    assert_eq!(all(get(&format!("/aspects?cursor={next}")), "aspects", "/value"), [replicas(1)]);
    assert_eq!(all(get("/aspects?type=kubernetes"), "aspects", "/value"), [] as [Value; 0]);
    assert_eq!(
        all(get(&format!("/aspects?from={log}-3&to={log}-4")), "aspects", "/value"),
        [replicas(2)]
    );
    assert_eq!(all(get("/activities"), "activities", "/key"), ["2", "1"]);
    let kind = "type=dev.cdevents.service.deployed";
    let page = get(&format!("/activities?limit=1&{kind}"));
    let next = page["pageInfo"]["nextCursor"].as_str().unwrap().to_owned();
    assert_eq!(page["activities"][0]["value"], json!({"version": "2"}));
    assert_eq!(all(get(&format!("/activities?cursor={next}")), "activities", "/key"), ["1"]);
    assert_eq!(all(get("/activities?type=other"), "activities", "/key"), [] as [Value; 0]);
    let versions = get("");
    let changes = all(versions.clone(), "versions", "/change");
    assert_eq!(changes, ["aspect", "aspect", "aspect", "created"]);
    let aspect = &versions["versions"][1]["aspect"];
    assert_eq!((&aspect["before"], &aspect["after"]), (&replicas(1), &replicas(2)));
    let listed = client.get("/api/history/changes?change=aspect,activity&kind=component").body;
    assert_eq!(all(listed, "items", "/change"), ["aspect", "aspect", "activity", "aspect"]);
}

#[test]
fn the_log_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let server = program().serve(&folder.path().join("data"), &[]);
    let args = ["log", "tail", "--follow", "-n", "1", "--server", &server.url];
    let mut child = program().command(&args).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("dev.annals."));
    for name in ["one", "two"] {
        let _ = server.client().post("/api/ingest/x?mode=changes", &component(name, "x"));
        let found = lines.find(|line| line.as_ref().unwrap().contains("entity.seen"));
        assert!(found.unwrap().unwrap().contains(&format!("component:default/{name}")));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
