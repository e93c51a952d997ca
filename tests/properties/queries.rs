//! Filters, orders, pages, counts and facets, compared with a plain evaluation over the documents.

use std::collections::{BTreeMap, BTreeSet};

use support::catalog::Catalog;
use support::history::{records, steps};
use support::node::Node;
use support::random::Random;
use views::{Condition, Filter, Like, Lists, Query, Reader, Row, Sort, Start};

use crate::fold::for_seeds;

type Terms = BTreeMap<String, Vec<(String, Option<String>, Option<String>)>>;

const PATHS: &[&str] = &[
    "kind",
    "metadata.name",
    "metadata.tags",
    "metadata.tags.java",
    "metadata.tags.c++",
    "metadata.title",
    "metadata.annotations.acme.example/sha",
    "spec.type",
    "spec.lifecycle",
    "spec.owner",
    "spec.num",
    "spec.yes",
    "spec.nul",
    "spec.dependson",
    "relations.ownedby",
    "relations.ownerof",
    "relations.dependson",
    "relations.dependencyof",
    "relations.haspart",
    "relations.parentof",
    "nothing.here",
];

fn terms(catalog: &Catalog) -> Terms {
    let references = catalog.references().into_iter();
    references.map(|reference| (reference.clone(), catalog.terms(&reference))).collect()
}

fn passes(filter: &Filter, terms: &[(String, Option<String>, Option<String>)]) -> bool {
    match filter {
        Filter::All(filters) => filters.iter().all(|filter| passes(filter, terms)),
        Filter::Any(filters) => filters.iter().any(|filter| passes(filter, terms)),
        Filter::Not(filter) => !passes(filter, terms),
        Filter::Field { path, condition } => {
            terms.iter().filter(|(at, ..)| at == path).any(|(_, value, _)| match condition {
                Condition::Exists => true,
                Condition::In(values) => value.as_ref().is_some_and(|v| values.contains(v)),
                Condition::Prefix(prefix) => {
                    value.as_ref().is_some_and(|value| value.starts_with(prefix.as_str()))
                }
                Condition::Like(like) => value.as_ref().is_some_and(|value| like.matches(value)),
            })
        }
    }
}

fn random_filter(random: &mut Random, terms: &Terms, depth: usize) -> Filter {
    if depth > 0 && random.chance(50) {
        let count = random.below(3);
        let many = (0..count).map(|_| random_filter(random, terms, depth - 1)).collect();
        return match random.below(3) {
            0 => Filter::All(many),
            1 => Filter::Any(many),
            _ => Filter::Not(Box::new(random_filter(random, terms, depth - 1))),
        };
    }
    let path = random.pick(PATHS).to_owned();
    let known: Vec<&String> = terms
        .values()
        .flatten()
        .filter(|(at, ..)| *at == path)
        .filter_map(|(_, value, _)| value.as_ref())
        .collect();
    let value = |random: &mut Random| {
        if known.is_empty() || random.chance(10) {
            "no such value".to_owned()
        } else {
            random.pick(&known).clone()
        }
    };
    let condition = match random.below(5) {
        0 => Condition::Exists,
        1 => Condition::Prefix(value(random).chars().take(random.below(6)).collect()),
        2 => Condition::In(vec![value(random)]),
        3 => {
            let value = value(random);
            let from = random.below(value.chars().count() + 1);
            let term: String = value.chars().skip(from).take(1 + random.below(3)).collect();
            Condition::Like(Like::containing(&term))
        }
        _ => Condition::In(vec![value(random), value(random)]),
    };
    Filter::Field { path, condition }
}

fn check(reader: &Reader, catalog: &Catalog, random: &mut Random) {
    let terms = terms(catalog);
    for _ in 0..12 {
        let filter = random_filter(random, &terms, 3);
        let wanted: BTreeSet<&String> =
            terms.iter().filter(|(_, terms)| passes(&filter, terms)).map(|(of, _)| of).collect();
        let query = Query {
            filter: Some(filter.clone()),
            sort: None,
            start: Start::Offset(0),
            limit: usize::MAX,
            count: true,
        };
        let page = reader.query(&query).unwrap();
        assert_eq!(page.total, Some(wanted.len() as u64), "{filter:?}");
        let found: BTreeSet<String> = names(reader, &page.rows).into_iter().collect();
        assert_eq!(found.iter().collect::<BTreeSet<_>>(), wanted, "{filter:?}");
        check_order(reader, &terms, &wanted, &filter, random);
        check_facets(reader, &terms, &wanted, &filter, random);
        check_several_orders(reader, &terms, &wanted, &filter, random);
    }
}

