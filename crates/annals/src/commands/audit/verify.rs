//! `annals audit verify`: records, tree, checkpoints, a replay, and the views, against each other.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use event::{Content, Offset, read_line};
use fold::{Change, EntityId, Key};
use log::Log;
use proof::{Checkpoint, Frontier, Hash, TILE_WIDTH, TilePath, VerifierKey, folded_line};
use views::{Reader, Views};

use super::findings::Finding;
use super::records::Records;
use super::{MEMORY_BYTES, Shared, id_at};
use crate::cli::AuditVerify;
use crate::commands::remote::Server;
use crate::commands::replay::{each_record, fold};
use crate::exit::Wrong;
use crate::node::{open_log, open_views, views_folder};
use crate::report;

/// How many records are copied together.
const COPY: usize = 2000;

/// The longest line of an exported log, in bytes.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// What came of it.
pub(super) struct Outcome {
    pub(super) records: u64,
    pub(super) attestations: u64,
    /// How many records something was erased of.
    pub(super) erased: u64,
    /// How many statements were signed before that, of what can be folded no more.
    pub(super) unreachable: u64,
    /// The first record that is named exactly comes first, ranges come last.
    pub(super) findings: Vec<Finding>,
}

struct Audit {
    log: Shared,
    records: Records,
    /// The views that were folded anew.
    views: Option<Arc<Views>>,
}

pub(super) fn verify(args: &AuditVerify) -> Result<Outcome> {
    let work = tempfile::tempdir().context("a folder for the replay can't be made")?;
    let log = open_log(work.path())?;
    let mut records = Records::default();
    copy(args, &log, &mut records)?;
    let mut audit = Audit { log: Arc::new(log), records, views: None };
    let count = audit.records.leaves.len() as u64;
    if count == 0 {
        return Err(Wrong("the log has no records".into()).into());
    }
    report::say("folding the records anew …");
    match fold(work.path(), Arc::clone(&audit.log), count) {
        Ok(_) => audit.views = Some(Arc::new(open_views(work.path(), MEMORY_BYTES)?)),
        Err(error) => audit.find(count - 1, format!("the log can't be folded: {error:#}")),
    }
    let reader = audit.views.as_ref().and_then(|views| views.reader());
    let (mut attestations, mut unreachable) = (0, 0);
    if let Some(reader) = &reader {
        (attestations, unreachable) = audit.statements(reader)?;
        for (offset, what) in audit.records.erasures.compare(reader)? {
            audit.find(offset, what);
        }
    }
    let key = audit.key(args, reader.as_ref())?;
    if let Some(since) = &args.since {
        audit.since(since, key.as_ref(), reader.as_ref())?;
    }
    if let Some(data) = args.data.as_deref().filter(|data| views_folder(data).is_dir()) {
        audit.folder(data, reader.as_ref())?;
    }
    if let Some(url) = &args.server {
        audit.server(&Server::new(url)?, key.as_ref())?;
    }
    let erased = audit.records.erasures.records;
    let mut findings = audit.records.findings;
    // A record that is named comes before a range that holds it.
    findings.sort_by_key(|finding| (!finding.is_exact, finding.offset));
    Ok(Outcome { records: count, attestations, erased, unreachable, findings })
}

/// Reads the records, wherever they are.
fn copy(args: &AuditVerify, log: &log::EmbeddedLog, records: &mut Records) -> Result<()> {
    let mut waiting: Vec<Content> = Vec::with_capacity(COPY);
    let bar = report::bar(None, "reading records");
    let mut take = |offset: Offset, content: Content| {
        bar.inc(1);
        records.take(offset, &content);
        waiting.push(content);
        if waiting.len() == COPY {
            log.append(&std::mem::take(&mut waiting))?;
        }
        Ok(true)
    };
    match (&args.server, args.from.as_ref().or(args.data.as_ref())) {
        (Some(url), _) => {
            let mut lines = BufReader::new(Server::new(url)?.stream("/api/log/records")?);
            let mut line = String::new();
            for offset in 0.. {
                line.clear();
                let read = Read::take(&mut lines, LINE_BYTES_MAX).read_line(&mut line);
                if read.context("the server's answer broke off")? == 0 {
                    break;
                }
                let content = read_line(line.trim_end())
                    .with_context(|| format!("record {offset} can't be read"))?;
                take(offset, content.content)?;
            }
        }
        (None, Some(from)) => each_record(from, &mut take)?,
        (None, None) => return Err(Wrong("no log is given".into()).into()),
    }
    log.append(&waiting)?;
    bar.finish_and_clear();
    Ok(())
}

