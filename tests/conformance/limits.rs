//! Limits: what is just within one is answered, and what is just beyond is told the limit.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Map, Value, json};

use crate::http::{Answer, Site, component};

const LIST: &str = "/api/catalog/entities";
const QUERY: &str = "/api/catalog/entities/by-query";

/// What is sent.
enum Ask {
    Get(String),
    Post(&'static str, Value),
    /// A body as it is, of a type.
    Raw(&'static str, &'static str, String),
}

impl Ask {
    fn send(&self, site: &Site) -> Answer {
        let json = [("content-type", "application/json")];
        match self {
            Self::Get(path) => site.get(path),
            Self::Post(path, body) => site.ask("POST", path, &json, &body.to_string()),
            Self::Raw(path, kind, body) => site.ask("POST", path, &[("content-type", kind)], body),
        }
    }
}

/// A limit: its name, what makes a request of a size, the largest size, how one beyond is answered,
/// and what it is told.
struct Limit {
    name: &'static str,
    ask: fn(usize) -> Ask,
    max: usize,
    beyond: u16,
    says: &'static str,
}

fn many(count: usize, each: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut all, number| {
        let _ = write!(all, "{}", each(number));
        all
    })
}

/// A text, made so long.
fn padded(text: &str, with: &str, bytes: usize) -> String {
    format!("{text}{}", with.repeat(bytes - text.len()))
}

fn deep(depth: usize) -> Value {
    (0..depth).fold(json!({"kind": "x"}), |inner, _| json!({"$not": inner}))
}

fn wide(count: usize) -> Value {
    (0..count).map(|number| (format!("k{number}"), json!(1))).collect::<Map<_, _>>().into()
}

fn locations(count: usize) -> Value {
    json!({"$any": (0..count).map(|_| json!({"id": "x"})).collect::<Vec<_>>()})
}

/// A predicate of so many bytes as JSON.
fn long(bytes: usize) -> Value {
    let empty = json!({"a": ""}).to_string().len();
    json!({"a": "x".repeat(bytes - empty)})
}

/// What a list takes in its cursors besides its filter.
const AROUND: usize = "[,null,null]".len();

const CATALOG_LIMITS: &[Limit] = &[
    Limit {
        name: "bytes of a body",
        ask: |bytes| {
            let body = json!({"totalItems": "include"}).to_string();
            Ask::Raw(QUERY, "application/json", padded(&body, " ", bytes))
        },
        max: 100 * 1024,
        beyond: 400,
        says: "102400",
    },
    Limit {
        name: "bytes of a query string",
        ask: |bytes| Ask::Get(format!("{LIST}?{}", padded("fields=kind&filter=a", ",", bytes))),
        max: 60 * 1024,
        beyond: 400,
        says: "61440",
    },
    Limit {
        name: "depth of a body",
        ask: |depth| {
            let list = format!("{}{}", "[".repeat(depth - 1), "]".repeat(depth - 1));
            Ask::Raw(QUERY, "application/json", format!("{{\"unknown\":{list}}}"))
        },
        max: 127,
        beyond: 400,
        says: "127 deep",
    },
    Limit {
        name: "fields of filters",
        ask: |count| Ask::Get(format!("{LIST}?{}", many(count, |n| format!("filter=k{n}&")))),
        max: 1000,
        beyond: 400,
        says: "1000 fields",
    },
    Limit {
        name: "fields of one filter",
        ask: |count| Ask::Get(format!("{LIST}?filter={}", many(count, |n| format!("k{n},")))),
        max: 1000,
        beyond: 400,
        says: "1000 fields",
    },
    Limit {
        name: "fields of a predicate",
        ask: |count| Ask::Post(QUERY, json!({"query": wide(count)})),
        max: 1000,
        beyond: 400,
        says: "1000 fields",
    },
    Limit {
        name: "depth of a predicate",
        ask: |depth| Ask::Post(QUERY, json!({"query": deep(depth)})),
        max: 20,
        beyond: 400,
        says: "20 deep",
    },
    Limit {
        name: "bytes of a filter that is paged through in URLs",
        ask: |bytes| {
            let filter = "x".repeat(bytes - AROUND - json!({"a": ""}).to_string().len());
            Ask::Get(format!("{QUERY}?filter=a={filter}"))
        },
        max: 48 * 1024 / 4 * 3 - 4096,
        beyond: 400,
        says: "32768 bytes",
    },
    Limit {
        name: "bytes of a predicate that is paged through in bodies",
        ask: |bytes| Ask::Post(QUERY, json!({"query": long(bytes - AROUND)})),
        max: 92 * 1024 / 4 * 3 - 4096,
        beyond: 400,
        says: "66560 bytes",
    },
    Limit {
        name: "orders",
        ask: |count| Ask::Get(format!("{LIST}?{}", many(count, |n| format!("order=asc:k{n}&")))),
        max: 10,
        beyond: 400,
        says: "10 orders",
    },
    Limit {
        name: "facets",
        ask: |count| {
            Ask::Get(format!(
                "/api/catalog/entity-facets?{}",
                many(count, |n| format!("facet=k{n}&"))
            ))
        },
        max: 100,
        beyond: 400,
        says: "100 facets",
    },
    Limit {
        name: "facets of a body",
        ask: |count| {
            let facets: Vec<String> = (0..count).map(|n| format!("k{n}")).collect();
            Ask::Post("/api/catalog/entity-facets", json!({"facets": facets}))
        },
        max: 100,
        beyond: 400,
        says: "100 facets",
    },
    Limit {
        name: "fields of entities",
        ask: |count| {
            Ask::Get(format!("{LIST}?fields=kind,{}", many(count - 1, |n| format!("k{n},"))))
        },
        max: 200,
        beyond: 400,
        says: "200 fields",
    },
    Limit {
        name: "letters of a term",
        ask: |count| Ask::Get(format!("{QUERY}?fullTextFilterTerm={}", "x".repeat(count))),
        max: 400,
        beyond: 400,
        says: "400 letters",
    },
    Limit {
        name: "fields of a term",
        ask: |count| {
            let fields = many(count, |n| format!("fullTextFilterFields=k{n}&"));
            Ask::Get(format!("{QUERY}?fullTextFilterTerm=x&{fields}"))
        },
        max: 20,
        beyond: 400,
        says: "20 fields",
    },
];

