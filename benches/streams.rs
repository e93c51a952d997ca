//! Those who follow: events delivered a second, and what that takes from the writer.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::time::Instant;

use anyhow::{Result, anyhow};
use serde::Serialize;
use serde_json::json;

use crate::node::Node;

/// How many follow, and how many changes they are sent each.
const READERS: [usize; 4] = [0, 1, 16, 128];
const CHANGES: usize = 2000;

/// What so many followers take.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Followed {
    pub(crate) readers: usize,
    /// Changes that were appended and folded in a second.
    pub(crate) written_per_s: f64,
    /// Events that all readers together had in a second, until each had all of them.
    pub(crate) delivered_per_s: f64,
    /// How many times as long the writer takes as when no one follows.
    pub(crate) times_alone: f64,
}

/// Appends changes while nobody follows, one, and many.
pub(crate) fn measure(node: &Node) -> Result<Vec<Followed>> {
    // What is measured are changes, not entities that are new.
    node.ingest_changes(&documents("first"))?;
    let mut measured: Vec<Followed> = Vec::new();
    for readers in READERS {
        let (written_s, delivered_s) = follow(node, readers)?;
        let per_s = |events: usize, seconds: f64| events as f64 / seconds.max(1e-9);
        let written_per_s = per_s(CHANGES, written_s);
        let alone = measured.first().map_or(written_per_s, |alone| alone.written_per_s);
        measured.push(Followed {
            readers,
            written_per_s,
            delivered_per_s: per_s(CHANGES * readers, delivered_s),
            times_alone: alone / written_per_s,
        });
    }
    Ok(measured)
}

/// Seconds until all is written, and until all have it.
fn follow(node: &Node, readers: usize) -> Result<(f64, f64)> {
    let all_follow = Barrier::new(readers + 1);
    let text = documents(&format!("with-{readers}"));
    std::thread::scope(|threads| {
        let following: Vec<_> = (0..readers)
            .map(|_| {
                threads.spawn(|| {
                    let stream = connect(node);
                    all_follow.wait();
                    read(stream?)
                })
            })
            .collect();
        all_follow.wait();
        let began = Instant::now();
        node.ingest_changes(&text)?;
        let written_s = began.elapsed().as_secs_f64();
        for reader in following {
            reader.join().map_err(|_| anyhow!("following broke off"))??;
        }
        Ok((written_s, began.elapsed().as_secs_f64()))
    })
}

/// A stream of changes from now on.
fn connect(node: &Node) -> Result<BufReader<TcpStream>> {
    let mut stream = BufReader::with_capacity(1 << 16, TcpStream::connect(node.address())?);
    let head = format!("GET /api/events/stream HTTP/1.1\r\nHost: {}\r\n\r\n", node.address());
    stream.get_mut().write_all(head.as_bytes())?;
    let mut line = String::new();
    stream.read_line(&mut line)?;
    anyhow::ensure!(line.contains(" 200 "), "{line}");
    Ok(stream)
}

/// Reads until all changes have come.
fn read(mut stream: BufReader<TcpStream>) -> Result<()> {
    let (mut line, mut events) = (Vec::new(), 0);
    while events < CHANGES {
        line.clear();
        anyhow::ensure!(stream.read_until(b'\n', &mut line)? > 0, "a stream ended");
        anyhow::ensure!(!line.starts_with(b"event: cut"), "a stream was cut");
        events += usize::from(line.starts_with(b"id:"));
    }
    Ok(())
}

fn documents(version: &str) -> String {
    let document = |number: usize| {
        let document = json!({
            "apiVersion": "backstage.io/v1alpha1",
            "kind": "Component",
            "metadata": {
                "name": format!("followed-{number}"),
                "labels": {"version": version},
                "description": "a component that is followed by those who want to know",
            },
            "spec": {"type": "service", "lifecycle": "production", "owner": "team"},
        });
        format!("{document}\n")
    };
    (0..CHANGES).map(document).collect()
}
