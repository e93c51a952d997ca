//! A node: log, views, the loop between them, and the way in.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use event::vocabulary::{FoldAdopted, Orphans, PolicySet};
use event::{Event, LogId, Offset, SourceName};
use ingest::{Appender, Boot, Draft, Guard, Ingest, system_clock};
use log::{Budget, EmbeddedLog, EmbeddedOptions, Log};
use log_kafka::{KafkaLog, OpenError};
use model::kinds::Kinds;
use parking_lot::Mutex;
use processor::{Metrics, Processor};
use prometheus::Registry;
use proof::SignerKey;
use search::{Feed, Search};
use views::Views;

use crate::attest::{self, Attester};
use crate::config::Config;
use crate::exit::Wrong;
use crate::identity;
use crate::known::KnownViews;
use crate::rebuild;

/// Where a data folder is, unless told otherwise.
const DATA: &str = "data";

/// How much memory the databases share, unless told otherwise.
const MEMORY_BYTES: usize = 1 << 30;

/// How often it is looked, while the views follow a log, whether to go on, and how often it is said
/// how far they are.
const FOLLOW_STEP: Duration = Duration::from_millis(200);
const FOLLOW_SAY: Duration = Duration::from_secs(10);

/// With so many records to be folded, search gives way.
const BUSY_RECORDS: u64 = 1000;

/// What a node is opened with.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) data: PathBuf,
    pub(crate) memory_bytes: usize,
    pub(crate) origin: String,
    /// What the configuration wants in force; where there is none, the log's word stays.
    pub(crate) policy: Option<Policy>,
    pub(crate) guard: Guard,
    /// What the log is signed with, if the configuration says.
    pub(crate) identity: Option<SignerKey>,
    /// The topic that holds the log; without one it is in the data folder.
    pub(crate) kafka: Option<log_kafka::Options>,
    /// Topics beside the log.
    pub(crate) topics: Vec<log_kafka::Options>,
}

/// What a configuration says of the catalog's rules.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) kinds: Kinds,
    pub(crate) orphans: Orphans,
}

impl Policy {
    /// As the record says it.
    fn as_event(&self) -> Result<PolicySet> {
        let kinds = self.kinds.custom().map(serde_json::to_value).collect::<Result<_, _>>()?;
        Ok(PolicySet { kinds, orphans: self.orphans })
    }
}

