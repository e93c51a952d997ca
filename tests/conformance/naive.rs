//! Filters, predicates, orders, full text and facets over HTTP, compared with a naive evaluation
//! over the documents that the same server shows.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use support::process::Client;
use support::random::Random;

use crate::program;

/// A row of the filter index: its key, its value in lower case, and as it is written.
type Row = (String, Option<String>, Option<String>);

/// What filters see of an entity, as `buildEntitySearch` of the catalog backend makes it.
fn rows(entity: &Value) -> Vec<Row> {
    let mut found: Vec<(String, Value)> = Vec::new();
    visit("", entity, &mut found);
    for key in ["name", "namespace", "uid"] {
        found.push((format!("metadata.{key}"), entity["metadata"][key].clone()));
    }
    for relation in entity["relations"].as_array().unwrap() {
        let kind = relation["type"].as_str().unwrap();
        found.push((format!("relations.{kind}"), relation["targetRef"].clone()));
    }
    let mut seen = BTreeSet::new();
    let mut rows = Vec::new();
    for (key, value) in found {
        let text = match value {
            Value::Null => None,
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        };
        let text = text.filter(|text| text.encode_utf16().count() <= 200);
        let row = (key.to_lowercase(), text.as_ref().map(|text| text.to_lowercase()), text);
        if seen.insert((row.0.clone(), row.1.clone())) {
            rows.push(row);
        }
    }
    rows
}

fn visit(path: &str, value: &Value, found: &mut Vec<(String, Value)>) {
    const PASSED_OVER: [&str; 7] = [
        "attachments",
        "relations",
        "status",
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "metadata.etag",
    ];
    if PASSED_OVER.contains(&path) {
        return;
    }
    match value {
        Value::Array(items) => {
            for item in items {
                visit(path, item, found);
                if let Value::String(text) = item {
                    found.push((format!("{path}.{text}"), json!(true)));
                }
            }
        }
        Value::Object(members) => {
            for (key, value) in members {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                visit(&path, value, found);
            }
        }
        scalar => found.push((path.to_owned(), scalar.clone())),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned).to_lowercase()
}

/// Whether a predicate lets an entity pass.
fn passes(predicate: &Value, rows: &[Row]) -> bool {
    let object = predicate.as_object().unwrap();
    if let Some(all) = object.get("$all") {
        return all.as_array().unwrap().iter().all(|one| passes(one, rows));
    }
    if let Some(any) = object.get("$any") {
        return any.as_array().unwrap().iter().any(|one| passes(one, rows));
    }
    if let Some(one) = object.get("$not") {
        return !passes(one, rows);
    }
    object.iter().all(|(key, value)| {
        let key = key.to_lowercase();
        let has = |key: &str, test: &dyn Fn(Option<&str>) -> bool| {
            rows.iter().any(|(at, value, _)| at == key && test(value.as_deref()))
        };
        let is_one_of = |key: &str, values: &[Value]| {
            has(key, &|found| found.is_some_and(|found| values.iter().any(|v| text(v) == found)))
        };
        let Some(operator) = value.as_object() else {
            return is_one_of(&key, std::slice::from_ref(value));
        };
        let (name, operand) = operator.iter().next().unwrap();
        match (name.as_str(), operand) {
            ("$exists", exists) => has(&key, &|_| true) == exists.as_bool().unwrap(),
            ("$in", values) => is_one_of(&key, values.as_array().unwrap()),
            ("$hasPrefix", prefix) => {
                has(&key, &|found| found.is_some_and(|found| found.starts_with(&text(prefix))))
            }
            ("$contains", Value::Object(relation)) => {
                let key = format!("relations.{}", text(&relation["type"]));
                match relation.get("targetRef") {
                    None => has(&key, &|_| true),
                    Some(Value::Object(of)) => is_one_of(&key, of["$in"].as_array().unwrap()),
                    Some(target) => is_one_of(&key, std::slice::from_ref(target)),
                }
            }
            ("$contains", target) => is_one_of(&key, std::slice::from_ref(target)),
            other => panic!("{other:?}"),
        }
    })
}

/// All entities by their references, with their rows.
struct Catalog {
    rows: BTreeMap<String, Vec<Row>>,
    keys: Vec<String>,
}

