//! The kinds of entities that are known: those of Backstage, and those that the user adds.
//!
//! Invariant: [`Kinds`] is immutable and its lookups depend on what it was made of alone. Kinds and
//! API versions are compared exactly, with their case, as Backstage does.

mod builtin;
mod custom;
mod entity;
mod recorded;
mod shape;
mod template;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::document::Document;
use crate::js;
use crate::nearest::nearest;
use crate::relations::RelationType;

pub use custom::{CustomKind, CustomRelation, KindProblem, KindsError};
pub(crate) use entity::{ENTITY, ENVELOPE};
pub use recorded::Unread;
pub(crate) use shape::{Path, Rule, Violation, describe, spec_missing};

/// A field of a document that refers to other entities, by a text or an array of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationField {
    /// Where the field stands, with dots: `spec.owner`.
    pub field: Cow<'static, str>,
    /// What the entity shows to the one referred to.
    pub relation: RelationType,
    /// What the one referred to shows to the entity.
    pub inverse: RelationType,
    /// The kind of a reference that names none; without it, a reference has to name its kind.
    pub default_kind: Option<Cow<'static, str>>,
    /// The namespace of a reference that names none.
    pub default_namespace: DefaultNamespace,
    /// The kinds that may be referred to, in any case; empty allows all. A reference to another
    /// kind asserts nothing.
    pub allowed_kinds: Cow<'static, [Cow<'static, str>]>,
    /// Whether items that are no text are passed over, as `ModelProcessor` does. Otherwise they
    /// have to be references in another form, as in `BuiltinKindsEntityProcessor`.
    pub(crate) skips_odd_items: bool,
}

/// The namespace of a reference that names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DefaultNamespace {
    /// That of the entity whose document holds the reference.
    #[default]
    Inherit,
    /// `default`.
    Default,
}

impl RelationField {
    /// The field's value in a document.
    pub(crate) fn get<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        self.field.split('.').try_fold(document, |value, key| value.as_object()?.get(key))
    }

    /// JSON pointer to the field.
    pub(crate) fn pointer(&self) -> String {
        // Field paths consist of names, so nothing has to be escaped.
        format!("/{}", self.field.replace('.', "/"))
    }

    pub(crate) fn allows(&self, kind: &str) -> bool {
        let same = |allowed: &Cow<'static, str>| js::lower(allowed) == kind;
        self.allowed_kinds.is_empty() || self.allowed_kinds.iter().any(same)
    }
}

/// The kinds that are known. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Kinds {
    custom: Arc<Vec<custom::Compiled>>,
}

/// What is known about the kind of one document.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Known {
    Builtin(&'static builtin::BuiltinKind),
    /// The position among the custom kinds.
    Custom(usize),
}

/// A kind, or a version of it, that nothing knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownKind {
    /// No kind of this name.
    #[error("unknown kind \"{kind}\"{}", did_you_mean(.nearest.as_deref(), .known))]
    Kind {
        /// The kind, shortened.
        kind: String,
        /// The known one that is written most alike, if one is near.
        nearest: Option<String>,
        /// All known ones, separated by commas.
        known: String,
    },
    /// The kind exists, in other versions.
    #[error(
        "unknown apiVersion \"{api_version}\" of kind {kind}{}",
        did_you_mean(.nearest.as_deref(), .known)
    )]
    ApiVersion {
        /// The kind.
        kind: String,
        /// The version asked for, shortened.
        api_version: String,
        /// The known one that is written most alike, if one is near.
        nearest: Option<String>,
        /// All known ones, separated by commas.
        known: String,
    },
}

fn did_you_mean(nearest: Option<&str>, known: &str) -> String {
    match nearest {
        Some(nearest) => format!(", did you mean \"{nearest}\"?"),
        None => format!(", known: {known}"),
    }
}

impl Kinds {
    /// The built-in kinds alone.
    #[must_use]
    pub fn builtin() -> Self {
        Self { custom: Arc::new(Vec::new()) }
    }

    /// The built-in kinds and those that a configuration adds, each checked thoroughly: names,
    /// versions, fields, relations, and that its JSON schema compiles.
    ///
    /// # Errors
    /// The first problem, with its place, such as `kinds[0].relations[1].field`.
    pub fn new(custom: Vec<CustomKind>) -> Result<Self, KindsError> {
        custom::check(&custom)?;
        Ok(Self::recorded(custom))
    }

