//! What a node says to the log when it starts: that the log exists, what the policy is, which
//! rules are in force, and that its sources begin a new life.

use std::sync::Arc;

use connector::EmitError;
use event::vocabulary::{EpochBegun, FoldAdopted, LogCreated, LogErased, PolicySet};
use event::{CODEC_VERSION, Event, HASH_SUITE, LogId, SourceName};
use log::Log;
use rand::Rng;

use crate::appender::{Appender, Draft, chain};
use crate::{Clock, Ingest};

/// The source of what is said of the log itself.
pub const LOG_SOURCE: &str = "annals/log";

/// How a log begins.
#[derive(Clone, Debug)]
pub struct Boot {
    /// The name in the log's checkpoints, if the log is made now.
    pub origin: String,
    /// The version of the fold's rules that this node adopts.
    pub rules: u32,
    /// The log's identity key, as one by which signed notes are verified.
    pub key: Option<String>,
}

/// Why a log could not be begun.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The log failed.
    #[error("the log could not be begun")]
    Log(#[from] log::Error),
    /// Appending failed.
    #[error("the log could not be begun")]
    Append(#[from] EmitError),
}

/// Makes the log's first record where there is none; returns whether it did.
///
/// # Errors
/// When the log can't be read or written.
pub fn boot(log: &Arc<dyn Log>, clock: &Clock, boot: &Boot) -> Result<bool, BootError> {
    if log.end()? > 0 {
        return Ok(false);
    }
    let mut bits = [0; 8];
    rand::rng().fill_bytes(&mut bits);
    let created = Event::LogCreated(LogCreated {
        log: LogId::new(u64::from_be_bytes(bits)),
        origin: boot.origin.clone(),
        codec: CODEC_VERSION,
        hashes: HASH_SUITE.into(),
        key: boot.key.clone(),
    });
    let adopted = Event::FoldAdopted(FoldAdopted { version: boot.rules });
    let source = SourceName::new(LOG_SOURCE).map_err(|_| EmitError::Stopped)?;
    // Each log has one beginning, so one epoch of its own; later words come in later epochs.
    let appender = Appender::new(Arc::clone(log), Arc::clone(clock), source, 0);
    appender.append(vec![Draft::new(&created), Draft::new(&adopted)])?;
    Ok(true)
}

/// Says in a log that something of its records was erased, in an epoch of the log's own source that
/// nobody has used before. Whoever says so is the only one who writes to the log.
///
/// # Errors
/// When it can't be appended.
pub fn say_erased(
    log: &Arc<dyn Log>,
    clock: &Clock,
    epoch: u64,
    words: Vec<LogErased>,
) -> Result<(), BootError> {
    let source = SourceName::new(LOG_SOURCE).map_err(|_| EmitError::Stopped)?;
    let appender = Appender::new(Arc::clone(log), Arc::clone(clock), source, epoch);
    let drafts = words.into_iter().map(|words| Draft::new(&Event::LogErased(words)));
    appender.append(drafts.collect())?;
    Ok(())
}

impl Ingest {
    /// Begins a new life of a source on this node, and fences off the ones before. The views have
    /// to have folded the log's end before, or an epoch could be used twice.
    ///
    /// # Errors
    /// When the log can't be written, or what is known can't be read.
    pub fn begin(&self, source: &SourceName, version: &str) -> Result<Appender, EmitError> {
        let known = self.known.source(source).map_err(crate::compare::unknown)?;
        let epoch = known.map_or(1, |known| known.epoch + 1);
        let (log, clock) = (Arc::clone(&self.log), Arc::clone(&self.clock));
        let appender = Appender::new(log, clock, source.clone(), epoch);
        let begun = EpochBegun { node: self.options.node.clone(), version: version.to_owned() };
        let last = appender.append(vec![Draft::new(&Event::EpochBegun(begun))])?;
        if let Some(last) = last {
            self.wait(last)?;
        }
        Ok(appender)
    }

    /// Waits until the views have folded what the log holds now.
    ///
    /// # Errors
    /// When the log can't be read, or the views don't follow.
    pub fn catch_up(&self) -> Result<(), EmitError> {
        let end = self.log.end().map_err(|error| EmitError::Log { why: chain(&error) })?;
        match end.checked_sub(1) {
            Some(last) => self.wait(last),
            None => Ok(()),
        }
    }

    /// Puts a policy in force, unless it is.
    ///
    /// # Errors
    /// When it can't be appended.
    pub fn set_policy(
        &self,
        appender: &Appender,
        policy: PolicySet,
        in_force: Option<&PolicySet>,
    ) -> Result<(), EmitError> {
        if in_force == Some(&policy) {
            return Ok(());
        }
        let last = appender.append(vec![Draft::new(&Event::PolicySet(policy))])?;
        last.map_or(Ok(()), |last| self.wait(last))
    }
}
