//! Signing: a thread that says, in a record, what the log and the catalog are.
//!
//! Invariant: it says nothing because of its own words alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use data_encoding::HEXLOWER;
use event::vocabulary::{KeyRotated, LogAttested};
use event::{Event, Offset};
use ingest::{Appender, Draft};
use processor::Progress;
use proof::{Checkpoint, SignerKey, folded_line};
use views::{Reader, Views};

use crate::exit::Wrong;

/// The least time between two statements.
const PACE: Duration = Duration::from_millis(400);

/// How long it waits for records before it looks whether it should stop.
const WAIT: Duration = Duration::from_millis(200);

/// How many statements at the log's end are looked through for something else.
const TAIL: usize = 64;

/// The thread.
pub(crate) struct Attester {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Looks whether a key is the log's, and gives it to a log that has none.
pub(crate) fn introduce(key: &SignerKey, reader: &Reader, own: &Appender) -> Result<()> {
    let name = key.public().to_string();
    match reader.identities()?.last() {
        Some(known) if known.key == name => Ok(()),
        Some(known) => Err(Wrong(format!(
            "the identity key {name} is not that of the log, which is {}",
            known.key
        ))
        .into()),
        None => {
            let rotated = Event::KeyRotated(KeyRotated { key: name, signature: None });
            own.append(vec![Draft::new(&rotated)])?;
            Ok(())
        }
    }
}

impl Attester {
    /// Begins to sign what is folded.
    pub(crate) fn start(
        key: SignerKey,
        views: Arc<Views>,
        progress: Arc<Progress>,
        own: Arc<Appender>,
    ) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("attest".into()).spawn(move || {
            if let Err(error) = follow(&key, &views, &progress, &own, &told) {
                tracing::error!(error = format!("{error:#}"), "nothing is signed any more");
            }
        });
        let thread = thread.context("the thread that signs can't be started")?;
        Ok(Self { stop, thread })
    }

    /// Stops; nothing is signed after.
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        if self.thread.join().is_err() {
            tracing::error!("the thread that signs broke off");
        }
    }
}

fn follow(
    key: &SignerKey,
    views: &Views,
    progress: &Progress,
    own: &Appender,
    stop: &AtomicBool,
) -> Result<()> {
    let mut seen = None;
    while !stop.load(Ordering::Relaxed) {
        let next = seen.map_or(0, |seen: Offset| seen + 1);
        // Whoever follows the log says why it is not followed any more.
        let Ok(is_more) = progress.wait(next, WAIT) else { return Ok(()) };
        let Some(reader) = views.reader().filter(|_| is_more) else { continue };
        seen = Some(reader.position().offset);
        if is_new(&reader)? {
            let Some(statement) = statement(key, &reader)? else { continue };
            own.append(vec![Draft::new(&Event::LogAttested(statement))])?;
            pause(stop);
        }
    }
    Ok(())
}

fn pause(stop: &AtomicBool) {
    let until = Instant::now() + PACE;
    while !stop.load(Ordering::Relaxed) {
        match until.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => std::thread::park_timeout(left),
            _ => return,
        }
    }
}

/// Whether there is a record that no statement speaks of, and that is none itself.
fn is_new(reader: &Reader) -> Result<bool> {
    let mut end = reader.position().offset;
    let statements = reader.attestations(Offset::MAX, TAIL)?;
    let Some(newest) = statements.first() else { return Ok(true) };
    for statement in &statements {
        if statement.record != end || end == 0 {
            break;
        }
        end -= 1;
    }
    Ok(end > newest.statement.offset)
}

/// What is to be said at a position. Nothing, if it is not known: the views were folded there by
/// an earlier version.
fn statement(key: &SignerKey, reader: &Reader) -> Result<Option<LogAttested>> {
    let offset = reader.position().offset;
    let Some(digests) = reader.digests(offset)? else { return Ok(None) };
    let size = reader.tree_size();
    let root = reader.tree_root(size)?;
    let fold = reader.rules()?;
    let digest = HEXLOWER.encode(&digests.state);
    let history = digests.history.to_string();
    let origin = reader.origin()?.ok_or_else(|| anyhow!("the log has no name"))?;
    let extensions = vec![folded_line(fold, &digest, &history)];
    let checkpoint = Checkpoint { origin, size, root, extensions };
    let checkpoint = key.sign(&checkpoint.to_string());
    let root = HEXLOWER.encode(&root);
    Ok(Some(LogAttested { offset, fold, root, digest, history, checkpoint }))
}
