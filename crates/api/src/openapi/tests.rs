//! That no route is without a description. That each description is of a route, and what the
//! document says as a whole, is looked at where there is a server (`tests/conformance`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::{catalog, connectors, events, health, history, ingest, log_routes, search_routes};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn routes_are_made_together_with_their_descriptions_and_in_no_other_way() {
    let mut files = Vec::new();
    sources(&Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("src"), &mut files);
    // Put together, so that this file does not name them.
    let makers = ["route(", "route_service(", "nest_service("];
    let makers = makers.map(|maker| format!(".{maker}"));
    let making: Vec<String> = files
        .iter()
        .filter(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            makers.iter().any(|maker| text.contains(maker))
        })
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(making, ["routes.rs"]);
}

#[test]
fn no_two_schemas_share_a_name() {
    let routes = catalog::routes().merge(history::routes()).merge(ingest::routes());
    let routes = routes.merge(connectors::routes()).merge(log_routes::routes());
    let routes = routes.merge(health::routes()).merge(health::guarded_routes());
    let routes = routes.merge(search_routes::routes()).merge(events::routes());
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for described in routes.described {
        for (name, schema) in described.operation.build("/").1 {
            let schema = serde_json::to_string(&schema).unwrap();
            let first = known.entry(name.clone()).or_insert_with(|| schema.clone());
            assert_eq!(*first, schema, "{name}");
        }
    }
    assert!(known.len() > 30, "{}", known.len());
}
