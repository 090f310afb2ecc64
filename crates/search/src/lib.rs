//! A search engine that knows no server.
//!
//! | module | what |
//! |---|---|
//! | `expression` | the expressions of APPLY and FILTER |
//! | `query` | the query language in both grammars, as one tree |
//! | `text` | words of texts |

pub mod expression;
pub mod query;
pub mod text;

#[cfg(test)]
mod record;
