//! Erasure: which records name somebody, and what is left of them.

mod names;
mod plan;

pub(crate) use names::Names;
pub(crate) use plan::{Found, Plan, Planner, What};
