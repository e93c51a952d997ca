//! `/api/audit`: what lets others prove the log, in the formats of C2SP (`tlog-tiles`,
//! `tlog-checkpoint`, `signed-note`, `tlog-proof`).

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use event::{Content, Leaf, Offset, Position, RecordId, leaf_of_record, leaf_of_unreadable};
use log::{Budget, Log};
use proof::{InclusionProof, TilePath, write_entries};
use serde::Serialize;
use utoipa::ToSchema;
use views::{Attestation, Reader};

use crate::connectors::run;
use crate::openapi::{Operation, Routes};
use crate::params::{Form, Param, Params, Path};
use crate::{Api, ApiError};

const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";

/// What is said of what never changes, and of what does with every record.
const FOR_EVER: &str = "max-age=31536000, immutable";
const NEVER: &str = "no-cache";

/// How many statements a page has, unless told otherwise, and at the most.
const LIMIT: usize = 50;
const LIMIT_MAX: usize = 1000;

/// The routes of this file.
pub(crate) fn routes() -> Routes {
    let of = |id, summary| Operation::new(id, "Audit", summary);
    let checkpoint_of = of("GetCheckpoint", "The newest checkpoint")
        .about("A signed note (c2sp.org/tlog-checkpoint): the log's name, how many records it has, the root of their Merkle tree, and the digests there.")
        .gives_text(200, TEXT, "The checkpoint.")
        .refuses(&[404, 503]);
    let key_of = of("GetIdentityKey", "The key by which checkpoints are verified")
        .gives_text(200, TEXT, "A verifier key of signed notes.")
        .refuses(&[404, 503]);
    let tile_of = of("GetTile", "A tile of the tree, or a bundle of its entries")
        .about("As c2sp.org/tlog-tiles has them: `0/000`, `1/000.p/7`, `entries/x001/234`.")
        .gives_text(200, BYTES, "Hashes, or entries with their lengths.")
        .refuses(&[404, 503]);
    let proof_of = of("GetProof", "That a record stands in the log, or that the log only grew")
        .about("With `event`: a proof of inclusion (c2sp.org/tlog-proof@v1), with the record's leaf as what is extra. With `from`: a proof of consistency, as a witness takes it (c2sp.org/tlog-witness).")
        .query(PROOF)
        .gives_text(200, TEXT, "The proof, with its checkpoint.")
        .refuses(&[404, 503]);
    let attestations_of = of("GetAttestations", "What was signed")
        .about("Newest first.")
        .query(ATTESTATIONS)
        .gives::<Attestations>(200, "A page of statements.")
        .refuses(&[503]);
    Routes::default()
        .get("/audit/checkpoint", checkpoint, checkpoint_of)
        .get("/audit/key", key, key_of)
        .get("/audit/tile/{*tile}", tile, tile_of)
        .get("/audit/proof", proof, proof_of)
        .get("/audit/attestations", attestations, attestations_of)
}

fn reader(api: &Api) -> Result<Reader, ApiError> {
    api.views().reader().ok_or_else(|| ApiError::unavailable("nothing is folded yet"))
}

fn newest(reader: &Reader) -> Result<Attestation, ApiError> {
    let newest = reader.newest_attestation()?;
    newest.ok_or_else(|| ApiError::not_found("nothing is signed yet"))
}

/// The newest checkpoint that stands in the log.
pub(crate) async fn checkpoint(State(api): State<Api>) -> Result<Response, ApiError> {
    let newest = newest(&reader(&api)?)?;
    let headers = [(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, NEVER)];
    Ok((headers, newest.statement.checkpoint).into_response())
}

/// The key that checkpoints are signed with.
pub(crate) async fn key(State(api): State<Api>) -> Result<Response, ApiError> {
    let last = reader(&api)?.identities()?.pop();
    let last = last.ok_or_else(|| ApiError::not_found("the log has no key"))?;
    let headers = [(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, NEVER)];
    Ok((headers, format!("{}\n", last.key)).into_response())
}

