//! From a file to its documents.
//!
//! Invariant: whatever the file is, reading it ends, and every document of it is handed out once:
//! resolved, or as what is wrong with it. Messages name the file, the line and the document, and
//! quote nothing of the file but what `model` does.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::str::Utf8Error;
use std::time::SystemTime;

use connector::{Broken, Found};
use event::vocabulary::Fault;
use model::document::Document;
use model::reference::EntityRef;
use model::yaml::{self, Limits, NdjsonError, ParsedDocument, SyntaxError};

use crate::open::{self, Stamp};
use crate::recognise::Recognise;
use crate::resolve::{Dependencies, Resolver};
use crate::roots::Roots;
use crate::{name, words};

/// Bytes of a file that are looked at before a decision about it.
const BEGINNING: usize = 64 << 10;

/// What a file may be at most: 10 MiB, and a line of NDJSON as much; see [`Limits`].
#[must_use]
pub fn limits() -> Limits {
    Limits { bytes_max: 10 << 20, ..Limits::default() }
}

/// One thing that stands in a file.
#[derive(Clone, Debug)]
pub struct Item {
    /// The line on which it begins, from 1, where there is one.
    pub line: Option<usize>,
    /// The document with its pointer, or what can't be read.
    pub content: Result<Found, Broken>,
}

/// Takes items; a break ends reading.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(Item) -> ControlFlow<()>;

/// What documents are read under.
#[derive(Clone, Copy)]
pub(crate) struct Under<'a> {
    pub(crate) roots: &'a Roots,
    pub(crate) limits: Limits,
    /// Whether a file that changes while it is read is taken as it was found.
    pub(crate) takes_unsteady: bool,
}

/// Whose documents are read.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    /// What the file is called.
    pub(crate) name: &'a str,
    /// Its path, to which those of placeholders are relative; absent for standard input.
    pub(crate) path: Option<&'a Path>,
    /// The location and the origin location that its documents are given, as `type:target`.
    pub(crate) locations: Option<(&'a str, &'a str)>,
    /// The Location entity that wants the file read.
    pub(crate) about: Option<&'a EntityRef>,
}

/// How a file is read that is found in a folder, and need not be one of a catalog.
#[derive(Clone, Copy)]
pub(crate) struct Lenient<'a> {
    pub(crate) recognise: &'a Recognise,
    /// Whether the catalog shows something of it.
    pub(crate) is_known: bool,
}

/// How reading a file ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// All of it was handed out.
    Done,
    /// It is no catalog file; nothing was handed out.
    PassedOver,
    /// Whoever takes the items had enough.
    Enough,
    /// It went before it could be opened.
    Gone,
    /// It changed while it was read.
    Unsteady,
}

/// What is known of a file that was read.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) end: End,
    pub(crate) dependencies: Dependencies,
    /// Whether it, or a file that it names, could have changed unnoticed since.
    pub(crate) is_young: bool,
}

/// Reads a file by its path without symbolic links.
pub(crate) fn read(
    real: &Path,
    origin: Origin<'_>,
    under: Under<'_>,
    lenient: Option<Lenient<'_>>,
    visit: Visit<'_>,
) -> Report {
    let resolver =
        Resolver::new(origin.path.map(|path| (path, origin.name)), under.roots, under.limits);
    let mut reading = Reading { origin, under, lenient, resolver, visit };
    let (end, stamp) = match open::open(real) {
        Ok((file, stamp)) => (reading.file(file, stamp), Some(stamp)),
        Err(unopened) if unopened.is_missing() => (End::Gone, None),
        Err(unopened) => {
            if lenient.is_some() {
                tracing::warn!(file = origin.name, why = ?unopened, "a file can't be read");
            }
            (reading.unreadable(unopened.fault(origin.name), &[]), None)
        }
    };
    let dependencies = reading.resolver.into_dependencies();
    let now = SystemTime::now();
    let mut stamps = dependencies.values().flatten().chain(&stamp);
    let is_young = stamps.any(|stamp| stamp.is_young(now));
    Report { end, dependencies, is_young }
}

/// Reads documents from something that is no file.
pub(crate) fn read_stream(
    mut source: impl BufRead,
    origin: Origin<'_>,
    under: Under<'_>,
    visit: Visit<'_>,
) -> End {
    let resolver = Resolver::new(None, under.roots, under.limits);
    let mut reading = Reading { origin, under, lenient: None, resolver, visit };
    let line = match first_line(&mut source, under.limits.bytes_max) {
        Ok(line) => line,
        Err(error) => return reading.unreadable(reading.io_fault(&error), &[]),
    };
    let is_lines = is_json_object(&line);
    let source = io::Cursor::new(line).chain(source);
    if is_lines { reading.lines(source) } else { reading.whole(source) }
}

struct Reading<'a, 'v> {
    origin: Origin<'a>,
    under: Under<'a>,
    lenient: Option<Lenient<'a>>,
    resolver: Resolver<'a>,
    visit: Visit<'v>,
}