    /// The built-in kinds and those that were recorded earlier, possibly by another version of this
    /// program with other checks. Never fails: a definition that cannot be used is without effect.
    #[must_use]
    pub fn recorded(custom: Vec<CustomKind>) -> Self {
        Self { custom: Arc::new(custom.into_iter().map(custom::Compiled::new).collect()) }
    }

    /// The custom kinds, in the order in which they were given.
    pub fn custom(&self) -> impl ExactSizeIterator<Item = &CustomKind> {
        self.custom.iter().map(|compiled| &compiled.kind)
    }

    /// The names of all kinds, sorted, each once.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let builtin = builtin::KINDS.iter().map(|kind| kind.kind);
        let mut names: Vec<&str> =
            builtin.chain(self.custom().map(|custom| custom.kind.as_str())).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The versions in which a kind is known, in the order of their definition; empty for a kind
    /// that is not known.
    #[must_use]
    pub fn api_versions(&self, kind: &str) -> Vec<&str> {
        let mut versions: Vec<&str> = Vec::new();
        let builtin = builtin::KINDS.iter().filter(|known| known.kind == kind);
        let builtin = builtin.flat_map(|known| known.api_versions.iter().copied());
        let custom = self.custom().filter(|known| known.kind == kind);
        let custom = custom.flat_map(|known| known.api_versions.iter().map(String::as_str));
        for version in builtin.chain(custom) {
            if !versions.contains(&version) {
                versions.push(version);
            }
        }
        versions
    }

    /// Every type of relation that an entity can show, with its inverse.
    #[must_use]
    pub fn relation_types(&self) -> BTreeMap<RelationType, RelationType> {
        let mut types = BTreeMap::new();
        let builtin = builtin::KINDS.iter().flat_map(|kind| kind.relations);
        for field in builtin.chain(self.custom.iter().flat_map(|kind| &kind.relations)) {
            for (a, b) in [(&field.relation, &field.inverse), (&field.inverse, &field.relation)] {
                types.entry(a.clone()).or_insert_with(|| b.clone());
            }
        }
        types
    }

    /// The relation fields of a document, by its kind, `apiVersion` and `spec.type`; none if the
    /// kind is not known.
    #[must_use]
    pub fn relation_fields(&self, document: &Value) -> &[RelationField] {
        match self.find(document) {
            Some(Known::Builtin(kind)) => kind.relations,
            Some(Known::Custom(index)) => &self.custom[index].relations,
            None => &[],
        }
    }

    /// Whether only a model knows the kind of a document, and not `BuiltinKindsEntityProcessor`.
    pub(crate) fn is_modelled(&self, document: &Value) -> bool {
        match self.find(document) {
            Some(Known::Builtin(kind)) => kind.kind == "AiResource",
            Some(Known::Custom(_)) => true,
            None => false,
        }
    }

    /// A hash of the definition of a document's kind, if it is a custom one.
    pub(crate) fn definition(&self, document: &Value) -> Option<[u8; 32]> {
        match self.find(document)? {
            Known::Builtin(_) => None,
            Known::Custom(index) => Some(self.custom[index].fingerprint),
        }
    }

    /// Looks up what is known about the kind of a document. [`Kinds::explain`] says why nothing is.
    pub(crate) fn find(&self, document: &Value) -> Option<Known> {
        let view = Document::new(document);
        let (kind, version) = (view.kind()?, view.api_version()?);
        if let Some(found) = builtin::find(kind, version, || view.spec_type()) {
            return Some(Known::Builtin(found));
        }
        let found = self.custom().position(|custom| {
            custom.kind == kind && custom.api_versions.iter().any(|known| known == version)
        });
        found.map(Known::Custom)
    }

    /// Says what is unknown about a kind, and what may have been meant.
    pub(crate) fn explain(&self, kind: &str, version: &str) -> UnknownKind {
        let shortened = |text: &str| js::shorten(text, 100).into_owned();
        let versions = self.api_versions(kind);
        if versions.is_empty() {
            let names = self.names();
            let nearest = nearest(kind, names.iter().copied()).map(str::to_owned);
            let known = js::shorten(&names.join(", "), 500).into_owned();
            return UnknownKind::Kind { kind: shortened(kind), nearest, known };
        }
        UnknownKind::ApiVersion {
            kind: kind.to_owned(),
            api_version: shortened(version),
            nearest: nearest(version, versions.iter().copied()).map(str::to_owned),
            known: js::shorten(&versions.join(", "), 500).into_owned(),
        }
    }
}

impl Default for Kinds {
    fn default() -> Self {
        Self::builtin()
    }
}

#[cfg(test)]
mod tests;
