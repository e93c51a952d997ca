//! Stands in for the reader of `url:` targets until there is one: what two Location entities of
//! the catalog lead to is handed in beside it, as that reader would find it.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

/// A Location entity whose target can't be read was never good, and is not listed.
const NEVER_GOOD: &str = "broken-location";

/// The lines of a catalog, without what can't be read and with what can.
pub(crate) fn catalog(path: &Path) -> String {
    let mut lines = String::new();
    for document in crate::lines(path) {
        if document["metadata"]["name"] != NEVER_GOOD {
            let _ = writeln!(lines, "{document}");
        }
    }
    let folder = path.with_file_name("small");
    for name in ["child-a.yaml", "child-b.yaml"] {
        let text = std::fs::read(folder.join(name)).unwrap();
        for read in model::yaml::read(&text, &model::yaml::Limits::default()) {
            let document = read_from(read.unwrap().value, name, &folder);
            let _ = writeln!(lines, "{document}");
        }
    }
    lines
}

fn read_from(mut document: Value, name: &str, folder: &Path) -> Value {
    let site = "url:http://127.0.0.1:7799";
    document["metadata"]["annotations"] = json!({
        "backstage.io/managed-by-location": format!("{site}/{name}"),
        "backstage.io/managed-by-origin-location": format!("{site}/root.yaml"),
    });
    if document["spec"]["definition"]["$text"].is_string() {
        let text = std::fs::read_to_string(folder.join("child-b-spec.txt")).unwrap();
        document["spec"]["definition"] = text.into();
    }
    document
}