impl Catalog {
    fn of(entities: &[Value]) -> Self {
        let rows: BTreeMap<String, Vec<Row>> =
            entities.iter().map(|entity| (reference(entity), rows(entity))).collect();
        let keys: BTreeSet<String> = rows.values().flatten().map(|(key, ..)| key.clone()).collect();
        Self { rows, keys: keys.into_iter().collect() }
    }

    fn passing(&self, predicate: &Value) -> BTreeSet<String> {
        let passing = self.rows.iter().filter(|(_, rows)| passes(predicate, rows));
        passing.map(|(of, _)| of.clone()).collect()
    }

    /// A key that entities have, in some case, or one that they have not.
    fn key(&self, random: &mut Random) -> String {
        let common = ["kind", "metadata.tags", "spec.type", "spec.lifecycle", "relations.ownedBy"];
        match random.below(20) {
            0 => "nothing.here".into(),
            1 => random.pick(&self.keys).to_uppercase(),
            2..10 => random.pick(&common).to_owned(),
            _ => random.pick(&self.keys).clone(),
        }
    }

    /// A value that some entity has at a key, in some case, or one that none has.
    fn value(&self, key: &str, random: &mut Random) -> Value {
        let key = key.to_lowercase();
        let all = self.rows.values().flatten().filter(|(at, ..)| *at == key);
        let all: Vec<&String> = all.filter_map(|(.., original)| original.as_ref()).collect();
        if all.is_empty() || random.chance(10) {
            return json!(random.pick(&["none such", "", "true"]));
        }
        let value = random.pick(&all).to_string();
        match (value.as_str(), random.below(3)) {
            ("true", 0) => json!(true),
            (_, 0) => value.parse::<i64>().map_or_else(|_| json!(value), |number| json!(number)),
            (_, 1) => json!(value.to_uppercase()),
            _ => json!(value),
        }
    }

    fn predicate(&self, random: &mut Random, depth: usize) -> Value {
        if depth > 0 && random.chance(45) {
            let many: Vec<Value> =
                (0..random.below(4)).map(|_| self.predicate(random, depth - 1)).collect();
            return match random.below(3) {
                0 => json!({"$all": many}),
                1 => json!({"$any": many}),
                _ => json!({"$not": self.predicate(random, depth - 1)}),
            };
        }
        let mut object = Map::new();
        for _ in 0..1 + random.below(2) {
            let key = self.key(random);
            let (key, value) = self.condition(key, random);
            object.insert(key, value);
        }
        object.into()
    }

    fn condition(&self, key: String, random: &mut Random) -> (String, Value) {
        let value = self.value(&key, random);
        let condition = match random.below(7) {
            0 => json!({"$exists": random.chance(70)}),
            1 => json!({"$in": [value, self.value(&key, random)]}),
            2 => {
                let prefix: String = text(&value).chars().take(random.below(5)).collect();
                json!({"$hasPrefix": prefix})
            }
            3 => json!({"$contains": value}),
            4 => {
                let kind = random.pick(&["ownedBy", "OWNEROF", "hasPart", "dependsOn", "x"]);
                let target = self.value(&format!("relations.{kind}"), random);
                let target = json!(text(&target));
                let contains = match random.below(3) {
                    0 => json!({"type": kind}),
                    1 => json!({"type": kind, "targetRef": target}),
                    _ => json!({"type": kind, "targetRef": {"$in": [target, "group:default/a"]}}),
                };
                return ("relations".into(), json!({"$contains": contains}));
            }
            _ => value,
        };
        (key, condition)
    }
}

fn reference(entity: &Value) -> String {
    let part = |value: &Value| value.as_str().unwrap().to_lowercase();
    let metadata = &entity["metadata"];
    format!(
        "{}:{}/{}",
        part(&entity["kind"]),
        part(&metadata["namespace"]),
        part(&metadata["name"])
    )
}

