//! Makes streams: from one line per command to calls of it, and from calls to a stream.
//!
//! Everything random is drawn from the stream's seed, so that a seed is a stream. Which servers
//! play it, and what their answers may differ in, is decided elsewhere: `play`, `compare`.

mod filters;
pub mod grammar;
mod json;
mod pools;
pub mod rows;
pub mod source;
mod words;
