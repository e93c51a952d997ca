//! Following the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use event::{LogId, Offset, leaf_of_record, leaf_of_unreadable};
use fold::{Halt, Prior, Step, Under};
use log::{Budget, Log};
use parking_lot::Mutex;
use views::{Applied, Done, Views};

use crate::attest::{self, Agreement, Judged};
use crate::batch::{Digests, Ready, applied, fold_one, prefetch, prepare, residue_of};
use crate::metrics::Metrics;
use crate::progress::Progress;

/// How often the views are made to survive a power cut. What is lost is folded again.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// How long the loop waits for records before it looks whether it should stop.
const WAIT: Duration = Duration::from_millis(100);

/// How many batches are prepared ahead.
const AHEAD: usize = 2;

/// Why the log can't be followed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log can't be read.
    #[error("the log can't be followed")]
    Log(#[from] log::Error),
    /// The views can't be read or written.
    #[error("the views can't follow the log")]
    Views(#[from] views::Error),
    /// The system has no thread for it.
    #[error("the thread that reads the log ahead can't be started")]
    Thread(#[source] std::io::Error),
    /// A record came later than this program.
    #[error("the log can't be followed beyond offset {offset}")]
    Halt {
        /// The record.
        offset: Offset,
        /// Why.
        #[source]
        halt: Halt,
    },
    /// The log ends before what was folded.
    #[error(
        "the log ends at offset {end}, and the views have folded it up to offset {applied}: it was \
         shortened, or is another one"
    )]
    Shortened {
        /// The offset after its last record.
        end: Offset,
        /// The last record that was folded.
        applied: Offset,
    },
    /// The views were made while the log still held what was erased since.
    #[error(
        "the views hold what was erased of the record at offset {offset}, as record {by} says: they \
         have to be built anew, which the next start does"
    )]
    HoldsErased {
        /// The record of which something was erased.
        offset: Offset,
        /// The record that says so.
        by: Offset,
    },
    /// The log is not the one that the views were made of.
    #[error(
        "the record at offset {offset} is not the one that the views have folded: the log was \
         rewritten, or is another one than {log}"
    )]
    Exchanged {
        /// The last record that was folded.
        offset: Offset,
        /// The log that the views were made of.
        log: LogId,
    },
}

/// What folds a log into views.
pub struct Processor {
    log: Arc<dyn Log>,
    views: Arc<Views>,
    metrics: Metrics,
    progress: Arc<Progress>,
    stop: AtomicBool,
    budget: Budget,
    /// What records are prepared under, as of the last batch.
    under: Mutex<Under>,
}

impl Processor {
    /// A processor of a log and views, once it is sure that they belong together.
    ///
    /// # Errors
    /// When they do not, or can't be read.
    pub fn new(
        log: Arc<dyn Log>,
        views: Arc<Views>,
        metrics: Metrics,
        budget: Budget,
    ) -> Result<Self, Error> {
        if let Some(applied) = views.applied() {
            check_same_log(&*log, &applied)?;
        }
        complete_tree(&*log, &views)?;
        let done = views.applied().filter(|applied| applied.step.is_none());
        let prior = views.prior()?;
        let under = Under::of(&prior);
        Ok(Self {
            log,
            progress: Arc::new(Progress::new(done.map(|applied| applied.offset))),
            views,
            metrics,
            stop: AtomicBool::new(false),
            budget,
            under: Mutex::new(under),
        })
    }

    /// How far the log is folded.
    #[must_use]
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Follows the log until [`Processor::stop`] is called. What was read by then is folded.
    ///
    /// # Errors
    /// When it can't go on; those who wait for progress learn why.
    pub fn run(&self) -> Result<(), Error> {
        let followed = self.follow(None);
        match &followed {
            Ok(()) => self.progress.stopped("it was stopped".into()),
            Err(error) => self.progress.stopped(describe(error)),
        }
        followed
    }

    /// Makes [`Processor::run`] return.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Folds what the log holds now, up to its end or up to and with a record.
    ///
    /// # Errors
    /// When it can't go on.
    pub fn catch_up(&self, until: Option<Offset>) -> Result<(), Error> {
        let end = self.log.end()?;
        let last = until.map_or(end, |until| end.min(until.saturating_add(1)));
        self.follow(Some(last))?;
        self.views.sync()?;
        Ok(())
    }

