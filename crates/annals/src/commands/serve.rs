//! `annals serve`: everything in one process.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use api::{Api, HttpMetrics, TopicNames};
use backup::Backups;
use log::Log;
use log_kafka::Form;
use prometheus::IntGauge;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::backup::OnDemand;
use crate::cli::Serve;
use crate::config::Config;
use crate::exit::{Exit, Wrong};
use crate::listen;
use crate::metrics::NodeHealth;
use crate::node::{Node, Settings, WayIn};
use crate::port::IngestPort;
use crate::report;
use crate::topics::{self, TopicFare, TopicMetrics};

pub(super) mod carriers;
mod follow;
mod leading;
mod refreshes;
pub(super) mod sources;
pub(super) mod targets;

use leading::{Leader, Leading, Telling, Written};
use sources::Configured;

/// Where to listen, unless told otherwise.
const LISTEN: &str = "127.0.0.1:7007";

/// How long what waits for a log that is away gets when the node stops.
const CLOSE_AFTER: Duration = Duration::from_secs(5);

/// How long answers that are under way get when the node stops.
const GRACE: Duration = Duration::from_secs(10);

pub(crate) fn run(args: &Serve) -> Result<Exit> {
    let config = args.config.as_deref().map(Config::load).transpose()?;
    let settings = Settings::new(config.as_ref(), args.data.as_deref())?;
    let config = config.unwrap_or_default();
    let connectors = sources::configured(&config, &args.catalog).with_context(|| {
        let path = args.config.as_deref().unwrap_or(Path::new(""));
        format!("the configuration {} can't be used", path.display())
    })?;
    let address = address(args, &config)?;
    // The port is taken before anything is opened: a node that can't listen changes nothing.
    let listener = std::net::TcpListener::bind(address)
        .with_context(|| format!("{address} can't be listened on"))?;
    listener.set_nonblocking(true)?;
    topics::check(&settings.topics)?;
    let node = Arc::new(Node::open(&settings)?);
    let port = Arc::new(IngestPort::new(&config.reading, connectors.github()));
    let runtime = tokio::runtime::Runtime::new()?;
    let served = runtime.block_on(serve(&node, &settings, &config, &port, connectors, listener));
    // What still runs was told to stop; it is not waited for without end.
    runtime.shutdown_timeout(Duration::from_secs(5));
    let node = Arc::into_inner(node).ok_or_else(|| anyhow!("something did not stop in time"))?;
    let closed = node.close(port.way_in());
    served?;
    closed?;
    tracing::info!("stopped");
    Ok(Exit::Done)
}

fn address(args: &Serve, config: &Config) -> Result<SocketAddr> {
    let text = args.listen.as_deref().or(config.server.listen.as_deref()).unwrap_or(LISTEN);
    let address = text.to_socket_addrs().ok().and_then(|mut all| all.next());
    let address = address.ok_or_else(|| {
        Wrong(format!("`{text}` is not an address to listen on, such as {LISTEN}"))
    })?;
    if !address.ip().to_canonical().is_loopback() && config.server.tokens.is_empty() {
        let why = "listening beyond this machine needs tokens (server.tokens in the configuration)";
        return Err(Wrong(format!("{address}: {why}")).into());
    }
    Ok(address)
}

/// Serves until the process is told to stop, or the log can't be followed any more. Answers are
/// given from the beginning, from the views as they are; documents are taken once these have
/// followed the log.
async fn serve(
    node: &Arc<Node>,
    settings: &Settings,
    config: &Config,
    port: &Arc<IngestPort>,
    connectors: Configured,
    listener: std::net::TcpListener,
) -> Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let address = listener.local_addr()?;
    let (stop, stopping) = watch::channel(false);
    let (api, leads, topics) = api(node, settings, config, Arc::clone(port))?;
    connectors.inbox.register(&node.registry)?;
    let inbox = Arc::clone(&connectors.inbox) as Arc<dyn api::Deliveries>;
    let api = api.until(stopping.clone()).with_deliveries(inbox);
    let telling = Telling { api: api.clone(), topics };
    let router = api::router(api);
    let server =
        tokio::spawn(listen::serve(listener, router, listen::Limits::default(), stopping.clone()));
    let mut ends = pin!(ends(node));
    let mut leading = None;
    let ended = tokio::select! {
        ended = &mut ends => ended,
        started = start(node, settings, connectors, &stopping, (leads, telling)) => match started {
            Err(why) => Err(why),
            Ok((way_in, started)) => {
                port.open(way_in);
                report::say(&format!("Annals listens on http://{address}"));
                let leading = leading.insert(started);
                tokio::select! {
                    ended = &mut ends => ended,
                    why = leading.failed() => Err(anyhow!(why)),
                }
            }
        },
    };
    tracing::info!("stopping");
    stop.send_replace(true);
    let _closes = close_later(Arc::clone(&node.log));
    node.stop_attesting();
    if let Some(leading) = leading {
        leading.stop().await;
    }
    if tokio::time::timeout(GRACE, server).await.is_err() {
        tracing::warn!("answers that took too long are broken off");
    }
    ended
}