impl Reading<'_, '_> {
    fn file(&mut self, file: File, stamp: Stamp) -> End {
        let mut file = BufReader::with_capacity(BEGINNING, file);
        let extension = self.origin.path.and_then(Path::extension).and_then(|text| text.to_str());
        let is_lines = match extension {
            Some("ndjson" | "jsonl") => Ok(true),
            Some("yaml" | "yml" | "json") => Ok(false),
            // Of other names nothing can be told.
            _ => file.fill_buf().map(|beginning| {
                beginning.split_inclusive(|byte| *byte == b'\n').next().is_some_and(is_json_object)
            }),
        };
        match is_lines {
            Ok(true) => {
                if let Err(end) = self.begin_lines(&mut file) {
                    return end;
                }
                let end = self.lines(&mut file);
                let is_steady = file.get_ref().metadata().is_ok_and(|now| Stamp::of(&now) == stamp);
                if end == End::Done && !is_steady && !self.under.takes_unsteady {
                    End::Unsteady
                } else {
                    end
                }
            }
            Ok(false) if stamp.size() > self.under.limits.bytes_max as u64 => {
                let text = file.fill_buf().map(<[u8]>::to_vec).unwrap_or_default();
                self.unreadable(self.too_large(), &text)
            }
            Ok(false) => self.whole_file(file, stamp),
            Err(error) => self.unreadable(self.io_fault(&error), &[]),
        }
    }

    /// Reads a file at once, so that nothing of it is handed out if it changes meanwhile.
    fn whole_file(&mut self, mut file: BufReader<File>, stamp: Stamp) -> End {
        let mut bytes = Vec::new();
        let max = self.under.limits.bytes_max as u64;
        if let Err(error) = file.by_ref().take(max + 1).read_to_end(&mut bytes) {
            return self.unreadable(self.io_fault(&error), &[]);
        }
        let is_steady = file.get_ref().metadata().is_ok_and(|now| Stamp::of(&now) == stamp);
        if !is_steady && !self.under.takes_unsteady {
            return End::Unsteady;
        }
        self.text(&bytes)
    }

    /// Reads a YAML or JSON text.
    fn whole(&mut self, source: impl Read) -> End {
        let mut bytes = Vec::new();
        let max = self.under.limits.bytes_max as u64;
        match source.take(max + 1).read_to_end(&mut bytes) {
            Ok(_) => self.text(&bytes),
            Err(error) => self.unreadable(self.io_fault(&error), &[]),
        }
    }

    fn text(&mut self, bytes: &[u8]) -> End {
        if bytes.len() > self.under.limits.bytes_max {
            return self.unreadable(self.too_large(), bytes);
        }
        if let Err(error) = str::from_utf8(bytes) {
            return self.unreadable(self.not_utf8(bytes, error), bytes);
        }
        if bytes.trim_ascii().is_empty() || bytes == b"\xef\xbb\xbf" {
            return self.unreadable(self.empty(), bytes);
        }
        let documents = yaml::read(bytes, &self.under.limits);
        if let Some(lenient) = self.lenient {
            let is_catalog = |document: &Result<ParsedDocument, SyntaxError>| {
                document
                    .as_ref()
                    .is_ok_and(|document| lenient.recognise.is_catalog(&document.value))
            };
            let is_broken = || {
                documents.iter().any(Result::is_err)
                    && (lenient.is_known || lenient.recognise.is_mentioned(bytes))
            };
            if !documents.iter().any(is_catalog) && !is_broken() {
                return End::PassedOver;
            }
        }
        for document in documents {
            if self.document(document).is_break() {
                return End::Enough;
            }
        }
        End::Done
    }

    /// Looks at the beginning of an NDJSON file.
    fn begin_lines(&mut self, file: &mut BufReader<File>) -> Result<(), End> {
        let beginning = match file.fill_buf() {
            Ok(beginning) => beginning,
            Err(error) => return Err(self.unreadable(self.io_fault(&error), &[])),
        };
        if beginning.is_empty() {
            return Err(self.unreadable(self.empty(), beginning));
        }
        match self.lenient {
            Some(lenient)
                if !lenient.is_known
                    && !lenient.recognise.is_catalog_lines(beginning, &self.under.limits) =>
            {
                Err(End::PassedOver)
            }
            _ => Ok(()),
        }
    }

    /// Reads NDJSON, a line at a time.
    fn lines(&mut self, source: impl BufRead) -> End {
        for document in yaml::read_ndjson(source, &self.under.limits) {
            let taken = match document {
                Ok(document) => self.document(Ok(document)),
                Err(NdjsonError::Syntax(error)) => self.document(Err(error)),
                Err(NdjsonError::Io { line, source }) => {
                    let fault = self.io_fault(&source);
                    let message = format!("{}, from line {line} on", fault.message);
                    self.broken(None, None, Fault { message, ..fault })
                }
            };
            if taken.is_break() {
                return End::Enough;
            }
        }
        End::Done
    }

