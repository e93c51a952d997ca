//! The log's Merkle tree as tiles, the digests after each record, and records by their ids.
//!
//! A tile stands in as many rows as batches have added to it: a row is written once, and a tree of
//! any size that ever was is read from the same rows.

use event::{Offset, RecordId};
use proof::{Frontier, Hash, HistoryDigest, Placed, TILE_WIDTH, Tree, TreeError};

use crate::applied::Applied;
use crate::keys::{KeyBytes, KeyReader, Table};
use crate::pending::Rows;
use crate::store::OwnedSnapshot;
use crate::{Error, Reader, erased};

/// How many bytes the digests of one record take.
const DIGESTS_BYTES: usize = 64;

/// The digests after a record, as they are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedDigests {
    /// That of the state.
    pub state: [u8; 32],
    /// That of the history.
    pub history: HistoryDigest,
}

/// A record that is folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// Its id, if it is a record.
    pub id: Option<RecordId>,
    /// The hash of its leaf.
    pub leaf: Hash,
    /// The digests after it, if they were computed.
    pub digests: Option<PublishedDigests>,
    /// The SHA-256 of what is left of it, if something of it was erased.
    pub residue: Option<Hash>,
}

/// Writes what a batch adds.
pub(crate) fn finish(tree: &mut Frontier, rows: &mut Rows, records: &[Done]) {
    let first = tree.size();
    let mut tiles = Tiles { rows, key: None, hashes: Vec::new() };
    // Level by level, so that neighbours of a level come one behind the other.
    let mut placed: Vec<Placed> = Vec::with_capacity(records.len() + 2);
    for record in records {
        tree.push(record.leaf, |hash| placed.push(hash));
    }
    placed.sort_by_key(|placed| (placed.level, placed.index));
    placed.into_iter().for_each(|placed| tiles.add(placed));
    tiles.flush();
    let mut digests = Vec::with_capacity(records.len() * DIGESTS_BYTES);
    for (offset, record) in (first..).zip(records) {
        if let Some(PublishedDigests { state, history }) = record.digests {
            digests.extend_from_slice(&state);
            digests.extend_from_slice(&history.0);
        }
        if let Some(residue) = record.residue {
            erased::note(rows, offset, residue);
        }
        if let Some(id) = record.id {
            let key = KeyBytes::new(Table::Record).raw(id.0.as_bytes()).u64(offset);
            rows.put(Table::Record, key, []);
        }
    }
    if !digests.is_empty() {
        // All records of a batch have digests, or none.
        rows.put(Table::Digests, KeyBytes::new(Table::Digests).u64(first), digests);
    }
}

/// Hashes on their way into rows.
struct Tiles<'a> {
    rows: &'a mut Rows,
    key: Option<Placed>,
    hashes: Vec<u8>,
}

impl Tiles<'_> {
    fn add(&mut self, placed: Placed) {
        let goes_on = self.key.is_some_and(|first| {
            first.level == placed.level && first.index / TILE_WIDTH == placed.index / TILE_WIDTH
        });
        if !goes_on {
            self.flush();
            self.key = Some(placed);
        }
        self.hashes.extend_from_slice(&placed.hash);
    }

    fn flush(&mut self) {
        if let Some(first) = self.key.take() {
            let within = u8::try_from(first.index % TILE_WIDTH).unwrap_or(0);
            let key = tile_key(first.level, first.index / TILE_WIDTH).u8(within);
            self.rows.put(Table::Tile, key, &self.hashes);
            self.hashes.clear();
        }
    }
}

fn tile_key(level: u8, tile: u64) -> KeyBytes {
    KeyBytes::new(Table::Tile).u8(level).u64(tile)
}

/// A row of tiles: its first hash's place, and the hashes.
pub(crate) fn read_tile(key: &[u8], row: &[u8]) -> Option<(Placed, Vec<Hash>)> {
    let mut key = KeyReader::new(Table::Tile, key)?;
    let (level, tile, within) = (key.u8()?, key.u64()?, key.u8()?);
    let (hashes, rest) = row.as_chunks::<32>();
    let first = hashes.first()?;
    let fits = usize::from(within) + hashes.len() <= 256;
    if !rest.is_empty() || !key.rest().is_empty() || !fits {
        return None;
    }
    let index = tile.checked_mul(TILE_WIDTH)?.checked_add(u64::from(within))?;
    Some((Placed { level, index, hash: *first }, hashes.to_vec()))
}

