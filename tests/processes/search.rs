//! Searches: what is written can be found, and what is gone can't; an index that is damaged is
//! built anew while all else is answered; and nothing that is asked breaks it.

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::process::{Answer, Client};
use support::random::Random;

use crate::{component, components, program};

/// Searches as of all that is folded.
pub(crate) fn search(client: &Client, query: &str) -> Answer {
    let ready = client.get("/readyz");
    let position = ready.body["position"].as_str().unwrap();
    let path = format!("/api/search/query?{query}");
    let answer = client.try_get(&path, &[("annals-min-position", position)]).unwrap();
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    answer
}

/// The titles that a search finds, best first.
pub(crate) fn titles(client: &Client, query: &str) -> Vec<String> {
    let answer = search(client, query);
    let results = answer.body["results"].as_array().unwrap();
    let title = |result: &Value| result["document"]["title"].as_str().unwrap().to_owned();
    results.iter().map(title).collect()
}

#[test]
fn what_is_written_is_found_and_what_is_gone_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let server = program().serve(&folder.path().join("data"), &[]);
    let client = server.client();
    let names = ["checkout", "checkout-worker", "the-checkout", "billing"];
    let taken = client.post("/api/ingest/a?searchable=true", &components(&names));
    assert_eq!(taken.body["searchable"], true, "{taken:?}");
    // Without waiting: it was waited for.
    let found = client.get("/api/search/query?term=checkout");
    assert_eq!(found.body["numberOfResults"], 3, "{found:?}");
    // The checkpoint that was signed meanwhile may be behind it.
    let offset = |position: &Option<String>| -> Option<u64> {
        position.as_ref()?.rsplit_once('-')?.1.parse().ok()
    };
    assert!(offset(&found.position) >= offset(&taken.position), "{found:?} {taken:?}");
    for (term, expected) in [
        ("checkout", &["checkout", "checkout-worker", "the-checkout"][..]),
        ("worker", &["checkout-worker"]),
        ("check", &["checkout", "checkout-worker", "the-checkout"]),
        ("chekcout", &["checkout", "checkout-worker", "the-checkout"]),
        ("billnig", &["billing"]),
        ("the", &[]),
        ("absent", &[]),
    ] {
        assert_eq!(titles(&client, &format!("term={term}")), expected, "{term}");
    }
    // Tags are looked through where there is nothing else.
    let tagged =
        component("tagged", "production").replace("\"name\"", "\"tags\":[\"zebra\"],\"name\"");
    client.post("/api/ingest/b", &tagged);
    assert_eq!(titles(&client, "term=zebra"), ["tagged"]);
    client.post("/api/ingest/a?allowWithdrawals=true", &components(&["billing", "checkout-api"]));
    assert_eq!(titles(&client, "term=checkout"), ["checkout-api"]);
    assert_eq!(titles(&client, "term=worker"), [""; 0]);
    let again = component("billing", "retired");
    client.post("/api/ingest/a?mode=changes", &again);
    assert_eq!(titles(&client, "term=billing&filters[lifecycle]=retired"), ["billing"]);
    let far = client.try_get("/api/search/query", &[("annals-min-position", "1234-9")]).unwrap();
    assert_eq!(far.status, 400, "{far:?}");
    let ready = client.get("/readyz").body;
    assert_eq!(
        (&ready["search"]["state"], &ready["search"]["lag"]),
        (&"following".into(), &0.into())
    );
}

/// What is done to a file.
type Damage<'a> = &'a dyn Fn(&Path);

/// All files of the index.
fn files(data: &Path) -> Vec<PathBuf> {
    let entries =
        |path: PathBuf| std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries(data.join("search")).flat_map(entries).collect()
}

#[test]
fn a_damaged_index_is_built_anew_while_all_else_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let names: Vec<String> = (0..300).map(|number| format!("service-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let server = program().serve(&data, &[]);
    server.client().post("/api/ingest/a?searchable=true", &components(&names));
    assert_eq!(server.stop().0, Some(0));
    let overwrite = |file: &Path| {
        let length = std::fs::metadata(file).unwrap().len();
        std::fs::write(file, vec![0x5a; usize::try_from(length).unwrap()]).unwrap();
    };
    let shorten = |file: &Path| std::fs::write(file, b"").unwrap();
    let remove = |file: &Path| std::fs::remove_file(file).unwrap();
    let of_other = |file: &Path| {
        if file.ends_with("meta.json") {
            let text = std::fs::read_to_string(file).unwrap();
            std::fs::write(file, text.replace("\\\"offset\\\":", "\\\"offset\\\":9999")).unwrap();
        }
    };
    let damages: [(&str, Damage<'_>); 4] = [
        ("overwritten", &overwrite),
        ("empty", &shorten),
        ("gone", &remove),
        ("ahead of the views", &of_other),
    ];
    for (how, damage) in damages {
        files(&data).iter().for_each(|file| damage(file));
        let before = files(&data);
        let server = program().serve(&data, &[]);
        let client = server.client();
        let entity = client.get("/api/catalog/entities/by-name/component/default/service-7");
        assert_eq!(entity.status, 200, "{how}: {entity:?}");
        assert_eq!(titles(&client, "term=service-77"), ["service-77"], "{how}");
        assert_eq!(search(&client, "term=service").body["numberOfResults"], 300, "{how}");
        assert_eq!(client.get("/readyz").body["search"]["state"], "following", "{how}");
        assert_eq!(server.stop().0, Some(0), "{how}");
        assert_ne!(files(&data), before, "{how}: it is another index");
    }
}

/// What queries are made of that nobody would ask.
const PIECES: &str = "
    term filters types pageCursor pageLimit [ ] = = = & & %00 %ff %F0%9F%98%80 %22 %5C %27
    * ( | . - + %20 a checkout MQ== 9 -1 1e99 software-catalog %CC%81 %E2%80%AE a-b.c/d@e
    zzzz %3Cb%3E %26amp; .* %5Ba%2B kind 0 [0] [] [a]
";

#[test]
fn nothing_that_is_asked_breaks_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = program().serve(&folder.path().join("data"), &[]);
    let client = server.client();
    client.post("/api/ingest/a?searchable=true", &components(&["checkout", "a-b-c", "x.y_z"]));
    let pieces: Vec<&str> = PIECES.split_whitespace().collect();
    let mut random = Random::new(5);
    let (mut good, mut refused) = (0, 0);
    for _ in 0..1500 {
        let random_text = |random: &mut Random, most: usize| -> String {
            (0..random.below(most)).map(|_| pieces[random.below(pieces.len())]).collect()
        };
        let query = match random.below(3) {
            0 => random_text(&mut random, 12),
            1 => format!("term={}", random_text(&mut random, 30).replace(['&', '=', '['], "")),
            _ => format!("term=c&{}", random_text(&mut random, 8)),
        };
        let answer = client.get(&format!("/api/search/query?{query}"));
        match answer.status {
            200 => good += 1,
            400 => refused += 1,
            _ => panic!("{query}: {answer:?}"),
        }
    }
    assert!(good > 100 && refused > 10, "{good} good, {refused} refused");
    for query in ["pageCursor=MWUzMDA=", "pageCursor=SW5maW5pdHk=", "pageCursor=OTk5OTk5OTk5OTk5"] {
        let answer = client.get(&format!("/api/search/query?term=checkout&{query}"));
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
    }
}