/// A tile of hashes or entries, full or in part.
pub(crate) async fn tile(
    State(api): State<Api>,
    Path(path): Path<String>,
) -> Result<Response, ApiError> {
    let none = || ApiError::not_found(format!("there is no tile {path:.100}"));
    let at = TilePath::parse(&path).ok_or_else(none)?;
    let reader = reader(&api)?;
    let body = run(move || match at.level {
        Some(level) => {
            let hashes = reader.tile(level, at.index, at.width)?;
            Ok((hashes.len() as u64 == at.width).then(|| hashes.concat()))
        }
        None => entries(api.log().as_ref(), &reader, &at),
    });
    let body = body.await?.map_err(|error: ApiError| error)?.ok_or_else(none)?;
    let headers = [(header::CONTENT_TYPE, BYTES), (header::CACHE_CONTROL, FOR_EVER)];
    Ok((headers, body).into_response())
}

fn entries(log: &dyn Log, reader: &Reader, at: &TilePath) -> Result<Option<Vec<u8>>, ApiError> {
    let first = at.index.checked_mul(256);
    let end = first.and_then(|first| first.checked_add(at.width));
    let Some((first, end)) = first.zip(end).filter(|(_, end)| *end <= reader.tree_size()) else {
        return Ok(None);
    };
    let leaves = leaves(log, first, end)?;
    // A leaf has less than a kilobyte: it holds no data, and its parts have their limits.
    write_entries(leaves.iter().map(|leaf| leaf.bytes.as_slice()))
        .map(Some)
        .ok_or_else(|| ApiError::internal("a leaf is longer than an entry may be"))
}

/// The leaves of records.
fn leaves(log: &dyn Log, first: Offset, end: Offset) -> Result<Vec<Leaf>, ApiError> {
    let mut leaves = Vec::new();
    let mut next = first;
    while next < end {
        let count = usize::try_from(end - next).unwrap_or(usize::MAX);
        let read = log.read(next, Budget { entries: count, ..Budget::default() });
        let read = read.map_err(|error| {
            tracing::error!(%error, "the log could not be read");
            ApiError::internal("the log could not be read")
        })?;
        if read.is_empty() {
            return Err(ApiError::internal("the log ends before what is folded"));
        }
        next += read.len() as Offset;
        leaves.extend(read.iter().map(|entry| leaf(&entry.content)));
    }
    Ok(leaves)
}

fn leaf(content: &Content) -> Leaf {
    match content {
        Ok(record) => leaf_of_record(record),
        Err(raw) => leaf_of_unreadable(raw),
    }
}

/// Parameters of `GET /api/audit/proof`.
pub(crate) const PROOF: &[Param] = &[
    Param::new("event", Form::Text, "A record's id: that it stands in the log."),
    Param::new(
        "from",
        Form::Number,
        "A size: that the log has only grown since it had so many records.",
    ),
    Param::new(
        "to",
        Form::Number,
        "With `from`: the size of a later checkpoint; the newest one, unless told otherwise.",
    ),
];

/// A proof, with the checkpoint that it leads to.
pub(crate) async fn proof(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::parse(query.as_deref(), PROOF)?;
    let event = params.one("event")?.map(str::to_owned);
    let (from, to) = (params.number("from")?, params.number("to")?);
    let reader = reader(&api)?;
    let text = match (event, from) {
        (Some(event), None) if to.is_none() => {
            run(move || inclusion(api.log().as_ref(), &reader, &event)).await??
        }
        (None, Some(from)) => {
            let to = to.map(|to| to as u64);
            run(move || consistency(&reader, from as u64, to)).await??
        }
        _ => {
            let message = "either `event` (a record's id) or `from` (a size) is expected";
            return Err(ApiError::input(message));
        }
    };
    let headers = [(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, NEVER)];
    Ok((headers, text).into_response())
}

