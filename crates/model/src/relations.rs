//! What a document asserts about its relations to other entities.
//!
//! A document speaks for both ends: `spec.owner` of a component says that the component shows
//! `ownedBy` the group, and that the group shows `ownerOf` the component.
//!
//! Invariant: [`assertions`] depends on the document and the kinds alone, and is sorted and without
//! doubles. The rules are those of `BuiltinKindsEntityProcessor` and `ScaffolderEntitiesProcessor`
//! for the kinds that Backstage knows, and of `ModelProcessor` for all others.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::document::{Document, is_nothing};
use crate::js;
use crate::kinds::{DefaultNamespace, Kinds, RelationField};
use crate::reference::{EntityRef, NAMESPACE_DEFAULT, RefError};

/// The type of a relation, such as `ownedBy`: letters, digits and `_`. Cheap to clone.
#[derive(Clone)]
pub struct RelationType(Repr);

#[derive(Clone)]
enum Repr {
    Static(&'static str),
    Shared(Arc<str>),
}

/// Why a text is no type of relation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a relation type consists of letters, digits and _, at most 63 of them, unlike \"{text}\"")]
pub struct RelationTypeError {
    /// The text, shortened.
    pub text: String,
}

macro_rules! relation_types {
    ($($name:ident = $text:literal),* $(,)?) => {
        impl RelationType {
            $(
                #[doc = concat!("`", $text, "`")]
                pub const $name: Self = Self(Repr::Static($text));
            )*

            /// The types that the built-in kinds use.
            pub const BUILTIN: &[Self] = &[$(Self::$name),*];
        }
    };
}

relation_types! {
    API_CONSUMED_BY = "apiConsumedBy",
    API_PROVIDED_BY = "apiProvidedBy",
    CHILD_OF = "childOf",
    CONSUMES_API = "consumesApi",
    DEPENDENCY_OF = "dependencyOf",
    DEPENDS_ON = "dependsOn",
    HAS_MEMBER = "hasMember",
    HAS_PART = "hasPart",
    MEMBER_OF = "memberOf",
    OWNED_BY = "ownedBy",
    OWNER_OF = "ownerOf",
    PARENT_OF = "parentOf",
    PART_OF = "partOf",
    PROVIDES_API = "providesApi",
}

impl RelationType {
    /// Reads a type of relation. One that is built in is not allocated.
    ///
    /// # Errors
    /// A text that is not of the form `^\w+$`, which Backstage's schema of relations asks for, or
    /// longer than 63 characters.
    pub fn new(text: &str) -> Result<Self, RelationTypeError> {
        if let Some(known) = Self::BUILTIN.iter().find(|known| known.as_str() == text) {
            return Ok(known.clone());
        }
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if text.is_empty() || text.len() > 63 || !text.bytes().all(is_word) {
            return Err(RelationTypeError { text: js::shorten(text, 100).into_owned() });
        }
        Ok(Self(Repr::Shared(text.into())))
    }

    /// The type as it is written, with its case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Static(text) => text,
            Repr::Shared(text) => text,
        }
    }
}

