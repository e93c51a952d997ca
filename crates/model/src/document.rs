//! Reading an entity document, and bringing it into the form in which it is kept.
//!
//! Invariant: [`normalize`] is idempotent, and changes nothing but what its documentation lists.

use serde_json::{Map, Value};

use crate::js;
use crate::kinds::{Kinds, RelationField};
use crate::reference::{EntityRef, NAMESPACE_DEFAULT, RefError};

/// How deep the values of a document may be nested; the document itself is the first level.
///
/// `serde_json` reads 127 levels. A document has to fit with what may be put around it: a record,
/// a request, a list.
pub const DEPTH_MAX: usize = 100;

/// The annotation that says which location an entity was read from, as `<type>:<target>`.
pub const ANNOTATION_LOCATION: &str = "backstage.io/managed-by-location";
/// The annotation that says which registered location led to an entity, as `<type>:<target>`.
pub const ANNOTATION_ORIGIN_LOCATION: &str = "backstage.io/managed-by-origin-location";
/// The annotation with the folder of an entity's sources, as `<type>:<target>`; ends in `/`.
pub const ANNOTATION_SOURCE_LOCATION: &str = "backstage.io/source-location";
/// The annotation with the page that shows an entity's file.
pub const ANNOTATION_VIEW_URL: &str = "backstage.io/view-url";
/// The annotation with the page that edits an entity's file.
pub const ANNOTATION_EDIT_URL: &str = "backstage.io/edit-url";
/// The annotation of an entity that nothing emits any more, and that is kept nevertheless.
pub const ANNOTATION_ORPHAN: &str = "backstage.io/orphan";

/// A view of an entity document. Every accessor is total: what is absent or of another type than
/// the model says is `None`.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    value: &'a Value,
}

impl<'a> Document<'a> {
    /// Looks at a document, which need not be valid.
    #[must_use]
    pub fn new(value: &'a Value) -> Self {
        Self { value }
    }

    /// `kind`, as it is written.
    #[must_use]
    pub fn kind(self) -> Option<&'a str> {
        self.value.get("kind")?.as_str()
    }

    /// `apiVersion`.
    #[must_use]
    pub fn api_version(self) -> Option<&'a str> {
        self.value.get("apiVersion")?.as_str()
    }

    /// `metadata`.
    #[must_use]
    pub fn metadata(self) -> Option<&'a Map<String, Value>> {
        self.value.get("metadata")?.as_object()
    }

    /// `metadata.name`, as it is written.
    #[must_use]
    pub fn name(self) -> Option<&'a str> {
        self.metadata()?.get("name")?.as_str()
    }

    /// `metadata.namespace` as it is written, and [`NAMESPACE_DEFAULT`] if it is absent or empty.
    #[must_use]
    pub fn namespace(self) -> &'a str {
        let written = self.metadata().and_then(|metadata| metadata.get("namespace")?.as_str());
        written.filter(|namespace| !namespace.is_empty()).unwrap_or(NAMESPACE_DEFAULT)
    }

    /// `spec`.
    #[must_use]
    pub fn spec(self) -> Option<&'a Map<String, Value>> {
        self.value.get("spec")?.as_object()
    }

    /// `spec.type`.
    #[must_use]
    pub fn spec_type(self) -> Option<&'a str> {
        self.spec()?.get("type")?.as_str()
    }

    /// The canonical reference of the entity that the document describes.
    ///
    /// # Errors
    /// A part that is absent, or of which no reference can be made. A valid document has one.
    pub fn reference(self) -> Result<EntityRef, RefError> {
        EntityRef::new(
            self.kind().unwrap_or_default(),
            self.namespace(),
            self.name().unwrap_or_default(),
        )
    }

    /// The value of an annotation.
    #[must_use]
    pub fn annotation(self, key: &str) -> Option<&'a str> {
        self.metadata()?.get("annotations")?.get(key)?.as_str()
    }

    /// All annotations with a text, in the order of the document.
    pub fn annotations(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.metadata()
            .and_then(|metadata| metadata.get("annotations")?.as_object())
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }
}

/// The arrays that `BuiltinKindsEntityProcessor` sorts, in a document of any kind.
const SORTED_FIELDS: &[&str] = &[
    "/spec/providesApis",
    "/spec/consumesApis",
    "/spec/dependsOn",
    "/spec/dependencyOf",
    "/spec/memberOf",
    "/spec/children",
    "/spec/members",
];

/// Brings a document into the form in which Backstage keeps it:
///
/// - `metadata.namespace` is written in where it is absent (`DefaultNamespaceEntityPolicy`),
/// - annotations that are written but empty (`null`, `""`, `false`, `0`) become an empty object,
///   because Backstage adds its own to them before it looks,
/// - the arrays that hold relations are sorted, if all of their items are texts.
///
/// Nothing else changes, nor does a value that is no document.
pub fn normalize(document: &mut Value, kinds: &Kinds) {
    if let Some(Value::Object(metadata)) = document.get_mut("metadata") {
        if metadata.get("annotations").is_some_and(is_nothing) {
            metadata.insert("annotations".to_owned(), Value::Object(Map::new()));
        }
        if !metadata.contains_key("namespace") {
            metadata.shift_insert(0, "namespace".to_owned(), NAMESPACE_DEFAULT.into());
        }
    }
    if kinds.is_modelled(document) {
        let fields = kinds.relation_fields(document).iter();
        let pointers: Vec<String> = fields.map(RelationField::pointer).collect();
        pointers.iter().for_each(|pointer| sort_texts(document, pointer));
    } else {
        SORTED_FIELDS.iter().for_each(|pointer| sort_texts(document, pointer));
    }
}

