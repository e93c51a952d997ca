//! `annals audit`: whether a log and a catalog are what was signed.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use event::{Content, Offset, RecordId, leaf_of_record, leaf_of_unreadable};
use log::{Budget, Log};
use proof::{Checkpoint, InclusionProof, VerifierKey, check_inclusion, leaf_hash};
use serde_json::json;

use super::remote::Server;
use crate::cli::{AuditCommand, AuditVerify};
use crate::exit::{Exit, Wrong};
use crate::node::{log_folder, open_log, open_views, views_folder};
use crate::report;

mod erased;
mod findings;
mod records;
mod verify;

const MEMORY_BYTES: usize = 256 << 20;

pub(crate) fn run(command: &AuditCommand, json: bool) -> Result<Exit> {
    match command {
        AuditCommand::Verify(args) => verify(args, json),
        AuditCommand::Prove { server, data, event } => {
            prove(server.as_deref(), data.as_deref(), event, json)
        }
    }
}

fn verify(args: &AuditVerify, json: bool) -> Result<Exit> {
    let outcome = verify::verify(args)?;
    let holds = outcome.findings.is_empty();
    let findings: Vec<_> = outcome.findings.iter().map(findings::Finding::as_json).collect();
    let value = json!({
        "holds": holds,
        "records": outcome.records,
        "attestations": outcome.attestations,
        "erased": outcome.erased,
        "unreachable": outcome.unreachable,
        "findings": findings,
    });
    report::result(json, &value, || {
        let mut lines =
            format!("records       {}\nattestations  {}", outcome.records, outcome.attestations);
        if outcome.erased > 0 {
            lines.push_str(&format!(
                "\nerased        {}, after {} of the attestations",
                outcome.erased, outcome.unreachable
            ));
        }
        for finding in &outcome.findings {
            lines.push_str(&format!("\nDIFFERS       {finding}"));
        }
        if holds {
            lines.push_str("\nthe records, what was signed, and what is folded agree");
        }
        lines
    });
    Ok(if holds { Exit::Done } else { Exit::No })
}

fn prove(server: Option<&str>, data: Option<&Path>, event: &str, json: bool) -> Result<Exit> {
    let id = uuid::Uuid::try_parse(event)
        .map_err(|_| Wrong(format!("`{event}` is not a record's id (a UUID)")))?;
    let (text, key) = match (server, data) {
        (Some(url), _) => {
            let server = Server::new(url)?;
            let text = server.text(&format!("/api/audit/proof?event={id}"))?;
            (text, server.text("/api/audit/key")?)
        }
        (None, Some(data)) => prove_in(data, RecordId(id))?,
        (None, None) => return Err(Wrong("--server or --data is missing".into()).into()),
    };
    check(&text, key.trim()).context("the proof does not hold")?;
    report::result(json, &json!({"proof": text}), || text.trim_end().to_owned());
    Ok(Exit::Done)
}

/// Makes a proof from a data folder; gives the log's key with it.
fn prove_in(data: &Path, id: RecordId) -> Result<(String, String)> {
    if !log_folder(data).is_dir() || !views_folder(data).is_dir() {
        return Err(
            Wrong(format!("there is no log and no view of it in {}", data.display())).into()
        );
    }
    let (log, views) = (open_log(data)?, open_views(data, MEMORY_BYTES)?);
    let reader = views.reader().ok_or_else(|| anyhow!("nothing is folded yet"))?;
    let offset = reader.record_offset(id)?;
    let offset = offset.ok_or_else(|| Wrong(format!("no record has the id {id}")))?;
    let newest = reader.newest_attestation()?.filter(|newest| newest.statement.offset >= offset);
    let newest = newest.ok_or_else(|| anyhow!("record {offset} stands in no checkpoint yet"))?;
    let size = newest.statement.offset + 1;
    let hashes = reader.tree(size, |tree| tree.inclusion(offset))?;
    let entry = log.read(offset, Budget { entries: 1, bytes: 1 })?;
    let extra = entry.first().map(|entry| leaf(&entry.content).bytes);
    let key = reader.identities()?.pop().map(|last| last.key).unwrap_or_default();
    let checkpoint = newest.statement.checkpoint;
    Ok((InclusionProof { extra, index: offset, hashes, checkpoint }.to_string(), key))
}

fn check(text: &str, key: &str) -> Result<()> {
    let proof = InclusionProof::parse(text).ok_or_else(|| anyhow!("it is no proof"))?;
    let signed = VerifierKey::parse(key)?.open(&proof.checkpoint)?.to_owned();
    let checkpoint = Checkpoint::parse(&signed).ok_or_else(|| anyhow!("it is no checkpoint"))?;
    let leaf = leaf_hash(proof.extra.as_deref().unwrap_or_default());
    let Checkpoint { size, root, .. } = &checkpoint;
    if check_inclusion(&leaf, proof.index, *size, &proof.hashes, root) {
        Ok(())
    } else {
        Err(anyhow!("it does not lead from the record to the checkpoint's root"))
    }
}

fn leaf(content: &Content) -> event::Leaf {
    match content {
        Ok(record) => leaf_of_record(record),
        Err(raw) => leaf_of_unreadable(raw),
    }
}

/// A log, by offset.
type Shared = Arc<dyn Log>;

/// The id of the record at an offset.
fn id_at(log: &Shared, offset: Offset) -> Option<RecordId> {
    let entries = log.read(offset, Budget { entries: 1, bytes: 1 }).ok()?;
    Some(entries.first()?.content.as_ref().ok()?.id)
}