/// A part of a list by several orders, in which what has no value stands at the end.
fn check_several_orders(
    reader: &Reader,
    terms: &Terms,
    wanted: &BTreeSet<&String>,
    filter: &Filter,
    random: &mut Random,
) {
    let sorts: Vec<Sort> = (0..random.below(3))
        .map(|_| Sort { path: random.pick(PATHS).to_owned(), descending: random.chance(50) })
        .collect();
    // At each place: whether there is no value, and the value, by each order.
    let mut expected: Vec<(Vec<(bool, String)>, &String)> = Vec::new();
    for reference in wanted {
        let mut places: Vec<Vec<(bool, String)>> = vec![Vec::new()];
        for sort in &sorts {
            let values = terms[*reference].iter().filter(|(at, ..)| *at == sort.path);
            let values: BTreeSet<&String> =
                values.filter_map(|(_, value, _)| value.as_ref()).collect();
            let mut values: Vec<(bool, String)> =
                values.into_iter().map(|value| (false, value.clone())).collect();
            if values.is_empty() {
                values.push((true, String::new()));
            }
            places = places
                .iter()
                .flat_map(|place| {
                    values.iter().map(|value| [&place[..], std::slice::from_ref(value)].concat())
                })
                .collect();
        }
        expected.extend(places.into_iter().map(|place| (place, *reference)));
    }
    let id = |reference: &String| {
        let reference = model::reference::EntityRef::canonical(reference).unwrap();
        reader.entity_id(&reference).unwrap().unwrap()
    };
    expected.sort_by(|(a, of_a), (b, of_b)| {
        let mut order = std::cmp::Ordering::Equal;
        for ((sort, a), b) in sorts.iter().zip(a).zip(b) {
            let by_value = if sort.descending { b.1.cmp(&a.1) } else { a.1.cmp(&b.1) };
            order = order.then(a.0.cmp(&b.0)).then(by_value);
        }
        if sorts.is_empty() { of_a.cmp(of_b) } else { order.then(id(of_a).cmp(&id(of_b))) }
    });
    let (offset, limit) = (random.below(4), 1 + random.below(12));
    let (ids, more) = reader.ordered(Some(filter), &sorts, offset, limit).unwrap();
    let found: Vec<String> =
        ids.iter().map(|id| reader.reference(*id).unwrap().unwrap().to_string()).collect();
    let expected: Vec<String> = expected.into_iter().map(|(_, of)| of.clone()).collect();
    let end = expected.len().min(offset + limit);
    assert_eq!(found, expected[offset.min(end)..end], "{sorts:?} {filter:?}");
    assert_eq!(more, expected.len() > offset + limit);
}

fn names(reader: &Reader, rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| reader.reference(row.id).unwrap().unwrap().to_string()).collect()
}