    fn document(&mut self, document: Result<ParsedDocument, SyntaxError>) -> ControlFlow<()> {
        let ParsedDocument { mut value, index, line } = match document {
            Ok(document) => document,
            Err(error) => {
                let SyntaxError { index, line, column, problem } = error;
                let place = format!("line {line}, column {column}");
                let message = format!("{}: {problem}", self.place(&place, index));
                let fault = words::fault("InputError", message);
                return self.broken(Some((index, line)), self.origin.about.cloned(), fault);
            }
        };
        // The placeholders of what is no entity are its verdict's, which comes later.
        if value.is_object()
            && let Err(fault) = self.resolver.resolve(&mut value)
        {
            let place = self.place(&format!("line {line}"), index);
            let message = format!("{place}: {}", fault.message);
            let about = Document::new(&value).reference().ok();
            let about = about.or_else(|| self.origin.about.cloned());
            return self.broken(Some((index, line)), about, Fault { message, ..fault });
        }
        if let Some((location, origin)) = self.origin.locations {
            model::annotate_source(&mut value, location, origin);
        }
        let mut found = Found::new(value);
        found.pointer = Some(self.pointer(index));
        (self.visit)(Item { line: Some(line), content: Ok(found) })
    }

    fn pointer(&self, index: usize) -> String {
        format!("{}#{index}", self.origin.name)
    }

    fn place(&self, line: &str, index: usize) -> String {
        format!("{}, {line}, in the {} document", self.origin.name, words::ordinal(index))
    }

    fn broken(
        &mut self,
        place: Option<(usize, usize)>,
        about: Option<EntityRef>,
        fault: Fault,
    ) -> ControlFlow<()> {
        let item = match place {
            Some((index, _)) => self.pointer(index),
            None => self.origin.name.to_owned(),
        };
        let fault = Fault { message: name::of_message(&fault.message), ..fault };
        let pointer = Some(item.clone());
        let broken = Broken { item, about, required: false, fault, pointer };
        (self.visit)(Item { line: place.map(|(_, line)| line), content: Err(broken) })
    }

    /// A file that can't be read, with what was read of it: one of a folder that speaks of no
    /// catalog is passed over.
    fn unreadable(&mut self, fault: Fault, text: &[u8]) -> End {
        if let Some(lenient) = self.lenient
            && !lenient.is_known
            && !lenient.recognise.is_mentioned(text)
        {
            return End::PassedOver;
        }
        let about = self.origin.about.cloned();
        match self.broken(None, about, fault) {
            ControlFlow::Continue(()) => End::Done,
            ControlFlow::Break(()) => End::Enough,
        }
    }

    fn io_fault(&self, error: &io::Error) -> Fault {
        let message = format!("{} {}", self.origin.name, words::of_io(error));
        words::fault(words::class_of(error), message)
    }

    fn too_large(&self) -> Fault {
        let message = format!(
            "{} is larger than {} MiB, the most that a YAML or JSON file may have; \
             an NDJSON file may have any size",
            self.origin.name,
            self.under.limits.bytes_max >> 20
        );
        words::fault("InputError", message)
    }

    fn empty(&self) -> Fault {
        let message =
            format!("{} is empty; a file that is to show nothing is deleted", self.origin.name);
        words::fault("InputError", message)
    }

    fn not_utf8(&self, bytes: &[u8], error: Utf8Error) -> Fault {
        let name = self.origin.name;
        let message = if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            format!("{name} is in UTF-16; it has to be saved as UTF-8")
        } else {
            let before = &bytes[..error.valid_up_to()];
            let line = memchr::memchr_iter(b'\n', before).count() + 1;
            format!("{name}, line {line}: a byte is no UTF-8; the file has to be saved as UTF-8")
        };
        words::fault("InputError", message)
    }
}

/// The first line that has something on it, with what stands before it.
fn first_line(source: &mut impl BufRead, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    let mut source = source.take(bytes_max as u64 + 1);
    loop {
        let start = lines.len();
        let length = source.read_until(b'\n', &mut lines)?;
        if length == 0 || !lines[start..].trim_ascii().is_empty() {
            return Ok(lines);
        }
    }
}

/// Whether a line is a whole document of JSON, as every line of NDJSON is.
fn is_json_object(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.starts_with(b"{") && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// Reads NDJSON that grows after its first line.
    fn growing(takes_unsteady: bool) -> (End, usize) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.ndjson");
        std::fs::write(&path, "{}\n{}\n").expect("a file");
        let origin = Origin { name: "a.ndjson", path: Some(&path), locations: None, about: None };
        let roots = Roots::default();
        let under = Under { roots: &roots, limits: limits(), takes_unsteady };
        let mut count = 0;
        let report = read(&path, origin, under, None, &mut |_| {
            count += 1;
            let mut file = std::fs::OpenOptions::new().append(true).open(&path).expect("a file");
            file.write_all(b"\n").expect("room");
            ControlFlow::Continue(())
        });
        assert!(report.is_young);
        (report.end, count)
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_is_told() {
        assert_eq!(growing(false), (End::Unsteady, 2));
        assert_eq!(growing(true), (End::Done, 2));
    }
}
