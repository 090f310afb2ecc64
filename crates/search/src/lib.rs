//! A search engine that knows no server.
//!
//! | module | what |
//! |---|---|
//! | `query` | the query language in both grammars, as one tree |

pub mod query;
