//! A node: log, views, the loop between them, and the way in.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow};
use event::vocabulary::{FoldAdopted, Orphans, PolicySet};
use event::{Event, LogId, SourceName};
use ingest::{Appender, Boot, Clock, Draft, Guard, Ingest, system_clock};
use log::{Budget, EmbeddedLog, EmbeddedOptions, Log};
use model::kinds::Kinds;
use processor::{Metrics, Processor};
use prometheus::Registry;
use views::Views;

use crate::config::Config;
use crate::known::KnownViews;

/// Where a data folder is, unless told otherwise.
const DATA: &str = "data";

/// How much memory the databases share, unless told otherwise.
const MEMORY_BYTES: usize = 1 << 30;

/// What a node is opened with.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) data: PathBuf,
    pub(crate) memory_bytes: usize,
    pub(crate) origin: String,
    pub(crate) kinds: Kinds,
    pub(crate) orphans: Orphans,
    pub(crate) guard: Guard,
}

impl Settings {
    /// The settings of a configuration; what the command line says counts more.
    pub(crate) fn new(config: &Config, data: Option<&Path>) -> Result<Self> {
        let data = data.map(Path::to_owned).or_else(|| config.data.clone());
        let guard = Guard {
            percent_max: config.withdrawals.percent_max,
            count_min: config.withdrawals.count_min,
        };
        Ok(Self {
            data: data.unwrap_or_else(|| DATA.into()),
            memory_bytes: config.memory_max.map_or(MEMORY_BYTES, |bytes| bytes.0),
            origin: config.log.origin.clone().unwrap_or_else(|| "annals.local".into()),
            kinds: config.kinds()?,
            orphans: config.orphans,
            guard,
        })
    }
}

/// The parts of a data folder.
pub(crate) fn log_folder(data: &Path) -> PathBuf {
    data.join("log")
}

/// The parts of a data folder.
pub(crate) fn views_folder(data: &Path) -> PathBuf {
    data.join("views")
}

/// Opens the log of a data folder.
pub(crate) fn open_log(data: &Path) -> Result<EmbeddedLog> {
    let folder = log_folder(data);
    make_folder(&folder)?;
    Ok(EmbeddedLog::open(&folder, EmbeddedOptions::default())?)
}

/// Opens the views of a data folder.
pub(crate) fn open_views(data: &Path, memory_bytes: usize) -> Result<Views> {
    let folder = views_folder(data);
    make_folder(&folder)?;
    // The sets in memory of the index come on top of what the database is given.
    Ok(Views::open(&folder, views::Options { memory_bytes: memory_bytes / 2 })?)
}

fn make_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("the folder {} can't be made", folder.display()))
}

/// The name that a node gave itself when its data folder was made.
fn node_name(data: &Path) -> Result<String> {
    let path = data.join("node");
    if let Ok(name) = std::fs::read_to_string(&path) {
        let name = name.trim();
        if !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_graphic()) {
            return Ok(name.to_owned());
        }
    }
    let name = format!("node-{:08x}", rand::random::<u32>());
    std::fs::write(&path, &name)
        .with_context(|| format!("the file {} can't be written", path.display()))?;
    Ok(name)
}

/// A log and its views, followed by a thread.
pub(crate) struct Node {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) views: Arc<Views>,
    pub(crate) processor: Arc<Processor>,
    pub(crate) ingest: Arc<Ingest>,
    pub(crate) registry: Registry,
    /// The source in whose name this node speaks for itself and for callers.
    pub(crate) own: Arc<Appender>,
    following: Option<JoinHandle<Result<(), processor::Error>>>,
}

