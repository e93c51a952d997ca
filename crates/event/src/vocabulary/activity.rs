//! Events about activities: what happened to entities, in the terms of CDEvents.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::vocabulary::limits;
use crate::vocabulary::raw_object;

/// Something happened. The record's subject is the entity, where the source knows it; else `about`
/// says how to find it, now or once it is there.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivityRecorded<'a> {
    /// What: a CDEvents type without its version, `dev.cdevents.service.deployed`.
    #[serde(deserialize_with = "limits::key")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^\u0000]*$"))]
    pub activity: String,
    /// The source's own id of it; the same one twice is one activity.
    #[serde(deserialize_with = "limits::key")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^\u0000]*$"))]
    pub key: String,
    /// The annotation by which the entity is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<About>,
    /// What is known of it.
    #[serde(borrow, deserialize_with = "raw_object")]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub value: &'a RawValue,
}

impl PartialEq for ActivityRecorded<'_> {
    fn eq(&self, other: &Self) -> bool {
        (&self.activity, &self.key, &self.about, self.value.get())
            == (&other.activity, &other.key, &other.about, other.value.get())
    }
}

/// An annotation that leads to an entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The annotation's key: `github.com/project-slug`.
    #[serde(deserialize_with = "limits::key")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^\u0000]*$"))]
    pub annotation: String,
    /// The annotation's value.
    #[serde(deserialize_with = "limits::key")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^\u0000]*$"))]
    pub value: String,
}
