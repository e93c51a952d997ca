//! The same log gives the same state, however it is cut, and the state is what a plain catalog
//! says.

use event::Content;
use model::reference::EntityRef;
use serde_json::Value;
use support::catalog::Catalog;
use support::history::{Noise, Step, records, steps};
use support::node::Node;
use support::random::Random;
use views::Reader;

/// Checks what every seed of a range must give; says which one does not. `ANNALS_CASES` says how
/// many seeds there are, where it is more than a few.
pub(crate) fn for_seeds(seeds: std::ops::Range<u64>, check: impl Fn(u64)) {
    let cases = std::env::var("ANNALS_CASES").ok().and_then(|count| count.parse::<u64>().ok());
    let end = cases.map_or(seeds.end, |cases| seeds.start + cases);
    for seed in seeds.start..end {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(seed)));
        assert!(result.is_ok(), "seed {seed}");
    }
}

fn history(seed: u64, count: usize) -> (Vec<Step>, Vec<Content>) {
    let steps = steps(&mut Random::new(seed), count);
    let records = records(seed, &steps);
    (steps, records)
}

/// Without what only the views give, and with the order of faults of no account.
fn plain(json: &[u8]) -> Value {
    let mut value: Value = serde_json::from_slice(json).unwrap();
    let metadata = value["metadata"].as_object_mut().unwrap();
    assert!(metadata.shift_remove("uid").is_some());
    assert!(metadata.shift_remove("etag").is_some());
    if let Some(items) = value.pointer_mut("/status/items").and_then(Value::as_array_mut) {
        items.sort_by_key(|item| item["error"]["message"].as_str().map(str::to_owned));
    }
    value
}

/// Whether a reader sees what the catalog holds.
pub(crate) fn same(reader: &Reader, catalog: &Catalog) {
    for reference in catalog.all() {
        let served = reader.entity(&EntityRef::canonical(&reference).unwrap()).unwrap();
        let served = served.map(|served| plain(&served.json));
        assert_eq!(served, catalog.entity(&reference), "{reference} at {}", reader.position());
    }
}

#[test]
fn the_views_are_what_a_plain_catalog_says_at_every_moment() {
    for_seeds(0..40, |seed| {
        let (steps, records) = history(seed, 120);
        let node = Node::new(&records);
        node.fold(1 + seed as usize % 50, None);
        let reader = node.views.reader().unwrap();
        let mut catalog = Catalog::default();
        // The first two records are the log's own.
        for (offset, step) in (2..).zip(&steps) {
            catalog.apply(step);
            if offset % 7 == seed % 7 {
                same(&reader.at(offset).unwrap(), &catalog);
            }
        }
        same(&reader, &catalog);
        assert_eq!(node.views.check_rows().unwrap(), None);
        assert_eq!(node.views.check_index().unwrap(), None);
    });
}

#[test]
fn batches_and_restarts_leave_no_trace() {
    for_seeds(100..120, |seed| {
        let (_, records) = history(seed, 150);
        let whole = Node::new(&records).fold(usize::MAX, None);
        for batch in [1, 2, 13] {
            let mut node = Node::new(&records);
            let mut random = Random::new(seed);
            for _ in 0..3 {
                node.fold(batch, Some(random.below(records.len()) as u64));
                node = node.reopen();
            }
            let cut = node.fold(batch, None);
            assert_eq!((cut.state.finish(), cut.history), (whole.state.finish(), whole.history));
            assert_eq!(cut, whole, "batches of {batch}");
            assert_eq!(node.views.recompute_state().unwrap(), cut.state, "told from the tables");
            assert_eq!(node.views.check_rows().unwrap(), None);
            assert_eq!(node.views.check_index().unwrap(), None);
        }
    });
}

#[test]
fn duplicates_and_zombies_leave_the_content_as_it_was() {
    for_seeds(200..220, |seed| {
        let (steps, noisy) = history(seed, 100);
        // The same records without the noise: what is left keeps its bytes, salts included.
        let keep = |step: &Step| {
            !matches!(step, Step::Nothing(Noise::Duplicate | Noise::Zombie | Noise::Unreadable))
        };
        let quiet: Vec<Content> = noisy[..2]
            .iter()
            .chain(noisy[2..].iter().zip(&steps).filter(|(_, step)| keep(step)).map(|(r, _)| r))
            .cloned()
            .collect();
        let noisy = Node::new(&noisy).fold(17, None);
        let quiet = Node::new(&quiet).fold(17, None);
        assert_eq!(noisy.state.finish(), quiet.state.finish());
    });
}

#[test]
fn a_large_scope_is_retired_in_steps_and_seen_whole() {
    let mut recorder = support::history::Recorder::new(1);
    let mut records = recorder.begin();
    let count = 1300;
    for number in 0..count {
        let mut document = support::history::document(&mut Random::new(number));
        document["metadata"]["name"] = format!("n{number}").into();
        records.push(recorder.step(&Step::Seen { scope: 0, document }));
    }
    records.push(recorder.step(&Step::Retired { scope: 0 }));
    let last = records.len() as u64 - 1;
    let whole = Node::new(&records).fold(usize::MAX, None);
    let node = Node::new(&records);
    let applied = node.fold(100, None);
    assert_eq!(applied, whole);
    let alive = |reader: &Reader| {
        let query = views::Query {
            filter: None,
            sort: None,
            start: views::Start::Offset(0),
            limit: 0,
            count: true,
        };
        reader.query(&query).unwrap().total
    };
    let reader = node.views.reader().unwrap();
    assert_eq!(alive(&reader), Some(0));
    assert_eq!(alive(&reader.at(last - 1).unwrap()), Some(count));
    assert_eq!(node.views.check_rows().unwrap(), None);
    assert_eq!(node.views.check_index().unwrap(), None);
}
