//! What a node says to the log when it starts: that the log exists, what the policy is, which
//! rules are in force, and that its sources begin a new life.

use std::sync::Arc;

use connector::EmitError;
use event::vocabulary::{EpochBegun, FoldAdopted, LogCreated, LogErased, PolicySet};
use event::{CODEC_VERSION, Event, HASH_SUITE, LogId, Offset, SourceName};
use log::{Budget, Log};
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

fn fenced(appender: &Appender) -> EmitError {
    EmitError::Fenced { source_name: appender.source().to_string() }
}

impl Ingest {
    /// Begins a new life of a source on this node, and fences off the ones before. The views should
    /// have folded the log's end before. Two nodes that begin the same one at the same time are
    /// told apart by the log: whose record stands first has it.
    ///
    /// # Errors
    /// When the log can't be written, when what is known can't be read, or when another node was
    /// first.
    pub fn begin(&self, source: &SourceName, version: &str) -> Result<Appender, EmitError> {
        let from = self.known.applied().map_or(0, |applied| applied + 1);
        let known = self.known.source(source).map_err(crate::compare::unknown)?;
        let epoch = known.map_or(1, |known| known.epoch + 1);
        let (log, clock) = (Arc::clone(&self.log), Arc::clone(&self.clock));
        let appender = Appender::new(log, clock, source.clone(), epoch);
        let begun = EpochBegun { node: self.options.node.clone(), version: version.to_owned() };
        let last = appender.append(vec![Draft::new(&Event::EpochBegun(begun))])?;
        if let Some(last) = last {
            self.check_first(&appender, from, last)?;
            self.wait(last)?;
        }
        Ok(appender)
    }

    /// Whether no record of the same source and epoch stands between what was known and its own.
    fn check_first(&self, appender: &Appender, from: Offset, own: Offset) -> Result<(), EmitError> {
        let mut next = from;
        while next < own {
            let entries = self.log.read(next, Budget::default());
            let entries = entries.map_err(|error| EmitError::Log { why: chain(&error) })?;
            if entries.is_empty() {
                return Ok(());
            }
            for entry in entries.iter().filter(|entry| entry.offset < own) {
                if let Ok(record) = &entry.content
                    && record.source == *appender.source()
                    && record.epoch >= appender.epoch()
                {
                    return Err(fenced(appender));
                }
            }
            next += entries.len() as Offset;
        }
        Ok(())
    }

    /// Whether what an appender wrote counts: no other node speaks for its source. What it wrote up
    /// to a record that is folded counts then.
    ///
    /// # Errors
    /// When another node does, or what is known can't be read.
    pub fn check_life(&self, appender: &Appender) -> Result<(), EmitError> {
        let known = self.known.source(appender.source()).map_err(crate::compare::unknown)?;
        if known.is_some_and(|known| known.epoch > appender.epoch()) {
            return Err(fenced(appender));
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use event::vocabulary::ScopeName;
    use event::{Seal, Timestamp};
    use log::MemoryLog;
    use model::kinds::Kinds;
    use model::reference::EntityRef;

    use super::*;
    use crate::{Known, KnownError, KnownScope, KnownSource, Options};

    /// Views that have folded nothing yet, so that nobody knows of the others.
    struct Unaware;

    impl Known for Unaware {
        fn applied(&self) -> Option<Offset> {
            None
        }

        fn wait(&self, _: Offset, _: std::time::Duration) -> Result<bool, KnownError> {
            Ok(true)
        }

        fn clock(&self) -> Option<Timestamp> {
            None
        }

        fn scope(&self, _: &ScopeName) -> Result<Option<KnownScope>, KnownError> {
            Ok(None)
        }

        fn seals(
            &self,
            _: &ScopeName,
            references: &[EntityRef],
        ) -> Result<Vec<Option<Seal>>, KnownError> {
            Ok(vec![None; references.len()])
        }

        fn item(&self, _: &ScopeName, _: &str) -> Result<Option<Seal>, KnownError> {
            Ok(None)
        }

        fn each_reference(
            &self,
            _: &ScopeName,
            _: &mut dyn FnMut(EntityRef),
        ) -> Result<(), KnownError> {
            Ok(())
        }

        fn each_item(&self, _: &ScopeName, _: &mut dyn FnMut(&str)) -> Result<(), KnownError> {
            Ok(())
        }

        fn scopes(&self, _: &str) -> Result<Vec<(ScopeName, KnownScope)>, KnownError> {
            Ok(Vec::new())
        }

        fn aspect(
            &self,
            _: &SourceName,
            _: &EntityRef,
            _: &str,
        ) -> Result<Option<String>, KnownError> {
            Ok(None)
        }

        fn observed(&self, _: &SourceName) -> Result<Vec<(EntityRef, Box<str>)>, KnownError> {
            Ok(Vec::new())
        }

        fn happened(&self, _: &SourceName, _: &str) -> Result<bool, KnownError> {
            Ok(false)
        }

        fn source(&self, _: &SourceName) -> Result<Option<KnownSource>, KnownError> {
            Ok(None)
        }
    }

    #[test]
    fn of_two_nodes_that_begin_the_same_epoch_the_first_in_the_log_has_it() {
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
        let node = || {
            let clock: Clock = Arc::new(Timestamp::default);
            let kinds = Kinds::new(Vec::new()).expect("Backstage's kinds");
            let options = Options::default();
            Ingest::new(Arc::clone(&log), Arc::new(Unaware), clock, &kinds, options).expect("one")
        };
        let (one, other) = (node(), node());
        let source = SourceName::new("files/local").expect("a source");
        assert!(one.begin(&source, "1").is_ok());
        let second = other.begin(&source, "1").map(|_| ());
        assert_eq!(second, Err(EmitError::Fenced { source_name: "files/local".into() }));
        let another = SourceName::new("files/other").expect("a source");
        assert!(other.begin(&another, "1").is_ok(), "what others begin is nobody else's");
    }
}
