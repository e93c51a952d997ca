//! The API of a running server, asked as its users do, and as an enemy would.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use support::process::{Client, Server};

use crate::{component, components, program};

fn server() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let server = program().serve(&folder.path().join("data"), &[]);
    (folder, server)
}

fn names(body: &Value) -> Vec<&str> {
    let items = body["items"].as_array().unwrap();
    items.iter().map(|item| item.pointer("/metadata/name").unwrap().as_str().unwrap()).collect()
}

/// Sends bytes as they are, and gives the answer's first line.
fn raw(server: &Server, request: &[u8]) -> String {
    let address = server.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn documents_are_handed_in_and_asked_for() {
    let (_folder, server) = server();
    let client = server.client();
    let report = client.post("/api/ingest/demo", &components(&["c", "a", "b"]));
    assert_eq!(report.status, 200, "{report:?}");
    assert_eq!(report.body["changed"], 3);
    assert_eq!(report.body["position"].as_str(), report.position.as_deref());
    let path = "/api/catalog/entities/by-query";
    let page = client.get(&format!(
        "{path}?filter=kind=component,spec.lifecycle=production&orderField=metadata.name,desc&limit=2"
    ));
    assert_eq!(names(&page.body), ["c", "b"], "{page:?}");
    assert_eq!(page.body["totalItems"], 3);
    let cursor = page.body["pageInfo"]["nextCursor"].as_str().unwrap().to_owned();

    // What changes meanwhile does not move the pages.
    let report = client.post("/api/ingest/demo", &components(&["a", "aa", "b", "bb", "c"]));
    assert_eq!(report.body["changed"], 2, "{report:?}");
    let next = client.get(&format!("{path}?cursor={cursor}"));
    assert_eq!(names(&next.body), ["a"], "{next:?}");
    assert!(next.body["pageInfo"].get("nextCursor").is_none());
    let all = client.get(&format!("{path}?limit=0"));
    assert_eq!(all.body["totalItems"], 5);
    assert_eq!(all.position, report.position);

    // A snapshot that leaves some out withdraws them; the guard holds many back.
    let fewer = client.post("/api/ingest/demo", &components(&["a", "aa", "b", "bb"]));
    assert_eq!(fewer.body["gone"], 1, "{fewer:?}");
    assert_eq!(client.get("/api/catalog/entities/by-name/component/default/c").status, 404);
    let history = client.get("/api/history/entities/component/default/c");
    assert_eq!(history.body["versions"].as_array().unwrap().len(), 2, "{history:?}");
    let facets = client.get("/api/catalog/entity-facets?facet=spec.lifecycle");
    assert_eq!(
        facets.body["facets"]["spec.lifecycle"],
        json!([{"value": "production", "count": 4}])
    );
}

#[test]
fn positions_are_waited_for() {
    let (_folder, server) = server();
    let client = server.client();
    let position = client.post("/api/ingest/demo", &components(&["a"])).position.unwrap();
    let path = "/api/catalog/entities/by-name/component/default/a";
    let min = |position: &str| client.try_get(path, &[("Annals-Min-Position", position)]).unwrap();
    assert_eq!(min(&position).status, 200);
    let (log, offset) = position.split_once('-').unwrap();
    let later = format!("{log}-{}", offset.parse::<u64>().unwrap() + 1);
    std::thread::scope(|threads| {
        let waits = threads.spawn(|| min(&later));
        client.post("/api/ingest/demo", &components(&["a", "b"]));
        let answer = waits.join().unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.position.unwrap() >= later);
    });
    let other = format!("0000000000000000-{offset}");
    for (position, says) in [(&*other, "another log"), ("x", "Annals-Min-Position")] {
        let answer = min(position);
        assert_eq!(answer.status, 400, "{answer:?}");
        let message = answer.body.pointer("/error/message").unwrap().as_str().unwrap();
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn what_is_refused_is_listed_and_nothing_else_is_lost() {
    let (_folder, server) = server();
    let client = server.client();
    let body = [
        &component("good", "production"),
        "{\"kind\": \"Component\"}",
        "no json",
        "",
        "[1, 2]",
        &json!({"entity": {"kind": "Bad"}, "pointer": "a.yaml#3"}).to_string(),
        &json!({"broken": "it is not YAML", "item": "b.yaml"}).to_string(),
        &component("good", "twice"),
    ]
    .join("\n");
    let report = client.post("/api/ingest/demo", &body);
    assert_eq!(report.status, 200, "{report:?}");
    assert_eq!(report.body["refused"], 6, "{report:?}");
    let listed = client.get("/api/connectors/refusals?scope=ingest/demo");
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 6, "{listed:?}");
    assert_eq!(client.get("/api/catalog/entities/by-name/component/default/good").status, 200);

    // Handed in whole, nothing stands refused any more.
    let report = client.post("/api/ingest/demo", &component("good", "production"));
    assert_eq!(report.body["refused"], 0, "{report:?}");
    let listed = client.get("/api/connectors/refusals?scope=ingest/demo");
    assert_eq!(listed.body["items"], json!([]));
}

#[test]
fn tokens_say_who_may_do_what() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("annals.yaml");
    let tokens = "server:\n  tokens:\n\
        \x20 - {name: reader, secret: reader-reader-reader, may: [read]}\n\
        \x20 - {name: writer, secret: writer-writer-writer, may: [read, ingest]}\n";
    std::fs::write(&config, tokens).unwrap();
    let data = folder.path().join("data");
    let server = program().serve(&data, &["--config", config.to_str().unwrap()]);
    let client = server.client();
    let query = "/api/catalog/entities/by-query";
    let bearer = |secret: &str| format!("Bearer {secret}");
    let get =
        |secret: &str| client.try_get(query, &[("Authorization", &bearer(secret))]).unwrap().status;
    let post = |path: &str, secret: &str| {
        let headers = [("Authorization", &*bearer(secret))];
        client.try_post(path, &headers, &components(&["a"])).unwrap().status
    };
    assert_eq!(client.get(query).status, 401);
    assert_eq!(get("wrong-wrong-wrong-wrong"), 401);
    assert_eq!(get("reader-reader-reader"), 200);
    assert_eq!(post("/api/ingest/demo", "reader-reader-reader"), 403);
    assert_eq!(post("/api/ingest/demo", "writer-writer-writer"), 200);
    assert_eq!(post("/api/connectors/approve", "writer-writer-writer"), 403);
    assert_eq!(client.get("/metrics").status, 401);
    assert_eq!(client.get("/healthz").status, 200);
    assert_eq!(client.get("/readyz").status, 200);
    // The writer's name stands in the history.
    let path = "/api/history/entities/component/default/a";
    let headers = [("Authorization", &*bearer("reader-reader-reader"))];
    let history = client.try_get(path, &headers).unwrap();
    assert!(history.body.to_string().contains("writer"), "{history:?}");
    let (_, said) = server.stop();
    assert!(!said.contains("writer-writer"), "{said}");
}

