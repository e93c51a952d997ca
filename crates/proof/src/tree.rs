//! The Merkle tree of RFC 6962, over hashes that somebody else keeps in tiles.
//!
//! Tiles are those of C2SP `tlog-tiles`: 256 neighbouring hashes of one level of height 8. A hash
//! of a level stands for a full tile of the level below and never changes, so one store of tiles
//! answers for the tree at every size that it ever had.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use sha2::{Digest, Sha256};

/// A hash in the tree.
pub type Hash = [u8; 32];

/// How many hashes a full tile has.
pub const TILE_WIDTH: u64 = 256;

/// The height of a tile.
const TILE_HEIGHT: u32 = 8;

/// The hash of the tree that has no leaves.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The hash of a leaf's bytes.
#[must_use]
pub fn leaf_hash(bytes: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(bytes);
    hasher.finalize().into()
}

/// The hash of a node above two others.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([1]);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// The hash above neighbours, whose number is a power of two.
fn perfect(hashes: &[Hash]) -> Hash {
    if let [one] = hashes {
        return *one;
    }
    let mut row: Vec<Hash> = hashes.to_vec();
    while row.len() > 1 {
        row = row.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
    }
    row.first().copied().unwrap_or_else(empty_root)
}

/// The right edge of a growing tree: of each level, the tile that is not full yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    levels: Vec<Vec<Hash>>,
    size: u64,
}

/// A hash that a tree has got, with its place among those of its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// 0 for leaves; each level above stands for 256 times as many.
    pub level: u8,
    /// The number of the hash in its level.
    pub index: u64,
    /// The hash.
    pub hash: Hash,
}

impl Frontier {
    /// The edge of a tree of a size, from what a reader gives of a level: the last hashes of it,
    /// those of the tile that is not full.
    ///
    /// # Errors
    /// What the reader says.
    pub fn load<E>(
        size: u64,
        mut tile: impl FnMut(u8, u64, u64) -> Result<Vec<Hash>, E>,
    ) -> Result<Self, E> {
        let mut levels = Vec::new();
        let (mut left, mut level) = (size, 0);
        while left > 0 {
            let width = left % TILE_WIDTH;
            let index = left / TILE_WIDTH;
            levels.push(if width == 0 { Vec::new() } else { tile(level, index, width)? });
            (left, level) = (index, level + 1);
        }
        Ok(Self { levels, size })
    }

    /// How many leaves the tree has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf, and hands out every hash that tiles get by it.
    pub fn push(&mut self, leaf: Hash, mut place: impl FnMut(Placed)) {
        let mut index = self.size;
        self.size += 1;
        let mut hash = leaf;
        for level in 0..=u8::MAX {
            place(Placed { level, index, hash });
            let at = usize::from(level);
            if self.levels.len() == at {
                self.levels.push(Vec::new());
            }
            let tile = &mut self.levels[at];
            tile.push(hash);
            if tile.len() as u64 != TILE_WIDTH {
                return;
            }
            hash = perfect(tile);
            tile.clear();
            index /= TILE_WIDTH;
        }
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut root: Option<Hash> = None;
        for tile in &self.levels {
            let mut end = tile.len();
            for height in 0..TILE_HEIGHT {
                let width = 1_usize << height;
                if end & width == 0 {
                    continue;
                }
                let left = perfect(&tile[end - width..end]);
                end -= width;
                root = Some(root.map_or(left, |right| node_hash(&left, &right)));
            }
        }
        root.unwrap_or_else(empty_root)
    }
}

/// A tree of a size, read from tiles. Each is read once at the most.
pub struct Tree<'a, E> {
    size: u64,
    read: &'a dyn Fn(u8, u64, u64) -> Result<Vec<Hash>, E>,
    tiles: RefCell<BTreeMap<(u8, u64), Vec<Hash>>>,
}

/// What is asked of a tree that it can't have.
#[derive(Debug, thiserror::Error)]
pub enum TreeError<E> {
    /// There is no such leaf, or no such size.
    #[error("a tree of {size} records has nothing at {asked}")]
    Beyond {
        /// How many leaves there are.
        size: u64,
        /// What was asked for.
        asked: u64,
    },
    /// A tile has fewer hashes than it must.
    #[error("tile {index} of level {level} has too few hashes")]
    Short {
        /// Its level.
        level: u8,
        /// Its number.
        index: u64,
    },
    /// A tile can't be read.
    #[error("a tile can't be read")]
    Read(#[source] E),
}

impl<'a, E> Tree<'a, E> {
    /// A tree of a size whose tiles are read so: level, number, how many hashes are wanted.
    #[must_use]
    pub fn new(size: u64, read: &'a dyn Fn(u8, u64, u64) -> Result<Vec<Hash>, E>) -> Self {
        Self { size, read, tiles: RefCell::default() }
    }

    /// The root.
    ///
    /// # Errors
    /// When a tile can't be read.
    pub fn root(&self) -> Result<Hash, TreeError<E>> {
        if self.size == 0 { Ok(empty_root()) } else { self.range(0, self.size) }
    }

