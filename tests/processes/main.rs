//! The program as people run it: started, asked, stopped, killed.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod as_of;
mod audit;
mod backup;
mod ci;
mod ci_asked;
mod ci_published;
mod command_line;
mod corpus;
mod dry_run;
mod erasure;
mod files;
mod gitea;
mod github_contract;
mod github_kept;
mod github_read;
mod github_told;
mod http;
mod kills;
mod kubernetes;
mod kubernetes_within;
mod large;
mod locations;
mod own;
mod search;
mod streams;
mod under;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use support::process::{Answer, Client, Program};

fn program() -> Program {
    Program(PathBuf::from(env!("CARGO_BIN_EXE_annals-under-test")))
}

/// How long something may take that is said to happen soon.
const SOON: Duration = Duration::from_secs(180);

/// Asks until it is so.
#[track_caller]
fn until(client: &Client, path: &str, is_so: impl Fn(&Answer) -> bool) -> Answer {
    let begun = Instant::now();
    loop {
        let answer = client.get(path);
        if is_so(&answer) {
            return answer;
        }
        assert!(begun.elapsed() < SOON, "{path} never came to be so: {answer:?}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// A component, as a line of JSON.
fn component(name: &str, lifecycle: &str) -> String {
    serde_json::json!({
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": name},
        "spec": {"type": "service", "lifecycle": lifecycle, "owner": "team"},
    })
    .to_string()
}

/// Such components as NDJSON.
fn components(names: &[&str]) -> String {
    names.iter().map(|name| component(name, "production") + "\n").collect()
}
