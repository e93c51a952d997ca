//! The program: command line, configuration, wiring. The only crate that knows every concrete type.
//!
//! `cli.rs` says what can be asked for; `commands/` has a file for each command; `node.rs` puts a
//! node together out of the crates, and the files beside it are the ports between them.
//!
//! What is absent: everything that could stand in a crate of its own.
//!
//! Invariant: every way to end has its exit code, and a fault is told in one sentence.

mod attest;
mod backup;
mod cli;
mod commands;
mod config;
mod connectors;
mod deliveries;
mod dry_run;
mod erasure;
mod exit;
mod identity;
mod known;
mod listen;
mod metrics;
mod node;
mod port;
mod rebuild;
mod report;
mod retired;
mod sources;
mod topics;

use clap::Parser;

/// Runs the program with the arguments of the process.
#[must_use]
pub fn main() -> std::process::ExitCode {
    let cli = cli::Cli::parse();
    report::start_log();
    match commands::run(&cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            report::fault(&error);
            exit::code_of(&error).into()
        }
    }
}