impl Settings {
    /// The settings of a configuration, if there is one; what the command line says counts more.
    pub(crate) fn new(config: Option<&Config>, data: Option<&Path>) -> Result<Self> {
        let policy = config
            .map(|config| {
                Ok::<_, anyhow::Error>(Policy { kinds: config.kinds()?, orphans: config.orphans })
            })
            .transpose()?;
        let identity = config.map(Config::identity).transpose()?.flatten();
        let kafka = config.map(Config::kafka).transpose()?.flatten();
        let topics = config.map(Config::topics).transpose()?.unwrap_or_default();
        let default = Config::default();
        let config = config.unwrap_or(&default);
        let data = data.map(Path::to_owned).or_else(|| config.data.clone());
        let guard = Guard {
            percent_max: config.withdrawals.percent_max,
            count_min: config.withdrawals.count_min,
        };
        Ok(Self {
            data: data.unwrap_or_else(|| DATA.into()),
            memory_bytes: config.memory_max.map_or(MEMORY_BYTES, |bytes| bytes.0),
            origin: config.log.origin.clone().unwrap_or_else(|| "annals.local".into()),
            policy,
            guard,
            identity,
            kafka,
            topics,
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
    let log = EmbeddedLog::open(&folder, EmbeddedOptions::default())?;
    rebuild::rewrite_log(data, &log)?;
    Ok(log)
}

/// Opens the log on a topic.
pub(crate) fn open_kafka(options: &log_kafka::Options) -> Result<KafkaLog> {
    KafkaLog::open(options.clone()).map_err(cannot_open)
}

/// Why a topic can't be opened.
pub(crate) fn cannot_open(error: OpenError) -> anyhow::Error {
    match error {
        OpenError::Kafka { .. } | OpenError::Log(_) | OpenError::Thread(_) => error.into(),
        // A topic that is not what it must be is the operator's to mend.
        other => Wrong(other.to_string()).into(),
    }
}

/// Opens the views of a data folder.
pub(crate) fn open_views(data: &Path, memory_bytes: usize) -> Result<Views> {
    rebuild::drop_old(data)?;
    let folder = views_folder(data);
    make_folder(&folder)?;
    // The sets in memory of the index come on top of what the database is given.
    Ok(Views::open(
        &folder,
        views::Options { memory_bytes: memory_bytes / 2, ..views::Options::default() },
    )?)
}

/// Opens the views of a node that follows its log: those of an earlier version are made anew.
fn open_or_remake_views(data: &Path, memory_bytes: usize) -> Result<Views> {
    match open_views(data, memory_bytes) {
        Err(error) if matches!(error.downcast_ref(), Some(views::Error::Older { .. })) => {
            tracing::warn!(
                "the views were written by an earlier version of Annals: they and the search \
                 index are made anew from the log"
            );
            rebuild::ask(data)?;
            open_views(data, memory_bytes)
        }
        opened => opened,
    }
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
    /// The same, where it is kept on this machine.
    pub(crate) embedded: Option<Arc<EmbeddedLog>>,
    /// The same, where it is on Kafka and other nodes share it.
    pub(crate) kafka: Option<Arc<KafkaLog>>,
    pub(crate) views: Arc<Views>,
    pub(crate) processor: Arc<Processor>,
    pub(crate) registry: Registry,
    pub(crate) search: Search,
    identity: Option<SignerKey>,
    following: Option<JoinHandle<Result<(), processor::Error>>>,
    searching: Option<JoinHandle<()>>,
    attesting: Mutex<Option<Attester>>,
}

/// The way into the log, which opens when the views have followed.
#[derive(Clone)]
pub(crate) struct WayIn {
    pub(crate) ingest: Arc<Ingest>,
    /// The source in whose name this node speaks for itself and for callers.
    pub(crate) own: Arc<Appender>,
    pub(crate) log: LogId,
}

impl Node {
    /// Opens a data folder, makes it where there is none, and begins to fold what the log holds.
    pub(crate) fn open(settings: &Settings) -> Result<Self> {
        make_folder(&settings.data)?;
        let kafka = settings.kafka.as_ref().map(open_kafka).transpose()?.map(Arc::new);
        let (log, embedded): (Arc<dyn Log>, _) = match &kafka {
            Some(kafka) => (Arc::clone(kafka) as Arc<dyn Log>, None),
            None => {
                let embedded = Arc::new(open_log(&settings.data)?);
                (Arc::clone(&embedded) as Arc<dyn Log>, Some(embedded))
            }
        };
        let (given, origin) = (settings.identity.as_ref(), &settings.origin);
        let identity = identity::open(given, &settings.data, origin, &*log)?;
        if kafka.is_some() && identity.is_none() {
            return Err(Wrong(identity::elsewhere(&settings.data)).into());
        }
        let key = identity.as_ref().map(|key| key.public().to_string());
        let boot = Boot { origin: settings.origin.clone(), rules: fold::rules_known(), key };
        if ingest::boot(&log, &system_clock(), &boot)? {
            tracing::info!(data = %settings.data.display(), "a new log is begun");
        }
        let views = Arc::new(open_or_remake_views(&settings.data, settings.memory_bytes)?);
        let registry = Registry::new();
        let metrics = Metrics::new(&registry)?;
        let processor =
            Processor::new(Arc::clone(&log), Arc::clone(&views), metrics, Budget::default())
                .context("if the log is right, build the views anew with `annals replay`")?;
        let processor = Arc::new(processor);
        let following = Some(follow(Arc::clone(&processor), settings.data.clone())?);
        let search = Search::default();
        let feed = feed(&settings.data, &log, &views, &search, &processor);
        let thread = std::thread::Builder::new().name("search".into());
        let searching = Some(thread.spawn(move || feed.run())?);
        let attesting = Mutex::default();
        Ok(Self {
            log,
            embedded,
            kafka,
            views,
            processor,
            registry,
            search,
            identity,
            following,
            searching,
            attesting,
        })
    }

    /// Waits until the views have followed the log, and opens the way in. Where the log is the
    /// node's alone, it puts in force what the settings say.
    pub(crate) fn way_in(&self, settings: &Settings, stopping: &AtomicBool) -> Result<WayIn> {
        self.follow_to_the_end(stopping)?;
        let clock = system_clock();
        let name = node_name(&settings.data)?;
        let progress = Arc::clone(self.processor.progress());
        let known = KnownViews::new(Some(Arc::clone(&self.views)), progress);
        let in_force = self.policy_in_force()?;
        let kinds = match &settings.policy {
            Some(policy) => policy.kinds.clone(),
            None => custom_kinds(&in_force)?,
        };
        let options = ingest::Options {
            node: name.clone(),
            guard: settings.guard,
            ..ingest::Options::default()
        };
        let ingest = Ingest::new(Arc::clone(&self.log), Arc::new(known), clock, &kinds, options)?;
        let own = ingest.begin(&SourceName::new(&format!("api/{name}"))?, &version())?;
        if let (Some(key), Some(reader)) = (&self.identity, self.views.reader()) {
            attest::introduce(key, &reader, &own)?;
        }
        if self.kafka.is_none() {
            let applied = self.views.applied().map_or(0, |applied| applied.rules);
            if applied < fold::rules_known() {
                let adopted = Event::FoldAdopted(FoldAdopted { version: fold::rules_known() });
                own.append(vec![Draft::new(&adopted)])?;
            }
        }
        let (log, _) = self.views.offset().ok_or_else(|| anyhow!("nothing is folded yet"))?;
        let way_in = WayIn { ingest: Arc::new(ingest), own: Arc::new(own), log };
        if self.kafka.is_none() {
            self.put_in_force(settings, &way_in)?;
        }
        Ok(way_in)
    }

    /// Waits until the views have followed the log, and puts the policy of the settings in force.
    pub(crate) fn lead(
        &self,
        settings: &Settings,
        way_in: &WayIn,
        stopping: &AtomicBool,
    ) -> Result<()> {
        self.follow_to_the_end(stopping)?;
        self.put_in_force(settings, way_in)
    }

    fn put_in_force(&self, settings: &Settings, way_in: &WayIn) -> Result<()> {
        if let Some(policy) = &settings.policy {
            let in_force = self.policy_in_force()?;
            way_in.ingest.set_policy(&way_in.own, policy.as_event()?, Some(&in_force))?;
        }
        Ok(())
    }

    /// Begins to sign what is folded, if the log's key is here.
    pub(crate) fn attest(&self, way_in: &WayIn) -> Result<()> {
        if let Some(key) = self.identity.clone() {
            let progress = Arc::clone(self.processor.progress());
            let own = Arc::clone(&way_in.own);
            let attester = Attester::start(key, Arc::clone(&self.views), progress, own)?;
            *self.attesting.lock() = Some(attester);
        }
        Ok(())
    }

    /// Signs nothing more.
    pub(crate) fn stop_attesting(&self) {
        let attester = self.attesting.lock().take();
        if let Some(attester) = attester {
            attester.stop();
        }
    }

    /// Waits until the views have folded what the log holds, however long that takes, and says
    /// how far it is.
    fn follow_to_the_end(&self, stopping: &AtomicBool) -> Result<()> {
        let records = self.log.end()?;
        let Some(last) = records.checked_sub(1) else { return Ok(()) };
        let progress = self.processor.progress();
        let mut said = Instant::now();
        while !progress.wait(last, FOLLOW_STEP)? {
            if stopping.load(Ordering::Relaxed) {
                return Err(anyhow!("stopped before the views had followed the log"));
            }
            if said.elapsed() >= FOLLOW_SAY {
                said = Instant::now();
                let folded = progress.offset().map_or(0, |offset| offset + 1);
                tracing::info!(folded, records, "the views follow the log");
            }
        }
        Ok(())
    }

    fn policy_in_force(&self) -> Result<PolicySet> {
        let reader = self.views.reader().ok_or_else(|| anyhow!("nothing is folded yet"))?;
        let policy = reader.policy();
        let kinds = if policy.custom.is_empty() {
            Vec::new()
        } else {
            serde_json::from_str(&policy.custom)?
        };
        Ok(PolicySet { kinds, orphans: policy.orphans })
    }

    /// Folds what the log holds, if it was followed to its end before, and stops. Nothing may be
    /// appended any more.
    pub(crate) fn close(mut self, way_in: Option<&WayIn>) -> Result<()> {
        self.stop_attesting();
        let folded = way_in.map_or(Ok(()), |way_in| way_in.ingest.catch_up());
        self.search.stop();
        self.processor.stop();
        let following = self.following.take().map(JoinHandle::join);
        // Whatever went wrong, nothing is said any more once the node is closed.
        if self.searching.take().map(JoinHandle::join).is_some_and(|joined| joined.is_err()) {
            tracing::error!("the thread that writes the search index broke off");
        }
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

/// What keeps the search index, which waits for the loop that folds.
fn feed(
    data: &Path,
    log: &Arc<dyn Log>,
    views: &Arc<Views>,
    search: &Search,
    processor: &Processor,
) -> Feed {
    let progress = Arc::clone(processor.progress());
    let follow = move |after: Option<Offset>, at_most: Duration| {
        let next = after.map_or(0, |after| after + 1);
        // Nothing follows a loop that has stopped; it is waited for no faster.
        if progress.wait(next, at_most).is_err() {
            std::thread::park_timeout(at_most);
        }
    };
    let (log, progress) = (Arc::clone(log), Arc::clone(processor.progress()));
    let busy = move || {
        let folded = progress.offset().map_or(0, |offset| offset + 1);
        log.end().is_ok_and(|end| end.saturating_sub(folded) > BUSY_RECORDS)
    };
    let feed = Feed::new(data.join("search"), Arc::clone(views), search.clone(), Box::new(follow));
    feed.giving_way(Box::new(busy))
}

fn follow(
    processor: Arc<Processor>,
    data: PathBuf,
) -> Result<JoinHandle<Result<(), processor::Error>>> {
    let thread = std::thread::Builder::new().name("fold".into());
    let run = move || {
        let followed = processor.run();
        if matches!(followed, Err(processor::Error::HoldsErased { .. }))
            && let Err(error) = rebuild::ask(&data)
        {
            tracing::error!("the views can't be given up: {error:#}");
        }
        followed
    };
    Ok(thread.spawn(run)?)
}

/// The kinds of a policy that is in force.
fn custom_kinds(policy: &PolicySet) -> Result<Kinds> {
    let custom = policy.kinds.iter().map(|kind| serde_json::from_value(kind.clone()));
    Ok(Kinds::new(custom.collect::<Result<_, _>>()?)?)
}

/// The version that a node begins its sources with: the program's, and which rules it knows.
pub(crate) fn version() -> String {
    format!("{}+rules.{}", env!("CARGO_PKG_VERSION"), fold::rules_known())
}
