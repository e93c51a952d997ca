//! Tests of `tree.rs`: the RFC's vectors, and another implementation of it.

use std::collections::BTreeMap;
use std::convert::Infallible;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use expect_test::expect;
use proptest::prelude::*;

use super::*;

/// Tiles in memory, with the tree's edge.
#[derive(Default)]
struct Kept {
    frontier: Frontier,
    tiles: BTreeMap<(u8, u64), Vec<Hash>>,
}

impl Kept {
    fn of(leaves: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut kept = Self::default();
        for leaf in leaves {
            let Self { frontier, tiles } = &mut kept;
            frontier.push(leaf_hash(&leaf), |placed| {
                let tile = tiles.entry((placed.level, placed.index / TILE_WIDTH)).or_default();
                assert_eq!(tile.len() as u64, placed.index % TILE_WIDTH);
                tile.push(placed.hash);
            });
        }
        kept
    }

    fn read(&self, level: u8, index: u64, width: u64) -> Result<Vec<Hash>, Infallible> {
        let tile = self.tiles.get(&(level, index)).cloned().unwrap_or_default();
        Ok(tile.into_iter().take(usize::try_from(width).unwrap()).collect())
    }
}

fn with<T>(kept: &Kept, size: u64, ask: impl FnOnce(&Tree<'_, Infallible>) -> T) -> T {
    let read = |level, index, width| kept.read(level, index, width);
    ask(&Tree::new(size, &read))
}

fn hex(hash: &Hash) -> String {
    data_encoding::HEXLOWER.encode(hash)
}

/// The leaves by which implementations of Certificate Transparency test themselves.
fn known_leaves() -> Vec<Vec<u8>> {
    [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ]
    .map(|leaf| data_encoding::HEXLOWER.decode(leaf.as_bytes()).unwrap())
    .to_vec()
}

#[test]
fn roots_are_those_of_certificate_transparency() {
    let roots: Vec<String> = (0..=8)
        .map(|size| hex(&Kept::of(known_leaves().into_iter().take(size)).frontier.root()))
        .collect();
    expect![[r#"
        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
        6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d
        fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125
        aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77
        d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7
        4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4
        76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef
        ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c
        5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"#]]
    .assert_eq(&roots.join("\n"));
}

fn leaf(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// Compares all that a tree says at a size with what `ct-merkle` says.
fn check(kept: &Kept, size: u64, ask: &[u64]) {
    let mut other = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    (0..size).for_each(|number| other.push(leaf(number)));
    let root: Hash = other.root().as_bytes()[..].try_into().unwrap();
    with(kept, size, |tree| {
        assert_eq!(tree.root().unwrap(), root, "{size}");
        for &at in ask.iter().filter(|&&at| at < size) {
            let proof = tree.inclusion(at).unwrap();
            let theirs = other.prove_inclusion(usize::try_from(at).unwrap());
            assert_eq!(proof.concat(), theirs.as_bytes(), "{at} in {size}");
            let hash = leaf_hash(&leaf(at));
            assert_eq!(tree.leaf(at).unwrap(), hash);
            assert!(check_inclusion(&hash, at, size, &proof, &root));
            assert!(!check_inclusion(&hash, at + 1, size, &proof, &root));
            assert!(!check_inclusion(&root, at, size, &proof, &root) || size == 1);
            if at == 0 {
                continue;
            }
            let proof = tree.consistency(at).unwrap();
            let added = usize::try_from(size - at).unwrap();
            let theirs = other.prove_consistency(added);
            assert_eq!(proof.concat(), theirs.as_bytes(), "{at} to {size}");
            let before = with(kept, at, |tree| tree.root().unwrap());
            assert!(check_consistency((at, &before), (size, &root), &proof));
            assert!(!check_consistency((at, &root), (size, &root), &proof), "{at} to {size}");
            assert!(!check_consistency((at, &before), (size, &before), &proof), "{at} to {size}");
        }
    });
}

#[test]
fn small_trees_are_proved_as_another_implementation_proves_them() {
    let kept = Kept::of((0..40).map(leaf));
    let all: Vec<u64> = (0..40).collect();
    for size in 1..=40 {
        check(&kept, size, &all);
    }
}

#[test]
fn a_frontier_is_loaded_as_it_was() {
    for size in [0, 1, 255, 256, 257, 700, 65_535, 65_536, 65_537, 66_000] {
        let kept = Kept::of((0..size).map(leaf));
        let loaded =
            Frontier::load(size, |level, index, width| kept.read(level, index, width)).unwrap();
        assert_eq!(loaded.root(), kept.frontier.root(), "{size}");
        assert_eq!(with(&kept, size, |tree| tree.root().unwrap()), kept.frontier.root(), "{size}");
    }
}

#[test]
fn what_is_beyond_a_tree_is_refused() {
    let kept = Kept::of((0..3).map(leaf));
    with(&kept, 3, |tree| {
        assert!(matches!(tree.leaf(3), Err(TreeError::Beyond { .. })));
        assert!(matches!(tree.inclusion(3), Err(TreeError::Beyond { .. })));
        assert!(matches!(tree.consistency(4), Err(TreeError::Beyond { .. })));
        assert_eq!(tree.consistency(3).unwrap(), Vec::<Hash>::new());
    });
    with(&kept, 4, |tree| assert!(matches!(tree.root(), Err(TreeError::Short { .. }))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn large_trees_are_proved_as_another_implementation_proves_them(
        size in 1_u64..1_500,
        ask in proptest::collection::vec(0_u64..1_500, 1..6),
        more in 0_u64..300,
    ) {
        // The tiles may know of more than the size that is asked for.
        check(&Kept::of((0..size + more).map(leaf)), size, &ask);
    }

    #[test]
    fn proofs_that_somebody_made_up_are_no_proofs(
        proof in proptest::collection::vec(any::<Hash>(), 0..12),
        old in 0_u64..3_000,
        new in 0_u64..3_000,
    ) {
        let (a, b) = ([1; 32], [2; 32]);
        prop_assert!(!check_consistency((old, &a), (new, &b), &proof));
        prop_assert!(!check_inclusion(&a, old, new, &proof, &b));
    }
}
