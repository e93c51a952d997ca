//! Events about connectors themselves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::vocabulary::limits;
use crate::vocabulary::scope::ScopeName;

/// A source begins a new life, on some node. Its records of lower epochs are fenced off from here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EpochBegun {
    /// The node, by the name that it gave itself.
    #[serde(deserialize_with = "limits::key")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^\u0000]*$"))]
    pub node: String,
    /// The version of Annals that it runs.
    #[serde(deserialize_with = "limits::key")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^\u0000]*$"))]
    pub version: String,
}

/// A connector's state changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectorChanged {
    /// What it is now.
    pub state: ConnectorState,
    /// The scope that the state is of; absent where it is the connector's as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<ScopeName>,
    /// Why, in words for the person who has to mend it.
    #[serde(
        default,
        deserialize_with = "limits::words_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(length(max = 16384), regex(pattern = r"^[^\u0000]*$"))]
    pub why: Option<String>,
    /// How many entities a held withdrawal would take away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawals: Option<u64>,
}

/// What a connector does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConnectorState {
    /// It reads its source.
    Working,
    /// It has not reached its source for a while; what it said last still stands.
    Stale,
    /// It can't read its source.
    Failing,
    /// It would withdraw more than the guard lets pass.
    Held,
}

/// How far a connector has read, in its own words; it gets them back when it starts again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CursorReached {
    /// The cursor.
    #[serde(deserialize_with = "limits::key")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^\u0000]*$"))]
    pub cursor: String,
}