const OTHER_LIMITS: &[Limit] = &[
    Limit {
        name: "bytes of a location's target",
        ask: |bytes| {
            let target = padded("https://a.example/", "x", bytes);
            Ask::Post("/api/catalog/locations", json!({"type": "url", "target": target}))
        },
        max: 4096,
        beyond: 400,
        says: "4096 bytes",
    },
    Limit {
        name: "fields of a predicate over locations",
        ask: |count| {
            Ask::Post("/api/catalog/locations/by-query", json!({"query": locations(count)}))
        },
        max: 1000,
        beyond: 400,
        says: "1000 fields",
    },
    Limit {
        name: "depth of a predicate over locations",
        ask: |depth| {
            let deep = (0..depth).fold(json!({"id": "x"}), |inner, _| json!({"$not": inner}));
            Ask::Post("/api/catalog/locations/by-query", json!({"query": deep}))
        },
        max: 20,
        beyond: 400,
        says: "20 deep",
    },
    Limit {
        name: "bytes of a predicate over locations",
        ask: |bytes| {
            let empty = json!({"id": ""}).to_string().len();
            let query = json!({"id": "x".repeat(bytes - empty)});
            Ask::Post("/api/catalog/locations/by-query", json!({"query": query}))
        },
        max: 92 * 1024 / 4 * 3 - 4096,
        beyond: 400,
        says: "66560 bytes",
    },
    Limit {
        name: "versions of a page",
        ask: |count| Ask::Get(format!("/api/history/entities/component/default/c1?limit={count}")),
        max: 1000,
        beyond: 400,
        says: "1000",
    },
    Limit {
        name: "bytes of a scope's name",
        ask: |count| Ask::Get(format!("/api/connectors/refusals?scope={}", "x".repeat(count))),
        max: 1024,
        beyond: 400,
        says: "1,024 bytes",
    },
    Limit {
        name: "bytes of a line",
        ask: |bytes| {
            let mut document = component("long");
            let empty = document.to_string().len() + ",\"x\":\"\"".len();
            document["spec"]["x"] = json!("x".repeat(bytes - empty));
            Ask::Raw(
                "/api/ingest/long?mode=changes",
                "application/x-ndjson",
                format!("{document}\n"),
            )
        },
        max: 4 * 1024 * 1024 + 4096,
        beyond: 413,
        says: "4198400 bytes",
    },
];

