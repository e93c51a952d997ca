//! References to entities, `[kind:][namespace/]name`, and their canonical form.
//!
//! Invariant: an [`EntityRef`] is `kind:namespace/name` in lower case, of three parts that are not
//! empty, without NUL and at most [`TEXT_BYTES_MAX`] bytes long; reading its text gives it back.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::js;

/// The namespace of an entity, or of a reference without any context, that names none.
pub const NAMESPACE_DEFAULT: &str = "default";

/// The longest canonical reference, in bytes. Backstage sets no limit; we store references in keys.
pub const TEXT_BYTES_MAX: usize = 1024;

/// How much of a text an error repeats, in characters.
const QUOTED_CHARS_MAX: usize = 100;

/// A canonical reference to an entity: lower case `kind:namespace/name`.
///
/// Cheap to clone. Ordered and hashed as its text, so a map with these keys is read with a `&str`.
#[derive(Clone)]
pub struct EntityRef {
    text: Arc<str>,
    /// Where the colon after the kind stands, in bytes.
    kind_end: u16,
    /// Where the slash after the namespace stands, in bytes.
    namespace_end: u16,
}

/// Why a text is no reference. The words are Backstage's where it has the same rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefError {
    /// Nothing at all.
    #[error("Entity reference must not be empty")]
    Empty,
    /// An empty part: `:name`, `kind:/name`, `kind:`.
    #[error("Entity reference \"{text}\" was not on the form [<kind>:][<namespace>/]<name>")]
    Malformed {
        /// The text, shortened.
        text: String,
    },
    /// The kind is neither in the text nor known from where the text stands.
    #[error(
        "Entity reference {text} had missing or empty kind (e.g. did not start with \"component:\" or similar)"
    )]
    KindMissing {
        /// What was given, as JSON, shortened.
        text: String,
    },
    /// No namespace where a full reference is required, or an empty one.
    #[error("Entity reference {text} had missing or empty namespace")]
    NamespaceMissing {
        /// What was given, as JSON, shortened.
        text: String,
    },
    /// No name, in a reference that was given in parts.
    #[error("Entity reference {text} had missing or empty name")]
    NameMissing {
        /// What was given, as JSON, shortened.
        text: String,
    },
    /// A kind with a colon or slash, or a namespace with a slash: the text would read differently.
    #[error("Entity reference has a {part} \"{text}\", which must not hold a {separator:?}")]
    Ambiguous {
        /// `kind` or `namespace`.
        part: &'static str,
        /// The part, shortened.
        text: String,
        /// The first character that must not be there.
        separator: char,
    },
    /// A NUL character, which neither PostgreSQL (under Backstage) nor our keys can hold.
    #[error("Entity reference \"{text}\" holds a NUL character")]
    Nul {
        /// The text, shortened, with NUL shown as `␀`.
        text: String,
    },
    /// More than [`TEXT_BYTES_MAX`] bytes in canonical form.
    #[error(
        "Entity reference \"{text}\" is {bytes} bytes long, more than the {TEXT_BYTES_MAX} allowed"
    )]
    TooLong {
        /// The start of the text.
        text: String,
        /// Its length in canonical form.
        bytes: usize,
    },
}

impl EntityRef {
    /// Reads `[kind:][namespace/]name`, filling in what is absent, exactly as `parseEntityRef` of
    /// `@backstage/catalog-model` 1.10.1 and then `stringifyEntityRef` do: the kind ends at the
    /// first colon unless a slash stands before it, the namespace ends at the first slash, and any
    /// character is accepted in any part.
    ///
    /// An empty `default_namespace` means [`NAMESPACE_DEFAULT`].
    ///
    /// # Errors
    /// [`RefError`]; beyond Backstage's rules, NUL and more than [`TEXT_BYTES_MAX`] bytes.
    pub fn parse(
        text: &str,
        default_kind: Option<&str>,
        default_namespace: &str,
    ) -> Result<Self, RefError> {
        if text.is_empty() {
            return Err(RefError::Empty);
        }
        let (kind, namespace, name) = split(text);
        if kind == Some("") || namespace == Some("") || name.is_empty() {
            return Err(RefError::Malformed { text: quoted(text) });
        }
        let kind = kind.or(default_kind).filter(|kind| !kind.is_empty());
        let kind = kind.ok_or_else(|| RefError::KindMissing { text: as_json(text) })?;
        let default_namespace =
            if default_namespace.is_empty() { NAMESPACE_DEFAULT } else { default_namespace };
        Self::new(kind, namespace.unwrap_or(default_namespace), name)
    }

