//! The catalog as it was: what is asked for a moment is answered as it was answered then.

use serde_json::{Value, json};
use support::history::document;
use support::process::{Client, Server};
use support::random::Random;
use support::web::Web;

use crate::program;

/// How many batches of changes there are, of so many documents each, and how often the catalog is
/// asked in between.
const BATCHES: usize = 60;
const DOCUMENTS: usize = 40;
const ASKED_PERCENT: usize = 40;

const CATALOG: &str = "/api/catalog";

/// Requests of every sort that can be asked for a moment.
fn requests(uid: &str) -> Vec<(String, Option<String>)> {
    let get = |path: &str| (format!("{CATALOG}{path}"), None);
    let post = |path: &str, body: Value| (format!("{CATALOG}{path}"), Some(body.to_string()));
    vec![
        get("/entities"),
        get("/entities?filter=kind=component&order=desc:metadata.name&limit=7&offset=2"),
        get("/entities?filter=kind=group,kind=user&fields=kind,metadata.name,relations"),
        get("/entities/by-query?limit=5"),
        get(
            "/entities/by-query?filter=kind=component,spec.lifecycle&orderField=metadata.name,desc",
        ),
        get("/entities/by-query?filter=relations.ownedby=group:default/a&orderField=spec.type"),
        get("/entities/by-query?filter=metadata.tags.java&limit=0"),
        get(
            "/entities/by-query?orderField=metadata.title&fullTextFilterTerm=title&fullTextFilterFields=metadata.title",
        ),
        get("/entities/by-query?fullTextFilterTerm=a&fullTextFilterFields=metadata.name"),
        get(
            "/entity-facets?facet=kind&facet=spec.type&facet=relations.ownedBy&facet=metadata.tags",
        ),
        get("/entity-facets?facet=metadata.name&filter=kind=component"),
        get("/entities/by-name/component/default/a"),
        get("/entities/by-name/group/default/b"),
        get("/entities/by-name/location/default/a"),
        get("/entities/by-name/component/default/a/ancestry"),
        get("/entities/by-name/component/default/read/ancestry"),
        get(&format!("/entities/by-uid/{uid}")),
        get("/locations"),
        get("/locations/by-entity/component/default/read"),
        post("/entities/by-query", json!({"query": {"$not": {"kind": "Component"}}, "limit": 4})),
        post(
            "/entities/by-refs",
            json!({"entityRefs": ["component:default/a", "user:default/b", "group:default/c"]}),
        ),
        post(
            "/entity-facets",
            json!({"facets": ["kind"], "query": {"spec.type": {"$exists": true}}}),
        ),
        post("/locations/by-query", json!({"query": {"type": "url"}})),
    ]
}

/// Status and body of an answer.
fn ask(client: &Client, (path, body): &(String, Option<String>), at: Option<&str>) -> (u16, Value) {
    let path = match at {
        None => path.clone(),
        Some(at) => format!("{path}{}at={at}", if path.contains('?') { '&' } else { '?' }),
    };
    let headers = [("content-type", "application/json")];
    let answer = match body {
        None => client.get(&path),
        Some(body) => client.try_post(&path, &headers, body).unwrap(),
    };
    if let Some(at) = at {
        assert_eq!(answer.position.as_deref().unwrap_or(at), at, "{path}");
    }
    let mut body = answer.body;
    // The request itself stands in the body of an error.
    if let Some(error) = body.as_object_mut() {
        error.remove("request");
    }
    (answer.status, body)
}

/// Changes something, in one batch.
fn change(client: &Client, site: &Web, known: &mut Option<String>, random: &mut Random) {
    let scope = format!("s{}", random.below(3));
    let mut lines = String::new();
    for _ in 0..DOCUMENTS {
        let line = if random.chance(25) {
            let kind = random.pick(&["component", "group", "user", "location"]);
            let name = random.pick(&["a", "b", "c", "d"]);
            json!({"gone": format!("{kind}:default/{name}")})
        } else {
            document(random)
        };
        lines.push_str(&format!("{line}\n"));
    }
    let path = format!("/api/ingest/{scope}?mode=changes");
    let answer = client.post(&path, &lines);
    assert_eq!(answer.status, 200, "{answer:?}");
    if random.chance(20) {
        location(client, site, known, random);
    }
}

/// Registers a location, gives it another target, or removes it.
fn location(client: &Client, site: &Web, known: &mut Option<String>, random: &mut Random) {
    let target = format!("{}/{}.yaml", site.url, random.below(3));
    let body = json!({"type": "url", "target": target}).to_string();
    let headers = [("content-type", "application/json")];
    let path = "/api/catalog/locations";
    match known.take() {
        Some(id) if random.chance(50) => {
            let url = format!("{}{path}/{id}", client.url());
            let answer = ureq::put(url).header(headers[0].0, headers[0].1).send(&body);
            assert_eq!(answer.unwrap().status(), 200);
            *known = Some(id);
        }
        Some(id) => {
            let url = format!("{}{path}/{id}", client.url());
            assert_eq!(ureq::delete(url).call().unwrap().status(), 204);
        }
        None => {
            let made = client.try_post(path, &headers, &body).unwrap();
            assert_eq!(made.status, 201, "{made:?}");
            *known = made.body.pointer("/location/id").and_then(Value::as_str).map(str::to_owned);
        }
    }
}

