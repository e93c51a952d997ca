//! Valid documents of every kind, and ways to spoil them, from a seed.

use serde_json::{Map, Value, json};

/// A small generator (xorshift64*): the same seed gives the same documents everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(bits).expect("31 bits") % end.max(1)
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// Documents of every kind, with every field that the kind knows.
pub(crate) fn samples() -> Vec<Value> {
    serde_json::from_str(include_str!("samples.json")).expect("JSON")
}

const KINDS: &[&str] = &[
    "Component",
    "API",
    "Resource",
    "System",
    "Domain",
    "Group",
    "User",
    "Location",
    "Template",
    "AiResource",
    "component",
    "Api",
    "Componnt",
    "Plugin",
    "a-b",
    "",
    "1x",
];

const VERSIONS: &[&str] = &[
    "backstage.io/v1alpha1",
    "backstage.io/v1beta1",
    "scaffolder.backstage.io/v1beta3",
    "backstage.io/v1",
    "v1",
    "a/b/c",
    "",
    "Backstage.io/v1alpha1",
    "backstage.io/v1alpha1 ",
    "backstage.io/v1_",
    "/v1",
    "x/",
];

const TEXTS: &[&str] = &[
    "",
    " ",
    "a",
    "A",
    "component:",
    ":x",
    "/x",
    "x/",
    "a:b/c",
    "a:/c",
    "a/b/c",
    "a:b:c",
    "User:x",
    "component:default/x y",
    "ä",
    "İ",
    "😀",
    "\u{feff}",
    "\u{85}",
    "a\nb",
    "a\tb",
    "x\n",
    "a--b",
    "-a",
    "a-",
    "a_b",
    "a.b",
    "UPPER",
    "https://",
    "https://example.com",
    "mailto:a@b",
    "not a url",
    "javascript:alert(1)",
    "example.com/key",
    "Example.com/key",
    "a/b/c/d",
    "null",
    "true",
    "12",
    "mcp-server",
    "skill",
    "rule",
    "plugin",
    "marketplace",
    "required",
    "optional",
    "group:x/y",
    "http://[::1",
    "http://a b",
    "https://ex ample",
    "//x",
    "file:///x",
    "tag:yaml",
    "a\u{0}b",
];

const KEYS: &[&str] = &[
    "",
    "x",
    "Name",
    "UID",
    "uid",
    "etag",
    "Etag",
    "namespace",
    "Namespace",
    "__proto__",
    "constructor",
    "toString",
    "a.b",
    "a b",
    "$text",
    "acme.example/x",
    "Acme.example/x",
    "acme.example/",
    "/x",
    "a/b/c",
    "ä",
    "owner",
    "Owner",
    "type",
    "dependsOn",
    "dependencyOf",
    "memberOf",
    "relations",
    "status",
    "attachments",
    "spec",
    "if",
    "length",
    "0",
    "with\nbreak",
];

fn other_value(random: &mut Random) -> Value {
    match random.below(15) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(false),
        3 => json!(0),
        4 => json!(5),
        5 => json!(-1.5),
        6 => json!([]),
        7 => json!({}),
        8 => json!(["a"]),
        9 => json!([1, null]),
        10 => json!({"a": 1}),
        11 => json!({"kind": "component", "name": "x"}),
        12 => json!([{"kind": "component", "namespace": "n", "name": "x"}]),
        13 => json!(["a", ["b"], "A"]),
        _ => json!(random.pick(TEXTS)),
    }
}

/// Spoils a document in one to three places.
pub(crate) fn mutate(document: &mut Value, random: &mut Random) {
    for _ in 0..=random.below(3) {
        let mut pointers = Vec::new();
        collect(document, String::new(), &mut pointers);
        let pointer = random.pick(&pointers).clone();
        mutate_at(document, &pointer, random);
    }
}

fn collect(value: &Value, pointer: String, into: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, format!("{pointer}/{index}"), into);
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                collect(item, format!("{pointer}/{key}"), into);
            }
        }
        _ => {}
    }
    into.push(pointer);
}

fn mutate_at(document: &mut Value, pointer: &str, random: &mut Random) {
    if pointer == "/kind" || pointer == "/apiVersion" {
        let among = if pointer == "/kind" { KINDS } else { VERSIONS };
        document[&pointer[1..]] = json!(random.pick(among));
        return;
    }
    if random.below(4) == 0 {
        remove(document, pointer);
        return;
    }
    let Some(place) = document.pointer_mut(pointer) else {
        return;
    };
    if pointer.is_empty() && random.below(8) > 0 {
        // The document as a whole is rarely replaced: a field is added instead.
        if let Value::Object(map) = place {
            map.insert((*random.pick(KEYS)).to_owned(), other_value(random));
        }
        return;
    }
    match place {
        Value::Object(map) if random.below(4) > 0 => spoil_object(map, random),
        Value::Array(items) if random.below(4) > 0 => {
            let at = random.below(items.len() + 1);
            let item = match items.first().cloned() {
                Some(first) if random.below(2) == 0 => first,
                _ => other_value(random),
            };
            items.insert(at, item);
        }
        Value::String(text) if random.below(4) > 0 => spoil_text(text, random),
        place => *place = other_value(random),
    }
}

fn spoil_object(map: &mut Map<String, Value>, random: &mut Random) {
    let keys: Vec<String> = map.keys().cloned().collect();
    match random.below(3) {
        0 => {
            map.insert((*random.pick(KEYS)).to_owned(), other_value(random));
        }
        1 if !keys.is_empty() => {
            // The same key in another case.
            let key = random.pick(&keys).clone();
            let other = if random.below(2) == 0 { key.to_uppercase() } else { key.to_lowercase() };
            let value = map.get(&key).cloned().unwrap_or(Value::Null);
            map.insert(other, value);
        }
        _ => {
            map.insert((*random.pick(KEYS)).to_owned(), json!(random.pick(TEXTS)));
        }
    }
}

fn spoil_text(text: &mut String, random: &mut Random) {
    match random.below(8) {
        0 => *text = (*random.pick(TEXTS)).to_owned(),
        1 => *text = text.to_uppercase(),
        2 => text.insert(0, *random.pick(&['-', ' ', ':', '/', 'É', '\n', 'A'])),
        3 => text.push(*random.pick(&['-', ' ', ':', '/', 'ß', '\n', '.'])),
        4 => *text = text.repeat(1 + random.below(80)),
        5 => *text = "x".repeat(*random.pick(&[62, 63, 64, 199, 200, 201, 253, 254, 500, 501])),
        6 => *text = "é".repeat(*random.pick(&[62, 63, 64, 199, 200, 201, 500, 501])),
        _ => text.push_str(random.pick::<&str>(TEXTS)),
    }
}

fn remove(document: &mut Value, pointer: &str) {
    let Some((parent, key)) = pointer.rsplit_once('/') else {
        return;
    };
    let key = key.replace("~1", "/").replace("~0", "~");
    match document.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.shift_remove(&key);
        }
        Some(Value::Array(items)) => {
            if let Ok(index) = key.parse::<usize>() {
                items.remove(index.min(items.len() - 1));
            }
        }
        _ => {}
    }
}