/// A row of digests: the first record's offset, and the digests.
pub(crate) fn read_digests(key: &[u8], row: &[u8]) -> Option<(Offset, Vec<PublishedDigests>)> {
    let mut key = KeyReader::new(Table::Digests, key)?;
    let first = key.u64()?;
    let (digests, rest) = row.as_chunks::<DIGESTS_BYTES>();
    let read = |bytes: &[u8; DIGESTS_BYTES]| {
        let (state, history) = bytes.split_first_chunk()?;
        Some(PublishedDigests { state: *state, history: HistoryDigest(history.try_into().ok()?) })
    };
    let digests = digests.iter().map(read).collect::<Option<Vec<_>>>()?;
    (rest.is_empty() && !digests.is_empty()).then_some((first, digests))
}

/// The first hashes of a tile, as many as there are and are wanted.
fn tile(snapshot: &OwnedSnapshot, level: u8, tile: u64, width: u64) -> Result<Vec<Hash>, Error> {
    let width = usize::try_from(width).unwrap_or(0);
    let mut hashes: Vec<Hash> = Vec::with_capacity(width);
    snapshot.prefix(Table::Tile, &tile_key(level, tile)).each(|key, row| {
        let (first, more) = read_tile(key, row).ok_or(Error::Damaged { table: "Tile" })?;
        if first.index % TILE_WIDTH != hashes.len() as u64 {
            return Err(Error::Damaged { table: "Tile" });
        }
        hashes.extend(more);
        Ok(hashes.len() < width)
    })?;
    hashes.truncate(width);
    Ok(hashes)
}

/// How many leaves are kept.
fn size(snapshot: &OwnedSnapshot) -> Result<u64, Error> {
    let leaves = KeyBytes::new(Table::Tile).u8(0);
    let mut size = 0;
    snapshot.range_back(Table::Tile, &leaves.0, &leaves.end()).each(|key, row| {
        let (first, hashes) = read_tile(key, row).ok_or(Error::Damaged { table: "Tile" })?;
        size = first.index + hashes.len() as u64;
        Ok(false)
    })?;
    Ok(size)
}

/// The right edge of the tree that is kept.
pub(crate) fn open(snapshot: &OwnedSnapshot) -> Result<Frontier, Error> {
    let short = |hashes: Vec<Hash>, width| {
        if hashes.len() as u64 == width {
            Ok(hashes)
        } else {
            Err(Error::Damaged { table: "Tile" })
        }
    };
    Frontier::load(size(snapshot)?, |level, index, width| {
        short(tile(snapshot, level, index, width)?, width)
    })
}

/// Whether the tree follows from its leaves and ends where the rest does; the first disagreement
/// in words.
pub(crate) fn compare(snapshot: &OwnedSnapshot) -> Result<Option<String>, Error> {
    let mut tree = Frontier::default();
    let mut above: Vec<Placed> = Vec::new();
    let leaves = KeyBytes::new(Table::Tile).u8(0);
    let mut last = None;
    snapshot.prefix(Table::Tile, &leaves).each(|key, row| {
        let (first, hashes) = read_tile(key, row).ok_or(Error::Damaged { table: "Tile" })?;
        if first.index != tree.size() {
            return Err(Error::Damaged { table: "Tile" });
        }
        for leaf in hashes {
            last = Some(leaf);
            tree.push(leaf, |placed| above.extend((placed.level > 0).then_some(placed)));
        }
        Ok(true)
    })?;
    above.sort_by_key(|placed| (placed.level, placed.index));
    let mut above = above.into_iter();
    let mut found = None;
    let from = KeyBytes::new(Table::Tile).u8(1);
    snapshot.range(Table::Tile, &from.0, &KeyBytes::new(Table::Tile).end()).each(|key, row| {
        let (first, hashes) = read_tile(key, row).ok_or(Error::Damaged { table: "Tile" })?;
        for (index, hash) in (first.index..).zip(hashes) {
            if above.next() != Some(Placed { level: first.level, index, hash }) {
                found = Some(format!("hash {index} of level {} of the tree", first.level));
                return Ok(false);
            }
        }
        Ok(true)
    })?;
    if let Some(found) = found {
        return Ok(Some(format!("{found} is not that of what is below it")));
    }
    if above.next().is_some() {
        return Ok(Some("hashes of the tree are missing".into()));
    }
    let applied = snapshot.get(Table::Applied, &KeyBytes::new(Table::Applied))?;
    let Some(applied) = applied.map(|row| Applied::read(&row)).transpose()? else {
        return Ok(None);
    };
    if applied.step.is_some() {
        return Ok(None);
    }
    let ends = (tree.size(), last) == (applied.offset + 1, Some(applied.leaf));
    let said = digests(snapshot, applied.offset)?;
    let expected = PublishedDigests { state: applied.state.finish(), history: applied.history };
    if said.is_some_and(|said| said != expected) {
        return Ok(Some(format!(
            "the digests after record {} are not the last ones",
            applied.offset
        )));
    }
    Ok((!ends).then(|| format!("the tree does not end with record {}", applied.offset)))
}

