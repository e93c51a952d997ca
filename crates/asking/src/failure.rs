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
    /// There was no answer, or none but of the source's own trouble and its limits, however often
    /// it was asked; others would fare no better now.
    #[error("{why}")]
    Away {
        /// What.
        why: String,
    },
    /// Something else; it may be over later.
    #[error("{why}")]
    Broken {
        /// What.
        why: String,
    },
}

/// What stands in the place of a secret.
const HIDDEN: &str = "(hidden)";

impl Failure {
    /// The same without these secrets: what a source says may repeat what it was sent.
    #[must_use]
    pub(crate) fn without(mut self, secrets: &[Box<str>]) -> Self {
        let (Self::Refused { why: text }
        | Self::Missing { what: text }
        | Self::TooMuch { why: text }
        | Self::Away { why: text }
        | Self::Broken { why: text }) = &mut self;
        for secret in secrets {
            if text.contains(&**secret) {
                *text = text.replace(&**secret, HIDDEN);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_source_repeats_of_secrets_is_hidden() {
        let secrets: [Box<str>; 2] = ["s3cret".into(), "other".into()];
        for (why, expected) in [
            ("the token s3cret and s3cret", "the token (hidden) and (hidden)"),
            ("another", "an(hidden)"),
            ("nothing", "nothing"),
        ] {
            let failure = Failure::Refused { why: why.into() };
            assert_eq!(failure.without(&secrets).to_string(), expected);
        }
    }
}
