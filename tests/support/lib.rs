//! What tests that cross crates share: random histories, a plain in-memory catalog that says what
//! must come of them, and a log with views.

#![expect(clippy::unwrap_used, missing_docs, reason = "a test stops where it fails")]

pub mod catalog;
pub mod ci;
pub mod gitea;
pub mod github;
pub mod history;
pub mod kafka;
pub mod maven;
pub mod node;
pub mod npm;
pub mod process;
pub mod proxy;
pub mod random;
pub mod raw_kafka;
pub mod scripted;
pub mod storage;
pub mod web;
