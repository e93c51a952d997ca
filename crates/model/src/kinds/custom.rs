//! Kinds that the user adds: one entry of kind, API version, JSON schema and relation fields.
//!
//! An entry stands in the configuration as YAML and in the log, as policy, as JSON:
//!
//! ```yaml
//! kind: Cluster
//! apiVersion: acme.example/v1            # or a list
//! schema:                                # JSON schema, draft 7, of the whole document
//!   type: object
//!   required: [spec]
//!   properties:
//!     spec: {type: object, required: [owner], properties: {owner: {type: string, minLength: 1}}}
//! relations:
//!   - {field: spec.owner, relation: ownedBy, inverse: ownerOf, defaultKind: Group}
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{DefaultNamespace, RelationField, builtin};
use crate::relations::{RelationType, RelationTypeError};
use crate::schema::{Schema, SchemaError};
use crate::validate::format;

/// A kind that the user adds. Unknown keys are errors when it is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomKind {
    /// The kind, such as `Cluster`. None of the built-in ones, in any case.
    pub kind: String,
    /// The versions, such as `acme.example/v1`. One version may be written without a list.
    #[serde(rename = "apiVersion", alias = "apiVersions", deserialize_with = "one_or_more")]
    pub api_versions: Vec<String>,
    /// JSON schema (draft 7) of the whole document. What holds for every entity need not be said;
    /// `$ref: Entity` and the like, as Backstage's schemas have them, are understood.
    #[serde(default, alias = "jsonSchema", skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// The fields that refer to other entities.
    #[serde(default, alias = "relationFields", skip_serializing_if = "Vec::is_empty")]
    pub relations: Vec<CustomRelation>,
}

/// A field of a custom kind that refers to other entities: a text, or an array of texts. Other
/// values assert nothing; the schema may refuse them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomRelation {
    /// Where the field stands, with dots: `spec.owner`.
    pub field: String,
    /// What the entity shows to the one referred to: `ownedBy`.
    pub relation: String,
    /// What the one referred to shows to the entity: `ownerOf`.
    pub inverse: String,
    /// The kind of a reference that names none. Without it, a reference has to name its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_kind: Option<String>,
    /// The namespace of a reference that names none: `inherit` (that of the entity) or `default`.
    #[serde(default, skip_serializing_if = "is_inherit")]
    pub default_namespace: DefaultNamespace,
    /// The kinds that may be referred to; empty allows all. Other references assert nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_kinds: Vec<String>,
}

fn is_inherit(namespace: &DefaultNamespace) -> bool {
    *namespace == DefaultNamespace::Inherit
}

fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMore {
        One(String),
        More(Vec<String>),
    }
    Ok(match OneOrMore::deserialize(deserializer)? {
        OneOrMore::One(text) => vec![text],
        OneOrMore::More(texts) => texts,
    })
}

/// What is wrong with a definition of kinds, and where.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct KindsError {
    /// Such as `kinds[0].relations[1].field`.
    pub place: String,
    /// What is wrong there.
    pub problem: KindProblem,
}

/// What can be wrong with the definition of a kind.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum KindProblem {
    /// The kind is none that a document could have.
    #[error(
        "\"{kind}\" is no kind: expected a letter, then letters and digits, at most 63 of them"
    )]
    Name {
        /// The kind.
        kind: String,
    },
    /// The version is none that a document could have.
    #[error(
        "\"{api_version}\" is no apiVersion: expected letters and digits, after a domain and a \
         slash if need be, such as acme.example/v1"
    )]
    ApiVersion {
        /// The version.
        api_version: String,
    },
    /// No version at all.
    #[error("a kind needs at least one apiVersion")]
    ApiVersionMissing,
    /// The kind is built in.
    #[error("the kind {kind} is built in and cannot be redefined")]
    Builtin {
        /// The built-in kind.
        kind: String,
    },
    /// The kind has been defined before, in the same version.
    #[error("the kind {kind} is defined twice for the apiVersion {api_version}")]
    Twice {
        /// The kind.
        kind: String,
        /// The version.
        api_version: String,
    },
    /// References ignore case, so two kinds may not differ in nothing else.
    #[error("the kinds {kind} and {other} differ only in case")]
    SameButCase {
        /// The kind.
        kind: String,
        /// The one defined before.
        other: String,
    },
    /// A path that leads nowhere.
    #[error(
        "\"{field}\" is no field of a document: expected names that are joined by dots and start \
         with spec or metadata, such as spec.owner"
    )]
    Field {
        /// The path.
        field: String,
    },
    /// A name that no relation may have.
    #[error(transparent)]
    Relation(#[from] RelationTypeError),
    /// A relation has one inverse, wherever it is used.
    #[error("the inverse of {relation} is {known}, not {inverse}")]
    Inverse {
        /// The relation.
        relation: String,
        /// The inverse that it has elsewhere.
        known: String,
        /// The inverse given here.
        inverse: String,
    },
    /// The filter index ignores case, so two relations may not differ in nothing else.
    #[error("the relations {relation} and {other} differ only in case")]
    RelationCase {
        /// The relation.
        relation: String,
        /// The one known before.
        other: String,
    },
    /// The JSON schema cannot be used.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

/// A custom kind, ready for lookups.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) kind: CustomKind,
    pub(crate) relations: Vec<RelationField>,
    /// BLAKE3 of the definition.
    pub(crate) fingerprint: [u8; 32],
}

impl Compiled {
    /// Keeps what can be used: a relation whose names are none is left out.
    pub(crate) fn new(kind: CustomKind) -> Self {
        let relations = kind.relations.iter().filter_map(|relation| relation.compile().ok());
        let relations = relations.collect();
        let definition = serde_json::to_value(&kind).unwrap_or_default();
        let fingerprint = crate::canonical::content_hash(&definition);
        Self { kind, relations, fingerprint }
    }
}

