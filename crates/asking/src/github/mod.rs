//! Asking a GitHub: github.com, or an Enterprise Server.

mod client;
mod credentials;
mod graph;
mod host;
mod owner;
mod token;

pub use client::{Client, Data};
pub use credentials::{App, Credentials};
pub use graph::GraphError;
pub use host::Host;
pub use owner::{Owner, is_name};
pub use token::Tokens;
