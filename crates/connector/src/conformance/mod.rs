//! The suite that every connector passes: what [`crate`] asks of them, as laws.
//!
//! A connector's test gives a [`Bench`], its source, which can be made to hold things and to fail,
//! and calls [`check_all`]. The catalog that it talks to is the suite's own: it keeps what the log
//! would, and what it is told too late, too often, or without a pointer. Faults show as panics that
//! name the law.

mod catalog;
mod laws;
mod listening;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::Pin;

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{Emitter, Start};

pub use laws::{LAWS, check_all};

/// A connector that runs.
pub type Run = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How the suite gets at one connector and its source.
pub trait Bench {
    /// The connector over its source, as the node would run it; targets, where it needs them, are
    /// the bench's to give.
    fn run(&self, start: Start, emitter: Emitter, stopping: watch::Receiver<bool>) -> Run;

    /// Makes the source hold these things and no others.
    fn hold(&mut self, things: &[Thing]);

    /// Makes the source fail in one way, until it is mended. Says whether it knows this way.
    fn fail(&mut self, fault: Fault) -> bool;

    /// Makes the source work again, with what it held.
    fn mend(&mut self);

    /// What the connector may never repeat.
    fn secrets(&self) -> Vec<String>;

    /// By which name the catalog shows a thing: its entity's, or the key of its activity.
    fn shows(&self, thing: &Thing) -> String {
        thing.name.clone()
    }

    /// A source that is large: how many things, with how many bytes each. Together they
    /// have to be several times as large as a page.
    fn large(&self) -> (u32, usize) {
        (3000, 10_000)
    }

    /// Whether what is gone from the source is withdrawn; what happened is not.
    fn withdraws(&self) -> bool {
        true
    }
}

/// Something that a source holds: an entity, or a run of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    /// A name for entities.
    pub name: String,
    /// How often it was changed.
    pub version: u32,
    /// How many bytes it holds besides.
    pub bytes: usize,
}

impl Thing {
    /// It as a Component.
    #[must_use]
    pub fn component(&self) -> Value {
        json!({
            "apiVersion": "backstage.io/v1alpha1",
            "kind": "Component",
            "metadata": {
                "name": self.name,
                "description": format!("{} {}", self.version, "x".repeat(self.bytes)),
            },
            "spec": {"type": "service", "lifecycle": "production", "owner": "shop"},
        })
    }
}

/// A way in which a source fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It can't be read, or answers with errors.
    Fails,
    /// It wants to be left alone for a while.
    Limits,
    /// It answers with a part of what it holds.
    Part,
    /// It accepts the credentials no more.
    Forgets,
    /// It does not answer.
    Hangs,
}

impl Fault {
    /// All that a connector has to tell of.
    pub const TOLD: [Self; 4] = [Self::Fails, Self::Limits, Self::Part, Self::Forgets];
}