impl fmt::Display for RelationType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RelationType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq for RelationType {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for RelationType {}

impl PartialOrd for RelationType {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RelationType {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for RelationType {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Borrow<str> for RelationType {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl Serialize for RelationType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for RelationType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// One relation that a document asserts, seen from the entity that it describes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Assertion {
    /// What the entity of the document shows to `target`.
    pub relation: RelationType,
    /// The other end.
    pub target: EntityRef,
    /// What `target` shows to the entity of the document.
    pub inverse: RelationType,
}

/// A reference in a relation field that does not parse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct FieldRefError {
    /// JSON pointer to the reference.
    pub path: String,
    /// What is wrong with it.
    pub problem: RefError,
}

/// What a document asserts, sorted by relation and target, without doubles.
///
/// A document of a kind that `kinds` does not know asserts nothing.
///
/// # Errors
/// The first reference that does not parse, in the order of the fields. Backstage refuses the
/// whole document then, as does [`crate::validate::Validator`].
pub fn assertions(document: &Value, kinds: &Kinds) -> Result<Vec<Assertion>, FieldRefError> {
    let mut found = Vec::new();
    let view = Document::new(document);
    let namespace = view.namespace();
    for field in kinds.relation_fields(document) {
        field_assertions(document, field, namespace, &mut found)?;
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn field_assertions(
    document: &Value,
    field: &RelationField,
    own_namespace: &str,
    found: &mut Vec<Assertion>,
) -> Result<(), FieldRefError> {
    let Some(value) = field.get(document).filter(|value| !is_nothing(value)) else {
        return Ok(());
    };
    let mut one = |item: &Value, index: Option<usize>| {
        let target = match item {
            Value::String(text) if text.is_empty() && field.skips_odd_items => return Ok(()),
            Value::String(text) => EntityRef::parse(
                text,
                field.default_kind.as_deref(),
                namespace(field, own_namespace),
            ),
            _ if field.skips_odd_items => return Ok(()),
            _ => compound(item, field.default_kind.as_deref(), own_namespace),
        };
        let target = target.map_err(|problem| {
            let index = index.map(|index| format!("/{index}")).unwrap_or_default();
            FieldRefError { path: format!("{}{index}", field.pointer()), problem }
        })?;
        if field.allows(target.kind()) {
            found.push(Assertion {
                relation: field.relation.clone(),
                target,
                inverse: field.inverse.clone(),
            });
        }
        Ok(())
    };
    match value {
        Value::Array(items) => {
            items.iter().enumerate().try_for_each(|(index, item)| one(item, Some(index)))
        }
        value => one(value, None),
    }
}

fn namespace<'a>(field: &RelationField, own: &'a str) -> &'a str {
    match field.default_namespace {
        DefaultNamespace::Inherit => own,
        DefaultNamespace::Default => NAMESPACE_DEFAULT,
    }
}

/// A reference given as `{kind, namespace, name}`, which `parseEntityRef` takes as well. It can only
/// stand in fields that no schema confines to text, such as `spec.dependencyOf`.
fn compound(
    item: &Value,
    default_kind: Option<&str>,
    own_namespace: &str,
) -> Result<EntityRef, RefError> {
    if is_nothing(item) {
        return Err(RefError::Empty);
    }
    let text = || js::shorten(&item.to_string(), 100).into_owned();
    let part = |name: &str| match item.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(part)) => Ok(Some(part.as_str())),
        Some(_) => Err(RefError::Malformed { text: text() }),
    };
    let kind = part("kind")?.or(default_kind).filter(|kind| !kind.is_empty());
    let kind = kind.ok_or_else(|| RefError::KindMissing { text: text() })?;
    let namespace = part("namespace")?.unwrap_or(own_namespace);
    let name = part("name")?.ok_or_else(|| RefError::NameMissing { text: text() })?;
    EntityRef::new(kind, namespace, name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::CustomKind;

    fn check(kind: &str, spec: &Value, expected: &[&str]) {
        let api_version = match kind {
            "Template" => "scaffolder.backstage.io/v1beta3",
            "Cluster" => "acme.example/v1",
            _ => "backstage.io/v1alpha1",
        };
        let cluster: CustomKind = serde_json::from_value(json!({
            "kind": "Cluster", "apiVersion": "acme.example/v1",
            "relations": [
                {"field": "spec.owner", "relation": "ownedBy", "inverse": "ownerOf", "defaultKind": "Group"},
                {"field": "spec.runs", "relation": "runs", "inverse": "runsOn", "allowedKinds": ["Component"],
                    "defaultKind": "Component", "defaultNamespace": "default"},
            ],
        }))
        .expect("a kind");
        let kinds = Kinds::new(vec![cluster]).expect("kinds");
        let document = json!({
            "apiVersion": api_version, "kind": kind,
            "metadata": {"name": "Self", "namespace": "ns"}, "spec": spec,
        });
        let shown: Vec<String> = assertions(&document, &kinds)
            .expect("good references")
            .iter()
            .map(|found| format!("{} {} {}", found.relation, found.target, found.inverse))
            .collect();
        assert_eq!(shown, expected, "{document}");
    }

    #[test]
    fn every_field_of_every_kind() {
        check(
            "Component",
            &json!({
                "owner": "Team", "system": "s", "subcomponentOf": "c", "providesApis": ["b", "a"],
                "consumesApis": ["default/x"], "dependsOn": ["resource:r"], "dependencyOf": ["Component:q"],
            }),
            &[
                "consumesApi api:default/x apiConsumedBy",
                "dependencyOf component:ns/q dependsOn",
                "dependsOn resource:ns/r dependencyOf",
                "ownedBy group:ns/team ownerOf",
                "partOf component:ns/c hasPart",
                "partOf system:ns/s hasPart",
                "providesApi api:ns/a apiProvidedBy",
                "providesApi api:ns/b apiProvidedBy",
            ],
        );
        check(
            "API",
            &json!({"owner": "user:u", "system": "s"}),
            &["ownedBy user:ns/u ownerOf", "partOf system:ns/s hasPart"],
        );
        check(
            "Resource",
            &json!({"owner": "component:odd", "dependencyOf": ["component:c"], "system": "s"}),
            &[
                "dependencyOf component:ns/c dependsOn",
                "ownedBy component:ns/odd ownerOf",
                "partOf system:ns/s hasPart",
            ],
        );
        check(
            "System",
            &json!({"owner": "o", "domain": "d"}),
            &["ownedBy group:ns/o ownerOf", "partOf domain:ns/d hasPart"],
        );
        check("Domain", &json!({"subdomainOf": "d"}), &["partOf domain:ns/d hasPart"]);
        check(
            "Group",
            &json!({"parent": "p", "children": ["c"], "members": ["u", "user:default/v"]}),
            &[
                "childOf group:ns/p parentOf",
                "hasMember user:default/v memberOf",
                "hasMember user:ns/u memberOf",
                "parentOf group:ns/c childOf",
            ],
        );
        check("User", &json!({"memberOf": ["g"]}), &["memberOf group:ns/g hasMember"]);
        check("Location", &json!({"owner": "o", "targets": ["t"]}), &[]);
        check("Template", &json!({"owner": "o", "system": "s"}), &["ownedBy group:ns/o ownerOf"]);
        check(
            "AiResource",
            &json!({"type": "plugin", "owner": "component:no", "system": "s", "skills": ["a", "component:no"]}),
            &["hasPart airesource:ns/a partOf", "partOf system:ns/s hasPart"],
        );
    }

    #[test]
    fn doubles_are_one_and_odd_values_are_nothing() {
        check("Unknown", &json!({"owner": "o"}), &[]);
        check(
            "Component",
            &json!({"dependsOn": ["component:a", "Component:NS/A"]}),
            &["dependsOn component:ns/a dependencyOf"],
        );
        check("Component", &json!({"owner": "", "dependencyOf": 0, "system": null}), &[]);
        check(
            "Component",
            &json!({"dependencyOf": {"kind": "Component", "name": "A", "namespace": null}}),
            &["dependencyOf component:ns/a dependsOn"],
        );
    }

    #[test]
    fn custom_kinds_pass_over_what_is_no_text_and_what_is_not_allowed() {
        check(
            "Cluster",
            &json!({"owner": ["a", 5, "", {"kind": "x", "name": "y"}], "runs": ["C", "resource:r", "other/d"]}),
            &[
                "ownedBy group:ns/a ownerOf",
                "runs component:default/c runsOn",
                "runs component:other/d runsOn",
            ],
        );
    }

    #[test]
    fn types_are_words() {
        for (text, is_good) in [
            ("ownedBy", true),
            ("a_1", true),
            ("", false),
            ("a-b", false),
            ("ä", false),
            ("a b", false),
        ] {
            assert_eq!(RelationType::new(text).is_ok(), is_good, "{text:?}");
        }
        assert!(RelationType::new(&"x".repeat(64)).is_err());
        let read: RelationType = serde_json::from_str("\"ownedBy\"").expect("a type");
        assert_eq!(read, RelationType::OWNED_BY);
        assert!(matches!(read.0, Repr::Static(_)), "built-in types are not allocated");
    }
}