impl Audit {
    fn find(&mut self, offset: Offset, what: String) {
        let id = id_at(&self.log, offset);
        self.records.findings.push(Finding { offset, id, is_exact: true, what });
    }

    /// The same, where a record or one of those behind it is meant.
    fn find_from(&mut self, offset: Offset, what: String) {
        let id = id_at(&self.log, offset);
        self.records.findings.push(Finding { offset, id, is_exact: false, what });
    }

    fn size(&self) -> u64 {
        self.records.leaves.len() as u64
    }

    /// The root of the tree over the first records.
    fn root(&self, size: u64) -> Option<Hash> {
        let leaves = self.records.leaves.get(..usize::try_from(size).ok()?)?;
        let mut tree = Frontier::default();
        leaves.iter().for_each(|leaf| tree.push(*leaf, |_| {}));
        Some(tree.root())
    }

    /// Looks at every statement of the log; gives how many there are, and of how many the digests
    /// can be reached no more.
    fn statements(&mut self, reader: &Reader) -> Result<(u64, u64)> {
        let all = reader.attestations(Offset::MAX, usize::MAX)?;
        for offset in std::mem::take(&mut self.records.statements) {
            if all.binary_search_by(|known| offset.cmp(&known.record)).is_err() {
                let what = "its checkpoint is not signed by the log's key, or says something else";
                self.find(offset, what.into());
            }
        }
        if let Some(dispute) = reader.dispute()? {
            // What agreed before bounds what does not from below.
            let good = all
                .iter()
                .filter(|known| known.agrees == Some(true) && known.record < dispute.record);
            let first = good.map(|known| known.statement.offset + 1).max().unwrap_or(0);
            let record = dispute.record;
            self.find_from(first, format!("from here on, before record {record}: {}", dispute.why));
        }
        let unreachable = all.iter().filter(|known| known.agrees.is_none()).count();
        Ok((all.len() as u64, unreachable as u64))
    }

    /// The key that counts: the one that is given, else the log's own word for it.
    fn key(&mut self, args: &AuditVerify, reader: Option<&Reader>) -> Result<Option<VerifierKey>> {
        let known = reader.map(Reader::identities).transpose()?.unwrap_or_default();
        let Some(text) = &args.key else {
            let key = known.last().map(|last| VerifierKey::parse(&last.key)).transpose();
            return key.context("the log's key can't be read");
        };
        let text = text.trim();
        let key = VerifierKey::parse(text).map_err(|error| Wrong(format!("--key: {error}")))?;
        if reader.is_some() && known.iter().all(|known| known.key != text) {
            self.find(0, format!("the log is not signed by {text}"));
        }
        Ok(Some(key))
    }

    /// Holds the log to what was saved before.
    fn since(
        &mut self,
        path: &Path,
        key: Option<&VerifierKey>,
        reader: Option<&Reader>,
    ) -> Result<()> {
        let shown = path.display();
        let note = std::fs::read_to_string(path)
            .map_err(|error| Wrong(format!("the checkpoint {shown} can't be read: {error}")))?;
        let checkpoint =
            Checkpoint::of_note(&note).ok_or_else(|| Wrong(format!("{shown} is no checkpoint")))?;
        if let Some(key) = key
            && let Err(error) = key.open(&note)
        {
            self.find(0, format!("the checkpoint {shown} is of another log or key: {error}"));
        }
        let size = checkpoint.size;
        let Some(root) = self.root(size) else {
            let what = format!("the log ends here, and the checkpoint {shown} has {size} records");
            self.find(self.size(), what);
            return Ok(());
        };
        if root != checkpoint.root {
            let last = size.saturating_sub(1);
            let what = format!("the records from here to {last} are not those of {shown}");
            self.find_from(0, what);
        } else if let (Some(reader), Some(last)) = (reader, size.checked_sub(1))
            && !self.records.erasures.changed(last)
            && let Some(digests) = reader.digests(last)?
        {
            let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
            let history = digests.history.to_string();
            let fold = |rules| folded_line(rules, &hex(&digests.state), &history);
            if !(0..=fold::rules_known()).any(|rules| checkpoint.extensions == [fold(rules)]) {
                self.find(last, format!("folded anew, its digests are not those of {shown}"));
            }
        }
        Ok(())
    }

