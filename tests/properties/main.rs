//! What must hold for every history: random ones, compared with a plain catalog in memory.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod fold;
mod queries;