impl CustomRelation {
    fn compile(&self) -> Result<RelationField, RelationTypeError> {
        let owned = |text: &String| Cow::Owned(text.clone());
        Ok(RelationField {
            field: owned(&self.field),
            relation: RelationType::new(&self.relation)?,
            inverse: RelationType::new(&self.inverse)?,
            default_kind: self.default_kind.as_ref().map(owned),
            default_namespace: self.default_namespace,
            allowed_kinds: Cow::Owned(self.allowed_kinds.iter().map(owned).collect()),
            skips_odd_items: true,
        })
    }
}

/// Checks definitions thoroughly, one by one and against each other.
pub(super) fn check(kinds: &[CustomKind]) -> Result<(), KindsError> {
    let mut inverses = builtin_inverses();
    for (index, kind) in kinds.iter().enumerate() {
        let place = |what: &str| format!("kinds[{index}].{what}");
        check_names(kind, &kinds[..index], &place)?;
        for (position, relation) in kind.relations.iter().enumerate() {
            let place = |what: &str| place(&format!("relations[{position}].{what}"));
            check_relation(relation, &mut inverses, &place)?;
        }
        if let Some(schema) = &kind.schema {
            Schema::compile(schema)
                .map_err(|error| KindsError { place: place("schema"), problem: error.into() })?;
        }
    }
    Ok(())
}

fn builtin_inverses() -> BTreeMap<RelationType, RelationType> {
    let fields = builtin::KINDS.iter().flat_map(|kind| kind.relations);
    fields
        .flat_map(|field| [(&field.relation, &field.inverse), (&field.inverse, &field.relation)])
        .map(|(relation, inverse)| (relation.clone(), inverse.clone()))
        .collect()
}

fn check_names(
    kind: &CustomKind,
    before: &[CustomKind],
    place: &dyn Fn(&str) -> String,
) -> Result<(), KindsError> {
    let at = |what: &str, problem| Err(KindsError { place: place(what), problem });
    let name = &kind.kind;
    if !format::is_kind(name) {
        return at("kind", KindProblem::Name { kind: name.clone() });
    }
    if let Some(known) = builtin::KINDS.iter().find(|known| known.kind.eq_ignore_ascii_case(name)) {
        return at("kind", KindProblem::Builtin { kind: known.kind.to_owned() });
    }
    let alike = |other: &&CustomKind| other.kind != *name && other.kind.eq_ignore_ascii_case(name);
    if let Some(other) = before.iter().find(alike) {
        let (kind, other) = (name.clone(), other.kind.clone());
        return at("kind", KindProblem::SameButCase { kind, other });
    }
    if kind.api_versions.is_empty() {
        return at("apiVersion", KindProblem::ApiVersionMissing);
    }
    for (position, api_version) in kind.api_versions.iter().enumerate() {
        let api_version = api_version.clone();
        if !format::is_api_version(&api_version) {
            return at("apiVersion", KindProblem::ApiVersion { api_version });
        }
        let earlier = before.iter().filter(|other| other.kind == *name);
        let mut earlier = earlier.flat_map(|other| &other.api_versions);
        if earlier.any(|other| *other == api_version)
            || kind.api_versions[..position].contains(&api_version)
        {
            return at("apiVersion", KindProblem::Twice { kind: name.clone(), api_version });
        }
    }
    Ok(())
}

fn check_relation(
    relation: &CustomRelation,
    inverses: &mut BTreeMap<RelationType, RelationType>,
    place: &dyn Fn(&str) -> String,
) -> Result<(), KindsError> {
    let at = |what: &str, problem| KindsError { place: place(what), problem };
    let mut segments = relation.field.split('.');
    let root = segments.next().unwrap_or_default();
    let mut is_path = relation.field.len() <= 200 && matches!(root, "spec" | "metadata");
    let mut depth = 0;
    for segment in segments {
        depth += 1;
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$');
        is_path &= !segment.is_empty() && segment.chars().all(is_name);
    }
    if !is_path || depth == 0 {
        return Err(at("field", KindProblem::Field { field: relation.field.clone() }));
    }
    for (what, kinds) in [
        ("defaultKind", relation.default_kind.as_slice()),
        ("allowedKinds", &relation.allowed_kinds),
    ] {
        if let Some(kind) = kinds.iter().find(|kind| !format::is_kind(kind)) {
            return Err(at(what, KindProblem::Name { kind: kind.clone() }));
        }
    }
    let forward =
        RelationType::new(&relation.relation).map_err(|error| at("relation", error.into()))?;
    let inverse =
        RelationType::new(&relation.inverse).map_err(|error| at("inverse", error.into()))?;
    for (what, name) in [("relation", &forward), ("inverse", &inverse)] {
        let known = inverses.iter().flat_map(|(relation, inverse)| [relation, inverse]);
        let mut known = known.filter(|known| *known != name);
        if let Some(other) = known.find(|k| k.as_str().eq_ignore_ascii_case(name.as_str())) {
            let (relation, other) = (name.to_string(), other.to_string());
            return Err(at(what, KindProblem::RelationCase { relation, other }));
        }
    }
    let known = inverses.entry(forward.clone()).or_insert_with(|| inverse.clone());
    if *known != inverse {
        let (relation, known) = (forward.to_string(), known.to_string());
        let inverse = inverse.to_string();
        return Err(at("inverse", KindProblem::Inverse { relation, known, inverse }));
    }
    Ok(())
}