/// What is nothing to JavaScript: Backstage puts its own annotations in the place of such ones,
/// and passes over such relation fields.
pub(crate) fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(value) => value.as_f64() == Some(0.0),
        Value::String(value) => value.is_empty(),
        Value::Array(_) | Value::Object(_) => false,
    }
}

/// Sorts an array as JavaScript does by default, if there is one and every item is a text.
fn sort_texts(document: &mut Value, pointer: &str) {
    if let Some(Value::Array(items)) = document.pointer_mut(pointer)
        && items.iter().all(Value::is_string)
    {
        items.sort_by(|a, b| {
            js::compare(a.as_str().unwrap_or_default(), b.as_str().unwrap_or_default())
        });
    }
}

/// Whether a value is nested deeper than `max` levels, of which it is itself the first.
pub(crate) fn is_deeper_than(value: &Value, max: usize) -> bool {
    match value {
        Value::Array(items) => max == 0 || items.iter().any(|item| is_deeper_than(item, max - 1)),
        Value::Object(map) => max == 0 || map.values().any(|item| is_deeper_than(item, max - 1)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::CustomKind;

    #[test]
    fn accessors_are_total() {
        let document = json!({
            "apiVersion": "v1",
            "kind": "Component",
            "metadata": {"name": "A", "annotations": {"x": "y", "n": 1}},
            "spec": {"type": "service"},
        });
        let view = Document::new(&document);
        assert_eq!((view.kind(), view.api_version()), (Some("Component"), Some("v1")));
        assert_eq!((view.name(), view.namespace()), (Some("A"), "default"));
        assert_eq!(view.reference().expect("full").as_str(), "component:default/a");
        assert_eq!((view.annotation("x"), view.annotation("n")), (Some("y"), None));
        assert_eq!(view.annotations().collect::<Vec<_>>(), [("x", "y")]);
        assert_eq!(view.spec_type(), Some("service"));
        for odd in
            [json!(null), json!([]), json!("x"), json!({"metadata": 5, "kind": {}, "spec": []})]
        {
            let view = Document::new(&odd);
            assert_eq!((view.kind(), view.name(), view.spec_type()), (None, None, None));
            assert_eq!((view.namespace(), view.annotations().count()), ("default", 0));
            assert!(view.reference().is_err());
        }
    }

    fn check(mut document: Value, kinds: &Kinds, expected: &Value) {
        normalize(&mut document, kinds);
        assert_eq!(document, *expected);
        assert_eq!(document.to_string(), expected.to_string(), "the order of keys");
        normalize(&mut document, kinds);
        assert_eq!(document, *expected, "again");
    }

    #[test]
    fn normalizing_writes_the_namespace_and_sorts_relations() {
        let kinds = Kinds::builtin();
        check(
            json!({
                "metadata": {"name": "a", "annotations": null},
                "spec": {"dependsOn": ["b", "😀", "\u{fb33}", "B"], "members": ["z", 1, "a"], "x": ["z", "a"]},
                "kind": "Component",
            }),
            &kinds,
            &json!({
                "metadata": {"namespace": "default", "name": "a", "annotations": {}},
                "spec": {"dependsOn": ["B", "b", "😀", "\u{fb33}"], "members": ["z", 1, "a"], "x": ["z", "a"]},
                "kind": "Component",
            }),
        );
        check(
            json!({"metadata": {"namespace": "X"}}),
            &kinds,
            &json!({"metadata": {"namespace": "X"}}),
        );
        for odd in [json!(null), json!([1]), json!({"metadata": [], "spec": "x"})] {
            check(odd.clone(), &kinds, &odd);
        }
    }

    #[test]
    fn a_modelled_kind_sorts_its_own_fields() {
        let kind: CustomKind = serde_json::from_value(json!({
            "kind": "Cluster", "apiVersion": "v1",
            "relations": [{"field": "spec.hosts.names", "relation": "runs", "inverse": "runsOn"}],
        }))
        .expect("a kind");
        let kinds = Kinds::new(vec![kind]).expect("kinds");
        let document = |kind: &str, names: [&str; 2], depends: [&str; 2]| {
            json!({
                "apiVersion": if kind == "Cluster" { "v1" } else { "backstage.io/v1alpha1" },
                "kind": kind,
                "metadata": {"namespace": "n"},
                "spec": {"type": "plugin", "hosts": {"names": names}, "skills": names, "dependsOn": depends},
            })
        };
        check(
            document("Cluster", ["b", "a"], ["b", "a"]),
            &kinds,
            &json!({
                "apiVersion": "v1", "kind": "Cluster", "metadata": {"namespace": "n"},
                "spec": {"type": "plugin", "hosts": {"names": ["a", "b"]}, "skills": ["b", "a"], "dependsOn": ["b", "a"]},
            }),
        );
        let mut plugin = document("AiResource", ["b", "a"], ["b", "a"]);
        normalize(&mut plugin, &kinds);
        assert_eq!(plugin["spec"]["skills"], json!(["a", "b"]));
    }
}
