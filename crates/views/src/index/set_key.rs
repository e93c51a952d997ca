//! Names of sets of entities: what a set is the set of.
//!
//! ```text
//! 1 path(4) 0                              those with the path and no value (null, or too long)
//! 1 path(4) 1 text(lower) flags [original] those with the path and this value, written so
//! 1 path(4) 2                              those with the path and any value
//! 2 relation(2) target(4)                  those whose documents relate so to the target
//! 3                                        those that exist
//! ```
//! flags: 1 the value is an item of an array, 2 it is written otherwise than in lower case, and
//! text(original) follows.

use std::borrow::Borrow;
use std::sync::Arc;

use fold::{EntityId, RelationId};
use model::index::TermRef;

use crate::keys::{put_text, read_text};

/// The number of a path of the filter index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PathId(pub(crate) u32);

/// The name of a set. Cheap to clone; a map with these keys is read with their bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SetKey(pub(crate) Arc<[u8]>);

impl Borrow<[u8]> for SetKey {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

const TERM: u8 = 1;
const RELATION: u8 = 2;
const ALIVE: u8 = 3;

const NO_VALUE: u8 = 0;
const VALUE: u8 = 1;
const ANY: u8 = 2;

const ARRAY_ITEM: u8 = 1;
const OTHERWISE: u8 = 2;

impl SetKey {
    /// Those whose document has a term.
    pub(crate) fn term(path: PathId, term: &TermRef<'_>) -> Self {
        let mut key = Vec::with_capacity(40);
        Self::write_term(&mut key, path, term);
        Self(key.into())
    }

    /// Writes the name of those whose document has a term.
    pub(crate) fn write_term(key: &mut Vec<u8>, path: PathId, term: &TermRef<'_>) {
        Self::write_path(key, path);
        match (term.value, term.original) {
            (Some(value), original) => {
                key.push(VALUE);
                put_text(key, value);
                let original = original.filter(|original| *original != value);
                let flags = if term.array_item { ARRAY_ITEM } else { 0 };
                key.push(flags | if original.is_some() { OTHERWISE } else { 0 });
                if let Some(original) = original {
                    put_text(key, original);
                }
            }
            (None, _) => key.push(NO_VALUE),
        }
    }

    /// Writes the name of those whose document has a path with any value.
    pub(crate) fn write_any(key: &mut Vec<u8>, path: PathId) {
        Self::write_path(key, path);
        key.push(ANY);
    }

    /// Those whose document has a path with any value.
    pub(crate) fn any(path: PathId) -> Self {
        let mut key = Vec::with_capacity(6);
        Self::write_any(&mut key, path);
        Self(key.into())
    }

    /// The name of the set of a form at a path.
    pub(crate) fn form(path: PathId, form: &[u8]) -> Vec<u8> {
        let mut key = Self::path(path);
        key.extend_from_slice(form);
        key
    }

    /// Those whose document has a path without a value.
    pub(crate) fn no_value(path: PathId) -> Self {
        let mut key = Self::path(path);
        key.push(NO_VALUE);
        Self(key.into())
    }

    /// Those whose documents relate so to a target.
    pub(crate) fn relation(relation: RelationId, target: EntityId) -> Self {
        Self(Self::relation_name(relation, target).as_slice().into())
    }

    /// The bytes of that name.
    pub(crate) fn relation_name(relation: RelationId, target: EntityId) -> [u8; 7] {
        let mut key = [RELATION; 7];
        key[1..3].copy_from_slice(&relation.0.to_be_bytes());
        key[3..].copy_from_slice(&target.0.to_be_bytes());
        key
    }

    /// Those that exist.
    pub(crate) fn alive() -> Self {
        Self([ALIVE].as_slice().into())
    }

    /// What the names of all sets of values of a path begin with.
    pub(crate) fn values(path: PathId) -> Vec<u8> {
        let mut key = Self::path(path);
        key.push(VALUE);
        key
    }

    /// What the names of all sets of one value of a path begin with.
    pub(crate) fn value(path: PathId, lower: &str) -> Vec<u8> {
        let mut key = Self::values(path);
        put_text(&mut key, lower);
        key
    }

    fn path(path: PathId) -> Vec<u8> {
        let mut key = Vec::with_capacity(40);
        Self::write_path(&mut key, path);
        key
    }

