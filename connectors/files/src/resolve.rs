//! What a document gets besides what stands in it: the annotations that say where it comes from,
//! and what its placeholders name.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use event::vocabulary::Fault;
use model::placeholder::{self, Placeholder, Room};
use model::yaml::Limits;
use serde_json::Value;

use crate::open::{self, Stamp};
use crate::roots::{Denied, Roots};
use crate::{name, words};

/// Bytes that the placeholders of one file may read.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// Files that the placeholders of one file may name.
const DEPENDENCIES_MAX: usize = 10_000;

/// Files that a file's placeholders name, with what they were when they were read.
pub(crate) type Dependencies = BTreeMap<PathBuf, Option<Stamp>>;

/// Puts what placeholders name in their places, for the documents of one file.
pub(crate) struct Resolver<'a> {
    /// The folder of the file; absent where the documents come from no file.
    folder: Option<&'a Path>,
    /// The folder's name, with what comes before a file's name in it.
    folder_name: &'a str,
    roots: &'a Roots,
    limits: Limits,
    bytes_left: u64,
    dependencies: Dependencies,
}

impl<'a> Resolver<'a> {
    /// For the documents of a file of this path and name.
    pub(crate) fn new(file: Option<(&'a Path, &'a str)>, roots: &'a Roots, limits: Limits) -> Self {
        let name = file.map_or("", |(_, name)| name);
        Self {
            folder: file.and_then(|(path, _)| path.parent()),
            folder_name: name.rfind('/').map_or("", |end| &name[..=end]),
            roots,
            limits,
            bytes_left: FILE_BYTES_MAX,
            dependencies: BTreeMap::new(),
        }
    }

    /// The files that were named, whether they could be read or not.
    pub(crate) fn into_dependencies(self) -> Dependencies {
        self.dependencies
    }

    /// Replaces the placeholders of a document.
    ///
    /// # Errors
    /// One that can't be; what is said of it goes after the words that name the document.
    pub(crate) fn resolve(&mut self, document: &mut Value) -> Result<(), Fault> {
        let input_error = |message: String| words::fault("InputError", message);
        let found = placeholder::find(document).map_err(|error| input_error(error.to_string()))?;
        let mut room = Room::new(self.limits);
        for placeholder in found {
            let bytes = self.read(&placeholder)?;
            let value = room
                .value_of(&placeholder, &bytes)
                .map_err(|error| input_error(error.to_string()))?;
            placeholder::replace(document, &placeholder, value);
        }
        Ok(())
    }

    /// Reads what a placeholder names.
    fn read(&mut self, placeholder: &Placeholder) -> Result<Vec<u8>, Fault> {
        let read = self.path_of(&placeholder.target).and_then(|path| {
            let is_known = self.dependencies.contains_key(&path);
            if !is_known && self.dependencies.len() >= DEPENDENCIES_MAX {
                let why = format!("{DEPENDENCIES_MAX} files are the most that one file may name");
                return Err(("InputError", why));
            }
            // Seen before it is read, so that a change in between is noticed.
            self.dependencies.entry(path.clone()).or_insert_with(|| Stamp::at(&path));
            self.read_file(&path, &placeholder.target)
        });
        read.map_err(|(class, why)| {
            let (kind, pointer) = (placeholder.kind.as_str(), name::of_text(&placeholder.pointer));
            let target = name::of_text(&placeholder.target);
            let message =
                format!("Placeholder ${kind} at {pointer} could not read {target}: {why}");
            words::fault(class, message)
        })
    }

    /// Where a target points to.
    fn path_of(&self, target: &str) -> Result<PathBuf, Unread> {
        if is_url(target) {
            let why = "reading URLs is not configured here, only paths relative to the file";
            return Err(("NotAllowedError", why.to_owned()));
        }
        if target.starts_with('/') || target.is_empty() || target.contains('\0') {
            return Err(("InputError", "it has to be a path relative to the file".to_owned()));
        }
        let folder = self.folder.ok_or_else(|| {
            let why = "documents from standard input have no folder to which it could be relative";
            ("InputError", why.to_owned())
        })?;
        Ok(folder.join(target))
    }

    fn read_file(&mut self, path: &Path, target: &str) -> Result<Vec<u8>, Unread> {
        let shown: PathBuf = Path::new(self.folder_name).join(target).components().collect();
        let shown = name::of_text(&name::as_given(&shown));
        let real = self.roots.locate(path).map_err(|denied| match denied {
            Denied::Outside => ("NotAllowedError", outside(&shown)),
            Denied::Io(error) => {
                (words::class_of(&error), format!("{shown} {}", words::of_io(&error)))
            }
        })?;
        let (file, stamp) = open::open(&real).map_err(|unopened| {
            let fault = unopened.fault(&shown);
            (unopened.class(), fault.message)
        })?;
        let max = (self.limits.bytes_max as u64).min(self.bytes_left);
        if max < self.limits.bytes_max as u64 && stamp.size() > max {
            let mib = FILE_BYTES_MAX >> 20;
            return Err((
                "InputError",
                format!("{mib} MiB are the most that one file may bring in"),
            ));
        }
        let mut bytes = Vec::new();
        file.take(max + 1).read_to_end(&mut bytes).map_err(|error| {
            (words::class_of(&error), format!("{shown} {}", words::of_io(&error)))
        })?;
        self.bytes_left = self.bytes_left.saturating_sub(bytes.len() as u64);
        if bytes.len() as u64 > max {
            let mib = self.limits.bytes_max >> 20;
            return Err(("InputError", format!("{shown} is larger than {mib} MiB")));
        }
        Ok(bytes)
    }
}

/// The class of error, and what is wrong.
type Unread = (&'static str, String);

/// What is said of something that lies outside of the roots.
pub(crate) fn outside(name: &str) -> String {
    format!(
        "{name} lies outside of the folders that may be read; \
         the option `roots` of the connector names further ones"
    )
}

/// Whether a target begins with a scheme, as an absolute URL does.
fn is_url(target: &str) -> bool {
    let Some((scheme, _)) = target.split_once(':') else { return false };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(is_plain)
}
