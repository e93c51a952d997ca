//! Real catalog files: all are taken, and each of their documents is an entity or refused for a
//! reason. That the reasons are those of Backstage's validators is compared in crates/model.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use ::files::read::Reader;
use model::document::{Document, normalize};
use model::kinds::Kinds;
use model::validate::Validator;
use serde_json::Value;
use support::process::{last_json, shared, skip};

use crate::program;

#[test]
fn each_document_of_real_catalogs_is_an_entity_or_refused() {
    let Some(corpus) = shared().map(|folder| folder.join("corpus")) else {
        skip("real catalog files", "there is no folder of them");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let checked = last_json(&program().run(&["check", "--json", corpus.to_str().unwrap()]));
    let server = program().serve(&data, &[]);
    let args = ["ingest", "--json", "--server", &server.url, corpus.to_str().unwrap()];
    let report = last_json(&program().run(&args));
    assert_eq!(report["seen"], checked["documents"], "{report}");
    let refusals: BTreeMap<&str, &str> = report["refusals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|refusal| {
            let place = refusal["pointer"].as_str().or(refusal["what"].as_str());
            (place.unwrap(), refusal["message"].as_str().unwrap())
        })
        .collect();
    assert_eq!(report["refused"].as_u64().unwrap(), refusals.len() as u64);

    let client = server.client();
    let kinds = Kinds::builtin();
    let validator = Validator::new(&kinds).unwrap();
    let mut names = BTreeSet::new();
    let (mut documents, mut entities) = (0, 0);
    let visited = Reader::new(vec![corpus]).visit(&mut |item| {
        documents += 1;
        let mut found = match item.content {
            Err(broken) => {
                assert_eq!(refusals.get(&*broken.item), Some(&&*broken.fault.message));
                return ControlFlow::Continue(());
            }
            Ok(found) => found,
        };
        let pointer = found.pointer.unwrap();
        let refused = refusals.get(&*pointer);
        if let Err(refusal) = validator.validate(&found.document) {
            assert_eq!(refused, Some(&&*refusal.to_string()), "{pointer}");
            return ControlFlow::Continue(());
        }
        let name = Document::new(&found.document).reference().unwrap();
        if !names.insert(name.to_string()) {
            assert!(refused.unwrap().contains("stands in this scope already"), "{pointer}");
            return ControlFlow::Continue(());
        }
        assert_eq!(refused, None, "{pointer}");
        normalize(&mut found.document, &kinds);
        let (kind, rest) =
            name.to_string().split_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let answer = client.get(&format!("/api/catalog/entities/by-name/{kind}/{rest}"));
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        assert_eq!(answer.body["spec"], found.document["spec"], "{name}");
        let title = |entity: &Value| entity.pointer("/metadata/title").cloned();
        assert_eq!(title(&answer.body), title(&found.document), "{name}");
        entities += 1;
        ControlFlow::Continue(())
    });
    visited.unwrap();
    assert_eq!(documents, checked["documents"].as_u64().unwrap());
    let all = client.get("/api/catalog/entities/by-query?limit=0");
    assert_eq!(all.body["totalItems"], entities, "{all:?}");
    println!("{documents} documents: {entities} entities, {} refused", refusals.len());
}
