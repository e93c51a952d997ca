//! The OpenAPI document, and the server that it describes.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use expect_test::expect_file;
use serde_json::{Value, json};
use support::process::{Program, Server};

use crate::http::{Site, component};
use crate::program;

/// Operations of Backstage's document, with their query parameters, the bodies' properties and the
/// answers that it names: `dist/schema/openapi` of `@backstage/plugin-catalog-backend` 4.0.0.
const BACKSTAGE: &[(&str, &str, &str, &str, &str, &str)] = &[
    ("post", "/refresh", "RefreshEntity", "", "authorizationToken entityRef", "400"),
    ("get", "/entities", "GetEntities", "after fields filter limit offset order", "", "200 400"),
    ("get", "/entities/by-uid/{uid}", "GetEntityByUid", "", "", "200 400"),
    ("delete", "/entities/by-uid/{uid}", "DeleteEntityByUid", "", "", "400"),
    ("get", "/entities/by-name/{kind}/{namespace}/{name}", "GetEntityByName", "", "", "200 400"),
    (
        "get",
        "/entities/by-name/{kind}/{namespace}/{name}/ancestry",
        "GetEntityAncestryByName",
        "",
        "",
        "200 400",
    ),
    (
        "post",
        "/entities/by-refs",
        "GetEntitiesByRefs",
        "filter",
        "entityRefs fields query",
        "200 400",
    ),
    (
        "get",
        "/entities/by-query",
        "GetEntitiesByQuery",
        "cursor fields filter fullTextFilterFields fullTextFilterTerm limit offset orderField totalItems",
        "",
        "200 400",
    ),
    (
        "post",
        "/entities/by-query",
        "QueryEntitiesByPredicate",
        "",
        "cursor fields fullTextFilter limit offset orderBy query totalItems",
        "200 400",
    ),
    ("get", "/entity-facets", "GetEntityFacets", "facet filter", "", "200 400"),
    ("post", "/entity-facets", "QueryEntityFacetsByPredicate", "", "facets query", "200 400"),
    ("post", "/locations", "CreateLocation", "dryRun onConflict", "target type", "201 400"),
    ("get", "/locations", "GetLocations", "", "", "200"),
    ("post", "/locations/by-query", "GetLocationsByQuery", "", "cursor limit query", "200"),
    ("get", "/locations/{id}", "GetLocation", "", "", "200"),
    ("put", "/locations/{id}", "UpdateLocation", "", "target type", "200"),
    ("delete", "/locations/{id}", "DeleteLocation", "", "", "400"),
    ("get", "/locations/by-entity/{kind}/{namespace}/{name}", "getLocationByEntity", "", "", "200"),
    ("post", "/analyze-location", "AnalyzeLocation", "", "catalogFileName location", "200 400"),
    ("post", "/validate-entity", "ValidateEntity", "", "entity location", "400"),
];

fn document(server: &Server) -> Value {
    let answer = server.client().get("/openapi.json");
    assert_eq!(answer.status, 200);
    answer.body
}

/// Each method and path of a document, with its operation.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().unwrap();
        item.iter().map(|(method, operation)| (method.clone(), path.clone(), operation))
    });
    operations.collect()
}

/// The names of all objects of a list.
fn names(list: &Value, place: &str) -> BTreeSet<String> {
    let list = list.as_array().into_iter().flatten();
    let there = list.filter(|one| one["in"] == place);
    there.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

fn words(text: &str) -> BTreeSet<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// What a reference of the document leads to.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let Some(reference) = value["$ref"].as_str() else { return value };
    let found = document.pointer(reference.trim_start_matches('#'));
    found.unwrap_or_else(|| panic!("{reference} leads nowhere"))
}

fn each(value: &Value, visit: &mut dyn FnMut(&Value)) {
    visit(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| each(item, visit)),
        Value::Object(fields) => fields.values().for_each(|field| each(field, visit)),
        _ => {}
    }
}

