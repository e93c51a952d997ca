//! Backstage's own client, unchanged, makes every one of its calls.

use std::path::Path;
use std::process::Command;

use crate::{recorded, serve};

#[test]
fn the_catalog_client_of_backstage_makes_every_call() {
    let test = "the client of Backstage";
    let Some(folder) = recorded(test) else {
        return;
    };
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("backstage");
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("backstage");
    let packages = match support::npm::install(&scripts, &cache) {
        Ok(packages) => packages,
        Err(reason) => return support::process::skip(test, &reason),
    };
    let data = tempfile::tempdir().unwrap();
    let server = serve(&folder, data.path());
    let output = Command::new("node")
        .arg(scripts.join("client.mjs"))
        .arg(&server.url)
        .env("NODE_PACKAGES", packages)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!("{}", String::from_utf8_lossy(&output.stdout));
}
