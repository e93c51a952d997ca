//! Readings of repositories that are held in memory: what is shown, in which order, and how much of
//! it is held at the same time.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use connector::Target;
use event::vocabulary::ScopeName;
use expect_test::expect;
use model::reference::EntityRef;
use serde_json::{Value, json};

use super::reading::{Need, Reading};
use crate::Config;
use crate::answer::GitObject;
use crate::place::Spot;

/// From this size on GraphQL gives no text.
const TRUNCATED_FROM: usize = 500_000;

/// What came of a reading.
#[derive(Debug, Default)]
struct Told {
    /// Names of entities, and what is wrong with others.
    shown: Vec<String>,
    /// The most that was held, in bytes.
    held: usize,
    /// Files and folders that were asked for.
    asked: usize,
    windows: usize,
}

struct Repository<'a> {
    paths: &'a [&'a str],
    files: BTreeMap<String, String>,
    targets: &'a [&'a str],
}

impl Repository<'_> {
    fn object(&self, spot: &Spot) -> Option<GitObject> {
        let object = match self.files.get(&spot.path) {
            Some(text) => {
                let is_whole = text.len() < TRUNCATED_FROM;
                let shown = if is_whole { text } else { &text[..TRUNCATED_FROM] };
                json!({
                    "__typename": "Blob", "oid": spot.path, "byteSize": text.len(),
                    "isTruncated": !is_whole, "text": shown,
                })
            }
            None => json!({"__typename": "Tree", "entries": self.folder(&spot.path)?}),
        };
        Some(serde_json::from_value(object).unwrap())
    }

    fn folder(&self, path: &str) -> Option<Vec<Value>> {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let below = self.files.keys().filter_map(|file| file.strip_prefix(&prefix));
        let entries: BTreeMap<&str, &str> = below
            .map(|rest| match rest.split_once('/') {
                Some((folder, _)) => (folder, "tree"),
                None => (rest, "blob"),
            })
            .collect();
        let entry = |(name, kind)| json!({"name": name, "type": kind});
        (!entries.is_empty()).then(|| entries.into_iter().map(entry).collect())
    }

    fn begin(&self) -> Reading {
        let config = json!({
            "id": "a", "token": "t", "users": ["o"], "catalog_paths": self.paths,
            "url": "https://ghe.example",
        });
        let config: Config = serde_json::from_value(config).unwrap();
        let repository = json!({
            "id": "R1", "name": "r", "nameWithOwner": "o/r", "url": "https://ghe.example/o/r",
            "defaultBranchRef": {"name": "main", "target": {"oid": "c1"}},
        });
        let target = |target: &&str| Target {
            target: format!("https://ghe.example/o/r/blob/main/{target}"),
            entity: EntityRef::canonical("location:default/l").unwrap(),
            scope: ScopeName::new("github/a/o/r").unwrap(),
            optional: false,
            origin: "url:https://ghe.example/o/r/blob/main/l.yaml".into(),
            refresh: None,
        };
        let targets = self.targets.iter().map(target).collect();
        let repository = serde_json::from_value(repository).unwrap();
        Reading::new(Arc::new(config), true, repository, targets)
    }

    fn read(&self) -> Told {
        let (mut reading, mut told) = (self.begin(), Told::default());
        loop {
            for _ in 0..64 {
                let needs = reading.needs();
                told.held = told.held.max(reading.held());
                if needs.is_empty() {
                    break;
                }
                told.asked += needs.len();
                for need in needs {
                    match need {
                        Need::Object(spot) => {
                            let object = self.object(&spot);
                            reading.object(spot, object);
                        }
                        Need::Blob(path) => {
                            let bytes = Bytes::copy_from_slice(self.files[&path].as_bytes());
                            reading.blob(path, Ok(bytes));
                        }
                    }
                }
                told.held = told.held.max(reading.held());
            }
            assert!(reading.needs().is_empty(), "it leads on and on");
            for item in reading.window().flat_map(|at| reading.show(at)) {
                told.shown.push(match item {
                    Ok(found) => found.document["metadata"]["name"].as_str().unwrap().to_owned(),
                    Err(broken) => broken.fault.message,
                });
            }
            told.windows += 1;
            if reading.is_last() {
                return told;
            }
            reading.go_on();
        }
    }
}

fn component(name: &str, more: &str) -> String {
    format!("kind: Component\nmetadata: {{name: {name}{more}}}\n")
}

const MIB: usize = 1 << 20;

/// So many files of a folder.
fn catalog(count: usize, filling: &str) -> BTreeMap<String, String> {
    let file = |at| {
        let text = component(&format!("n{at:04}"), &format!(", description: {filling}"));
        (format!("catalog/{at:04}.yaml"), text)
    };
    (0..count).map(file).collect()
}

