//! A search engine that knows no server.
//!
//! | module | what |
//! |---|---|
//! | `arguments` | reads the words of a command |
//! | `document` | a document as an index reads it |
//! | `error` | why a command is refused |
//! | `expression` | the expressions of APPLY and FILTER |
//! | `file` | definitions as files have them |
//! | `highlight` | words of texts marked, and the parts around them |
//! | `hit` | documents that a query matched |
//! | `index` | the documents of a schema, found by what they hold |
//! | `inspect` | what an index holds, piece by piece |
//! | `iterate` | queries as cursors over documents |
//! | `pipeline` | from documents that match to the rows of a reply |
//! | `query` | the query language: both grammars, the same tree |
//! | `request` | the words of FT.SEARCH and FT.AGGREGATE |
//! | `score` | the score of a document |
//! | `search` | the options of a query, apart from its text |
//! | `schema` | which documents an index has, and how |
//! | `spelling` | words that no document has, and terms near to them |
//! | `text` | words of texts |

mod arguments;
pub mod document;
pub mod error;
pub mod expression;
pub mod file;
pub mod highlight;
pub mod hit;
pub mod index;
pub mod inspect;
pub mod iterate;
pub mod pipeline;
pub mod query;
pub mod request;
pub mod schema;
pub mod score;
pub mod search;
pub mod spelling;
pub mod text;

#[cfg(test)]
mod record;
