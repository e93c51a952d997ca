//! The bytes that the embedded log keeps for one entry: a CRC-32C (Castagnoli) of the rest, 4
//! bytes little-endian, then a byte that tells a record (1) from bytes that are none (0), then the
//! record in the binary form of `crates/event`, or the bytes.

use bytes::{BufMut, Bytes, BytesMut};
use event::{CodecError, Content, RECORD_BYTES_MAX, decode, encode};

use crate::Error;

const RECORD: u8 = 1;
const OTHER: u8 = 0;

/// Why a frame can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Too short to be one.
    #[error("the frame has only {bytes} bytes")]
    Short {
        /// Its length.
        bytes: usize,
    },
    /// The bytes are not those that were written.
    #[error("the frame's checksum does not hold")]
    Checksum,
    /// Neither a record nor other bytes: something that came later than this program.
    #[error("the frame is of the sort {sort}, which this version of Annals does not know")]
    Newer {
        /// What stood there.
        sort: u8,
    },
    /// The record in it can't be read.
    #[error("the record in the frame can't be read")]
    Record(#[from] CodecError),
}

impl FrameError {
    /// Whether a later version of this program wrote the frame.
    #[must_use]
    pub const fn is_newer(&self) -> bool {
        match self {
            Self::Newer { .. } => true,
            Self::Record(error) => error.is_newer(),
            Self::Short { .. } | Self::Checksum => false,
        }
    }
}

/// Frames an entry's content.
#[must_use]
pub fn write_frame(content: &Content) -> Bytes {
    let (sort, body) = match content {
        Ok(record) => (RECORD, encode(record)),
        Err(bytes) => (OTHER, bytes.clone()),
    };
    let mut frame = BytesMut::with_capacity(5 + body.len());
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&[sort]), &body);
    frame.put_u32_le(checksum);
    frame.put_u8(sort);
    frame.put_slice(&body);
    frame.freeze()
}

/// Frames an entry's content for appending, if a log takes it.
pub(crate) fn checked_frame(content: &Content) -> Result<Bytes, Error> {
    if let Ok(record) = content {
        record.check()?;
    }
    let frame = write_frame(content);
    if frame.len() > RECORD_BYTES_MAX {
        return Err(Error::TooLarge { bytes: frame.len(), limit: RECORD_BYTES_MAX });
    }
    Ok(frame)
}

/// The content of a frame.
///
/// # Errors
/// When the bytes are not what [`write_frame`] wrote.
pub fn read_frame(frame: &Bytes) -> Result<Content, FrameError> {
    let Some((checksum, rest)) = frame.split_first_chunk::<4>() else {
        return Err(FrameError::Short { bytes: frame.len() });
    };
    let Some((sort, body)) = rest.split_first() else {
        return Err(FrameError::Short { bytes: frame.len() });
    };
    if crc32c::crc32c(rest) != u32::from_le_bytes(*checksum) {
        return Err(FrameError::Checksum);
    }
    let body = frame.slice_ref(body);
    match *sort {
        RECORD => Ok(Ok(decode(&body)?)),
        OTHER => Ok(Err(body)),
        sort => Err(FrameError::Newer { sort }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use proptest::prelude::*;

    #[test]
    fn golden_frame() {
        let frame = write_frame(&Err(Bytes::from_static(b"garbage")));
        expect!["aa2b5a8f0067617262616765"]
            .assert_eq(&frame.iter().map(|b| format!("{b:02x}")).collect::<String>());
    }

    #[test]
    fn a_newer_frame_is_told_from_a_damaged_one() {
        for (body, newer) in [
            (&[2, b'x'][..], Some(true)),
            (&[RECORD, 2], Some(true)),
            (&[RECORD, b'x'], Some(false)),
            (&[OTHER, b'x'], None),
        ] {
            let mut frame = crc32c::crc32c(body).to_le_bytes().to_vec();
            frame.extend_from_slice(body);
            let found = read_frame(&frame.into()).err().map(|error| error.is_newer());
            assert_eq!(found, newer, "{body:?}");
        }
    }

    #[test]
    fn a_frame_that_is_cut_off_is_none() {
        let frame = write_frame(&Err(Bytes::from_static(b"garbage")));
        for end in 0..frame.len() {
            assert!(read_frame(&frame.slice(..end)).is_err(), "cut at {end}");
        }
    }

    proptest! {
        #[test]
        fn a_frame_reads_as_written_and_any_flipped_bit_shows(
            raw in proptest::collection::vec(any::<u8>(), 0..64), at in any::<usize>(), bit in 0..8_u32,
        ) {
            let frame = write_frame(&Err(raw.clone().into()));
            prop_assert_eq!(read_frame(&frame), Ok(Err(raw.into())));
            let mut bad = frame.to_vec();
            let at = at % bad.len();
            bad[at] ^= 1_u8 << bit;
            prop_assert!(read_frame(&bad.into()).is_err());
        }

        #[test]
        fn any_bytes_are_read_without_panic(raw in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = read_frame(&raw.into());
        }
    }
}