#[test]
fn pages_of_other_sites_may_not_write() {
    let (_folder, server) = server();
    let client = server.client();
    for headers in [
        [("Origin", "https://evil.example"), ("Content-Type", "text/plain")],
        [("Host", "evil.example"), ("Content-Type", "text/plain")],
    ] {
        let answer = client.try_post("/api/ingest/demo", &headers, &components(&["a"])).unwrap();
        assert_eq!(answer.status, 403, "{headers:?}: {answer:?}");
    }
    assert_eq!(client.get("/api/catalog/entities/by-query?limit=0").body["totalItems"], 0);
}

/// Paths and queries that are wrong in some way.
const WRONG: &[&str] = &[
    "/api/catalog/entities/by-query?filter=",
    "/api/catalog/entities/by-query?limit=x",
    "/api/catalog/entities/by-query?limit=-1",
    "/api/catalog/entities/by-query?limit=99999999999999999999",
    "/api/catalog/entities/by-query?cursor=x",
    "/api/catalog/entities/by-query?cursor=e30",
    "/api/catalog/entities/by-query?orderField=",
    "/api/catalog/entities/by-query?orderField=a,b,c",
    "/api/catalog/entities/by-query?filter=%ff%fe",
    "/api/catalog/entities/by-query?nonsense=%00",
    "/api/catalog/entity-facets",
    "/api/catalog/entity-facets?facet=",
    "/api/catalog/entities/by-name/a/b/%ff",
    "/api/catalog/entities/by-name/%00/%00/%00",
    "/api/history/entities/a/b/c?cursor=%",
    "/api/history/entities/a/b/c?limit=0",
    "/api/log/records?from=x",
    "/api/connectors/refusals?scope=%20",
    "/api/nowhere",
    "/../../etc/passwd",
];

