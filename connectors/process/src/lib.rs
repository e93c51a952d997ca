//! The process connector: runs a program of one's own and takes what it writes, a line of JSON for
//! each thing that it says.
//!
//! [`run`] keeps the program running, or runs it again and again. What a line may say stands in
//! [`line`]; the program is told on its standard input, in one line, where it stopped.
//!
//! What is absent: what the program reads, validation, and the decision what a snapshot withdraws.
//!
//! Invariant: a snapshot that the program does not end withdraws nothing.
//! Invariant: of what the program writes a line is in memory, and what waits to be taken.
//! Invariant: the program gets the environment that is configured and nothing of the node's but
//! where programs and homes are; what is configured there stands neither in records nor in logs.
//! Invariant: when the connector ends, the program and what it started have ended.

mod child;
mod config;
pub mod line;
mod lines;
mod run;
mod take;
mod words;

pub use config::Config;
pub use run::run;

/// Why a configuration can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An id that is no name.
    #[error(transparent)]
    Id(#[from] connector::NotAnId),
    /// Nothing to run.
    #[error(
        "the process connector `{id}` needs a `command`: a program and its arguments, as a list"
    )]
    Command {
        /// The connector's id.
        id: String,
    },
    /// A variable that can't be one.
    #[error("the process connector `{id}`: `{name}` can't be a variable of the environment")]
    Variable {
        /// The connector's id.
        id: String,
        /// The variable, shortened.
        name: String,
    },
    /// A time between two runs that is none.
    #[error("the process connector `{id}`: `every_seconds` is {seconds}, and has to be 1 to {max}")]
    Every {
        /// The connector's id.
        id: String,
        /// What is configured.
        seconds: u64,
        /// The most.
        max: u64,
    },
}
