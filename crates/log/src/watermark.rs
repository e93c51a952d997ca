//! Up to where appends were acknowledged: the file `DURABLE`, 8 bytes big-endian and their CRC-32C.
//!
//! It is written after each group was synced, and not synced itself: what it says was true before
//! it said so, and a process that is killed loses nothing of it. After a power cut it may be some
//! seconds old. So it is a lower bound: a log that ends below it has lost acknowledged records.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use event::Offset;

/// How long the file is.
const BYTES: usize = 12;

pub(crate) struct Watermark {
    file: File,
}

impl Watermark {
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join("DURABLE");
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        Ok(Self { file })
    }

    /// What was written last; 0 where nothing readable stands there.
    pub(crate) fn read(&self) -> Offset {
        let mut bytes = [0; BYTES];
        match self.file.read_exact_at(&mut bytes, 0) {
            Ok(()) => read_watermark(&bytes).unwrap_or(0),
            Err(_) => 0,
        }
    }

    /// A failed write is passed over: the older value stays a lower bound.
    pub(crate) fn write(&self, durable: Offset) {
        let _ = self.file.write_all_at(&write_watermark(durable), 0);
    }
}

/// The bytes of the file.
#[must_use]
pub fn write_watermark(durable: Offset) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes[..8].copy_from_slice(&durable.to_be_bytes());
    let checksum = crc32c::crc32c(&bytes[..8]);
    bytes[8..].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

/// What the bytes of the file say; `None` for bytes that [`write_watermark`] did not write.
#[must_use]
pub fn read_watermark(bytes: &[u8; BYTES]) -> Option<Offset> {
    let [offset @ .., a, b, c, d] = *bytes;
    let holds = crc32c::crc32c(&offset) == u32::from_be_bytes([a, b, c, d]);
    holds.then(|| Offset::from_be_bytes(offset))
}