#[test]
fn an_enemy_gets_errors_and_the_server_lives() {
    let (_folder, server) = server();
    let client = server.client();
    client.post("/api/ingest/demo", &components(&["a"]));
    for path in WRONG {
        let first = raw(
            &server,
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                .as_bytes(),
        );
        let status: u16 = first.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(status < 500, "{path}: {first}");
    }
    let long = format!(
        "GET /api/catalog/entities/by-query?filter={} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "a=b,".repeat(5_000)
    );
    let many = format!(
        "GET /api/catalog/entities/by-query?{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "filter=a&".repeat(5_000)
    );
    for request in [
        &*long,
        &*many,
        "GET / HTTP/9.9\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        "POST /api/ingest/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        "POST /api/ingest/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n",
    ] {
        let first = raw(&server, request.as_bytes());
        assert!(!first.contains(" 500 "), "{first}");
    }
    // A body that breaks off withdraws nothing.
    let cut =
        "POST /api/ingest/demo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{}\n";
    let address = server.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(cut.as_bytes()).unwrap();
    drop(stream);
    // Deep and long documents.
    let deep = "[".repeat(100_000);
    let nested = format!("{{\"a\":{}", "{\"a\":".repeat(100_000));
    let long = format!("\"{}\"", "x".repeat(5 << 20));
    for body in [&*deep, &*nested, &*long, "\u{feff}{}", "{\"kind\": 1e999}"] {
        let answer = client.try_post("/api/ingest/enemy", &[], body);
        if let Ok(answer) = answer {
            assert!(answer.status < 500, "{answer:?}");
        }
    }
    for scope in ["a%2fb%00", "%20", &"x".repeat(5_000), "..", "a//b"] {
        // A connection of its own: one whose body was not read to its end is closed.
        let answer = server.client().post(&format!("/api/ingest/{scope}"), &components(&["b"]));
        assert!(answer.status < 500, "{scope}: {answer:?}");
    }
    assert_eq!(client.get("/api/catalog/entities/by-name/component/default/a").status, 200);
    let (code, said) = server.stop();
    assert_eq!(code, Some(0));
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn metrics_health_and_a_stop_that_waits() {
    let (_folder, server) = server();
    let client = server.client();
    client.post("/api/ingest/demo", &components(&["a", "b"]));
    let welcome = client.get("/");
    assert!(welcome.body.as_str().unwrap().contains("/api/catalog"), "{welcome:?}");
    // A statement about the log may just be on its way.
    let ready = loop {
        let ready = client.get("/readyz");
        assert_eq!(ready.status, 200, "{ready:?}");
        if ready.body["lag"] != json!(1) {
            break ready;
        }
    };
    assert_eq!(ready.body["lag"], json!(0), "{ready:?}");
    let metrics = client.get("/metrics");
    let text = metrics.body.as_str().unwrap();
    for name in [
        "annals_fold_records_total",
        "annals_fold_seconds",
        "annals_commit_seconds",
        "annals_log_records",
        "annals_views_rocksdb_cache_bytes",
        "annals_http_request_seconds",
        "annals_ready 1",
    ] {
        assert!(text.contains(name), "{name} is not in:\n{text}");
    }
    // Half a request is on its way when the server is told to stop: it is answered.
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let mut stream = TcpStream::connect(address).unwrap();
    let body = components(&["a", "b", "c"]);
    let head = format!(
        "POST /api/ingest/demo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body.as_bytes()[..10]).unwrap();
    let client = Client::new(&server.url);
    assert_eq!(client.get("/healthz").status, 200);
    std::thread::scope(|threads| {
        let stopping = threads.spawn(move || server.stop());
        std::thread::park_timeout(Duration::from_millis(300));
        stream.write_all(&body.as_bytes()[10..]).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(stopping.join().unwrap().0, Some(0));
    });
}
