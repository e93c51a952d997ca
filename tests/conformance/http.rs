//! What HTTP itself asks of the catalog API: tags, compression, slashes, other sites, limits.

use std::io::Read;

use serde_json::{Value, json};
use support::process::Server;
use ureq::http::{self, HeaderMap};

use crate::program;

const CONFIG: &str = "server: {cors: {origins: ['https://pages.example'], credentials: true}}\n";

pub(crate) struct Site {
    pub(crate) server: Server,
    _folder: tempfile::TempDir,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Site {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("annals.yaml");
        std::fs::write(&config, CONFIG).unwrap();
        let data = folder.path().join("data");
        let server = program().serve(&data, &["--config", config.to_str().unwrap()]);
        let lines: Vec<String> =
            (0..300).map(|n| component(&format!("c{n}")).to_string()).collect();
        let taken = server.client().post("/api/ingest/test", &lines.join("\n"));
        assert_eq!(taken.status, 200, "{taken:?}");
        Self { server, _folder: folder }
    }

    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0);
        let agent: ureq::Agent = config.build().into();
        let mut request =
            http::Request::builder().method(method).uri(format!("{}{path}", self.server.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = match body {
            "" => agent.run(request.body(()).unwrap()),
            body => agent.run(request.body(body.to_owned()).unwrap()),
        };
        let (parts, body) = response.unwrap().into_parts();
        let mut bytes = Vec::new();
        body.into_reader().read_to_end(&mut bytes).unwrap();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body: bytes }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "")
    }
}

pub(crate) fn component(name: &str) -> Value {
    json!({
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": name},
        "spec": {"type": "service", "lifecycle": "x", "owner": "team"},
    })
}

const LIST: &str = "/api/catalog/entities";
const ONE: &str = "/api/catalog/entities/by-name/component/default/c1";
const FACETS: &str = "/api/catalog/entity-facets?facet=kind";

#[test]
fn tags_slashes_heads_and_compression() {
    let site = Site::new();
    let facets = site.get(FACETS);
    let tag = facets.header("etag").unwrap().to_owned();
    assert!(tag.starts_with("W/\""), "{tag}");
    for (headers, status) in [
        (vec![("if-none-match", tag.as_str())], 304),
        (vec![("if-none-match", "\"other\"")], 200),
        (vec![("if-none-match", tag.as_str()), ("cache-control", "no-cache")], 200),
    ] {
        let again = site.ask("GET", FACETS, &headers, "");
        assert_eq!(again.status, status, "{headers:?}");
        assert_eq!(again.body.is_empty(), status == 304);
        assert!(again.header("annals-position").is_some());
    }
    let head = site.ask("HEAD", ONE, &[], "");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-type"), Some("application/json; charset=utf-8"));
    let one = site.get(ONE);
    assert_eq!(site.get(&format!("{ONE}/")).body, one.body);
    assert_eq!(one.header("etag"), None);
    let plain = site.get(LIST);
    let packed = site.ask("GET", LIST, &[("accept-encoding", "gzip")], "");
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.header("vary").unwrap().to_lowercase().contains("accept-encoding"));
    assert!(packed.body.starts_with(&[0x1f, 0x8b]) && packed.body.len() * 4 < plain.body.len());
    assert_eq!(plain.json().as_array().unwrap().len(), 300);
    assert_eq!(site.get("/api/catalog/nothing/").status, 404);
}

#[test]
fn pages_of_named_sites_may_ask() {
    let site = Site::new();
    let from = |origin| [("origin", origin)];
    let named = site.ask("GET", FACETS, &from("https://pages.example"), "");
    assert_eq!(named.header("access-control-allow-origin"), Some("https://pages.example"));
    assert_eq!(named.header("access-control-allow-credentials"), Some("true"));
    let other = site.ask("GET", FACETS, &from("https://other.example"), "");
    assert_eq!(other.header("access-control-allow-origin"), None);
    let ahead = [
        ("origin", "https://pages.example"),
        ("access-control-request-method", "DELETE"),
        ("access-control-request-headers", "authorization"),
    ];
    let allowed = site.ask("OPTIONS", "/api/catalog/entities/by-uid/x", &ahead, "");
    assert_eq!(allowed.status, 200);
    assert!(allowed.header("access-control-allow-methods").unwrap().contains("DELETE"));
    assert_eq!(allowed.header("access-control-allow-headers"), Some("authorization"));
    // Without tokens pages of other sites may not write, but for those that are named.
    let uid = "/api/catalog/entities/by-uid/00000000-0000-0000-0000-000000000000";
    for (origin, status) in [("https://pages.example", 204), ("https://other.example", 403)] {
        assert_eq!(site.ask("DELETE", uid, &from(origin), "").status, status, "{origin}");
    }
}

#[test]
fn every_page_of_a_list_comes_from_the_moment_of_the_first() {
    let site = Site::new();
    let first = site.get(&format!("{LIST}?limit=100&fields=metadata.name"));
    let names = |answer: &Answer| -> Vec<String> {
        let list = answer.json();
        list.as_array().unwrap().iter().map(|one| one["metadata"]["name"].to_string()).collect()
    };
    let mut found = names(&first);
    let removed = site.ask("POST", "/api/ingest/test?mode=changes", &[], {
        "{\"gone\":\"component:default/c5\"}\n{\"gone\":\"component:default/c299\"}"
    });
    assert_eq!(removed.status, 200);
    let mut link = first.header("link").map(str::to_owned);
    while let Some(next) = link {
        let path = next.trim_start_matches('<').split('>').next().unwrap().to_owned();
        let page = site.get(&format!("/api/catalog{path}"));
        found.extend(names(&page));
        link = page.header("link").map(str::to_owned);
    }
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), 300);
    assert_eq!(site.get(LIST).json().as_array().unwrap().len(), 298);
}

