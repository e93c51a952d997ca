//! The conformance suite over every connector, each with a real source or a stand-in for one.

#![expect(clippy::unwrap_used, reason = "a failing test is allowed to panic")]

mod files;
mod github;
mod process;
mod url;

use connector::conformance::{Bench, check_all};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// How many bytes this process holds now.
fn live() -> u64 {
    MEMORY.current_usage() as u64
}

/// Runs the suite.
fn check<B: Bench + 'static>(make: impl Fn() -> B) {
    check_all(&|| Box::new(make()), live);
}
