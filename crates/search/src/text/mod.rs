//! What a text is made of. A search answers as Backstage's does over PostgreSQL, so texts are cut
//! into the same words, and these lose the same endings.

mod grammar;
mod headline;
mod lexeme;
mod parser;
mod term;

pub(crate) use headline::{Tags, headline};
pub(crate) use lexeme::{lexemes, typed};
pub(crate) use term::{Looked, Term, Word};

#[cfg(test)]
mod tests;