fn server(site: &Web) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("annals.yaml");
    let reading = json!({"reading": {"allow": [site.host()]}});
    std::fs::write(&config, reading.to_string()).unwrap();
    let server =
        program().serve(&folder.path().join("data"), &["--config", config.to_str().unwrap()]);
    (folder, server)
}

#[test]
fn what_is_asked_for_a_moment_is_answered_as_it_was_then() {
    let site = Web::new();
    for at in 0..3 {
        site.put(&format!("/{at}.yaml"), &crate::component("read", "production"));
    }
    let (_folder, server) = server(&site);
    let client = server.client();
    let mut random = Random::new(5);
    let (mut known, mut uid) = (None, String::from("none"));
    let mut moments: Vec<(String, Vec<(u16, Value)>)> = Vec::new();
    let rounds = std::env::var("ANNALS_CASES").ok().and_then(|cases| cases.parse().ok());
    for _ in 0..rounds.unwrap_or(BATCHES) {
        change(&client, &site, &mut known, &mut random);
        if !random.chance(ASKED_PERCENT) {
            continue;
        }
        if let (200, found) = ask(&client, &requests(&uid)[11], None) {
            uid = found["metadata"]["uid"].as_str().unwrap().to_owned();
        }
        // What the reader of URLs does meanwhile is another moment: it is asked until none came.
        let position = || client.get(&format!("{CATALOG}/locations")).position.unwrap();
        loop {
            let before = position();
            let answers = requests(&uid).iter().map(|one| ask(&client, one, None)).collect();
            if position() == before {
                moments.push((format!("{before} {uid}"), answers));
                break;
            }
        }
    }
    assert!(moments.len() > 10);
    for (moment, answers) in &moments {
        let (position, uid) = moment.split_once(' ').unwrap();
        for (request, then) in requests(uid).iter().zip(answers) {
            assert_eq!(&ask(&client, request, Some(position)), then, "{request:?} at {position}");
        }
    }
}

#[test]
fn a_moment_is_a_time_or_a_position() {
    let site = Web::new();
    let (_folder, server) = server(&site);
    let client = server.client();
    for lifecycle in ["one", "two", "three"] {
        let document = crate::component("a", lifecycle);
        assert_eq!(client.post("/api/ingest/x", &document).status, 200);
    }
    let entity = format!("{CATALOG}/entities/by-name/component/default/a");
    let history = client.get("/api/history/entities/component/default/a").body;
    let versions = history["versions"].as_array().unwrap();
    for (version, lifecycle) in versions.iter().zip(["three", "two", "one"]) {
        let text = |key: &str| version[key].as_str().unwrap().to_owned();
        let zoned = text("recordedTime").replace('Z', "%2B00:00");
        for at in [text("position"), text("recordedTime"), zoned] {
            let answer = client.get(&format!("{entity}?at={at}"));
            assert_eq!(answer.body["spec"]["lifecycle"], lifecycle, "{at}: {answer:?}");
        }
    }
    let first = versions.last().unwrap()["position"].as_str().unwrap();
    let (log, offset) = first.rsplit_once('-').unwrap();
    let before = format!("{log}-{}", offset.parse::<u64>().unwrap() - 1);
    assert_eq!(client.get(&format!("{entity}?at={before}")).status, 404);
    for (at, says) in [
        ("2999-01-01T00:00:00Z", "is in the future"),
        (&format!("{log}-99999"), "is in the future"),
        ("0000000000000000-1", "another log"),
        ("1999-01-01T00:00:00Z", "is before the first record of the log"),
        ("yesterday", "neither a time"),
        ("", "neither a time"),
        (&"9".repeat(200), "longer than 100 bytes"),
    ] {
        for path in [&*entity, "/api/catalog/entities", "/api/catalog/locations"] {
            let answer = client.get(&format!("{path}?at={at}"));
            let message = answer.body.pointer("/error/message").unwrap().as_str().unwrap();
            assert_eq!((answer.status, message.contains(says)), (400, true), "{at}: {message}");
        }
    }
    // What changes something, or is not kept, is of now.
    let moment = format!("at={first}");
    let headers = [("content-type", "application/json")];
    let refresh = json!({"entityRef": "component:default/a"}).to_string();
    let path = format!("/api/catalog/refresh?{moment}");
    assert_eq!(client.try_post(&path, &headers, &refresh).unwrap().status, 400);
    assert_eq!(client.get(&format!("/api/connectors?{moment}")).status, 400);
    assert_eq!(client.get(&format!("{entity}?{moment}&{moment}")).status, 400);
}
