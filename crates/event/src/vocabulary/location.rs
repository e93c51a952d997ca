//! Events about registered locations: what somebody wants the catalog to read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::vocabulary::limits;

/// A location was registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocationRegistered {
    /// The location's id.
    pub id: Uuid,
    /// `url` or `file`.
    #[serde(rename = "type", deserialize_with = "limits::key")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^\u0000]*$"))]
    pub kind: String,
    /// What is to be read.
    #[serde(deserialize_with = "limits::key")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^\u0000]*$"))]
    pub target: String,
}

/// A registered location was given another type or target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocationUpdated {
    /// The location's id.
    pub id: Uuid,
    /// `url` or `file`.
    #[serde(rename = "type", deserialize_with = "limits::key")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^\u0000]*$"))]
    pub kind: String,
    /// What is to be read.
    #[serde(deserialize_with = "limits::key")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^\u0000]*$"))]
    pub target: String,
}

/// A registered location was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocationRemoved {
    /// The location's id.
    pub id: Uuid,
}

/// Somebody wants an entity's source, or a target, read again now. The record's subject is the
/// entity, where one was named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshAsked {
    /// The target, as `type:target`, where no entity was named.
    #[serde(
        default,
        deserialize_with = "limits::key_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^\u0000]*$"))]
    pub target: Option<String>,
}
