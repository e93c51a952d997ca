//! What an audit found.

use std::fmt;

use event::{Offset, RecordId};
use serde_json::{Value, json};

/// Something that is not as it was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// The first record that it is about.
    pub(super) offset: Offset,
    /// Its id, where there is such a record.
    pub(super) id: Option<RecordId>,
    /// Whether it is that record, and not only that one or one of those behind it.
    pub(super) is_exact: bool,
    /// What is wrong.
    pub(super) what: String,
}

impl Finding {
    pub(super) fn as_json(&self) -> Value {
        let id = self.id.map(|id| id.to_string());
        json!({"offset": self.offset, "id": id, "exact": self.is_exact, "what": self.what})
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {}", self.offset)?;
        if let Some(id) = self.id {
            write!(f, " ({id})")?;
        }
        write!(f, ": {}", self.what)
    }
}