    /// Makes a reference of its three parts, in any case.
    ///
    /// # Errors
    /// An empty part, or parts that would read differently once they are joined.
    pub fn new(kind: &str, namespace: &str, name: &str) -> Result<Self, RefError> {
        let whole = || as_json(&format!("{kind}:{namespace}/{name}"));
        if kind.is_empty() {
            return Err(RefError::KindMissing { text: whole() });
        }
        if namespace.is_empty() {
            return Err(RefError::NamespaceMissing { text: whole() });
        }
        if name.is_empty() {
            return Err(RefError::NameMissing { text: whole() });
        }
        forbid("kind", kind, &[':', '/'])?;
        forbid("namespace", namespace, &['/'])?;
        // The parts are folded one by one, as Backstage does: a final sigma ends its part.
        let (kind, namespace, name) = (js::lower(kind), js::lower(namespace), js::lower(name));
        let bytes = kind.len() + namespace.len() + name.len() + 2;
        if bytes > TEXT_BYTES_MAX {
            let text = quoted(&format!("{kind}:{namespace}/{name}"));
            return Err(RefError::TooLong { text, bytes });
        }
        let mut text = String::with_capacity(bytes);
        for part in [&*kind, ":", &*namespace, "/", &*name] {
            text.push_str(part);
        }
        if text.contains('\0') {
            return Err(RefError::Nul { text: quoted(&text.replace('\0', "␀")) });
        }
        let kind_end = kind.len();
        let namespace_end = kind_end + 1 + namespace.len();
        // Both are under TEXT_BYTES_MAX, so neither conversion can saturate.
        Ok(Self {
            text: text.into(),
            kind_end: u16::try_from(kind_end).unwrap_or(u16::MAX),
            namespace_end: u16::try_from(namespace_end).unwrap_or(u16::MAX),
        })
    }

    /// Reads a reference that must be full, `kind:namespace/name`, and folds its case.
    ///
    /// # Errors
    /// As [`EntityRef::parse`], and when the kind or the namespace is not there.
    pub fn canonical(text: &str) -> Result<Self, RefError> {
        if let (Some(_), None, _) = split(text) {
            return Err(RefError::NamespaceMissing { text: as_json(text) });
        }
        Self::parse(text, None, NAMESPACE_DEFAULT)
    }

    /// The whole reference.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The kind, in lower case.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.text[..usize::from(self.kind_end)]
    }

    /// The namespace, in lower case.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.text[usize::from(self.kind_end) + 1..usize::from(self.namespace_end)]
    }

    /// The name, in lower case.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.text[usize::from(self.namespace_end) + 1..]
    }
}

/// Kind, namespace and name of a reference as it is written; absent parts are `None`.
fn split(text: &str) -> (Option<&str>, Option<&str>, &str) {
    let slash = text.find('/');
    let colon = text.find(':').filter(|&colon| slash.is_none_or(|slash| colon < slash));
    let kind = colon.map(|colon| &text[..colon]);
    let rest = colon.map_or(0, |colon| colon + 1);
    let namespace = slash.map(|slash| &text[rest..slash]);
    let name = slash.map_or(rest, |slash| slash + 1);
    (kind, namespace, &text[name..])
}

fn forbid(part: &'static str, text: &str, separators: &[char]) -> Result<(), RefError> {
    match text.chars().find(|c| separators.contains(c)) {
        Some(separator) => Err(RefError::Ambiguous { part, text: quoted(text), separator }),
        None => Ok(()),
    }
}

fn quoted(text: &str) -> String {
    js::shorten(text, QUOTED_CHARS_MAX).into_owned()
}

fn as_json(text: &str) -> String {
    serde_json::Value::from(quoted(text)).to_string()
}

impl fmt::Display for EntityRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for EntityRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl PartialEq for EntityRef {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for EntityRef {}

impl PartialOrd for EntityRef {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for EntityRef {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for EntityRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl Borrow<str> for EntityRef {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl AsRef<str> for EntityRef {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl std::str::FromStr for EntityRef {
    type Err = RefError;

