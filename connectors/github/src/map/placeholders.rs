//! What the placeholders of a file name: other files of its repository.

use std::collections::BTreeSet;

use asking::github::Host;
use connector::Pages;
use event::vocabulary::Fault;
use model::location::resolve_url;
use model::placeholder::Placeholder;

use super::reading::{Contents, Need, Reading};
use crate::place::Spot;

/// Placeholders of one file, and what they may bring in, in bytes.
const PAGES_MAX: usize = 1000;
const BYTES_MAX: usize = 64 << 20;

/// The placeholders of one file.
pub(super) struct Placeholders<'a> {
    reading: &'a Reading,
    host: &'a Host,
    /// The file.
    base: String,
    /// How many files that are not known may be asked for, and how many in this round.
    pub(super) may_ask: usize,
    pub(super) asks_now: usize,
    /// What has to be asked for.
    pub(super) asked: BTreeSet<Spot>,
    pub(super) blobs: BTreeSet<String>,
    /// What is named and known.
    pub(super) used: BTreeSet<Spot>,
    count: usize,
    bytes_left: usize,
    is_full: bool,
}

impl<'a> Placeholders<'a> {
    pub(super) fn new(reading: &'a Reading, host: &'a Host, base: String) -> Self {
        Self {
            reading,
            host,
            base,
            may_ask: 0,
            asks_now: 0,
            asked: BTreeSet::new(),
            blobs: BTreeSet::new(),
            used: BTreeSet::new(),
            count: 0,
            bytes_left: BYTES_MAX,
            is_full: false,
        }
    }

    /// Takes so many bytes from what they may bring in.
    fn bring(&mut self, bytes: usize) -> Result<(), Fault> {
        let left = self.bytes_left.checked_sub(bytes);
        // From then on nothing more is asked for.
        self.is_full |= left.is_none();
        self.bytes_left = left.ok_or_else(full)?;
        Ok(())
    }

    /// What they bring in, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        BYTES_MAX - self.bytes_left
    }
}

fn fault(name: &'static str, message: &str) -> Fault {
    Fault { name: name.into(), message: message.to_owned() }
}

fn full() -> Fault {
    let mib = BYTES_MAX >> 20;
    fault("InputError", &format!("one file brings in more than {mib} MiB"))
}

impl Pages for Placeholders<'_> {
    fn page(&mut self, placeholder: &Placeholder) -> Result<&[u8], Fault> {
        self.count += 1;
        if self.count > PAGES_MAX {
            return Err(fault("InputError", "one file names too many others"));
        }
        if self.is_full {
            return Err(full());
        }
        let own = [self.host.name.as_str()];
        let hosts = if self.host.is_gitea { &[][..] } else { &own };
        let url = resolve_url(&self.base, &placeholder.target, hosts);
        let url = url.ok_or_else(|| fault("InputError", "it is neither a URL nor a path"))?;
        let spot = self.reading.spot_of(&url).map_err(|_| {
            let why = "only files of the same repository are read from here";
            fault("NotAllowedError", why)
        })?;
        match self.reading.contents(&spot) {
            Contents::Text(text) => {
                self.used.insert(spot);
                self.bring(text.len())?;
                Ok(text)
            }
            Contents::Missing => {
                self.used.insert(spot);
                Err(fault("NotFoundError", "there is no such file"))
            }
            Contents::Wrong(why) => {
                self.used.insert(spot);
                Err(fault("InputError", &why))
            }
            // What is unknown is asked for, and all is read again then. Until then it is nothing,
            // in whatever form it is wanted, so that other needs are seen, too.
            Contents::Unknown(Need::Blob(oid), bytes) => {
                self.used.insert(spot);
                self.bring(bytes)?;
                self.blobs.insert(oid);
                Ok(b"null")
            }
            Contents::Unknown(Need::Object(spot), _) => {
                let (count, is_new) = (self.asked.len(), !self.asked.contains(&spot));
                if is_new && count >= self.may_ask {
                    let why = "the files of this repository name too many others";
                    return Err(fault("InputError", why));
                }
                if count < self.asks_now {
                    self.asked.insert(spot);
                }
                Ok(b"null")
            }
        }
    }
}
