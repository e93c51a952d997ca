//! From what GitHub answers and delivers to what is emitted. Everything here is a function of that.

pub mod changes;
pub(crate) mod filter;
pub(crate) mod reading;
pub(crate) mod teams;
