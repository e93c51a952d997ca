//! JSON, and NDJSON line by line.

use std::io::{self, BufRead};

use serde_json::Value;

use super::{Limits, ParsedDocument, SyntaxError, SyntaxProblem};
use crate::document::is_deeper_than;
use crate::js;

/// Reads one JSON value. Of equal keys the last wins, as in JavaScript. Bytes that are no UTF-8
/// become U+FFFD.
///
/// # Errors
/// What is no JSON, or passes a limit.
pub fn read_json(bytes: &[u8], limits: &Limits) -> Result<Value, SyntaxError> {
    let error = |line, column, problem| SyntaxError { index: 0, line, column, problem };
    let too_much = |what, max| error(1, 1, SyntaxProblem::TooMuch { what, max });
    if bytes.len() > limits.bytes_max {
        return Err(too_much("bytes", limits.bytes_max));
    }
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut value: Value = serde_json::from_str(text).map_err(|problem| {
        let message = problem.to_string();
        // The place is told apart from the words.
        let message = message.split(" at line ").next().unwrap_or_default().to_owned();
        error(problem.line().max(1), problem.column().max(1), SyntaxProblem::Malformed(message))
    })?;
    if is_deeper_than(&value, limits.depth_max) {
        return Err(too_much("levels of nesting", limits.depth_max));
    }
    plain_numbers(&mut value);
    Ok(value)
}

/// Takes the fraction from whole numbers, as JavaScript does.
fn plain_numbers(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            if let Some(plain) = number.as_f64().and_then(js::number) {
                *number = plain;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(plain_numbers),
        Value::Object(map) => map.values_mut().for_each(plain_numbers),
        _ => {}
    }
}

/// Why a line of NDJSON is no document.
#[derive(Debug, thiserror::Error)]
pub enum NdjsonError {
    /// The line is no JSON, or passes a limit. The next line is read.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// The source failed. Nothing more is read.
    #[error("reading line {line}")]
    Io {
        /// The line that was to be read, from 1.
        line: usize,
        /// What happened.
        source: io::Error,
    },
}

/// Reads documents from lines of JSON, holding one line at a time, of at most
/// [`Limits::bytes_max`] bytes. Blank lines are left out.
pub fn read_ndjson<R: BufRead>(source: R, limits: &Limits) -> Ndjson<R> {
    let buffer = Vec::new();
    Ndjson { source, limits: *limits, line: 0, index: 0, buffer, is_at_end: false }
}

/// The documents of an NDJSON source. See [`read_ndjson`].
#[derive(Debug)]
pub struct Ndjson<R> {
    source: R,
    limits: Limits,
    /// How many lines were read.
    line: usize,
    /// How many lines with something on them were read.
    index: usize,
    buffer: Vec<u8>,
    is_at_end: bool,
}

impl<R: BufRead> Ndjson<R> {
    /// Reads a line without its end into the buffer, and whatever is too long past it.
    ///
    /// Returns whether there was one, and how long it is.
    fn next_line(&mut self) -> io::Result<Option<usize>> {
        self.buffer.clear();
        let mut length = 0;
        loop {
            let available = match self.source.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                available => available?,
            };
            let (end, is_end) = match available.iter().position(|&byte| byte == b'\n') {
                Some(end) => (end, true),
                None => (available.len(), available.is_empty()),
            };
            let room = self.limits.bytes_max.saturating_sub(self.buffer.len());
            self.buffer.extend_from_slice(&available[..end.min(room)]);
            length += end;
            let is_line_end = end < available.len();
            self.source.consume(end + usize::from(is_line_end));
            if is_end {
                return Ok((is_line_end || length > 0).then_some(length));
            }
        }
    }
}

impl<R: BufRead> Iterator for Ndjson<R> {
    type Item = Result<ParsedDocument, NdjsonError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_at_end {
            let length = match self.next_line() {
                Ok(Some(length)) => length,
                Ok(None) => break,
                Err(source) => {
                    self.is_at_end = true;
                    return Some(Err(NdjsonError::Io { line: self.line + 1, source }));
                }
            };
            self.line += 1;
            if self.buffer.iter().all(u8::is_ascii_whitespace) && length <= self.limits.bytes_max {
                continue;
            }
            let (index, line) = (self.index, self.line);
            self.index += 1;
            if length > self.limits.bytes_max {
                let problem = SyntaxProblem::TooMuch { what: "bytes", max: self.limits.bytes_max };
                return Some(Err(SyntaxError { index, line, column: 1, problem }.into()));
            }
            let value = read_json(&self.buffer, &self.limits);
            return Some(match value {
                Ok(value) => Ok(ParsedDocument { value, index, line }),
                Err(error) => Err(SyntaxError { index, line, ..error }.into()),
            });
        }
        self.is_at_end = true;
        None
    }
}
