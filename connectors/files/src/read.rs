//! Reading catalog files once: what `annals check` and `annals ingest` are given.
//!
//! Items come in the order of the paths, of the files of a folder, and of the documents of a file.
//! Targets of Location entities are not read: they are a wish of the catalog, not a part of the
//! file. Of the same file under two paths the first counts. A folder's files that are none of a
//! catalog are passed over, as the running connector does; a file that is named is read.

use std::collections::HashSet;
use std::io::{self, BufRead};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use connector::Broken;
use event::vocabulary::Fault;
use model::yaml::Limits;

pub use crate::documents::{Item, limits};

use crate::documents::{self, End, Lenient, Origin, Under, Visit};
use crate::recognise::Recognise;
use crate::roots::Roots;
use crate::site::{self, Site};
use crate::walk::{self, Budget, Listing, Rule, Trouble};
use crate::{Error, name, words};

/// The path that stands for standard input.
pub const STDIN: &str = "-";

/// Reads files, folders, globs, and standard input (`-`).
#[derive(Clone, Debug)]
pub struct Reader {
    paths: Vec<PathBuf>,
    roots: Vec<PathBuf>,
    limits: Limits,
    recognise: Recognise,
}

impl Reader {
    /// Reads these paths, in this order.
    #[must_use]
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Self { paths, roots: Vec::new(), limits: limits(), recognise: Recognise::default() }
    }

    /// The same, with further folders that placeholders may name files in. Those that the paths
    /// name, or in which they lie, are allowed.
    #[must_use]
    pub fn with_roots(self, roots: Vec<PathBuf>) -> Self {
        Self { roots, ..self }
    }

    /// The same, with other limits of a file.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same, where documents of these API versions are a catalog's, too.
    #[must_use]
    pub fn with_api_versions(self, api_versions: Vec<String>) -> Self {
        Self { recognise: Recognise::new(api_versions), ..self }
    }

    /// Looks whether every path leads somewhere, and reads nothing.
    ///
    /// # Errors
    /// A path that names nothing.
    pub fn look(&self) -> Result<(), Error> {
        let files = self.paths.iter().filter(|path| path.as_path() != Path::new(STDIN));
        for path in files {
            site::look(here(), path)
                .map_err(|nowhere| nothing(&name::as_given(path), nowhere.words()))?;
        }
        Ok(())
    }

    /// Hands out what stands in the files, until there is no more of it or `visit` breaks. Returns
    /// how many files were passed over.
    ///
    /// # Errors
    /// A path that names nothing. Whatever is wrong with a file is an item.
    pub fn visit(&self, visit: &mut dyn FnMut(Item) -> ControlFlow<()>) -> Result<u64, Error> {
        let roots = self.paths.iter().map(|path| site::root(here(), path));
        let roots = Roots::new(roots.chain(self.roots.iter().cloned()));
        let under = Under { roots: &roots, limits: self.limits, takes_unsteady: false };
        let mut seen = Seen::default();
        for path in &self.paths {
            let taken = if path == Path::new(STDIN) {
                stream("stdin", std::io::stdin().lock(), self.limits, visit)
            } else {
                self.path(path, under, &mut seen, visit)?
            };
            if taken.is_break() {
                break;
            }
        }
        Ok(seen.passed_over)
    }

    fn path(
        &self,
        path: &Path,
        under: Under<'_>,
        seen: &mut Seen,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let given = name::as_given(path);
        let (stop, mut budget) = (AtomicBool::new(false), Budget::UNLIMITED);
        let mut list = |top: &Path, rule: Rule<'_>| {
            walk::list(top, rule, under.roots, &mut budget, &stop).unwrap_or_default()
        };
        let site = site::look(here(), path).map_err(|nowhere| nothing(&given, nowhere.words()))?;
        let lenient = Lenient { recognise: &self.recognise, is_known: false };
        let lenient = matches!(site, Site::Folder).then_some(lenient);
        let listing = match site {
            Site::File => Listing::of_file(path),
            Site::Folder => list(path, Rule::Folder),
            Site::Glob(folder, pattern) => {
                let listing = list(&folder, Rule::Glob(&pattern));
                let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
                let mut unlisted = listing.unlisted.iter();
                if listing.files.is_empty() && unlisted.all(|(_, error)| is_missing(error)) {
                    return Err(nothing(&given, "matches no file".to_owned()));
                }
                listing
            }
        };
        for (path, error) in &listing.unlisted {
            let name = name::as_given(path);
            if visit(broken(site::fault_of_unlisted(&name, error), name)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        // A broken link that is not named like a file to be read is nobody's loss.
        let is_loss = |trouble: &Trouble| !matches!(trouble, Trouble::Io(_));
        for (path, trouble) in listing.strays.iter().filter(|(_, trouble)| is_loss(trouble)) {
            let name = name::as_given(path);
            if visit(broken(site::fault_of(&name, trouble), name)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        for file in listing.files {
            if file.real.as_ref().is_ok_and(|real| !seen.files.insert(real.clone())) {
                continue;
            }
            match one(&file.path, file.real, under, lenient, visit) {
                End::Enough => return Ok(ControlFlow::Break(())),
                End::PassedOver => seen.passed_over += 1,
                End::Done | End::Gone | End::Unsteady => {}
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// What was met so far.
#[derive(Default)]
struct Seen {
    files: HashSet<PathBuf>,
    passed_over: u64,
}

/// Reads YAML, JSON or NDJSON, whichever it is, from something that is no file.
pub fn stream(
    name: &str,
    source: impl BufRead,
    limits: Limits,
    visit: &mut dyn FnMut(Item) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let roots = Roots::default();
    let origin = Origin { name, path: None, locations: None, about: None };
    flow(documents::read_stream(
        source,
        origin,
        Under { roots: &roots, limits, takes_unsteady: true },
        visit,
    ))
}

fn one(
    path: &Path,
    real: Result<PathBuf, Trouble>,
    under: Under<'_>,
    lenient: Option<Lenient<'_>>,
    visit: Visit<'_>,
) -> End {
    let name = name::as_given(path);
    let real = match real {
        Ok(real) => real,
        Err(trouble) => return tell(visit, site::fault_of(&name, &trouble), name),
    };
    let location = format!("file:{}", path.to_str().unwrap_or(&name));
    let locations = Some((location.as_str(), location.as_str()));
    let origin = Origin { name: &name, path: Some(path), locations, about: None };
    match documents::read(&real, origin, under, lenient, visit).end {
        End::Gone => {
            let message = format!("{name} went while its folder was read");
            tell(visit, words::fault("NotFoundError", message), name)
        }
        End::Unsteady => {
            let message = format!("{name} changed while it was read");
            tell(visit, words::fault("Error", message), name)
        }
        end => end,
    }
}

fn tell(visit: Visit<'_>, fault: Fault, name: String) -> End {
    match visit(broken(fault, name)) {
        ControlFlow::Break(()) => End::Enough,
        ControlFlow::Continue(()) => End::Done,
    }
}

fn nothing(path: &str, problem: String) -> Error {
    Error::Path { path: path.to_owned(), problem }
}

/// The folder that paths are relative to.
fn here() -> &'static Path {
    Path::new("")
}

fn flow(end: End) -> ControlFlow<()> {
    if end == End::Enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

fn broken(fault: Fault, item: String) -> Item {
    let fault = Fault { message: name::of_message(&fault.message), ..fault };
    let pointer = Some(item.clone());
    Item { line: None, content: Err(Broken { item, about: None, required: false, fault, pointer }) }
}
