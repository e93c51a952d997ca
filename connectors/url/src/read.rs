//! From a target to its documents.
//!
//! Invariant: whatever a target holds, every document of it is handed out once: resolved, or as
//! what is wrong with it.

use std::collections::BTreeMap;

use connector::{Found, Pages, Place, Problem, documents, shown};
use event::vocabulary::Fault;
use model::location::{GITHUB_HOSTS, resolve_url};
use model::placeholder::Placeholder;
use model::yaml::Limits;

use crate::Config;
use crate::fetch::{BYTES_MAX, Fetched, Fetcher, Unread, Validator};
use crate::words::fault;

/// URLs that the placeholders of one target may name, and what they may hold together.
const DEPENDENCIES_MAX: usize = 200;
const DEPENDENCIES_BYTES_MAX: usize = 64 << 20;

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
            pages: BTreeMap::new(),
            bytes_left: DEPENDENCIES_BYTES_MAX,
            validators,
        };
        let place = Place { name: target, location: &format!("url:{target}"), origin, limits };
        let items = documents(&bytes, &place, &mut reading);
        Ok(Read { items, validators: reading.validators })
    }
}

struct Reading<'a> {
    reader: &'a Reader,
    target: &'a str,
    /// What placeholders named so far.
    pages: BTreeMap<String, Vec<u8>>,
    bytes_left: usize,
    validators: Vec<Validator>,
}

impl Pages for Reading<'_> {
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