impl Node {
    /// Opens a data folder, makes it where there is none, and folds what the log holds.
    pub(crate) fn open(settings: &Settings) -> Result<Self> {
        make_folder(&settings.data)?;
        let clock = system_clock();
        let log: Arc<dyn Log> = Arc::new(open_log(&settings.data)?);
        let kinds = settings.kinds.custom().map(serde_json::to_value);
        let boot = Boot {
            origin: settings.origin.clone(),
            kinds: kinds.collect::<Result<_, _>>()?,
            orphans: settings.orphans,
            rules: fold::RULES_VERSION,
        };
        if ingest::boot(&log, &clock, &boot)? {
            tracing::info!(data = %settings.data.display(), "a new log is begun");
        }
        let views = Arc::new(open_views(&settings.data, settings.memory_bytes)?);
        let registry = Registry::new();
        let metrics = Metrics::new(&registry)?;
        let processor =
            Processor::new(Arc::clone(&log), Arc::clone(&views), metrics, Budget::default())
                .context("if the log is right, build the views anew with `annals replay`")?;
        let processor = Arc::new(processor);
        let following = follow(Arc::clone(&processor))?;
        let name = node_name(&settings.data)?;
        let (ingest, own) = way_in(settings, &boot, &log, &views, &processor, &clock, &name)
            .map_err(|error| why(&processor, error))?;
        let following = Some(following);
        Ok(Self { log, views, processor, ingest, registry, own, following })
    }

    /// The log's id.
    pub(crate) fn log_id(&self) -> Result<LogId> {
        let (log, _) = self.views.offset().ok_or_else(|| anyhow!("nothing is folded yet"))?;
        Ok(log)
    }

    /// Folds what the log holds, and stops. Nothing may be appended any more.
    pub(crate) fn close(mut self) -> Result<()> {
        let folded = self.ingest.catch_up();
        self.processor.stop();
        let following = self.following.take().map(JoinHandle::join);
        match following {
            Some(Ok(followed)) => followed?,
            Some(Err(_)) => return Err(anyhow!("the thread that follows the log broke off")),
            None => {}
        }
        folded?;
        self.views.sync()?;
        Ok(())
    }
}

fn follow(processor: Arc<Processor>) -> Result<JoinHandle<Result<(), processor::Error>>> {
    let thread = std::thread::Builder::new().name("fold".into());
    Ok(thread.spawn(move || processor.run())?)
}

/// Where an error comes of the fold having stopped, what stopped it says more.
fn why(processor: &Processor, error: anyhow::Error) -> anyhow::Error {
    match processor.progress().why_stopped() {
        Some(why) => anyhow!(why),
        None => error,
    }
}

/// The way into the log: waits until the views have followed, and puts in force what the
/// configuration says.
fn way_in(
    settings: &Settings,
    boot: &Boot,
    log: &Arc<dyn Log>,
    views: &Arc<Views>,
    processor: &Processor,
    clock: &Clock,
    name: &str,
) -> Result<(Arc<Ingest>, Arc<Appender>)> {
    let known = KnownViews::new(Arc::clone(views), Arc::clone(processor.progress()));
    let options = ingest::Options {
        node: name.to_owned(),
        guard: settings.guard,
        ..ingest::Options::default()
    };
    let ingest =
        Ingest::new(Arc::clone(log), Arc::new(known), Arc::clone(clock), &settings.kinds, options)?;
    ingest.catch_up()?;
    let own = ingest.begin(&SourceName::new(&format!("api/{name}"))?, crate_version())?;
    let reader = views.reader().ok_or_else(|| anyhow!("nothing is folded yet"))?;
    let policy = reader.policy();
    let in_force = PolicySet {
        kinds: if policy.custom.is_empty() {
            Vec::new()
        } else {
            serde_json::from_str(&policy.custom)?
        },
        orphans: policy.orphans,
    };
    let wanted = PolicySet { kinds: boot.kinds.clone(), orphans: boot.orphans };
    ingest.set_policy(&own, wanted, Some(&in_force))?;
    let applied = views.applied().map_or(0, |applied| applied.rules);
    if applied < boot.rules {
        let adopted = Event::FoldAdopted(FoldAdopted { version: boot.rules });
        own.append(vec![Draft::new(&adopted)])?;
    }
    Ok((Arc::new(ingest), Arc::new(own)))
}

pub(crate) fn crate_version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
