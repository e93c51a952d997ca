//! One file a command.

mod audit;
mod backup;
mod check;
mod connectors;
mod digest;
mod erase;
mod generate;
mod history;
mod ingest;
mod log;
mod remote;
mod replay;
mod serve;

use anyhow::Result;

use crate::cli::{Cli, Command};
use crate::exit::Exit;

/// Does what was asked for.
pub(crate) fn run(cli: &Cli) -> Result<Exit> {
    let json = cli.json;
    match &cli.command {
        Command::Serve(args) => serve::run(args),
        Command::Ingest(args) => ingest::run(args, json),
        Command::Generate(args) => generate::run(args),
        Command::Log(args) => log::run(args, json),
        Command::History(args) => history::history(args, json),
        Command::Diff(args) => history::diff(args, json),
        Command::Replay(args) => replay::run(args, json),
        Command::Digest(args) => digest::run(args, json),
        Command::Backup(args) => backup::back_up(args, json),
        Command::Restore(args) => backup::restore(args, json),
        Command::Audit(args) => audit::run(args, json),
        Command::Check(args) => check::run(args, json),
        Command::Connectors(args) => connectors::run(args, json),
    }
}