#[test]
fn each_limit_is_told_to_whoever_goes_beyond_it() {
    let site = Site::new();
    for limit in CATALOG_LIMITS.iter().chain(OTHER_LIMITS) {
        let Limit { name, ask, max, beyond, says } = limit;
        let within = ask(*max).send(&site);
        // A scope that nobody knows, or a location that is new.
        assert!(matches!(within.status, 200 | 201 | 404), "{name}: {} at {max}", within.status);
        let over = ask(max + 1).send(&site);
        assert_eq!(over.status, *beyond, "{name}: at {}", max + 1);
        let error = over.json()["error"]["message"].clone();
        let message = error.as_str().unwrap();
        assert!(message.contains(says) && message.len() < 500, "{name}: {message}");
    }
}

#[test]
fn cursors_of_the_largest_lists_are_read_again() {
    let site = Site::new();
    let names = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|item| item["metadata"]["name"].to_string()).collect()
    };
    // Filters that let everything pass, as long as they may be.
    let bytes = 48 * 1024 / 4 * 3 - 4096 - "[,\"metadata.name\",null]".len();
    let empty = json!({"$any": [{"kind": "component"}, {"a": ""}]}).to_string().len();
    let filter = format!("filter=kind=component&filter=a={}", "x".repeat(bytes - empty));
    let first = site.get(&format!("{QUERY}?{filter}&orderField=metadata.name&limit=120"));
    assert_eq!(first.status, 200);
    let mut page = first.json();
    let mut found = names(&page);
    while let Some(cursor) = page["pageInfo"]["nextCursor"].as_str() {
        assert!(cursor.len() <= 48 * 1024, "{}", cursor.len());
        let fields = many(100, |n| format!("metadata.annotations.example.org/a-{n},"));
        let next = format!("{QUERY}?cursor={cursor}&limit=120&fields=metadata.name,{fields}");
        let next = site.get(&next);
        assert_eq!(next.status, 200, "{}", String::from_utf8_lossy(&next.body));
        page = next.json();
        found.extend(names(&page));
    }
    assert_eq!(found.len(), 300);
    let typed = [("content-type", "application/json")];
    let bytes = 92 * 1024 / 4 * 3 - 4096 - AROUND;
    let empty = json!({"$not": {"a": ""}}).to_string().len();
    let query = json!({"$not": {"a": "x".repeat(bytes - empty)}});
    let body = json!({"query": query, "limit": 120, "fields": ["metadata.name"]});
    let mut page = site.ask("POST", QUERY, &typed, &body.to_string()).json();
    let mut found = names(&page);
    while let Some(cursor) = page["pageInfo"]["nextCursor"].as_str() {
        let body = json!({"cursor": cursor, "limit": 120, "fields": ["metadata.name"]});
        page = site.ask("POST", QUERY, &typed, &body.to_string()).json();
        found.extend(names(&page));
    }
    assert_eq!(found.len(), 300);
    let cursor = "x".repeat(92 * 1024 + 1);
    let body = json!({"cursor": cursor}).to_string();
    let long = site.ask("POST", QUERY, &typed, &body);
    assert_eq!(long.status, 400);
    assert!(String::from_utf8_lossy(&long.body).contains("94208 bytes"));
}

#[test]
fn what_is_too_long_for_http_is_told_so_in_its_words() {
    let site = Site::new();
    let address = site.server.url.strip_prefix("http://").unwrap();
    let url = |bytes| padded("/healthz?", "x", bytes);
    let headers = |count| many(count, |n| format!("X-{n}: x\r\n"));
    for (path, headers, status) in [
        (url(65_534), String::new(), 200),
        (url(65_535), String::new(), 414),
        (url(10), headers(90), 200),
        (url(10), headers(110), 431),
        (url(10), format!("X: {}\r\n", "x".repeat(1 << 20)), 431),
    ] {
        let mut stream = TcpStream::connect(address).unwrap();
        let head = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n");
        // What is not read to its end may be refused before it is sent.
        let _ = stream.write_all(head.as_bytes());
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        let answer = std::str::from_utf8(&answer).unwrap();
        assert!(answer.ends_with(&status.to_string()), "{} bytes: {answer}", head.len());
    }
}