/// Gives up what waits for a log that is away, if stopping takes long.
fn close_later(log: Arc<dyn Log>) -> std::sync::mpsc::Sender<()> {
    let (stopped, waits) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        let timed_out = Err(std::sync::mpsc::RecvTimeoutError::Timeout);
        while waits.recv_timeout(CLOSE_AFTER) == timed_out {
            if log.why_away().is_some() {
                tracing::warn!("the log is away: what waits for it is given up");
                return log.close();
            }
        }
    });
    stopped
}

/// Opens the way into the log, which is given up when nobody waits for it any more, and starts the
/// connectors.
async fn start(
    node: &Arc<Node>,
    settings: &Settings,
    connectors: Configured,
    stopping: &watch::Receiver<bool>,
    (leads, telling): (IntGauge, Telling),
) -> Result<(WayIn, Leading)> {
    let nobody_waits = Arc::new(AtomicBool::new(false));
    let _told = OnDrop(Arc::clone(&nobody_waits));
    let way_in = {
        let (node, settings) = (Arc::clone(node), settings.clone());
        tokio::task::spawn_blocking(move || node.way_in(&settings, &nobody_waits)).await??
    };
    let leading = Leading::start(Leader {
        node: Arc::clone(node),
        settings: settings.clone(),
        way_in: way_in.clone(),
        connectors,
        stopping: stopping.clone(),
        leads,
        telling,
    })?;
    Ok((way_in, leading))
}

/// Raises a flag when it is dropped.
struct OnDrop(Arc<AtomicBool>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The names of the topics, as they are described: those of the configuration, where it names them.
fn topic_names(settings: &Settings) -> TopicNames {
    let mut names = TopicNames::default();
    for options in settings.kafka.iter().chain(&settings.topics) {
        let name = match options.form {
            Form::Log => &mut names.events,
            Form::State => &mut names.state,
            Form::Changes => &mut names.changes,
        };
        name.clone_from(&options.topic);
    }
    names
}

/// Ends when the process is told to stop, or the log can't be followed any more.
async fn ends(node: &Node) -> Result<()> {
    tokio::select! {
        () = signalled() => Ok(()),
        why = broken(node) => Err(anyhow!(why)),
    }
}

fn api(
    node: &Node,
    settings: &Settings,
    config: &Config,
    port: Arc<IngestPort>,
) -> Result<(Api, IntGauge, Written)> {
    let metrics = TopicMetrics::new(&node.registry)?;
    let fare = |options: &log_kafka::Options| {
        (options.clone(), Arc::new(TopicFare::new(&metrics, &options.topic)))
    };
    let topics: Written = settings.topics.iter().map(fare).collect();
    let fares = topics.iter().map(|(_, fare)| Arc::clone(fare)).collect();
    let health = NodeHealth::new(
        &node.registry,
        Arc::clone(&node.log),
        Arc::clone(&node.views),
        Arc::clone(node.processor.progress()),
        node.search.clone(),
        node.kafka.clone(),
        Arc::clone(&port),
    )?
    .with_topics(fares);
    let leads = health.leads();
    let api = Api::new(
        Arc::clone(&node.views),
        Arc::clone(&node.log),
        node.processor.progress().watch(),
        port,
        Arc::new(health),
        node.registry.clone(),
        HttpMetrics::new(&node.registry)?,
        config.tokens()?,
    );
    let api = api.with_topics(topic_names(settings));
    let api = api.with_search(node.search.clone()).with_cors(config.cors()?);
    let Some(folder) = &config.backup.folder else { return Ok((api, leads, topics)) };
    let (log, views) = (node.embedded.clone(), Arc::clone(&node.views));
    let backups = Backups::of(folder);
    let backups = OnDemand::new(log, views, &settings.data, backups, config.backup.keep);
    Ok((api.with_backups(Arc::new(backups)), leads, topics))
}

/// Ends when the process is told to stop.
async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        result = tokio::signal::ctrl_c() => drop(result),
    }
}

/// Ends when the log can't be followed any more, with why.
async fn broken(node: &Node) -> String {
    let progress = node.processor.progress();
    let mut watched = progress.watch();
    loop {
        if let Some(why) = progress.why_stopped() {
            return why;
        }
        if watched.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}
