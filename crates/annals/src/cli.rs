//! What can be asked for on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// The software catalog that remembers.
#[derive(Debug, Parser)]
#[command(name = "annals", version, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Print one JSON object last, for programs.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 the answer is no (refused, differs); 2 wrong use; \
                          3 a fault.\nLog lines go to standard error; ANNALS_LOG=debug shows more.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the catalog: connectors, log, fold, views and API in one process.
    Serve(Serve),
    /// Hand in catalog files as one scope: new ones are added, missing ones withdrawn.
    Ingest(Ingest),
    /// Write a synthetic catalog as NDJSON, one document a line.
    Generate(Generate),
    /// Look at the log, write it out, read it in.
    #[command(subcommand)]
    Log(LogCommand),
    /// Show what an entity was, newest first, and why.
    History(History),
    /// Show in what an entity differs between two moments.
    Diff(Diff),
    /// Build views anew from a log.
    Replay(Replay),
    /// Print position, rules and digests of the views in a data folder.
    Digest(Digest),
    /// Add a backup of log, views and search index to a folder; a running node makes its own.
    Backup(Backup),
    /// Make a data folder of a backup.
    Restore(Restore),
    /// Check a log and a catalog against what was signed, and prove that a record stands in a log.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Validate catalog files, or a configuration.
    Check(Check),
    /// See how connectors are, and let held withdrawals pass.
    #[command(subcommand)]
    Connectors(Connectors),
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The configuration, as YAML. Without one, `--catalog` is enough.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where the log and the views are kept [default: ./data].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:7007].
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,
    /// A catalog file, a folder with such, or a glob; is watched. May be given several times.
    #[arg(long, value_name = "PATH")]
    pub(crate) catalog: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Ingest {
    /// The server that takes the documents.
    #[arg(long, value_name = "URL", conflicts_with = "data", required_unless_present = "data")]
    pub(crate) server: Option<String>,
    /// The data folder that takes them, while no server runs on it.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The scope's name: what the same name showed before and these files do not is withdrawn.
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) scope: String,
    /// Withdraw whatever these files do not show, however much it is.
    #[arg(long)]
    pub(crate) allow_withdrawals: bool,
    /// Files, folders or globs: YAML, JSON or NDJSON; `-` reads NDJSON from standard input.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// How many entities.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20_000_000))]
    pub(crate) entities: u32,
    /// Another catalog for another seed.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// The same catalog, after so many entities have changed.
    #[arg(long, value_name = "M", default_value_t = 0)]
    pub(crate) updates: u32,
}

/// Which log.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Source {
    /// That of a data folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// That of a running server.
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// That of a configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Write the log as NDJSON CloudEvents.
    Export {
        #[command(flatten)]
        source: Source,
        /// The file; standard output where absent.
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Read a log that was exported into an empty one, or one that begins exactly so.
    Import {
        /// That of a data folder.
        #[arg(long, value_name = "DIR", conflicts_with = "config")]
        #[arg(required_unless_present = "config")]
        data: Option<PathBuf>,
        /// That of a configuration, which may be on Kafka.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// The file; `-` reads standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print the last records.
    Tail {
        #[command(flatten)]
        source: Source,
        /// How many.
        #[arg(short = 'n', long, default_value_t = 10)]
        lines: u64,
        /// Go on with those that come, until interrupted; of a running server.
        #[arg(long, short, conflicts_with_all = ["data", "config"])]
        follow: bool,
    },
    /// Put the newest rules of the fold in force that this program knows, once all nodes know them.
    Adopt {
        /// In the log of a data folder.
        #[arg(long, value_name = "DIR", conflicts_with = "config")]
        #[arg(required_unless_present = "config")]
        data: Option<PathBuf>,
        /// In that of a configuration, which may be on Kafka.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Even though nodes know less that began on it once: those are gone, or will stop.
        #[arg(long)]
        anyway: bool,
    },
    /// Print how many records there are, and where the log ends.
    Stat {
        #[command(flatten)]
        source: Source,
    },
    /// Copy a log on Kafka into another topic, record by record, at the same offsets.
    Copy(LogCopy),
    /// Take what records say, or all that names a subject, out of the log of a stopped node, for
    /// good. Proofs still hold; views and search index are made anew.
    Erase(LogErase),
}

#[derive(Debug, Args)]
pub(crate) struct LogCopy {
    /// The configuration of the log.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// The topic that is made.
    #[arg(long, value_name = "TOPIC")]
    pub(crate) to: String,
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The server that makes one, in the folder that its configuration names.
    #[arg(long, value_name = "URL", conflicts_with_all = ["data", "folder", "keep"])]
    pub(crate) server: Option<String>,
    /// The data folder of a stopped node.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The folder of backups, which is added to.
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// How many backups are kept; older ones are removed.
    #[arg(long, value_name = "N", default_value_t = BACKUPS_KEPT)]
    pub(crate) keep: usize,
}

/// How many backups are kept, unless told otherwise.
pub(crate) const BACKUPS_KEPT: usize = 7;

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The folder of backups.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) from: PathBuf,
    /// The data folder that is made.
    #[arg(long, value_name = "NEW_DIR")]
    pub(crate) data: PathBuf,
    /// Which backup, by its number [default: the newest].
    #[arg(long, value_name = "N")]
    pub(crate) backup: Option<u64>,
    /// Only show which backups there are.
    #[arg(long)]
    pub(crate) list: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["event", "subject"]))]
