//! Killed at random moments under load, a server has lost nothing that it acknowledged, and its
//! views are what a replay of its log gives.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::Value;
use support::process::Client;
use support::random::Random;

use crate::{component, program, search};

/// Clients that write at the same time.
const WRITERS: u64 = 4;

/// What one run of kills came to.
#[derive(Debug, Default)]
struct Tally {
    kills: u64,
    acknowledged: u64,
    records: u64,
}

/// Kills a server so many times, and checks it after each.
fn kills(seed: u64, kills: u64, env: &[(&str, &str)]) -> Tally {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut random = Random::new(seed);
    // What was acknowledged last of each component.
    let acknowledged: Mutex<BTreeMap<String, String>> = Mutex::default();
    let mut tally = Tally::default();
    for round in 0..kills {
        let mut server = program().serve_with(&data, &[], env);
        check(&server.client(), &acknowledged.lock().unwrap());
        let acks = AtomicU64::new(0);
        let stop = AtomicBool::new(false);
        let enough = 1 + random.below(60) as u64;
        std::thread::scope(|threads| {
            for writer in 0..WRITERS {
                let (client, acks, stop) = (server.client(), &acks, &stop);
                let acknowledged = &acknowledged;
                let seed = seed ^ (round << 8) ^ writer;
                threads.spawn(move || write(&client, writer, seed, acks, stop, acknowledged));
            }
            while acks.load(Ordering::Relaxed) < enough {
                std::hint::spin_loop();
            }
            // Somewhere between two requests, or within some.
            for _ in 0..random.below(200_000) {
                std::hint::spin_loop();
            }
            server.kill();
            stop.store(true, Ordering::Relaxed);
        });
        tally.kills += 1;
        tally.acknowledged += acks.into_inner();
    }
    let server = program().serve_with(&data, &[], env);
    check(&server.client(), &acknowledged.lock().unwrap());
    let (code, said) = server.stop();
    assert_eq!(code, Some(0), "{said}");
    tally.records = replays_to_the_same(&data, folder.path());
    tally
}

/// Writes changes until the server goes.
fn write(
    client: &Client,
    writer: u64,
    seed: u64,
    acks: &AtomicU64,
    stop: &AtomicBool,
    acknowledged: &Mutex<BTreeMap<String, String>>,
) {
    let mut random = Random::new(seed);
    while !stop.load(Ordering::Relaxed) {
        let name = format!("c{writer}-{}", random.below(30));
        let lifecycle = format!("l{}", random.below(1_000_000));
        let path = format!("/api/ingest/w{writer}?mode=changes");
        match client.try_post(&path, &[], &component(&name, &lifecycle)) {
            Ok(answer) if answer.status == 200 => {
                // From here on it may not be lost, until the next change of the same component is
                // on its way.
                acknowledged.lock().unwrap().insert(name, lifecycle);
                acks.fetch_add(1, Ordering::Relaxed);
            }
            // What was on its way when the server went may be there or not.
            _ => {
                acknowledged.lock().unwrap().remove(&name);
                return;
            }
        }
    }
}

/// Everything that was acknowledged is there, and is found.
fn check(client: &Client, acknowledged: &BTreeMap<String, String>) {
    for (name, lifecycle) in acknowledged {
        let answer = client.get(&format!("/api/catalog/entities/by-name/component/default/{name}"));
        let found = answer.body.pointer("/spec/lifecycle").and_then(Value::as_str);
        assert_eq!(found, Some(lifecycle.as_str()), "{name} was acknowledged: {answer:?}");
        let query = format!("term={name}&filters[lifecycle]={lifecycle}");
        assert_eq!(search::titles(client, &query), [name.as_str()], "{name} is searched");
    }
}

/// The log, written out and replayed, gives the digests of the live views; gives its records.
fn replays_to_the_same(data: &Path, folder: &Path) -> u64 {
    let (data, file) = (data.to_str().unwrap(), folder.join("log.ndjson"));
    let again = folder.join("again");
    let live = program().json(&["digest", "--data", data, "--deep"]);
    assert_eq!(live["deep"]["differs"], serde_json::json!([]), "{live}");
    let exported = program().json(&["log", "export", "--data", data, file.to_str().unwrap()]);
    let file = file.to_str().unwrap();
    let replayed = program().json(&["replay", "--from", file, "--data", again.to_str().unwrap()]);
    for digest in ["position", "fold", "digest", "history"] {
        assert_eq!(live[digest], replayed[digest], "{digest}: {live} {replayed}");
    }
    exported["records"].as_u64().unwrap()
}

/// How many kills: few in `make test`, many in `make soak`.
fn count() -> u64 {
    std::env::var("ANNALS_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(5)
}

#[test]
fn a_killed_server_has_lost_nothing_that_it_acknowledged() {
    let tally = kills(7, count(), &[]);
    println!("{tally:?}");
    assert_eq!(tally.kills, count());
}

#[test]
fn planted_faults_are_found_by_killing() {
    for fault in ["log-skips-sync", "log-swaps-writes", "fold-takes-duplicates"] {
        let found = catch_unwind(AssertUnwindSafe(|| kills(11, 3, &[("ANNALS_PLANT", fault)])));
        // Taking duplicates needs duplicates, which killing does not make.
        assert_eq!(found.is_err(), fault != "fold-takes-duplicates", "{fault}: {found:?}");
    }
}
