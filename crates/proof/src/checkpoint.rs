//! Checkpoints (C2SP `tlog-checkpoint`) and proofs as texts (C2SP `tlog-proof`).

use std::fmt;

use data_encoding::BASE64;

use crate::tree::Hash;

/// The first line of a proof.
const PROOF: &str = "c2sp.org/tlog-proof@v1";

/// What a checkpoint says: the text of a signed note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many records its tree has.
    pub size: u64,
    /// The tree's root.
    pub root: Hash,
    /// Further lines, opaque to all who only know the format.
    pub extensions: Vec<String>,
}

impl Checkpoint {
    /// Reads the text of a note; `None` when it is no checkpoint.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let size = decimal(size)?;
        let root = BASE64.decode(root.as_bytes()).ok()?.try_into().ok()?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if origin.is_empty() || extensions.iter().any(String::is_empty) {
            return None;
        }
        Some(Self { origin: origin.to_owned(), size, root, extensions })
    }

    /// What a note says that may be signed by anyone: its text is read, its signatures are not.
    #[must_use]
    pub fn of_note(note: &str) -> Option<Self> {
        Self::parse(&note[..=note.rfind("\n\n")?])
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, BASE64.encode(&self.root))?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// The further line of Annals' checkpoints: what is folded from the records of the tree, by which
/// version of the rules, as lower-case hexadecimal digests.
#[must_use]
pub fn folded_line(rules: u32, state: &str, history: &str) -> String {
    format!("annals/v1 fold={rules} state={state} history={history}")
}

/// A number as it is written in one way only.
fn decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if canonical && digits { text.parse().ok() } else { None }
}

/// A proof that a record stands in a log: its index, the way to the root, and the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// What comes with it and is not proved; the leaf's bytes.
    pub extra: Option<Vec<u8>>,
    /// The record's offset.
    pub index: u64,
    /// From the leaf's sibling to the root's child.
    pub hashes: Vec<Hash>,
    /// The checkpoint as a signed note.
    pub checkpoint: String,
}

impl InclusionProof {
    /// Reads a proof; `None` when it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (head, checkpoint) = text.split_once("\n\n")?;
        let mut lines = head.split('\n').peekable();
        if lines.next()? != PROOF {
            return None;
        }
        let extra = lines.peek().and_then(|line| line.strip_prefix("extra "));
        let extra = match extra {
            Some(extra) => {
                lines.next();
                Some(BASE64.decode(extra.as_bytes()).ok()?)
            }
            None => None,
        };
        let index = decimal(lines.next()?.strip_prefix("index ")?)?;
        let hash = |line: &str| BASE64.decode(line.as_bytes()).ok()?.try_into().ok();
        let hashes = lines.map(hash).collect::<Option<Vec<Hash>>>()?;
        Some(Self { extra, index, hashes, checkpoint: checkpoint.to_owned() })
    }
}

impl fmt::Display for InclusionProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{PROOF}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", BASE64.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{}", BASE64.encode(hash)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

/// A tile's place, as it stands behind `tile/` in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TilePath {
    /// The level of hashes; `None` for entries.
    pub level: Option<u8>,
    /// Which tile of the level.
    pub index: u64,
    /// How many hashes or entries, 1 to 256.
    pub width: u64,
}

