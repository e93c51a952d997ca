//! What was read when: which repositories have to be read again.
//!
//! A repository's *mark* is a hash of all that decides what its scope shows: commit, branch, name,
//! what is wanted of it, when somebody asked for it, how this connector reads, and the day, so that all is read again once a
//! day, spread over it. The marks of this process are kept each; across a restart they are kept as
//! sums of sixty-four buckets, which fit into a cursor however many there are.

use std::collections::{HashMap, HashSet};
use std::hash::{Hash as _, Hasher};

use connector::Target;
use data_encoding::BASE64_NOPAD;
use event::Offset;

use crate::answer::Repository;
use crate::config::Config;

/// Buckets of repositories.
const BUCKETS: usize = 64;

/// Bytes of a bucket's sum that a cursor keeps.
const SUM_BYTES: usize = 6;

/// Raised when the same files are shown in another way.
const VERSION: u64 = 1;

const DAY_S: u64 = 86_400;

/// A repository, by a hash of its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(u64);

/// Bytes of a hash as a number.
fn number(hash: &blake3::Hash) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_be_bytes(bytes)
}

impl Key {
    pub(crate) fn of(id: &str) -> Self {
        Self(number(&blake3::hash(id.as_bytes())))
    }

    const fn bucket(self) -> usize {
        (self.0 % BUCKETS as u64) as usize
    }
}

/// Gathers what a mark is made of.
struct Marks(blake3::Hasher);

