//! A search engine that knows no server.
//!
//! | module | what |
//! |---|---|
//! | `expression` | the expressions of APPLY and FILTER |
//! | `numbers` | numbers as C prints them |
//! | `query` | the query language in both grammars, as one tree |
//! | `text` | words of texts |

pub mod expression;
mod numbers;
pub mod query;
pub mod text;

#[cfg(test)]
mod record;