/// A server with a catalog of random documents, some of which were changed or went again.
fn fill(client: &Client, random: &mut Random) -> Vec<Value> {
    for round in 0..3 {
        let mut lines = Vec::new();
        for number in 0..60 {
            let mut document = support::history::document(random);
            if random.chance(60) {
                document["metadata"]["name"] = json!(format!("N{}", number + 30 * round));
            }
            if random.chance(20) {
                document["spec"]["deep"] = json!({"A.b": [1, {"c": "D%_d"}], "t": "x".repeat(201)});
            }
            lines.push(document.to_string());
        }
        let path = format!("/api/ingest/s{}?allowWithdrawals=true", round % 2);
        let taken = client.post(&path, &lines.join("\n"));
        assert_eq!(taken.status, 200, "{taken:?}");
    }
    let all = client.get("/api/catalog/entities");
    all.body.as_array().unwrap().clone()
}

fn ask(client: &Client, path: &str, body: &Value) -> Value {
    let headers = [("content-type", "application/json")];
    let answer = client.try_post(path, &headers, &body.to_string()).unwrap();
    assert_eq!(answer.status, 200, "{body}: {}", answer.body);
    answer.body
}

const FIELDS: [&str; 3] = ["kind", "metadata.name", "metadata.namespace"];
const QUERY: &str = "/api/catalog/entities/by-query";

fn references(items: &Value) -> Vec<String> {
    items.as_array().unwrap().iter().map(reference).collect()
}

/// All pages of a list, and how many entities it says there are.
fn pages(client: &Client, first: &Value, limit: usize) -> (Vec<String>, u64) {
    let mut page = ask(client, QUERY, first);
    let mut found = references(&page["items"]);
    let total = page["totalItems"].as_u64().unwrap();
    while let Some(cursor) = page["pageInfo"]["nextCursor"].as_str() {
        page = ask(client, QUERY, &json!({"cursor": cursor, "limit": limit, "fields": FIELDS}));
        assert_eq!(page["totalItems"], total);
        found.extend(references(&page["items"]));
    }
    (found, total)
}

/// Says whether the answer was neither empty nor everything, and so could tell something.
fn check_list(client: &Client, catalog: &Catalog, random: &mut Random) -> bool {
    let predicate = catalog.predicate(random, 3);
    let wanted = catalog.passing(&predicate);
    let limit = 1 + random.below(40);
    let mut body = json!({"query": predicate, "limit": limit, "fields": FIELDS});
    let (found, total) = pages(client, &body, limit);
    assert_eq!(total, wanted.len() as u64, "{predicate}");
    assert_eq!(found.len(), wanted.len(), "{predicate}");
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), wanted, "{predicate}");
    // The same in an order: at each value of the field, and those without one left out.
    let key = catalog.key(random);
    let descending = random.chance(50);
    body["orderBy"] = json!([{"field": key, "order": if descending { "desc" } else { "asc" }}]);
    let mut expected: Vec<(String, &String)> = Vec::new();
    for of in &wanted {
        let values = catalog.rows[of].iter().filter(|(at, ..)| *at == key.to_lowercase());
        expected.extend(values.filter_map(|(_, value, _)| Some((value.clone()?, of))));
    }
    let distinct: BTreeSet<&String> = expected.iter().map(|(_, of)| *of).collect();
    let (found, total) = pages(client, &body, limit);
    assert_eq!(total, distinct.len() as u64, "{body}");
    expected.sort();
    if descending {
        expected.reverse();
    }
    assert_eq!(found.len(), expected.len(), "{body}");
    // Among those that agree the order is the server's.
    for group in expected.chunk_by(|(a, _), (b, _)| a == b) {
        let start = expected.iter().position(|(value, _)| *value == group[0].0).unwrap();
        let found: BTreeSet<&String> = found[start..start + group.len()].iter().collect();
        let group: BTreeSet<&String> = group.iter().map(|(_, of)| *of).collect();
        assert_eq!(found, group, "{body}");
    }
    !wanted.is_empty() && wanted.len() < catalog.rows.len()
}

fn check_facets(client: &Client, catalog: &Catalog, random: &mut Random) {
    let predicate = catalog.predicate(random, 2);
    let wanted = catalog.passing(&predicate);
    let key = catalog.key(random);
    let body = json!({"facets": [key], "query": predicate});
    let found = ask(client, "/api/catalog/entity-facets", &body);
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for (at, _, original) in wanted.iter().flat_map(|of| &catalog.rows[of]) {
        if let (true, Some(original)) = (*at == key.to_lowercase(), original) {
            *expected.entry(original.clone()).or_default() += 1;
        }
    }
    let expected: Vec<Value> = expected
        .into_iter()
        .map(|(value, count)| json!({"value": value, "count": count}))
        .collect();
    assert_eq!(found["facets"][&key], json!(expected), "{body}");
}

