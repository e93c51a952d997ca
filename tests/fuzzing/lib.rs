//! What holds for any input: one property a place where bytes from outside come in.
//!
//! `fuzz/` looks for inputs for which they do not hold, with a nightly toolchain; `make test`
//! asks them of the seeds in `fuzz/seeds`, so that they stay true between two such searches. A
//! property stops with a panic where it does not hold.
//!
//! What is absent: random inputs, which are the fuzzer's, and those of `tests/properties`.

mod codec;
mod cursors;
mod deliveries;
mod documents;
mod filters;
mod frames;
mod lines;
mod naive;
mod records;
mod references;
mod rows;
mod yaml;

/// A property of all inputs.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name: that of the fuzz target, and of the folder of its seeds.
    pub name: &'static str,
    /// Stops where it does not hold.
    pub check: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "codec", check: codec::check },
    Target { name: "cursors", check: cursors::check },
    Target { name: "deliveries", check: deliveries::check },
    Target { name: "documents", check: documents::check },
    Target { name: "filters", check: filters::check },
    Target { name: "frames", check: frames::check },
    Target { name: "lines", check: lines::check },
    Target { name: "records", check: records::check },
    Target { name: "references", check: references::check },
    Target { name: "rows", check: rows::check },
    Target { name: "yaml", check: yaml::check },
];

/// The property of a name.
///
/// # Panics
/// When there is none of that name.
pub fn check(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("a target of this name").check)(input);
}