impl TilePath {
    /// Reads a path: `0/x001/234`, `1/000.p/7`, `entries/000`; `None` for one of no tile.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (level, rest) = text.split_once('/')?;
        let level = match level {
            "entries" => None,
            level => Some(decimal(level).filter(|level| *level < 64)?.try_into().ok()?),
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, decimal(width).filter(|w| (1..256).contains(w))?),
            None => (rest, 256),
        };
        let (before, last) = match index.rsplit_once('/') {
            Some((before, last)) => (Some(before), last),
            None => (None, index),
        };
        let mut number = 0_u64;
        let parts = before.into_iter().flat_map(|parts| parts.split('/'));
        for part in parts.map(|part| part.strip_prefix('x')).chain([Some(last)]) {
            let part = part.filter(|part| part.len() == 3)?;
            if !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            number = number.checked_mul(1000)?.checked_add(part.parse().ok()?)?;
        }
        // One tile has one path: no part of zeros comes first.
        if before.is_some_and(|parts| parts.starts_with("x000")) {
            return None;
        }
        Some(Self { level, index: number, width })
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            Some(level) => write!(f, "{level}/")?,
            None => f.write_str("entries/")?,
        }
        let mut parts = vec![format!("{:03}", self.index % 1000)];
        let mut rest = self.index / 1000;
        while rest > 0 {
            parts.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        parts.reverse();
        f.write_str(&parts.join("/"))?;
        if self.width < 256 { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

/// A bundle of entries: each with its length before it, in two bytes. `None` when one is longer.
#[must_use]
pub fn write_entries<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend_from_slice(&u16::try_from(entry.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Some(bytes)
}

/// The entries of a bundle; `None` when it breaks off.
#[must_use]
pub fn read_entries(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk()?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        entries.push(entry);
        bytes = rest;
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_reads_what_it_writes_and_nothing_else() {
        let root = BASE64.encode(&[7; 32]);
        for text in [format!("a\n0\n{root}\n"), format!("a\n12\n{root}\nmore\n")] {
            assert_eq!(Checkpoint::parse(&text).unwrap().to_string(), text);
        }
        for text in [
            String::new(),
            "a\n0\n".into(),
            format!("\n0\n{root}\n"),
            format!("a\n00\n{root}\n"),
            format!("a\n+1\n{root}\n"),
            format!("a\n1\n{root}"),
            format!("a\n1\n{root}=\n"),
            format!("a\n1\n{root}\n\n"),
        ] {
            assert_eq!(Checkpoint::parse(&text), None, "{text:?}");
        }
    }

    #[test]
    fn a_proof_reads_what_it_writes() {
        for extra in [None, Some(b"leaf".to_vec())] {
            for count in 0..3 {
                let checkpoint = "a\n3\nAAAA\n\n\u{2014} a AAAAAAAA\n".to_owned();
                let hashes = vec![[3; 32]; count];
                let proof = InclusionProof { extra: extra.clone(), index: 2, hashes, checkpoint };
                assert_eq!(InclusionProof::parse(&proof.to_string()), Some(proof));
            }
        }
        for text in ["", "c2sp.org/tlog-proof@v1\n\n", "c2sp.org/tlog-proof@v1\nindex 01\n\na"] {
            assert_eq!(InclusionProof::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_tile_has_one_path() {
        for (text, level, index, width) in [
            ("0/000", Some(0), 0, 256),
            ("1/x001/x234/067", Some(1), 1_234_067, 256),
            ("63/x001/000.p/255", Some(63), 1000, 255),
            ("entries/005.p/1", None, 5, 1),
        ] {
            let path = TilePath { level, index, width };
            assert_eq!(TilePath::parse(text), Some(path), "{text}");
            assert_eq!(path.to_string(), text);
        }
        for text in [
            "",
            "0",
            "0/",
            "0/0",
            "0/0000",
            "0/x000/001",
            "0/001/002",
            "64/000",
            "00/000",
            "-1/000",
            "0/000.p/",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/01",
            "0/000/",
            "0/+01",
            "entries",
            "data/000",
            "0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(TilePath::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_bundle_reads_what_it_writes() {
        let entries: [&[u8]; 3] = [b"one", b"", b"three"];
        let bundle = write_entries(entries).unwrap();
        assert_eq!(read_entries(&bundle).unwrap(), entries);
        assert_eq!(read_entries(&bundle[..bundle.len() - 1]), None);
        assert_eq!(write_entries([&[0; 65_536][..]]), None);
    }
}