impl Hasher for Marks {
    fn finish(&self) -> u64 {
        number(&self.0.finalize())
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

/// What a repository's scope depends on, as one number; `wanted` is what Location entities want of
/// it, and the last record by which somebody wanted it read again.
pub(crate) fn mark(
    config: &Config,
    repository: &Repository,
    (targets, refresh): (&[Target], Option<Offset>),
    now_s: u64,
) -> (Key, u64) {
    let key = Key::of(&repository.id);
    let mut marks = Marks(blake3::Hasher::new_derive_key("annals 2026 github mark v1"));
    let branch = repository.default_branch_ref.as_ref();
    VERSION.hash(&mut marks);
    config.paths.written.hash(&mut marks);
    (&repository.id, &repository.name_with_owner, &repository.url).hash(&mut marks);
    branch.map(|branch| &branch.name).hash(&mut marks);
    branch.and_then(|of| of.target.as_ref()).map(|target| &target.oid).hash(&mut marks);
    for Target { target, entity, scope, optional, origin, refresh } in targets {
        (target, entity.as_str(), scope.as_str(), optional, origin, refresh).hash(&mut marks);
    }
    refresh.hash(&mut marks);
    // Each bucket's day begins at another time, so that not all are read again at once.
    let shift = DAY_S / BUCKETS as u64 * key.bucket() as u64;
    ((now_s + shift) / DAY_S).hash(&mut marks);
    (key, marks.finish())
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Memory {
    /// The sums of an earlier life.
    kept: [u64; BUCKETS],
    /// What this life has read.
    read: HashMap<Key, u64>,
    /// Whether the token ever had the scope by which private repositories are seen.
    pub(crate) saw_private: bool,
}

/// What stands at the end of a cursor for that.
const PRIVATE: &str = ":repo";

impl Memory {
    /// What a cursor tells; nothing, if it is none of ours.
    pub(crate) fn new(cursor: Option<&str>) -> Self {
        let saw_private = cursor.is_some_and(|text| text.ends_with(PRIVATE));
        let bytes = cursor.and_then(|text| text.strip_prefix("1:"));
        let bytes = bytes.map(|text| text.strip_suffix(PRIVATE).unwrap_or(text));
        let bytes = bytes.and_then(|text| BASE64_NOPAD.decode(text.as_bytes()).ok());
        let mut kept = [0; BUCKETS];
        if let Some(bytes) = bytes.filter(|bytes| bytes.len() == BUCKETS * SUM_BYTES) {
            for (sum, bytes) in kept.iter_mut().zip(bytes.chunks_exact(SUM_BYTES)) {
                *sum = bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            }
        }
        Self { kept, read: HashMap::new(), saw_private }
    }

    /// Takes in what is listed now, whole: what is listed no more is forgotten. Gives those that
    /// have to be read, a bucket after the other.
    pub(crate) fn changed(&mut self, listed: &[(Key, u64)]) -> HashSet<Key> {
        let sums = sums(listed.iter().copied());
        let is_kept = |key: Key| cut(sums[key.bucket()]) == self.kept[key.bucket()];
        let mut now = HashMap::with_capacity(listed.len());
        let mut changed = HashSet::new();
        for (key, mark) in listed {
            match self.read.get(key) {
                Some(before) if before == mark => {
                    now.insert(*key, *mark);
                }
                None if is_kept(*key) => {
                    now.insert(*key, *mark);
                }
                _ => {
                    changed.insert(*key);
                }
            }
        }
        self.read = now;
        // From now on each goes by its own.
        self.kept = [0; BUCKETS];
        changed
    }

    /// A repository was read, and what it shows is durable.
    pub(crate) fn done(&mut self, key: Key, mark: u64) {
        self.read.insert(key, mark);
    }

    /// A repository has to be read again, whatever is listed of it.
    pub(crate) fn forget(&mut self, key: Key) {
        self.read.remove(&key);
    }

    /// The cursor: how far what is listed was read.
    pub(crate) fn cursor(&self, listed: &[(Key, u64)]) -> String {
        let mut sums = sums(listed.iter().copied());
        for (key, mark) in listed {
            if self.read.get(key) != Some(mark) {
                // Not all of the bucket is read: it is read again after a restart.
                sums[key.bucket()] = 0;
            }
        }
        let bytes = sums.iter().flat_map(|sum| cut(*sum).to_be_bytes()[8 - SUM_BYTES..].to_vec());
        let private = if self.saw_private { PRIVATE } else { "" };
        format!("1:{}{private}", BASE64_NOPAD.encode(&bytes.collect::<Vec<_>>()))
    }
}

const fn cut(sum: u64) -> u64 {
    sum & ((1 << (8 * SUM_BYTES)) - 1)
}

fn sums(listed: impl Iterator<Item = (Key, u64)>) -> [u64; BUCKETS] {
    listed.fold([0; BUCKETS], |mut sums, (key, mark)| {
        let sum = &mut sums[key.bucket()];
        *sum = sum.wrapping_add(mark);
        sums
    })
}

/// The order in which repositories are read, so that buckets are done one after the other.
pub(crate) const fn order(key: Key) -> (usize, Key) {
    (key.bucket(), key)
}

#[cfg(test)]
mod tests {
    use event::vocabulary::KEY_BYTES_MAX;
    use serde_json::json;

    use super::*;

    fn listed(count: u64, changed: u64) -> Vec<(Key, u64)> {
        let mark = |at: u64| if at < changed { u64::MAX - at } else { at * 7919 + 1 };
        (0..count).map(|at| (Key::of(&at.to_string()), mark(at))).collect()
    }

    #[test]
    fn only_what_changed_is_read_again_and_after_a_restart_its_bucket() {
        let all = listed(10_000, 0);
        let mut memory = Memory::new(None);
        assert_eq!(memory.changed(&all).len(), 10_000);
        all.iter().for_each(|(key, mark)| memory.done(*key, *mark));
        assert_eq!(memory.changed(&all).len(), 0);
        assert_eq!(memory.changed(&listed(10_000, 3)).len(), 3);
        memory.changed(&all).iter().for_each(|key| {
            let mark = all.iter().find(|(other, _)| other == key).unwrap().1;
            memory.done(*key, mark);
        });
        memory.saw_private = true;
        let cursor = memory.cursor(&all);
        assert!(Memory::new(Some(&cursor)).saw_private);
        assert!(cursor.len() <= KEY_BYTES_MAX, "{}", cursor.len());

        assert_eq!(Memory::new(Some(&cursor)).changed(&all).len(), 0);
        let some = Memory::new(Some(&cursor)).changed(&listed(10_000, 1)).len();
        assert!((1..400).contains(&some), "{some} of one bucket");
        // One that is gone, and one that is new, are noticed in their buckets.
        assert!(Memory::new(Some(&cursor)).changed(&all[1..]).len() < 400);
        assert!(!Memory::new(Some(&cursor)).changed(&listed(10_001, 0)).is_empty());
        for wrong in ["", "1:", "1:AAAA", "2:x"] {
            assert_eq!(Memory::new(Some(wrong)).changed(&all).len(), 10_000);
        }
    }

    #[test]
    fn what_is_broken_off_goes_on_where_it_was() {
        let mut all = listed(1000, 0);
        all.sort_by_key(|(key, _)| order(*key));
        let mut memory = Memory::new(None);
        memory.changed(&all);
        all[..500].iter().for_each(|(key, mark)| memory.done(*key, *mark));
        let left = Memory::new(Some(&memory.cursor(&all))).changed(&all).len();
        assert!((500..530).contains(&left), "{left}");
    }

    #[test]
    fn a_mark_tells_what_a_scope_depends_on() {
        let config: Config =
            serde_json::from_value(json!({"id": "a", "token": "t", "users": ["o"]})).unwrap();
        let repository = json!({
            "id": "R1", "name": "r", "nameWithOwner": "o/r", "url": "u",
            "defaultBranchRef": {"name": "main", "target": {"oid": "c1"}},
        });
        let of = |change: &dyn Fn(&mut serde_json::Value), now_s| {
            let mut repository = repository.clone();
            change(&mut repository);
            mark(&config, &serde_json::from_value(repository).unwrap(), (&[], None), now_s).1
        };
        let first = of(&|_| {}, 0);
        assert_eq!(first, of(&|of| of["isFork"] = true.into(), 0));
        assert_ne!(first, of(&|of| of["defaultBranchRef"]["target"]["oid"] = "c2".into(), 0));
        assert_ne!(first, of(&|of| of["defaultBranchRef"]["name"] = "m".into(), 0));
        assert_ne!(first, of(&|of| of["defaultBranchRef"] = ().into(), 0));
        assert_ne!(first, of(&|of| of["nameWithOwner"] = "o/s".into(), 0));
        assert_ne!(first, of(&|_| {}, DAY_S));
    }
}
