//! Makes streams: calls from a line for each command, and a stream from the calls.
//!
//! The stream's seed decides everything random, so a seed always gives the same stream. `play` and
//! `compare` decide which servers play the stream and in what their answers may differ.

mod filters;
pub mod grammar;
mod json;
mod pools;
pub mod rows;
pub mod source;
mod words;
