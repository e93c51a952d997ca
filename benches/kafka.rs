//! Folding a log on Kafka, beside a bare consumer and beside Kafka Streams doing a plain keyed
//! upsert of the same records, from one broker in one run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use event::Content;
use log::{Budget, Log};
use log_kafka::{KafkaLog, Options};
use processor::{Metrics, Processor};
use prometheus::Registry;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde::Serialize;
use views::Views;

use crate::node::{self, Node};
use crate::replay::open_log;
use crate::stage::{Stage, Watch};

const TOPIC: &str = "annals.events";

/// The Kafka Streams application, and the version of its library.
const UPSERT: &str = "benches/keyed-upsert";
const STREAMS: &str = "keyed-upsert-4.3.1";

/// How long a consumer waits for a message.
const POLL: Duration = Duration::from_secs(10);

/// What it took.
#[derive(Debug, Serialize)]
pub(crate) struct OnKafka {
    stages: Vec<Stage>,
    /// How fast the fold is, as a part of each of the others.
    fold_of: Vec<(&'static str, f64)>,
}

impl OnKafka {
    pub(crate) fn table(&self) -> String {
        let mut text = String::from("records from one broker        /s  CPU us  the fold is\n");
        for stage in &self.stages {
            let part = self.fold_of.iter().find(|(name, _)| *name == stage.name);
            let part = part.map_or(String::new(), |(_, part)| format!("{part:.2} of it"));
            let (name, per_s, cpu) = (stage.name, stage.per_s(), stage.cpu_us());
            text.push_str(&format!("{name:<26} {per_s:>9.0} {cpu:>7.1}  {part}\n"));
        }
        text
    }
}

/// A broker, which stops when this process has ended.
struct Broker {
    address: String,
    data: PathBuf,
}

impl Broker {
    fn start(data: &Path) -> Result<Self> {
        script(&["fetch"], data)?;
        Ok(Self { address: script(&["start", ""], data)?, data: data.to_owned() })
    }

    fn options(&self) -> Result<Options> {
        let servers = ("bootstrap.servers".to_owned(), self.address.clone());
        Ok(Options::new(TOPIC, true, BTreeMap::from([servers]))?)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It stops with this process in any case.
        let _ = script(&["stop"], &self.data);
    }
}

fn script(args: &[&str], data: &Path) -> Result<String> {
    let mut command = Command::new("scripts/kafka");
    command.args(args).env("KAFKA_DATA", data).env("KAFKA_OWNER", std::process::id().to_string());
    said(&mut command)
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?} can't be run"))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {error}");
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Measures so many entities.
pub(crate) fn measure(entities: u32, folder: &Path) -> Result<OnKafka> {
    let (data, documents) = (folder.join("data"), folder.join("documents"));
    node::generate(entities, 0, &documents)?;
    let node = Node::serve(&data, &[])?;
    node.ingest("snapshot", &documents)?;
    node.stop()?;
    let broker = Broker::start(&folder.join("kafka"))?;
    let log = Arc::new(KafkaLog::open(broker.options()?)?);
    let appended = append(&*open_log(&data)?, &log)?;
    let records = log.end()?;
    let bare = consume(&broker, records)?;
    let folded = fold(&(Arc::clone(&log) as Arc<dyn Log>), &folder.join("views"), records)?;
    let mut stages = vec![appended, bare];
    for (name, guarantee) in
        [("Streams, at least once", "at_least_once"), ("Streams, exactly once", "exactly_once_v2")]
    {
        stages.push(streams(&broker, records, name, guarantee, folder)?);
    }
    let fold_of = stages[1..].iter().map(|other| (other.name, folded.per_s() / other.per_s()));
    let fold_of = fold_of.collect();
    stages.push(folded);
    Ok(OnKafka { stages, fold_of })
}

/// Puts the records of a log into another.
fn append(from: &dyn Log, to: &KafkaLog) -> Result<Stage> {
    let end = from.end()?;
    let watch = Watch::begin(std::process::id())?;
    let mut next = 0;
    while next < end {
        let entries = from.read(next, Budget::default())?;
        let contents: Vec<Content> = entries.into_iter().map(|entry| entry.content).collect();
        next += contents.len() as u64;
        to.append(&contents)?;
    }
    watch.end("append, acks=all", end)
}

/// Takes every message and does nothing with it.
fn consume(broker: &Broker, records: u64) -> Result<Stage> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &broker.address).set("group.id", "bare");
    config.set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create()?;
    let mut place = TopicPartitionList::new();
    place.add_partition_offset(TOPIC, 0, Offset::Beginning)?;
    consumer.assign(&place)?;
    let mut watch = None;
    let (mut bytes, mut idle) = (0, Instant::now());
    loop {
        let Some(message) = consumer.poll(Duration::from_millis(100)) else {
            ensure!(idle.elapsed() < POLL, "no message came");
            continue;
        };
        let message = message?;
        idle = Instant::now();
        if watch.is_none() {
            watch = Some(Watch::begin(std::process::id())?);
        }
        bytes += message.payload_len();
        if u64::try_from(message.offset())? + 1 >= records {
            break;
        }
    }
    ensure!(bytes > 0, "the messages were empty");
    let watch = watch.context("no message came")?;
    watch.end("librdkafka, bare", records)
}

fn fold(log: &Arc<dyn Log>, folder: &Path, records: u64) -> Result<Stage> {
    let options = views::Options { memory_bytes: 512 << 20, ..views::Options::default() };
    let views = Arc::new(Views::open(folder, options)?);
    let metrics = Metrics::new(&Registry::new())?;
    let processor = Processor::new(Arc::clone(log), views, metrics, Budget::default())?;
    let watch = Watch::begin(std::process::id())?;
    processor.catch_up(None)?;
    watch.end("the whole fold", records)
}

/// Has Kafka Streams keep the last document of each entity.
fn streams(
    broker: &Broker,
    records: u64,
    name: &'static str,
    guarantee: &str,
    folder: &Path,
) -> Result<Stage> {
    let cache = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let jars = cache.join(".cache/annals").join(STREAMS);
    if !jars.is_dir() {
        let fetch = ["-q", "-B", "-f", UPSERT, "dependency:copy-dependencies"];
        let to = format!("-DoutputDirectory={}", jars.display());
        said(Command::new("mvn").args(fetch).arg(to))?;
    }
    let began = Instant::now();
    let told = said(
        Command::new("java")
            .arg("-cp")
            .arg(jars.join("*"))
            .arg(format!("{UPSERT}/KeyedUpsert.java"))
            .args([&*broker.address, TOPIC, &records.to_string(), guarantee])
            .arg(folder.join("streams")),
    )?;
    let last = told.lines().last().unwrap_or_default();
    let mut seconds = last.split(' ').map(str::parse::<f64>);
    let (Some(Ok(wall_s)), Some(Ok(cpu_s))) = (seconds.next(), seconds.next()) else {
        return Err(anyhow!("Kafka Streams said `{told}` after {:?}", began.elapsed()));
    };
    let (threads, events) = (Vec::new(), records);
    Ok(Stage { name, events, wall_s, cpu_s, threads, fold_s: 0.0, commit_s: 0.0, batches: 0.0 })
}
