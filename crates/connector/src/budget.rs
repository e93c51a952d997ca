//! What a source lets a connector ask.

use event::Timestamp;

/// How much a source may still be asked before it wants to be left alone: requests, or points that
/// requests cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How much there is in all, until it is filled up again.
    pub limit: u64,
    /// How much of it is left.
    pub left: u64,
    /// When it is filled up again.
    pub resets: Option<Timestamp>,
    /// Until when the connector waits, where it does.
    pub waits_until: Option<Timestamp>,
}