#[test]
fn the_document_is_the_one_in_the_repository_and_whole() {
    let site = Site::new();
    let document = document(&site.server);
    // The copy shows in reviews what changes for clients. UPDATE_EXPECT=1 writes it.
    let text = format!("{}\n", serde_json::to_string_pretty(&document).unwrap());
    expect_file![
        Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../crates/api/openapi.json")
    ]
    .assert_eq(&text);
    let mut references = 0;
    each(&document, &mut |value| {
        resolved(&document, value);
        references += usize::from(value.get("$ref").is_some());
    });
    assert!(references > 100, "{references}");
    let mut ids = BTreeSet::new();
    for (_, _, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "{id}");
    }
}

#[test]
fn what_is_described_is_served_and_nothing_else() {
    let site = Site::new();
    let document = document(&site.server);
    let described: BTreeSet<(String, String)> =
        operations(&document).into_iter().map(|(method, path, _)| (method, path)).collect();
    let paths: BTreeSet<&String> = described.iter().map(|(_, path)| path).collect();
    assert!(paths.len() > 20, "{paths:?}");
    for path in paths {
        let mut concrete = path.replace(['{', '}'], "");
        if path.ends_with("/events/stream") {
            // What is asked rightly there never ends.
            concrete.push_str("?nothing=known");
        }
        for method in ["get", "post", "put", "delete", "patch"] {
            let answer = site.ask(&method.to_uppercase(), &concrete, &[], "");
            // Nothing is a 404 without a body in the catalog, and a 405 elsewhere.
            let is_served =
                answer.status != 405 && (answer.status != 404 || !answer.body.is_empty());
            let is_described = described.contains(&(method.to_owned(), path.clone()));
            assert_eq!(is_served, is_described, "{method} {path}: {}", answer.status);
        }
    }
}

fn is_read(id: &str) -> bool {
    id.to_lowercase().starts_with("get") || id.starts_with("Query")
}

#[test]
fn the_document_agrees_with_that_of_backstage() {
    let site = Site::new();
    let document = document(&site.server);
    for (method, path, id, query, body, statuses) in BACKSTAGE {
        let operation = &document["paths"][format!("/api/catalog{path}")][*method];
        assert_eq!(operation["operationId"], *id, "{method} {path}");
        let mut theirs = names(&operation["parameters"], "query");
        // Every read can be asked for a moment, and nothing that writes.
        let of_a_moment = theirs.remove("at");
        assert_eq!(of_a_moment, is_read(id), "{id}");
        assert_eq!(theirs, words(query), "{id}");
        let in_path: BTreeSet<String> = path
            .split('{')
            .skip(1)
            .map(|part| part.split('}').next().unwrap().to_owned())
            .collect();
        assert_eq!(names(&operation["parameters"], "path"), in_path, "{id}");
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let properties = resolved(&document, schema)["properties"].as_object();
        let properties: BTreeSet<String> =
            properties.into_iter().flatten().map(|(name, _)| name.clone()).collect();
        assert_eq!(properties, words(body), "{id}");
        let answers: BTreeSet<String> =
            operation["responses"].as_object().unwrap().keys().cloned().collect();
        assert!(words(statuses).is_subset(&answers), "{id}: {answers:?}");
        let group = if path.contains("location") { "Locations" } else { "Entity" };
        assert_eq!(operation["tags"], json!([group]), "{id}");
    }
    let catalog = operations(&document);
    let catalog = catalog.iter().filter(|(_, path, _)| path.starts_with("/api/catalog"));
    assert_eq!(catalog.count(), BACKSTAGE.len());
    let one = component("x");
    let known = document["components"]["schemas"]["Entity"]["properties"].as_object().unwrap();
    assert!(one.as_object().unwrap().keys().all(|key| known.contains_key(key)));
}

#[test]
fn whatever_is_asked_is_answered_as_the_document_says() {
    let Program(program) = program();
    let script = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../scripts/schema");
    // A short run; `make soak` asks more.
    let mut command = Command::new(script);
    command.env("ANNALS", program).env("SCHEMA_CASES", "15");
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.code() == Some(77) {
        return support::process::skip("the API against its document", said.trim());
    }
    assert!(output.status.success(), "{said}");
    let cases = said.lines().find_map(|line| line.strip_prefix("schema: cases "));
    let cases = cases.and_then(|cases| cases.split(' ').next()?.parse::<u64>().ok());
    assert!(cases.is_some_and(|cases| cases > 500), "{said}");
}