    /// Compares leaves with those of a tree that was kept.
    fn leaves(
        &mut self,
        kept: u64,
        mut tile: impl FnMut(u64, u64) -> Result<Vec<Hash>>,
    ) -> Result<()> {
        for index in 0..kept.div_ceil(TILE_WIDTH) {
            let first = index * TILE_WIDTH;
            let width = TILE_WIDTH.min(kept - first);
            for (offset, hash) in (first..).zip(tile(index, width)?) {
                let leaf = usize::try_from(offset).ok().and_then(|at| self.records.leaves.get(at));
                let what = match leaf {
                    Some(leaf) if *leaf == hash => continue,
                    Some(_) => "it is not the record that the tree has here",
                    None => "the log ends here, and the tree goes on",
                };
                self.find(offset, what.into());
                return Ok(());
            }
        }
        Ok(())
    }

    /// Compares a data folder's views with those that were folded anew.
    fn folder(&mut self, data: &Path, anew: Option<&Reader>) -> Result<()> {
        let views = open_views(data, MEMORY_BYTES)?;
        let (Some(applied), Some(reader)) = (views.applied(), views.reader()) else {
            return Ok(());
        };
        self.leaves(views.tree_size(), |index, width| Ok(reader.tile(0, index, width)?))?;
        let offset = applied.offset;
        let digests = anew.map(|anew| anew.digests(offset.min(anew.position().offset)));
        if let Some(digests) = digests.transpose()?.flatten()
            && (digests.state, digests.history) != (applied.state.finish(), applied.history)
        {
            self.find(offset, "the views have other digests here than a replay".into());
        }
        report::say("looking at every row of the views …");
        // A row that can't be read is one that is not as it was written.
        let is_whole = views.recompute_state().is_ok_and(|state| state == applied.state);
        let rows = views.check_rows().unwrap_or_else(|error| Some(error.to_string()));
        if let Some((offset, what)) = self.first_row(&views)? {
            self.find(offset, what);
        } else if !is_whole {
            self.find(offset, "the rows of the views do not have their digest".into());
        }
        let index = views.check_index().unwrap_or_else(|error| Some(error.to_string()));
        for difference in rows.into_iter().chain(index) {
            self.find(offset, format!("the views: {difference}"));
        }
        Ok(())
    }

    /// The first entity whose row is not the one that was folded anew, with the record that made
    /// the right one.
    fn first_row(&self, views: &Views) -> Result<Option<(Offset, String)>> {
        let Some(anew) = &self.views else { return Ok(None) };
        if views.applied().map(|applied| applied.offset)
            != anew.applied().map(|applied| applied.offset)
        {
            return Ok(None);
        }
        for id in (0..).map(EntityId) {
            let keys = [Key::Entity(id), Key::Name(id)];
            let (kept, right) = (views.rows(&keys).unwrap_or_default(), anew.rows(&keys)?);
            let name = match right.get(1) {
                Some(Change::Name(_, Some(name))) => name.to_string(),
                _ => return Ok(None),
            };
            if kept != right {
                let offset = match right.first() {
                    Some(Change::Entity(_, Some(version))) => version.offset,
                    _ => 0,
                };
                let what = format!("the views do not have {name} as this record made it");
                return Ok(Some((offset, what)));
            }
        }
        Ok(None)
    }

    /// Compares what a server serves to auditors with its records.
    fn server(&mut self, server: &Server, key: Option<&VerifierKey>) -> Result<()> {
        let note = server.text("/api/audit/checkpoint")?;
        let text = match key.map(|key| key.open(&note)) {
            Some(Ok(text)) => text,
            Some(Err(error)) => {
                self.find(0, format!("the server's checkpoint: {error}"));
                return Ok(());
            }
            None => return Ok(()),
        };
        let checkpoint = Checkpoint::parse(text).ok_or_else(|| anyhow!("no checkpoint came"))?;
        // What came after the records were read was not read.
        let size = checkpoint.size.min(self.size());
        if size == checkpoint.size && self.root(size) != Some(checkpoint.root) {
            self.find_from(0, format!("the first {size} records are not those of the checkpoint"));
        }
        self.leaves(size, |index, width| {
            let path = TilePath { level: Some(0), index, width };
            let mut bytes = Vec::new();
            let read = server.stream(&format!("/api/audit/tile/{path}"))?;
            read.take(8192).read_to_end(&mut bytes).context("a tile broke off")?;
            let (hashes, _) = bytes.as_chunks::<32>();
            Ok(hashes.to_vec())
        })
    }
}
