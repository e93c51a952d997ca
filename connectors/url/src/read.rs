//! From a target to its documents.
//!
//! Invariant: whatever a target holds, every document of it is handed out once: resolved, or as
//! what is wrong with it.

use std::collections::BTreeMap;

use connector::{Found, shown};
use event::vocabulary::Fault;
use model::document::Document;
use model::location::{GITHUB_HOSTS, resolve_url};
use model::placeholder::{self, Placeholder, Room};
use model::reference::EntityRef;
use model::yaml::{self, Limits, ParsedDocument, SyntaxError};

use crate::Config;
use crate::fetch::{BYTES_MAX, Fetched, Fetcher, Unread, Validator};
use crate::words::fault;

/// URLs that the placeholders of one target may name, and what they may hold together.
const DEPENDENCIES_MAX: usize = 200;
const DEPENDENCIES_BYTES_MAX: usize = 64 << 20;

/// A document that can't be read.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Which document of the target it is, from 0.
    pub index: usize,
    /// The entity, where the document tells it.
    pub about: Option<EntityRef>,
    /// What is wrong.
    pub fault: Fault,
}

/// What a target holds.
#[derive(Debug)]
pub struct Read {
    /// Its documents in their order.
    pub items: Vec<Result<Found, Problem>>,
    pub(crate) validators: Vec<Validator>,
}

/// Reads targets. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reader {
    fetcher: Fetcher,
}

impl Reader {
    /// A reader that asks the hosts of a configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self { fetcher: Fetcher::new(config.allow.clone()) }
    }

    /// Reads a target, whose documents get an origin location. Blocks.
    ///
    /// # Errors
    /// Why it can't be read, and whether that is because there is nothing.
    pub fn read(&self, target: &str, origin: &str) -> Result<Read, (Fault, bool)> {
        self.get(target, origin).map_err(|unread| (unread.fault, unread.is_missing))
    }

    /// Whether a target, with all that it named, is as it was.
    pub(crate) fn is_unchanged(&self, validators: &[Validator]) -> bool {
        !validators.is_empty()
            && validators.iter().all(|validator| {
                let etag = validator.etag.as_deref();
                etag.is_some()
                    && matches!(self.fetcher.fetch(&validator.url, etag), Ok(Fetched::Unchanged))
            })
    }

    pub(crate) fn get(&self, target: &str, origin: &str) -> Result<Read, Unread> {
        let Fetched::Page { bytes, etag } = self.fetcher.fetch(target, None)? else {
            return Err(Unread::new("Error", "an answer came that was not asked for".into()));
        };
        let validators = vec![Validator { url: target.to_owned(), etag }];
        let limits = Limits { bytes_max: BYTES_MAX, ..Limits::default() };
        if bytes.trim_ascii().is_empty() {
            let message = format!("{} is empty", shown(target));
            return Err(Unread::new("InputError", message));
        }
        let mut reading = Reading {
            reader: self,
            target,
            location: format!("url:{target}"),
            origin,
            limits,
            pages: BTreeMap::new(),
            bytes_left: DEPENDENCIES_BYTES_MAX,
            validators,
        };
        let items = yaml::read(&bytes, &limits);
        let items = items.into_iter().map(|document| reading.document(document)).collect();
        Ok(Read { items, validators: reading.validators })
    }
}

struct Reading<'a> {
    reader: &'a Reader,
    target: &'a str,
    location: String,
    origin: &'a str,
    limits: Limits,
    /// What placeholders named so far.
    pages: BTreeMap<String, Vec<u8>>,
    bytes_left: usize,
    validators: Vec<Validator>,
}

impl Reading<'_> {
    fn document(
        &mut self,
        document: Result<ParsedDocument, SyntaxError>,
    ) -> Result<Found, Problem> {
        let ParsedDocument { mut value, index, line } = document.map_err(|error| {
            let SyntaxError { index, line, column, problem } = error;
            let message = format!(
                "{}, line {line}, column {column}, in document {}: {problem}",
                shown(self.target),
                index + 1
            );
            Problem { index, about: None, fault: fault("InputError", message) }
        })?;
        // The placeholders of what is no entity are its verdict's, which comes later.
        if value.is_object()
            && let Err(inner) = self.resolve(&mut value)
        {
            let place = shown(self.target);
            let message =
                format!("{place}, line {line}, in document {}: {}", index + 1, inner.message);
            let about = Document::new(&value).reference().ok();
            return Err(Problem { index, about, fault: Fault { message, ..inner } });
        }
        model::annotate_source(&mut value, &self.location, self.origin);
        let mut found = Found::new(value);
        found.pointer = Some(format!("{}#{index}", shown(self.target)));
        Ok(found)
    }

    fn resolve(&mut self, document: &mut serde_json::Value) -> Result<(), Fault> {
        let input_error = |message: String| fault("InputError", message);
        let found = placeholder::find(document).map_err(|error| input_error(error.to_string()))?;
        let mut room = Room::new(self.limits);
        for placeholder in found {
            let bytes = self.page(&placeholder).map_err(|inner| {
                let (kind, target) = (placeholder.kind.as_str(), shown(&placeholder.target));
                let why = inner.message;
                let message =
                    format!("Placeholder ${kind} could not read location {target}, {why}");
                Fault { message, ..inner }
            })?;
            let value = room
                .value_of(&placeholder, bytes)
                .map_err(|error| input_error(error.to_string()))?;
            placeholder::replace(document, &placeholder, value);
        }
        Ok(())
    }

    /// What a placeholder names; each URL is read once.
    fn page(&mut self, placeholder: &Placeholder) -> Result<&[u8], Fault> {
        let input_error = |message: String| fault("InputError", message);
        let url = resolve_url(self.target, &placeholder.target, GITHUB_HOSTS)
            .ok_or_else(|| input_error("it is neither a URL nor a path".into()))?;
        if !self.pages.contains_key(&url) {
            if self.pages.len() >= DEPENDENCIES_MAX {
                let message =
                    format!("{DEPENDENCIES_MAX} URLs are the most that one target may name");
                return Err(input_error(message));
            }
            let fetched = self.reader.fetcher.fetch(&url, None).map_err(|unread| unread.fault)?;
            let Fetched::Page { bytes, etag } = fetched else {
                return Err(fault("Error", "an answer came that was not asked for".into()));
            };
            self.bytes_left = self.bytes_left.checked_sub(bytes.len()).ok_or_else(|| {
                let mib = DEPENDENCIES_BYTES_MAX >> 20;
                input_error(format!("{mib} MiB are the most that one target may bring in"))
            })?;
            self.validators.push(Validator { url: url.clone(), etag });
            self.pages.insert(url.clone(), bytes);
        }
        Ok(self.pages.get(&url).map_or(&[], Vec::as_slice))
    }
}