    /// Folds the log up to an end, or without one until it is stopped.
    fn follow(&self, end: Option<Offset>) -> Result<(), Error> {
        let (sender, receiver) = sync_channel::<Result<Vec<Ready>, Error>>(AHEAD);
        let from = self.next_offset();
        let failed = AtomicBool::new(false);
        std::thread::scope(|threads| {
            let failed = &failed;
            let read_ahead = move || {
                let more = |from| {
                    end.is_none_or(|end| from < end)
                        && !self.stop.load(Ordering::Relaxed)
                        && !failed.load(Ordering::Relaxed)
                };
                self.read_ahead(from, end, &more, &sender);
            };
            let named = std::thread::Builder::new().name("prepare".into());
            named.spawn_scoped(threads, read_ahead).map_err(Error::Thread)?;
            let folded = self.fold_all(&receiver);
            failed.store(folded.is_err(), Ordering::Relaxed);
            drop(receiver);
            folded
        })
    }

    /// The record that comes next, or that is not done yet.
    fn next_offset(&self) -> Offset {
        match self.views.applied() {
            None => 0,
            Some(applied) if applied.step.is_some() => applied.offset,
            Some(applied) => applied.offset + 1,
        }
    }

    fn read_ahead(
        &self,
        mut from: Offset,
        end: Option<Offset>,
        more: &dyn Fn(Offset) -> bool,
        sender: &SyncSender<Result<Vec<Ready>, Error>>,
    ) {
        while more(from) {
            match self.read(from, end) {
                Ok(batch) if batch.is_empty() => {}
                Ok(batch) => {
                    from += batch.len() as Offset;
                    self.metrics.prepared.inc();
                    if sender.send(Ok(batch)).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    let _ = sender.send(Err(error));
                    return;
                }
            }
        }
    }

    fn read(&self, from: Offset, end: Option<Offset>) -> Result<Vec<Ready>, Error> {
        let log_end = self.log.wait(from, WAIT)?;
        self.metrics.lag.set(i64::try_from(log_end.saturating_sub(from)).unwrap_or(i64::MAX));
        if log_end <= from {
            return Ok(Vec::new());
        }
        let left = end.map_or(Offset::MAX, |end| end - from);
        let entries = self.budget.entries.min(usize::try_from(left).unwrap_or(usize::MAX));
        let entries = self.log.read(from, Budget { entries, ..self.budget })?;
        let under = self.under.lock().clone();
        Ok(prepare(entries, &under))
    }