fn digests(snapshot: &OwnedSnapshot, offset: Offset) -> Result<Option<PublishedDigests>, Error> {
    let Some(beyond) = offset.checked_add(1) else { return Ok(None) };
    let from = KeyBytes::new(Table::Digests);
    let end = KeyBytes::new(Table::Digests).u64(beyond);
    let mut found = None;
    snapshot.range_back(Table::Digests, &from.0, &end.0).each(|key, row| {
        let (first, digests) = read_digests(key, row).ok_or(Error::Damaged { table: "Digests" })?;
        let at = usize::try_from(offset - first).unwrap_or(usize::MAX);
        found = digests.get(at).copied();
        Ok(false)
    })?;
    Ok(found)
}

/// The log's tree at the position that is seen.
impl Reader {
    /// How many records there are up to the position.
    #[must_use]
    pub fn tree_size(&self) -> u64 {
        self.position().offset + 1
    }

    /// The first hashes of a tile; fewer than are wanted where the tree has no more.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn tile(&self, level: u8, index: u64, width: u64) -> Result<Vec<Hash>, Error> {
        let shift = 8 * u32::from(level);
        let hashes = self.tree_size().checked_shr(shift).unwrap_or(0);
        let there = hashes.saturating_sub(index.saturating_mul(TILE_WIDTH));
        tile(self.snapshot(), level, index, width.min(TILE_WIDTH).min(there))
    }

    /// Asks something of the tree as it was when it had so many leaves.
    ///
    /// # Errors
    /// When it had none so large, or tiles can't be read.
    pub fn tree<T>(
        &self,
        size: u64,
        ask: impl FnOnce(&Tree<'_, Error>) -> Result<T, TreeError<Error>>,
    ) -> Result<T, Error> {
        if size > self.tree_size() {
            return Err(Error::Future { offset: size.saturating_sub(1) });
        }
        let read = |level, index, width| tile(self.snapshot(), level, index, width);
        ask(&Tree::new(size, &read)).map_err(|error| match error {
            TreeError::Read(error) => error,
            TreeError::Beyond { asked, .. } => Error::Future { offset: asked },
            TreeError::Short { .. } => Error::Damaged { table: "Tile" },
        })
    }

    /// The root of the tree as it was when it had so many leaves.
    ///
    /// # Errors
    /// When it had none so large, or tiles can't be read.
    pub fn tree_root(&self, size: u64) -> Result<Hash, Error> {
        self.tree(size, |tree| tree.root())
    }

    /// The digests after a record; absent for one that was folded before they were kept.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn digests(&self, offset: Offset) -> Result<Option<PublishedDigests>, Error> {
        digests(self.snapshot(), offset)
    }

    /// Where a record stands; the first place, if some have the same id.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn record_offset(&self, id: RecordId) -> Result<Option<Offset>, Error> {
        let prefix = KeyBytes::new(Table::Record).raw(id.0.as_bytes());
        let mut found = None;
        self.snapshot().prefix(Table::Record, &prefix).each(|key, _| {
            let rest = KeyReader::new(Table::Record, key).and_then(|key| key.rest().last_chunk());
            let offset = rest.map(|bytes| Offset::from_be_bytes(*bytes));
            found = Some(offset.ok_or(Error::Damaged { table: "Record" })?);
            Ok(false)
        })?;
        Ok(found.filter(|offset| *offset < self.tree_size()))
    }
}
