//! The column families.

/// The column families: tables that are read and written alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    /// Single rows, scopes, sources, and all that is small.
    Sundry,
    /// References, numbers and uids: read by point, small rows.
    Names,
    /// Current versions: read by point, large rows.
    Entities,
    /// Versions before: read by range, neighbours nearly alike.
    History,
    /// Claims and refusals: read by point and by range, small rows.
    Claims,
    /// Relations, by their target.
    Edges,
    /// The filter index.
    Index,
    /// Hashes and what they are hashes of: written in order, not compressible.
    Proof,
}

impl Family {
    pub(crate) const ALL: [Self; 8] = [
        Self::Sundry,
        Self::Names,
        Self::Entities,
        Self::History,
        Self::Claims,
        Self::Edges,
        Self::Index,
        Self::Proof,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sundry => "sundry",
            Self::Names => "names",
            Self::Entities => "entities",
            Self::History => "history",
            Self::Claims => "claims",
            Self::Edges => "edges",
            Self::Index => "index",
            Self::Proof => "proof",
        }
    }
}
