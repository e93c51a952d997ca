//! What can be proved about the catalog: digests of its state and of its history, and the log's
//! Merkle tree with what is said about it to auditors, in the formats of C2SP (checkpoints, signed
//! notes, tiles, proofs).
//!
//! What is absent: the meaning of what is hashed. Elements and changes come as bytes
//! (`crates/fold`), leaves of records are made where records are (`crates/event`), and tiles are
//! kept by others.
//!
//! Invariant: the state digest depends on the elements alone, not on the order or the batches in
//! which they came and went.
//! Invariant: the history digest depends on every change of every record, in their order, and not
//! on the batches in which they were folded.
//! Invariant: tiles only grow; a tree of any size that was ever proved is proved again from them.

mod checkpoint;
mod history;
mod note;
mod state;
mod tree;

pub use checkpoint::{
    Checkpoint, InclusionProof, TilePath, folded_line, read_entries, write_entries,
};
pub use history::{HistoryDigest, Link};
pub use note::{NoteError, SignerKey, VerifierKey, is_name};
pub use state::{ElementHash, StateDigest};
pub use tree::{
    Frontier, Hash, Placed, TILE_WIDTH, Tree, TreeError, check_consistency, check_inclusion,
    empty_root, leaf_hash, node_hash,
};