pub(crate) struct LogErase {
    /// The data folder [default: ./data].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The configuration that names the data folder, or a topic on Kafka.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// On Kafka: the topic that is made, with all records but what is erased. The old one is to be
    /// deleted.
    #[arg(long, value_name = "TOPIC", requires = "config")]
    pub(crate) to: Option<String>,
    /// A record, by its id: what it says, who wrote it and where it was read. May be given several
    /// times.
    #[arg(long, value_name = "ID", conflicts_with = "subject")]
    pub(crate) event: Vec<String>,
    /// An entity, a person most often: its own records, and of all others what names it.
    #[arg(long, value_name = "REF")]
    pub(crate) subject: Option<String>,
    /// A further text that names the subject, wherever it stands as a word. May be given several
    /// times.
    #[arg(long, value_name = "TEXT", requires = "subject")]
    pub(crate) also: Vec<String>,
    /// Why, in words that name no one; stays in the log.
    #[arg(long, value_name = "TEXT")]
    pub(crate) why: String,
    /// Only say what would be erased.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Where a server listens, unless told otherwise.
const SERVER: &str = "http://127.0.0.1:7007";

#[derive(Debug, Args)]
pub(crate) struct History {
    /// The server.
    #[arg(long, value_name = "URL", default_value = SERVER)]
    pub(crate) server: String,
    /// At most so many changes.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    /// The entity, as `[kind:][namespace/]name`; a component in `default`, unless said.
    #[arg(value_name = "REF")]
    pub(crate) reference: String,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The server.
    #[arg(long, value_name = "URL", default_value = SERVER)]
    pub(crate) server: String,
    /// The first moment [default: before the last change].
    #[arg(long, value_name = "POSITION|TIME")]
    pub(crate) from: Option<String>,
    /// The second moment [default: now].
    #[arg(long, value_name = "POSITION|TIME")]
    pub(crate) to: Option<String>,
    /// The entity, as `[kind:][namespace/]name`; a component in `default`, unless said.
    #[arg(value_name = "REF")]
    pub(crate) reference: String,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// A log: an exported file, `-` for standard input, a data folder, or `kafka` for the topic of
    /// the configuration.
    #[arg(long, value_name = "LOG")]
    pub(crate) from: PathBuf,
    /// The configuration that names the topic.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The data folder that is made; it must be empty or absent.
    #[arg(long, value_name = "NEW_DIR")]
    pub(crate) data: PathBuf,
    /// Stop after a position, or at a time (RFC 3339).
    #[arg(long, value_name = "POSITION|TIME")]
    pub(crate) until: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Digest {
    /// The data folder; no server may run on it.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Compute the digest anew from every row, and compare the indexes with rebuilt ones.
    #[arg(long)]
    pub(crate) deep: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Compute the tree from the records, fold them anew, and compare both with what was signed.
    Verify(AuditVerify),
    /// Print a proof that a record stands in the log (c2sp.org/tlog-proof@v1).
    Prove {
        /// A running server.
        #[arg(long, value_name = "URL", conflicts_with = "data", required_unless_present = "data")]
        server: Option<String>,
        /// A data folder, while no server runs on it.
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// The record's id.
        #[arg(long, value_name = "ID")]
        event: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AuditVerify {
    /// A running server: its records, and its tree.
    #[arg(long, value_name = "URL", group = "log", required_unless_present_any = ["data", "from"])]
    pub(crate) server: Option<String>,
    /// A data folder, while no server runs on it: its records, tree and views.
    #[arg(long, value_name = "DIR", group = "log")]
    pub(crate) data: Option<PathBuf>,
    /// An exported log.
    #[arg(long, value_name = "EXPORT", group = "log")]
    pub(crate) from: Option<PathBuf>,
    /// A checkpoint that was saved before, to which the log is held.
    #[arg(long, value_name = "CHECKPOINT")]
    pub(crate) since: Option<PathBuf>,
    /// The log's key (NAME+HASH+BASE64); the log's own word for it where absent.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Files, folders or globs; a configuration is told from catalog files by what stands in it.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// The configuration whose kinds count as known.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Connectors {
    /// List sources, with how they are, and scopes that hold withdrawals back.
    List {
        /// The server.
        #[arg(long, value_name = "URL")]
        server: String,
    },
    /// Try the source of each connector, and say what is wrong or missing. Nothing is kept.
    Test {
        /// The configuration.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The data folder, for what locations in its catalog name [default: as configured].
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// Only this source, such as `files/local`.
        #[arg(value_name = "SOURCE")]
        source: Option<String>,
    },
    /// Read a source once and print what would be appended to the log, a line each: what differs
    /// from the catalog in the data folder, on which a server may run. Nothing is kept.
    Run {
        /// The configuration.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The data folder with the catalog to compare with [default: as configured].
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// Once, and not again and again.
        #[arg(long, required = true)]
        once: bool,
        /// Without a log.
        #[arg(long, required = true)]
        dry_run: bool,
        /// The source, such as `files/local`; `url/locations` for what locations name by URL.
        #[arg(value_name = "SOURCE")]
        source: String,
    },
    /// Let the withdrawal pass that a scope holds back.
    Approve {
        /// The server.
        #[arg(long, value_name = "URL")]
        server: String,
        /// At most so many entities; as many as are held where absent.
        #[arg(long, value_name = "N")]
        at_most: Option<u64>,
        /// The scope's name.
        scope: String,
    },
}
