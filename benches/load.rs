//! What a node does for many at once: answers a second, and how soon an update is seen.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use serde_json::json;

use crate::node::Node;
use crate::reads::{Latency, Requests};
use crate::stage::{Stage, Watch};

/// Connections that ask at the same time, and for how long.
pub(crate) const CONNECTIONS: usize = 8;
const ASKING: Duration = Duration::from_secs(5);

/// Connections that hand in updates, how many updates a second together, and for how long.
const WRITERS: u32 = 16;
const UPDATES_A_SECOND: u32 = 1000;
const UPDATING: Duration = Duration::from_secs(10);

/// One update of so many is looked for by a filter, too.
const FILTERED: u32 = 4;

/// A connection that says no more than it must, so that the client takes little of the machine.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    host: String,
    line: String,
    body: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(node: &Node) -> Result<Self> {
        let stream = TcpStream::connect(node.address())?;
        stream.set_nodelay(true)?;
        let (host, line) = (node.address().to_owned(), String::new());
        Ok(Self { stream: BufReader::new(stream), host, line, body: Vec::new() })
    }

    /// Asks for a path, or sends a text there; gives the answer's body.
    pub(crate) fn ask(&mut self, path: &str, text: Option<&str>) -> Result<&[u8]> {
        match text {
            None => self.send(&format!("GET {path}"), "", ""),
            Some(text) => self.send(&format!("POST {path}"), "", text),
        }
    }

    /// Sends a text with headers, each with the end of its line; gives the answer's body.
    pub(crate) fn send(&mut self, what: &str, headers: &str, text: &str) -> Result<&[u8]> {
        let (host, length) = (&self.host, text.len());
        let request = format!(
            "{what} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: {length}\r\n\r\n{text}"
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut length = None;
        let mut is_first = true;
        loop {
            self.line.clear();
            self.stream.read_line(&mut self.line)?;
            let line = self.line.trim_end();
            if std::mem::take(&mut is_first) && !line.contains(" 200 ") {
                return Err(anyhow!("{what}: {line}"));
            }
            if line.is_empty() {
                break;
            }
            let header = line.split_once(':');
            if let Some((name, value)) = header
                && name.eq_ignore_ascii_case("content-length")
            {
                length = Some(value.trim().parse()?);
            }
        }
        self.body.resize(length.context("an answer without a length")?, 0);
        self.stream.read_exact(&mut self.body)?;
        Ok(&self.body)
    }
}

/// Entities by name, from several connections at once.
pub(crate) fn by_name(node: &Node, requests: &Requests) -> Result<Stage> {
    let asked = AtomicU64::new(0);
    let watch = Watch::begin(node.id())?;
    std::thread::scope(|threads| {
        let asking: Vec<_> = (0..CONNECTIONS)
            .map(|at| {
                let (asked, paths) = (&asked, requests.by_name(at as u64, 10_000));
                threads.spawn(move || {
                    let mut connection = Connection::open(node)?;
                    let end = Instant::now() + ASKING;
                    let mut count = 0;
                    for path in paths.iter().cycle() {
                        connection.ask(path, None)?;
                        count += 1;
                        if count % 64 == 0 && Instant::now() > end {
                            break;
                        }
                    }
                    asked.fetch_add(count, Ordering::Relaxed);
                    Ok::<_, anyhow::Error>(())
                })
            })
            .collect();
        for asking in asking {
            asking.join().map_err(|_| anyhow!("asking broke off"))??;
        }
        Ok::<_, anyhow::Error>(())
    })?;
    watch.end("entities by name, 8 connections", asked.load(Ordering::Relaxed))
}

/// How long it takes from handing an update in until it is answered, by name and by a filter.
pub(crate) fn updates(node: &Node) -> Result<[Latency; 2]> {
    let (mut named, mut filtered) = (Vec::new(), Vec::new());
    std::thread::scope(|threads| {
        let writers: Vec<_> =
            (0..WRITERS).map(|writer| threads.spawn(move || write(node, writer))).collect();
        for writer in writers {
            let (by_name, by_filter) =
                writer.join().map_err(|_| anyhow!("writing broke off"))??;
            named.extend(by_name);
            filtered.extend(by_filter);
        }
        Ok::<_, anyhow::Error>(())
    })?;
    Ok([
        Latency::of("update until seen by name", named, 0),
        Latency::of("update until seen by a filter", filtered, 0),
    ])
}

type Times = Vec<Duration>;

fn write(node: &Node, writer: u32) -> Result<(Times, Times)> {
    let mut connection = Connection::open(node)?;
    let every = Duration::from_secs(1) * WRITERS / UPDATES_A_SECOND;
    let (mut named, mut filtered) = (Times::new(), Times::new());
    let began = Instant::now();
    let path = format!("/api/ingest/updates-{writer}?mode=changes");
    let name = format!("updated-{writer}");
    let by_name = format!("/api/catalog/entities/by-name/component/default/{name}");
    for number in 0_u32.. {
        let due = began + every * number;
        if due > began + UPDATING {
            break;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let version = format!("v{writer}-{number}");
        let document = json!({
            "apiVersion": "backstage.io/v1alpha1",
            "kind": "Component",
            "metadata": {"name": name, "labels": {"version": version}},
            "spec": {"type": "service", "lifecycle": "production", "owner": "team"},
        });
        // An update that is late counts from when it was due: others waited for it.
        connection.ask(&path, Some(&format!("{document}\n")))?;
        until_seen(&mut connection, &by_name, &version)?;
        named.push(due.elapsed());
        if number % FILTERED == 0 {
            let query = format!(
                "/api/catalog/entities/by-query?filter=metadata.labels.version={version}&limit=5"
            );
            until_seen(&mut connection, &query, &version)?;
            filtered.push(due.elapsed());
        }
    }
    Ok((named, filtered))
}

fn until_seen(connection: &mut Connection, path: &str, text: &str) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(10);
    // What ends the value keeps `v1-1` from being seen in `v1-10`.
    let text = format!("\"{text}\"");
    while Instant::now() < end {
        let body = connection.ask(path, None)?;
        if body.windows(text.len()).any(|window| window == text.as_bytes()) {
            return Ok(());
        }
    }
    Err(anyhow!("{path} does not show {text}"))
}
