//! Large answers: what they cost the server, and what slow readers do.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::process::{Server, skip};

use crate::program;

/// How many entities there are. The long suite has more; what the server may take stays the same.
fn entities() -> usize {
    std::env::var("ANNALS_ENTITIES").map_or(12_000, |text| text.parse().unwrap())
}

/// What sending a list may add to the server's memory, in bytes.
const GROWTH_MAX: u64 = 24 << 20;

/// How long something is waited for that has to come.
const PATIENCE: Duration = Duration::from_secs(60);

fn component(number: usize, about: &str) -> Value {
    json!({
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {
            "name": format!("c{number:06}"),
            "description": format!("{about} {number} {}", "of no particular interest ".repeat(80)),
        },
        "spec": {"type": "service", "lifecycle": "x", "owner": format!("team-{}", number % 7)},
    })
}

fn lines(documents: impl Iterator<Item = Value>) -> String {
    documents.fold(String::new(), |mut lines, document| {
        writeln!(lines, "{document}").unwrap();
        lines
    })
}

/// A server with a catalog, which keeps little of it in memory.
fn server(folder: &std::path::Path) -> Server {
    let config = folder.join("annals.yaml");
    std::fs::write(&config, "memory_max: 128MiB\n").unwrap();
    let server = program().serve(&folder.join("data"), &["--config", config.to_str().unwrap()]);
    let count = entities();
    for from in (0..count).step_by(10_000) {
        let some = lines((from..count.min(from + 10_000)).map(|n| component(n, "the first")));
        let taken = server.client().post("/api/ingest/large?mode=changes", &some);
        assert_eq!(taken.status, 200, "{taken:?}");
    }
    server
}

/// Asks, and reads nothing yet.
fn ask(server: &Server, path: &str, headers: &str) -> TcpStream {
    let address = server.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // HTTP/1.0: the body ends with the connection, and has no other frame.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n").unwrap();
    stream
}

/// The body of an answer, a part at a time.
fn body(mut stream: TcpStream, mut each: impl FnMut(&[u8])) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.0 200"), "{}", String::from_utf8_lossy(&head));
    let mut buffer = vec![0; 1 << 16];
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => return,
            length => each(&buffer[..length]),
        }
    }
}

fn whole(stream: TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    body(stream, |part| all.extend_from_slice(part));
    all
}

fn snapshots(server: &Server) -> u64 {
    let metrics = server.client().get("/metrics").body;
    let metrics = metrics.as_str().unwrap();
    let line = metrics.lines().find_map(|line| line.strip_prefix("annals_views_snapshots "));
    line.unwrap().parse().unwrap()
}

/// Waits until no moment but the present is held.
fn until_nothing_is_held(server: &Server) {
    let began = Instant::now();
    while snapshots(server) > 1 {
        assert!(began.elapsed() < PATIENCE, "snapshots are held");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

#[test]
fn slow_readers_hold_no_snapshot_and_get_the_moment_that_they_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    let paths = [
        "/api/catalog/entities",
        "/api/catalog/entities?order=desc:metadata.name",
        "/api/catalog/entities?order=asc:spec.owner&filter=kind=component,spec.owner=team-3,spec.owner=team-4,spec.owner=team-5",
        "/api/catalog/entities?filter=relations.ownedby=group:default/team-1&filter=metadata.name&fields=metadata,relations",
        "/api/catalog/entities?limit=11000&order=asc:spec.owner",
        "/api/catalog/entities/by-query?limit=11000&orderField=metadata.name",
    ];
    let before: Vec<Vec<u8>> = paths.iter().map(|path| whole(ask(&server, path, ""))).collect();
    let waiting: Vec<TcpStream> = paths.iter().map(|path| ask(&server, path, "")).collect();
    // Each has begun: its position is in its head, which is there before anything changes.
    for stream in &waiting {
        assert!(stream.peek(&mut [0; 16]).unwrap() > 0);
    }
    // Names between those there, values that no path had, targets that nobody knew.
    let changes = (0..entities()).step_by(3).map(|number| match number % 4 {
        0 => json!({"gone": format!("component:default/c{number:06}")}),
        1 => component(number, "another"),
        2 => {
            let mut added = component(number, "an added");
            added["metadata"]["name"] = json!(format!("c{number:06}-b"));
            added["metadata"]["labels"] = json!({format!("new-{}", number % 5): "x"});
            added["spec"]["owner"] = json!(format!("new-team-{number}"));
            added
        }
        _ => {
            let mut moved = component(number, "the first");
            moved["spec"]["owner"] = json!("team-1");
            moved
        }
    });
    let changed = server.client().post("/api/ingest/large?mode=changes", &lines(changes));
    assert_eq!(changed.status, 200, "{changed:?}");
    until_nothing_is_held(&server);
    for ((path, stream), before) in paths.iter().zip(waiting).zip(&before) {
        let found = whole(stream);
        assert!(before.len() > 1 << 20, "{path}: {} bytes", before.len());
        // Cursors name the same position, so even those agree.
        assert!(found == *before, "{path}: {} and {} bytes", found.len(), before.len());
        assert_ne!(whole(ask(&server, path, "")), *before, "{path}: nothing changed");
    }
    until_nothing_is_held(&server);
}

/// A figure of the process, in bytes.
fn memory(server: &Server, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// How much the server's memory grew at the most while something was done.
fn growth(server: &Server, work: impl FnOnce()) -> u64 {
    let before = memory(server, "VmRSS");
    // From here on the peak is that of now.
    std::fs::write(format!("/proc/{}/clear_refs", server.id()), "5").unwrap();
    work();
    memory(server, "VmHWM").saturating_sub(before)
}

#[test]
fn a_list_of_whatever_length_is_sent_in_little_memory() {
    if !cfg!(target_os = "linux") {
        return skip("memory of large answers", "it is read from /proc");
    }
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    let path = "/api/catalog/entities";
    let mut length = 0;
    // The caches are full after the first time.
    body(ask(&server, path, ""), |part| length += part.len());
    assert!(length > entities() * 2000, "{length}");
    let fast = growth(&server, || body(ask(&server, path, ""), |_| {}));
    let packed = growth(&server, || {
        body(ask(&server, path, "Accept-Encoding: gzip\r\n"), |_| {});
    });
    // Changes take memory of their own, for the log, the views and search.
    let change = |about: &str| {
        let changed = lines((0..500).map(|number| component(number, about)));
        let path = "/api/ingest/large?mode=changes&searchable=true";
        assert_eq!(server.client().post(path, &changed).status, 200);
    };
    change("a second");
    let changes = growth(&server, || change("a third"));
    let waiting = growth(&server, || {
        let stalled: Vec<TcpStream> = (0..8).map(|_| ask(&server, path, "")).collect();
        change("another");
        until_nothing_is_held(&server);
        drop(stalled);
    });
    let waiting = waiting.saturating_sub(changes);
    let heads = growth(&server, || {
        let address = server.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "HEAD {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        let mut head = String::new();
        stream.read_to_string(&mut head).unwrap();
        assert!(head.starts_with("HTTP/1.0 200") && head.ends_with("\r\n\r\n"), "{head}");
    });
    let figures = [("fast", fast), ("packed", packed), ("waiting", waiting), ("head", heads)];
    let mut out = std::io::stdout();
    for (what, bytes) in figures {
        writeln!(out, "{what}: {} KB more for an answer of {} KB", bytes >> 10, length >> 10)
            .unwrap();
        assert!(bytes < GROWTH_MAX, "{what}: {bytes} bytes more");
    }
}
