//! Events about registered locations: what somebody wants the catalog to read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A location was registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocationRegistered {
    /// The location's id.
    pub id: Uuid,
    /// `url` or `file`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What is to be read.
    pub target: String,
}

/// A registered location was given another type or target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocationUpdated {
    /// The location's id.
    pub id: Uuid,
    /// `url` or `file`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What is to be read.
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}
