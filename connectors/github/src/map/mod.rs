//! From what GitHub answers and delivers to what is emitted. Everything here is a function of that.

pub mod changes;
pub(crate) mod filter;
mod items;
mod placeholders;
pub(crate) mod reading;
mod survey;
pub(crate) mod teams;
#[cfg(test)]
mod tests;