#[test]
fn requests_that_are_not_of_their_form_are_told_why() {
    let site = Site::new();
    let typed = [("content-type", "application/json")];
    let query = format!("{LIST}/by-query");
    let deep = (0..60).fold(json!({"a": "b"}), |inner, _| json!({"$not": inner}));
    let wide: serde_json::Map<String, Value> =
        (0..1001).map(|n| (format!("k{n}"), json!(1))).collect();
    for (path, body, says) in [
        (&*query, "{oops".to_owned(), "not valid JSON"),
        (&query, "[]".into(), "request/body must be object"),
        (&query, "3".into(), "neither an object"),
        (&query, json!({"limit": "x"}).to_string(), "request/body/limit must be number"),
        (&query, json!({"limit": 1.5}).to_string(), "request/body/limit must be integer"),
        (&query, json!({"limit": -1}).to_string(), "request/body/limit must be >= 0"),
        (&query, json!({"fields": [1]}).to_string(), "request/body/fields/0 must be string"),
        (&query, json!({"orderBy": [{"field": "a"}]}).to_string(), "property 'order'"),
        (&query, json!({"orderBy": ["a"]}).to_string(), "request/body/orderBy/0 must be object"),
        (&query, json!({"cursor": ""}).to_string(), "Cursor cannot be empty"),
        (&query, json!({"cursor": "e30"}).to_string(), "Malformed cursor"),
        (&query, json!({"query": deep}).to_string(), "20 deep"),
        (&query, json!({"query": wide}).to_string(), "1000 fields"),
        (&query, "x".repeat(200_000), "request entity too large"),
        ("/api/catalog/entity-facets", json!({"facets": "kind"}).to_string(), "must be array"),
        ("/api/catalog/refresh", json!({"entityRef": "x", "y": 1}).to_string(), "additional"),
        ("/api/catalog/locations", json!({"type": "url", "target": ""}).to_string(), "target"),
        (
            "/api/catalog/locations",
            json!({"type": "url", "target": "x".repeat(5000)}).to_string(),
            "longer than 4096",
        ),
        (
            "/api/catalog/locations",
            json!({"type": "url", "target": "javascript:alert(1)"}).to_string(),
            "target",
        ),
    ] {
        let answer = site.ask("POST", path, &typed, &body);
        assert_eq!(answer.status, 400, "{path} {:.100}", body);
        let error = answer.json();
        assert_eq!(error["error"]["name"], "InputError");
        assert_eq!(error["request"]["method"], "POST");
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.contains(says), "{path} {body:.100}: {message}");
        assert!(message.len() < 500, "{message}");
    }
    let untyped = site.ask("POST", &query, &[("content-type", "text/plain")], "{}");
    assert!(
        untyped.json()["error"]["message"].as_str().unwrap().contains("unsupported media type")
    );
    for path in [
        "?limit=x",
        "?limit=-1",
        "?offset=1.5",
        "?after=bm9wZQ==",
        "?order=up:a",
        "?filter==x",
        "?fields=a%5B0%5D",
        "?nope=1",
        "?limit=1&limit=2",
        "?filter=",
        "?filter%5Ba%5D=b",
    ] {
        assert_eq!(site.get(&format!("{LIST}{path}")).status, 400, "{path}");
    }
}

#[test]
fn what_is_removed_and_registered_is_a_record_with_its_author() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("annals.yaml");
    let secret = "a secret of many letters";
    let tokens =
        format!("server: {{tokens: [{{name: ada, secret: '{secret}', may: [read, ingest]}}]}}\n");
    std::fs::write(&config, tokens).unwrap();
    let data = folder.path().join("data");
    let server = program().serve(&data, &["--config", config.to_str().unwrap()]);
    let site = Site { server, _folder: folder };
    let bearer = format!("Bearer {secret}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let taken = site.ask("POST", "/api/ingest/x", &headers, &component("a").to_string());
    assert_eq!(taken.status, 200);
    let one = "/api/catalog/entities/by-name/component/default/a";
    let uid = site.ask("GET", one, &headers, "").json()["metadata"]["uid"].clone();
    let uid = format!("/api/catalog/entities/by-uid/{}", uid.as_str().unwrap());
    assert_eq!(site.ask("DELETE", &uid, &[], "").status, 401);
    let removed = site.ask("DELETE", &uid, &headers, "");
    assert_eq!(removed.status, 204);
    let position = removed.header("annals-position").unwrap();
    let at = [headers[0], ("annals-min-position", position)];
    assert_eq!(site.ask("GET", one, &at, "").status, 404);
    let history = "/api/history/entities/component/default/a";
    let last = site.ask("GET", history, &headers, "").json()["versions"][0].clone();
    assert_eq!(last["change"], "withdrawn");
    assert_eq!(last["cause"]["authid"], "ada");
    assert_eq!(last["cause"]["type"], "dev.annals.entity.removed.v1");
    let body = json!({"type": "url", "target": "https://example.org/x.yaml"}).to_string();
    let made = site.ask("POST", "/api/catalog/locations", &headers, &body);
    assert_eq!(made.status, 201);
    let records = site.ask("GET", "/api/log/records", &headers, "");
    let records = String::from_utf8(records.body).unwrap();
    let of = |kind: &str| {
        let line = records.lines().find(|line| line.contains(kind)).unwrap();
        serde_json::from_str::<Value>(line).unwrap()
    };
    assert_eq!(of("location.registered")["authid"], "ada");
    assert_eq!(of("entity.removed")["authid"], "ada");
    assert!(!records.contains(secret));
}
