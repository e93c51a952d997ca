//! The conformance suite over every connector, each with a real source or a stand-in for one.

#![expect(clippy::unwrap_used, reason = "a failing test is allowed to panic")]

mod ci;
mod files;
mod gitea;
mod github;
mod kubernetes;
mod process;
mod url;

use connector::conformance::{Bench, Fault, check_all};
use peak_alloc::PeakAlloc;
use support::scripted::{Fault as Wrong, How, Reply, Scripted};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// How many bytes this process holds now.
fn live() -> u64 {
    MEMORY.current_usage() as u64
}

/// How many bytes it held at the most.
fn most() -> u64 {
    MEMORY.peak_usage() as u64
}

/// Runs the suite.
fn check<B: Bench + 'static>(make: impl Fn() -> B) {
    check_all(&|| Box::new(make()), live);
}

/// From now on what is asked of a site that holds a text goes wrong.
fn wrong(site: &Scripted, on: &str, fault: Fault) {
    let how = match fault {
        Fault::Fails => Wrong::Instead(Reply::status(500)),
        Fault::Limits => Wrong::Instead(Reply::status(429).with("retry-after", "1")),
        Fault::Part => Wrong::Comes(How::Cut),
        Fault::Forgets => Wrong::Instead(Reply::status(401)),
        Fault::Hangs => Wrong::Comes(How::Hangs),
    };
    site.fault(on, usize::MAX, how);
}
