//! The verdict on a document: whether it becomes an entity, and if not, why. It is given once,
//! here, and stands in the log, so that a better validator never changes a replay.

use event::vocabulary::Fault;
use model::kinds::Kinds;
use model::reference::EntityRef;
use model::validate::{Refusal, Validator};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::text::fit_fault;

/// The largest document that becomes an entity, as JSON, in bytes.
const DOCUMENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What validates documents.
pub struct Judge {
    validator: Validator,
    kinds: Kinds,
}

/// A document that becomes an entity.
#[derive(Debug)]
pub struct Accepted {
    /// Its reference.
    pub reference: EntityRef,
    /// Its content hash.
    pub hash: [u8; 32],
    /// The document as it is appended.
    pub raw: Box<RawValue>,
}

/// What became of a document.
#[derive(Debug)]
pub enum Verdict {
    /// It becomes an entity.
    Accepted(Accepted),
    /// It does not.
    Refused {
        /// Its reference, as far as it has one.
        reference: Option<EntityRef>,
        /// Why.
        fault: Fault,
        /// A hash of the document and why.
        fingerprint: [u8; 32],
    },
}

impl Judge {
    /// Validates against these kinds.
    #[must_use]
    pub fn new(validator: Validator, kinds: Kinds) -> Self {
        Self { validator, kinds }
    }

    /// The kinds that documents are validated against.
    #[must_use]
    pub fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// Gives the verdict on a document that nobody means to keep.
    ///
    /// # Errors
    /// Why it does not become an entity.
    pub fn check(&self, document: &Value) -> Result<(), Refusal> {
        self.validator.validate(document)
    }

    /// Gives the verdict on a document, and writes in what is left to be understood.
    #[must_use]
    pub fn judge(&self, mut document: Value) -> Verdict {
        if let Err(refusal) = self.validator.validate(&document) {
            let fault = Fault { name: refusal.name.into(), message: refusal.to_string() };
            return Self::refuse(&document, fault);
        }
        model::document::normalize(&mut document, &self.kinds);
        model::annotate(&mut document);
        let view = model::document::Document::new(&document);
        let reference = match view.reference() {
            Ok(reference) => reference,
            Err(error) => {
                let fault = Fault { name: "InputError".into(), message: error.to_string() };
                return Self::refuse(&document, fault);
            }
        };
        let hash = model::canonical::content_hash_under(&document, &self.kinds);
        match serde_json::value::to_raw_value(&document) {
            Ok(raw) if raw.get().len() > DOCUMENT_BYTES_MAX => {
                let bytes = raw.get().len();
                let message = format!(
                    "the document has {bytes} bytes, more than the {DOCUMENT_BYTES_MAX} that the \
                     catalog takes"
                );
                Self::refuse(&document, Fault { name: "InputError".into(), message })
            }
            Ok(raw) => Verdict::Accepted(Accepted { reference, hash, raw }),
            Err(error) => {
                let fault = Fault { name: "Error".into(), message: error.to_string() };
                Self::refuse(&document, fault)
            }
        }
    }

    fn refuse(document: &Value, fault: Fault) -> Verdict {
        let fault = fit_fault(fault);
        let view = model::document::Document::new(document);
        let reference = view.reference().ok();
        let content = model::canonical::content_hash(document);
        let fingerprint = fingerprint(&content, &fault);
        Verdict::Refused { reference, fault, fingerprint }
    }
}

/// A hash of what was refused and why, so that the same refusal is appended once.
pub(crate) fn fingerprint(what: &[u8], fault: &Fault) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("annals 2026 refusal v1");
    for part in [what, fault.name.as_bytes(), fault.message.as_bytes()] {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_too_large_for_the_log_is_refused() {
        let kinds = Kinds::builtin();
        let judge = Judge::new(Validator::new(&kinds).expect("a validator"), kinds);
        let document = |bytes: usize| {
            json!({
                "apiVersion": "backstage.io/v1alpha1", "kind": "Component",
                "metadata": {"name": "a", "description": "x".repeat(bytes)},
                "spec": {"type": "service", "lifecycle": "production", "owner": "a"},
            })
        };
        let verdict = judge.judge(document(DOCUMENT_BYTES_MAX - 1000));
        assert!(matches!(verdict, Verdict::Accepted(_)), "{verdict:.100?}");
        match judge.judge(document(DOCUMENT_BYTES_MAX)) {
            Verdict::Refused { reference: Some(reference), fault, .. } => {
                assert_eq!(reference.as_str(), "component:default/a");
                assert!(fault.message.contains("more than the 4194304"), "{}", fault.message);
            }
            verdict => panic!("{verdict:.100?}"),
        }
    }
}
