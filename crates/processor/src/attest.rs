//! Statements about the log: which key counts, what it signed, and whether that is what was folded.
//!
//! The fold takes nobody's word for them. They are judged here, against what is folded before
//! them, and change nothing but what is served to auditors.

use event::vocabulary::{KeyRotated, LogAttested, LogErased};
use event::{Event, Kind, Offset, Record};
use proof::{Checkpoint, NoteError, VerifierKey, folded_line};
use views::{Commit, Dispute, ErasedRow, Identity, PublishedDigests, Reader};

use crate::batch::Ready;

/// What a record says of the log.
#[derive(Clone, Debug)]
pub(crate) enum Statement {
    /// The key that it begins with.
    Began(String),
    /// Another key.
    Rotated(KeyRotated),
    /// What was signed.
    Attested(Box<LogAttested>),
    /// Of which records something was erased.
    Erased(LogErased),
}

impl Statement {
    /// What a record says, if it says anything of the kind.
    pub(crate) fn of(record: &Record) -> Option<Self> {
        match Kind::from_name(&record.kind)? {
            Kind::LogCreated | Kind::KeyRotated | Kind::LogAttested | Kind::LogErased => {}
            _ => return None,
        }
        match Event::of(record).ok()? {
            Event::LogCreated(created) => created.key.map(Self::Began),
            Event::KeyRotated(rotated) => Some(Self::Rotated(rotated)),
            Event::LogAttested(attested) => Some(Self::Attested(attested.into())),
            Event::LogErased(erased) => Some(Self::Erased(erased)),
            _ => None,
        }
    }
}

/// What became of a statement.
pub(crate) enum Judged {
    /// The log has this key from here on.
    Key(String),
    /// It is signed as it must be.
    Attested { statement: Box<LogAttested>, agreement: Agreement, is_first: bool },
    /// Of these records something was erased, and is not in the views. The others that it names
    /// were folded as they were written.
    Erased { explained: Vec<ErasedRow>, missing: Vec<Offset> },
    /// It is not, and why.
    Refused(String),
}

/// Whether a statement says what was folded.
pub(crate) enum Agreement {
    Agrees,
    Differs(Dispute),
    /// Something that it speaks of was erased after it was signed.
    Unreachable,
}

impl Judged {
    /// Writes what is kept of it.
    pub(crate) fn write(&self, commit: &mut Commit<'_>, offset: Offset) {
        match self {
            Self::Key(key) => commit.identity(offset, key),
            Self::Attested { statement, agreement, is_first } => {
                let agrees = match agreement {
                    Agreement::Agrees => Some(true),
                    Agreement::Differs(_) => Some(false),
                    Agreement::Unreachable => None,
                };
                commit.attested(offset, agrees, statement);
                if let (Agreement::Differs(dispute), true) = (agreement, is_first) {
                    commit.dispute(dispute);
                }
            }
            Self::Erased { explained, .. } => {
                explained.iter().for_each(|erased| commit.explained(*erased));
            }
            Self::Refused(_) => {}
        }
    }
}

/// A batch in parts, of which each may begin with a statement, and none has one further on.
pub(crate) fn parts(batch: &[Ready]) -> impl Iterator<Item = &[Ready]> {
    batch.chunk_by(|_, next| next.statement.is_none())
}

/// Judges a statement by what is folded before it.
pub(crate) fn judge(
    reader: Option<&Reader>,
    offset: Offset,
    statement: &Statement,
) -> Result<Judged, views::Error> {
    let refused = |why: &str| Ok(Judged::Refused(why.to_owned()));
    let known = reader.map(Reader::identities).transpose()?.unwrap_or_default();
    match (statement, reader) {
        (Statement::Began(key), _) if offset == 0 => Ok(match VerifierKey::parse(key) {
            Ok(key) => Judged::Key(key.to_string()),
            Err(error) => Judged::Refused(error.to_string()),
        }),
        // A later `log.created` is ignored, as the fold does.
        (Statement::Began(_), _) => refused("the log was created before"),
        (Statement::Rotated(rotated), _) => Ok(match rotated_key(rotated, known.last()) {
            Ok(key) => Judged::Key(key),
            Err(why) => Judged::Refused(why.to_string()),
        }),
        (Statement::Attested(_), None) => refused("nothing is folded before it"),
        (Statement::Attested(attested), Some(reader)) => {
            let checkpoint = match signed(attested, &known) {
                Ok(checkpoint) => checkpoint,
                Err(why) => return refused(&why),
            };
            if reader.origin()?.as_deref() != Some(&checkpoint.origin) {
                return refused("the checkpoint is of another log");
            }
            let agreement = compare(reader, offset, attested, &checkpoint)?;
            let is_first = reader.dispute()?.is_none();
            Ok(Judged::Attested { statement: attested.clone(), agreement, is_first })
        }
        (Statement::Erased(erased), reader) => explained(reader, offset, erased),
    }
}

