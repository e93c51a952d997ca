//! One batch: from prepared records to rows.

use std::collections::HashSet;

use event::{Body, Entry, LogId, Record, RecordId, Residue, leaf_of_record, leaf_of_unreadable};
use fold::{Change, Folded, Key, Need, Prepared, Prior, Step, Under, element_of, is_element};
use proof::{ElementHash, HistoryDigest, Link, StateDigest};
use views::{Applied, Commit, Done, PublishedDigests, Views};

use crate::attest::Statement;
use crate::run::Error;

/// A record that was prepared, with its leaf.
pub(crate) struct Ready {
    pub(crate) record: Prepared,
    pub(crate) leaf: [u8; 32],
    pub(crate) id: Option<RecordId>,
    /// The SHA-256 of what is left of it, if something of it was erased.
    pub(crate) residue: Option<[u8; 32]>,
    /// What it says of the log, in the name of its key.
    pub(crate) statement: Option<Statement>,
}

/// Prepares what was read: all that can be done without the state before it.
pub(crate) fn prepare(entries: Vec<Entry>, under: &Under) -> Vec<Ready> {
    let ready = |entry: Entry| {
        let leaf = match &entry.content {
            Ok(record) => leaf_of_record(record),
            Err(raw) => leaf_of_unreadable(raw),
        };
        let record = entry.content.as_ref().ok();
        let (id, statement) = (record.map(|record| record.id), record.and_then(Statement::of));
        let residue = record.and_then(residue_of);
        Ready { record: fold::prepare(entry, under), leaf: leaf.hash, id, residue, statement }
    };
    entries.into_iter().map(ready).collect()
}

/// The hash of what is left of a record, if something of it was erased.
pub(crate) fn residue_of(record: &Record) -> Option<[u8; 32]> {
    match &record.body {
        Body::Open(_) => None,
        Body::Erased(erased) => Some(Residue::hash(&erased.residue)),
    }
}

/// Loads what the records of a batch name themselves, in two rounds.
pub(crate) fn prefetch(views: &Views, prior: &mut Prior, batch: &[Ready]) -> Result<(), Error> {
    let mut keys = HashSet::new();
    for ready in batch {
        fold::first_needs(&ready.record, |key| note(prior, &mut keys, key));
    }
    load(views, prior, keys)?;
    let mut keys = HashSet::new();
    for ready in batch {
        fold::second_needs(prior, &ready.record, |key| note(prior, &mut keys, key));
    }
    load(views, prior, keys)
}

fn note(prior: &Prior, keys: &mut HashSet<Key>, key: Key) {
    if !prior.knows(&key) {
        keys.insert(key);
    }
}

/// Loads rows; in what order is of no consequence.
fn load(views: &Views, prior: &mut Prior, keys: HashSet<Key>) -> Result<(), Error> {
    let keys: Vec<Key> = keys.into_iter().collect();
    for row in views.rows(&keys)? {
        prior.load(row);
    }
    Ok(())
}

/// What changes from record to record beside the rows.
pub(crate) struct Digests {
    pub(crate) state: StateDigest,
    pub(crate) history: HistoryDigest,
    /// The state's as it is published, if it was computed since it last changed.
    pub(crate) published: Option<[u8; 32]>,
}

impl Digests {
    /// Those that the views have reached.
    pub(crate) fn of(applied: Option<Applied>) -> Self {
        let (state, history) = applied.map(|it| (it.state, it.history)).unwrap_or_default();
        Self { state, history, published: None }
    }

    /// What is kept of a record that is done.
    pub(crate) fn done(&mut self, ready: &Ready) -> Done {
        let state = *self.published.get_or_insert_with(|| self.state.finish());
        let digests = PublishedDigests { state, history: self.history };
        let digests = Some(digests);
        Done { id: ready.id, leaf: ready.leaf, digests, residue: ready.residue }
    }
}

/// Folds one record, or its next step, into a batch; gives where the step after it goes on.
pub(crate) fn fold_one(
    views: &Views,
    prior: &mut Prior,
    digests: &mut Digests,
    commit: &mut Commit<'_>,
    ready: &Ready,
    step: Option<&Step>,
) -> Result<Option<Step>, Error> {
    let record = &ready.record;
    let (changes, next) = loop {
        match fold::fold(prior, record, step) {
            Folded::Changes { changes, next } => break (changes, next),
            Folded::Needs(needs) => fetch(views, prior, &needs)?,
            Folded::Halt(halt) => {
                return Err(Error::Halt { offset: record.offset, halt });
            }
        }
    };
    let number = step.map_or(0, |step| step.done);
    let mut link = digests.history.link(record.offset, number, &ready.leaf);
    for change in changes {
        // An element that is replaced unseen would stay in the state digest for ever.
        assert!(
            !is_element(&change) || prior.knows(&change.key()),
            "a rule wrote {:?} without reading it",
            change.key()
        );
        let before = prior.apply(change.clone());
        if replace_element(&mut digests.state, &mut link, &before, &change) {
            digests.published = None;
        }
        commit.change(record.offset, &before, &change);
    }
    digests.history = link.finish();
    Ok(next)
}

fn fetch(views: &Views, prior: &mut Prior, needs: &[Need]) -> Result<(), Error> {
    Ok(views.fetch(needs, prior)?)
}

/// Takes the element before away and adds the one after; says whether they differ.
fn replace_element(
    state: &mut StateDigest,
    link: &mut Link,
    before: &Change,
    after: &Change,
) -> bool {
    let (before, after) = (element_of(before), element_of(after));
    if before == after {
        return false;
    }
    if let Some(element) = before {
        let hash = ElementHash::of(&element.0);
        state.remove(hash);
        link.removed(hash);
    }
    if let Some(element) = after {
        let hash = ElementHash::of(&element.0);
        state.add(hash);
        link.added(hash);
    }
    true
}

/// How far a batch leads.
pub(crate) fn applied(
    log: LogId,
    ready: &Ready,
    step: Option<Step>,
    prior: &Prior,
    digests: &Digests,
) -> Applied {
    Applied {
        log,
        offset: ready.record.offset,
        step,
        leaf: ready.leaf,
        rules: prior.rules().version,
        state: digests.state.clone(),
        history: digests.history,
    }
}
