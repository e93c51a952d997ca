//! Lines of a stream, none longer than a bound.

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// Why a line can't be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    #[error("a line is longer than {max} bytes")]
    TooLong { max: usize },
    #[error("it can't be read: {0}")]
    Io(#[from] std::io::Error),
}

/// Reads a line without its end into `line`; `false` at the end of the stream. Of a line that is
/// too long no more than the bound is ever in memory.
pub(crate) async fn next(
    stream: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
    max: usize,
) -> Result<bool, LineError> {
    line.clear();
    loop {
        let buffer = stream.fill_buf().await?;
        if buffer.is_empty() {
            return Ok(!line.is_empty());
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(buffer.len());
        if line.len() + taken > max {
            return Err(LineError::TooLong { max });
        }
        line.extend_from_slice(&buffer[..taken]);
        stream.consume(taken + usize::from(end.is_some()));
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// The same, but what is too long is cut and the rest of it passed over.
pub(crate) async fn next_cut(
    stream: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
    max: usize,
) -> std::io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let buffer = stream.fill_buf().await?;
        if buffer.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(buffer.len());
        let room = max.saturating_sub(line.len()).min(taken);
        line.extend_from_slice(&buffer[..room]);
        stream.consume(taken + usize::from(end.is_some()));
        if end.is_some() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::BufReader;

    use super::*;

    #[tokio::test]
    async fn lines_are_bounded() {
        let text = "a\n\nlonger\nlast";
        let mut line = Vec::new();
        let mut all = Vec::new();
        let mut stream = BufReader::with_capacity(4, text.as_bytes());
        while next(&mut stream, &mut line, 6).await.unwrap() {
            all.push(String::from_utf8(line.clone()).unwrap());
        }
        assert_eq!(all, ["a", "", "longer", "last"]);

        let mut stream = BufReader::with_capacity(4, text.as_bytes());
        assert!(next(&mut stream, &mut line, 5).await.unwrap());
        assert!(next(&mut stream, &mut line, 5).await.unwrap());
        let error = next(&mut stream, &mut line, 5).await.expect_err("a long line");
        assert_eq!(error.to_string(), "a line is longer than 5 bytes");

        let mut stream = BufReader::with_capacity(4, text.as_bytes());
        let mut cut = Vec::new();
        while next_cut(&mut stream, &mut line, 3).await.unwrap() {
            cut.push(String::from_utf8(line.clone()).unwrap());
        }
        assert_eq!(cut, ["a", "", "lon", "las"]);
    }
}
