//! What may come of asking a source instead of an answer.

/// Why there is no answer. None of these says that something is gone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The credentials are wrong, have ended, or are not let in.
    #[error("{why}")]
    Refused {
        /// What the source said, in words for whoever has to mend it.
        why: String,
    },
    /// There is no such thing, or the credentials may not see it.
    #[error("{what} is not there, or may not be seen")]
    Missing {
        /// What was asked for.
        what: String,
    },
    /// The question was too large; a smaller one may be answered.
    #[error("the source did not get through with the question: {why}")]
    TooMuch {
        /// What it said.
        why: String,
    },
    /// Something else; it may be over later.
    #[error("{why}")]
    Broken {
        /// What.
        why: String,
    },
}
