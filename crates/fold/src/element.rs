//! The elements of the state: what the state digest is the digest of.

use crate::prior::Change;

/// One element, as the bytes that are hashed.
///
/// They hold the salts of all the records that the element's contents came from, so that a digest
/// gives nothing away once one of them is erased, and nothing of a record's place in the log, so
/// that duplicates and records of fenced epochs leave the digest as it was. Entities go by their
/// references (a document holds its own), not by their numbers, which an erasure can shift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element(pub Vec<u8>);

/// Whether a row is an element.
#[must_use]
pub fn is_element(row: &Change) -> bool {
    match row {
        Change::Entity(_, Some(version)) => version.live,
        Change::Aspect(_, Some(row)) => !row.value.is_empty(),
        Change::Standing(_, row) => row.is_some(),
        Change::Location(_, row) => row.is_some(),
        _ => false,
    }
}

/// The element that a row is; `None` for rows that are none, are taken away, or withdrawn.
#[must_use]
pub fn element_of(row: &Change) -> Option<Element> {
    if !is_element(row) {
        return None;
    }
    let mut out = Parts(Vec::with_capacity(256));
    match row {
        Change::Entity(_, Some(version)) => {
            out.0.reserve(version.document.len());
            out.part(b"entity").part(&version.content.salt.0);
            out.number(version.faults.len() as u32);
            for fault in &version.faults {
                out.part(&fault.salt.0);
            }
            out.number(version.holder.0).number(version.unread.into()).part(&version.document);
        }
        Change::Standing((_, _, scope), Some(claim)) => {
            out.part(b"claim").part(&claim.content.salt.0);
            out.number(scope.0).part(&claim.document);
        }
        Change::Aspect((_, aspect, source), Some(row)) => {
            out.part(b"aspect").part(&row.salt.0).part(row.about.as_str().as_bytes());
            out.part(aspect.as_bytes()).part(source.as_str().as_bytes());
            out.part(row.value.as_bytes());
        }
        Change::Location(id, Some(row)) => {
            out.part(b"location").part(&row.salt.0).part(id.as_bytes());
            out.part(row.kind.as_bytes()).part(row.target.as_bytes());
        }
        _ => return None,
    }
    Some(Element(out.0))
}

/// Bytes with their lengths before them, so that no two lists of parts give the same bytes.
struct Parts(Vec<u8>);

impl Parts {
    fn part(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    fn number(&mut self, number: u32) -> &mut Self {
        self.part(&number.to_be_bytes())
    }
}