/// So many files, each with placeholders that name the same others of a size, so many a document.
fn naming(count: usize, others: usize, size: usize, each: usize) -> BTreeMap<String, String> {
    let others: Vec<usize> = (0..others).collect();
    let document = |name: &str, pages: &[usize]| {
        let pages: Vec<String> = pages.iter().map(|at| format!("{{$text: ../q/{at}}}")).collect();
        component(name, &format!(", links: [{}]", pages.join(", ")))
    };
    let file = |at| {
        let documents = others.chunks(each).map(|pages| document(&format!("n{at:04}"), pages));
        (format!("catalog/{at:04}.yaml"), documents.collect::<Vec<_>>().join("---\n"))
    };
    let pages = others.iter().map(|at| (format!("q/{at}"), "z".repeat(size)));
    (0..count).map(file).chain(pages).collect()
}

#[test]
fn whatever_a_repository_holds_little_of_it_is_held() {
    let (large, huge) = ("x".repeat(10_000), "y".repeat(900_000));
    for (what, files, count, held_max, asked_max) in [
        ("few", catalog(5, "x"), 5, 10_000, 7),
        ("many", catalog(3000, &large), 3000, 5 * MIB / 2, 3200),
        ("many that are small", catalog(9000, "x"), 9000, MIB, 9100),
        ("large", catalog(30, &huge), 30, 2 * MIB, 120),
        ("that name others", naming(100, 2, 1000, 2), 100, MIB, 210),
        ("that name many", naming(10, 300, 1000, 300), 10, MIB, 3500),
        ("that name large ones", naming(10, 5, 400_000, 5), 10, 4 * MIB, 150),
    ] {
        let Told { shown, held, asked, windows } =
            Repository { paths: &["catalog/*.yaml"], files, targets: &[] }.read();
        let expected: Vec<String> = (0..count).map(|at| format!("n{at:04}")).collect();
        assert_eq!(shown, expected, "{what}");
        assert!(held < held_max, "{what}: {held} bytes of {windows} windows are held");
        assert!(asked <= asked_max, "{what}: {asked} are asked for in {windows} windows");
    }
}

#[test]
fn what_placeholders_bring_in_is_bounded() {
    let much = "one file brings in more than 64 MiB";
    let many = "the files of this repository name too many others";
    for (files, why, count, held_max, asked_max) in [
        (naming(2, 200, 400_000, 20), much, 4, 90 * MIB, 500),
        (naming(2, 20, 9_000_000, 1), much, 26, 80 * MIB, 80),
        (naming(1, 1001, 1, 1001), "one file names too many others", 1, MIB, 1200),
        (naming(11, 1000, 1, 1000), many, 1, MIB, 10_200),
    ] {
        let Told { shown, held, asked, .. } =
            Repository { paths: &["catalog/*.yaml"], files, targets: &[] }.read();
        let wrong = shown.iter().filter(|shown| shown.contains(why)).count();
        assert_eq!(wrong, count, "{shown:?}");
        assert!(held < held_max, "{held} bytes are held: {why}");
        assert!(asked < asked_max, "{asked} are asked for: {why}");
    }
}

#[test]
fn what_is_shown_has_one_order_and_each_file_is_shown_once() {
    let large = format!(", description: {}", "x".repeat(300_000));
    let files = [
        ("catalog-info.yaml", component("named", "")),
        ("s/b.yaml", component("b", &large)),
        ("s/a.yaml", component("a", ", description: {$text: ../notes}")),
        ("s/c.yaml", component("c", ", description: {$text: ./none}")),
        ("s/d.yaml", component("d", &large)),
        ("s/e.yaml", component("e", &large)),
        ("s/f.yaml", component("f", &large)),
        ("s/nothing.yaml", String::new()),
        ("t/x.yaml", component("x", "")),
        ("notes", "why".to_owned()),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text)).into_iter().collect();
    let paths = ["none.yaml", "catalog-info.yaml", "s/*.yaml", "**/b.yaml"];
    let targets = ["t/x.yaml", "t/y.yaml", "s/a.yaml", "none.yaml", "t/x.yaml", "../x"];
    let told = Repository { paths: &paths, files, targets: &targets }.read();
    assert!(told.windows > 1, "{told:?}");
    expect![[r#"
        named
        a
        b
        o/r/s/c.yaml, line 1, in document 1: Placeholder $text could not read location ./none, there is no such file
        d
        e
        f
        o/r: s/nothing.yaml: it is empty; a file that is to show nothing is deleted
        o/r: https://ghe.example/o/r/blob/main/../x: x names no file of a revision
        o/r: https://ghe.example/o/r/blob/main/none.yaml: there is no such file
        x
        o/r: https://ghe.example/o/r/blob/main/t/y.yaml: there is no such file"#]].assert_eq(&told.shown.join("\n"));
}