    /// As [`EntityRef::canonical`].
    fn from_str(text: &str) -> Result<Self, RefError> {
        Self::canonical(text)
    }
}

impl Serialize for EntityRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for EntityRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::canonical(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, default_kind: Option<&str>, expected: Result<&str, &str>) {
        let actual = EntityRef::parse(text, default_kind, "Here");
        match (&actual, expected) {
            (Ok(actual), Ok(expected)) => assert_eq!(actual.as_str(), expected, "{text:?}"),
            (Err(error), Err(expected)) => {
                let message = error.to_string();
                assert!(message.contains(expected), "{text:?}: {message}");
            }
            _ => panic!("{text:?}: {actual:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn parses_as_backstage_does() {
        let group = Some("Group");
        check("a", group, Ok("group:here/a"));
        check("A", group, Ok("group:here/a"));
        check("b/a", group, Ok("group:b/a"));
        check("User:a", group, Ok("user:here/a"));
        check("User:B/a", None, Ok("user:b/a"));
        check("a:b:c", None, Ok("a:here/b:c"));
        check("a/b/c", group, Ok("group:a/b/c"));
        check("a/b:c", group, Ok("group:a/b:c"));
        check("a:b/c:d/e", None, Ok("a:b/c:d/e"));
        check("a:b:c/d", None, Ok("a:b:c/d"));
        check(" a ", group, Ok("group:here/ a "));
        check("a", None, Err("\"a\" had missing or empty kind"));
        check("a", Some(""), Err("missing or empty kind"));
        check("", group, Err("must not be empty"));
        check(":a", group, Err("was not on the form"));
        check("a:", group, Err("was not on the form"));
        check("a:/b", group, Err("was not on the form"));
        check("/b", group, Err("was not on the form"));
        check("a/", group, Err("was not on the form"));
        check("a\0b", group, Err("\"group:here/a␀b\" holds a NUL character"));
        check(&"x".repeat(2000), group, Err("is 2011 bytes long"));
    }

    #[test]
    fn an_empty_default_namespace_is_the_default() {
        let reference = EntityRef::parse("component:a", None, "").expect("a reference");
        assert_eq!(reference.as_str(), "component:default/a");
    }

    #[test]
    fn canonical_wants_all_parts() {
        for (text, expected) in [
            ("Component:Default/My-Service", Some("component:default/my-service")),
            ("component:a", None),
            ("default/a", None),
            ("a", None),
            ("", None),
        ] {
            let actual = EntityRef::canonical(text).ok();
            assert_eq!(actual.as_ref().map(EntityRef::as_str), expected, "{text:?}");
        }
    }

    #[test]
    fn parts_that_would_read_differently_are_refused() {
        for (kind, namespace, name, fits) in [
            ("a", "b", "c:d/e", true),
            ("a", "b:c", "d", true),
            ("a:b", "c", "d", false),
            ("a/b", "c", "d", false),
            ("a", "b/c", "d", false),
            ("", "b", "c", false),
            ("a", "", "c", false),
            ("a", "b", "", false),
        ] {
            let actual = EntityRef::new(kind, namespace, name);
            assert_eq!(actual.is_ok(), fits, "{kind:?} {namespace:?} {name:?}: {actual:?}");
        }
    }

    #[test]
    fn serde_reads_only_full_references() {
        let reference: EntityRef = serde_json::from_str("\"API:x/Y\"").expect("a reference");
        assert_eq!(serde_json::to_string(&reference).expect("json"), "\"api:x/y\"");
        assert!(serde_json::from_str::<EntityRef>("\"y\"").is_err());
    }

    proptest! {
        #[test]
        fn the_text_of_a_reference_is_itself(text in "\\PC{0,40}", kind in "[a-zA-Zß:/Σ]{0,5}") {
            if let Ok(reference) = EntityRef::parse(&text, Some(&kind), "Ns") {
                let again = EntityRef::canonical(reference.as_str()).expect("canonical");
                prop_assert_eq!(&again, &reference);
                prop_assert_eq!(
                    (again.kind(), again.namespace(), again.name()),
                    (reference.kind(), reference.namespace(), reference.name())
                );
            }
        }

        #[test]
        fn order_is_that_of_the_text(a in "[a-c:/]{1,8}", b in "[a-c:/]{1,8}") {
            let parse = |text: &str| EntityRef::parse(text, Some("k"), "n").ok();
            if let (Some(a), Some(b)) = (parse(&a), parse(&b)) {
                prop_assert_eq!(a.cmp(&b), a.as_str().as_bytes().cmp(b.as_str().as_bytes()));
            }
        }
    }
}