    fn write_path(key: &mut Vec<u8>, path: PathId) {
        key.push(TERM);
        key.extend_from_slice(&path.0.to_be_bytes());
    }

    /// What the set is the set of.
    pub(crate) fn read(&self) -> Option<SetName<'_>> {
        SetName::read(&self.0)
    }
}

/// What a set is the set of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetName<'a> {
    /// A path, and the form of a value there, as it stands in the set's name.
    Term(PathId, &'a [u8]),
    /// A relation to a target.
    Relation(RelationId, EntityId),
    /// Those that exist.
    Alive,
}

impl<'a> SetName<'a> {
    /// What a name says.
    pub(crate) fn read(name: &'a [u8]) -> Option<Self> {
        let (kind, rest) = name.split_first()?;
        match *kind {
            ALIVE => Some(Self::Alive),
            RELATION => {
                let (relation, target) = rest.split_first_chunk::<2>()?;
                let target = EntityId(u32::from_be_bytes(target.try_into().ok()?));
                Some(Self::Relation(RelationId(u16::from_be_bytes(*relation)), target))
            }
            TERM => {
                let (path, form) = rest.split_first_chunk::<4>()?;
                Some(Self::Term(PathId(u32::from_be_bytes(*path)), form))
            }
            _ => None,
        }
    }
}

/// A value of a path, as the name of its set holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// In lower case.
    pub(crate) lower: String,
    /// As it is written.
    pub(crate) original: String,
    /// Whether it is an item of an array.
    pub(crate) array_item: bool,
}

impl Form {
    /// Whether the value is written in lower case and outside of arrays.
    pub(crate) fn is_flat(&self) -> bool {
        self.lower == self.original && !self.array_item
    }

    /// Reads the part of a set's name behind its path; `None` for one that is no value's.
    pub(crate) fn read(form: &[u8]) -> Option<Self> {
        let (tag, rest) = form.split_first()?;
        if *tag != VALUE {
            return None;
        }
        let (lower, rest) = read_text(rest)?;
        let (flags, rest) = rest.split_first()?;
        let original = if flags & OTHERWISE == 0 { lower.clone() } else { read_text(rest)?.0 };
        Some(Self { lower, original, array_item: flags & ARRAY_ITEM != 0 })
    }
}

/// How long the form at the beginning of some bytes is.
pub(crate) fn form_len(bytes: &[u8]) -> Option<usize> {
    if matches!(*bytes.first()?, NO_VALUE | ANY) {
        return Some(1);
    }
    let lower = 1 + text_len(&bytes[1..])?;
    let flags = *bytes.get(lower)?;
    let original = if flags & OTHERWISE == 0 { 0 } else { text_len(&bytes[lower + 1..])? };
    Some(lower + 1 + original)
}

/// How long the text at the beginning of some bytes is, with what ends it.
fn text_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr(0, bytes.get(at..)?)? + 2;
        match *bytes.get(at - 1)? {
            1 => return Some(at),
            0xff => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_tell_what_they_are_of() {
        let relation = SetKey::relation(RelationId(3), EntityId(9));
        assert_eq!(relation.read(), Some(SetName::Relation(RelationId(3), EntityId(9))));
        assert_eq!(SetKey::alive().read(), Some(SetName::Alive));
        assert_eq!(SetKey::any(PathId(5)).read(), Some(SetName::Term(PathId(5), &[2])));
    }

    proptest! {
        #[test]
        fn values_sort_and_read_as_they_are(
            a in "[a-c\\x00]{0,4}", b in "[a-c\\x00]{0,4}", upper in any::<bool>(), item in any::<bool>(),
        ) {
            let original = if upper { a.to_uppercase() } else { a.clone() };
            let term = |value: &str, original: &str| SetKey::term(PathId(1), &TermRef {
                path: "", value: Some(value), original: Some(original), array_item: item,
            });
            let key = term(&a, &original);
            let Some(SetName::Term(PathId(1), form)) = key.read() else { panic!("a term") };
            let read = Form::read(form).unwrap();
            prop_assert_eq!(&read, &Form { lower: a.clone(), original, array_item: item });
            prop_assert_eq!(form_len(form), Some(form.len()));
            prop_assert!(key.0.starts_with(&SetKey::value(PathId(1), &a)));
            let other = term(&b, &b);
            if a != b {
                prop_assert_eq!(key.cmp(&other), a.cmp(&b));
            }
        }
    }
}
