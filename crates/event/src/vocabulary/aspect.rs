//! Events about aspects: what sources observe of an entity beside its document.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::vocabulary::limits;
use crate::vocabulary::raw_object;

/// What a source observes of an entity, which is the record's subject. One value for each entity,
/// aspect and source; a new one takes the place of the old.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AspectObserved<'a> {
    /// The aspect's name: `kubernetes/prod`.
    #[serde(deserialize_with = "limits::key")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^\u0000]*$"))]
    pub aspect: String,
    /// What is observed: significant fields only.
    #[serde(borrow, deserialize_with = "raw_object")]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub value: &'a RawValue,
}

impl PartialEq for AspectObserved<'_> {
    fn eq(&self, other: &Self) -> bool {
        (&self.aspect, self.value.get()) == (&other.aspect, other.value.get())
    }
}

/// A source observes an aspect of an entity, which is the record's subject, no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AspectEnded {
    /// The aspect's name.
    #[serde(deserialize_with = "limits::key")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^\u0000]*$"))]
    pub aspect: String,
}
