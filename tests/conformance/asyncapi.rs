//! The AsyncAPI document: the one in the repository, and one that AsyncAPI's own parser takes.

use std::path::{Path, PathBuf};
use std::process::Command;

use expect_test::expect_file;
use support::process::skip;

use crate::http::Site;

#[test]
fn the_topics_document_is_the_one_in_the_repository_and_valid() {
    let site = Site::new();
    let answer = site.server.client().get("/asyncapi.json");
    assert_eq!(answer.status, 200);
    // The copy shows in reviews what changes for consumers. UPDATE_EXPECT=1 writes it.
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap());
    let file = root.join("../crates/api/asyncapi.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&answer.body).unwrap());
    expect_file![file.clone()].assert_eq(&text);
    let scripts = root.join("asyncapi");
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("asyncapi");
    let packages = match support::npm::install(&scripts, &cache) {
        Ok(packages) => packages,
        Err(why) => return skip("the AsyncAPI document before AsyncAPI's parser", &why),
    };
    let judge = |file: &Path| {
        let mut node = Command::new("node");
        let output = node.arg(scripts.join("check.mjs")).arg(&packages).arg(file).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (is_valid, said) = judge(&file);
    assert!(is_valid, "{said}");
    let kinds = event::Kind::ALL.len();
    assert!(said.contains(&format!("channels events={kinds} changes=1 state=2")), "{said}");
    // It can say no.
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.json");
    let mut document = answer.body;
    document["channels"]["state"]["address"] = 7.into();
    std::fs::write(&broken, document.to_string()).unwrap();
    let (is_valid, said) = judge(&broken);
    assert!(!is_valid && said.contains("channels.state.address"), "{said}");
}
