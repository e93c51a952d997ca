//! Exit codes.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// The answer is no: something was refused, or differs.
    No = 1,
    /// Wrong use: arguments, configuration.
    Wrong = 2,
    /// A fault.
    Fault = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error that is the caller's to mend.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Wrong(pub(crate) String);

/// What a command says of an error in its exit code.
pub(crate) fn code_of(error: &anyhow::Error) -> Exit {
    if error.chain().any(|cause| cause.is::<Wrong>()) { Exit::Wrong } else { Exit::Fault }
}
