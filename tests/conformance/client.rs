//! The real Backstage itself: its client makes its calls, and its catalog backend is asked the
//! same questions.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{recorded, serve};

/// The folder of our scripts, and that of Backstage's packages, where they can be had.
fn packages(test: &str) -> Option<(PathBuf, PathBuf)> {
    let scripts = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("backstage");
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("backstage");
    match support::npm::install(&scripts, &cache) {
        Ok(packages) => Some((scripts, packages)),
        Err(reason) => {
            support::process::skip(test, &reason);
            None
        }
    }
}

/// Runs a script against a server with the recorded catalog.
fn run(test: &str, script: &str, args: &[&str]) {
    let Some(folder) = recorded(test) else {
        return;
    };
    let Some((scripts, packages)) = packages(test) else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let (server, _site) = serve(&folder, data.path());
    let output = Command::new("node")
        .arg(scripts.join(script))
        .arg(&server.url)
        .args(args)
        .env("NODE_PACKAGES", packages)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    // What it came to is shown with the test's own output.
    let _ = writeln!(std::io::stdout(), "{said}");
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_catalog_client_of_backstage_makes_every_call() {
    run("the client of Backstage", "client.mjs", &[]);
}

#[test]
fn random_questions_are_answered_as_the_catalog_backend_answers_them() {
    const SEED: &str = "1";
    run("the catalog backend of Backstage", "compare.mjs", &[SEED, "600"]);
}