fn check_text(client: &Client, catalog: &Catalog, random: &mut Random) {
    let fields: Vec<String> = (0..1 + random.below(2)).map(|_| catalog.key(random)).collect();
    let value = text(&catalog.value(&fields[0], random));
    let from = random.below(value.chars().count() + 1);
    let term: String = value.chars().skip(from).take(1 + random.below(4)).collect();
    let body = json!({
        "fullTextFilter": {"term": term, "fields": fields}, "fields": FIELDS, "limit": 1000,
    });
    let found = ask(client, QUERY, &body);
    let found: BTreeSet<String> = references(&found["items"]).into_iter().collect();
    let term = term.trim();
    // Wildcards are looked at elsewhere.
    if term.contains(['%', '_', '\\']) {
        return;
    }
    let keys: Vec<String> = fields.iter().map(|field| field.to_lowercase()).collect();
    let holds = |(at, value, _): &Row| {
        keys.contains(at) && value.as_ref().is_some_and(|value| value.contains(term))
    };
    let wanted = catalog.rows.iter().filter(|(_, rows)| term.is_empty() || rows.iter().any(holds));
    assert_eq!(found, wanted.map(|(of, _)| of.clone()).collect(), "{body}");
}

/// `filter=` of GET requests: any of the parameters, each with all of its statements.
fn check_filters(client: &Client, catalog: &Catalog, random: &mut Random) {
    let mut query = form(&[]);
    let mut any: Vec<Value> = Vec::new();
    for _ in 0..1 + random.below(2) {
        let mut statements: Vec<String> = Vec::new();
        let mut all: Vec<Value> = Vec::new();
        for key in BTreeSet::from([catalog.key(random), catalog.key(random)]) {
            if random.chance(30) {
                statements.push(key.clone());
                all.push(json!({key: {"$exists": true}}));
                continue;
            }
            let values = [catalog.value(&key, random), catalog.value(&key, random)];
            let values = values.map(|value| text(&value));
            if key.contains(['=', ',']) || values.iter().any(|v| v.contains(',') || v.trim() != v) {
                continue;
            }
            statements.extend(values.iter().map(|value| format!("{key}={value}")));
            all.push(json!({key: {"$in": values}}));
        }
        if !all.is_empty() {
            query = form(&[(&query, ""), ("filter", &statements.join(","))]);
            any.push(json!({"$all": all}));
        }
    }
    if any.is_empty() {
        return;
    }
    let predicate = json!({"$any": any});
    let wanted = catalog.passing(&predicate);
    let found = client.get(&format!("/api/catalog/entities?{query}"));
    let found: BTreeSet<String> = references(&found.body).into_iter().collect();
    assert_eq!(found, wanted, "{query}");
    let counted = client.get(&format!("{QUERY}?limit=0&{query}"));
    assert_eq!(counted.body["totalItems"], wanted.len(), "{query}");
}

/// A query string; what has no value stands there already.
fn form(parts: &[(&str, &str)]) -> String {
    let written: Vec<String> = parts
        .iter()
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| {
            if value.is_empty() {
                return (*name).to_owned();
            }
            let byte = |byte: u8| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' => char::from(byte).into(),
                byte => format!("%{byte:02X}"),
            };
            format!("{name}={}", value.bytes().map(byte).collect::<String>())
        })
        .collect();
    written.join("&")
}

#[test]
fn every_question_is_answered_as_a_naive_evaluation_answers_it() {
    for seed in 0..4 {
        let data = tempfile::tempdir().unwrap();
        let server = program().serve(data.path(), &[]);
        let client = server.client();
        let mut random = Random::new(seed);
        let entities = fill(&client, &mut random);
        let catalog = Catalog::of(&entities);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut telling = 0;
            for _ in 0..60 {
                telling += usize::from(check_list(&client, &catalog, &mut random));
                check_facets(&client, &catalog, &mut random);
                check_text(&client, &catalog, &mut random);
                check_filters(&client, &catalog, &mut random);
            }
            assert!(telling > 20, "{telling} of 60 predicates told something");
        }));
        assert!(result.is_ok(), "seed {seed}");
    }
}