/// All pages of an ordered list, forwards and back.
fn check_order(
    reader: &Reader,
    terms: &Terms,
    wanted: &BTreeSet<&String>,
    filter: &Filter,
    random: &mut Random,
) {
    let path = random.pick(PATHS).to_owned();
    let descending = random.chance(50);
    let mut expected: Vec<(String, &String)> = Vec::new();
    for reference in wanted {
        let values = terms[*reference].iter().filter(|(at, ..)| *at == path);
        let values: BTreeSet<&String> = values.filter_map(|(_, value, _)| value.as_ref()).collect();
        expected.extend(values.into_iter().map(|value| (value.clone(), *reference)));
    }
    let distinct = expected.iter().map(|(_, of)| of).collect::<BTreeSet<_>>().len() as u64;
    let limit = 1 + random.below(7);
    let sort = Sort { path: path.clone(), descending };
    let query = |start| Query {
        filter: Some(filter.clone()),
        sort: Some(sort.clone()),
        start,
        limit,
        count: true,
    };
    let mut rows: Vec<Row> = Vec::new();
    let mut start = Start::Offset(0);
    loop {
        let page = reader.query(&query(start)).unwrap();
        assert_eq!(page.total, Some(distinct), "{path} {filter:?}");
        assert!(page.rows.len() <= limit);
        if let (true, Some(first)) = (!rows.is_empty(), page.rows.first()) {
            let back = reader.query(&query(Start::Before(first.clone()))).unwrap();
            let before = rows.len().saturating_sub(limit);
            assert_eq!(back.rows, rows[before..], "{path}: the page before");
        }
        rows.extend(page.rows.clone());
        match page.rows.last() {
            Some(last) if page.more => start = Start::After(last.clone()),
            _ => break,
        }
    }
    assert!(rows.is_sorted_by(|a, b| if descending { a > b } else { a < b }), "{path}");
    let mut found: Vec<(String, String)> = rows
        .iter()
        .zip(names(reader, &rows))
        .map(|(row, name)| (row.value.clone().unwrap(), name))
        .collect();
    let mut expected: Vec<(String, String)> =
        expected.into_iter().map(|(value, of)| (value, of.clone())).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{path} {filter:?}");
}

fn check_facets(
    reader: &Reader,
    terms: &Terms,
    wanted: &BTreeSet<&String>,
    filter: &Filter,
    random: &mut Random,
) {
    let path = random.pick(PATHS).to_owned();
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for reference in wanted {
        for (at, _, original) in &terms[*reference] {
            if let (true, Some(original)) = (*at == path, original) {
                *expected.entry(original.clone()).or_default() += 1;
            }
        }
    }
    let found = reader.facets(std::slice::from_ref(&path), Some(filter)).unwrap();
    let found: BTreeMap<String, u64> =
        found[0].iter().map(|facet| (facet.value.clone(), facet.count)).collect();
    assert_eq!(found, expected, "{path} {filter:?}");
}

#[test]
fn queries_give_what_a_plain_evaluation_gives_now_and_then() {
    for_seeds(300..330, |seed| {
        let steps = steps(&mut Random::new(seed), 250);
        let node = Node::with(&records(seed, &steps), lists(seed));
        node.fold(1 + seed as usize % 60, None);
        let reader = node.views.reader().unwrap();
        let mut random = Random::new(seed);
        let mut catalog = Catalog::default();
        for (offset, step) in (2..).zip(&steps) {
            catalog.apply(step);
            if random.chance(4) {
                check(&reader.at(offset).unwrap(), &catalog, &mut random);
            }
        }
        check(&reader, &catalog, &mut random);
        assert_eq!(node.views.check_index().unwrap(), None);
    });
}

#[test]
fn what_is_kept_in_memory_follows_what_changes() {
    for_seeds(330..350, |seed| {
        let steps = steps(&mut Random::new(seed), 250);
        let node = Node::with(&records(seed, &steps), EVERY_WAY);
        let mut random = Random::new(seed);
        let mut catalog = Catalog::default();
        let mut earlier: Option<(Reader, Catalog)> = None;
        let mut moments: Vec<(u64, Catalog)> = Vec::new();
        for (offset, step) in (2..).zip(&steps) {
            catalog.apply(step);
            if random.chance(10) {
                node.fold(1 + seed as usize % 9, Some(offset));
                let reader = node.views.reader().unwrap();
                check(&reader, &catalog, &mut random);
                // What is kept for earlier moments grows with the log.
                if !moments.is_empty() {
                    let (offset, catalog) = &moments[random.below(moments.len())];
                    check(&reader.at(*offset).unwrap(), catalog, &mut random);
                }
                moments.push((offset, catalog.clone()));
                // Who began to read a while ago goes on at that moment.
                if let Some((reader, catalog)) = &earlier {
                    check(reader, catalog, &mut random);
                }
                if random.chance(30) {
                    earlier = Some((reader, catalog.clone()));
                }
            }
        }
    });
}

/// Lists are ordered in memory, however short they are.
const EVERY_WAY: Lists = Lists { read_max: 0, steps_min: 1, stretch_bits: 1, aside_min: 1 };

fn lists(seed: u64) -> Lists {
    if seed.is_multiple_of(2) { Lists::default() } else { EVERY_WAY }
}