    /// A leaf's hash.
    ///
    /// # Errors
    /// When there is none, or the tile can't be read.
    pub fn leaf(&self, index: u64) -> Result<Hash, TreeError<E>> {
        if index >= self.size {
            return Err(TreeError::Beyond { size: self.size, asked: index });
        }
        self.range(index, index + 1)
    }

    /// The inclusion proof of a leaf (RFC 6962, 2.1.1), from its sibling to the root's child.
    ///
    /// # Errors
    /// When there is no such leaf, or a tile can't be read.
    pub fn inclusion(&self, index: u64) -> Result<Vec<Hash>, TreeError<E>> {
        if index >= self.size {
            return Err(TreeError::Beyond { size: self.size, asked: index });
        }
        let mut proof = Vec::new();
        self.path(index, 0, self.size, &mut proof)?;
        Ok(proof)
    }

    /// The proof that this tree goes on from one of an earlier size (RFC 6962, 2.1.2); empty from
    /// none and from its own.
    ///
    /// # Errors
    /// When the size is beyond this one, or a tile can't be read.
    pub fn consistency(&self, from: u64) -> Result<Vec<Hash>, TreeError<E>> {
        if from > self.size {
            return Err(TreeError::Beyond { size: self.size, asked: from });
        }
        let mut proof = Vec::new();
        if from > 0 && from < self.size {
            self.subproof(from, 0, self.size, true, &mut proof)?;
        }
        Ok(proof)
    }

    fn path(&self, at: u64, lo: u64, hi: u64, out: &mut Vec<Hash>) -> Result<(), TreeError<E>> {
        if hi - lo <= 1 {
            return Ok(());
        }
        let middle = lo + split(hi - lo);
        if at < middle {
            self.path(at, lo, middle, out)?;
            out.push(self.range(middle, hi)?);
        } else {
            self.path(at, middle, hi, out)?;
            out.push(self.range(lo, middle)?);
        }
        Ok(())
    }

    fn subproof(
        &self,
        end: u64,
        lo: u64,
        hi: u64,
        is_known: bool,
        out: &mut Vec<Hash>,
    ) -> Result<(), TreeError<E>> {
        if end == hi {
            if !is_known {
                out.push(self.range(lo, hi)?);
            }
            return Ok(());
        }
        let middle = lo + split(hi - lo);
        if end <= middle {
            self.subproof(end, lo, middle, is_known, out)?;
            out.push(self.range(middle, hi)?);
        } else {
            self.subproof(end, middle, hi, false, out)?;
            out.push(self.range(lo, middle)?);
        }
        Ok(())
    }

    /// The hash over a range of leaves that is a node of the tree.
    fn range(&self, lo: u64, hi: u64) -> Result<Hash, TreeError<E>> {
        let count = hi - lo;
        if !count.is_power_of_two() {
            let middle = lo + split(count);
            return Ok(node_hash(&self.range(lo, middle)?, &self.range(middle, hi)?));
        }
        let height = count.trailing_zeros();
        let level = height / TILE_HEIGHT;
        let first = lo >> (TILE_HEIGHT * level);
        let width = 1_u64 << (height % TILE_HEIGHT);
        let (tile, within) = (first / TILE_WIDTH, first % TILE_WIDTH);
        let level = u8::try_from(level).unwrap_or(u8::MAX);
        self.in_tile(level, tile, within, width)
    }

    fn in_tile(&self, level: u8, index: u64, from: u64, width: u64) -> Result<Hash, TreeError<E>> {
        let mut tiles = self.tiles.borrow_mut();
        let tile = match tiles.entry((level, index)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let hashes = self.size >> (TILE_HEIGHT * u32::from(level));
                let whole = (hashes - index * TILE_WIDTH).min(TILE_WIDTH);
                place.insert((self.read)(level, index, whole).map_err(TreeError::Read)?)
            }
        };
        let bounds = usize::try_from(from).ok().zip(usize::try_from(from + width).ok());
        let hashes = bounds.and_then(|(from, to)| tile.get(from..to));
        hashes.map(perfect).ok_or(TreeError::Short { level, index })
    }
}

/// The largest power of two below a number that is at least 2.
fn split(count: u64) -> u64 {
    1 << (63 - (count - 1).leading_zeros())
}

/// Whether a proof leads from a leaf to a root (RFC 9162, 2.1.3.2).
#[must_use]
pub fn check_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && hash == *root
}

/// Whether a proof leads from a tree's root to that of a later one (RFC 9162, 2.1.4.2).
#[must_use]
pub fn check_consistency(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> bool {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size == 0 {
        return proof.is_empty() && *old_root == empty_root();
    }
    if old_size >= new_size {
        return old_size == new_size && proof.is_empty() && old_root == new_root;
    }
    let (mut at, mut last) = (old_size - 1, new_size - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let mut proof = proof.iter();
    let Some(seed) = (if old_size.is_power_of_two() { Some(old_root) } else { proof.next() })
    else {
        return false;
    };
    let (mut from_old, mut from_new) = (*seed, *seed);
    for hash in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            from_old = node_hash(hash, &from_old);
            from_new = node_hash(hash, &from_new);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            from_new = node_hash(&from_new, hash);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && from_old == *old_root && from_new == *new_root
}

#[cfg(test)]
mod tests;