/// The key that takes over: the first one is taken as it is, later ones are signed by the last.
fn rotated_key(rotated: &KeyRotated, last: Option<&Identity>) -> Result<String, NoteError> {
    let key = VerifierKey::parse(&rotated.key)?;
    if let Some(last) = last {
        let signature = rotated.signature.as_deref().ok_or(NoteError::Unsigned)?;
        let last = VerifierKey::parse(&last.key)?;
        last.check(&format!("{}\n", rotated.key), signature)?;
    }
    Ok(key.to_string())
}

/// What was signed, if the key that counts did, and it is what the statement says.
fn signed(attested: &LogAttested, known: &[Identity]) -> Result<Checkpoint, String> {
    let last = known.last().ok_or("the log has no key")?;
    let key = VerifierKey::parse(&last.key).map_err(|error| error.to_string())?;
    let text = key.open(&attested.checkpoint).map_err(|error| error.to_string())?;
    let checkpoint = Checkpoint::parse(text).ok_or("it is no checkpoint")?;
    let says = folded_line(attested.fold, &attested.digest, &attested.history);
    let is_said = checkpoint.origin == key.name()
        && Some(checkpoint.size) == attested.offset.checked_add(1)
        && hex(&checkpoint.root) == attested.root
        && checkpoint.extensions == [says];
    if is_said { Ok(checkpoint) } else { Err("the checkpoint says something else".into()) }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// Whether a statement says what was folded, and if not, in what it differs, in words.
fn compare(
    reader: &Reader,
    record: Offset,
    attested: &LogAttested,
    checkpoint: &Checkpoint,
) -> Result<Agreement, views::Error> {
    let differs = |why| Ok(Agreement::Differs(Dispute { record, why }));
    let speaks_of = attested.offset;
    if speaks_of >= record {
        return differs(format!("it speaks of record {speaks_of}, which comes after it"));
    }
    if reader.tree_root(checkpoint.size)? != checkpoint.root {
        return differs(format!("the records up to {speaks_of} are not those that were signed"));
    }
    let Some(PublishedDigests { state, history }) = reader.digests(speaks_of)? else {
        return Ok(Agreement::Agrees);
    };
    let digests =
        [(attested.digest.as_str(), hex(&state)), (&attested.history, history.to_string())];
    let found = digests.iter().zip(["state", "history"]).find(|((said, is), _)| said != is);
    let Some(((said, is), of)) = found else { return Ok(Agreement::Agrees) };
    // What was erased without a word for it so far was there when this was signed: if the word
    // never comes, `annals audit verify` says so.
    if reader.first_unexplained()?.is_some_and(|erased| erased <= speaks_of) {
        return Ok(Agreement::Unreachable);
    }
    differs(format!("the {of} digest after record {speaks_of} was signed as {said} and is {is}"))
}

/// What the word that something was erased explains of what was folded.
fn explained(
    reader: Option<&Reader>,
    by: Offset,
    erased: &LogErased,
) -> Result<Judged, views::Error> {
    let (mut explained, mut missing) = (Vec::new(), Vec::new());
    for record in erased.records.iter().filter(|record| record.offset < by) {
        let row = reader.map(|reader| reader.erased(record.offset)).transpose()?.flatten();
        match row {
            // What is left of it now was left by a later erasure, which says so.
            Some(row) if hex(&row.residue) != record.residue => {}
            Some(row) => explained.push(ErasedRow { by: Some(by), ..row }),
            None => missing.push(record.offset),
        }
    }
    Ok(Judged::Erased { explained, missing })
}