    fn fold_all(&self, batches: &Receiver<Result<Vec<Ready>, Error>>) -> Result<(), Error> {
        let mut prior = self.views.prior()?;
        let mut synced = Instant::now();
        let mut unsynced = false;
        loop {
            match batches.recv_timeout(WAIT) {
                Ok(batch) => {
                    self.metrics.prepared.dec();
                    let batch = batch?;
                    for part in attest::parts(&batch) {
                        prior = self.fold_batch(prior, part)?;
                    }
                    unsynced = true;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if unsynced && synced.elapsed() >= SYNC_EVERY {
                self.views.sync()?;
                (synced, unsynced) = (Instant::now(), false);
            }
        }
    }

    fn fold_batch(&self, mut prior: Prior, batch: &[Ready]) -> Result<Prior, Error> {
        let began = Instant::now();
        let before = self.views.applied();
        let mut step = before.as_ref().and_then(|applied| applied.step.clone());
        let mut digests = Digests::of(before);
        prefetch(&self.views, &mut prior, batch)?;
        let judged = self.judge(batch)?;
        let mut commit = self.views.begin();
        if let Some((offset, judged)) = judged {
            judged.write(&mut commit, offset);
        }
        let mut last = None;
        for ready in batch {
            loop {
                let next = fold_one(
                    &self.views,
                    &mut prior,
                    &mut digests,
                    &mut commit,
                    ready,
                    step.as_ref(),
                )?;
                step = next;
                let Some(next) = &step else { break };
                // A record in steps is written as it goes, and seen when it is done.
                let here = self.applied(ready, Some(next.clone()), &prior, &digests);
                commit.finish(&here)?;
                prior = prior.next_batch();
                commit = self.views.begin();
            }
            commit.done(digests.done(ready));
            last = Some(ready);
        }
        let Some(last) = last else { return Ok(prior) };
        self.metrics.fold_seconds.observe(began.elapsed().as_secs_f64());
        let began = Instant::now();
        commit.finish(&self.applied(last, None, &prior, &digests))?;
        self.metrics.commit_seconds.observe(began.elapsed().as_secs_f64());
        self.metrics.records.inc_by(batch.len() as u64);
        self.metrics.batches.inc();
        *self.under.lock() = Under::of(&prior);
        self.progress.reached(last.record.offset);
        Ok(prior.next_batch())
    }

    /// Looks at the statement that a batch begins with: all before it is folded and can be read.
    fn judge(&self, batch: &[Ready]) -> Result<Option<(Offset, Judged)>, Error> {
        let first = batch.first().and_then(|first| Some((first, first.statement.as_ref()?)));
        let Some((ready, statement)) = first else { return Ok(None) };
        let offset = ready.record.offset;
        let judged = attest::judge(self.views.reader().as_ref(), offset, statement)?;
        match &judged {
            Judged::Refused(why) => {
                self.metrics.refused_statements.inc();
                tracing::warn!(offset, why, "a statement about the log is not signed by its key");
            }
            Judged::Attested { agreement: Agreement::Differs(dispute), .. } => {
                let why = &dispute.why;
                tracing::error!(offset, why, "this node disagrees with what the log's key signed");
            }
            Judged::Erased { missing, .. } => self.check_erased(offset, missing)?,
            Judged::Attested { .. } | Judged::Key(_) => {}
        }
        Ok(Some((offset, judged)))
    }

    /// Looks at records that were folded as they were written, although another says that something
    /// of them was erased.
    fn check_erased(&self, by: Offset, missing: &[Offset]) -> Result<(), Error> {
        for &offset in missing {
            let entries = self.log.read(offset, Budget { entries: 1, bytes: 1 })?;
            let record = entries.first().and_then(|entry| entry.content.as_ref().ok());
            if record.is_some_and(|record| record.open().is_none()) {
                return Err(Error::HoldsErased { offset, by });
            }
            tracing::error!(
                offset,
                by,
                "a record that was said to be erased still stands in the log"
            );
        }
        Ok(())
    }

    fn applied(
        &self,
        ready: &Ready,
        step: Option<Step>,
        prior: &Prior,
        digests: &Digests,
    ) -> Applied {
        let log = prior.log().map_or(LogId::new(0), |log| log.id);
        applied(log, ready, step, prior, digests)
    }
}

/// Whether the last record that was folded still stands where it stood.
fn check_same_log(log: &dyn Log, applied: &Applied) -> Result<(), Error> {
    let end = log.end()?;
    if end <= applied.offset {
        return Err(Error::Shortened { end, applied: applied.offset });
    }
    let entry = log.read(applied.offset, Budget { entries: 1, bytes: 1 })?;
    let leaf = entry.first().map(|entry| match &entry.content {
        Ok(record) => leaf_of_record(record).hash,
        Err(raw) => leaf_of_unreadable(raw).hash,
    });
    if leaf != Some(applied.leaf) {
        return Err(Error::Exchanged { offset: applied.offset, log: applied.log });
    }
    Ok(())
}

/// Adds to the tree what views of an earlier version folded without one.
fn complete_tree(log: &dyn Log, views: &Views) -> Result<(), Error> {
    let Some(applied) = views.applied() else { return Ok(()) };
    let end = applied.offset + u64::from(applied.step.is_none());
    let mut from = views.tree_size();
    while from < end {
        let mut entries = log.read(from, Budget::default())?;
        entries.truncate(usize::try_from(end - from).unwrap_or(usize::MAX));
        let done = entries.iter().map(|entry| match &entry.content {
            Ok(record) => {
                let (id, leaf) = (Some(record.id), leaf_of_record(record).hash);
                Done { id, leaf, digests: None, residue: residue_of(record) }
            }
            Err(raw) => {
                let leaf = leaf_of_unreadable(raw).hash;
                Done { id: None, leaf, digests: None, residue: None }
            }
        });
        let done: Vec<Done> = done.collect();
        views.complete_tree(&done)?;
        from += done.len() as u64;
    }
    Ok(())
}

fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
