//! What of an entity is searched: the document that Backstage's catalog collator makes of it.

use serde_json::{Map, Value, json};

/// The most of a definition that is searched, in bytes.
const DEFINITION_BYTES_MAX: usize = 64 * 1024;

/// What of an entity is searched.
pub(crate) struct Document {
    /// The document as it is sent, its keys in the order in which PostgreSQL keeps them.
    pub(crate) shown: Map<String, Value>,
    /// The reference, which Backstage keeps beside it to ask who may see it.
    pub(crate) reference: String,
    pub(crate) name: String,
    /// Texts that are looked through where Backstage's document holds nothing.
    pub(crate) more: Vec<String>,
}

impl Document {
    /// Of an entity's document; absent where it is not one.
    pub(crate) fn of(entity: &Value) -> Option<Self> {
        let kind = entity["kind"].as_str()?;
        let metadata = &entity["metadata"];
        let spec = &entity["spec"];
        let name = metadata["name"].as_str()?;
        let namespace = metadata["namespace"].as_str().filter(|n| !n.is_empty());
        let namespace = namespace.unwrap_or("default");
        let title = metadata.get("title").filter(|title| !title.is_null());
        let of_type = match text_of(&spec["type"]) {
            text if text.is_empty() => "other".to_owned(),
            text => text,
        };
        let location =
            format!("/catalog/{}/{}/{}", encoded(namespace), encoded(kind), encoded(name));
        let mut shown = Map::new();
        let mut put = |key: &str, value: Value| shown.insert(key.to_owned(), value);
        put("kind", kind.into());
        put("text", text(entity, kind).into());
        put("type", of_type.clone().into());
        put("owner", truthy(&spec["owner"]));
        put("title", title.cloned().unwrap_or_else(|| name.into()));
        put("location", location.to_lowercase().into());
        put("lifecycle", truthy(&spec["lifecycle"]));
        put("namespace", namespace.into());
        put("componentType", of_type.into());
        Some(Self {
            shown,
            reference: format!("{kind}:{namespace}/{name}").to_lowercase(),
            name: name.to_owned(),
            more: more(metadata, spec),
        })
    }

    /// The document as it is filtered by: with what is not sent.
    pub(crate) fn whole(&self) -> Value {
        let mut whole = self.shown.clone();
        whole.insert("authorization".to_owned(), json!({"resourceRef": self.reference}));
        Value::Object(whole)
    }

    pub(crate) fn title(&self) -> &str {
        self.shown["title"].as_str().unwrap_or_default()
    }

    pub(crate) fn text(&self) -> &str {
        self.shown["text"].as_str().unwrap_or_default()
    }

    /// All other texts, in the order in which PostgreSQL keeps them; those within lists and objects
    /// too.
    pub(crate) fn others(&self) -> Vec<&str> {
        let mut texts = Vec::new();
        for key in ["kind", "type", "owner", "lifecycle", "namespace"] {
            texts_of(&self.shown[key], &mut texts);
        }
        texts.push(&self.reference);
        texts_of(&self.shown["componentType"], &mut texts);
        texts
    }
}

/// The description, and who it is.
fn text(entity: &Value, kind: &str) -> String {
    let profile = &entity["spec"]["profile"];
    let is = |wanted: &str| kind.eq_ignore_ascii_case(wanted);
    let parts = [
        Some(&entity["metadata"]["description"]),
        (is("user") || is("group")).then_some(&profile["displayName"]),
        is("user").then_some(&profile["email"]),
    ];
    let parts = parts.into_iter().flatten().filter_map(Value::as_str);
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" : ")
}

/// What JavaScript's `value || ''` is.
fn truthy(value: &Value) -> Value {
    let falsy = match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        _ => false,
    };
    if falsy { "".into() } else { value.clone() }
}

/// What JavaScript's `toString` writes.
fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(","),
        Value::Object(_) => "[object Object]".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn texts_of<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts_of(item, texts)),
        Value::Object(object) => object.values().for_each(|value| texts_of(value, texts)),
        _ => {}
    }
}

fn more(metadata: &Value, spec: &Value) -> Vec<String> {
    let mut more = Vec::new();
    let mut add = |value: &Value| more.extend(value.as_str().map(str::to_owned));
    add(&metadata["name"]);
    metadata["tags"].as_array().into_iter().flatten().for_each(&mut add);
    for link in metadata["links"].as_array().into_iter().flatten() {
        add(&link["title"]);
    }
    add(&spec["system"]);
    add(&spec["domain"]);
    for (key, value) in metadata["labels"].as_object().into_iter().flatten() {
        more.push(format!("{key} {}", value.as_str().unwrap_or_default()));
    }
    if let Some(definition) = spec["definition"].as_str() {
        let end = definition.floor_char_boundary(DEFINITION_BYTES_MAX);
        more.push(definition[..end].to_owned());
    }
    more
}

/// `encodeURIComponent`
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'-'
            | b'_'
            | b'.'
            | b'!'
            | b'~'
            | b'*'
            | b'\''
            | b'('
            | b')' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(entity: &Value, expected: &Value) {
        assert_eq!(&Value::Object(Document::of(entity).unwrap().shown), expected);
    }

    #[test]
    fn a_document_is_what_backstages_collator_makes() {
        check(
            &json!({"kind": "Component", "metadata": {"name": "A_b"}, "spec": {"owner": 0}}),
            &json!({"kind": "Component", "text": "", "type": "other", "owner": "", "title": "A_b",
                "location": "/catalog/default/component/a_b", "lifecycle": "",
                "namespace": "default", "componentType": "other"}),
        );
        check(
            &json!({"kind": "User", "metadata": {"name": "u", "title": "T", "namespace": "n",
                "description": "D"}, "spec": {"type": 7, "owner": ["a", "b"],
                "profile": {"displayName": "U", "email": "u@example.com"}}}),
            &json!({"kind": "User", "text": "D : U : u@example.com", "type": "7",
                "owner": ["a", "b"], "title": "T", "location": "/catalog/n/user/u",
                "lifecycle": "", "namespace": "n", "componentType": "7"}),
        );
    }
}
