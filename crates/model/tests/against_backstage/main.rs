//! Compares this crate with the real Backstage, by asking both the same questions.
//!
//! The reference is `tests/backstage/oracle.mjs` at the root of the workspace. Without Node, or where
//! its packages cannot be had, the tests say `SKIPPED` and pass. Every difference that is left stands
//! in a table with its reason.
#![expect(clippy::print_stdout, reason = "what was compared, and what was skipped, is to be read")]

mod entities;
mod files;
mod mutate;
mod oracle;
mod schemas;
mod texts;

use oracle::Oracle;
use serde_json::Value;

fn report(test: &str, outcome: &entities::Outcome) {
    let mut known: Vec<(&str, usize)> = Vec::new();
    for reason in &outcome.known {
        match known.iter_mut().find(|(other, _)| other == reason) {
            Some((_, count)) => *count += 1,
            None => known.push((reason, 1)),
        }
    }
    println!("{test}: {} accepted, {} refused by both", outcome.accepted, outcome.refused);
    for (reason, count) in known {
        println!("  {count} × {reason}");
    }
    for difference in outcome.unknown.iter().take(20) {
        println!("{}", difference.chars().take(2000).collect::<String>());
    }
    assert!(outcome.unknown.is_empty(), "{} differences", outcome.unknown.len());
}

#[test]
fn documents_made_from_a_seed() {
    const SEED: u64 = 1;
    let Some(oracle) = Oracle::find("documents") else {
        return;
    };
    let samples = mutate::samples();
    report("samples", &entities::compare(&oracle, &samples));
    let mut random = mutate::Random::new(SEED);
    let documents: Vec<Value> = (0..6000)
        .map(|index| {
            let mut document = samples[index % samples.len()].clone();
            mutate::mutate(&mut document, &mut random);
            document
        })
        .collect();
    report("mutations", &entities::compare(&oracle, &documents));
}

#[test]
fn hard_files() {
    let Some(oracle) = Oracle::find("hard files") else {
        return;
    };
    report("hard files", &files::compare(&oracle, &files::hard_texts()));
}

/// The files of a folder of real catalog files, by name.
fn corpus() -> Option<Vec<String>> {
    let folder = oracle::shared("corpus")?;
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let read = |path| String::from_utf8_lossy(&std::fs::read(path).expect("a file")).into_owned();
    Some(paths.iter().map(read).collect())
}

#[test]
fn real_catalog_files() {
    let Some(oracle) = Oracle::find("catalog files") else {
        return;
    };
    let Some(texts) = corpus() else {
        println!("SKIPPED: catalog files: there is no folder of them");
        return;
    };
    report("files", &files::compare(&oracle, &texts));
    let documents: Vec<Value> = texts
        .iter()
        .flat_map(|text| model::yaml::read(text.as_bytes(), &model::yaml::Limits::default()))
        .filter_map(|document| Some(document.ok()?.value))
        .collect();
    report("their documents", &entities::compare(&oracle, &documents));
    if let Some(path) = oracle::shared("conformance/catalog.ndjson") {
        let bytes = std::fs::read(path).expect("a file");
        let documents = model::yaml::read_ndjson(&bytes[..], &model::yaml::Limits::default());
        let documents: Vec<Value> =
            documents.map(|document| document.expect("JSON").value).collect();
        report("a recorded catalog", &entities::compare(&oracle, &documents));
    }
    let mut random = mutate::Random::new(2);
    let spoiled: Vec<String> =
        (0..3000).map(|index| files::mutate(&texts[index % texts.len()], &mut random)).collect();
    report("spoiled files", &files::compare(&oracle, &spoiled));
}

#[test]
fn references_locations_and_placeholders() {
    let Some(oracle) = Oracle::find("texts") else {
        return;
    };
    report("references", &texts::references(&oracle));
    report("locations", &texts::locations(&oracle));
    report("targets", &texts::targets(&oracle));
    report("placeholders", &texts::placeholders(&oracle, &mutate::samples()));
}

#[test]
fn schemas_of_custom_kinds() {
    let Some(oracle) = Oracle::find("schemas") else {
        return;
    };
    report("schemas", &schemas::compare(&oracle));
}