fn inclusion(log: &dyn Log, reader: &Reader, event: &str) -> Result<String, ApiError> {
    let id = uuid::Uuid::try_parse(event)
        .map_err(|_| ApiError::input("request/query/event must be a record's id (a UUID)"))?;
    let offset = reader.record_offset(RecordId(id))?;
    let unknown = || ApiError::not_found(format!("no record has the id {id}"));
    let offset = offset.ok_or_else(unknown)?;
    let newest = newest(reader)?;
    if newest.statement.offset < offset {
        let why = format!("record {offset} stands in no checkpoint yet; ask again in a second");
        return Err(ApiError::not_found(why));
    }
    let size = newest.statement.offset + 1;
    let hashes = reader.tree(size, |tree| tree.inclusion(offset))?;
    let extra = leaves(log, offset, offset + 1)?.pop().map(|leaf| leaf.bytes);
    let checkpoint = newest.statement.checkpoint;
    Ok(InclusionProof { extra, index: offset, hashes, checkpoint }.to_string())
}

fn consistency(reader: &Reader, from: u64, to: Option<u64>) -> Result<String, ApiError> {
    let found = match to {
        None => newest(reader)?,
        // A statement's record stands behind what it speaks of, most often right there.
        Some(to) => {
            let found = reader.attestation_of(to)?;
            let none = || ApiError::not_found(format!("no checkpoint has the size {to}"));
            found.ok_or_else(none)?
        }
    };
    let size = found.statement.offset + 1;
    if from > size {
        let why = format!("the checkpoint has {size} records, fewer than {from}");
        return Err(ApiError::input(why));
    }
    let hashes = reader.tree(size, |tree| tree.consistency(from))?;
    let mut text = format!("old {from}\n");
    for hash in hashes {
        text.push_str(&BASE64.encode(&hash));
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&found.statement.checkpoint);
    Ok(text)
}

/// Parameters of `GET /api/audit/attestations`.
pub(crate) const ATTESTATIONS: &[Param] = &[
    Param::new("limit", Form::Number, "At most so many: 1 to 1000; 50, unless told otherwise."),
    Param::new("cursor", Form::Text, "Where a page goes on."),
];

/// Statements that were signed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attestations {
    /// Newest first.
    attestations: Vec<AttestationShown>,
    /// Where it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_cursor: Option<String>,
}

/// A statement.
#[derive(Serialize, ToSchema)]
pub(crate) struct AttestationShown {
    /// The record that it stands in.
    record: String,
    /// The last record that it speaks of.
    position: String,
    /// Whether this node folded the same; `null` where something of what it speaks of was erased
    /// after it was signed, so that its digests can be reached no more.
    agrees: Option<bool>,
    /// The version of the fold's rules.
    fold: u32,
    /// The root of the Merkle tree, in hexadecimal.
    root: String,
    /// The state digest.
    digest: String,
    /// The history digest.
    history: String,
    /// The signed note.
    checkpoint: String,
}

/// What was signed, newest first.
pub(crate) async fn attestations(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::parse(query.as_deref(), ATTESTATIONS)?;
    let limit = params.number("limit")?.unwrap_or(LIMIT);
    if limit == 0 || limit > LIMIT_MAX {
        let message = format!("request/query/limit must be between 1 and {LIMIT_MAX}");
        return Err(ApiError::input(message));
    }
    let reader = reader(&api)?;
    let log = reader.position().log;
    let malformed = || ApiError::input("Malformed cursor");
    let before = match params.one("cursor")? {
        None => Offset::MAX,
        Some(cursor) => {
            let position: Position = cursor.parse().map_err(|_| malformed())?;
            if position.log != log {
                return Err(malformed());
            }
            position.offset
        }
    };
    let mut found = run(move || reader.attestations(before, limit + 1)).await??;
    let is_more = found.len() > limit;
    found.truncate(limit);
    let at = |offset| Position { log, offset }.to_string();
    let next_cursor = found.last().filter(|_| is_more).map(|last| at(last.record));
    let shown =
        found.into_iter().map(|Attestation { record, agrees, statement }| AttestationShown {
            record: at(record),
            position: at(statement.offset),
            agrees,
            fold: statement.fold,
            root: statement.root,
            digest: statement.digest,
            history: statement.history,
            checkpoint: statement.checkpoint,
        });
    let body = Attestations { attestations: shown.collect(), next_cursor };
    Ok(([(header::CACHE_CONTROL, NEVER)], Json(body)).into_response())
}
